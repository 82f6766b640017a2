"""Reads and writes the contest's results.

Each finished task is a line of `contest.jsonl`, which is flushed to disk at
once. If the contest is killed, only the last line can be incomplete.
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
"""Name of the form of `reinforce` that does not train or sample a policy."""

_DIGEST_LENGTH = 16  # number of hexadecimal digits (64 bits)


@dataclasses.dataclass(frozen=True, eq=False)
class Task:
    """One search of the contest.

    Two tasks are equal if they describe the same search. CSV files are compared
    by content, not by path.

    Attributes:
        problem: one of `contest.PROBLEMS`, or `csv:` and a path.
        searcher: one of `contest.SEARCHER_NAMES`.
        seed: seed of the problem and of the searcher, from 0.
        num_trials: number of trials of the search.
        digest: digest of the CSV file, from `csv_digest`. The digest is empty
            for other problems, and in results of versions without digests.
    """

    problem: str
    searcher: str
    seed: int
    num_trials: int
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
            *(self.seed, self.num_trials),
        )

    @property
    def checkpoints(self) -> tuple[int, ...]:
        """The numbers of trials after which the regret is recorded."""
        end = self.num_trials
        return (*(c for c in CHECKPOINTS if c < end), end)


@dataclasses.dataclass(frozen=True)
class TaskResult:
    """The measurements of one finished search.

    Attributes:
        task: the search.
        regrets: regret of the searcher's recommendation at each checkpoint.
        common_regrets: regret of the recommendation by the rule that is common
            to all searchers (`recommend_by_common_rule`), at each checkpoint.
        cpu_seconds: CPU time of all calls of `ask` and `tell`.
        start_cpu_seconds: CPU time of the searcher's construction.
        library: name and version of the searcher's library.
    """

    task: Task
    regrets: tuple[float, ...]
    common_regrets: tuple[float, ...]
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
        for name in ("regrets", "common_regrets"):
            fields[name] = tuple(map(float, fields[name]))
            if len(fields[name]) != len(task.checkpoints):
                raise ValueError(
                    f"`{name}` must have {len(task.checkpoints)} values"
                )
        return cls(task=task, **fields)


class ResultsFile:
    """A results file that is open for appending.

    Only one process may write the file. An incomplete last line is removed with
    a warning.

    Attributes:
        path: path of the file.
        results: task -> result of the task.

    Raises:
        StoreError: a complete line is damaged, or the file cannot be read.
    """

    def __init__(self, path: str | os.PathLike) -> None:
        self.path = Path(path)
        self.results, torn = _read_results(self.path)
        if torn:
            logging.warning(
                "%s: an incomplete last line was removed. Its task runs again.",
                self.path,
            )
            with store_errors(self.path):
                os.truncate(self.path, self.path.stat().st_size - torn)

    def append(self, result: TaskResult) -> None:
        """Appends one line and flushes it to disk.

        Raises:
            StoreError: the file cannot be written.
        """
        with store_errors(self.path):
            self.path.parent.mkdir(parents=True, exist_ok=True)
            with open(self.path, "a", encoding="utf-8") as file:
                file.write(json.dumps(result.to_json(), allow_nan=False) + "\n")
                file.flush()
                os.fsync(file.fileno())
        self.results[result.task] = result


def read_results(path: str | os.PathLike) -> dict[Task, TaskResult]:
    """Reads the results, even while another process appends to the file.

    Raises:
        StoreError: see `ResultsFile`.
    """
    return _read_results(Path(path))[0]


def csv_digest(path: str | os.PathLike) -> str:
    """Returns the first digits of a CSV file's SHA-256.

    Raises:
        DataError: the file cannot be read.
    """
    try:
        return file_digest(path)[:_DIGEST_LENGTH]
    except OSError as error:
        raise DataError(f"{path}: can't be read ({error.strerror}).") from error


def csv_digests(
    problems: Iterable[str],
    done: Collection[Task],
    *,
    report_only: bool = False,
) -> dict[str, str]:
    """Returns the digest of each CSV problem, after checking all digests.

    Args:
        problems: names of problems. Only those with a CSV file are used.
        done: the finished tasks.
        report_only: True if no task will run. A file may then be missing, and
            results without a digest are accepted.

    Raises:
        ConfigError: two files have the same content, or the content of a file
            has changed since the results for this file were made.
        DataError: a file cannot be read.
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
                "%s: the results have no digest of this file. The content of "
                "the file may have been different.",
                path,
            )
            digests[problem] = ""
            continue
        digest = csv_digest(path)
        if recorded - {digest}:
            raise ConfigError(_other_content(path, digest, recorded))
        if digest in digests.values():
            raise ConfigError(
                "--table_csv: files must have different content. Received: "
                f"{path}, which has the content of an earlier file"
            )
        digests[problem] = digest
    return digests


def _other_content(path: str, digest: str, recorded: Collection[str]) -> str:
    expected = ", ".join(sorted(d or "not recorded" for d in recorded))
    return (
        f"--table_csv: {path} must have the content with which the results "
        f"in the output directory were made (SHA-256: {expected}). Received: "
        f"SHA-256 {digest}. Restore the file or set another --output_dir"
    )


def _read_results(path: Path) -> tuple[dict[Task, TaskResult], int]:
    """Returns the results, and the length of an incomplete last line or 0."""
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
