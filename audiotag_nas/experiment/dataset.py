"""Reads the clips of an experiment's data set, from any source."""

import dataclasses
import hashlib
import os
from collections.abc import Callable, Sequence
from pathlib import Path

from audiotag_nas.config import ExperimentConfig
from audiotag_nas.data import chime_home, chime_home_check, manifest
from audiotag_nas.data.clip import Clip
from audiotag_nas.data.findings import Finding, raise_first
from audiotag_nas.data.splits import NUM_FOLDS, SPLITS, shared_segment_findings
from audiotag_nas.errors import ConfigError, DataError
from audiotag_nas.experiment.workspace import Workspace


@dataclasses.dataclass(frozen=True)
class DataSet:
    """The clips of both splits.

    Attributes:
        clips: name of a split -> the clips of the split.
        findings: problems in the data set that do not prevent training.
    """

    clips: dict[str, list[Clip]]
    findings: tuple[Finding, ...]


def write_synthetic_dataset(
    config: ExperimentConfig,
    workspace: Workspace,
    *,
    progress: Callable[[int, int], None] | None = None,
) -> None:
    """Writes the synthetic data set if it does not exist yet."""
    if workspace.dataset_dir.exists():
        # The directory exists only if the data set is complete.
        # `Workspace.start` refuses a config that gives a different data set.
        return
    from audiotag_nas.data import synthesis
    from audiotag_nas.files import atomic_directory

    with atomic_directory(workspace.dataset_dir) as directory:
        synthesis.write_dataset(
            directory, config.synthetic, seed=config.seed, progress=progress
        )


def read_dataset(config: ExperimentConfig, workspace: Workspace) -> DataSet:
    """Reads both splits and runs the checks of the tool `check`.

    Sound files are not opened. If the experiment does not use a list of
    CHiME-Home, an error in the list becomes a finding. Other errors are raised.

    Raises:
        ConfigError: see `read_clips`.
        DataError: see `read_clips`, or a segment has clips in both splits.
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


def read_clips(
    config: ExperimentConfig, workspace: Workspace, split: str
) -> list[Clip]:
    """Reads the clips of one split; `development` clips have folds.

    Raises:
        ConfigError: the data set or manifest does not exist.
        DataError: the data set violates its format, or the split is empty.
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


def check_scorable(clips: Sequence[Clip], tags: Sequence[str]) -> None:
    """Checks that at least one tag has an EER on the evaluation clips.

    Without this check, all EERs could be undefined after hours of training.

    Raises:
        DataError: every tag is carried by all clips or by no clip.
    """
    counts = [sum(tag in clip.tags for clip in clips) for tag in tags]
    if not any(0 < count < len(clips) for count in counts):
        raise DataError(
            f"the evaluation split ({len(clips)} clips): at least one of the "
            f"tags {', '.join(tags)} must be carried by some clips, but not by "
            "all clips. Received: no such tag"
        )


def _data_root(config: ExperimentConfig, workspace: Workspace) -> str:
    """Returns the directory of the data set.

    Raises:
        ConfigError: the data set or manifest does not exist.
    """
    data = config.data
    for name in ("manifest_path", "dataset_dir"):
        path = getattr(data, name)
        if path and not os.path.exists(path):
            base = "" if os.path.isabs(path) else f", in {os.getcwd()}"
            raise ConfigError(
                f"config.data.{name}: must exist{base}. Received: {path!r}"
            )
    if data.source == "synthetic":
        return str(workspace.dataset_dir)
    return data.dataset_dir or str(Path(data.manifest_path).parent)


def _fold_raw(raw: list[Clip], refined: list[Clip]) -> list[Clip]:
    """Assigns a fold to each raw clip, because the raw list has no folds.

    This project's own choice: a refined clip keeps its fold. Any other clip
    gets the fold of the first refined clip in its segment, so that no segment
    of a validation fold is used in training. If a segment has no refined
    clips, its fold depends on the name of the segment.
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
