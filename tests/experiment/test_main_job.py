"""The main job as a user runs it: `make demo`, with the smoke config.

Nothing is faked: command of the README, synthesizer, trainings, export. Then
the same search is killed with SIGKILL and resumed.
"""

import json
import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from tests.dashboard import Dashboard

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def demo(tmp_path_factory):
    """The finished run: its working directory and what it printed."""
    workdir = tmp_path_factory.mktemp("demo") / "smoke"
    commands = re.findall(r"^make demo\b.*$", read("README.md"), re.MULTILINE)
    assert commands, "the README must print the command"
    marker = f"{sys.prefix}/installed"
    done = subprocess.run(
        # Skips the installation.
        [
            *commands[0].split(),
            "CONFIG=smoke",
            f"WORKDIR={workdir}",
            f"VENV={sys.prefix}",
            f"--assume-old={marker}",
        ],
        capture_output=True,
        text=True,
        check=False,
        cwd=ROOT,
    )
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    return workdir, done.stdout


def read(name: str) -> str:
    return (ROOT / name).read_text()


def journal(workdir: Path, stage: str) -> dict[str, dict]:
    """Returns the stage's lines by trial id, without durations."""
    lines = {}
    for line in (workdir / "trials.jsonl").read_text().splitlines():
        entry = json.loads(line)
        if entry["trial"]["stage"] == stage:
            del entry["result"]["seconds"]
            lines[entry["trial"]["trial_id"]] = {
                "trial": entry["trial"],
                "result": entry["result"],
            }
    return lines


def start(*command: str, stdout: int) -> subprocess.Popen:
    """Starts `audiotag-nas <command>` and does not wait for it."""
    return subprocess.Popen(
        [sys.executable, "-m", "audiotag_nas", *command],
        stdout=stdout,
        stderr=subprocess.DEVNULL,
        text=True,
        cwd=ROOT,
    )


def prepared(finished: Path, workdir: Path) -> Path:
    """Returns `workdir`, with the data of a finished run."""
    for name in ("dataset", "features"):
        # Hard links are safe: existing files are not modified.
        shutil.copytree(finished / name, workdir / name, copy_function=os.link)
    return workdir


def test_the_nine_steps_come_in_order_and_end_with_the_table(demo):
    _, printed = demo
    steps = re.findall(r"^\[(\d)/9\]", printed, re.MULTILINE)
    assert steps == list("123456789")
    table = printed[printed.index("[9/9]") :]
    for part in (
        "mean EER [95 % interval]",
        *(f"EER {tag} (" for tag in "cmfvpbo"),
        "parameters",
        "epochs to the baseline's best validation EER",
        "tensorboard --logdir",
        "audiotag-nas tag --model",
    ):
        assert part in table


def test_every_trial_of_every_stage_is_in_the_journal(demo):
    workdir, _ = demo
    stages = {
        stage: len(journal(workdir, stage))
        for stage in ("baseline", "search", "grid", "final")
    }
    # configs/smoke.py: 2 trials; 1 mixup x 2 sizes x 1 batch size.
    assert stages == {"baseline": 1, "search": 2, "grid": 2, "final": 2}


def test_the_printed_eers_are_those_of_the_score_files(demo, run_tool):
    workdir, printed = demo
    report = workdir / "report"
    means = {}
    for name in ("baseline", "found"):
        done = run_tool(
            "score",
            f"--labels={report / 'labels.csv'}",
            f"--scores={report / f'{name}_scores.csv'}",
        )
        assert done.returncode == 0, done.stderr
        rows = dict(
            re.findall(r"^(\w+) +([\d.]{8})", done.stdout, re.MULTILINE)
        )
        assert set(rows) == {*"cmfvpbo", "mean"}
        eers = [float(rows[tag]) for tag in "cmfvpbo"]
        assert float(rows["mean"]) == pytest.approx(np.mean(eers), abs=2e-6)
        means[name] = float(rows["mean"])
    row = re.search(r"^mean EER.*$", printed, re.MULTILINE)[0]
    shown = [float(x) for x in re.findall(r"(\d\.\d{4}) \[", row)]
    assert shown == pytest.approx([means["baseline"], means["found"]], abs=1e-4)


