"""The contest's results: one finished task a line of `contest.jsonl`.

A line is flushed to disk when its task is done, so that a contest that was
killed loses nothing but a torn last line.
"""

import dataclasses
import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from absl import logging

from audiotag_nas.errors import StoreError

CHECKPOINTS = (25, 50, 100, 200)
ABLATION = "reinforce_without_policy"
"""`reinforce` whose policy never practises nor proposes."""


@dataclasses.dataclass(frozen=True)
class Task:
    """One search of the contest.

    Attributes:
        problem: one of `contest.PROBLEMS`, or `csv:` and a path.
        searcher: one of `contest.CONTESTANTS`.
        seed: from 0.
        num_children: trainings in all.
    """

    problem: str
    searcher: str
    seed: int
    num_children: int

    @property
    def checkpoints(self) -> tuple[int, ...]:
        """Numbers of trainings after which regrets are taken."""
        end = self.num_children
        return (*(c for c in CHECKPOINTS if c < end), end)


@dataclasses.dataclass(frozen=True)
class TaskResult:
    """What came of a task.

    Attributes:
        task: which.
        regrets: of the searcher's own recommendation, one a checkpoint.
        alike: of the recommendation by the common rule.
        cpu_seconds: of `ask` and `tell` together.
        start_cpu_seconds: of making the searcher.
        library: whose searcher it is, with its version.
    """

    task: Task
    regrets: tuple[float, ...]
    alike: tuple[float, ...]
    cpu_seconds: float
    start_cpu_seconds: float
    library: str

    def to_json(self) -> dict[str, Any]:
        fields = dataclasses.asdict(self)
        return fields.pop("task") | fields

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> "TaskResult":
        fields = dict(value)
        names = [field.name for field in dataclasses.fields(Task)]
        task = Task(**{name: fields.pop(name) for name in names})
        for name in ("regrets", "alike"):
            fields[name] = tuple(map(float, fields[name]))
            if len(fields[name]) != len(task.checkpoints):
                raise ValueError(f"`{name}` must be one a checkpoint")
        return cls(task=task, **fields)


class ResultsFile:
    """The finished tasks, one line each; its one writer.

    Attributes:
        path: of the file.
        results: by task.

    Raises:
        StoreError: a line other than the last is damaged, or the file can't
            be read. A torn last line, of a run that was killed, is cut off
            with a warning.
    """

    def __init__(self, path: str | os.PathLike) -> None:
        self.path = Path(path)
        self.results, torn = _read_results(self.path)
        if torn:
            logging.warning(
                "%s: dropped a torn last line; its task will run again.",
                self.path,
            )
            os.truncate(self.path, self.path.stat().st_size - torn)

    def append(self, result: TaskResult) -> None:
        """Writes one line to disk."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with open(self.path, "a", encoding="utf-8") as file:
            file.write(json.dumps(result.to_json(), allow_nan=False) + "\n")
            file.flush()
            os.fsync(file.fileno())
        self.results[result.task] = result


def read_results(path: str | os.PathLike) -> dict[Task, TaskResult]:
    """The finished tasks of a file that may be being written.

    Raises:
        StoreError: as for `ResultsFile`.
    """
    return _read_results(Path(path))[0]


def _read_results(path: Path) -> tuple[dict[Task, TaskResult], int]:
    """The results, and the bytes of a torn last line."""
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        return {}, 0
    except OSError as error:
        raise StoreError(
            f"{path}: can't be read ({error.strerror})."
        ) from error
    *lines, rest = data.split(b"\n")
    results = {}
    for number, line in enumerate(lines, start=1):
        try:
            result = TaskResult.from_json(json.loads(line))
        except (ValueError, TypeError, KeyError) as error:
            raise StoreError(
                f"{path}, line {number}: damaged: {error}"
            ) from error
        results[result.task] = result
    return results, len(rest)
