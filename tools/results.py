"""Lists the trials of a working directory, or the Pareto front.

Trials are sorted by reward; the order by EER may differ. The Pareto front
(--pareto) has the architectures of the search that no other architecture
dominates in validation EER and costs (see docs/reference/rewards.md). The tool
works during a search and after it.

  audiotag-nas results --workdir=runs/demo --stage=grid
  audiotag-nas results --workdir=runs/demo --pareto
"""

from collections.abc import Sequence

from absl import flags

from audiotag_nas.command_line import command, flag_paths
from audiotag_nas.terminal import escaped_text

_WORKDIR = flags.DEFINE_string(
    "workdir", None, "The experiment's directory.", required=True
)
_STAGE = flags.DEFINE_enum(
    "stage",
    "search",
    ["baseline", "search", "grid", "final", "train"],
    "The stage whose trials to list.",
)
_NUM_TRIALS = flags.DEFINE_integer(
    "num_trials", 10, "Number of trials to list.", lower_bound=1
)
_PARETO = flags.DEFINE_bool(
    "pareto", False, "Print the Pareto front of the search instead of the list."
)
_COSTS = flags.DEFINE_list(
    "costs",
    None,
    "Costs of the Pareto front, from num_parameters, multiply_adds and "
    "latency_seconds. Default: all costs that every trial has.",
)


def main(argv: Sequence[str]) -> None:
    from audiotag_nas.errors import ConfigError
    from audiotag_nas.experiment import pareto
    from audiotag_nas.experiment.generations import read_generations
    from audiotag_nas.experiment.results import (
        ranked_entries,
        recommended_lines,
        results_lines,
        superseded_lines,
    )
    from audiotag_nas.experiment.workspace import Workspace

    if _PARETO.value and _STAGE.value != "search":
        raise ConfigError(
            "--stage: must be search with --pareto, which compares "
            f"architectures. Received: {_STAGE.value!r}"
        )
    workspace = Workspace(flag_paths.directory(_WORKDIR))
    workspace.read_config()
    if _PARETO.value:
        entries = ranked_entries(workspace, "search")
        lines = pareto.front_lines(entries, _COSTS.value)
    else:
        entries = ranked_entries(workspace, _STAGE.value)
        lines = results_lines(
            entries,
            num_trials=_NUM_TRIALS.value,
            setting=f"--{_NUM_TRIALS.name}",
        )
        generations = read_generations(workspace).of_stage(_STAGE.value)
        lines += superseded_lines(len(generations.superseded))
        if _STAGE.value == "search":
            lines += recommended_lines(workspace)
    print(escaped_text("\n".join(lines)))


if __name__ == "__main__":
    command.run(main)
