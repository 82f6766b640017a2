"""The command `config` and the reference page of the config's fields."""

import re
import sys
from pathlib import Path

import pytest
from absl import flags
from ml_collections import config_flags

from audiotag_nas.command_line import config_screen, overrides
from audiotag_nas.config import ExperimentConfig
from audiotag_nas.config.shipped import load_config

REFERENCE = Path(__file__).parents[2] / "docs" / "reference" / "config.md"


def test_the_reference_page_is_current(run_tool):
    page = run_tool("config", "--reference").stdout
    assert REFERENCE.read_text() == page
    assert page.count("\n| `") == len(list(ExperimentConfig().settings()))


def test_every_field_has_a_default_that_its_rule_accepts_and_a_help():
    for setting in ExperimentConfig().settings():
        assert setting.rule.accepts(setting.default), setting.path
        assert setting.help.endswith("."), setting.path


def test_the_screen_gives_values_as_the_command_line_takes_them(monkeypatch):
    demo = load_config("demo")
    shown = re.findall(
        r"^[* ] (\S+) +(\S+)$",
        "\n".join(config_screen.config_lines(demo)),
        re.MULTILINE,
    )
    argv, _ = overrides.resolved(
        [
            *("config", "--config=smoke"),
            *(
                f"--config.{path}={value}"
                for path, value in shown
                if value != "''"
            ),
        ],
        has_config=True,
        has_early_stop=False,
    )
    monkeypatch.setattr(sys, "argv", argv)
    values = flags.FlagValues()
    config = config_flags.DEFINE_config_file("config", flag_values=values)
    values(argv)
    assert config.value == demo


def test_changed_values_are_marked_with_the_default(run_tool):
    done = run_tool(
        *("config", "--config=smoke"),
        *("--config.search.evolution.population=7", "--config.data.raw"),
    )
    assert done.returncode == 0
    lines = done.stdout.splitlines()
    row = next(n for n, line in enumerate(lines) if "n.population" in line)
    assert lines[row].split() == ["*", "search.evolution.population", "7"]
    assert "default 20)" in " ".join("".join(lines[row + 1 : row + 3]).split())
    assert "* data.raw" in done.stdout
    assert "  search.evolution.sample" in done.stdout


def test_a_config_that_is_not_valid_is_printed_before_the_error(run_tool):
    done = run_tool("config", "--config=chime_home")
    assert done.returncode == 1
    assert "search.num_trials" in done.stdout
    assert done.stderr.startswith("error: config.data.dataset_dir: must name")


@pytest.mark.parametrize(
    ("flag", "message"),
    [
        (
            "--config.search.evolution.populatio=3",
            "config.search.evolution: no field named 'populatio'. Allowed: "
            "population, sample",
        ),
        (
            "--config.search.evolution=3",
            "config.search.evolution: is a section. Give one of its fields: "
            "population, sample",
        ),
        (
            "--config.search.evolution.sample=many",
            "config.search.evolution.sample: must be an int. Received: 'many'",
        ),
    ],
)
def test_overrides_of_nested_sections_are_checked(run_tool, flag, message):
    done = run_tool("config", "--config=smoke", flag)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == f"error: {message}\n"
