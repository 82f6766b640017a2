"""Sound files in, mono waveforms at one rate out; and 16-bit WAV files back.

Decoding is soundfile's (WAV of every kind, FLAC, Ogg, Opus, MP3, told by
content), resampling is soxr's. A waveform is float32 (samples,), full scale
at 1, the mean of the file's channels.

Headers lie, so nothing is allocated from what they announce: a file is read
in blocks until it ends. A file that ends early or is damaged gives the
samples before that, with an `AudioWarning`. Channels in opposite phase would
average to silence: where the mean holds less than a fiftieth of the power
that unrelated channels would leave, the loudest channel is used instead, with
an `AudioWarning`.
"""

import contextlib
import dataclasses
import io
import warnings
from collections.abc import Iterator

import numpy as np
import soundfile
import soxr

from audiotag_nas.data.decoding import (
    UNKNOWN_LENGTH,
    AnyPath,
    decoded_blocks,
    open_sound,
)
from audiotag_nas.errors import DataError
from audiotag_nas.files import atomic_write_bytes

_QUALITY = "HQ"
_CANCELLED = 0.02
_MARGIN_SECONDS = 0.1
"""Read beyond what is asked for: longer than the resampler's filter, and than
what an encoder fills up."""


class AudioWarning(UserWarning):
    """A file could be read, but not all of it or not as it stands."""


@dataclasses.dataclass(frozen=True)
class AudioSummary:
    """What a file held when it was decoded to its end.

    `num_samples` is of each channel; `notes` are what a reader is warned of.
    """

    sample_rate_hz: int
    num_channels: int
    num_samples: int
    notes: tuple[str, ...]

    @property
    def seconds(self) -> float:
        return self.num_samples / self.sample_rate_hz


def read_audio(path: AnyPath, *, sample_rate_hz: int) -> np.ndarray:
    """Reads a sound file as mono at `sample_rate_hz`.

    Args:
        path: the file.
        sample_rate_hz: of the result.

    Returns:
        float32 (samples,), at least one sample, all finite.

    Raises:
        DataError: naming the file: missing, not decodable, a sample rate
            outside 1 to 768 kHz, no samples, or samples that are not finite.

    Warns:
        AudioWarning: truncated, damaged, or channels that cancel.
    """
    samples, _ = _read_mono(path, sample_rate_hz, None)
    return samples


def read_beginning(
    path: AnyPath, *, sample_rate_hz: int, seconds: float
) -> tuple[np.ndarray, bool]:
    """As `read_audio`, `seconds` of it at most; and whether there is more.

    A tenth of a second is not called more: encoders fill up their last frame.
    """
    return _read_mono(path, sample_rate_hz, seconds)


def _read_mono(
    path: AnyPath, sample_rate_hz: int, max_seconds: float | None
) -> tuple[np.ndarray, bool]:
    with open_sound(path) as file:
        rate = file.samplerate
    limit = None
    if max_seconds is not None:
        limit = round((max_seconds + _MARGIN_SECONDS) * rate)
    phase = _Phase()
    blocks = []
    for block in decoded_blocks(path, _warn, limit=limit):
        blocks.append(_mono(block, None))
        phase.add(block, blocks[-1])
    channel = phase.loudest_if_cancelled()
    if channel is not None:
        _warn(_cancel_note(path, channel))
        blocks = [
            _mono(block, channel)
            for block in decoded_blocks(path, _ignore, limit=limit)
        ]
    mono = np.concatenate(blocks)
    has_more = limit is not None and len(mono) >= limit
    if rate != sample_rate_hz:
        mono = soxr.resample(mono, rate, sample_rate_hz, quality=_QUALITY)
    if max_seconds is not None:
        mono = mono[: round(max_seconds * sample_rate_hz)]
    if not len(mono):
        raise DataError(
            f"{path}: must hold at least one sample at {sample_rate_hz} Hz."
        )
    return np.ascontiguousarray(mono, dtype=np.float32), has_more


