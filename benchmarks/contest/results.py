"""The contest's results: one finished task a line of `contest.jsonl`.

A line is flushed to disk when its task is done, so that a contest that was
killed loses nothing but a torn last line.
"""

import dataclasses
import json
import os
from collections.abc import Collection, Iterable, Mapping
from pathlib import Path
from typing import Any

from absl import logging

from audiotag_nas.errors import ConfigError, DataError, StoreError
from audiotag_nas.files import file_digest, store_errors

CHECKPOINTS = (25, 50, 100, 200)
CSV_PREFIX = "csv:"
ABLATION = "reinforce_without_policy"
"""`reinforce` whose policy never practises nor proposes."""


_DIGITS = 16  # of a digest in hexadecimal: 64 bits


@dataclasses.dataclass(frozen=True, eq=False)
class Task:
    """One search of the contest.

    Two are equal where they are the same search: on a CSV file, by what is in
    it and not by the path that it was given as.

    Attributes:
        problem: one of `contest.PROBLEMS`, or `csv:` and a path.
        searcher: one of `contest.CONTESTANTS`.
        seed: from 0.
        num_children: trainings in all.
        digest: of the CSV file, as `csv_digest` gives it; empty for any other
            problem, and in lines that are older than digests.
    """

    problem: str
    searcher: str
    seed: int
    num_children: int
    digest: str = ""

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Task) and self._key == other._key

    def __hash__(self) -> int:
        return hash(self._key)

    @property
    def _key(self) -> tuple[str, str, str, int, int]:
        name = "" if self.digest else self.problem
        return (
            *(name, self.digest, self.searcher),
            *(self.seed, self.num_children),
        )

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
        task = fields.pop("task")
        if not task["digest"]:
            del task["digest"]
        return task | fields

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> "TaskResult":
        fields = {"digest": "", **value}
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
            with store_errors(self.path):
                os.truncate(self.path, self.path.stat().st_size - torn)

    def append(self, result: TaskResult) -> None:
        """Writes one line to disk.

        Raises:
            StoreError: it can't be written.
        """
        with store_errors(self.path):
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


def csv_digest(path: str | os.PathLike) -> str:
    """What tells a CSV file's content from others: the start of its SHA-256.

    Raises:
        DataError: it can't be read.
    """
    try:
        return file_digest(path)[:_DIGITS]
    except OSError as error:
        raise DataError(f"{path}: can't be read ({error.strerror}).") from error


def csv_digests(
    problems: Iterable[str],
    done: Collection[Task],
    *,
    report_only: bool = False,
) -> dict[str, str]:
    """The digest of each CSV problem, seen to be that of what is done on it.

    Args:
        problems: names, also of problems that are no CSV file.
        done: the tasks that there are results of.
        report_only: nothing will be run. A file need not be there any more
            then, and results older than digests (an empty one) count as those
            of the file.

    Raises:
        ConfigError: two files of the same content, or one whose content is
            not that of the results under its name.
        DataError: a file can't be read.
    """
    digests: dict[str, str] = {}
    for problem in problems:
        if not problem.startswith(CSV_PREFIX):
            continue
        path = problem.removeprefix(CSV_PREFIX)
        recorded = {task.digest for task in done if task.problem == problem}
        if report_only and len(recorded) == 1 and not os.path.exists(path):
            digests[problem] = recorded.pop()
            continue
        if report_only and recorded == {""}:
            logging.warning(
                "%s: its results do not say of which content they are; they "
                "are reported whatever is in it now.",
                path,
            )
            digests[problem] = ""
            continue
        digest = csv_digest(path)
        if recorded - {digest}:
            raise ConfigError(_other_content(path, digest, recorded))
        if digest in digests.values():
            raise ConfigError(
                "--table_csv: must be files of different content. Received: "
                f"{path}, which is one of the others"
            )
        digests[problem] = digest
    return digests


def _other_content(path: str, digest: str, recorded: Collection[str]) -> str:
    begun = ", ".join(sorted(d or "not recorded" for d in recorded))
    return (
        f"--table_csv: {path} must be as it was when the searches in the "
        f"output directory were run. Received: SHA-256 {digest}..., then "
        f"{begun}. Put it back, or give another --output_dir; nothing was "
        "changed"
    )


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
