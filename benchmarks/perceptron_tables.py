"""Trains the tables of small perceptrons for the contest.

The program writes one CSV file per table of
`benchmarks/contest/perceptrons.py`. Each file can be given to
`benchmarks.searchers --table_csv`. Existing files are kept.

  python -m benchmarks.perceptron_tables --output_dir=runs/perceptrons

All four tables together take about 12 minutes on one core.
"""

import concurrent.futures
import functools
import multiprocessing
import os
from collections.abc import Sequence
from pathlib import Path

from absl import flags

from audiotag_nas.command_line import command

_OUTPUT_DIR = flags.DEFINE_string(
    "output_dir", None, "Directory of the CSV files.", required=True
)
_TABLES = flags.DEFINE_list(
    "tables", None, "Names of tables, comma-separated (default: all)."
)
_WORKERS = flags.DEFINE_integer(
    "workers", os.cpu_count() or 1, "Number of processes.", lower_bound=1
)


def main(argv: Sequence[str]) -> None:
    from audiotag_nas.files import atomic_write_text, check_writable_directory
    from benchmarks.contest import perceptrons

    directory = Path(_OUTPUT_DIR.value)
    check_writable_directory(directory)
    # Small networks train faster with one thread. A spawned worker's libraries
    # read these variables during their import.
    os.environ["OMP_NUM_THREADS"] = os.environ["OPENBLAS_NUM_THREADS"] = "1"
    spawn = multiprocessing.get_context("spawn")
    for name in _TABLES.value or perceptrons.TABLES:
        table = perceptrons.make_table(name)
        path = directory / f"{name}.csv"
        if path.exists():
            print(f"{path}: exists", flush=True)
            continue
        train = functools.partial(perceptrons.train_row, name)
        with concurrent.futures.ProcessPoolExecutor(
            _WORKERS.value, mp_context=spawn
        ) as pool:
            rows = list(pool.map(train, table.points(), chunksize=20))
        atomic_write_text(path, perceptrons.table_csv(table, rows))
        print(f"{path}: {len(rows)} networks", flush=True)


if __name__ == "__main__":
    command.run(main, interrupted=command.RESUMABLE)