def stream_audio(
    path: AnyPath, *, sample_rate_hz: int, block_seconds: float
) -> Iterator[np.ndarray]:
    """Reads a sound file as mono, a block at a time, in constant memory.

    The blocks joined are what `read_audio` returns, within rounding. A file
    of several channels is decoded twice, the first time to learn whether they
    cancel.

    Args:
        path: the file.
        sample_rate_hz: of the result.
        block_seconds: the length of all blocks but the last, which is shorter
            where the file's length is no multiple.

    Yields:
        float32 (samples,), one block.

    Raises:
        DataError: as `read_audio`; where the file is damaged beyond its
            start, after the blocks before that.
    """
    with open_sound(path) as file:
        rate, num_channels = file.samplerate, file.channels
    channel = None
    if num_channels > 1:
        phase = _Phase()
        for block in decoded_blocks(path, _ignore):
            phase.add(block, _mono(block, None))
        channel = phase.loudest_if_cancelled()
        if channel is not None:
            _warn(_cancel_note(path, channel))
    mono: Iterator[np.ndarray] = (
        _mono(block, channel) for block in decoded_blocks(path, _warn)
    )
    if rate != sample_rate_hz:
        mono = _resampled(mono, rate, sample_rate_hz)
    yield from _cut(mono, max(1, round(block_seconds * sample_rate_hz)))


def audio_seconds(path: AnyPath) -> float:
    """How long a sound file is.

    The header's word is taken only where the last sample it announces can be
    read; else the file is decoded and its samples counted.

    Raises:
        DataError: as `read_audio`.
    """
    with open_sound(path) as file:
        with contextlib.suppress(soundfile.SoundFileError):
            if 0 < file.frames < UNKNOWN_LENGTH:
                file.seek(file.frames - 1)
                if len(file.read(1)) == 1:
                    return file.frames / file.samplerate
        rate = file.samplerate
    return sum(map(len, decoded_blocks(path, _ignore))) / rate


def inspect_audio(path: AnyPath) -> AudioSummary:
    """Decodes a whole file in constant memory and says what it holds.

    Raises:
        DataError: as `read_audio`.
    """
    with open_sound(path) as file:
        rate, num_channels = file.samplerate, file.channels
    notes: list[str] = []
    phase, num_samples, is_silent = _Phase(), 0, True
    for block in decoded_blocks(path, notes.append):
        phase.add(block, _mono(block, None))
        num_samples += len(block)
        is_silent = is_silent and not block.any()
    channel = phase.loudest_if_cancelled()
    if channel is not None:
        notes.append(_cancel_note(path, channel))
    if is_silent:
        notes.append(f"{path}: every sample is zero.")
    return AudioSummary(rate, num_channels, num_samples, tuple(notes))


def write_wav(
    path: AnyPath, samples: np.ndarray, *, sample_rate_hz: int
) -> None:
    """Writes a 16-bit PCM WAV file, whole or not at all.

    Args:
        path: where to.
        samples: (samples,) or (samples, channels); floats are clipped to
            [-1, 1) and rounded to steps of 1 / 32768, int16 is kept.
        sample_rate_hz: of the samples.

    Raises:
        DataError: a sample that is not finite.
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


def _warn(note: str) -> None:
    warnings.warn(note, AudioWarning, stacklevel=3)


def _ignore(note: str) -> None:
    """The first of two readings leaves the warning to the second."""


def _mono(block: np.ndarray, channel: int | None) -> np.ndarray:
    """One channel, or the mean of all: (n, channels) -> (n,)."""
    num_channels = block.shape[1]
    if num_channels == 1:
        return block[:, 0]
    if channel is not None:
        return block[:, channel].copy()
    # A product, not a sum divided: the largest floats don't overflow.
    return block @ np.full(num_channels, 1 / num_channels, np.float32)


class _Phase:
    """Adds up the power of the channels and of their mean."""

    def __init__(self) -> None:
        self._channels = np.zeros(1)
        self._mean = 0.0

    def add(self, block: np.ndarray, mono: np.ndarray) -> None:
        if block.shape[1] > 1:
            power = np.square(block, dtype=np.float64).sum(axis=0)
            self._channels = self._channels + power
            self._mean += float(np.square(mono, dtype=np.float64).sum())

    def loudest_if_cancelled(self) -> int | None:
        """The channel to use instead of the mean; None: use the mean.

        Unrelated channels leave 1 / num_channels of their power in the mean.
        """
        num_channels = len(self._channels)
        expected = self._channels.mean() / num_channels
        if num_channels == 1 or self._mean >= _CANCELLED * expected:
            return None
        return int(self._channels.argmax())


def _cancel_note(path: AnyPath, channel: int) -> str:
    return (
        f"{path}: its channels cancel out when averaged (opposite phase); "
        f"channel {channel + 1} is used alone."
    )


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
    """The same samples in blocks of `size`, the last one shorter."""
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
