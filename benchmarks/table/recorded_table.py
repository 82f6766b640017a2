"""The recorded table, with learning curves of all networks of a small space.

`write_table` converts the journal of a recording to a compact file, which
`RecordedTable` reads. The file is a NumPy `.npz` without pickled objects.
Values of curves are rounded to multiples of 0.0001, which is much less than the
noise of the values.
"""

import dataclasses
import functools
import io
import itertools
import json
import os
import zipfile
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt

from audiotag_nas.errors import ConfigError, StoreError
from audiotag_nas.files import atomic_write_bytes
from audiotag_nas.search.journal import JournalEntry
from audiotag_nas.space import SearchSpace, Tokens
from audiotag_nas.trial import TrialStatus
from benchmarks.table.reward_forms import REWARDS, reward_of
from benchmarks.table.table_space import TABLE_SPACE

TABLE_PATH = Path(__file__).with_name("domestic_table.npz")
"""Path of this repository's table."""

_VERSION = 2
_STEP = 1e-4
_LARGEST = np.iinfo(np.uint16).max


@dataclasses.dataclass(frozen=True)
class RecordedTable:
    """Recorded trials of every point of a space, with one or more seeds.

    Attributes:
        space: the search space.
        tokens: array (points, decisions) with all points in sorted order.
        measures: names of the curves, e.g. `validation_eer`.
        curves: array of shape (points, seeds, epochs, measures).
        best_epochs: array (points, seeds) of the epochs, from 1, whose weights
            the trainer kept. A rounded curve may have several best epochs.
        num_parameters: array of shape (points,).
        cpu_seconds: array (points, seeds) of the CPU times of the trials.
    """

    space: SearchSpace
    tokens: npt.NDArray
    measures: tuple[str, ...]
    curves: npt.NDArray
    best_epochs: npt.NDArray
    num_parameters: npt.NDArray
    cpu_seconds: npt.NDArray

    @classmethod
    def load(cls, path: str | os.PathLike | None = None) -> "RecordedTable":
        """Reads a table, or the repository's table if `path` is None.

        Raises:
            StoreError: the file is missing or was not written by
                `write_table`.
        """
        path = TABLE_PATH if path is None else Path(path)
        try:
            with np.load(path, allow_pickle=False) as file:
                if int(file["version"]) != _VERSION:
                    raise StoreError(
                        f"{path}: a table's version must be {_VERSION}. "
                        f"Received: {int(file['version'])}"
                    )
                return cls(
                    space=SearchSpace.from_json(json.loads(str(file["space"]))),
                    tokens=file["tokens"].astype(int),
                    measures=tuple(map(str, file["measures"])),
                    curves=file["curves"] * _STEP,
                    best_epochs=file["best_epochs"].astype(int),
                    num_parameters=file["num_parameters"].astype(int),
                    cpu_seconds=file["cpu_seconds"].astype(float),
                )
        except OSError as error:
            raise StoreError(
                f"{path}: can't be read ({error.strerror or error})."
            ) from error
        except (ValueError, KeyError, zipfile.BadZipFile) as error:
            raise StoreError(f"{path}: is not a table ({error}).") from error

    @property
    def num_points(self) -> int:
        return len(self.tokens)

    @property
    def num_seeds(self) -> int:
        return self.curves.shape[1]

    @property
    def num_epochs(self) -> int:
        return self.curves.shape[2]

    @functools.cached_property
    def _index_of(self) -> dict[Tokens, int]:
        return {
            tuple(map(int, tokens)): index
            for index, tokens in enumerate(self.tokens)
        }

    def index(self, tokens: Iterable[int]) -> int:
        """Returns the index of a point in the arrays.

        Raises:
            ConfigError: the tokens are not a point of the space.
        """
        return self._index_of[self.space.validate(tokens)]

    def only_seeds(self, seeds: Sequence[int]) -> "RecordedTable":
        """Returns the table with the given seeds only, in the given order.

        Raises:
            ConfigError: `seeds` is empty or has a seed that was not recorded.
        """
        wrong = [s for s in seeds if not 0 <= s < self.num_seeds]
        if wrong or not seeds:
            raise ConfigError(
                f"seeds must be from 0 to {self.num_seeds - 1}, at least one. "
                f"Received: {list(seeds)}"
            )
        chosen = list(seeds)
        return dataclasses.replace(
            self,
            curves=self.curves[:, chosen],
            best_epochs=self.best_epochs[:, chosen],
            cpu_seconds=self.cpu_seconds[:, chosen],
        )

    def curve(self, measure: str) -> npt.NDArray:
        """Returns a measure's curves, an array (points, seeds, epochs).

        Raises:
            ConfigError: the measure is unknown.
        """
        if measure not in self.measures:
            raise ConfigError(
                f"a measure must be one of {list(self.measures)}. "
                f"Received: {measure!r}"
            )
        return self.curves[..., self.measures.index(measure)]

    def quality(
        self,
        name: str = "eer",
        *,
        num_epochs: int | None = None,
        clips: str = "validation",
    ) -> npt.NDArray:
        """Returns the quality of each trial, an array (points, seeds).

        Args:
            name: a key of `REWARDS`.
            num_epochs: number of epochs, from the first, that are used; None
                means all epochs.
            clips: name of the scored set of clips, e.g. `validation` or
                `fold0`.

        Raises:
            ConfigError: `name` or `clips` is unknown, or `num_epochs` is out
                of range.
        """
        if name not in REWARDS:
            raise ConfigError(
                f"a quality must be one of {list(REWARDS)}. Received: {name!r}"
            )
        num_epochs = self.num_epochs if num_epochs is None else num_epochs
        if not 1 <= num_epochs <= self.num_epochs:
            raise ConfigError(
                f"`num_epochs` must be from 1 to {self.num_epochs}. "
                f"Received: {num_epochs}"
            )
        measure, _ = REWARDS[name]
        curves = self.curve(f"{clips}_{measure}")[..., :num_epochs]
        values = [
            reward_of(name, curve)
            for curve in curves.reshape(-1, num_epochs).tolist()
        ]
        return np.array(values).reshape(self.num_points, self.num_seeds)

    def final_eers(self) -> npt.NDArray:
        """Returns the evaluation EERs of the kept weights: (points, seeds)."""
        eers = self.curve("evaluation_eer")
        epochs = self.best_epochs[..., None] - 1
        return np.take_along_axis(eers, epochs, axis=2)[..., 0]

    def evaluation_quality(self) -> npt.NDArray:
        """Returns 1 - final EER of each trial: (points, seeds)."""
        return 1.0 - self.final_eers()


