"""The layers of the package, read from the imports of every file."""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "audiotag_nas"

_MIDDLE = {"data", "models", "search", "report"}

MAY_IMPORT = {
    "metrics": {"metrics"},
    "config": {"config"},
    "data": {"data", "config"},
    "models": {"models", "config"},
    "search": {"search", "config"},
    "report": {"report", "metrics"},
    "integrations": {"integrations", "search", "config"},
    "training": {"training", "data", "models", "metrics", "config"},
    "runners": {"runners", "training", "data", "config"},
    "serving": {"serving", "config", "metrics", *_MIDDLE} - {"search"},
    "inspection": {
        *("inspection", "experiment", "training", "config", *_MIDDLE)
    },
    "experiment": {
        *("experiment", "runners", "serving", "training"),
        *("config", "metrics", *_MIDDLE),
    },
    "command_line": {
        "command_line",
        "config",
        "runners",
        "report",
        "__version__",
    },
}
"""The directories that each directory may import, in addition to `BOTTOM`."""

BOTTOM = {
    "architecture",
    "errors",
    "fields",
    "files",
    "interrupts",
    "space",
    "spreadsheet",
    "stored_json",
    "terminal",
    "trial",
}
"""Top-level modules that import only the standard library and NumPy."""

SINGLE_HOME = {
    "tf.GradientTape(": {"search/policy_gradient.py"},
    ".train_step": {"training/trainer.py"},
    # Keras's training loop; the package has its own.
    ".fit(": set(),
    "MirroredStrategy(": {"training/strategy.py"},
    "TFRecordWriter(": {"data/tfrecord_writer.py"},
    "TFRecordDataset(": {"data/pipeline.py"},
    "plugins.hparams": {"training/hparams.py"},
    "import ray\n": {"runners/ray_connection.py"},
    "import keras_tuner": {"integrations/durable_oracle.py"},
    "import optuna": set(),
    "flags.DEFINE_": {
        "command_line/experiment_flags.py",
        "command_line/runner_flags.py",
    },
    "import tensorflow_io": {"data/storage.py"},
    "io.gfile": {"data/storage.py"},
    # TensorFlow interprets its path as a glob pattern.
    "tf.saved_model.load(": {"serving/saved_model.py"},
    "archive.write_out(": {"serving/export.py"},
    "keras.models.load_model(": {"models/loading.py"},
    "model.save(": {"models/loading.py"},
    # Files are written in one place, which reports a full disk.
    ".write_text(": set(),
    ".write_bytes(": {"data/storage.py"},
    ".touch(": {"files.py"},
    "os.replace(": {"files.py"},
    "os.rename(": {"files.py"},
    "shutil.copy": set(),
    "soundfile.write(": {"data/audio.py"},
    "TemporaryDirectory(": {"files.py"},
    "TemporaryFile(": {"runners/process_runner.py"},
    "import pickle": set(),
    "Lambda(": set(),
    "eval(": set(),
}


def modules() -> list[Path]:
    return sorted(PACKAGE.rglob("*.py"))


def imports(path: Path, *, top_level_only: bool = False) -> set[str]:
    tree = ast.parse(path.read_text())
    nodes = tree.body if top_level_only else ast.walk(tree)
    names = set()
    for node in nodes:
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            names.add(node.module or "")
            names |= {f"{node.module}.{alias.name}" for alias in node.names}
    return names


@pytest.mark.parametrize("directory", MAY_IMPORT)
def test_a_directory_imports_only_from_layers_below(directory):
    paths = list((PACKAGE / directory).rglob("*.py"))
    assert paths
    for path in paths:
        for name in imports(path):
            parts = name.split(".")
            if parts[0] == "audiotag_nas" and len(parts) > 1:
                allowed = BOTTOM | MAY_IMPORT[directory]
                assert parts[1] in allowed, f"{path} imports {name}"


def test_the_bottom_imports_only_the_standard_library_and_numpy():
    import sys

    allowed = set(sys.stdlib_module_names) | {"numpy", "audiotag_nas"}
    paths = [PACKAGE / f"{name}.py" for name in BOTTOM]
    for directory in ("metrics", "config"):
        paths += (PACKAGE / directory).glob("*.py")
    for path in paths:
        for name in imports(path):
            assert name.split(".")[0] in allowed, f"{path} imports {name}"
            if name.startswith("audiotag_nas."):
                assert name.split(".")[1] in BOTTOM | {"metrics", "config"}


@pytest.mark.parametrize("text", SINGLE_HOME)
def test_single_homes_are_not_used_elsewhere(text):
    homes = {
        path.relative_to(PACKAGE).as_posix()
        for path in modules()
        if text in path.read_text()
    }
    assert homes <= SINGLE_HOME[text]


def test_no_tool_imports_tensorflow_at_module_level():
    for path in (ROOT / "tools").glob("*.py"):
        for name in imports(path, top_level_only=True):
            assert name.split(".")[0] not in {"tensorflow", "keras", "librosa"}
            assert not name.startswith(
                (
                    "audiotag_nas.training",
                    "audiotag_nas.models",
                    "audiotag_nas.serving",
                    "audiotag_nas.experiment",
                )
            ), f"{path} imports {name}"


def test_every_module_has_a_docstring():
    for path in [*modules(), *(ROOT / "tools").rglob("*.py")]:
        text = path.read_text()
        assert not text or ast.get_docstring(ast.parse(text)), path


@pytest.mark.parametrize("tool", ["run", "search"])
def test_data_errors_are_reported_before_tensorflow_is_imported(
    run_tool, tmp_path, tool
):
    path = tmp_path / "clips.csv"
    path.write_text("path,tags,split\ngone.wav,dog,development\n")
    done = run_tool(
        *(tool, f"--workdir={tmp_path / 'w'}"),
        *("--config.data.source=manifest", "--config.data.tags=dog"),
        f"--config.data.manifest_path={path}",
        PYTHONPROFILEIMPORTTIME="1",
    )
    imported, printed = [], []
    for line in done.stderr.splitlines():
        if line.startswith("import time:"):
            imported.append(line.split("|")[2].strip())
        else:
            printed.append(line)
    (line,) = printed
    assert line.endswith(
        "line 2: path: must be a file that exists. Received: 'gone.wav'"
    )
    assert "audiotag_nas.experiment.tuner" in imported
    assert not {"tensorflow", "keras"} & set(imported)


def test_no_two_files_import_each_other():
    names = {
        ".".join(path.relative_to(ROOT).with_suffix("").parts): path
        for path in modules()
        if path.name != "__init__.py"
    }
    imported = {
        name: imports(path) & names.keys() for name, path in names.items()
    }
    cycles = [
        (first, second)
        for first, others in imported.items()
        for second in others
        if first in imported[second]
    ]
    assert cycles == []
