"""Checks waveforms, and turns several channels into one.

A waveform is floating-point and finite, with full scale 1 and a sample rate
from 1 to 768 kHz. Several channels are averaged, unless they cancel each other,
as channels in opposite phase do. The channels cancel each other if their mean
has less than a fiftieth of the power that the mean of uncorrelated channels
would have. Then the loudest channel is used alone, and a note says so.
"""

import os
from collections.abc import Iterable, Iterator

import numpy as np

from audiotag_nas.errors import DataError

LOWEST_RATE_HZ = 1_000
HIGHEST_RATE_HZ = 768_000
MAX_PEAK = 100.0
"""The largest allowed sample. Larger samples probably have int16's scale."""

_CANCELLED = 0.02

Name = str | os.PathLike


def check_rate(sample_rate_hz: float, *, name: Name) -> None:
    """Raises a DataError for a rate out of range, e.g. a rate given in kHz."""
    if not LOWEST_RATE_HZ <= sample_rate_hz <= HIGHEST_RATE_HZ:
        raise DataError(
            f"{name}: the sample rate must be from {LOWEST_RATE_HZ} to "
            f"{HIGHEST_RATE_HZ} Hz (16 kHz is 16000). "
            f"Received: {sample_rate_hz!r}"
        )


def checked_blocks(
    blocks: Iterable[np.ndarray], *, name: Name
) -> Iterator[np.ndarray]:
    """Yields the blocks (n, channels) after checking each sample.

    Raises:
        DataError: a sample is not finite or exceeds `MAX_PEAK`.
    """
    num_before = 0
    for block in blocks:
        # This comparison is False for NaN too.
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
        f"{name}: full scale must be 1 (for int16: samples / 32768). {where}"
    )


def mono(block: np.ndarray, channel: int | None) -> np.ndarray:
    """Returns one channel, (n,), if `channel` is given; else the mean, (n,)."""
    num_channels = block.shape[1]
    if num_channels == 1:
        return block[:, 0]
    if channel is not None:
        return block[:, channel].copy()
    # A sum of all channels, divided afterwards, could overflow float32.
    return block @ np.full(num_channels, 1 / num_channels, np.float32)


class ChannelPower:
    """Accumulates the power of the channels and of their mean."""

    def __init__(self) -> None:
        self._channels = np.zeros(1)
        self._mean = 0.0

    def add(self, block: np.ndarray, mean: np.ndarray) -> None:
        """Adds a block (n, channels) and its `mono` mean (n,)."""
        if block.shape[1] > 1:
            power = np.square(block, dtype=np.float64).sum(axis=0)
            self._channels = self._channels + power
            self._mean += float(np.square(mean, dtype=np.float64).sum())

    def loudest_if_cancelled(self) -> int | None:
        """Returns the loudest channel if the channels cancel, else None.

        If n channels are uncorrelated, their mean has the average power of a
        channel, divided by n.
        """
        num_channels = len(self._channels)
        expected = self._channels.mean() / num_channels
        if num_channels == 1 or self._mean >= _CANCELLED * expected:
            return None
        return int(self._channels.argmax())


def cancellation_note(channel: int, *, name: Name) -> str:
    """Returns a note which says that `channel` replaces the mean."""
    return (
        f"{name}: its channels cancel out when averaged (opposite phase); "
        f"channel {channel + 1} is used alone."
    )


def checked_waveform(
    waveform: np.ndarray, sample_rate_hz: float, *, name: Name
) -> tuple[np.ndarray, tuple[str, ...]]:
    """Converts samples in memory to mono float32 (samples,), with notes.

    Args:
        waveform: (samples,) or (samples, channels), floating-point. Integers
            are refused, because the full scale of int32 may be 2**31 or
            2**23.
        sample_rate_hz: the rate of the waveform.
        name: the name of the waveform in errors and notes.

    Raises:
        DataError: the waveform breaks a rule of this module.
    """
    check_rate(sample_rate_hz, name=name)
    waveform = np.asarray(waveform)
    if not np.issubdtype(waveform.dtype, np.floating):
        raise DataError(
            f"{name}: samples must be floating-point numbers, full scale at "
            f"1 (for int16: samples / 32768). Received: {waveform.dtype}"
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
    # A float64 number too large for float32 becomes inf, which is refused.
    with np.errstate(over="ignore"):
        block = waveform.astype(np.float32)
    if block.ndim == 1:
        block = block[:, None]
    (block,) = checked_blocks([block], name=name)
    power, mean = ChannelPower(), mono(block, None)
    power.add(block, mean)
    channel = power.loudest_if_cancelled()
    if channel is None:
        return mean, ()
    return mono(block, channel), (cancellation_note(channel, name=name),)
