"""Measures how well, and how early, each reward predicts the final EER.

The program computes every reward of `reward_forms` after several numbers of
epochs, on one validation fold and on both folds. It compares the rewards with
the networks' final evaluation EERs in a recorded table. It writes `rewards.txt`
and `rewards.png`; docs/results/rewards.md explains these files.

  python -m benchmarks.rewards --output_dir=benchmarks/results/rewards

With 1,458 recorded trials, the program takes a few minutes on one core.
"""

from collections.abc import Sequence
from pathlib import Path

from absl import flags

from audiotag_nas.command_line import command
from benchmarks.table.flags import define_table_flag

_TABLE = define_table_flag()
_OUTPUT_DIR = flags.DEFINE_string(
    "output_dir", None, "Directory of the results (default: none, print only)."
)
_EPOCHS = flags.DEFINE_list(
    "epochs",
    ["2", "3", "4", "6", "8", "10", "12"],
    "Numbers of epochs from which rewards are computed, comma-separated.",
)
_SUBSET_SIZE = flags.DEFINE_integer(
    "subset_size",
    50,
    "Number of networks from which one is selected.",
    lower_bound=2,
)
_NUM_RESAMPLES = flags.DEFINE_integer(
    "num_resamples",
    200,
    "Number of bootstrap resamples of the networks.",
    lower_bound=2,
)
_SEED = flags.DEFINE_integer("seed", 0, "Seed of the bootstrap.", lower_bound=0)


def main(argv: Sequence[str]) -> None:
    from audiotag_nas.errors import ConfigError
    from audiotag_nas.files import atomic_write_text
    from benchmarks.reward_study.measurement import measure_rewards
    from benchmarks.reward_study.noise import measure_noise
    from benchmarks.reward_study.report import plot_rewards, reward_report
    from benchmarks.table.recorded_table import RecordedTable

    if not all(epochs.isdigit() for epochs in _EPOCHS.value):
        raise ConfigError(
            f"--epochs: must be whole numbers. Received: {_EPOCHS.value}"
        )
    fidelities = [int(epochs) for epochs in _EPOCHS.value]
    table = RecordedTable.load(_TABLE.value)
    scores = measure_rewards(
        table,
        fidelities=fidelities,
        subset_size=_SUBSET_SIZE.value,
        num_resamples=_NUM_RESAMPLES.value,
        seed=_SEED.value,
    )
    noise = measure_noise(table, fidelities=fidelities)
    text = reward_report(noise, scores, subset_size=_SUBSET_SIZE.value)
    print(text, end="")
    if _OUTPUT_DIR.value is not None:
        directory = Path(_OUTPUT_DIR.value)
        atomic_write_text(directory / "rewards.txt", text)
        plot_rewards(directory / "rewards.png", scores)


if __name__ == "__main__":
    command.run(main)
