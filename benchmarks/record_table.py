"""Records a table of all networks of a small search space.

The program trains each network of `benchmarks/table/table_space.py` with
several seeds on a fixed synthetic data set. It records the learning curves in a
journal, and then converts the journal to a table. The same command continues an
interrupted recording. A larger `--num_seeds` extends a finished recording.

  python -m benchmarks.record_table --workdir=runs/table

Two seeds take about 70 minutes on two cores.

The journal of the repository's table (two seeds) is in
benchmarks/results/table. To add a third seed, unpack this journal first:

  mkdir -p runs/table
  xz -dc benchmarks/results/table/recording.jsonl.xz > runs/table/trials.jsonl
"""

import os
from collections.abc import Sequence
from typing import TYPE_CHECKING

from absl import flags

from audiotag_nas.command_line import command, experiment_flags

if TYPE_CHECKING:
    from benchmarks.table.recording import Recorded

_WORKDIR = flags.DEFINE_string(
    "workdir", None, experiment_flags.WORKDIR_HELP, required=True
)
_NUM_SEEDS = flags.DEFINE_integer(
    "num_seeds", 2, "Number of trials per network.", lower_bound=1
)
_WORKERS = flags.DEFINE_integer(
    "workers",
    os.cpu_count() or 1,
    "Number of trials in parallel.",
    lower_bound=1,
)
_OUTPUT = flags.DEFINE_string(
    "output", None, "Path of the table (default: <workdir>/table.npz)."
)


def main(argv: Sequence[str]) -> None:
    from audiotag_nas.config.shipped import load_config
    from audiotag_nas.experiment.progress import Progress, format_seconds
    from audiotag_nas.experiment.tuner import ArchitectureTuner
    from audiotag_nas.runners.process_runner import ProcessRunner
    from audiotag_nas.search.journal import read_entries
    from audiotag_nas.search.lock import driver_lock
    from benchmarks.table import recording

    config = load_config("domestic_table")
    progress = Progress()
    tuner = ArchitectureTuner(config, workdir=_WORKDIR.value, progress=progress)
    tuner.prepare()
    workspace = tuner.workspace
    trials = recording.table_trials(config, num_seeds=_NUM_SEEDS.value)

    def print_progress(done: "Recorded") -> None:
        if done.num_done % 10 == 0 or done.num_done == done.num_total:
            progress.line(
                f"{done.num_done}/{done.num_total}  {done.last.trial_id}  "
                f"EER {1 - (done.last.reward or 0):.3f}  "
                f"{format_seconds(progress.elapsed_seconds)}"
            )

    with driver_lock(workspace.workdir):
        runner = ProcessRunner(
            config,
            features_dir=workspace.features_dir,
            trials_dir=workspace.trials_dir,
            num_workers=_WORKERS.value or 1,
            target=recording.TARGET,
        )
        try:
            recording.run_recording(
                trials, runner, workspace.journal_path, on_trial=print_progress
            )
        finally:
            runner.close()
    from benchmarks.table.recorded_table import write_table

    output = _OUTPUT.value or workspace.workdir / "table.npz"
    # The journal may have trials of more seeds than `--num_seeds`.
    wanted = {trial.trial_id for trial in trials}
    entries = read_entries(workspace.journal_path)
    write_table([e for e in entries if e.trial.trial_id in wanted], output)
    progress.line(f"written: {output}")


if __name__ == "__main__":
    command.run(main, interrupted=command.RESUMABLE)
