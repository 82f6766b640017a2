"""Pictures of an experiment: content, formats and errors."""

import subprocess
import sys

import matplotlib.image
import pytest

from audiotag_nas.errors import ConfigError, StoreError
from audiotag_nas.report import plots
from tests.full_disk import room_for


def test_curves_and_rewards_with_missing_values_are_drawn(tmp_path):
    plots.plot_learning_curves(
        tmp_path / "curves.png",
        {"a": [0.4, float("nan"), 0.2], "b": [0.5], "none": []},
        target=0.3,
    )
    plots.plot_search(tmp_path / "search.png", [0.7, None, 0.9], title="x")
    plots.plot_search(tmp_path / "failed.png", [None, None])
    plots.plot_pareto(
        tmp_path / "front.png",
        [(3000, 0.3), (50_000, 0.2), (60_000, 0.25)],
        front=[(50_000, 0.2), (3000, 0.3)],
        reference=(160_334, 0.22),
        cost="parameters",
    )
    plots.plot_pareto(tmp_path / "empty.png", [], front=[], cost="parameters")
    for path in tmp_path.iterdir():
        image = matplotlib.image.imread(path)
        assert image.shape[0] > 300
        assert image.std() > 0.02


@pytest.mark.parametrize(
    ("ending", "start"),
    [(".png", b"\x89PNG"), (".pdf", b"%PDF-"), (".SVG", b"<?xml")],
)
def test_a_picture_has_the_format_of_its_ending(tmp_path, ending, start):
    files = [tmp_path / f"{number}{ending}" for number in range(2)]
    for path in files:
        plots.plot_search(path, [0.7, None, 0.9], title="x")
    first, second = (path.read_bytes() for path in files)
    assert first.startswith(start)
    assert first == second


@pytest.mark.parametrize("name", ["e.xyz", "e.png.txt", "png"])
def test_a_picture_with_another_ending_is_not_written(tmp_path, name):
    rule = r"`path` must end in \.png, \.pdf or \.svg\. Received: '.*"
    with pytest.raises(ConfigError, match=rf"^{rule}{name}'$"):
        plots.plot_search(tmp_path / name, [0.7])
    assert not list(tmp_path.iterdir())


def test_importing_the_module_imports_no_matplotlib():
    code = (
        "import sys, audiotag_nas.report.plots, audiotag_nas.report.tables\n"
        "sys.exit('matplotlib' in sys.modules or 'tensorflow' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0


def test_the_error_for_a_full_disk_names_the_picture(tmp_path):
    path = tmp_path / "report" / "curves.png"
    with (
        room_for(999),
        pytest.raises(StoreError, match=rf"^{path}: can't be written \(File"),
    ):
        plots.plot_learning_curves(path, {"found": [0.4, 0.1]}, target=0.3)
    assert list(path.parent.iterdir()) == []
