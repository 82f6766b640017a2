"""ReinforceOracle with keras-tuner's tuners, and after real kills."""

import json
import signal
import subprocess
import sys
import threading
from pathlib import Path

import keras_tuner
import numpy as np
import pytest

from audiotag_nas.errors import ConfigError, SearchError, StoreError
from audiotag_nas.integrations.keras_tuner_oracle import ReinforceOracle
from audiotag_nas.integrations.keras_tuner_space import TunerSpace
from audiotag_nas.space import Decision
from tests.integrations import keras_tuner_driver

ROOT = Path(__file__).parents[2]


def drive(directory: Path, *numbers: int) -> subprocess.CompletedProcess:
    command = [sys.executable, "-m", "tests.integrations.keras_tuner_driver"]
    return subprocess.run(
        [*command, str(directory), *map(str, numbers)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )


def test_a_killed_search_of_a_real_model_ends_the_same(tmp_path):
    tuner = keras_tuner_driver.search(str(tmp_path / "whole"), 4)
    killed = drive(tmp_path / "killed", 4, 2)
    assert killed.returncode == -signal.SIGKILL, killed.stderr
    # keras-tuner saves the start of a trial. The third trial has started but
    # not ended.
    state = json.loads((tmp_path / "killed/project/oracle.json").read_text())
    assert (len(state["start_order"]), len(state["end_order"])) == (3, 2)
    resumed = drive(tmp_path / "killed", 4)
    assert resumed.returncode == 0, resumed.stderr
    whole = json.loads(json.dumps(keras_tuner_driver.outcome(tuner)))
    assert json.loads(resumed.stdout.splitlines()[-1]) == whole
    assert len(whole) == 4
    # The hypermodel declares `units_1` only with two layers.
    assert "units_1" in whole[-1][1]
    scores = [score for _, _, score in whole]
    assert tuner.oracle.get_best_trials(1)[0].score == min(scores)
    model = tuner.get_best_models(1)[0]
    assert model(np.zeros((2, 5), "float32")).shape == (2, 3)


class Arithmetic(keras_tuner.Tuner):
    """A tuner whose trials evaluate a function of the hyperparameters."""

    def __init__(self, function, oracle, directory, **kwargs):
        self.function = function
        super().__init__(
            oracle=oracle, directory=str(directory), hypermodel=None, **kwargs
        )

    def run_trial(self, trial, *args, **kwargs):
        return self.function(trial.hyperparameters)


def tune(function, directory, **settings) -> keras_tuner.Tuner:
    """Runs a search, by default with the random searcher."""
    settings = {"searcher": "random", "max_consecutive_failed_trials": 9} | (
        settings
    )
    tuner = Arithmetic(function, ReinforceOracle(**settings), directory)
    tuner.search(verbose=0)
    return tuner


def scored(name="score"):
    return keras_tuner.Objective(name, "max")


def told(tuner) -> dict:
    """The reward of each point that the current searcher was told."""
    pairs = {}
    for call in tuner.oracle.get_state()["audiotag_nas"]["calls"]:
        if "tell" in call:
            pairs |= dict(zip(call["tell"], call["rewards"], strict=True))
        if "space" in call:
            pairs = {}
    return pairs


def digits(hp) -> dict:
    return {"score": float(10 * hp.Int("tens", 0, 4) + hp.Int("ones", 0, 6))}


def test_no_point_is_trained_twice_and_a_search_ends_when_all_are_trained(
    tmp_path,
):
    tuner = tune(digits, tmp_path, objective=scored(), max_trials=99)
    points = {
        tuple(trial.hyperparameters.values.items())
        for trial in tuner.oracle.trials.values()
    }
    assert len(points) == len(tuner.oracle.trials) == 5 * 7
    best = tuner.get_best_hyperparameters()[0]
    assert best.values == {"tens": 4, "ones": 6}


@pytest.mark.parametrize("direction", ["min", "max"])
def test_a_better_objective_has_a_higher_reward(tmp_path, direction):
    tuner = tune(
        digits,
        tmp_path,
        objective=keras_tuner.Objective("score", direction),
        trials_per_round=3,
    )
    rewards = told(tuner)
    assert len(rewards) >= 6
    sign = {"min": -1, "max": 1}[direction]
    for (tens, ones), reward in rewards.items():
        assert reward == sign * (10 * tens + ones)


@pytest.mark.parametrize("failure", ["raise", "nan", "inf", "1e20"])
@pytest.mark.parametrize("failure_score", [99.0, None])
def test_a_failed_trial_gets_the_penalty(tmp_path, failure, failure_score):
    def loss(hp):
        value = float(hp.Int("x", 0, 7))
        if value in (2, 5):
            if failure == "raise":
                raise keras_tuner.errors.FailedTrialError("too large")
            return float(failure)
        return value

    tuner = tune(
        loss, tmp_path, failure_score=failure_score, trials_per_round=8
    )
    failed = [
        trial.hyperparameters.values["x"]
        for trial in tuner.oracle.trials.values()
        if trial.status == "FAILED"
    ]
    assert sorted(failed) == [2, 5]
    penalty = -99.0 if failure_score is not None else -7.0
    rewards = told(tuner)
    assert rewards.pop((2,), penalty) == penalty
    assert rewards.pop((5,), penalty) == penalty
    assert rewards == {(x,): -float(x) for (x,) in rewards}


def test_conditional_hyperparameters_have_values_only_if_active(tmp_path):
    def score(hp):
        kind = hp.Choice("kind", ["a", "b", "c"])
        with hp.conditional_scope("kind", ["a"]):
            units = hp.Int("units", 8, 32, step=8)
        with hp.conditional_scope("kind", ["b", "c"]):
            rate = hp.Choice("rate", [0.1, 0.2])
        return {"score": float(units if kind == "a" else 100 * rate)}

    tuner = tune(score, tmp_path, objective=scored(), max_trials=50)
    values = [t.hyperparameters.values for t in tuner.oracle.trials.values()]
    assert len(values) == 4 + 2 + 2  # not 3 x 4 x 2
    for each in values:
        own = "units" if each["kind"] == "a" else "rate"
        assert set(each) == {"kind", own}


def test_hyperparameters_are_decisions_with_the_values_keras_tuner_gives():
    hp = keras_tuner.HyperParameters()
    hp.Choice("pool", ["max", "mean"])
    hp.Boolean("norm")
    hp.Fixed("classes", 3)
    hp.Int("units", 4, 13, step=3)
    hp.Int("width", 2, 40, step=4, sampling="log")
    hp.Int("height", 3, 6, sampling="log")
    hp.Float("drop", 0.0, 0.5, step=0.25)
    hp.Float("rate", 1e-3, 0.1, step=10, sampling="log")
    space = TunerSpace(hp.space)
    assert [
        (d.choices, d.ordinal) for d in space.search_space.decisions[:-1]
    ] == [
        (("max", "mean"), False),
        ((False, True), False),
        ((4, 7, 10, 13), True),
        ((2, 8, 32), True),
        ((3, 4, 5, 6), True),
        ((0.0, 0.25, 0.5), True),
    ]
    rate = space.search_space.decisions[-1]
    assert isinstance(rate, Decision)
    np.testing.assert_allclose(rate.choices, [1e-3, 1e-2, 0.1])
    # Every random sample of keras-tuner is a point of the space.
    for item in hp.space:
        for seed in range(20):
            point = space.tokens({item.name: item.random_sample(seed)})
            assert space.values(point)[item.name] == item.random_sample(seed)


@pytest.mark.parametrize(
    ("define", "parts"),
    [
        (lambda hp: hp.Float("rate", 0.1, 0.9), ["`rate`", "step", "None"]),
        (lambda hp: hp.Int("units", 1, 10**9), ["`units`", "256", "10000"]),
        (
            lambda hp: hp.Int("width", 1, 999, sampling="log"),
            ["`width`", "step", "999"],
        ),
        (lambda hp: hp.Float("x", 0.0, 1.0, step=0), ["`x`", "positive", "0"]),
        (lambda hp: hp.Choice("y", [3, 3]), ["`y`", "differ", "[3, 3]"]),
    ],
)
def test_the_error_names_a_hyperparameter_that_cannot_be_searched(
    tmp_path, define, parts
):
    oracle = ReinforceOracle("val_loss")
    define(oracle.hyperparameters)
    oracle._set_project_dir(str(tmp_path), "project")
    with pytest.raises(ConfigError) as caught:
        oracle.create_trial("tuner0")
    assert "\n" not in str(caught.value)
    for part in parts:
        assert part in str(caught.value)
    # The lock is released after an exception, unlike in keras-tuner.
    errors = []

    def ask_again():
        try:
            oracle.create_trial("tuner1")
        except ConfigError as error:
            errors.append(error)

    thread = threading.Thread(target=ask_again, daemon=True)
    thread.start()
    thread.join(timeout=30)
    assert len(errors) == 1


def test_two_workers_at_once_get_different_points_and_never_wait(tmp_path):
    oracle = ReinforceOracle(
        scored(), max_trials=None, searcher="random", trials_per_round=2
    )
    oracle.hyperparameters.Int("x", 0, 20)
    oracle._set_project_dir(str(tmp_path), "project")
    oracle.verbose = 0
    slow = oracle.create_trial("slow")
    values = {slow.hyperparameters.values["x"]}
    for _ in range(8):
        trial = oracle.create_trial("fast")
        assert trial.status == "RUNNING"
        value = trial.hyperparameters.values["x"]
        assert value not in values
        values.add(value)
        oracle.update_trial(trial.trial_id, {"score": float(value)})
        trial.status = "COMPLETED"
        oracle.end_trial(trial)


def test_a_project_continued_with_more_trials_equals_a_long_one(tmp_path):
    settings = {"objective": scored(), "seed": 0, "searcher": "reinforce"}
    whole = tune(digits, tmp_path / "one", **settings, max_trials=9)
    for num_trials in (2, 5, 9):
        parts = tune(
            digits, tmp_path / "two", **settings, max_trials=num_trials
        )
    assert keras_tuner_driver.outcome(parts) == keras_tuner_driver.outcome(
        whole
    )
    other = tune(
        digits, tmp_path / "three", **settings | {"seed": 1}, max_trials=9
    )
    assert keras_tuner_driver.outcome(other) != keras_tuner_driver.outcome(
        whole
    )
    with pytest.raises(StoreError, match=r"seed=0\. Received: seed=5"):
        tune(digits, tmp_path / "two", **settings | {"seed": 5})


def test_a_trial_that_is_not_in_oracle_json_is_made_again(tmp_path):
    settings = {"objective": scored(), "seed": 2}
    tune(digits, tmp_path / "a", **settings, max_trials=4)
    # A kill between the writes of the two files leaves this state.
    project = tmp_path / "a" / "untitled_project"
    trial = json.loads((project / "trial_3" / "trial.json").read_text())
    (project / "trial_4").mkdir()
    (project / "trial_4" / "trial.json").write_text(
        json.dumps(trial | {"trial_id": "4", "status": "RUNNING"})
    )
    resumed = tune(digits, tmp_path / "a", **settings, max_trials=7)
    whole = tune(digits, tmp_path / "b", **settings, max_trials=7)
    assert keras_tuner_driver.outcome(resumed) == keras_tuner_driver.outcome(
        whole
    )


def test_errors_name_wrong_arguments():
    for arguments, part in [
        ({"seed": -1}, "`seed`"),
        ({"trials_per_round": 0}, "num"),
        ({"failure_score": float("nan")}, "`failure_score`"),
        ({"failure_score": 2e15}, r"at most 1e\+15 in magnitude"),
        ({"searcher": "none"}, "'none'"),
        ({"settings": {"learning": 1}}, "num_initial"),
    ]:
        with pytest.raises(ConfigError, match=part):
            ReinforceOracle("val_loss", **arguments)


def test_the_error_for_a_misplaced_setting_shows_the_right_place(tmp_path):
    rule = r"`settings`, as settings=\{'num_initial': 3\}\. Received: num"
    with pytest.raises(ConfigError, match=rule):
        ReinforceOracle("val_loss", num_initial=3)
    # keras-tuner rejects arguments that no searcher has.
    with pytest.raises(TypeError, match="max_trails"):
        ReinforceOracle("val_loss", max_trails=3)
    # NumPy numbers are allowed, although projects are saved as JSON.
    tuner = tune(
        digits,
        tmp_path,
        objective=scored(),
        seed=np.int64(3),
        trials_per_round=np.int64(2),
        searcher="evolution",
        settings={"sample": np.int64(2)},
        max_trials=3,
    )
    assert len(tuner.oracle.end_order) == 3


def test_a_trial_that_fails_before_it_declares_anything_is_an_error(tmp_path):
    def fails(hp):
        raise OSError("the data are not mounted")

    rule = r"before it declared a hyper.* OSError: the data are not mounted"
    for _ in range(2):  # the second reloads the project of the first
        with pytest.raises(SearchError, match=rule):
            tune(fails, tmp_path / "failed", objective=scored())
    # A failure after a declaration lets the search continue. A success without
    # a declaration ends the search.
    num_trials = 0

    def fails_once(hp):
        nonlocal num_trials
        num_trials += 1
        return fails(hp) if hp.Int("x", 0, 9) < 0 or num_trials == 1 else 0.0

    tuner = tune(fails_once, tmp_path / "once", max_trials=3)
    statuses = [trial.status for trial in tuner.oracle.trials.values()]
    assert statuses == ["FAILED", "COMPLETED", "COMPLETED"]
    tuner = tune(lambda hp: 0.0, tmp_path / "constant", max_trials=3)
    assert [t.status for t in tuner.oracle.trials.values()] == ["COMPLETED"]


def test_without_keras_tuner_the_error_says_what_to_install():
    code = (
        "import sys; sys.modules['keras_tuner'] = None\n"
        "try:\n    import audiotag_nas.integrations.keras_tuner_oracle\n"
        "except ImportError as error:\n    print(error)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.splitlines() == [
        "ReinforceOracle needs keras-tuner: pip install "
        "'audiotag-nas[keras-tuner]'"
    ]


class Killed(BaseException):
    """An exception that ends a search like a kill, with no code after it."""


@pytest.mark.parametrize("moment", ["before", "after"])
def test_a_kill_at_any_write_of_a_project_changes_nothing(tmp_path, moment):
    settings = {"objective": scored(), "trials_per_round": 2, "max_trials": 5}
    left = -1

    class Mortal(ReinforceOracle):
        def _write(self, name, state):
            nonlocal left
            left -= 1
            if left == 0 and moment == "before":
                raise Killed
            super()._write(name, state)
            if left == 0:
                raise Killed

    def run(directory):
        oracle = Mortal(searcher="random", **settings)
        tuner = Arithmetic(digits, oracle, directory)
        tuner.search(verbose=0)
        return keras_tuner_driver.outcome(tuner)

    whole = run(tmp_path / "whole")
    num_writes = -1 - left
    assert num_writes >= 5 * 5
    for number in range(1, num_writes + 1):
        left = number
        with pytest.raises(Killed):
            run(tmp_path / str(number))
        left = -1
        assert run(tmp_path / str(number)) == whole, number