def write_table(
    entries: Sequence[JournalEntry],
    path: str | os.PathLike,
    *,
    space: SearchSpace = TABLE_SPACE,
) -> None:
    """Writes a recording's journal as a table, atomically.

    A trial's field `round` is its seed. Curves are clipped at 6.5535.

    Args:
        entries: journal entries in any order. Every point of `space` must have
            an entry for each of the seeds 0, 1, ...
        path: path of the `.npz` file.
        space: the search space.

    Raises:
        StoreError: a trial is missing, has failed, is recorded twice, lacks a
            metric or has different curves than the first trial, or a value is
            negative or NaN.
    """
    trials = _entries_by_point(entries, space)
    measures, curves = _measures_and_curves(trials)
    buffer = io.BytesIO()
    np.savez_compressed(
        buffer,
        version=np.array(_VERSION),
        space=np.array(json.dumps(space.to_json())),
        tokens=np.array(_points(space), np.uint8),
        measures=np.array(measures),
        curves=curves,
        num_parameters=_metric(trials, "num_parameters", np.int64)[:, 0],
        cpu_seconds=_metric(trials, "cpu_seconds", np.float32),
        best_epochs=_metric(trials, "best_epoch", np.uint16),
    )
    atomic_write_bytes(path, buffer.getvalue())


def _entries_by_point(
    entries: Sequence[JournalEntry], space: SearchSpace
) -> list[list[JournalEntry]]:
    """Returns a row per point, in sorted order, with an entry per seed."""
    if not entries:
        raise StoreError("a table needs trials; the journal has none.")
    by_key: dict[tuple[Tokens, int], JournalEntry] = {}
    for entry in entries:
        trial, result = entry.trial, entry.result
        if result.status is not TrialStatus.COMPLETED:
            raise StoreError(
                f"{trial.trial_id} (line {entry.line_number}) failed: "
                f"{result.reason.rstrip('.')}. Remove its line from the "
                "journal and record it again."
            )
        key = space.validate(trial.tokens), trial.round
        if key in by_key:
            raise StoreError(
                f"{trial.trial_id} and {by_key[key].trial.trial_id} have the "
                "same point and seed."
            )
        by_key[key] = entry
    points = _points(space)
    seeds = range(1 + max(entry.trial.round for entry in entries))
    missing = [(p, s) for p in points for s in seeds if (p, s) not in by_key]
    if missing:
        raise StoreError(
            f"{len(missing)} of {len(points) * len(seeds)} trials are "
            f"missing, the first for tokens {missing[0][0]} with seed "
            f"{missing[0][1]}. Continue the recording."
        )
    return [[by_key[point, seed] for seed in seeds] for point in points]


def _points(space: SearchSpace) -> list[Tokens]:
    return [tuple(map(int, point)) for point in np.ndindex(*space.num_choices)]


def _metric(
    trials: list[list[JournalEntry]], name: str, dtype: npt.DTypeLike
) -> npt.NDArray:
    """Returns one metric of all results, an array (points, seeds)."""
    for entry in itertools.chain.from_iterable(trials):
        if name not in entry.result.metrics:
            raise StoreError(
                f"{entry.trial.trial_id} (line {entry.line_number}): must "
                f"have the metric `{name}`."
            )
    return np.array(
        [[entry.result.metrics[name] for entry in row] for row in trials], dtype
    )


def _measures_and_curves(
    trials: list[list[JournalEntry]],
) -> tuple[tuple[str, ...], npt.NDArray]:
    """Returns the names of the first trial's curves, and all trials' curves."""
    first = trials[0][0].result.history
    measures = tuple(first)
    shape = len(next(iter(first.values()), [])), len(first)
    curves = [[_curves(e, measures, shape) for e in row] for row in trials]
    return measures, np.array(curves)


def _curves(
    entry: JournalEntry, measures: tuple[str, ...], shape: tuple[int, int]
) -> npt.NDArray:
    """Returns an array (epochs, measures) in units of 0.0001, as uint16."""
    history = entry.result.history
    try:
        values = np.array([history[m] for m in measures], float).T
    except (KeyError, ValueError):
        values = np.empty(0)
    # `values >= 0.0` is also False for NaN.
    if values.shape != shape or not np.all(values >= 0.0):
        raise StoreError(
            f"{entry.trial.trial_id} (line {entry.line_number}): must have "
            f"the curves {', '.join(measures)} of {shape[0]} epochs with "
            "numbers of 0 or more."
        )
    return np.minimum(np.rint(values / _STEP), _LARGEST).astype(np.uint16)
