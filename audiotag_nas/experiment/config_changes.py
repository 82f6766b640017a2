"""Decides which config fields may change after trials have finished.

A field may change if no finished trial of `baseline`, `search` or `train`
depends on it. After a change, grid and final training use the new value.
"""

from collections.abc import Collection

from audiotag_nas.experiment import path_fields

STAGES = ("baseline", "search", "grid", "final", "evaluation")
"""Each stage depends on all stages before it. `evaluation` has no trials."""

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
"""Prefix of a field's path -> the first stage that depends on the field.

If several prefixes match, the longest prefix counts."""

NUM_TRIALS = "search.num_trials"
"""May be increased, because a longer search starts with the same trials."""

_EFFECTS = {
    "search": "the search continues; grid and final training are repeated if "
    "the search recommends another architecture",
    "grid": "the grid is repeated, and then the final training",
    "final": "the final training is repeated",
    "evaluation": "nothing is retrained",
}
"""First stage that depends on a changed field -> the effect of the change."""

_FIXED = frozenset({"baseline", "search", "train"})
"""Stages whose finished trials must stay valid."""


def first_stage(path: str) -> str:
    """Returns the first stage that depends on a field, e.g. `grid.epochs`."""
    prefixes = [prefix for prefix in _FIRST_STAGES if path.startswith(prefix)]
    return _FIRST_STAGES[max(prefixes, key=len)]


def is_fixed(path: str, trained: Collection[str]) -> bool:
    """Returns True if a field must not change because of finished trials.

    Args:
        path: the field, e.g. `grid.epochs`.
        trained: the stages that have finished trials.
    """
    if path in path_fields.DATA_PATHS:
        # The data may be moved. `data_digests` checks their content instead.
        return False
    first = first_stage(path)
    if first == "baseline":
        return not _FIXED.isdisjoint(trained)
    return first == "search" and "search" in trained


def effect(path: str, trained: Collection[str]) -> str:
    """Returns the effect of a changed field, as text; "" for no effect.

    Args:
        path, trained: see `is_fixed`.
    """
    if path in path_fields.DATA_PATHS:
        return "the experiment continues if the content is the same"
    first = first_stage(path)
    dependent = STAGES[STAGES.index(first) :]
    if first == "evaluation":
        return _EFFECTS[first] if "final" in trained else ""
    return _EFFECTS[first] if set(dependent) & set(trained) else ""
