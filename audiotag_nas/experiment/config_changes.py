"""Which stage is the first to depend on which config field.

This decides what may change in a directory with finished trials: a field may
change as long as no finished trial of `baseline`, `search` or `train` depends
on it. Grid and final trainings run again with the new value.
"""

from collections.abc import Collection

from audiotag_nas.experiment import path_fields

STAGES = ("baseline", "search", "grid", "final", "evaluation")
"""In order; each depends on all before it. `evaluation` trains nothing."""

_FIRST_STAGES = {
    "": "baseline",
    "search.": "search",
    "search.epochs": "baseline",
    "search.patience": "baseline",
    "search.measure_latency": "baseline",
    "search.latency_weight": "baseline",
    "grid.": "grid",
    "final.": "final",
    "final.bootstrap_samples": "evaluation",
    "final.export_dir": "evaluation",
}
"""Beginning of a field's path -> the first stage that depends on the field.

The longest beginning that fits is the one that counts."""

NUM_TRIALS = "search.num_trials"
"""May grow: a search with more trials begins with the same ones."""

_RUN_AGAIN = {
    "search": "the search continues; grid and final training run again if it "
    "recommends another architecture",
    "grid": "the grid runs again, and the final training of what it chooses",
    "final": "the final training runs again",
    "evaluation": "nothing is trained again",
}

_FIXED = frozenset({"baseline", "search", "train"})
"""Stages whose finished trials must stay valid."""


def first_stage(path: str) -> str:
    """The first stage that depends on a field, e.g. of `grid.epochs`."""
    fitting = [start for start in _FIRST_STAGES if path.startswith(start)]
    return _FIRST_STAGES[max(fitting, key=len)]


def is_fixed(path: str, trained: Collection[str]) -> bool:
    """Whether a finished trial keeps a field from changing.

    Args:
        path: of the field, e.g. `grid.epochs`.
        trained: the stages that have finished trials.
    """
    if path in path_fields.DATA_PATHS:
        # What the data are is checked, not where they are.
        return False
    first = first_stage(path)
    if first == "baseline":
        return not _FIXED.isdisjoint(trained)
    return first == "search" and "search" in trained


def effect(path: str, trained: Collection[str]) -> str:
    """What a changed field comes to; empty if no finished trial depends on it.

    Args:
        path, trained: as `is_fixed`.
    """
    if path in path_fields.DATA_PATHS:
        return "the experiment continues if the content is the same"
    first = first_stage(path)
    dependent = STAGES[STAGES.index(first) :]
    if first == "evaluation":
        return _RUN_AGAIN[first] if "final" in trained else ""
    return _RUN_AGAIN[first] if set(dependent) & set(trained) else ""
