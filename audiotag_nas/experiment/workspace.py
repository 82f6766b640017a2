"""A working directory: where everything of one experiment lies.

config.json            the resolved config; a field may change while no
                       finished trial depends on it (`config_changes`)
data.json              digests of what the log-mels were made from
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
import shutil
from collections.abc import Mapping
from pathlib import Path

from audiotag_nas.config import ExperimentConfig, stored
from audiotag_nas.data.storage import Place, RemotePath, as_place
from audiotag_nas.errors import ConfigError, StoreError
from audiotag_nas.experiment import config_changes, data_digests, path_fields
from audiotag_nas.files import atomic_write_text, remove_partials
from audiotag_nas.search.journal import read_entries
from audiotag_nas.search.lock import driver_lock
from audiotag_nas.serving.model_manifest import check_replaceable

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
        return self.workdir / stored.CONFIG_NAME

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
    def data_digests_path(self) -> Path:
        return self.workdir / "data.json"

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

    def start(self, config: ExperimentConfig) -> list[str]:
        """Keeps `config` here, or checks that it is the one kept.

        Where trials are finished, a field may change that none of them
        depends on (`config_changes`); the new value is kept. Where the data are
        may change too, but is kept only once they turned out to be the same
        (`keep_data`). While no trial is finished, the config may be any other,
        except for what a synthetic data set that is here was made from: a
        command that failed is not to bind the one that corrects it.

        Returns:
            A line for each changed field that says what it comes to.

        Raises:
            ConfigError: finished trials depend on fields that differ (naming
                these), or an export would replace the directory.
            StoreError: the directory can't be written, the journal is damaged,
                another process works in the directory where the config is to
                be changed, the config names a remote directory that can't be
                used here, or something other than a model stands where one is
                to be exported.
        """
        self._find_features(config)
        if config.final.export_dir:
            self._export_dir = as_place(config.final.export_dir)
            self._check_export_dir()
        if not self.config_path.exists():
            self._write_config(config)
            return []
        if not path_fields.differences(config, self.read_config()):
            return []
        self._check_changes(config)
        with driver_lock(self.workdir):
            # Again: another command may have worked here until just now.
            return self._change_config(config)

    def _change_config(self, config: ExperimentConfig) -> list[str]:
        """Keeps what may change; needs the lock. Returns as `start`."""
        trained = self._check_changes(config)
        kept = self.read_config()
        differing = path_fields.differences(config, kept)
        new = path_fields.with_data_of(config, kept) if trained else config
        if path_fields.differences(new, kept):
            self._write_config(new)
        notes = []
        for text in differing if trained else ():
            effect = config_changes.effect(_path(text), trained)
            notes.append(f"{text}: {effect}" if effect else text)
        return notes

    def _check_changes(self, config: ExperimentConfig) -> set[str]:
        """Returns the stages with finished trials; raises as `start`."""
        kept = self.read_config()
        differing = path_fields.differences(config, kept)
        trained = {e.trial.stage for e in read_entries(self.journal_path)}
        has_grown = config.search.num_trials > kept.search.num_trials
        fixed = [
            text
            for text in differing
            if config_changes.is_fixed(_path(text), trained)
            and not (_path(text) == config_changes.NUM_TRIALS and has_grown)
        ]
        if not fixed and self.dataset_dir.exists():
            fixed = [t for t in differing if t.startswith(_OF_THE_DATA_SET)]
        if fixed:
            raise self._other_config(fixed)
        return trained

    def keep_data(
        self, config: ExperimentConfig, keys: Mapping[str, str]
    ) -> None:
        """Keeps what the data are and where; needs the lock.

        Args:
            config: the experiment.
            keys: of the prepared log-mels, by `<size>/<split>`.

        Raises:
            StoreError: finished trials were trained on data of other content,
                or a file can't be read or written.
        """
        may_differ = not read_entries(self.journal_path)
        data_digests.keep(self.data_digests_path, keys, may_differ=may_differ)
        if path_fields.differences(config, self.read_config()):
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

    def remove_other_features(self, keys: Mapping[str, str]) -> None:
        """Removes the log-mels here that are of other data than the trials'.

        Args:
            keys: as `keep_data`.

        Raises:
            StoreError: `data.json` can't be read.
        """
        for name in data_digests.differing(self.data_digests_path, keys):
            shutil.rmtree(self.workdir / "features" / name)

    def check_kept(self, config: ExperimentConfig) -> None:
        """Checks that `config` is still the one kept; needs the lock.

        Between `start` and the lock another command may have begun the
        directory anew, and `config` may have been changed. More trials of the
        search there than here are no contradiction, nor are data elsewhere:
        `keep_data` checks these.

        Raises:
            ConfigError: it is not.
            StoreError: the config can't be read or written.
        """
        if not self.config_path.exists():
            self._write_config(config)
            return
        kept = path_fields.with_data_of(self.read_config(), config)
        kept.search.num_trials = min(
            kept.search.num_trials, config.search.num_trials
        )
        if differing := path_fields.differences(config, kept):
            raise self._other_config(differing)

    def _other_config(self, differing: list[str]) -> ConfigError:
        return ConfigError(
            f"{self.workdir} was begun with another config: "
            f"{'; '.join(differing)}. Go on with the old values, or "
            "take another --workdir."
        )

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

    def _write_config(self, config: ExperimentConfig) -> None:
        text = (
            json.dumps(path_fields.absolute(config).to_json(), indent=2) + "\n"
        )
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
        return stored.get_config(self.config_path)


def _path(difference: str) -> str:
    """The field's path in a line of `path_fields.differences`."""
    return difference.partition(":")[0]
