"""`ArchitectureTuner`: an experiment in a working directory, from Python."""

import contextlib
import copy
import os
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from audiotag_nas.architecture import Architecture
from audiotag_nas.config import ExperimentConfig
from audiotag_nas.data.stored_features import PreparedSet
from audiotag_nas.errors import ConfigError, StoreError
from audiotag_nas.experiment import (
    pareto,
    path_fields,
    preparation,
    results,
    stages,
)
from audiotag_nas.experiment.dataset import (
    DataSet,
    read_dataset,
    write_synthetic_dataset,
)
from audiotag_nas.experiment.generations import read_generations
from audiotag_nas.experiment.progress import Progress
from audiotag_nas.experiment.stage_driver import StageDriver, check_completed
from audiotag_nas.experiment.trained_networks import load_network, network_path
from audiotag_nas.experiment.workspace import Workspace
from audiotag_nas.runners.factory import make_runner
from audiotag_nas.runners.settings import IN_PROCESS, RunnerSettings
from audiotag_nas.search.events import SearchOutcome
from audiotag_nas.search.journal import Journal
from audiotag_nas.space import Choice, Tokens
from audiotag_nas.terminal import escaped_text
from audiotag_nas.trial import Trial, TrialResult, TrialRunner, TrialStatus

if TYPE_CHECKING:
    import keras


