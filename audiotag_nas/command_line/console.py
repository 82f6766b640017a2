"""The console command `audiotag-nas <tool> --flags`.

Each tool is a file in `tools/` that defines absl flags and `main(argv)`. In a
checkout, `python tools/<tool>.py` also runs the tool.
"""

import runpy
import sys

from audiotag_nas.command_line import exit_status
from audiotag_nas.command_line.broken_output import broken_output_ends
from audiotag_nas.config.shipped import list_configs, list_tools, tool_path


def main() -> None:
    """Runs the tool that the first argument names."""
    with broken_output_ends():
        _main()


def _main() -> None:
    words = sys.argv[1:]
    tools = list_tools()
    if not words or words[0] in ("--help", "-h", "--helpshort", "help"):
        print(_overview(tools))
        sys.exit(0 if words else exit_status.USAGE)
    if words[0] in ("--version", "version"):
        from audiotag_nas import __version__

        print(__version__)
        sys.exit(0)
    tool = words[0]
    if tool not in tools:
        exit_status.fail(
            f"audiotag-nas: no tool named {tool!r}. Tools: {', '.join(tools)}",
            exit_status.USAGE,
        )
    sys.argv = [f"audiotag-nas {tool}", *words[1:]]
    runpy.run_path(str(tool_path(tool)), run_name="__main__")


def _overview(tools: dict[str, str]) -> str:
    width = max(map(len, tools))
    return "\n".join(
        [
            "audiotag-nas: searches, trains and exports small networks that "
            "tag everyday sounds.",
            "",
            "usage: audiotag-nas <tool> [--flag=value ...]",
            "       audiotag-nas <tool> --help",
            "",
            *(f"  {name:<{width}}  {text}" for name, text in tools.items()),
            "",
            f"configs (for --config=NAME): {', '.join(list_configs())}",
        ]
    )
