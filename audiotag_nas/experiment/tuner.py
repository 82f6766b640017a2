"""`ArchitectureTuner`: the search from Python, as keras-tuner's users know it.

    tuner = ArchitectureTuner(config, workdir="runs/first")
    tuner.search()
    tuner.results_summary()
    model = tuner.get_best_models(1)[0]

The command lines are a thin layer over it. Whatever is finished is in the
working directory: a tuner made again over the same directory goes on there.
"""

import contextlib
import copy
import os
import shutil
from collections.abc import Iterator, Mapping
from typing import Any

from audiotag_nas.architecture import Architecture
from audiotag_nas.config import ExperimentConfig
from audiotag_nas.data.prepared import PreparedSet, read_key
from audiotag_nas.errors import ConfigError, SearchError, StoreError
from audiotag_nas.experiment import config_paths, networks, preparation, stages
from audiotag_nas.experiment.generations import (
    read_generations,
    with_generation,
)
from audiotag_nas.experiment.progress import Progress
from audiotag_nas.experiment.session import RunningFile
from audiotag_nas.experiment.workspace import Workspace
from audiotag_nas.inspection.kept_results import KeptResults
from audiotag_nas.inspection.results import (
    architecture_of,
    completed_entry,
    superseded_lines,
)
from audiotag_nas.runners.factory import make_runner
from audiotag_nas.runners.settings import IN_PROCESS, RunnerSettings
from audiotag_nas.search import early_stopping, make_searcher
from audiotag_nas.search.journal import Journal
from audiotag_nas.search.lock import driver_lock
from audiotag_nas.search.loop import (
    MakeTrial,
    SearchEvent,
    SearchOutcome,
    TrialFinished,
    run_search,
)
from audiotag_nas.search.searcher import searcher_settings
from audiotag_nas.space import Choice, SearchSpace, Tokens
from audiotag_nas.training.hparams import HParamsWriter
from audiotag_nas.trial import Trial, TrialResult, TrialRunner, TrialStatus


