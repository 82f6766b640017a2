"""Decodes sound files block by block, whatever their headers say.

soundfile's decoders, and what has to be known of them: which seek wrongly,
which announce a length that is an estimate, how a cut file shows.
"""

import contextlib
import os
import re
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import soundfile

from audiotag_nas.errors import DataError

LOWEST_RATE_HZ = 1_000
HIGHEST_RATE_HZ = 768_000

UNKNOWN_LENGTH = 2**62
"""From here on a header's number of samples is none."""

_BLOCK_SAMPLES = 16_384
_CUT_WAV = re.compile(r"data : (\d+) \(should be (\d+)\)")

Note = Callable[[str], None]
AnyPath = str | os.PathLike


@contextlib.contextmanager
def open_sound(path: AnyPath) -> Iterator[soundfile.SoundFile]:
    """The open file, its header within the limits."""
    try:
        if not Path(path).is_file():
            if not Path(path).exists():
                raise DataError(f"{path}: no such file.")
            found = "a directory" if Path(path).is_dir() else "no regular file"
            raise DataError(f"{path}: must be a sound file. Received: {found}")
        # As bytes, since soundfile refuses a name that is not UTF-8.
        file = _ForwardFile(os.fsencode(path))
    except soundfile.LibsndfileError as error:
        raise DataError(
            f"{path}: can't be decoded: {error.error_string}"
        ) from None
    except OSError as error:
        # A directory that may not be read, a path that is too long.
        reason = error.strerror or error
        raise DataError(f"{path}: can't be opened: {reason}") from None
    except (TypeError, UnicodeError) as error:
        # TypeError: soundfile wants more arguments for headerless `.raw`.
        raise DataError(f"{path}: can't be decoded: {error}") from None
    with file:
        if not LOWEST_RATE_HZ <= file.samplerate <= HIGHEST_RATE_HZ:
            raise DataError(
                f"{path}: the sample rate must be from {LOWEST_RATE_HZ} to "
                f"{HIGHEST_RATE_HZ} Hz. Received: {file.samplerate}"
            )
        yield file


def decoded_blocks(
    path: AnyPath, note: Note, *, limit: int | None = None
) -> Iterator[np.ndarray]:
    """Decodes to the end, or to `limit` samples: float32 (n, channels)."""
    num_read = 0
    for block in _decoded(path, note):
        if limit is not None:
            block = block[: limit - num_read]
        if not np.isfinite(block).all():
            bad = np.flatnonzero(~np.isfinite(block).all(axis=1))[0]
            raise DataError(
                f"{path}: samples must be finite. Received: "
                f"{block[bad].tolist()} at sample {num_read + bad}"
            )
        num_read += len(block)
        yield block
        if num_read == limit:
            return
    if not num_read:
        raise DataError(f"{path}: must hold at least one sample.")


def _decoded(path: AnyPath, note: Note) -> Iterator[np.ndarray]:
    """All that can be decoded, and a note if that is not all there was."""
    num_read = 0
    with open_sound(path) as file:
        announced, log = file.frames, file.extra_info
        # MP3s without a full header announce an estimate.
        missing_allowed = announced // 100 if file.format == "MP3" else 0
        # A block that decoding fails in can't be trusted: it is left out.
        # That happens in FLAC, whose own blocks are of 4096 samples.
        size = 4096 if file.format == "FLAC" else _BLOCK_SAMPLES
        with contextlib.suppress(soundfile.LibsndfileError):
            while len(block := _read(file, size)):
                yield block
                num_read += len(block)
    cut = _CUT_WAV.search(log)
    if cut is not None and int(cut[2]) < int(cut[1]):
        note(
            f"{path}: truncated: the header announces {cut[1]} bytes of "
            f"samples, the file holds {cut[2]}."
        )
    elif num_read + missing_allowed < announced < UNKNOWN_LENGTH:
        note(
            f"{path}: truncated or damaged: the header announces {announced} "
            f"samples, {num_read} can be decoded."
        )
    elif "ended unexpectedly" in log:
        note(f"{path}: truncated: the stream has no end mark.")


def _read(file: soundfile.SoundFile, num_samples: int) -> np.ndarray:
    return file.read(num_samples, dtype="float32", always_2d=True)


class _ForwardFile(soundfile.SoundFile):
    """A sound file that is read from start to end.

    soundfile seeks after every read of a file that can seek. In an MP3 that
    breaks the decoder's state, and block after block comes out wrong; in a
    FLAC file without a length it fails at the end.
    """

    def seekable(self) -> bool:
        return False
