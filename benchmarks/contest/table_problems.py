"""Problems made of recorded trainings: the shipped table, a user's CSV file.

A network that is trained again gets another of its recorded seeds, in random
order, and the same ones again once all were had.
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

_MAX_NAMED = 8  # columns in a message


class TableProblem:
    """A `Problem` whose trainings were recorded.

    A point that was not recorded is one that can't be trained: each try is a
    failed training, told as the table's lowest reward, and its truth is the
    table's lowest value.

    Args:
        name: of the problem.
        space: what is searched.
        rewards: of each recorded point, one a training, at least one.
        values: what each recorded point is worth.

    Attributes:
        num_recorded: points that can be trained.
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
    """Rewards 1 - validation EER of the best epoch; truth on other clips.

    The truth is 1 - evaluation EER of the weights that were kept, the mean
    over the seeds.
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
def shipped_table() -> RecordedTable:
    """The package's table, read once.

    Raises:
        StoreError: it can't be read.
    """
    return RecordedTable.load()


def read_csv_problem(path: str | os.PathLike, *, name: str) -> TableProblem:
    """A problem out of a CSV file of recorded trainings.

    The columns `reward_1`, `reward_2`, ... hold what each training of a point
    earned (higher is better; an empty cell is none), `value` what it is worth
    (the mean of its rewards, if there is no such column), and every other
    column is a decision. A decision whose cells are all numbers is ordinal,
    its choices in order; else its choices are categorical.

    Raises:
        DataError: naming file, line, column and value.
    """
    header, rows = _read_rows(path)
    reward_columns = [h for h in header if _is_reward(h)]
    names = [h for h in header if not _is_reward(h) and h != "value"]
    if not names or not reward_columns:
        raise DataError(
            f"{path}, line 1: must name at least one decision and the column "
            f"reward_1. Received: {_columns_words(header)}"
        )
    _check_choices(path, names, rows)
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
                f"{path}, line {line}: a point must come once. "
                f"Received: {[row[name] for name in names]} again"
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
    """The header, and each row by column with its line number."""
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


def _check_choices(
    path: str | os.PathLike,
    names: list[str],
    rows: list[tuple[int, dict[str, str]]],
) -> None:
    """An empty cell would be a choice, and make numbers categorical."""
    for line, row in rows:
        for name in names:
            if not row[name]:
                raise DataError(
                    f"{path}, line {line}: `{name}` must have a choice, a "
                    "number or a word. Received: an empty cell"
                )


def _columns_words(header: list[str]) -> str:
    """The first columns' names; what they are where they tell."""
    text = ", ".join(header[:_MAX_NAMED])
    if len(header) > _MAX_NAMED:
        text += f" and {len(header) - _MAX_NAMED} more"
    if "trial_id" in header:
        text += (
            ": this is a table of export_trials; docs/searchers.md says how "
            "to make one for a contest"
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
