"""From the configured source of clips to prepared log-mels."""

import dataclasses
import hashlib
import os
from collections.abc import Callable, Sequence
from pathlib import Path

from audiotag_nas.config import ExperimentConfig
from audiotag_nas.data import (
    chime_home,
    chime_home_check,
    feature_writer,
    manifest,
)
from audiotag_nas.data.clip import Clip, check_carried
from audiotag_nas.data.findings import Finding, finding_lines, raise_first
from audiotag_nas.data.splits import (
    NUM_FOLDS,
    SPLITS,
    shared_segment_findings,
    split_folds,
)
from audiotag_nas.data.stored_features import PreparedSet, json_digest
from audiotag_nas.errors import ConfigError, DataError
from audiotag_nas.experiment.workspace import Workspace
from audiotag_nas.search.journal import read_entries

Progress = Callable[[int, int], None]


@dataclasses.dataclass(frozen=True)
class DataSet:
    """The clips of both splits, and what was found in them.

    Attributes:
        clips: by split.
        findings: what does not stop the training, but a person should know.
    """

    clips: dict[str, list[Clip]]
    findings: tuple[Finding, ...]


@dataclasses.dataclass(frozen=True)
class PreparedData:
    """The log-mels of an experiment.

    Attributes:
        development: those of the development split, the default size first.
        lines: what a person should know of data set and log-mels.
    """

    development: list[PreparedSet]
    lines: list[str]


def write_synthetic_dataset(
    config: ExperimentConfig,
    workspace: Workspace,
    *,
    progress: Progress | None = None,
) -> None:
    """Writes the synthetic data set, unless it is there whole."""
    if workspace.dataset_dir.exists():
        # It is renamed into place when whole; the config can't have changed.
        return
    from audiotag_nas.data import synthesis
    from audiotag_nas.files import atomic_directory

    with atomic_directory(workspace.dataset_dir) as directory:
        synthesis.write_dataset(
            directory, config.synthetic, seed=config.seed, progress=progress
        )


def read_clips(
    config: ExperimentConfig, workspace: Workspace, split: str
) -> list[Clip]:
    """The clips of `development` or `evaluation`, development ones with folds.

    Raises:
        ConfigError: there is no such data set or manifest.
        DataError: it breaks a rule of its format, or the split has no clips.
    """
    data, root = config.data, _data_root(config, workspace)
    if data.source == "manifest":
        return manifest.read_clips(data.manifest_path, root, split)
    raw = data.raw and split == "development"
    clips = chime_home.read_clips(root, split, raw=raw)
    if raw:
        clips = _fold_raw(clips, chime_home.read_clips(root, "development"))
    if not clips:
        raise DataError(f"{root}: must have clips of split {split!r}.")
    return clips


def read_dataset(config: ExperimentConfig, workspace: Workspace) -> DataSet:
    """The clips of both splits, and what the tool `check` finds in them.

    The sound files are not opened. Errors in lists of CHiME-Home that are not
    trained on are findings; all others are raised.

    Raises:
        ConfigError, DataError: as `read_clips`; also a segment that has clips
            in both splits.
    """
    data, root = config.data, _data_root(config, workspace)
    if data.source == "manifest":
        report = manifest.read_valid_manifest(data.manifest_path, root)
        clips = {split: report.split_clips(split) for split in SPLITS}
        for split in SPLITS:
            if not clips[split]:
                raise DataError(
                    f"{data.manifest_path}: has no row of the split {split!r}."
                )
        return DataSet(clips, report.findings)
    clips = {split: read_clips(config, workspace, split) for split in SPLITS}
    evaluation_list = chime_home.find_root(root) / chime_home.list_name(
        "evaluation", raw=False
    )
    used = [clip for split in SPLITS for clip in clips[split]]
    for finding in shared_segment_findings(
        used, lambda clip: (str(evaluation_list), None)
    ):
        raise_first(finding)
    checked = chime_home_check.check_dataset(root, check_audio=False)
    return DataSet(clips, checked.findings)


def _data_root(config: ExperimentConfig, workspace: Workspace) -> str:
    """The directory that holds the data set.

    Raises:
        ConfigError: there is no such data set or manifest.
    """
    data = config.data
    _check_there("manifest_path", data.manifest_path)
    _check_there("dataset_dir", data.dataset_dir)
    if data.source == "synthetic":
        return str(workspace.dataset_dir)
    return data.dataset_dir or str(Path(data.manifest_path).parent)


def _check_there(name: str, path: str) -> None:
    """That a place of `data` is there, if it names one.

    Raises:
        ConfigError: it is not.
    """
    if path and not os.path.exists(path):
        of = "" if os.path.isabs(path) else f", in {os.getcwd()}"
        raise ConfigError(
            f"config.data.{name}: must be there{of}. Received: {path!r}"
        )


