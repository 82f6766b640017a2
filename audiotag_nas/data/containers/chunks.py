"""Finds the samples of WAV, RF64, W64, AIFF, CAF and AU files.

The samples are in one chunk (a named block). The chunk's header may announce
too small a size, because a field of 32 bits can't hold 4 GB. If no other chunk
starts at the announced end of the samples, all further bytes are samples too.
"""

import dataclasses
import struct
from typing import BinaryIO

from audiotag_nas.data.containers.mpeg import mpeg_contents
from audiotag_nas.data.containers.stream import (
    Contents,
    Stream,
    read_at,
    replaced,
)

_RIFF_GUID = b"riff\x2e\x91\xcf\x11\xa5\xd6\x28\xdb\x04\xc1\x00\x00"
_GUID_END = b"\xf3\xac\xd3\x11\x8c\xd1\x00\xc0\x4f\x8e\xdb\x8a"
_MPEG_CODECS = (0x50, 0x55)
# Sizes that ffmpeg, SoX and arecord write when they do not know the length.
_UNKNOWN_SIZES = (0, 2**32 - 1, 2**31 - 1, 0x7FFFF000, 2**64 - 1)
_KNOWN_CHUNKS = frozenset(
    b"LIST|id3 |ID3 |bext|cue |smpl|inst|iXML|axml|fact|PEAK|DISP|JUNK|FLLR"
    b"|PAD |acid|cart|umid|levl|chna|_PMX|afsp|minf|elm1|regn|SAUR|strc|bwav"
    b"|MARK|COMT|INST|MIDI|AESD|APPL|NAME|AUTH|(c) |ANNO|CHAN|chan|info|free"
    b"|pakt|strg|mark|uuid|ovvw|peak|edct|kuki|data".split(b"|")
)


@dataclasses.dataclass(frozen=True)
class _Layout:
    """How a format arranges its chunks."""

    first_at: int
    data_name: bytes
    byte_order: str = "<"
    name_bytes: int = 4
    size_format: str = "I"
    size_counts_header: bool = False
    alignment: int = 2
    extra_bytes: int = 0  # between the data chunk's header and the samples

    @property
    def header_bytes(self) -> int:
        return self.name_bytes + struct.calcsize(f"<{self.size_format}")

    def pack(self, size: int) -> bytes:
        return struct.pack(self.byte_order + self.size_format, size)

    def unpack(self, field: bytes) -> int:
        return struct.unpack(self.byte_order + self.size_format, field)[0]


@dataclasses.dataclass(frozen=True)
class _Data:
    """The position of the samples, and the size that their header announces."""

    at: int
    announced: int
    size_at: int
    frame_bytes: int
    codec: int | None = None


_WAV = _Layout(12, b"data")
_WAV_BIG = dataclasses.replace(_WAV, byte_order=">")
_W64 = _Layout(
    *(40, b"data" + _GUID_END, "<", 16, "Q"),
    size_counts_header=True,
    alignment=8,
)
_AIFF = _Layout(12, b"SSND", ">", extra_bytes=8)
_CAF = _Layout(8, b"data", ">", size_format="Q", alignment=1, extra_bytes=4)


def chunk_contents(file: BinaryIO, start: int, end: int) -> Contents | None:
    """Returns the streams, or None (unknown format, or no samples found)."""
    head = read_at(file, start, 40)
    if head[:4] in (b".snd", b"dns."):
        return _au(head, start, end)
    layout = _layout(head)
    if layout is None:
        return None
    data = _find_data(file, layout, start, end)
    if data is None:
        return None
    available = end - data.at
    if data.codec in _MPEG_CODECS:
        size = data.announced
        if size in _UNKNOWN_SIZES or size > available:
            size = available
        mpeg = mpeg_contents(file, data.at, data.at + size)
        if mpeg is None:
            return Contents((Stream(()),))
        notes = _missing(data.announced, available)
        return Contents(mpeg.streams, (*notes, *mpeg.notes))
    return _contents(file, layout, start, end, data)


def _layout(head: bytes) -> _Layout | None:
    form = head[8:12]
    if head[:4] in (b"RIFF", b"RF64", b"BW64") and form == b"WAVE":
        return _WAV
    if head[:4] == b"RIFX" and form == b"WAVE":
        return _WAV_BIG
    if head[:16] == _RIFF_GUID:
        return _W64
    if head[:4] == b"FORM" and form in (b"AIFF", b"AIFC"):
        return _AIFF
    return _CAF if head[:4] == b"caff" else None


def _au(head: bytes, start: int, end: int) -> Contents | None:
    order = ">" if head[:4] == b".snd" else "<"
    if len(head) < 24:
        return None
    offset, size = struct.unpack(f"{order}II", head[4:12])
    if not 24 <= offset <= end - start:
        return None
    available = end - start - offset
    patches = [] if size == 2**32 - 1 else [(start + 8, b"\xff" * 4)]
    return Contents(
        (
            Stream(
                replaced(start, end, patches),
                notes=_missing(size, available) or _extended(size, available),
            ),
        )
    )