class ArchitectureTuner(KeptResults):
    """Searches architectures for one experiment in one working directory.

    Attributes:
        data_lines: what a person should know of the data; `prepare` fills it.

    Args:
        config: the experiment; checked here, and copied.
        workdir: where everything goes; made if need be.
        progress: who prints, if it is to be another than the usual one, e.g.
            `Progress(quiet=True)`.
        runner: what trains the trials.

    Raises:
        ConfigError: no config, a field's value that is not allowed, or
            `workdir` was begun with another one (naming the fields that
            differ).
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
        # A copy: what is changed later would not be what the directory keeps.
        self.config = config = config_paths.absolute(config.validate())
        self.workspace = Workspace(workdir)
        self._progress = Progress() if progress is None else progress
        for note in self.workspace.start(config):
            self._progress.line(f"note: {note}")
        self._settings = RunnerSettings() if runner is None else runner
        self._journal: Journal | None = None
        self._runner: TrialRunner | None = None
        self._development: list[PreparedSet] = []
        self.data_lines: list[str] = []
        self._running = RunningFile(self.workspace.running_path)
        self._hparams = HParamsWriter(
            self.workspace.logs_dir,
            search_spaces={
                "baseline": stages.BASELINE_SPACE,
                "search": config.search.space(),
                "grid": stages.grid_space(config),
                "final": stages.FINAL_SPACE,
                "train": {},
            },
        )

    # Running

    @contextlib.contextmanager
    def driving(self) -> Iterator[Journal]:
        """Holds the working directory; what runs within shares one journal.

        Raises:
            StoreError: another process holds it (naming that), or the
                journal is damaged (naming the line).
            ConfigError: it was begun anew with another config since.
        """
        if self._journal is not None:
            yield self._journal
            return
        with driver_lock(self.workspace.workdir):
            self.workspace.check_kept(self.config)
            self.workspace.remove_partials()
            self._running.forget_stop()
            try:
                self._journal = Journal(self.workspace.journal_path)
                yield self._journal
            except BaseException as error:
                self._running.stop(error)
                raise
            finally:
                self._journal = None
                self._close_runner()

    def write_dataset(self) -> None:
        """Writes the synthetic data set, if that is the source."""
        if self.config.data.source == "synthetic":
            with self.driving():
                preparation.write_synthetic_dataset(
                    self.config, self.workspace, progress=self._progress.count
                )

    def prepare(self) -> None:
        """Makes the data set, if synthetic, and every size's log-mels.

        What is there already, whole and of the same origin, is used as it is.

        Raises:
            DataError: the data set breaks a rule of its format, or all clips
                of a split are rejected.
        """
        if self._development:
            return
        with self.driving():
            self.write_dataset()
            prepared = preparation.prepare_all(
                self.config,
                self.workspace,
                progress=self._progress.count,
                on_line=self._progress.line,
            )
            self._development = prepared.development
            self.data_lines = prepared.lines
            self._keep_data()

    def _keep_data(self) -> None:
        """Checks that the data are those that finished trials learned from."""
        keys = {
            f"{size}/{split}": read_key(self.workspace.split_dir(size, split))
            for size in preparation.spectrogram_sizes(self.config)
            for split in ("development", "evaluation")
        }
        try:
            self.workspace.keep_data(self.config, keys)
        except StoreError:
            self._development = []
            if not self.config.data.features_dir:
                # Of other data, they would keep the right data out.
                self.workspace.remove_other_features(keys)
            raise

    def train_baseline(self) -> TrialResult:
        """Trains the CRNN baseline at the children's budget.

        Raises:
            SearchError: the training failed.
        """
        space = stages.BASELINE_SPACE
        return self._search(
            "baseline",
            "grid",
            space,
            make_trial=lambda number, round_number, tokens: (
                stages.baseline_trial(self.config, tokens)
            ),
        ).best_result

    def search(self) -> SearchOutcome:
        """Searches architectures until `config.search.num_trials` are done.

        Raises:
            SearchError: every trial failed.
        """
        search = self.config.search
        for note in stages.search_notes(self.config):
            self._progress.line(f"  note: {note}")
        return self._search(
            "search",
            search.searcher,
            search.space(),
            num_trials=search.num_trials,
            trials_per_round=search.trials_per_round,
            max_open_rounds=search.open_rounds,
            settings={
                name: getattr(search, name)
                for name in searcher_settings(search.searcher)
            },
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
        return self._search(
            "grid",
            "grid",
            stages.grid_space(self.config),
            make_trial=lambda number, round_number, tokens: self._generation(
                stages.grid_trial(
                    self.config, architecture, number, round_number, tokens
                )
            ),
        )

    def train_final(
        self, architecture: Architecture, grid_tokens: Tokens
    ) -> tuple[TrialResult, TrialResult]:
        """Trains the baseline and the found network at the full budget.

        Returns:
            The results of the baseline and of the found network.

        Raises:
            SearchError: one of the two trainings failed.
        """
        outcome = self._search(
            "final",
            "grid",
            stages.FINAL_SPACE,
            make_trial=lambda number, round_number, tokens: self._generation(
                stages.final_trial(
                    self.config, tokens, architecture, grid_tokens
                )
            ),
        )
        for result in outcome.results:
            _check_completed(result)
        self._restore_networks(outcome)
        baseline, found = outcome.results
        return baseline, found

    def train(
        self, trial_id: str, settings: Mapping[str, Choice] | None = None
    ) -> TrialResult:
        """Trains the architecture of any completed trial from the beginning.

        With the trial's settings, but the epochs and patience of the final
        training. It is journaled in the stage `train`.

        Args:
            trial_id: of the trial; see `generations.find_entry`.
            settings: fields of `TrainingConfig` to be used instead.

        Raises:
            ConfigError: there is no such trial, or a setting is not allowed.
            SearchError: the training failed.
        """
        entry = completed_entry(self.workspace, trial_id)
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
        outcome = self._search(
            "train",
            "grid",
            stages.train_space(entry.trial.trial_id, int(overrides["epochs"])),
            make_trial=lambda number, round_number, tokens: self._generation(
                trial
            ),
        )
        self._restore_networks(outcome)
        return outcome.best_result

    def missing_final_networks(self) -> list[str]:
        """Ids of the current final trainings whose network was removed.

        `train_final` trains these again.
        """
        final = read_generations(self.workspace).of_stage("final").current
        return [
            entry.trial.trial_id
            for entry in networks.missing_networks(self.workspace, final)
        ]

    def get_recommended_architecture(self) -> Architecture:
        """The one that grid and final training go on with: the searcher's.

        It need not be that of the highest reward, which may have had luck. The
        search is finished first if it is not.

        Raises:
            SearchError: every trial failed.
        """
        return architecture_of(self.search().recommended[0])

    # Within

    def _search(
        self,
        stage: str,
        searcher: str,
        space: SearchSpace,
        *,
        make_trial: MakeTrial,
        num_trials: int | None = None,
        trials_per_round: int | None = None,
        max_open_rounds: int = 1,
        settings: dict[str, Any] | None = None,
        early_stopper: early_stopping.EarlyStopper | None = None,
    ) -> SearchOutcome:
        """One stage; by default every point of its space in one round."""
        with self.driving() as journal:
            # Before the searcher starts TensorFlow in this process.
            runner = self._ready_runner()
            self._running.begin(
                stage,
                num_total=num_trials or space.size,
                num_slots=runner.num_slots,
            )
            try:
                outcome = run_search(
                    make_searcher(
                        searcher,
                        space,
                        seed=stages.derive_seed(self.config.seed, stage),
                        **(settings or {}),
                    ),
                    runner,
                    journal,
                    stage=stage,
                    num_trials=num_trials or space.size,
                    trials_per_round=trials_per_round or space.size,
                    make_trial=make_trial,
                    failure_reward=self.config.search.failure_reward,
                    retrain_repeats=self.config.search.retrain_repeats,
                    max_open_rounds=max_open_rounds,
                    early_stopper=early_stopper,
                    on_event=self._on_event,
                )
            except BaseException:
                # What it still trains would be nobody's.
                self._close_runner()
                raise
            self._running.end(outcome.recommended[0].trial_id)
            self._remove_superseded_sessions(stage)
            if runner.num_slots > 1 and outcome.utilization is not None:
                self._progress.line(
                    f"  {runner.num_slots} workers, busy "
                    f"{outcome.utilization:.0%} of the time"
                )
            return outcome

    def _generation(self, trial: Trial) -> Trial:
        """The trial under the id that the journal has it at, or takes it at."""
        with self.driving() as journal:
            return with_generation(trial, journal.get)

    def _restore_networks(self, outcome: SearchOutcome) -> None:
        """Trains again what the journal has and `trials/` lacks.

        The journal keeps its results: the training is the same one.

        Raises:
            SearchError: a training failed.
        """
        with self.driving():
            for trial, kept in zip(
                outcome.trials, outcome.results, strict=True
            ):
                path = networks.network_path(self.workspace, trial.trial_id)
                if path.exists():
                    continue
                self._progress.line(f"  {trial.trial_id}: trained again")
                runner = self._ready_runner()
                runner.submit(trial)
                result = runner.next_result()
                _check_completed(result)
                if result.reward != kept.reward:
                    self._progress.line(
                        f"  note: {trial.trial_id} now has the reward "
                        f"{result.reward:.6f}, and {kept.reward:.6f} in the "
                        "journal, which is kept"
                    )

    def _on_event(self, event: SearchEvent) -> None:
        self._running.take(event)
        if not isinstance(event, TrialFinished):
            return
        self._hparams.write(
            event.trial, event.result, from_journal=event.from_journal
        )
        # A network that was asked for by its trial is kept.
        if not event.from_journal and event.trial.stage != "train":
            networks.drop_networks(self.workspace, event.trial.stage)
        self._progress.trial(event)

    def _remove_superseded_sessions(self, stage: str) -> None:
        """The dashboard shows current trials only; the journal keeps all."""
        generations = read_generations(self.workspace).of_stage(stage)
        for entry in generations.superseded:
            directory = self._hparams.session_dir(entry.trial)
            shutil.rmtree(directory, ignore_errors=True)
        for line in superseded_lines(len(generations.superseded)):
            self._progress.line(f"  {line}")

    def _ready_runner(self) -> TrialRunner:
        """One runner for all stages, so that its workers stay warm."""
        if self._runner is None:
            # First, and without TensorFlow where nothing is to be made: what is
            # wrong with the data is told at once. Writing records does not
            # start its runtime, which settings below must come before.
            self.prepare()
            from audiotag_nas.training import strategy as strategies

            strategies.use_threads(self.config.threads_per_trial)
            if self._settings.name == IN_PROCESS:
                strategies.share_gpu_memory()
            else:
                strategies.hide_gpus()
            self._check_trainable()
            self._runner = make_runner(
                self._settings,
                self.config,
                features_dir=self.workspace.features_dir,
                trials_dir=self.workspace.trials_dir,
                on_epoch=self._progress.epoch,
                prepare=preparation.PREPARE_ELSEWHERE,
            )
        return self._runner

    def _check_trainable(self) -> None:
        from audiotag_nas.training.folds import (
            check_trainable,
            tag_notes,
        )

        notes: list[str] = []
        for prepared in self._development:
            check_trainable(prepared, self.config)
            # The same of each size, which are of the same clips.
            notes = tag_notes(prepared, self.config)
        for note in notes:
            self._progress.line(f"  note: {note}")

    def _close_runner(self) -> None:
        if self._runner is not None:
            self._runner.close()
            self._runner = None


def _check_completed(result: TrialResult) -> None:
    """Raises SearchError where a training that is needed failed."""
    if result.status is TrialStatus.FAILED:
        raise SearchError(f"{result.trial_id} failed: {result.reason}")