def test_the_command_in_the_report_recomputes_its_eers(demo, run_tool):
    workdir, _ = demo
    text = (workdir / "report" / "report.md").read_text()
    (command,) = re.findall(r"^audiotag-nas (.+)$", text, re.MULTILINE)
    done = run_tool(*shlex.split(command), cwd=workdir / "report")
    assert done.returncode == 0, done.stderr
    results = json.loads((workdir / "report" / "results.json").read_text())
    mean = results["found"]["evaluation"]["mean_eer"]
    assert done.stdout.splitlines()[-1] == f"mean  {mean:.6f}"


def test_the_labels_scored_are_the_evaluation_splits_majority_votes(demo):
    workdir, _ = demo
    dataset = workdir / "dataset"
    rows = (dataset / "evaluation_chunks_refined.csv").read_text().split()
    expected = set()
    for row in rows:
        name = row.split(",")[1]
        text = (dataset / "chunks" / f"{name}.csv").read_text()
        vote = re.search(r"^majorityvote,(.*)$", text, re.MULTILINE)[1]
        expected.add((f"{name}.wav", frozenset(vote.strip()) - {"S"}))
    lines = (workdir / "report" / "labels.csv").read_text().splitlines()
    pairs = (line.split(",") for line in lines)
    assert {(name, frozenset(tags)) for name, tags in pairs} == expected
    assert len(lines) == len(rows) == 30


def test_both_final_networks_had_the_same_data_and_budget(demo):
    workdir, _ = demo
    final = journal(workdir, "final")
    overrides = [
        final[name]["trial"]["overrides"]
        for name in ("final-baseline", "final-found")
    ]
    for field in ("epochs", "patience"):
        assert overrides[0][field] == overrides[1][field]


def test_the_dashboard_lists_every_trial_with_its_eer(demo):
    workdir, _ = demo
    shown = {
        name: value.value
        for name, group in Dashboard(workdir / "logs").groups().items()
        for value in group.metric_values
        if value.name.tag == "EER"
    }
    journaled = {
        trial_id: line["result"]["metrics"]["validation_eer"]
        for stage in ("baseline", "search", "grid", "final")
        for trial_id, line in journal(workdir, stage).items()
    }
    assert len(shown) == 1 + 2 + 2 + 2
    assert shown == pytest.approx(journaled, abs=1e-6)


def test_the_exported_model_tags_a_recording_from_the_command_line(
    demo, run_tool
):
    workdir, _ = demo
    clip = next((workdir / "dataset" / "chunks").glob("*.48kHz.wav"))
    done = run_tool("tag", "--model", workdir / "export", clip)
    assert done.returncode == 0, done.stderr
    assert clip.name in done.stdout


def shown_clip(printed: str) -> Path:
    """Returns the clip that step 8 tagged."""
    step = printed[printed.index("[8/9]") : printed.index("[9/9]")]
    return Path(re.search(r"^  (.+), annotated ", step, re.MULTILINE)[1])


def test_any_kept_network_can_be_exported(demo, run_tool, tmp_path):
    workdir, _ = demo
    # This grid point does not have the default spectrogram size.
    trial_id, line = next(
        item
        for item in journal(workdir, "grid").items()
        if item[1]["trial"]["overrides"]["spectrogram_size"] == "25x16"
    )
    done = run_tool(
        *("export", f"--workdir={workdir}", f"--trial={trial_id}"),
        f"--export_dir={tmp_path / 'mine'}",
    )
    assert done.returncode == 0, done.stderr
    manifest = json.loads((tmp_path / "mine" / "manifest.json").read_text())
    eer = line["result"]["metrics"]["validation_eer"]
    assert manifest["metrics"] == {"validation_mean_eer": eer}
    text = f"{trial_id} (validation EER {eer:.4f}) was exported to "
    assert text in done.stdout
    architecture = line["trial"]["architecture"]
    assert manifest["architecture"] == architecture
    features = manifest["features"]
    assert (64000 - features["frame_length"]) // features["frame_step"] == 24
    done = run_tool(
        *("export", f"--workdir={workdir}", "--trial=grid-0099"),
        f"--export_dir={tmp_path / 'mine'}",
    )
    assert done.returncode == 1
    assert "--trial: must be a completed trial" in done.stderr
    assert "Received: 'grid-0099'" in done.stderr


