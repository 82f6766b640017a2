"""Finds the links (chained streams) of Ogg files with Vorbis, Opus or FLAC.

The first page of a link has a start mark, and the last page has an end mark. A
link without an end mark is truncated.
"""

import dataclasses
from typing import BinaryIO

from audiotag_nas.data.containers.stream import Contents, Stream, find, read_at

MARK = b"OggS"
_HEADER_BYTES = 27
_FIRST, _LAST = 2, 4  # bits of a page's header type


@dataclasses.dataclass
class _Link:
    start: int
    end: int
    has_only_first_pages: bool = True  # while True, more first pages may follow
    has_end: bool = False
    cut_bytes: int = 0  # missing bytes of the last page


def ogg_contents(file: BinaryIO, start: int, end: int) -> Contents:
    """Returns the links, and a note on bytes that are in no page."""
    links: list[_Link] = []
    num_skipped = 0
    at = start
    while at < end:
        page = _page(file, at, end)
        if page is None:
            following = find(file, MARK, at + 1, end)
            following = end if following < 0 else following
            num_skipped += following - at
            at = following
            continue
        kind, page_end = page
        begins = bool(kind & _FIRST)
        if not links or (begins and not links[-1].has_only_first_pages):
            links.append(_Link(at, at))
        link = links[-1]
        link.has_only_first_pages = begins
        link.has_end = bool(kind & _LAST)
        link.end = min(page_end, end)
        link.cut_bytes = max(0, page_end - end)
        at = page_end
    notes = []
    if num_skipped:
        notes.append(
            f"damaged: {num_skipped} bytes are not part of an Ogg page and are "
            "not read."
        )
    return Contents(tuple(map(_stream, links)), tuple(notes))


def _page(file: BinaryIO, at: int, end: int) -> tuple[int, int] | None:
    """Returns the header type and the end of the page at `at`, or None."""
    header = read_at(file, at, _HEADER_BYTES)
    if not header.startswith(MARK) or len(header) < _HEADER_BYTES:
        return None
    num_segments = header[26]
    lengths = read_at(file, at + _HEADER_BYTES, num_segments)
    if len(lengths) < num_segments:
        return None
    page_end = at + _HEADER_BYTES + num_segments + sum(lengths)
    # A page with a damaged length must not hide the pages after it.
    if page_end < end and read_at(file, page_end, 4) != MARK[: end - page_end]:
        inside = find(file, MARK, at + 4, min(page_end, end))
        if inside >= 0:
            return header[5], inside
    return header[5], page_end


def _stream(link: _Link) -> Stream:
    notes = []
    if link.cut_bytes:
        notes.append(
            f"truncated: the last page lacks {link.cut_bytes} bytes; how much "
            "more is missing is unknown."
        )
    elif not link.has_end:
        notes.append(
            "truncated: the stream has no end mark; how much is missing is "
            "unknown."
        )
    return Stream((range(link.start, link.end),), notes=tuple(notes))
