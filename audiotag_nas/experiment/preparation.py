"""Makes the log-mels of an experiment, for every spectrogram size and split."""

import dataclasses
from collections.abc import Callable, Sequence
from pathlib import Path

from audiotag_nas.config import ExperimentConfig
from audiotag_nas.data import feature_writer
from audiotag_nas.data.clip import Clip, check_carried
from audiotag_nas.data.findings import finding_lines
from audiotag_nas.data.splits import SPLITS, split_folds
from audiotag_nas.data.stored_features import PreparedSet, json_digest, read_key
from audiotag_nas.experiment.dataset import (
    DataSet,
    read_clips,
    write_synthetic_dataset,
)
from audiotag_nas.experiment.workspace import Workspace
from audiotag_nas.search.journal import read_entries

Progress = Callable[[int, int], None]


def prepare_all(
    config: ExperimentConfig,
    workspace: Workspace,
    *,
    dataset: DataSet,
    progress: Progress | None = None,
    on_line: Callable[[str], None],
) -> list[PreparedSet]:
    """Makes the missing log-mels of every spectrogram size and split.

    Args:
        config, workspace: the experiment.
        dataset: the result of `read_dataset`.
        progress: see `prepare_split`.
        on_line: called with each note on the data set, and with one line per
            spectrogram size and split.

    Returns:
        The log-mels of the development split, with the default size first.

    Raises:
        UserError: see `prepare_split`.
    """
    for line in finding_lines(dataset.findings):
        on_line(line)
    development = []
    for size in spectrogram_sizes(config):
        for split in SPLITS:
            prepared = prepare_split(
                config,
                workspace,
                size=size,
                split=split,
                clips=dataset.clips[split],
                progress=progress,
            )
            on_line(_describe(prepared, size, split))
            if split == "development":
                development.append(prepared)
    return development


def prepare_split(
    config: ExperimentConfig,
    workspace: Workspace,
    *,
    size: str,
    split: str,
    clips: Sequence[Clip],
    progress: Progress | None = None,
) -> PreparedSet:
    """Makes the log-mels of one spectrogram size and split, unless they exist.

    Complete log-mels of other data or settings are replaced only before the
    first trial. They are never replaced in `data.features_dir`, because other
    experiments may share that directory.

    Args:
        config, workspace: the experiment.
        size: spectrogram size, e.g. `124x128`.
        split: `development` or `evaluation`.
        clips: the clips of the split.
        progress: called with the number of finished clips and the total.

    Raises:
        ConfigError: a tag of the config is carried by no development clip.
        DataError: the validation folds contain no clips or all clips, or
            every clip is rejected.
        StoreError: the log-mels can't be replaced or written.
    """
    if split == "development":
        # These checks come first, because the log-mels may take hours.
        check_carried(clips, config.data.tags, what="development clips")
        split_folds(
            {clip.fold for clip in clips},
            config.data.validation_folds,
            where="the development clips",
        )
    is_in_use = bool(
        config.data.features_dir or read_entries(workspace.journal_path)
    )
    return feature_writer.write_log_mels(
        clips,
        config.features.resized(size, config.data.clip_seconds),
        data=config.data,
        split_dir=workspace.split_dir(size, split),
        may_replace=not is_in_use,
        progress=progress,
    )


def _describe(prepared: PreparedSet, size: str, split: str) -> str:
    text = f"{size} {split}: {len(prepared.clips)} clips"
    if prepared.num_cut:
        text += (
            f", {prepared.num_cut} of them longer and cut to "
            f"{prepared.clip_seconds:g} s"
        )
    if prepared.rejected:
        text += (
            f", {len(prepared.rejected)} rejected (see "
            f"{prepared.split_dir}/rejected.csv); reason of the first: "
            f"{prepared.rejected[0].reason}"
        )
    return text


def read_digests(
    config: ExperimentConfig, workspace: Workspace
) -> dict[str, str]:
    """Returns the digest of each prepared set, by `<size>/<split>`."""
    return {
        f"{size}/{split}": read_key(workspace.split_dir(size, split))
        for size in spectrogram_sizes(config)
        for split in SPLITS
    }


def spectrogram_sizes(config: ExperimentConfig) -> list[str]:
    """Returns the experiment's spectrogram sizes, the default size first."""
    default = config.features.spectrogram_size(config.data.clip_seconds)
    return list(dict.fromkeys([default, *config.grid.spectrogram_size]))


def prepare_on_node(
    config: ExperimentConfig, *, size: str, split_dir: Path, cache_dir: Path
) -> None:
    """Makes the development log-mels on a node of a Ray cluster.

    A synthetic data set is written once into `cache_dir`, under a name that
    is unique to its settings. Any other data set must exist on the node, at
    the path in the config.
    """
    made_of = {"seed": config.seed} | dataclasses.asdict(config.synthetic)
    workspace = Workspace(cache_dir / f"dataset-{json_digest(made_of)[:16]}")
    if config.data.source == "synthetic":
        write_synthetic_dataset(config, workspace)
    feature_writer.write_log_mels(
        read_clips(config, workspace, "development"),
        config.features.resized(size, config.data.clip_seconds),
        data=config.data,
        split_dir=split_dir,
    )


PREPARE_ON_NODE = f"{__name__}:{prepare_on_node.__name__}"
"""The name under which a Ray node imports `prepare_on_node`."""
