"""Decodes sound files block by block, without trusting their headers.

The package `containers` finds the streams of a file. libsndfile decodes the
streams one after the other, to the end of the file. After the last block,
`note` is called for each part that could not be read.
"""

import contextlib
import dataclasses
import os
import shlex
from collections.abc import Callable, Generator, Iterator
from pathlib import Path
from typing import BinaryIO

import numpy as np
import soundfile

from audiotag_nas.data.containers.contents import read_contents, sound_start
from audiotag_nas.data.containers.stream import (
    Contents,
    Stream,
    StreamFile,
    read_at,
)
from audiotag_nas.data.containers.unsupported import unsupported_format
from audiotag_nas.data.waveform import check_rate, checked_blocks
from audiotag_nas.errors import DataError
from audiotag_nas.interrupts import interrupts_deferred

UNKNOWN_LENGTH = 2**62
"""If a header announces this many samples or more, the length is unknown."""

_BLOCK_SAMPLES = 16_384

Note = Callable[[str], None]
"""Called with a sentence on a file; the file's name begins the sentence."""

StrPath = str | os.PathLike


@dataclasses.dataclass(frozen=True)
class Sound:
    """A sound file whose streams were found by `open_sound`."""

    path: StrPath
    sample_rate_hz: int
    num_channels: int
    _contents: Contents

    def blocks(
        self, note: Note, *, limit: int | None = None
    ) -> Iterator[np.ndarray]:
        """Yields float32 (n, channels), at most `limit` samples in total.

        Raises:
            DataError: there is no sample, or any breaks a rule of `waveform`.
        """
        num_read = 0
        for block in checked_blocks(self._decoded(note), name=self.path):
            if limit is not None:
                block = block[: limit - num_read]
            num_read += len(block)
            yield block
            if num_read == limit:
                return
        if not num_read:
            raise DataError(f"{self.path}: must hold at least one sample.")

    def _decoded(self, note: Note) -> Iterator[np.ndarray]:
        """Yields all blocks that can be decoded, then notes the faults."""
        notes: list[str] = []
        with _opened(self.path) as file:
            for number, stream in enumerate(self._contents.streams, start=1):
                where = f"stream {number}: " if number > 1 else ""
                reader = StreamFile(file, stream)
                for text in (yield from self._decoded_stream(reader, stream)):
                    notes.append(where + text)
        for text in (*notes, *self._contents.notes):
            note(f"{self.path}: {text}")

    def _decoded_stream(
        self, reader: StreamFile, stream: Stream
    ) -> Generator[np.ndarray, None, list[str]]:
        """Yields the blocks of one stream, and returns notes on the stream."""
        num_bytes = sum(map(len, stream.pieces))
        try:
            sound = _open_stream(reader)
        except soundfile.LibsndfileError as error:
            _raise_kept(self.path, reader)
            reason = _reason(error)
            return [f"{num_bytes} bytes can't be decoded: {reason}"]
        num_read = 0
        with sound:
            if (sound.samplerate, sound.channels) != (
                self.sample_rate_hz,
                self.num_channels,
            ):
                return [
                    f"{num_bytes} bytes are not read: they have "
                    f"{sound.channels} channels at {sound.samplerate} Hz, but "
                    f"the file starts with {self.num_channels} at "
                    f"{self.sample_rate_hz} Hz."
                ]
            # If decoding fails in a block, the whole block is lost. With FLAC,
            # this happens, so the blocks are as small as FLAC's own blocks.
            size = 4096 if sound.format == "FLAC" else _BLOCK_SAMPLES
            failure = ""
            try:
                while len(block := _read(sound, size)):
                    _raise_kept(self.path, reader)
                    yield block
                    num_read += len(block)
            except soundfile.LibsndfileError as error:
                failure = _reason(error)
            _raise_kept(self.path, reader)
            announced = stream.announced_samples
            if announced is None and not stream.estimated:
                announced = sound.frames
        if stream.notes:
            return list(stream.notes)
        if (
            announced is not None
            and num_read + stream.missing_allowed < announced < UNKNOWN_LENGTH
        ):
            seconds = (announced - num_read) / self.sample_rate_hz
            return [
                f"truncated or damaged: the header announces {announced} "
                f"samples, but {num_read} can be decoded ({seconds:.3f} s are "
                "missing)."
            ]
        if failure and announced is None:
            return [f"damaged after {num_read} samples: {failure}"]
        return []


