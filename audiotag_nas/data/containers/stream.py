"""Lets the decoder read a stream, which is one sound of a file.

A file holds one stream, or several chained streams. A stream consists of ranges
of the file and of bytes that replace a part of the file, e.g. a wrong size.
"""

import bisect
import dataclasses
import io
import os
from collections.abc import Sequence
from typing import BinaryIO

Piece = bytes | range
"""A range of offsets in the file, or bytes that replace such a range."""

_HUGE_BYTES = 2**40


@dataclasses.dataclass(frozen=True)
class Stream:
    """One sound of a file.

    Attributes:
        pieces: the pieces that the decoder reads, in order.
        announced_samples: the number of samples per channel that the header
            announces. If None, the number that the decoder reports is used.
        estimated: True if the decoder only estimates the number of samples.
        missing_allowed: up to this many missing samples are not reported.
        notes: the faults of the stream, without the name of the file.
    """

    pieces: tuple[Piece, ...]
    announced_samples: int | None = None
    estimated: bool = False
    missing_allowed: int = 0
    notes: tuple[str, ...] = ()


@dataclasses.dataclass(frozen=True)
class Contents:
    """The streams of a file, and notes on bytes that are in no stream."""

    streams: tuple[Stream, ...]
    notes: tuple[str, ...] = ()


class StreamFile:
    """A file object through which libsndfile reads a stream (virtual IO).

    Exceptions must not pass through libsndfile. Therefore an exception is
    stored in `error`, and libsndfile sees the end of the file.
    """

    def __init__(self, file: BinaryIO, stream: Stream) -> None:
        self._file = file
        self._pieces = stream.pieces
        self._ends: list[int] = []
        end = 0
        for piece in stream.pieces:
            end += len(piece)
            self._ends.append(end)
        # mpg123 estimates the number of frames from the size, and libsndfile
        # stops at this number. A huge size puts this number beyond the end.
        self._size = _HUGE_BYTES if stream.estimated else end
        self._content_size = end
        self._position = 0
        self.error: BaseException | None = None

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        base = {os.SEEK_CUR: self._position, os.SEEK_END: self._size}
        self._position = max(0, base.get(whence, 0) + offset)
        return self._position

    def tell(self) -> int:
        return self._position

    def read(self, size: int) -> bytes:
        data = bytearray(max(0, size))
        return bytes(data[: self.readinto(data)])

    def readinto(self, buffer: "memoryview | bytearray") -> int:
        try:
            return self._readinto(memoryview(buffer).cast("B"))
        except BaseException as error:
            self.error = error
            return 0

    def write(self, data: bytes) -> int:
        raise io.UnsupportedOperation("not writable")

    def _readinto(self, view: memoryview) -> int:
        if self._position > self._content_size:
            # mpg123 looks for a tag here, and would fail if it read nothing.
            num_read = max(0, min(len(view), self._size - self._position))
            view[:num_read] = bytes(num_read)
            self._position += num_read
            return num_read
        num_read = 0
        index = bisect.bisect_right(self._ends, self._position)
        while num_read < len(view) and index < len(self._pieces):
            piece = self._pieces[index]
            offset = self._position - (self._ends[index] - len(piece))
            size = min(len(piece) - offset, len(view) - num_read)
            if isinstance(piece, bytes):
                data = piece[offset : offset + size]
            else:
                self._file.seek(piece.start + offset)
                data = self._file.read(size)
            view[num_read : num_read + len(data)] = data
            num_read += len(data)
            self._position += len(data)
            if len(data) < size:
                break  # the file was truncated after it was opened
            index += 1
        return num_read


def read_at(file: BinaryIO, offset: int, size: int) -> bytes:
    """Reads `size` bytes at an offset, or fewer at the end of the file."""
    file.seek(offset)
    return file.read(size)


def file_size(file: BinaryIO) -> int:
    return file.seek(0, os.SEEK_END)


def find(file: BinaryIO, pattern: bytes, start: int, end: int) -> int:
    """Returns the first offset of `pattern` from `start` to `end`, or -1."""
    block_size = 1 << 20
    while start < end:
        # Blocks overlap, because the pattern may cross the end of a block.
        size = min(block_size + len(pattern) - 1, end - start)
        found = read_at(file, start, size).find(pattern)
        if found >= 0:
            return start + found
        start += block_size
    return -1


def replaced(
    start: int, end: int, patches: Sequence[tuple[int, bytes]]
) -> tuple[Piece, ...]:
    """Returns the range `start` to `end`, changed by (offset, bytes) pairs."""
    pieces: list[Piece] = []
    for offset, data in sorted(patches):
        pieces += [range(start, offset), data]
        start = offset + len(data)
    pieces.append(range(start, end))
    return tuple(piece for piece in pieces if len(piece))
