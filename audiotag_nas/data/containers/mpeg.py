"""Finds the streams of MPEG audio (MP3) frame by frame.

An MP3 stream gives its length only in an information frame, which may be
absent. Decoders then estimate the length from the bit rate of the first frame,
and the estimate is wrong if the bit rate varies. Therefore this module counts
frames, corrects the information frame, and omits tags and damaged parts.
"""

import dataclasses
import re
from typing import BinaryIO

from audiotag_nas.data.containers.mpeg_frame import (
    Frame,
    Information,
    parse_header,
    parse_information,
)
from audiotag_nas.data.containers.stream import Contents, Piece, Stream, read_at

_MAX_BYTES_BEFORE_FRAME = 1 << 16
_BLOCK_BYTES = 1 << 20
_SEARCH_BYTES = 1 << 16
_MAX_RANGES = 20_000  # per stream; limits memory for heavily damaged files
_ID3V1_BYTES = 128
# Matches the start of a frame or tag. A regular expression is fast even in
# damaged parts in which most bits are one. The third byte of a frame must have
# a valid bit rate and a valid sample rate.
_CANDIDATE = re.compile(
    rb"\xff[\xe2-\xe7\xf2-\xff][%s]|ID3|TAG|APETAGEX|LYRICSBEGIN"
    % b"".join(
        b"\\x%02x" % byte for byte in range(0x10, 0xF0) if byte >> 2 & 3 != 3
    )
)


@dataclasses.dataclass
class _FoundStream:
    """A stream: its first frame, that frame's bytes, and all frames so far."""

    first: Frame
    first_bytes: bytes
    information: Information | None
    ranges: list[range] = dataclasses.field(default_factory=list)
    num_frames: int = 0
    cut_bytes: int = 0

    def add_frame(self, start: int, size: int) -> None:
        if self.ranges and self.ranges[-1].stop == start:
            self.ranges[-1] = range(self.ranges[-1].start, start + size)
        else:
            self.ranges.append(range(start, start + size))
        self.num_frames += 1


def mpeg_contents(file: BinaryIO, start: int, end: int) -> Contents | None:
    """Returns the streams, or None if no frame is near `start`."""
    data = _Window(file, end)
    found: list[_FoundStream] = []
    num_skipped = 0
    at = start
    while at < end:
        tag_bytes = _tag_bytes(data, at, end)
        if tag_bytes:
            at += tag_bytes
            continue
        frame = parse_header(data.get(at, 4))
        kind = found[-1].first.kind if found else None
        if frame is None or (
            # Other bytes may happen to look like one frame header.
            frame.kind != kind and not _is_start(data, at, frame, end)
        ):
            if not found and at - start >= _MAX_BYTES_BEFORE_FRAME:
                return None
            following = data.next_candidate(at + 1)
            # Zeros are padding, which is not counted.
            if any(data.get(at, following - at)):
                num_skipped += following - at
            at = following
            continue
        if found and at + frame.num_bytes > end and frame.kind == kind:
            found[-1].cut_bytes = at + frame.num_bytes - end
            break
        content = data.get(at, frame.num_bytes)
        information = parse_information(content, frame)
        if information is not None or frame.kind != kind:
            found.append(_FoundStream(frame, content, information))
        if information is None:
            found[-1].add_frame(at, len(content))
        if len(found[-1].ranges) > _MAX_RANGES:
            num_skipped += end - at
            break
        at += frame.num_bytes
    if not found:
        return None
    notes = []
    if num_skipped:
        notes.append(
            f"damaged: {num_skipped} bytes are not part of an MPEG audio frame "
            "and are not read."
        )
    streams = tuple(_stream(each) for each in found if each.num_frames)
    return Contents(streams, tuple(notes)) if streams else None