def open_sound(path: StrPath) -> Sound:
    """Finds the streams of a sound file, and checks its sample rate.

    Raises:
        DataError: the file is missing or can't be decoded, or its sample rate
            is out of range.
    """
    with _opened(path) as file:
        contents = read_contents(file)
        reader = StreamFile(file, contents.streams[0])
        try:
            sound = _open_stream(reader)
        except (soundfile.LibsndfileError, TypeError) as error:
            _raise_kept(path, reader)
            raise DataError(f"{path}: {_why_not(file, path, error)}") from None
        with sound:
            check_rate(sound.samplerate, name=path)
            return Sound(path, sound.samplerate, sound.channels, contents)


@contextlib.contextmanager
def _opened(path: StrPath) -> Iterator[BinaryIO]:
    try:
        if not Path(path).is_file():
            if not Path(path).exists():
                raise DataError(f"{path}: no such file.")
            found = "a directory" if Path(path).is_dir() else "no regular file"
            raise DataError(f"{path}: must be a sound file. Received: {found}")
        with open(path, "rb") as file:
            yield file
    except OSError as error:
        # For example, a permission is missing, or the path is too long.
        reason = error.strerror or error
        raise DataError(f"{path}: can't be opened: {reason}") from None
    except UnicodeError as error:
        raise DataError(f"{path}: can't be opened: {error}") from None


def _open_stream(reader: StreamFile) -> soundfile.SoundFile:
    with interrupts_deferred():  # as in `_read`
        return _ForwardFile(reader)


def _why_not(file: BinaryIO, path: StrPath, error: Exception) -> str:
    """Says why a file can't be decoded, and how to convert the file."""
    head = read_at(file, sound_start(file), 64)
    if not head:
        return "must hold sound. Received: an empty file"
    name = unsupported_format(head)
    if name is None:
        return f"can't be decoded: {_reason(error)}"
    source, target = os.fspath(path), os.fspath(Path(path).with_suffix(".wav"))
    if source.startswith("-"):
        source, target = f"./{source}", f"./{target}"
    return (
        f"{name} is not supported. Convert it with: "
        f"ffmpeg -i {shlex.quote(source)} {shlex.quote(target)}"
    )


def _reason(error: Exception) -> str:
    """Returns libsndfile's message, or replaces a misleading message."""
    text = str(getattr(error, "error_string", error))
    if "does not exist" in text:
        # libsndfile gives this message for any file with a damaged header.
        return "its header is damaged."
    return text


def _raise_kept(path: StrPath, reader: StreamFile) -> None:
    """Raises `reader.error`, if any. libsndfile can't pass on this error."""
    error, reader.error = reader.error, None
    if isinstance(error, OSError):
        reason = error.strerror or error
        raise DataError(f"{path}: can't be read: {reason}") from None
    if error is not None:
        raise error


def _read(file: soundfile.SoundFile, num_samples: int) -> np.ndarray:
    with interrupts_deferred():  # none may reach `StreamFile`, which C calls
        return file.read(num_samples, dtype="float32", always_2d=True)


class _ForwardFile(soundfile.SoundFile):
    """A sound file that is read without seeking.

    soundfile seeks after every read of a seekable file. In an MP3 file, seeking
    breaks the decoder's state and corrupts every following block. In a FLAC
    file of unknown length, seeking fails at the end.
    """

    def seekable(self) -> bool:
        return False
