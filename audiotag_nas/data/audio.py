"""Reads sound files as mono waveforms, and writes 16-bit WAV files.

The library soundfile decodes WAV, FLAC, Ogg, Opus, MP3 and other formats, and
soxr changes the sample rate. A waveform has full scale 1 and is float32
(samples,). It is the mean of the channels, or one channel if the channels
cancel each other (see `waveform`).

The length in a header may be wrong. The readers neither allocate memory for
this length nor stop reading at it. If a file is truncated or damaged, the
readers return the samples that can be decoded.

The readers call the function `note` with a sentence on each fault of the file.
"""

import dataclasses
import io
from collections.abc import Iterator

import numpy as np
import soundfile
import soxr

from audiotag_nas.data.decoding import Note, StrPath, open_sound
from audiotag_nas.data.waveform import ChannelPower, cancellation_note, mono
from audiotag_nas.errors import DataError
from audiotag_nas.files import atomic_write_bytes

_QUALITY = "HQ"
_MARGIN_SECONDS = 0.1
"""`read_beginning` decodes this much more than requested. The margin is longer
than the resampler's filter, and longer than the padding that encoders add."""


@dataclasses.dataclass(frozen=True)
class AudioSummary:
    """The content of a sound file that was decoded to its end.

    `num_samples` is the number of samples in each channel.
    """

    sample_rate_hz: int
    num_channels: int
    num_samples: int
    notes: tuple[str, ...]

    @property
    def seconds(self) -> float:
        return self.num_samples / self.sample_rate_hz


def read_audio(path: StrPath, *, sample_rate_hz: int, note: Note) -> np.ndarray:
    """Reads a sound file as mono at `sample_rate_hz`.

    Args:
        path: the file.
        sample_rate_hz: the rate of the result.
        note: called for a truncated or damaged file, for parts that are not
            read, and for channels that cancel each other.

    Returns:
        float32 (samples,), at least one sample, all finite.

    Raises:
        DataError: the file is missing, can't be decoded, or breaks a rule of
            the module `waveform`.
    """
    samples, _ = _read_mono(path, sample_rate_hz, None, note)
    return samples


def read_beginning(
    path: StrPath, *, sample_rate_hz: int, seconds: float, note: Note
) -> tuple[np.ndarray, bool]:
    """Does the same as `read_audio`, but returns at most `seconds` of sound.

    Returns:
        The samples, and True if the file is at least 0.1 s longer than
        `seconds`. A smaller excess may be an encoder's padding.
    """
    return _read_mono(path, sample_rate_hz, seconds, note)


def _read_mono(
    path: StrPath, sample_rate_hz: int, max_seconds: float | None, note: Note
) -> tuple[np.ndarray, bool]:
    sound = open_sound(path)
    rate = sound.sample_rate_hz
    limit = None
    if max_seconds is not None:
        limit = round((max_seconds + _MARGIN_SECONDS) * rate)
    power = ChannelPower()
    blocks = []
    for block in sound.blocks(note, limit=limit):
        blocks.append(mono(block, None))
        power.add(block, blocks[-1])
    channel = power.loudest_if_cancelled()
    if channel is not None:
        note(cancellation_note(channel, name=path))
        blocks = [
            mono(block, channel) for block in sound.blocks(_ignore, limit=limit)
        ]
    samples = np.concatenate(blocks)
    has_more = limit is not None and len(samples) >= limit
    if rate != sample_rate_hz:
        samples = soxr.resample(samples, rate, sample_rate_hz, quality=_QUALITY)
    if max_seconds is not None:
        samples = samples[: round(max_seconds * sample_rate_hz)]
    if not len(samples):
        raise DataError(
            f"{path}: must hold at least one sample at {sample_rate_hz} Hz."
        )
    return np.ascontiguousarray(samples, dtype=np.float32), has_more


