"""The working directory of an experiment: its files and its stored config.

config.json            the resolved config; see `config_changes`
data.json              digests of the data; see `data_digests`
driver.lock            held while a command works here
trials.jsonl           the journal, one finished trial per line
running.json           the running trials; see `running_file`
dataset/               the synthetic data set, if the source is synthetic
features/<size>/<split>/   log-mels, unless data.features_dir is set
trials/<trial_id>/     the network of a trial, as model.keras
logs/                  TensorBoard
report/                tables and pictures
export/                the exported model, unless final.export_dir is set
"""

import json
import os
import shutil
from collections.abc import Mapping
from pathlib import Path

from audiotag_nas.config import ExperimentConfig, stored
from audiotag_nas.data.storage import AnyPath, RemotePath, as_path
from audiotag_nas.errors import ConfigError, StoreError
from audiotag_nas.experiment import config_changes, data_digests, path_fields
from audiotag_nas.files import atomic_write_text, remove_partials
from audiotag_nas.search.journal import read_entries
from audiotag_nas.search.lock import LOCK_NAME, driver_lock
from audiotag_nas.serving.model_directory import check_replaceable

_SYNTHETIC_PREFIXES = ("seed:", "synthetic.")
"""Differences with these prefixes would change a synthetic data set."""


class Workspace:
    """The paths and the stored config of one working directory.

    `features_dir` and `export_dir` have default values until `start` reads the
    config. `reopen` sets only `features_dir`.
    """

    def __init__(self, workdir: str | os.PathLike) -> None:
        self.workdir = Path(workdir)
        self.config_path = self.workdir / stored.CONFIG_NAME
        self.data_digests_path = self.workdir / "data.json"
        self.lock_path = self.workdir / LOCK_NAME
        self.journal_path = self.workdir / "trials.jsonl"
        self.running_path = self.workdir / "running.json"
        self.dataset_dir = self.workdir / "dataset"
        self.features_dir: AnyPath = self.workdir / "features"
        self.trials_dir = self.workdir / "trials"
        self.logs_dir = self.workdir / "logs"
        self.report_dir = self.workdir / "report"
        self.export_dir: AnyPath = self.workdir / "export"

    def split_dir(self, size: str, split: str) -> AnyPath:
        """Returns the directory of the log-mels of one size and split."""
        return self.features_dir / size / split

    def start(self, config: ExperimentConfig) -> list[str]:
        """Stores `config`, or checks that it fits the stored config.

        With finished trials, a field may change only if no finished trial
        depends on it (see `config_changes`). New paths of the data are stored
        later, by `keep_data`. Without finished trials, a user may change all
        fields to correct a failed command, except the fields that determine
        an existing synthetic data set.

        Returns:
            One line per changed field, with the effect of the change.

        Raises:
            ConfigError: finished trials depend on a field that differs, or
                an export would replace a part of the directory.
            StoreError: a file can't be read or written, the journal is
                damaged, another process works in the directory, a remote
                directory can't be used, or an export would replace files
                that do not belong to an exported model.
        """
        self._find_features(config)
        if config.final.export_dir:
            self.export_dir = as_path(config.final.export_dir)
            self._check_export_dir()
        if not self.config_path.exists():
            self._write_config(config)
            return []
        if not path_fields.differences(config, self.read_config()):
            return []
        self._check_changes(config)
        with driver_lock(self.workdir):
            # Another command may have held the lock until now, so check again.
            return self._change_config(config)

    def _change_config(self, config: ExperimentConfig) -> list[str]:
        """Stores the fields that may change; needs the lock. See `start`."""
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
        """Returns the stages with finished trials. For errors, see `start`."""
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
            fixed = [t for t in differing if t.startswith(_SYNTHETIC_PREFIXES)]
        if fixed:
            raise self._other_config(fixed)
        return trained

    def keep_data(
        self, config: ExperimentConfig, keys: Mapping[str, str]
    ) -> None:
        """Stores the digests and the paths of the data; needs the lock.

        Args:
            config: the experiment.
            keys: digests of the prepared log-mels, by `<size>/<split>`.

        Raises:
            StoreError: finished trials were trained on other data, or a file
                can't be read or written.
        """
        may_differ = not read_entries(self.journal_path)
        data_digests.keep(self.data_digests_path, keys, may_differ=may_differ)
        if path_fields.differences(config, self.read_config()):
            self._write_config(config)

    def reopen(self) -> ExperimentConfig:
        """Reads the stored config and uses its `features_dir`.

        Unlike in `start`, `final.export_dir` is not checked.

        Raises:
            StoreError: the config is missing or damaged, or names a remote
                directory that can't be used.
        """
        config = self.read_config()
        self._find_features(config)
        return config

    def _find_features(self, config: ExperimentConfig) -> None:
        if config.data.features_dir:
            self.features_dir = as_path(config.data.features_dir)

    def remove_other_features(self, keys: Mapping[str, str]) -> None:
        """Removes log-mels whose digests differ from the stored digests.

        Args:
            keys: see `keep_data`.

        Raises:
            StoreError: `data.json` can't be read.
        """
        for name in data_digests.differing(self.data_digests_path, keys):
            shutil.rmtree(self.workdir / "features" / name)

    def check_kept(self, config: ExperimentConfig) -> None:
        """Checks that `config` is still the stored config; needs the lock.

        Another command may have changed the stored config since `start`. New
        data paths and a greater stored `search.num_trials` are accepted.

        Raises:
            ConfigError: any other field differs.
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
            f"{'; '.join(differing)}. Use the old values, or another --workdir."
        )

    def _check_export_dir(self) -> None:
        """Checks early that the export will replace no other files."""
        if isinstance(self.export_dir, RemotePath):
            return
        target = self.export_dir.resolve()
        for place in (
            self.workdir,
            self.dataset_dir,
            self.features_dir,
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
                    "final.export_dir: must be a separate directory, because "
                    f"an export replaces it and would overwrite {place}. "
                    f"Received: {str(self.export_dir)!r}"
                )
        check_replaceable(self.export_dir)

    def _write_config(self, config: ExperimentConfig) -> None:
        text = (
            json.dumps(path_fields.absolute(config).to_json(), indent=2) + "\n"
        )
        atomic_write_text(self.config_path, text)

    def remove_partials(self) -> None:
        """Removes partial files of killed commands; needs the lock."""
        # Skip data.features_dir, where other commands may be writing now.
        for directory in (self.workdir, *self.workdir.glob("features/*")):
            remove_partials(directory)

    def read_config(self) -> ExperimentConfig:
        """Reads the stored config.

        Raises:
            StoreError: the config is missing or damaged.
        """
        if not self.config_path.exists():
            raise StoreError(
                f"{self.workdir}: contains no experiment (there is no "
                f"{self.config_path.name})."
            )
        return stored.get_config(self.config_path)


def _path(difference: str) -> str:
    """Returns the path of the field in a line of `path_fields.differences`."""
    return difference.partition(":")[0]
