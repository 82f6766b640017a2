"""Trains tables of small networks from other fields, for the contest.

Writes one CSV file a table of `benchmarks/contest/perceptrons.py`, for
`searchers.py --table_csv`: do searchers keep their order where they were not
tuned? One that is there is left as it is.

  python -m benchmarks.perceptron_tables --output_dir=runs/perceptrons

Time: about 12 minutes of one core for all four.
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
    "output_dir", None, "Where the files go.", required=True
)
_TABLES = flags.DEFINE_list(
    "tables", None, "Names, comma-separated; all if not given."
)
_WORKERS = flags.DEFINE_integer(
    "workers", os.cpu_count() or 1, "Processes.", lower_bound=1
)


def main(argv: Sequence[str]) -> None:
    from audiotag_nas.files import atomic_write_text, check_writable_directory
    from benchmarks.contest import perceptrons

    directory = Path(_OUTPUT_DIR.value)
    check_writable_directory(directory)
    # Networks this small lose by a second thread. Workers must start anew to
    # read it before their libraries do.
    os.environ["OMP_NUM_THREADS"] = os.environ["OPENBLAS_NUM_THREADS"] = "1"
    anew = multiprocessing.get_context("spawn")
    for name in _TABLES.value or perceptrons.TABLES:
        table = perceptrons.make_table(name)
        path = directory / f"{name}.csv"
        if path.exists():
            print(f"{path}: is there", flush=True)
            continue
        train = functools.partial(perceptrons.train_row, name)
        with concurrent.futures.ProcessPoolExecutor(
            _WORKERS.value, mp_context=anew
        ) as pool:
            rows = list(pool.map(train, table.points(), chunksize=20))
        atomic_write_text(path, perceptrons.table_csv(table, rows))
        print(f"{path}: {len(rows)} networks", flush=True)


if __name__ == "__main__":
    command.run(main, interrupted=command.RESUMABLE)