class ArchitectureTuner:
    """Searches architectures for one experiment in one working directory.

    Finished work is stored in the directory, and a new tuner for the same
    directory continues the work. All methods that train prepare the data first.

    Attributes:
        config: a copy of the experiment's config, with absolute paths.
        workspace: the working directory.
        progress: prints the progress.
        data_lines: notes on the data for the user; filled by `prepare`.

    Args:
        config: the experiment.
        workdir: the working directory, which is created if necessary.
        progress: prints the progress; `Progress(quiet=True)` prints nothing.
        runner: where trials run; in this process by default.

    Raises:
        ConfigError: `config` is invalid, or a field differs from the stored
            config although finished trials in `workdir` depend on the field.

    >>> from audiotag_nas import ArchitectureTuner, load_config
    >>> tuner = ArchitectureTuner(load_config("smoke"), workdir="runs/first")
    >>> len(tuner.config.search.space().decisions)
    21
    >>> tuner.results_summary()
    0 trials completed, 0 failed

    The search trains networks, and the best network can be loaded:

    >>> outcome = tuner.search()  # doctest: +SKIP
    >>> model = tuner.get_best_models(1)[0]  # doctest: +SKIP
    """

    def __init__(
        self,
        config: ExperimentConfig,
        *,
        workdir: str | os.PathLike,
        progress: Progress | None = None,
        runner: RunnerSettings | None = None,
    ) -> None:
        if not isinstance(config, ExperimentConfig):
            raise ConfigError(
                "config: must be an ExperimentConfig, such as "
                f"load_config('smoke'). Received: {config!r}"
            )
        # The result is a copy, so later changes of `config` have no effect.
        self.config = path_fields.absolute(config.validate())
        self.workspace = Workspace(workdir)
        self.data_lines: list[str] = []
        self.progress = Progress() if progress is None else progress
        for note in self.workspace.start(self.config):
            self.progress.line(f"note: {note}")
        self._runner_settings = RunnerSettings() if runner is None else runner
        self._development: list[PreparedSet] = []
        self._driver = StageDriver(
            self.config, self.workspace, self.progress, self._make_runner
        )

    # Data

    def read_dataset(self) -> DataSet:
        """Reads the lists of the data set. Synthetic data are written first.

        Raises:
            ConfigError: the data set does not exist.
            DataError: the data set violates its format.
        """
        if self.config.data.source == "synthetic":
            with self.driving():
                write_synthetic_dataset(
                    self.config, self.workspace, progress=self.progress.count
                )
        return read_dataset(self.config, self.workspace)

    def prepare(self, dataset: DataSet | None = None) -> None:
        """Makes the missing log-mels of every spectrogram size.

        Args:
            dataset: the result of `read_dataset`; None reads the data set.

        Raises:
            DataError: the data set violates its format, or all clips of a
                split are rejected.
            StoreError: finished trials were trained on other data.
        """
        if self._development:
            return
        self.data_lines = []
        with self.driving():
            development = preparation.prepare_all(
                self.config,
                self.workspace,
                dataset=self.read_dataset() if dataset is None else dataset,
                progress=self.progress.count,
                on_line=self._add_data_line,
            )
            digests = preparation.read_digests(self.config, self.workspace)
            try:
                self.workspace.keep_data(self.config, digests)
            except StoreError:
                if not self.config.data.features_dir:
                    # No later run would replace these wrong log-mels.
                    self.workspace.remove_other_features(digests)
                raise
            self._development = development

    def _add_data_line(self, line: str) -> None:
        self.data_lines.append(line)
        self.progress.line(f"  {line}")

    # Stages

    def driving(self) -> contextlib.AbstractContextManager[Journal]:
        """Holds the lock of the directory; see `StageDriver.driving`."""
        return self._driver.driving()

    def train_baseline(self) -> TrialResult:
        """Trains the CRNN baseline for as many epochs as a search trial.

        Raises:
            SearchError: the training failed.
        """
        return self._driver.run_stage(
            "baseline",
            stages.BASELINE_SPACE,
            make_trial=lambda number, round_number, tokens: (
                stages.baseline_trial(self.config, tokens)
            ),
        ).best_result

    def search(self) -> SearchOutcome:
        """Searches architectures with `config.search.num_trials` trials.

        Raises:
            SearchError: every trial failed.
        """
        search = self.config.search
        for note in stages.search_notes(self.config):
            self.progress.line(f"  note: {note}")
        return self._driver.run_stage(
            "search",
            search.space(),
            searcher=search.searcher,
            num_trials=search.num_trials,
            trials_per_round=search.trials_per_round,
            max_open_rounds=search.open_rounds,
            settings=search.searcher_settings,
            early_stopper=stages.early_stopper(self.config),
            make_trial=lambda number, round_number, tokens: stages.search_trial(
                self.config, number, round_number, tokens
            ),
        )

    def grid_search(self, architecture: Architecture) -> SearchOutcome:
        """Trains `architecture` at every point of the grid.

        Raises:
            SearchError: every trial failed.
        """

        def make_trial(number: int, round_number: int, tokens: Tokens) -> Trial:
            return self._driver.with_generation(
                stages.grid_trial(
                    self.config, architecture, number, round_number, tokens
                )
            )

        return self._driver.run_stage(
            "grid", stages.grid_space(self.config), make_trial=make_trial
        )

    def train_final(
        self, architecture: Architecture, grid_tokens: Tokens
    ) -> tuple[TrialResult, TrialResult]:
        """Trains the baseline and `architecture` for the final epochs.

        Args:
            architecture: the found architecture.
            grid_tokens: the grid point with the settings for `architecture`.

        Returns:
            The results of the baseline and of `architecture`.

        Raises:
            SearchError: one of the two trainings failed.
        """

        def make_trial(number: int, round_number: int, tokens: Tokens) -> Trial:
            return self._driver.with_generation(
                stages.final_trial(
                    self.config, tokens, architecture, grid_tokens
                )
            )

        outcome = self._driver.run_stage(
            "final", stages.FINAL_SPACE, make_trial=make_trial
        )
        for result in outcome.results:
            check_completed(result)
        self._driver.restore_networks(outcome)
        baseline, found = outcome.results
        return baseline, found

    def train(
        self, trial_id: str, settings: Mapping[str, Choice] | None = None
    ) -> TrialResult:
        """Trains the architecture of a completed trial from scratch.

        The new trial belongs to the stage `train`. It has the settings of the
        completed trial, and the epochs and patience of the final training.

        Args:
            trial_id: id of the completed trial; see `generations.find_entry`.
            settings: new values for fields of `TrainingConfig`.

        Raises:
            ConfigError: there is no such trial, or a setting is invalid.
            SearchError: the training failed.
        """
        entry = results.completed_entry(self.workspace, trial_id)
        overrides = dict(settings or {})
        checked = copy.deepcopy(self.config)
        for name, value in overrides.items():
            setattr(checked.training, name, value)
        checked.validate()
        final = self.config.final
        overrides = {
            "epochs": final.epochs,
            "patience": final.patience,
            **overrides,
        }
        trial = stages.train_trial(self.config, entry.trial, overrides)
        outcome = self._driver.run_stage(
            "train",
            stages.train_space(entry.trial.trial_id, int(overrides["epochs"])),
            make_trial=lambda number, round_number, tokens: (
                self._driver.with_generation(trial)
            ),
        )
        self._driver.restore_networks(outcome)
        return outcome.best_result

    def _make_runner(self) -> TrialRunner:
        # Prepare the data first, so that errors in the data are reported early.
        # Threads and GPUs must be set before TensorFlow starts.
        self.prepare()
        from audiotag_nas.training import strategy as strategies

        strategies.use_threads(self.config.threads_per_trial)
        if self._runner_settings.name == IN_PROCESS:
            strategies.share_gpu_memory()
        else:
            strategies.hide_gpus()
        self._check_trainable()
        return make_runner(
            self._runner_settings,
            self.config,
            features_dir=self.workspace.features_dir,
            trials_dir=self.workspace.trials_dir,
            on_epoch=self.progress.epoch,
            prepare=preparation.PREPARE_ON_NODE,
        )

    def _check_trainable(self) -> None:
        from audiotag_nas.training.folds import check_trainable, tag_notes

        for prepared in self._development:
            check_trainable(prepared, self.config)
        # All sizes have the same clips, so the notes of one size suffice.
        for prepared in self._development[-1:]:
            for note in tag_notes(prepared, self.config):
                self.progress.line(f"  note: {note}")

    # Results

    def results_summary(self, num_trials: int = 10) -> None:
        """Prints the best trials of the search and the recommended trial."""
        entries = results.ranked_entries(self.workspace, "search")
        lines = results.results_lines(entries, num_trials=num_trials)
        lines += results.recommended_lines(self.workspace)
        print(escaped_text("\n".join(lines)))

    def get_best_architectures(self, n: int = 1) -> list[Architecture]:
        """Returns the `n` architectures with the highest rewards, best first.

        An architecture with several trials is ranked by its best trial. Trials
        that were stopped early come last.

        Raises:
            StoreError: no trial of the search has completed.
        """
        done = results.completed_entries(self.workspace, "search")
        return list(dict.fromkeys(e.trial.architecture for e in done))[:n]

    def get_recommended_architecture(self) -> Architecture:
        """Returns the architecture that the searcher recommends.

        Rewards are noisy, so this architecture need not have the highest
        reward. An unfinished search is finished first.

        Raises:
            SearchError: every trial failed.
        """
        return self.search().recommended[0].architecture

    def get_best_models(self, n: int = 1) -> "list[keras.Model]":
        """Loads the networks of the `n` best trials of the search.

        Raises:
            StoreError: no trial of the search has completed, or a network was
                removed (each stage keeps `trained_networks.KEPT` networks).
        """
        return [
            self.load_model(entry.trial.trial_id)
            for entry in results.completed_entries(self.workspace, "search")[:n]
        ]

    def load_model(self, trial_id: str) -> "keras.Model":
        """Loads the network of a trial, with the weights of its best epoch.

        Raises:
            StoreError: the file is missing or damaged.
        """
        return load_network(self.workspace, trial_id)

    def pareto_front(
        self, costs: Sequence[str] | None = None
    ) -> list[pareto.Candidate]:
        """Returns the Pareto front of the search; see `pareto`.

        Args:
            costs: keys of `pareto.COSTS`; None means all costs that every
                trial has as a metric.

        Raises:
            ConfigError: a cost is unknown, or a trial lacks one of the costs.
            StoreError: no trial of the search has completed.
        """
        done = results.completed_entries(self.workspace, "search")
        return pareto.pareto_front(pareto.candidates(done), costs)

    def missing_final_networks(self) -> list[str]:
        """Returns the ids of current final trials whose networks are missing.

        `train_final` retrains these networks.
        """
        final = read_generations(self.workspace).of_stage("final").current
        return [
            result.trial_id
            for result in (entry.result for entry in final)
            if result.status is TrialStatus.COMPLETED
            and not network_path(self.workspace, result.trial_id).exists()
        ]

    def export(self, trial_id: str, export_dir: str | os.PathLike) -> None:
        """Exports the network of a trial as a model for `Tagger`.

        Raises:
            ConfigError: there is no such completed trial.
            StoreError: the network was removed, or `export_dir` contains
                files that do not belong to an exported model.
        """
        from audiotag_nas.experiment.model_export import export_trial

        export_trial(self.config, self.workspace, trial_id, export_dir)