def stream_audio(
    path: StrPath, *, sample_rate_hz: int, block_seconds: float, note: Note
) -> Iterator[np.ndarray]:
    """Reads a sound file as mono in blocks, in constant memory.

    The concatenated blocks equal the result of `read_audio` within rounding. A
    file with several channels is decoded twice: the first time only to find
    out whether the channels cancel each other.

    Args:
        path: the file.
        sample_rate_hz: the rate of the result.
        block_seconds: the length of all blocks except the last, which may be
            shorter.
        note: see `read_audio`; called before the iteration ends.

    Yields:
        float32 (samples,), one block.

    Raises:
        DataError: see `read_audio`; may be raised after some blocks.
    """
    sound = open_sound(path)
    rate = sound.sample_rate_hz
    channel = None
    if sound.num_channels > 1:
        power = ChannelPower()
        for block in sound.blocks(_ignore):
            power.add(block, mono(block, None))
        channel = power.loudest_if_cancelled()
        if channel is not None:
            note(cancellation_note(channel, name=path))
    samples: Iterator[np.ndarray] = (
        mono(block, channel) for block in sound.blocks(note)
    )
    if rate != sample_rate_hz:
        samples = _resampled(samples, rate, sample_rate_hz)
    yield from _cut(samples, max(1, round(block_seconds * sample_rate_hz)))


def inspect_audio(path: StrPath) -> AudioSummary:
    """Decodes a sound file in constant memory, and describes the content.

    Raises:
        DataError: see `read_audio`.
    """
    sound = open_sound(path)
    notes: list[str] = []
    power, num_samples, is_silent = ChannelPower(), 0, True
    for block in sound.blocks(notes.append):
        power.add(block, mono(block, None))
        num_samples += len(block)
        is_silent = is_silent and not block.any()
    channel = power.loudest_if_cancelled()
    if channel is not None:
        notes.append(cancellation_note(channel, name=path))
    if is_silent:
        notes.append(f"{path}: every sample is zero.")
    return AudioSummary(
        sound.sample_rate_hz, sound.num_channels, num_samples, tuple(notes)
    )


def write_wav(
    path: StrPath, samples: np.ndarray, *, sample_rate_hz: int
) -> None:
    """Writes a 16-bit PCM WAV file atomically.

    Args:
        path: the file to write.
        samples: (samples,) or (samples, channels). Floats are clipped to
            [-1, 1) and rounded to steps of 1 / 32768; int16 is not changed.
        sample_rate_hz: the rate of the samples.

    Raises:
        DataError: a sample is not finite.
    """
    samples = np.asarray(samples)
    if samples.dtype != np.int16:
        if not np.isfinite(samples).all():
            raise DataError(f"{path}: samples to write must be finite.")
        steps = np.round(samples.astype(np.float64) * 32768.0)
        samples = np.clip(steps, -32768, 32767).astype(np.int16)
    buffer = io.BytesIO()
    soundfile.write(
        buffer, samples, sample_rate_hz, format="WAV", subtype="PCM_16"
    )
    atomic_write_bytes(path, buffer.getvalue())


def _ignore(note: str) -> None:
    """Drops a note, because another pass over the file reports the note."""


def _resampled(
    blocks: Iterator[np.ndarray], rate_hz: int, sample_rate_hz: int
) -> Iterator[np.ndarray]:
    stream = soxr.ResampleStream(
        rate_hz, sample_rate_hz, 1, dtype="float32", quality=_QUALITY
    )
    for block in blocks:
        yield stream.resample_chunk(np.ascontiguousarray(block))
    yield stream.resample_chunk(np.zeros(0, np.float32), last=True)


def _cut(blocks: Iterator[np.ndarray], size: int) -> Iterator[np.ndarray]:
    """Yields blocks of `size` samples; the last block may be shorter."""
    waiting: list[np.ndarray] = []
    num_waiting = 0
    for block in blocks:
        waiting.append(block)
        num_waiting += len(block)
        if num_waiting >= size:
            joined = np.concatenate(waiting)
            whole = num_waiting - num_waiting % size
            for start in range(0, whole, size):
                yield joined[start : start + size].copy()
            waiting = [joined[whole:]]
            num_waiting -= whole
    if num_waiting:
        yield np.concatenate(waiting)