def test_a_rejected_clip_is_not_the_example_of_step_8(demo, run_tool, tmp_path):
    finished, printed = demo
    workdir = shutil.copytree(finished, tmp_path / "damaged")
    for features in (workdir / "features").glob("*/evaluation"):
        shutil.rmtree(features)
    # The stored digest would refuse the damaged clip.
    (workdir / "data.json").unlink()
    clip = workdir / shown_clip(printed).relative_to(finished)
    clip.write_bytes(b"not a sound")
    done = run_tool("run", "--config=smoke", f"--workdir={workdir}")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "29 clips, 1 rejected" in done.stdout
    other = shown_clip(done.stdout)
    assert other.parent == clip.parent
    assert other.name != clip.name
    assert str(workdir / "report" / "tagged_clip.png") in done.stdout


def test_an_example_clip_that_was_removed_gives_no_picture(demo, tmp_path):
    finished, _ = demo
    workdir = shutil.copytree(finished, tmp_path / "gone")
    command = ("run", "--config=smoke", f"--workdir={workdir}")
    driver = start(*command, stdout=subprocess.PIPE)
    printed = ""
    for line in driver.stdout:
        printed += line
        if line.startswith("[3/9]"):
            for clip in (workdir / "dataset" / "chunks").glob("*_eva*.wav"):
                clip.unlink()
    assert driver.wait() == 0, printed
    assert not shown_clip(printed).exists()
    assert "failed: no such file" in printed
    assert "tagged_clip.png" not in printed


def test_the_report_has_its_pictures_and_data_notes(demo):
    workdir, _ = demo
    report = (workdir / "report" / "report.md").read_text()
    for name in re.findall(r"\((\w+\.png)\)", report):
        data = (workdir / "report" / name).read_bytes()
        assert data.startswith(b"\x89PNG")
    assert "mean EER" in report
    data = report.split("## Data\n\n")[1].split("\n\n")[0]
    assert data.splitlines() == [
        f"    {size} {split}: {count} clips"
        for size in ("31x16", "25x16")
        for split, count in (("development", 60), ("evaluation", 30))
    ]


def test_a_killed_and_resumed_search_has_the_same_result(
    demo, run_tool, tmp_path
):
    finished, _ = demo
    workdir = prepared(finished, tmp_path / "killed")
    command = ("search", "--config=smoke", f"--workdir={workdir}")
    driver = start(*command, stdout=subprocess.DEVNULL)
    path = workdir / "trials.jsonl"
    while driver.poll() is None and not (path.exists() and path.read_bytes()):
        time.sleep(0.05)
    driver.send_signal(signal.SIGKILL)
    assert driver.wait() == -signal.SIGKILL
    before = journal(workdir, "search")
    assert len(before) == 1
    done = run_tool(*command)
    assert done.returncode == 0, done.stderr
    assert "from the journal" in done.stdout
    after = journal(workdir, "search")
    assert after == journal(finished, "search")
    assert before.items() <= after.items()


def test_a_search_extended_by_trials_has_the_same_result(
    demo, run_tool, tmp_path
):
    finished, _ = demo
    workdir = prepared(finished, tmp_path / "short")
    command = ("search", "--config=smoke", f"--workdir={workdir}")
    fewer = run_tool(*command, "--config.search.num_trials=1")
    assert fewer.returncode == 0, fewer.stderr
    assert len(journal(workdir, "search")) == 1
    more = run_tool(*command)
    assert more.returncode == 0, more.stderr
    assert journal(workdir, "search") == journal(finished, "search")
    kept = json.loads((workdir / "config.json").read_text())
    assert kept["search"]["num_trials"] == 2


