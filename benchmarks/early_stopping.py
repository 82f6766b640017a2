"""What children stopped early cost and save, on recorded learning curves.

The curves are those of the table that the package ships, or of `--table`.
Replays searches with each way of stopping: at an equal number of children
(the same regret for fewer epochs?), and at equal epochs (what the epochs
saved buy). Differences are paired with the same search without stopping.

  python -m benchmarks.early_stopping --quality=binormal_eer

Time: some minutes with random search, a third of it with --noequal_epochs;
REINFORCE takes 3 s a search.
"""

from collections.abc import Sequence

from absl import flags

from audiotag_nas.command_line import command

_TABLE = flags.DEFINE_string(
    "table",
    None,
    "Another table that `record_table` wrote; the package's if not given.",
)
_TABLE_SEEDS = flags.DEFINE_multi_integer(
    "table_seeds",
    None,
    "Use only this recorded seed of each network; may be repeated.",
)
_SEARCHERS = flags.DEFINE_list("searchers", ["random"], "By name.")
_STOPPERS = flags.DEFINE_list("stoppers", ["halving", "curve"], "By name.")
_NUM_TRIALS = flags.DEFINE_list(
    "num_trials", ["24", "50", "100"], "Children of a search."
)
_NUM_SEEDS = flags.DEFINE_integer(
    "num_seeds", 100, "Searches of each kind.", lower_bound=2
)
_QUALITY = flags.DEFINE_string("quality", "eer", "What is maximized.")
_SHARE = flags.DEFINE_float(
    "share",
    1.0,
    "Share of the recorded networks that a search may find, drawn anew for "
    "each search.",
    lower_bound=0.1,
    upper_bound=1.0,
)
_SETTINGS = flags.DEFINE_list(
    "settings", [], "Of the stoppers, e.g. min_trials=6,min_epochs=3."
)
_EQUAL_EPOCHS = flags.DEFINE_bool(
    "equal_epochs", True, "Search at equal epochs too, most of the time."
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
        f"{_NUM_SEEDS.value} searches of each kind; EER in units of 0.0001\n"
    )
    settings = dict(item.split("=", 1) for item in _SETTINGS.value)
    for searcher in _SEARCHERS.value:
        for num_trials in map(int, _NUM_TRIALS.value):
            print(f"{searcher}, {num_trials} children", flush=True)
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