def _find_data(
    file: BinaryIO, layout: _Layout, start: int, end: int
) -> _Data | None:
    """Returns the data chunk, or None if it is missing."""
    at = start + layout.first_at
    frame_bytes, codec, long_size_at, long_size = 1, None, None, 0
    while at + layout.header_bytes <= end:
        header = read_at(file, at, layout.header_bytes)
        if len(header) < layout.header_bytes:
            break
        name = header[: layout.name_bytes]
        size_at = at + layout.name_bytes
        size = layout.unpack(header[layout.name_bytes :])
        if layout.size_counts_header:
            size -= layout.header_bytes
            if size < 0:
                break
        body_at = at + layout.header_bytes
        if name == layout.data_name:
            announced = size
            if long_size_at is not None and size == 2**32 - 1:
                announced, size_at = long_size, long_size_at
            unknown = announced in _UNKNOWN_SIZES
            if not unknown:
                announced -= layout.extra_bytes
            data = _Data(
                body_at + layout.extra_bytes,
                *(announced, size_at, frame_bytes, codec),
            )
            return data if data.at <= end else None
        body = read_at(file, body_at, 64)
        if name[:4] == b"fmt " and len(body) >= 16:
            order = layout.byte_order
            codec = struct.unpack(f"{order}H", body[:2])[0]
            frame_bytes = struct.unpack(f"{order}H", body[12:14])[0] or 1
        elif name == b"ds64" and len(body) >= 16:
            long_size_at = body_at + 8
            long_size = struct.unpack("<Q", body[8:16])[0]
        elif name == b"COMM" and len(body) >= 8:
            channels, _, bits = struct.unpack(">hIh", body[:8])
            frame_bytes = max(1, channels * ((bits + 7) // 8))
        elif name == b"desc" and len(body) >= 32:
            frame_bytes = struct.unpack(">I", body[16:20])[0] or 1
        at = _aligned(layout, start, body_at + size)
    return None


def _aligned(layout: _Layout, start: int, at: int) -> int:
    """Returns the first offset at which a chunk may start, not before `at`."""
    return at + (start - at) % layout.alignment


def _contents(
    file: BinaryIO, layout: _Layout, start: int, end: int, data: _Data
) -> Contents:
    """Returns streams whose headers announce the true size of the samples."""
    available = end - data.at
    size = _true_size(file, layout, start, end, data)
    notes = _missing(data.announced, available) or _extended(
        data.announced, size
    )
    if size == data.announced:
        return Contents((Stream((range(start, end),), notes=notes),))
    part = size
    if layout.size_format == "I" and size >= 2**31:
        # The size field is too small, so the samples become several streams.
        part = 2**30 // data.frame_bytes * data.frame_bytes
    streams = [
        Stream(
            (
                *replaced(
                    start,
                    data.at,
                    [_size_patch(layout, data, min(part, size - first))],
                ),
                range(data.at + first, data.at + min(first + part, size)),
            )
        )
        for first in range(0, size, max(1, part))
    ]
    return Contents(tuple(streams), notes)


def _true_size(
    file: BinaryIO, layout: _Layout, start: int, end: int, data: _Data
) -> int:
    """Returns the true size of the samples in bytes."""
    available = end - data.at
    if data.announced >= available or data.announced in _UNKNOWN_SIZES[1:]:
        return available
    # A field of 32 bits holds the size modulo 4 GB. Try each possible size.
    step = 2 ** (8 * struct.calcsize(layout.size_format))
    for size in range(data.announced, available, step):
        if _chunks_follow(file, layout, start, data.at + size, end):
            return size
    whole = available - available % data.frame_bytes
    return max(whole, data.announced)


def _size_patch(layout: _Layout, data: _Data, size: int) -> tuple[int, bytes]:
    """Returns the offset of the size field, and its new bytes for `size`."""
    size += layout.extra_bytes
    if layout is _WAV and data.size_at != data.at - 4:
        return data.size_at, struct.pack("<Q", size)
    if layout.size_counts_header:
        size += layout.header_bytes
    return data.size_at, layout.pack(size)


def _chunks_follow(
    file: BinaryIO, layout: _Layout, start: int, at: int, end: int
) -> bool:
    """Returns True if chunks start at `at` and reach a known one or `end`."""
    for first in {_aligned(layout, start, at), at}:
        chunk_at = first
        while chunk_at + layout.header_bytes <= end:
            header = read_at(file, chunk_at, layout.header_bytes)
            name = header[:4]
            if name in _KNOWN_CHUNKS:
                return True
            if not all(0x20 <= byte < 0x7F for byte in name):
                break
            size = layout.unpack(header[layout.name_bytes :])
            if not layout.size_counts_header:
                size += layout.header_bytes
            if size < layout.header_bytes or chunk_at + size > end:
                break
            chunk_at = _aligned(layout, start, chunk_at + size)
        else:
            return True
    return False


def _missing(announced: int, available: int) -> tuple[str, ...]:
    if announced in _UNKNOWN_SIZES or announced <= available:
        return ()
    return (
        f"truncated: the header announces {announced} bytes of samples, but "
        f"the file holds {available}.",
    )


def _extended(announced: int, available: int) -> tuple[str, ...]:
    if announced in _UNKNOWN_SIZES or announced >= available:
        return ()
    return (
        f"the header announces {announced} bytes of samples, but the file "
        f"holds {available}. All of them are read.",
    )
