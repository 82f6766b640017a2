"""Says which decisions of a search mattered, with a picture.

How the reward depends on each decision and on the strongest pairs, by a model
learned from the children, with how sure that is; see docs/explain.md. Works
while a search runs, and after.

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
    "The picture, a .png, .pdf or .svg file (default: "
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