class _Window:
    """Reads the bytes of the file in large blocks."""

    def __init__(self, file: BinaryIO, end: int) -> None:
        self._file, self._end = file, end
        self._start, self._block = 0, b""

    def get(self, at: int, size: int) -> bytes:
        size = min(size, self._end - at)
        first = at - self._start
        if first < 0 or first + size > len(self._block):
            self._start, first = at, 0
            self._block = read_at(
                self._file, at, min(_BLOCK_BYTES, self._end - at)
            )
        return self._block[first : first + size]

    def next_candidate(self, at: int) -> int:
        """Returns the next offset at which a frame or tag may start."""
        block = self.get(at, _SEARCH_BYTES)
        match = _CANDIDATE.search(block)
        if match is not None:
            return at + match.start()
        if at + len(block) >= self._end:
            return self._end
        # The last bytes of this block may be the beginning of a mark.
        return at + len(block) - 16


def _tag_bytes(data: _Window, at: int, end: int) -> int:
    """Returns the length of the tag that starts at `at`; 0 if there is none."""
    head = data.get(at, 32)
    if head.startswith(b"ID3"):
        return id3_bytes(head)
    if head.startswith(b"TAG"):
        following = data.get(at + _ID3V1_BYTES, 4)
        if (
            not following
            or parse_header(following)
            or following[:3] in (b"ID3", b"TAG", b"APE", b"LYR")
        ):
            return min(_ID3V1_BYTES, end - at)
    if head.startswith(b"APETAGEX") and len(head) == 32:
        size = int.from_bytes(head[12:16], "little")
        is_header = bool(int.from_bytes(head[20:24], "little") & 1 << 29)
        return size + 32 if is_header else 32
    if head.startswith(b"LYRICSBEGIN"):
        rest = data.get(at, 20_000)
        last_field = rest.find(b"LYRICS200")
        return last_field + 9 if last_field >= 0 else 0
    return 0


def id3_bytes(head: bytes) -> int:
    """Returns the length of an ID3v2 tag and its header; 0 if there is none."""
    if len(head) < 10 or not head.startswith(b"ID3"):
        return 0
    if any(byte & 0x80 for byte in head[6:10]):
        return 0
    size = 0
    for byte in head[6:10]:
        size = size << 7 | byte
    return 10 + size + (10 if head[5] & 0x10 else 0)


def _is_start(data: _Window, at: int, frame: Frame, end: int) -> bool:
    """Returns True if two similar frames, a tag or the end follow `frame`."""
    for _ in range(2):
        at += frame.num_bytes
        if at >= end:
            return at == end
        following = parse_header(data.get(at, 4))
        if following is None or following.kind != frame.kind:
            return bool(_tag_bytes(data, at, end))
        frame = following
    return True


def _stream(found: _FoundStream) -> Stream:
    """Returns the stream; corrects the length in its information frame."""
    pieces: list[Piece] = list(found.ranges)
    information, notes = found.information, []
    announced = None if information is None else information.num_frames
    is_counted = information is not None and information.fields_at is not None
    if information is not None and information.fields_at is not None:
        frame = bytearray(found.first_bytes)
        num_bytes = len(frame) + sum(map(len, found.ranges))
        fields = found.num_frames.to_bytes(4, "big")
        if information.has_bytes:
            fields += min(num_bytes, 2**32 - 1).to_bytes(4, "big")
        at = information.fields_at
        frame[at : at + len(fields)] = fields
        pieces.insert(0, bytes(frame))
    seconds = found.first.num_samples / found.first.kind[2]
    if announced is not None and announced > found.num_frames:
        notes.append(
            f"truncated or damaged: the header announces "
            f"{announced * seconds:.2f} s, but the file holds "
            f"{found.num_frames * seconds:.2f} s."
        )
    elif found.cut_bytes:
        notes.append(
            f"truncated: the last frame lacks {found.cut_bytes} bytes; how "
            "much more is missing is unknown."
        )
    return Stream(
        tuple(pieces),
        estimated=not is_counted,
        # Decoders omit each frame that needs data of a missing frame.
        missing_allowed=2 * found.first.num_samples,
        notes=tuple(notes),
    )
