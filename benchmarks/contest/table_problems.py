"""Problems made from the recorded table or from a user's CSV file.

Repeated trials of a point return the point's recorded rewards in random order.
When all these rewards were returned, they are returned again in the same order.
"""

import csv
import functools
import math
import os
from collections.abc import Mapping, Sequence

import numpy as np

from audiotag_nas.errors import DataError
from audiotag_nas.space import Choice, Decision, SearchSpace, Tokens
from benchmarks.table.recorded_table import RecordedTable

_MAX_COLUMNS = 8  # number of columns shown in an error message


class TableProblem:
    """A `Problem` whose trials were recorded.

    A trial of a point without a record counts as failed. The reward and the
    true value of such a point are the lowest ones in the table.

    Args:
        name: name of the problem.
        space: the search space.
        rewards: point -> rewards of its recorded trials, one or more.
        values: point -> true value of the point.

    Attributes:
        num_recorded: number of recorded points.
    """

    def __init__(
        self,
        name: str,
        space: SearchSpace,
        *,
        rewards: Mapping[Tokens, Sequence[float]],
        values: Mapping[Tokens, float],
    ) -> None:
        self.name = name
        self.space = space
        self.best_value = max(values.values())
        self.num_recorded = len(rewards)
        self._rewards, self._values = rewards, values
        self._lowest_reward = min(map(min, rewards.values()))
        self._lowest_value = min(values.values())
        self._orders: dict[Tokens, list[int]] = {}
        self._num_given: dict[Tokens, int] = {}

    def reward(self, tokens: Tokens, generator: np.random.Generator) -> float:
        recorded = self._rewards.get(tokens)
        if recorded is None:
            return self._lowest_reward
        if tokens not in self._orders:
            order = generator.permutation(len(recorded))
            self._orders[tokens] = [int(index) for index in order]
        number = self._num_given.get(tokens, 0)
        self._num_given[tokens] = number + 1
        return recorded[self._orders[tokens][number % len(recorded)]]

    def true_value(self, tokens: Tokens) -> float:
        return self._values.get(tokens, self._lowest_value)


def recorded_problem(
    table: RecordedTable, *, name: str = "table"
) -> TableProblem:
    """Returns a recorded table as a problem.

    The reward is 1 - validation EER of the best epoch. The true value is 1 -
    evaluation EER after the best epoch, averaged over the seeds.
    """
    points = [tuple(map(int, tokens)) for tokens in table.tokens]
    rewards = table.quality("eer").tolist()
    values = table.evaluation_quality().mean(axis=1).tolist()
    return TableProblem(
        name,
        table.space,
        rewards=dict(zip(points, rewards, strict=True)),
        values=dict(zip(points, values, strict=True)),
    )


@functools.cache
def default_table() -> RecordedTable:
    """Returns this repository's recorded table.

    Raises:
        StoreError: the table cannot be read.
    """
    return RecordedTable.load()


def read_csv_problem(path: str | os.PathLike, *, name: str) -> TableProblem:
    """Reads a problem from a CSV file with one row per point.

    The columns `reward_1`, `reward_2`, ... hold the rewards of the point's
    trials (higher is better; cells may be empty). The column `value` holds the
    point's true value; without this column, the true value is the mean reward.
    Every other column is a decision. A decision is ordinal, with sorted
    choices, if all cells of the column are numbers, and categorical otherwise.

    Raises:
        DataError: the file is invalid. The message names the file, the line,
            the column and the value.
    """
    header, rows = _read_rows(path)
    reward_columns = [h for h in header if _is_reward(h)]
    names = [h for h in header if not _is_reward(h) and h != "value"]
    if not names or not reward_columns:
        raise DataError(
            f"{path}, line 1: must name at least one decision and the column "
            f"reward_1. Received: {_column_summary(header)}"
        )
    _check_no_empty_choice(path, names, rows)
    space = SearchSpace(
        tuple(_decision(name, [row[name] for _, row in rows]) for name in names)
    )
    rewards: dict[Tokens, list[float]] = {}
    values: dict[Tokens, float] = {}
    for line, row in rows:
        tokens = tuple(
            decision.choices.index(_choice(row[decision.name], decision))
            for decision in space.decisions
        )
        if tokens in rewards:
            raise DataError(
                f"{path}, line {line}: a point must have one row. "
                f"Received: another row of {[row[name] for name in names]}"
            )
        rewards[tokens] = [
            _number(path, line, column, row[column])
            for column in reward_columns
            if row[column]
        ]
        if not rewards[tokens]:
            raise DataError(f"{path}, line {line}: must have a reward.")
        values[tokens] = (
            _number(path, line, "value", row["value"])
            if "value" in header
            else math.fsum(rewards[tokens]) / len(rewards[tokens])
        )
    return TableProblem(name, space, rewards=rewards, values=values)


def _read_rows(
    path: str | os.PathLike,
) -> tuple[list[str], list[tuple[int, dict[str, str]]]]:
    """Returns the header, and the line number and cells of each row."""
    try:
        with open(path, encoding="utf-8-sig", newline="") as file:
            reader = csv.reader(file)
            header = [cell.strip() for cell in next(reader, [])]
            rows = [
                (reader.line_num, [cell.strip() for cell in cells])
                for cells in reader
                if cells
            ]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise DataError(f"{path}: can't be read ({error}).") from error
    if not rows:
        raise DataError(f"{path}: must have a header and rows.")
    if len(set(header)) != len(header) or "" in header:
        raise DataError(
            f"{path}, line 1: columns must have different names. "
            f"Received: {header}"
        )
    for line, cells in rows:
        if len(cells) != len(header):
            raise DataError(
                f"{path}, line {line}: must have {len(header)} cells. "
                f"Received: {len(cells)}"
            )
    return header, [
        (line, dict(zip(header, cells, strict=True))) for line, cells in rows
    ]


def _check_no_empty_choice(
    path: str | os.PathLike,
    names: list[str],
    rows: list[tuple[int, dict[str, str]]],
) -> None:
    """Raises DataError if a cell is empty, because it would become a choice."""
    for line, row in rows:
        for name in names:
            if not row[name]:
                raise DataError(
                    f"{path}, line {line}: `{name}` must be a number or a "
                    "word. Received: an empty cell"
                )


def _column_summary(header: list[str]) -> str:
    """Lists the first columns. Tables from `export_trials` get a hint."""
    text = ", ".join(header[:_MAX_COLUMNS])
    if len(header) > _MAX_COLUMNS:
        text += f" and {len(header) - _MAX_COLUMNS} more"
    if "trial_id" in header:
        text += (
            ": this is a table of export_trials; docs/guide/searchers.md "
            "describes how to make a table for the contest"
        )
    return text


def _is_reward(column: str) -> bool:
    return column.startswith("reward_") and column[7:].isdigit()


def _decision(name: str, cells: list[str]) -> Decision:
    distinct = list(dict.fromkeys(cells))
    for kind in (int, float):
        try:
            numbers = sorted({kind(cell) for cell in distinct})
        except ValueError:
            continue
        if all(map(math.isfinite, numbers)):
            return Decision(name, tuple(numbers))
    return Decision(name, tuple(distinct), ordinal=False)


def _choice(cell: str, decision: Decision) -> Choice:
    kind = type(decision.choices[0])
    return kind(cell)


def _number(
    path: str | os.PathLike, line: int, column: str, cell: str
) -> float:
    try:
        number = float(cell)
    except ValueError:
        number = math.nan
    if not math.isfinite(number):
        raise DataError(
            f"{path}, line {line}: `{column}` must be a finite number. "
            f"Received: {cell!r}"
        )
    return number
