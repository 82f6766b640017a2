"""Runs the stages of an experiment, and locks its working directory.

After each trial, `running.json`, the TensorBoard log, the kept networks and
the progress display are updated.
"""

import contextlib
import shutil
from collections.abc import Callable, Iterator
from typing import Any

from audiotag_nas.config import ExperimentConfig
from audiotag_nas.errors import SearchError
from audiotag_nas.experiment import stages
from audiotag_nas.experiment.generations import (
    Generations,
    split_generations,
    with_generation,
)
from audiotag_nas.experiment.progress import Progress
from audiotag_nas.experiment.results import entry_rank, superseded_lines
from audiotag_nas.experiment.running_file import RunningFile
from audiotag_nas.experiment.trained_networks import (
    network_path,
    remove_networks,
)
from audiotag_nas.experiment.workspace import Workspace
from audiotag_nas.search import make_searcher
from audiotag_nas.search.early_stopping import EarlyStopper
from audiotag_nas.search.events import SearchEvent, SearchOutcome, TrialFinished
from audiotag_nas.search.journal import Journal
from audiotag_nas.search.lock import driver_lock
from audiotag_nas.search.loop import MakeTrial, run_search
from audiotag_nas.space import SearchSpace
from audiotag_nas.training.hparams import HParamsWriter
from audiotag_nas.trial import Trial, TrialResult, TrialRunner, TrialStatus


class StageDriver:
    """Runs stages, which share one lock, one journal and one runner.

    Args:
        config: the experiment.
        workspace: the working directory.
        progress: prints the progress.
        make_runner: called before the first stage of a `driving` block to make
            the runner.
    """

    def __init__(
        self,
        config: ExperimentConfig,
        workspace: Workspace,
        progress: Progress,
        make_runner: Callable[[], TrialRunner],
    ) -> None:
        self._config = config
        self._workspace = workspace
        self._progress = progress
        self._make_runner = make_runner
        self._journal: Journal | None = None
        self._runner: TrialRunner | None = None
        self._running = RunningFile(workspace.running_path)
        self._hparams = HParamsWriter(
            workspace.logs_dir,
            search_spaces={
                "baseline": stages.BASELINE_SPACE,
                "search": config.search.space(),
                "grid": stages.grid_space(config),
                "final": stages.FINAL_SPACE,
                "train": {},
            },
        )

    @contextlib.contextmanager
    def driving(self) -> Iterator[Journal]:
        """Holds the directory's lock. A nested block shares the lock.

        Raises:
            StoreError: another process holds the lock, or the journal is
                damaged.
            ConfigError: another command has stored a different config.
        """
        if self._journal is not None:
            yield self._journal
            return
        with driver_lock(self._workspace.workdir):
            self._workspace.check_kept(self._config)
            self._workspace.remove_partials()
            self._running.forget_stop()
            try:
                self._journal = Journal(self._workspace.journal_path)
                yield self._journal
            except BaseException as error:
                self._running.stop(error)
                raise
            finally:
                self._journal = None
                self._close_runner()

    def run_stage(
        self,
        stage: str,
        space: SearchSpace,
        *,
        make_trial: MakeTrial,
        searcher: str = "grid",
        num_trials: int | None = None,
        trials_per_round: int | None = None,
        max_open_rounds: int = 1,
        settings: dict[str, Any] | None = None,
        early_stopper: EarlyStopper | None = None,
    ) -> SearchOutcome:
        """Runs one stage; by default, all points of `space` in a single round.

        Args:
            settings: keyword arguments of the searcher.
            stage, space, make_trial, searcher, num_trials, trials_per_round,
                max_open_rounds, early_stopper: see `run_search`.

        Raises:
            SearchError: every trial failed.
        """
        num_trials = space.size if num_trials is None else num_trials
        with self.driving() as journal:
            # The runner is made first, because this step configures TensorFlow.
            runner = self._ready_runner()
            self._running.begin(
                stage, num_total=num_trials, num_slots=runner.num_slots
            )
            try:
                outcome = run_search(
                    make_searcher(
                        searcher,
                        space,
                        seed=stages.derive_seed(self._config.seed, stage),
                        **(settings or {}),
                    ),
                    runner,
                    journal,
                    stage=stage,
                    num_trials=num_trials,
                    trials_per_round=trials_per_round or space.size,
                    make_trial=make_trial,
                    failure_reward=self._config.search.failure_reward,
                    retrain_repeats=self._config.search.retrain_repeats,
                    max_open_rounds=max_open_rounds,
                    early_stopper=early_stopper,
                    on_event=self._on_event,
                )
            except BaseException:
                # The runner may still be training, but no result will be read.
                self._close_runner()
                raise
            self._running.end(outcome.recommended[0].trial_id)
            self._remove_superseded_logs(stage)
            if runner.num_slots > 1 and outcome.utilization is not None:
                self._progress.line(
                    f"  utilization: {outcome.utilization:.0%} of "
                    f"{runner.num_slots} workers"
                )
            return outcome

    def with_generation(self, trial: Trial) -> Trial:
        """Returns `trial` with the id of its generation; see `generations`."""
        with self.driving() as journal:
            return with_generation(trial, journal.get)

    def restore_networks(self, outcome: SearchOutcome) -> None:
        """Retrains the trials of `outcome` whose networks were removed.

        The journal keeps the earlier results.

        Raises:
            SearchError: a training failed.
        """
        with self.driving():
            for trial, kept in zip(
                outcome.trials, outcome.results, strict=True
            ):
                if network_path(self._workspace, trial.trial_id).exists():
                    continue
                self._progress.line(f"  {trial.trial_id}: retrained")
                runner = self._ready_runner()
                runner.submit(trial)
                result = runner.next_result()
                check_completed(result)
                if result.reward != kept.reward:
                    self._progress.line(
                        f"  note: {trial.trial_id}: the new reward is "
                        f"{result.reward:.6f}; the journal keeps "
                        f"{kept.reward:.6f}"
                    )

    def _on_event(self, event: SearchEvent) -> None:
        self._running.take(event)
        if not isinstance(event, TrialFinished):
            return
        stage = event.trial.stage
        self._hparams.write(
            event.trial, event.result, from_journal=event.from_journal
        )
        # Networks of `train` stay, because the user requested each trial.
        if not event.from_journal and stage != "train":
            current = self._generations(stage).current
            remove_networks(self._workspace, sorted(current, key=entry_rank))
        self._progress.trial(event)

    def _remove_superseded_logs(self, stage: str) -> None:
        """Removes the TensorBoard logs of superseded trials of a stage."""
        superseded = self._generations(stage).superseded
        for entry in superseded:
            directory = self._hparams.session_dir(entry.trial)
            shutil.rmtree(directory, ignore_errors=True)
        for line in superseded_lines(len(superseded)):
            self._progress.line(f"  {line}")

    def _generations(self, stage: str) -> Generations:
        """Returns the trials of a stage in the open journal."""
        with self.driving() as journal:
            return split_generations(
                journal.entries, self._config, self._running.session
            ).of_stage(stage)

    def _ready_runner(self) -> TrialRunner:
        """Returns the runner of all stages. Its workers start only once."""
        if self._runner is None:
            self._runner = self._make_runner()
        return self._runner

    def _close_runner(self) -> None:
        if self._runner is not None:
            self._runner.close()
            self._runner = None


def check_completed(result: TrialResult) -> None:
    """Raises SearchError if the trial failed."""
    if result.status is TrialStatus.FAILED:
        raise SearchError(f"{result.trial_id} failed: {result.reason}")