def test_changed_final_settings_and_a_retrained_architecture(
    demo, run_tool, tmp_path
):
    finished, _ = demo
    workdir = shutil.copytree(finished, tmp_path / "changed")
    shutil.rmtree(workdir / "trials" / "final-found")
    done = run_tool("run", f"--workdir={workdir}")
    assert done.returncode == 0, done.stderr
    before_steps, _, _ = done.stdout.partition("[1/9]")
    assert "lacks the networks of final-found; step 6 retrains" in before_steps
    assert journal(workdir, "final") == journal(finished, "final")
    assert (workdir / "trials" / "final-found" / "model.keras").exists()
    assert "in the journal, which is kept" not in done.stdout

    done = run_tool("run", f"--workdir={workdir}", "--config.final.epochs=3")
    assert done.returncode == 0, done.stderr
    for stage in ("baseline", "search", "grid"):
        assert journal(workdir, stage) == journal(finished, stage)
    final = journal(workdir, "final")
    assert list(final) == [
        *journal(finished, "final"),
        "final-baseline.2",
        "final-found.2",
    ]
    assert final["final-found.2"]["trial"]["overrides"]["epochs"] == 3

    done = run_tool(
        *("train", f"--workdir={workdir}", "--trial=search-0001"),
        *("--epochs=2", "--config.training.batch_size=11"),
    )
    assert done.returncode == 0, done.stderr
    (trained,) = journal(workdir, "train").values()
    old = journal(finished, "search")["search-0001"]["trial"]
    new = trained["trial"]
    assert new["architecture"] == old["architecture"]
    overrides = new["overrides"]
    assert (overrides["epochs"], overrides["batch_size"]) == (2, 11)
    assert len(trained["result"]["history"]["validation_eer"]) == 2
    done = run_tool(
        *("export", f"--workdir={workdir}", "--trial=train-search-0001"),
        f"--export_dir={tmp_path / 'mine'}",
    )
    assert done.returncode == 0, done.stderr
    done = run_tool(
        *("train", f"--workdir={workdir}", "--trial=search-0001"),
        "--config.search.num_trials=5",
    )
    assert done.returncode == 1
    assert (
        "config.search.num_trials: this command accepts only fields of "
        "config.training. Received: 5"
    ) in done.stderr


def test_the_tuner_gives_the_best_architectures_and_their_networks(
    demo, capsys
):
    from audiotag_nas import Architecture, ArchitectureTuner, load_config
    from audiotag_nas.data.stored_features import open_prepared
    from audiotag_nas.experiment.evaluation import score_split
    from audiotag_nas.training.trainer import mean_eer

    workdir, _ = demo
    tuner = ArchitectureTuner(load_config("smoke"), workdir=workdir)
    lines = journal(workdir, "search").values()
    ranked = sorted(lines, key=lambda line: -line["result"]["reward"])
    assert tuner.get_best_architectures(2) == [
        Architecture.from_json(line["trial"]["architecture"]) for line in ranked
    ]
    model = tuner.get_best_models(1)[0]
    scored = score_split(
        model,
        open_prepared(workdir / "features" / "31x16" / "development"),
        tags=tuple("cmfvpbo"),
        folds=(0,),
    )
    eer = mean_eer(scored.labels, scored.scores)
    journaled = ranked[0]["result"]["metrics"]["validation_eer"]
    assert eer == pytest.approx(journaled)
    tuner.results_summary(1)
    _, best, more, recommended = capsys.readouterr().out.splitlines()
    assert ranked[0]["trial"]["trial_id"] in best
    assert more == "shown: 1 of 2; num_trials=2 lists all"
    assert recommended.startswith("recommended for grid and final training: ")
    # The grid trained the recommended architecture.
    (found,) = (
        line["trial"]["architecture"]
        for line in ranked
        if f": {line['trial']['trial_id']} (" in recommended
    )
    assert [found, found] == [
        line["trial"]["architecture"]
        for line in journal(workdir, "grid").values()
    ]