def check_evaluation_scorable(
    config: ExperimentConfig, workspace: Workspace
) -> None:
    """Checks that the evaluation split can give a mean EER at all.

    Without it hours of training would end in a table of "undefined".

    Raises:
        DataError: no tag is carried by some of its clips and not by others;
            or as `read_clips`.
    """
    clips = read_clips(config, workspace, "evaluation")
    for tag in config.data.tags:
        if 0 < sum(tag in clip.tags for clip in clips) < len(clips):
            return
    raise DataError(
        f"the evaluation split, {len(clips)} clips: some tag of "
        f"{', '.join(config.data.tags)} must be carried by one of them and "
        "not by all. Received: none is"
    )


def prepare_all(
    config: ExperimentConfig,
    workspace: Workspace,
    *,
    progress: Progress | None = None,
    on_line: Callable[[str], None],
) -> PreparedData:
    """The log-mels of every size and both splits, made if need be.

    Args:
        config, workspace: the experiment.
        progress: called with the clips done and all of them, set by set.
        on_line: called with each line of the result, as soon as it is known.

    Raises:
        UserError: as `read_dataset` and `prepare`.
    """
    lines: list[str] = []

    def say(line: str) -> None:
        lines.append(line)
        on_line(f"  {line}")

    # Once, and the rows of both before the work on either.
    dataset = read_dataset(config, workspace)
    for line in finding_lines(dataset.findings):
        say(line)
    development = []
    for size in spectrogram_sizes(config):
        for split in ("development", "evaluation"):
            prepared = prepare(
                config,
                workspace,
                size=size,
                split=split,
                clips=dataset.clips[split],
                progress=progress,
            )
            say(describe(prepared, size, split))
            if split == "development":
                development.append(prepared)
    return PreparedData(development, lines)


def prepare(
    config: ExperimentConfig,
    workspace: Workspace,
    *,
    size: str,
    split: str,
    clips: Sequence[Clip] | None = None,
    progress: Progress | None = None,
) -> PreparedSet:
    """The log-mels of one spectrogram size and split, made if need be.

    Whole features of other input are not replaced where trials were trained
    on them, nor in a directory that the config names: another experiment may
    be training there.

    Args:
        config, workspace: the experiment.
        size, split: of the log-mels.
        clips: what `read_clips` gives for the split, where it was read before;
            each reading looks up every file.
        progress: called with the clips done and all of them.

    Raises:
        ConfigError: a tag of the config is carried by no development clip.
        DataError: as `read_clips`, no clip has a validation fold, all have
            one, or every clip is rejected.
        StoreError: what is there may not be replaced, or can't be written.
    """
    if clips is None:
        clips = read_clips(config, workspace, split)
    if split == "development":
        # Before hours of log-mels.
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


def describe(prepared: PreparedSet, size: str, split: str) -> str:
    """A line of what was prepared, and what of it could not be or not whole."""
    text = f"{size} {split}: {len(prepared.clips)} clips"
    if prepared.num_cut:
        text += (
            f", {prepared.num_cut} of them longer and cut to "
            f"{prepared.clip_seconds:g} s"
        )
    if prepared.rejected:
        text += (
            f", {len(prepared.rejected)} rejected (see "
            f"{prepared.split_dir}/rejected.csv), first: "
            f"{prepared.rejected[0].reason}"
        )
    return text


def prepare_elsewhere(
    config: ExperimentConfig,
    *,
    size: str,
    split_dir: Path,
    cache_dir: Path,
) -> None:
    """The development log-mels on a machine that is not the driver's.

    A synthetic data set is made once in `cache_dir`, where no two configs of
    it meet; another one lies where the config says, as on the driver's.
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


PREPARE_ELSEWHERE = f"{__name__}:{prepare_elsewhere.__name__}"
"""The name by which other machines call it."""


def spectrogram_sizes(config: ExperimentConfig) -> list[str]:
    """Every size that the experiment trains on, the default one first."""
    default = config.features.spectrogram_size(config.data.clip_seconds)
    return list(dict.fromkeys([default, *config.grid.spectrogram_size]))


def _fold_raw(raw: list[Clip], refined: list[Clip]) -> list[Clip]:
    """Folds for the raw list, which has none of its own ([own]).

    A refined clip keeps its fold, another takes that of its segment's first
    refined clip, so that what is heard in a validation fold stays out of
    training; a segment with no refined clip gets one by its name.
    """
    of_clip = {clip.clip_id: clip.fold for clip in refined}
    of_segment: dict[str, int | None] = {}
    for clip in refined:
        of_segment.setdefault(clip.segment_id, clip.fold)

    def fold(clip: Clip) -> int | None:
        if clip.clip_id in of_clip:
            return of_clip[clip.clip_id]
        if clip.segment_id in of_segment:
            return of_segment[clip.segment_id]
        digest = hashlib.sha256(clip.segment_id.encode()).digest()
        return digest[0] % NUM_FOLDS

    return [dataclasses.replace(clip, fold=fold(clip)) for clip in raw]
