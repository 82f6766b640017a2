"""What a valid waveform is, for files and for samples in memory alike.

A waveform is floating-point, finite, with full scale at 1, at a sample rate
from 1 to 768 kHz. Several channels are averaged; where they cancel, the
loudest is used alone, with a note.
"""

import os
from collections.abc import Iterable, Iterator

import numpy as np

from audiotag_nas.errors import DataError

LOWEST_RATE_HZ = 1_000
HIGHEST_RATE_HZ = 768_000
MAX_PEAK = 100.0
"""Samples beyond this are of int16's scale."""

_CANCELLED = 0.02

Name = str | os.PathLike


def check_rate(sample_rate_hz: float, *, name: Name) -> None:
    """Refuses a sample rate outside the limits, e.g. one in kHz."""
    if not LOWEST_RATE_HZ <= sample_rate_hz <= HIGHEST_RATE_HZ:
        raise DataError(
            f"{name}: the sample rate must be from {LOWEST_RATE_HZ} to "
            f"{HIGHEST_RATE_HZ} Hz (16 kHz is 16000). "
            f"Received: {sample_rate_hz!r}"
        )


def checked_blocks(
    blocks: Iterable[np.ndarray], *, name: Name
) -> Iterator[np.ndarray]:
    """The same blocks (n, channels), each sample finite and within scale.

    Raises:
        DataError: naming the waveform, the rule and the first bad sample.
    """
    num_before = 0
    for block in blocks:
        # NaN fails this comparison too.
        if not (np.abs(block) <= MAX_PEAK).all():
            _raise_first_bad(block, num_before, name)
        num_before += len(block)
        yield block


def _raise_first_bad(block: np.ndarray, num_before: int, name: Name) -> None:
    is_bad = ~(np.abs(block) <= MAX_PEAK).all(axis=1)
    at = int(np.flatnonzero(is_bad)[0])
    values = block[at].tolist()
    where = f"Received: {values} at sample {num_before + at}"
    if not np.isfinite(block[at]).all():
        raise DataError(f"{name}: samples must be finite. {where}")
    raise DataError(
        f"{name}: full scale must be 1 (of int16: samples / 32768). {where}"
    )


def mono(block: np.ndarray, channel: int | None) -> np.ndarray:
    """One channel, or the mean of all: (n, channels) -> (n,)."""
    num_channels = block.shape[1]
    if num_channels == 1:
        return block[:, 0]
    if channel is not None:
        return block[:, channel].copy()
    # A product, not a sum divided: a sum may be larger than float32 holds.
    return block @ np.full(num_channels, 1 / num_channels, np.float32)


class Phase:
    """Adds up the power of the channels and of their mean."""

    def __init__(self) -> None:
        self._channels = np.zeros(1)
        self._mean = 0.0

    def add(self, block: np.ndarray, mean: np.ndarray) -> None:
        """A block (n, channels), and `mono` of it."""
        if block.shape[1] > 1:
            power = np.square(block, dtype=np.float64).sum(axis=0)
            self._channels = self._channels + power
            self._mean += float(np.square(mean, dtype=np.float64).sum())

    def loudest_if_cancelled(self) -> int | None:
        """The channel to use instead of the mean; None: use the mean.

        Unrelated channels leave 1 / num_channels of their power in the mean.
        """
        num_channels = len(self._channels)
        expected = self._channels.mean() / num_channels
        if num_channels == 1 or self._mean >= _CANCELLED * expected:
            return None
        return int(self._channels.argmax())


def cancel_note(channel: int, *, name: Name) -> str:
    """What is said where one channel replaces the mean."""
    return (
        f"{name}: its channels cancel out when averaged (opposite phase); "
        f"channel {channel + 1} is used alone."
    )


def checked_waveform(
    waveform: np.ndarray, sample_rate_hz: float, *, name: Name
) -> tuple[np.ndarray, tuple[str, ...]]:
    """Samples in memory as mono float32 (samples,), and notes on them.

    Args:
        waveform: (samples,) or (samples, channels), floating-point. Integers
            are refused: whether int32 is full scale at 2**31 or at 2**23 is
            not known.
        sample_rate_hz: of the waveform.
        name: what errors and notes call it.

    Raises:
        DataError: a rule is broken.
    """
    check_rate(sample_rate_hz, name=name)
    waveform = np.asarray(waveform)
    if not np.issubdtype(waveform.dtype, np.floating):
        raise DataError(
            f"{name}: samples must be floating-point numbers, full scale at "
            f"1 (of int16: samples / 32768). Received: {waveform.dtype}"
        )
    if waveform.ndim not in (1, 2) or 0 in waveform.shape[1:]:
        raise DataError(
            f"{name}: must be (samples,) or (samples, channels). "
            f"Received: {waveform.shape}"
        )
    if waveform.ndim == 2 and waveform.shape[1] > waveform.shape[0] > 0:
        raise DataError(
            f"{name}: must be (samples, channels); transpose what librosa "
            f"reads with mono=False. Received: {waveform.shape}"
        )
    # A float64 beyond float32's range becomes infinite, and is refused.
    with np.errstate(over="ignore"):
        block = waveform.astype(np.float32)
    if block.ndim == 1:
        block = block[:, None]
    (block,) = checked_blocks([block], name=name)
    phase, mean = Phase(), mono(block, None)
    phase.add(block, mean)
    channel = phase.loudest_if_cancelled()
    if channel is None:
        return mean, ()
    return mono(block, channel), (cancel_note(channel, name=name),)
