"""Runs code as the main function of a command, in a process of its own."""

import subprocess
import sys
from pathlib import Path


def run_code(code: str) -> subprocess.CompletedProcess:
    """Runs `code`, the body of a tool's main."""
    lines = "".join(f"    {line}\n" for line in code.splitlines())
    script = (
        "from audiotag_nas.command_line import command\n"
        f"def main(argv):\n{lines}"
        "command.run(main)\n"
    )
    return subprocess.run(
        [sys.executable, "-c", script],
        capture_output=True,
        text=True,
        check=False,
        cwd=Path(__file__).parents[1],
    )
