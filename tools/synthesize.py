"""Writes a synthetic domestic data set in the CHiME-Home layout.

    synthesize --dataset_dir data/synthetic/chime_home

The same seed and sizes give the same bytes. With --plot, the command draws
example log-mel spectrograms of each tag instead. docs/reference/synthesizer.md
describes the sounds and the difficulty of the data set.
"""

import sys
from collections.abc import Sequence

from absl import flags

from audiotag_nas.command_line import command, flag_paths
from audiotag_nas.config import SyntheticConfig
from audiotag_nas.terminal import print_lines

_DEFAULTS = SyntheticConfig()

_DATASET_DIR = flags.DEFINE_string(
    "dataset_dir",
    None,
    "Directory of the new data set. It must be empty or absent.",
)
_NUM_DEVELOPMENT_CLIPS = flags.DEFINE_integer(
    "num_development_clips",
    _DEFAULTS.num_development_clips,
    "Number of clips in the refined development list (clips on which the "
    "annotators agree). The raw list has 1.3 times as many clips.",
    lower_bound=20,
)
_NUM_EVALUATION_CLIPS = flags.DEFINE_integer(
    "num_evaluation_clips",
    _DEFAULTS.num_evaluation_clips,
    "Number of clips in the refined evaluation list. The raw list has 1.3 "
    "times as many clips.",
    lower_bound=10,
)
_BROADBAND_BOOST = flags.DEFINE_float(
    "broadband_boost",
    _DEFAULTS.broadband_boost,
    "Frequency of the tag `b` (broadband noise), as a multiple of its "
    "frequency in the real data.",
    lower_bound=0.01,
)
_SEED = flags.DEFINE_integer("seed", 0, "Random seed.", lower_bound=0)
_PLOT = flags.DEFINE_string(
    "plot",
    None,
    "Instead of a data set, write a picture with log-mel spectrograms of each "
    "tag to this .png, .pdf or .svg file.",
)


def main(argv: Sequence[str]) -> None:
    del argv
    from audiotag_nas.errors import ConfigError

    if (_DATASET_DIR.value is None) == (_PLOT.value is None):
        raise ConfigError(
            "exactly one of --dataset_dir and --plot must be given. Received: "
            f"{_DATASET_DIR.value!r} and {_PLOT.value!r}"
        )
    path = flag_paths.picture_path(_PLOT)
    if path is not None:
        from audiotag_nas.data.synthesis import plot
        from audiotag_nas.files import store_errors

        with store_errors(path, continues=False):
            plot.write_tag_picture(path, seed=_SEED.value)
        print_lines(f"wrote {path}")
    if _DATASET_DIR.value is not None:
        _write(flag_paths.directory(_DATASET_DIR))


def _write(dataset_dir: str) -> None:
    import os

    from audiotag_nas import files
    from audiotag_nas.data import synthesis
    from audiotag_nas.errors import StoreError

    if os.path.exists(dataset_dir) and (
        not os.path.isdir(dataset_dir) or os.listdir(dataset_dir)
    ):
        raise StoreError(
            f"--dataset_dir={dataset_dir}: must be an empty directory or "
            "absent. Nothing was changed."
        )

    def progress(done: int, total: int) -> None:
        if sys.stdout.isatty():
            print(f"\r\x1b[K{done}/{total} clips", end="", flush=True)
        elif done % 200 == 0:
            print(f"{done}/{total} clips", flush=True)

    settings = SyntheticConfig(
        num_development_clips=_NUM_DEVELOPMENT_CLIPS.value,
        num_evaluation_clips=_NUM_EVALUATION_CLIPS.value,
        broadband_boost=_BROADBAND_BOOST.value,
    )
    files.check_writable_directory(os.path.dirname(dataset_dir) or os.curdir)
    with (
        files.store_errors(dataset_dir, continues=False),
        files.atomic_directory(dataset_dir) as directory,
    ):
        synthesis.write_dataset(
            directory, settings, seed=_SEED.value, progress=progress
        )
    if sys.stdout.isatty():
        print()
    print_lines(f"wrote {dataset_dir}")


if __name__ == "__main__":
    command.run(main)
