"""A stream: one sound of a file, as the decoder is to see it.

A file holds one stream, or several one after the other (chained). A stream is
put together from ranges of the file and from bytes that replace a part of it,
e.g. a size field whose value is wrong.
"""

import bisect
import dataclasses
import io
import os
from collections.abc import Sequence
from typing import BinaryIO

Piece = bytes | range
"""Bytes, or the range of the file's bytes."""

_ENDLESS = 2**40


@dataclasses.dataclass(frozen=True)
class Stream:
    """One sound of a file.

    Attributes:
        pieces: what the decoder reads, in order.
        announced_samples: of each channel, by the stream's own header; None:
            the number that the decoder finds is compared instead.
        estimated: the decoder's number of samples is an estimate.
        missing_allowed: so many samples less than announced are no loss.
        notes: what is wrong with the stream, without the file's name.
    """

    pieces: tuple[Piece, ...]
    announced_samples: int | None = None
    estimated: bool = False
    missing_allowed: int = 0
    notes: tuple[str, ...] = ()


@dataclasses.dataclass(frozen=True)
class Contents:
    """The streams of a file, and notes on what is part of none."""

    streams: tuple[Stream, ...]
    notes: tuple[str, ...] = ()


class StreamFile:
    """A stream as a file object that libsndfile reads (virtual IO).

    An exception must not pass through libsndfile: it is kept in `error`, and
    the decoder meets the end of the file.
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
        # stops there. The estimate for an endless file is never reached.
        self._size = _ENDLESS if stream.estimated else end
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
            # mpg123 fails where it can't read the end, to find a tag there.
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
                break  # the file has become shorter
            index += 1
        return num_read


def read_at(file: BinaryIO, offset: int, size: int) -> bytes:
    """Bytes of the file, fewer at its end."""
    file.seek(offset)
    return file.read(size)


def file_size(file: BinaryIO) -> int:
    return file.seek(0, os.SEEK_END)


def find(file: BinaryIO, pattern: bytes, start: int, end: int) -> int:
    """The offset of the pattern's first occurrence; -1 where there is none."""
    block_size = 1 << 20
    while start < end:
        # The overlap finds a pattern that lies across two blocks.
        size = min(block_size + len(pattern) - 1, end - start)
        found = read_at(file, start, size).find(pattern)
        if found >= 0:
            return start + found
        start += block_size
    return -1


def replaced(
    start: int, end: int, patches: Sequence[tuple[int, bytes]]
) -> tuple[Piece, ...]:
    """The file's bytes from start to end, some of them replaced."""
    pieces: list[Piece] = []
    for offset, data in sorted(patches):
        pieces += [range(start, offset), data]
        start = offset + len(data)
    pieces.append(range(start, end))
    return tuple(piece for piece in pieces if len(piece))
