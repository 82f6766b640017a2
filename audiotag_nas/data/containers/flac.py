"""Finds the streams of FLAC files, and removes the length from each header."""

from typing import BinaryIO

from audiotag_nas.data.containers.stream import (
    Contents,
    Stream,
    find,
    read_at,
    replaced,
)

MARK = b"fLaC"
_STREAMINFO = b"\x00\x00\x00\x22"  # type 0 and a length of 34 bytes
_LAST_STREAMINFO = b"\x80\x00\x00\x22"
_TOTAL_AT = 21  # 5 bytes; their last 36 bits are the number of samples


def flac_contents(file: BinaryIO, start: int, end: int) -> Contents:
    """Returns the streams. Each starts with the mark and a STREAMINFO block."""
    starts = []
    at = start
    while at >= 0:
        head = read_at(file, at + len(MARK), 4)
        if at == start or head in (_STREAMINFO, _LAST_STREAMINFO):
            starts.append(at)
        at = find(file, MARK, at + 1, end)
    limits = [*starts[1:], end]
    return Contents(
        tuple(
            _stream(file, first, limit)
            for first, limit in zip(starts, limits, strict=True)
        )
    )


def _stream(file: BinaryIO, start: int, end: int) -> Stream:
    """Returns the stream, with the length in its header set to 0 (unknown).

    The decoder would stop at any other length, even if the stream is longer.
    """
    field = read_at(file, start + _TOTAL_AT, 5)
    if len(field) < 5:
        return Stream((range(start, end),))
    announced = int.from_bytes(field, "big") & (2**36 - 1)
    unknown = bytes([field[0] & 0xF0, 0, 0, 0, 0])
    return Stream(
        replaced(start, end, [(start + _TOTAL_AT, unknown)]),
        announced_samples=announced or None,
    )
