"""If settings of later stages change, superseded trials are omitted."""

import dataclasses
import json

import pytest

from audiotag_nas.errors import ConfigError
from audiotag_nas.experiment.generations import read_generations
from audiotag_nas.experiment.results import completed_entry, ranked_entries
from audiotag_nas.inspection.status import read_status
from audiotag_nas.inspection.status_screen import status_lines
from audiotag_nas.trial import MODEL_FILE, Trial, TrialResult, TrialStatus
from tests.dashboard import Dashboard
from tests.fakes import fake_reward
from tests.inspection.status_driver import FakeTuner, config

SEARCH = [f"search-{number:04d}" for number in range(7)]
GRID = [f"grid-{number:04d}" for number in range(6)]
FINAL = ["final-baseline", "final-found"]


class WholeTuner(FakeTuner):
    """Runs all stages; every training writes a file as its network.

    Attributes:
        trained: the ids of all trials trained, in order.
    """

    def __init__(self, *args, **kwargs) -> None:
        self.trained: list[str] = []
        super().__init__(*args, **kwargs)

    def _train(self, trial: Trial) -> TrialResult:
        self.trained.append(trial.trial_id)
        path = self.workspace.trials_dir / trial.trial_id / MODEL_FILE
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(trial.overrides.to_json()))
        reward = fake_reward(trial.tokens)
        return TrialResult(
            trial_id=trial.trial_id,
            status=TrialStatus.COMPLETED,
            reward=reward,
            metrics={"validation_eer": 1 - reward, "num_parameters": 1234.0},
            history={"validation_eer": [0.5, 1 - reward]},
        )

    def run(self) -> "WholeTuner":
        """Runs all trainings of the main job."""
        with self.driving():
            self.train_baseline()
            architecture = self.get_recommended_architecture()
            grid = self.grid_search(architecture)
            self.train_final(architecture, grid.recommendation)
        return self


def run(workdir, **changes):
    """Runs with changed fields, e.g. `final__epochs=40`."""
    mine = config()
    for path, value in changes.items():
        section, _, name = path.partition("__")
        setattr(getattr(mine, section), name, value)
    return WholeTuner(mine, workdir=workdir).run()


def current_ids(tuner, stage):
    entries = read_generations(tuner.workspace).of_stage(stage).current
    return sorted(entry.trial.trial_id for entry in entries)


def superseded_ids(tuner):
    entries = read_generations(tuner.workspace).superseded
    return sorted(entry.trial.trial_id for entry in entries)


def test_a_run_with_the_same_settings_trains_nothing_again(tmp_path):
    first = run(tmp_path)
    assert first.trained == ["baseline", *SEARCH, *GRID, *FINAL]
    assert run(tmp_path).trained == []
    assert superseded_ids(first) == []


def test_more_final_epochs_train_the_final_networks_again_alone(tmp_path):
    run(tmp_path)
    journal = (tmp_path / "trials.jsonl").read_bytes()
    tuner = run(tmp_path, final__epochs=140)
    assert tuner.trained == ["final-baseline.2", "final-found.2"]
    assert (tmp_path / "trials.jsonl").read_bytes().startswith(journal)
    assert current_ids(tuner, "final") == tuner.trained
    assert superseded_ids(tuner) == FINAL
    for entry in ranked_entries(tuner.workspace, "final"):
        assert entry.trial.overrides.epochs == 140
    # The superseded network still exists, and its settings are current again.
    assert run(tmp_path).trained == []
    assert current_ids(tuner, "final") == FINAL


def test_other_epochs_of_the_grid_keep_the_search_and_the_baseline(tmp_path):
    run(tmp_path)
    tuner = run(tmp_path, grid__epochs=11)
    # The grid chooses the same point, so the final trainings stay valid.
    assert tuner.trained == [f"{name}.2" for name in GRID]
    assert current_ids(tuner, "final") == FINAL
    assert superseded_ids(tuner) == GRID


def test_other_points_of_the_grid_train_the_found_network_again(tmp_path):
    first = run(tmp_path)
    tuner = run(tmp_path, grid__batch_size=(32,))
    assert tuner.trained == [f"{n}.2" for n in GRID[:3]] + ["final-found.2"]
    assert current_ids(tuner, "grid") == [f"{n}.2" for n in GRID[:3]]
    assert current_ids(tuner, "final") == ["final-baseline", "final-found.2"]
    assert superseded_ids(tuner) == sorted([*GRID, "final-found"])
    # The seed equals the seed of the first generation: a run in a new directory
    # with these settings from the start has the same trials.
    fresh = run(tmp_path / "fresh", grid__batch_size=(32,))
    mine, theirs = (
        {
            dataclasses.replace(
                e.trial, trial_id=e.trial.trial_id.removesuffix(".2")
            )
            .to_json()
            .__repr__(): e.result.reward
            for e in read_generations(t.workspace).current
        }
        for t in (tuner, fresh)
    )
    assert mine == theirs
    assert first.trained != tuner.trained


def test_a_search_may_grow_after_the_grid(tmp_path):
    first = run(tmp_path)
    tuner = run(tmp_path, search__num_trials=23)
    added = [f"search-{number:04d}" for number in range(7, 23)]
    assert tuner.trained[:16] == added
    fresh = run(tmp_path / "fresh", search__num_trials=23)

    def networks(t):
        entries = read_generations(t.workspace).of_stage("grid").current
        return {e.trial.architecture for e in entries}

    assert len(networks(tuner)) == 1
    assert networks(tuner) == networks(fresh)
    # The best of 23 trials is not among the first 7, so later stages rerun.
    assert tuner.trained[16:] == [f"{n}.2" for n in GRID] + ["final-found.2"]
    assert superseded_ids(first) == sorted([*GRID, "final-found"])


