"""Explains which decisions of a search influence the reward, with a picture.

The command fits a surrogate model to the trials. It prints and draws the main
effect of each decision and the strongest interactions, with shares of variance
and standard deviations (see docs/guide/explain.md). The command works during a
search and after it.

  audiotag-nas explain --workdir=runs/demo
  audiotag-nas explain --workdir=runs/demo --output=decisions.png
"""

from collections.abc import Sequence
from pathlib import Path

from absl import flags

from audiotag_nas.command_line import command, flag_paths
from audiotag_nas.terminal import escaped_text, print_lines

_WORKDIR = flags.DEFINE_string(
    "workdir", None, "The experiment's directory.", required=True
)
_OUTPUT = flags.DEFINE_string(
    "output",
    None,
    "Path of the picture, ending in .png, .pdf or .svg (default: "
    "<workdir>/report/explain.png).",
)


def main(argv: Sequence[str]) -> None:
    from audiotag_nas.experiment.workspace import Workspace
    from audiotag_nas.files import store_errors
    from audiotag_nas.inspection import explanation, explanation_screen

    workdir = flag_paths.directory(_WORKDIR)
    output_path = flag_paths.picture_path(_OUTPUT)
    found = explanation.explain(workdir)
    lines = explanation_screen.explanation_lines(found)
    print(escaped_text("\n".join(lines)))
    path = Path(output_path or Workspace(workdir).report_dir / "explain.png")
    with store_errors(path, continues=False):
        explanation.draw_explanation(found, path)
    print_lines("", f"picture: {path}")


if __name__ == "__main__":
    command.run(main)
