"""Measures the cost and benefit of early stopping on recorded curves.

A stopper is a rule that stops trials early. The program replays searches with
each stopper, and compares each search with the same search without stopping. At
equal numbers of trials, the comparison shows how many epochs are saved, and how
the regret changes. At equal numbers of epochs, the comparison shows how much
the regret falls because there are more trials.

  python -m benchmarks.early_stopping --quality=binormal_eer

With random search, the program takes a few minutes; `--noequal_epochs` saves
two thirds of this time. With `reinforce`, a search takes 3 s.
"""

from collections.abc import Sequence

from absl import flags

from audiotag_nas.command_line import command
from benchmarks.table.flags import define_table_flag

_TABLE = define_table_flag()
_TABLE_SEEDS = flags.DEFINE_multi_integer(
    "table_seeds",
    None,
    "A recorded seed to use (default: all seeds). May be repeated.",
)
_SEARCHERS = flags.DEFINE_list(
    "searchers", ["random"], "Names of searchers, comma-separated."
)
_STOPPERS = flags.DEFINE_list(
    "stoppers", ["halving", "curve"], "Names of stoppers, comma-separated."
)
_NUM_TRIALS = flags.DEFINE_list(
    "num_trials",
    ["24", "50", "100"],
    "Numbers of trials per search, comma-separated.",
)
_NUM_SEEDS = flags.DEFINE_integer(
    "num_seeds", 100, "Number of searches per row.", lower_bound=2
)
_QUALITY = flags.DEFINE_string(
    "quality", "eer", "Name of the quality that searches maximize."
)
_SHARE = flags.DEFINE_float(
    "share",
    1.0,
    "Share of the recorded networks that a search can choose. Each search "
    "has another random sample.",
    lower_bound=0.1,
    upper_bound=1.0,
)
_SETTINGS = flags.DEFINE_list(
    "settings", [], "Settings of the stoppers, e.g. min_trials=6,min_epochs=3."
)
_EQUAL_EPOCHS = flags.DEFINE_bool(
    "equal_epochs", True, "Also compare at equal numbers of epochs (slow)."
)


def main(argv: Sequence[str]) -> None:
    from benchmarks.early_stopping_study import report
    from benchmarks.early_stopping_study.replay import QualityCurves
    from benchmarks.table.recorded_table import RecordedTable

    table = RecordedTable.load(_TABLE.value)
    if _TABLE_SEEDS.value is not None:
        table = table.only_seeds(_TABLE_SEEDS.value)
    curves = QualityCurves.of(table, quality=_QUALITY.value)
    print(
        f"{len(curves.qualities)} networks, {curves.num_epochs} epochs, "
        f"{_NUM_SEEDS.value} searches per row; EER in units of 0.0001\n"
    )
    settings = dict(item.split("=", 1) for item in _SETTINGS.value)
    for searcher in _SEARCHERS.value:
        for num_trials in map(int, _NUM_TRIALS.value):
            print(f"{searcher}, {num_trials} trials", flush=True)
            rows = report.compare(
                curves,
                searcher=searcher,
                stoppers=_STOPPERS.value,
                num_trials=num_trials,
                num_seeds=_NUM_SEEDS.value,
                share=_SHARE.value,
                settings={name: float(v) for name, v in settings.items()},
                equal_epochs=_EQUAL_EPOCHS.value,
            )
            print(report.table(rows), end="\n\n", flush=True)


if __name__ == "__main__":
    command.run(main)