def test_nothing_of_the_evaluation_trains(tmp_path):
    run(tmp_path)
    tuner = run(tmp_path, final__bootstrap_samples=170)
    assert tuner.trained == []
    assert tuner.workspace.read_config().final.bootstrap_samples == 170


def test_a_killed_second_generation_is_resumed(tmp_path):
    run(tmp_path)
    mine = config()
    mine.grid.epochs = 11

    class Killed(WholeTuner):
        def _train(self, trial):
            if len(self.trained) == 2:
                raise KeyboardInterrupt
            return super()._train(trial)

    killed = Killed(mine, workdir=tmp_path)
    with pytest.raises(KeyboardInterrupt):
        killed.run()
    assert current_ids(killed, "grid") == ["grid-0000.2", "grid-0001.2"]
    # Before the grid is complete, its choice is unknown.
    assert current_ids(killed, "final") == ["final-baseline"]
    after = run(tmp_path, grid__epochs=11)
    assert after.trained == [f"{name}.2" for name in GRID[2:]]


def test_superseded_trials_are_counted_and_not_shown(tmp_path):
    run(tmp_path)
    tuner = run(tmp_path, final__epochs=140)
    screen = "\n".join(status_lines(read_status(tmp_path)))
    assert "superseded by later settings: 2 trials of the stage final" in screen
    (final,) = (s for s in read_status(tmp_path).stages if s.stage == "final")
    assert len(final.completed) == 2
    shown = {n for n in Dashboard(tmp_path / "logs").groups() if "final" in n}
    assert shown == set(tuner.trained)


def test_an_id_names_the_current_generation(tmp_path):
    tuner = run(tmp_path)
    workspace = tuner.workspace

    def found(trial_id):
        return completed_entry(workspace, trial_id).trial.trial_id

    assert found("final-found") == "final-found"
    run(tmp_path, final__epochs=140)
    assert found("final-found") == "final-found.2"
    assert found("final-found.2") == "final-found.2"
    assert found("final-found.1") == "final-found"
    assert found("search-0003") == "search-0003"
    for wrong in ("final-found.3", "search-0003.2", "final", ""):
        with pytest.raises(ConfigError, match="must be a completed trial"):
            found(wrong)
    WholeTuner(
        dataclasses.replace(
            config(), final=dataclasses.replace(config().final, epochs=160)
        ),
        workdir=tmp_path,
    )
    with pytest.raises(ConfigError, match=r"final-found is superseded by"):
        found("final-found")


def test_removed_networks_are_named_and_trained_again_without_new_lines(
    tmp_path, capsys
):
    tuner = run(tmp_path)
    before = (tmp_path / "trials.jsonl").read_bytes()
    for directory in tuner.workspace.trials_dir.iterdir():
        if directory.name != "final-baseline":
            (directory / MODEL_FILE).unlink()
    again = WholeTuner(config(), workdir=tmp_path)
    assert again.missing_final_networks() == ["final-found"]
    assert again.run().trained == ["final-found"]
    assert "final-found: retrained" in capsys.readouterr().out
    assert (tmp_path / "trials.jsonl").read_bytes() == before
    assert again.missing_final_networks() == []


def test_an_architecture_is_trained_longer_under_ids_of_its_own(tmp_path):
    run(tmp_path)
    tuner = WholeTuner(config(), workdir=tmp_path)
    # The default is the number of epochs of the final training.
    for settings in ({"epochs": 40}, {}, {"epochs": 40, "batch_size": 12}):
        tuner.train("grid-0004", settings)
        tuner.train("grid-0004", settings)
    ids = [f"train-grid-0004{generation}" for generation in ("", ".2", ".3")]
    assert tuner.trained == ids
    entries = read_generations(tuner.workspace).of_stage("train").current
    assert [entry.trial.trial_id for entry in entries] == ids
    of = completed_entry(tuner.workspace, "grid-0004").trial
    assert {entry.trial.architecture for entry in entries} == {of.architecture}
    first, second, third = (
        entry.trial.overrides.to_json() for entry in entries
    )
    kept = of.overrides.to_json()
    assert first == kept | {"epochs": 40, "patience": 20}
    assert second == kept | {"epochs": 100, "patience": 20}
    assert third == first | {"batch_size": 12}
    # It supersedes no other trial, and no other trial is retrained.
    assert run(tmp_path).trained == []
    assert superseded_ids(tuner) == []
    (stage,) = (s for s in read_status(tmp_path).stages if s.stage == "train")
    assert (stage.num_total, len(stage.completed)) == (3, 3)


def test_a_later_generation_is_trained_longer_apart_from_the_first(tmp_path):
    run(tmp_path)
    tuner = run(tmp_path, final__epochs=140)
    tuner.train("final-found.1", {"epochs": 33})
    tuner.train("final-found", {"epochs": 33})
    assert tuner.trained[-2:] == ["train-final-found", "train-final-found-2"]


def test_a_setting_of_a_longer_training_is_checked(tmp_path):
    run(tmp_path)
    tuner = WholeTuner(config(), workdir=tmp_path)
    with pytest.raises(ConfigError, match=r"training\.batch_size: must be"):
        tuner.train("search-0000", {"batch_size": 0})
    with pytest.raises(ConfigError, match="must be a completed trial"):
        tuner.train("search-0099")
    assert tuner.trained == []
