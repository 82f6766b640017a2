"""MPEG audio (MP3): its frames, found one by one.

The length of an MP3 file is written in an information frame (Xing, Info,
VBRI) at the start, or nowhere. Decoders estimate it from the bit rate of the
first frame, which is wrong for variable bit rates. Here the frames are
counted, tags and damaged parts between them are left out, and the decoder
gets an information frame with the right numbers.
"""

import dataclasses
import re
from typing import BinaryIO

from audiotag_nas.data.containers.stream import (
    Contents,
    Piece,
    Stream,
    read_at,
)

_FIRST_FRAME_WITHIN = 1 << 16
_BLOCK_BYTES = 1 << 20
_SEARCH_BYTES = 1 << 16
_MAX_PIECES = 20_000  # of a stream; a file of junk and frames ends there

_RATES_HZ: dict[int, tuple[int, ...]] = {3: (44_100, 48_000, 32_000)}
_RATES_HZ[2] = tuple(rate // 2 for rate in _RATES_HZ[3])
_RATES_HZ[0] = tuple(rate // 4 for rate in _RATES_HZ[3])
# By (MPEG version 1 or not, layer), kbit/s of the indices 1 to 14.
_KBITS: dict[tuple[bool, int], tuple[int, ...]] = {
    (True, 1): tuple(range(32, 449, 32)),
    (True, 2): (32, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320, 384),
    (True, 3): (32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320),
    (False, 1): (
        *(32, 48, 56, 64, 80, 96, 112, 128, 144, 160, 176, 192, 224, 256),
    ),
    (False, 2): (8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160),
}
_KBITS[False, 3] = _KBITS[False, 2]


@dataclasses.dataclass(frozen=True)
class _Frame:
    """What a frame's header says. `kind` is the same within a stream."""

    size: int
    kind: tuple[int, int, int, bool]  # version, layer, rate, is mono
    num_samples: int


@dataclasses.dataclass(frozen=True)
class _Info:
    """An information frame: the frames it announces, where it says so."""

    num_frames: int | None
    fields_at: int | None  # of the numbers of frames and bytes in the frame
    has_bytes: bool


@dataclasses.dataclass
class _Found:
    """A stream while its frames are found."""

    kind: tuple[int, int, int, bool]
    samples_per_frame: int
    info: _Info | None
    info_frame: bytes
    ranges: list[range] = dataclasses.field(default_factory=list)
    num_frames: int = 0
    cut_bytes: int = 0

    def add(self, start: int, size: int) -> None:
        if self.ranges and self.ranges[-1].stop == start:
            self.ranges[-1] = range(self.ranges[-1].start, start + size)
        else:
            self.ranges.append(range(start, start + size))
        self.num_frames += 1


def mpeg_contents(file: BinaryIO, start: int, end: int) -> Contents | None:
    """The streams between two offsets; None where there is no first frame."""
    data = _Window(file, end)
    found: list[_Found] = []
    skipped = 0
    at = start
    while at < end:
        tag_bytes = _tag_bytes(data, at, end)
        if tag_bytes:
            at += tag_bytes
            continue
        frame = _frame(data.get(at, 4))
        kind = found[-1].kind if found else None
        if frame is None or (
            # One header alone may be chance.
            frame.kind != kind and not _is_start(data, at, frame, end)
        ):
            if not found and at - start >= _FIRST_FRAME_WITHIN:
                return None
            following = data.next_candidate(at + 1)
            # Zeros are padding, not a loss.
            if any(data.get(at, following - at)):
                skipped += following - at
            at = following
            continue
        if found and at + frame.size > end and frame.kind == kind:
            found[-1].cut_bytes = at + frame.size - end
            break
        content = data.get(at, frame.size)
        info = _info(content, frame)
        if info is not None or frame.kind != kind:
            found.append(
                _Found(
                    *(frame.kind, frame.num_samples, info),
                    content if info is not None else b"",
                )
            )
        if info is None:
            found[-1].add(at, len(content))
        if len(found[-1].ranges) > _MAX_PIECES:
            skipped += end - at
            break
        at += frame.size
    if not found:
        return None
    notes = []
    if skipped:
        notes.append(
            f"damaged: {skipped} bytes are not part of an MPEG audio frame "
            "and are not read."
        )
    streams = tuple(_stream(one) for one in found if one.num_frames)
    return Contents(streams, tuple(notes)) if streams else None


class _Window:
    """The file's bytes, read in large blocks."""

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
        """Where the next frame or tag may begin, at most a search ahead."""
        block = self.get(at, _SEARCH_BYTES)
        match = _CANDIDATE.search(block)
        if match is not None:
            return at + match.start()
        if at + len(block) >= self._end:
            return self._end
        # A mark may lie across the end of the block.
        return at + len(block) - 16


_ID3V1_BYTES = 128
# A regular expression, since a large damaged part may be full of ones. The
# third byte has a bit rate and a sample rate that exist.
_CANDIDATE = re.compile(
    rb"\xff[\xe2-\xe7\xf2-\xff][%s]|ID3|TAG|APETAGEX|LYRICSBEGIN"
    % b"".join(
        b"\\x%02x" % byte for byte in range(0x10, 0xF0) if byte >> 2 & 3 != 3
    )
)


def _tag_bytes(data: _Window, at: int, end: int) -> int:
    """The length of the tag that starts here; 0: there is none."""
    head = data.get(at, 32)
    if head.startswith(b"ID3"):
        return id3_bytes(head)
    if head.startswith(b"TAG"):
        following = data.get(at + _ID3V1_BYTES, 4)
        if (
            not following
            or _frame(following)
            or following[:3] in (*(b"ID3", b"TAG", b"APE", b"LYR"),)
        ):
            return min(_ID3V1_BYTES, end - at)
    if head.startswith(b"APETAGEX") and len(head) == 32:
        size = int.from_bytes(head[12:16], "little")
        is_header = bool(int.from_bytes(head[20:24], "little") & 1 << 29)
        return size + 32 if is_header else 32
    if head.startswith(b"LYRICSBEGIN"):
        rest = data.get(at, 20_000)
        place = rest.find(b"LYRICS200")
        return place + 9 if place >= 0 else 0
    return 0


def id3_bytes(head: bytes) -> int:
    """The length of an ID3v2 tag, its header included; 0: it is none."""
    if len(head) < 10 or not head.startswith(b"ID3"):
        return 0
    if any(byte & 0x80 for byte in head[6:10]):
        return 0
    size = 0
    for byte in head[6:10]:
        size = size << 7 | byte
    return 10 + size + (10 if head[5] & 0x10 else 0)


def is_mpeg_sync(head: bytes) -> bool:
    """Whether the bytes start with the 11 ones of a frame's header."""
    return len(head) >= 2 and head[0] == 0xFF and head[1] & 0xE0 == 0xE0


def _frame(header: bytes) -> _Frame | None:
    """What the four bytes of a header say; None: they are none."""
    if len(header) < 4 or not is_mpeg_sync(header):
        return None
    version, layer = header[1] >> 3 & 3, 4 - (header[1] >> 1 & 3)
    bit_rate, rate = header[2] >> 4, header[2] >> 2 & 3
    if version == 1 or layer == 4 or bit_rate in (0, 15) or rate == 3:
        return None
    if header[3] & 3 == 2:  # emphasis: reserved
        return None
    is_first = version == 3
    rate_hz = _RATES_HZ[version][rate]
    bits = _KBITS[is_first, layer][bit_rate - 1] * 1000
    padding = header[2] >> 1 & 1
    if layer == 1:
        num_samples, size = 384, (12 * bits // rate_hz + padding) * 4
    else:
        num_samples = 1152 if layer == 2 or is_first else 576
        size = num_samples // 8 * bits // rate_hz + padding
    return _Frame(
        size, (version, layer, rate_hz, header[3] >> 6 == 3), num_samples
    )


def _is_start(data: _Window, at: int, frame: _Frame, end: int) -> bool:
    """Whether two more frames of the kind follow, or the end does."""
    for _ in range(2):
        at += frame.size
        if at >= end:
            return at == end
        following = _frame(data.get(at, 4))
        if following is None or following.kind != frame.kind:
            return bool(_tag_bytes(data, at, end))
        frame = following
    return True


def _info(content: bytes, frame: _Frame) -> _Info | None:
    """The information in the frame; None: it holds sound."""
    version, layer, _, is_mono = frame.kind
    if layer != 3:
        return None
    if content[36:40] == b"VBRI":
        return _Info(int.from_bytes(content[50:54], "big") or None, None, False)
    side_bytes = (
        (17 if is_mono else 32) if version == 3 else 9 + 8 * (not is_mono)
    )
    at = 4 + side_bytes
    if content[at : at + 4] not in (b"Xing", b"Info"):
        return None
    flags = int.from_bytes(content[at + 4 : at + 8], "big")
    if not flags & 1 or len(content) < at + 16:
        return _Info(None, None, False)
    num_frames = int.from_bytes(content[at + 8 : at + 12], "big")
    return _Info(num_frames or None, at + 8, bool(flags & 2))


def _stream(found: _Found) -> Stream:
    """The stream with its information frame put right, or without one."""
    pieces: list[Piece] = list(found.ranges)
    info, notes = found.info, []
    is_counted = info is not None and info.fields_at is not None
    if info is not None and info.fields_at is not None:
        frame = bytearray(found.info_frame)
        num_bytes = len(frame) + sum(map(len, found.ranges))
        at = info.fields_at
        frame[at : at + 4] = found.num_frames.to_bytes(4, "big")
        if info.has_bytes:
            frame[at + 4 : at + 8] = min(num_bytes, 2**32 - 1).to_bytes(
                4, "big"
            )
        pieces.insert(0, bytes(frame))
    announced = None if info is None else info.num_frames
    seconds = found.samples_per_frame / found.kind[2]
    if announced is not None and announced > found.num_frames:
        notes.append(
            f"truncated or damaged: the header announces "
            f"{announced * seconds:.2f} s, the file holds "
            f"{found.num_frames * seconds:.2f} s."
        )
    elif found.cut_bytes:
        notes.append(
            f"truncated: the last frame lacks {found.cut_bytes} bytes; the "
            "length of what else is missing is unknown."
        )
    return Stream(
        tuple(pieces),
        estimated=not is_counted,
        # A decoder leaves out frames that refer to ones that are missing.
        missing_allowed=2 * found.samples_per_frame,
        notes=tuple(notes),
    )
