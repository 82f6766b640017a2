"""What a working directory keeps of an experiment, from Python."""

import os
from collections.abc import Sequence
from typing import TYPE_CHECKING

from audiotag_nas.architecture import Architecture
from audiotag_nas.config import ExperimentConfig
from audiotag_nas.experiment import trained_networks
from audiotag_nas.experiment.workspace import Workspace
from audiotag_nas.inspection import pareto
from audiotag_nas.inspection.results import (
    architecture_of,
    completed_entries,
    ranked_entries,
    recommended_lines,
    results_lines,
)

if TYPE_CHECKING:
    import keras
from audiotag_nas.terminal import escaped_text


class KeptResults:
    """Looks at what is finished; trains nothing.

    Attributes:
        config: the experiment.
        workspace: its directory.
    """

    config: ExperimentConfig
    workspace: Workspace

    def results_summary(self, num_trials: int = 10) -> None:
        """Prints the best trials of the search, and which is recommended."""
        entries = ranked_entries(self.workspace, "search")
        lines = results_lines(entries, num_trials=num_trials)
        lines += recommended_lines(self.workspace)
        print(escaped_text("\n".join(lines)))

    def get_best_architectures(self, n: int = 1) -> list[Architecture]:
        """The `n` architectures of the highest reward, best first.

        One that was trained again counts once, by its best training; those
        stopped early come after all others.
        """
        done = completed_entries(self.workspace, "search")
        best = (architecture_of(entry.trial) for entry in done)
        return list(dict.fromkeys(best))[:n]

    def pareto_front(
        self, costs: Sequence[str] | None = None
    ) -> list[pareto.Candidate]:
        """The search's networks that no other beats in EER and costs.

        Args:
            costs: of `num_parameters`, `multiply_adds` and, where it is
                measured, `latency_seconds`; all that every child has if None.

        Raises:
            ConfigError: an unknown cost, or one that a child lacks.
            StoreError: no trial of the search has completed.
        """
        tried = pareto.candidates(completed_entries(self.workspace, "search"))
        return pareto.pareto_front(tried, costs)

    def get_best_models(self, n: int = 1) -> "list[keras.Model]":
        """The `n` networks of the highest reward, as trained in the search.

        Raises:
            StoreError: a network is not kept any more (`KEPT` are).
        """
        return [
            self.load_model(entry.trial.trial_id)
            for entry in completed_entries(self.workspace, "search")[:n]
        ]

    def export(self, trial_id: str, export_dir: str | os.PathLike) -> None:
        """Exports a trial's network to tag sounds with: see `Tagger`.

        Raises:
            ConfigError: no such trial has completed.
            StoreError: its network is not kept, or `export_dir` has other
                files than an exported model's.
        """
        from audiotag_nas.experiment.model_export import export_trial

        export_trial(self.config, self.workspace, trial_id, export_dir)

    def load_model(self, trial_id: str) -> "keras.Model":
        """The network of a trial, with its best epoch's weights.

        Raises:
            StoreError: it is not there.
        """
        return trained_networks.load_network(self.workspace, trial_id)
