"""A working directory: where everything of one experiment lies.

config.json            the resolved config; going on needs the same, or the
                       same with more children; another one while no
                       trial was trained
driver.lock            held while a command works here
trials.jsonl           the journal, one finished trial a line
running.json           what the driver is training; only for those who look
dataset/               the synthetic data set, if that is the source
features/<size>/<split>/   log-mels as TFRecords, or in data.features_dir
trials/<trial_id>/     model.keras of a trial
logs/                  TensorBoard
report/                tables and pictures
export/                the SavedModel, or in final.export_dir
"""

import json
import os
from pathlib import Path

from audiotag_nas import stored_config
from audiotag_nas.config import ExperimentConfig
from audiotag_nas.data.storage import Place, RemotePath, as_place
from audiotag_nas.errors import ConfigError, StoreError
from audiotag_nas.experiment import places
from audiotag_nas.files import atomic_write_text, remove_partials
from audiotag_nas.search.journal import read_entries
from audiotag_nas.search.lock import driver_lock
from audiotag_nas.serving.manifest import check_replaceable

_AFTER_SEARCH = {"grid", "final"}
"""Stages that rest on what the whole search found."""

_OF_THE_DATA_SET = ("seed:", "synthetic.")
"""How differences begin of the fields that make a synthetic data set."""


class Workspace:
    """The paths of one working directory."""

    def __init__(self, workdir: str | os.PathLike) -> None:
        self.workdir = Path(workdir)
        self._features_dir: Place = self.workdir / "features"
        self._export_dir: Place = self.workdir / "export"

    @property
    def config_path(self) -> Path:
        return self.workdir / stored_config.CONFIG_NAME

    @property
    def lock_path(self) -> Path:
        return self.workdir / "driver.lock"

    @property
    def journal_path(self) -> Path:
        return self.workdir / "trials.jsonl"

    @property
    def running_path(self) -> Path:
        return self.workdir / "running.json"

    @property
    def dataset_dir(self) -> Path:
        return self.workdir / "dataset"

    @property
    def features_dir(self) -> Place:
        """Where the config says; before `start` or `reopen`, the default."""
        return self._features_dir

    @property
    def trials_dir(self) -> Path:
        return self.workdir / "trials"

    @property
    def logs_dir(self) -> Path:
        return self.workdir / "logs"

    @property
    def report_dir(self) -> Path:
        return self.workdir / "report"

    @property
    def export_dir(self) -> Place:
        """Where the config says; before `start`, where it lies by default."""
        return self._export_dir

    def split_dir(self, size: str, split: str) -> Place:
        """Where the log-mels of a spectrogram size and split lie."""
        return self.features_dir / size / split

    def start(self, config: ExperimentConfig) -> None:
        """Keeps `config` here, or checks that it is the one kept.

        Only `search.num_trials` may have grown, as long as nothing rests on
        what fewer children found: the search then goes on as if it had had so
        many from the start. While no trial was trained here, the config may
        be any other, but for what a synthetic data set that is here was made
        by: a command that failed before is not to bind what mends it.

        Raises:
            ConfigError: the directory was begun with another config (naming
                the fields that differ), or an export would replace it.
            StoreError: the directory can't be written, another process works
                in it where the config is to be changed, the config names a
                remote directory that can't be used here, or something other
                than a model stands where one is to be exported.
        """
        self._find_features(config)
        if config.final.export_dir:
            self._export_dir = as_place(config.final.export_dir)
            self._check_export_dir()
        if not self.config_path.exists():
            self._write_config(config)
            return
        kept = self.read_config()
        differing = places.differences(config, kept)
        if not differing:
            return
        is_more = config.search.num_trials > kept.search.num_trials
        may_grow = is_more and len(differing) == 1
        if not may_grow and self._rests_on(differing):
            raise self._other_config(differing)
        with driver_lock(self.workdir):
            # Again: another command may have worked here until just now.
            if self._rests_on(differing):
                if not may_grow:
                    raise self._other_config(differing)
                self._check_may_grow()
            self._write_config(config)

    def reopen(self) -> ExperimentConfig:
        """The config kept here; features are where it says from now on.

        For what reads here alone, whatever became of the place of the export.

        Raises:
            StoreError: there is none, it can't be read, or it names a remote
                directory that can't be used here.
        """
        config = self.read_config()
        self._find_features(config)
        return config

    def _find_features(self, config: ExperimentConfig) -> None:
        if config.data.features_dir:
            self._features_dir = as_place(config.data.features_dir)

    def check_kept(self, config: ExperimentConfig) -> None:
        """Checks that `config` is still the one kept; needs the lock.

        Between `start` and the lock another command may have begun the
        directory anew, and `config` may have been changed. More children
        there than here are no contradiction.

        Raises:
            ConfigError: it is not.
            StoreError: the config can't be read or written.
        """
        if not self.config_path.exists():
            self._write_config(config)
            return
        kept = self.read_config()
        kept.search.num_trials = min(
            kept.search.num_trials, config.search.num_trials
        )
        if differing := places.differences(config, kept):
            raise self._other_config(differing)

    def _other_config(self, differing: list[str]) -> ConfigError:
        return ConfigError(
            f"{self.workdir} was begun with another config: "
            f"{'; '.join(differing)}. Go on with the old values, or "
            "take another --workdir."
        )

    def _rests_on(self, differing: list[str]) -> bool:
        """Whether what is here was made by the fields that differ.

        Log-mels know by themselves what they were made of.
        """
        if self.dataset_dir.exists() and any(
            text.startswith(_OF_THE_DATA_SET) for text in differing
        ):
            return True
        try:
            return self.journal_path.stat().st_size > 0
        except FileNotFoundError:
            return False

    def _check_export_dir(self) -> None:
        """Before hours of training: an export replaces what is there."""
        if isinstance(self._export_dir, RemotePath):
            return
        target = self._export_dir.resolve()
        for place in (
            self.workdir,
            self.dataset_dir,
            self._features_dir,
            self.trials_dir,
            self.logs_dir,
            self.report_dir,
        ):
            if isinstance(place, RemotePath):
                continue
            kept = place.resolve()
            is_within = place != self.workdir and kept in target.parents
            if target == kept or target in kept.parents or is_within:
                raise ConfigError(
                    "final.export_dir: must be a directory of its own, which "
                    f"an export may replace; {place} would be lost or mixed "
                    f"with it. Received: {str(self._export_dir)!r}"
                )
        check_replaceable(self._export_dir)

    def _check_may_grow(self) -> None:
        for entry in read_entries(self.journal_path):
            if entry.trial.stage in _AFTER_SEARCH:
                raise ConfigError(
                    "search.num_trials: can't grow any more in "
                    f"{self.workdir}: trial {entry.trial.trial_id} rests on "
                    "what the search found with fewer. Go on with the old "
                    "number, or take another --workdir."
                )

    def _write_config(self, config: ExperimentConfig) -> None:
        text = json.dumps(config.to_json(), indent=2) + "\n"
        atomic_write_text(self.config_path, text)

    def remove_partials(self) -> None:
        """Removes what a killed command left half written; needs the lock."""
        # Not where the config says: others may be writing there.
        for directory in (self.workdir, *self.workdir.glob("features/*")):
            remove_partials(directory)

    def read_config(self) -> ExperimentConfig:
        """The config this directory was begun with.

        Raises:
            StoreError: there is none, or it can't be read.
        """
        if not self.config_path.exists():
            raise StoreError(
                f"{self.workdir}: no experiment was begun here (there is no "
                f"{self.config_path.name})."
            )
        return stored_config.get_config(self.config_path)
