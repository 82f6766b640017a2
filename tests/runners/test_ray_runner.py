"""Tests the runner with a real Ray cluster of several nodes on this machine.

Processes and nodes are really killed. Most trainings are fakes that take a
moment; one search has real trials. All nodes use the loopback interface.
"""

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

os.environ["RAY_USAGE_STATS_ENABLED"] = "0"

import ray
from ray.cluster_utils import Cluster

from audiotag_nas.config import ExperimentConfig
from audiotag_nas.errors import ConfigError, SearchError, UserError
from audiotag_nas.runners import ray_runner
from audiotag_nas.runners.ray_runner import RayRunner
from audiotag_nas.search import make_searcher
from audiotag_nas.search.events import TrialFinished
from audiotag_nas.search.journal import Journal
from audiotag_nas.search.loop import run_search
from audiotag_nas.trial import TrialStatus
from tests.fake_trainings import TARGET, make_trial
from tests.fakes import FakeRunner, make_fake_trials
from tests.runners import trials_driver
from tests.runners.runner_contract import *  # noqa: F403
from tests.runners.runner_helpers import (
    BusyDriver,
    is_running,
    run_trials,
    wait_until,
)
from tests.search.driver import SPACE

ROOT = Path(__file__).parents[2]
NODE = {"object_store_memory": 80 * 2**20}
NUM_TRIALS = 9
LOSES_NODE, LOSES_PROCESS = "search-0003", "search-0007"
LOG = "TEST_RAY_RUNNER_LOG"


@pytest.fixture(scope="module")
def node_environment(tmp_path_factory):
    """Sets variables for the nodes' processes (see `_train_slowly`)."""
    with pytest.MonkeyPatch.context() as patch:
        log = tmp_path_factory.mktemp("log") / "trainings.txt"
        patch.setenv(LOG, str(log))
        patch.setenv(
            "PYTHONPATH", str(ROOT)
        )  # as if it were installed on the nodes
        yield


@contextlib.contextmanager
def _start_cluster():
    """A head node that trains nothing, and two nodes for one trial each."""
    cluster = Cluster(
        initialize_head=True,
        head_node_args=NODE | {"num_cpus": 0, "include_dashboard": False},
    )
    try:
        for _ in range(2):
            cluster.add_node(num_cpus=1, **NODE)
        yield cluster
    finally:
        ray.shutdown()
        cluster.shutdown()


@pytest.fixture(scope="module")
def cluster(node_environment):
    with _start_cluster() as cluster:
        yield cluster


@pytest.fixture
def doomed_cluster(node_environment):
    """A cluster for one test, which may kill the whole cluster."""
    with _start_cluster() as cluster:
        yield cluster


@pytest.fixture(name="make_runner")
def _make_runner(cluster, tmp_path):
    with contextlib.ExitStack() as stack:

        def make(target=TARGET, *, config=None, **arguments):
            arguments = {"features_dir": tmp_path / "features"} | arguments
            runner = RayRunner(
                ExperimentConfig() if config is None else config,
                trials_dir=tmp_path / "trials",
                address=cluster.address,
                target=target,
                **arguments,
            )
            stack.callback(runner.close)
            return runner

        yield make


def test_trials_train_on_all_nodes_in_processes_that_stay_warm(
    make_runner, tmp_path
):
    runner = make_runner()
    assert runner.num_slots == 2
    pids = []
    # The first trials last longer than a second process needs to start, even on
    # a busy machine. Otherwise the first process would train all trials.
    for name, seconds in (("a", 4.0), ("b", 0.5), ("c", 0.5)):
        trials = [
            make_trial(f"{name}{n}", "sleep", seconds=seconds) for n in range(2)
        ]
        results = run_trials(runner, *trials)
        pids.append({result.metrics["pid"] for result in results.values()})
    assert pids[0] == pids[1] == pids[2]
    assert len(pids[0]) == 2
    assert os.getpid() not in pids[0]
    # The files of a training were sent over the network, without a shared disk.
    text = (tmp_path / "trials" / "c1" / "pids.txt").read_text()
    assert int(text) in pids[0]


def test_what_takes_a_process_down_fails_its_trial_alone(make_runner):
    results = run_trials(
        make_runner(),
        make_trial("killed", "be killed"),
        make_trial("exits", "exit"),
        *[make_trial(f"good{number}") for number in range(3)],
    )
    for name, result in results.items():
        if name.startswith("good"):
            assert result.status is TrialStatus.COMPLETED
        else:
            assert result.status is TrialStatus.FAILED
            assert result.reason.startswith(
                "its process ended without a message"
            )


def test_a_trial_that_lost_its_process_is_tried_again_as_often_as_said(
    make_runner, tmp_path
):
    log = tmp_path / "tries.txt"
    target = f"{__name__}:_die_at_first"
    runner = make_runner(target, retries=1)
    result = run_trials(runner, make_trial("a", log=str(log), num=1))["a"]
    assert result.status is TrialStatus.COMPLETED
    assert log.read_text() == "a\n" * 2
    result = run_trials(runner, make_trial("b", log=str(log), num=4))["b"]
    assert result.status is TrialStatus.FAILED
    # With the same seed, a second try would raise the same error.
    assert log.read_text() == "a\n" * 2 + "b\n" * 2


def _die_at_first(trial, *, trial_dir, **unused):
    """Is killed by SIGKILL in its first `num` tries."""
    from tests.fakes import fake_train

    log = Path(trial.hparams["log"])
    with open(log, "a") as file:
        file.write(f"{trial.trial_id}\n")
    tries = log.read_text().split().count(trial.trial_id)
    if tries <= trial.hparams["num"]:
        os.kill(os.getpid(), signal.SIGKILL)
    return fake_train(trial)


def test_a_training_over_its_time_is_killed_and_the_others_go_on(make_runner):
    results = run_trials(
        make_runner(trial_timeout_seconds=3.0),
        make_trial("slow", "spin"),
        # Waiting for a node does not count as training.
        *[make_trial(f"t{n}", "sleep", seconds=1) for n in range(5)],
    )
    reason = "its process took longer than its limit of 3 s"
    assert results.pop("slow").reason == reason
    assert {result.reason for result in results.values()} == {""}


def test_a_training_that_ended_while_the_driver_was_busy_is_not_over_its_time(
    make_runner,
):
    driver = BusyDriver(seconds=4.0)
    runner = make_runner(trial_timeout_seconds=3.0, on_epoch=driver)
    result = run_trials(runner, make_trial("a", epochs=5))["a"]
    assert result.reason == ""
    assert driver.heard == [("a", epoch) for epoch in range(1, 6)]


def test_a_training_over_its_memory_is_killed_with_its_process(make_runner):
    runner = make_runner(
        memory_limit_bytes=3 * 2**28, trial_timeout_seconds=60.0
    )
    results = run_trials(
        runner,
        make_trial("big", "hoard"),
        # If these trials ran in the same process, they would be killed too.
        *[make_trial(f"t{n}", "sleep", seconds=0.5) for n in range(5)],
    )
    limit = "GiB of memory, more than its limit of 0.75 GiB"
    assert limit in results.pop("big").reason
    assert {result.reason for result in results.values()} == {""}


def test_threads_are_the_configs_and_no_gpu_is_seen_unless_asked_for(
    make_runner,
):
    target = f"{__name__}:_report_environment"
    metrics = run_trials(make_runner(target), make_trial("a"))["a"].metrics
    assert metrics == {"threads": "1", "gpus": "-1"}
    with pytest.raises(ConfigError, match=r"one node with .* 1 GPUs"):
        make_runner(gpus_per_trial=1)
    with pytest.raises(ConfigError, match="needs one node with 2 CPUs"):
        make_runner(config=ExperimentConfig(threads_per_trial=2))


def test_gpus_are_asked_of_ray_which_gives_no_gpu_to_two_trials(
    cluster, make_runner
):
    node = cluster.add_node(num_cpus=3, num_gpus=3, **NODE)
    try:
        runner = make_runner(
            f"{__name__}:_report_environment", gpus_per_trial=1
        )
        assert runner.num_slots == 3
        trials = [make_trial(f"t{n}", seconds=1.5) for n in range(4)]
        results = run_trials(runner, *trials)
        gpus = [result.metrics["gpus"] for result in results.values()]
        assert set(gpus) == {"0", "1", "2"}
        assert len(gpus) == 4
    finally:
        cluster.remove_node(node)


def _report_environment(trial, **unused):
    from audiotag_nas.trial import TrialResult

    time.sleep(trial.hparams.get("seconds", 0))
    metrics = {
        "gpus": os.environ["CUDA_VISIBLE_DEVICES"],
        "threads": os.environ["TF_NUM_INTRAOP_THREADS"],
    }
    return TrialResult(
        trial.trial_id, TrialStatus.COMPLETED, 0.5, metrics=metrics
    )


def test_a_node_that_can_not_train_stops_the_search_and_says_why(make_runner):
    runner = make_runner("tests.fake_trainings:no_such_function")
    runner.submit(make_trial("a"))
    with pytest.raises(SearchError, match="no_such_function"):
        runner.next_result()


def _search(runner, journal_path, on_event=None):
    return run_search(
        make_searcher("random", SPACE, seed=3),
        runner,
        Journal(journal_path),
        stage="search",
        num_trials=NUM_TRIALS,
        trials_per_round=4,
        make_trial=make_fake_trials(SPACE),
        failure_reward=0.0,
        on_event=on_event,
    )


def _journaled(path: Path) -> list[dict]:
    """Returns each trial's journal entry without values that depend on time."""
    entries = []
    for line in path.read_text().splitlines():
        value = json.loads(line)
        del value["finished_at"], value["order"], value["checksum"]
        del value["result"]["seconds"]
        entries.append(value)
    return sorted(entries, key=lambda value: value["trial"]["trial_id"])


@pytest.fixture(scope="module")
def local_search(tmp_path_factory):
    path = tmp_path_factory.mktemp("local") / "trials.jsonl"
    return _search(FakeRunner(), path), _journaled(path)


def _train_slowly(trial, **unused):
    """Tells the test where it runs. Some first tries never end."""
    from tests.fakes import fake_train

    node = ray.get_runtime_context().get_node_id()
    with open(os.environ[LOG], "a") as file:
        file.write(f"{trial.trial_id} {node} {os.getpid()}\n")
    tries = [t[0] for t in _trainings()].count(trial.trial_id)
    doomed = Path(os.environ[LOG]).with_name(trial.trial_id)
    time.sleep(600 if doomed.exists() and tries == 1 else 0.4)
    return fake_train(trial)


def _trainings() -> list[list[str]]:
    path = Path(os.environ[LOG])
    return [x.split() for x in path.read_text().splitlines()]


def test_a_search_outlives_killed_workers_and_nodes_that_leave_and_join(
    cluster, make_runner, tmp_path, local_search
):
    Path(os.environ[LOG]).write_text("")
    doomed = [
        Path(os.environ[LOG]).with_name(name)
        for name in (LOSES_NODE, LOSES_PROCESS)
    ]
    for path in doomed:
        path.touch()
    runner = make_runner(f"{__name__}:_train_slowly", retries=1)

    def place_of(trial_id) -> list[str]:
        wait_until(lambda: trial_id in [t[0] for t in _trainings()])
        return next(t for t in _trainings() if t[0] == trial_id)

    def on_event(event):
        if not isinstance(event, TrialFinished):
            return
        if event.trial.trial_id == "search-0002":
            node_id = place_of(LOSES_NODE)[1]
            [node] = [n for n in cluster.worker_nodes if n.node_id == node_id]
            cluster.remove_node(node, allow_graceful=False)
        elif event.trial.trial_id == LOSES_NODE:
            cluster.add_node(num_cpus=1, **NODE)
        elif event.trial.trial_id == "search-0006":
            os.kill(int(place_of(LOSES_PROCESS)[2]), signal.SIGKILL)

    outcome = _search(runner, tmp_path / "trials.jsonl", on_event)
    for path in doomed:
        path.unlink()
    expected, journaled = local_search
    assert _journaled(tmp_path / "trials.jsonl") == journaled
    assert outcome.recommendation == expected.recommendation
    assert outcome.best_trial == expected.best_trial
    trained = sorted(trial_id for trial_id, _, _ in _trainings())
    ids = [trial.trial_id for trial in expected.trials]
    assert trained == sorted([*ids, LOSES_NODE, LOSES_PROCESS])
    # There were two nodes. One of them left, and a third node came.
    assert len({node_id for _, node_id, _ in _trainings()}) == 3


_DRIVER = """
import sys
from pathlib import Path
from audiotag_nas.config import ExperimentConfig
from audiotag_nas.runners.ray_runner import RayRunner
from tests.runners import test_ray_runner as tests

runner = RayRunner(
    ExperimentConfig(), features_dir=Path(), trials_dir=Path(sys.argv[1]),
    address=sys.argv[2], target="tests.runners.test_ray_runner:_train_slowly",
)
tests._search(runner, Path(sys.argv[1]) / "trials.jsonl")
runner.close()
"""


def test_a_driver_killed_in_a_search_is_resumed_on_the_same_cluster(
    cluster, tmp_path, local_search
):
    Path(os.environ[LOG]).write_text("")
    journal = tmp_path / "trials.jsonl"
    command = [sys.executable, "-c", _DRIVER, str(tmp_path), cluster.address]
    driver = subprocess.Popen(command, cwd=ROOT)
    wait_until(lambda: journal.exists() and journal.read_text().count("\n") > 4)
    wait_until(lambda: len(_trainings()) > journal.read_text().count("\n"))
    driver.kill()
    driver.wait()
    num_done = journal.read_bytes().count(b"\n")
    assert 2 < num_done < NUM_TRIALS
    pids = {int(pid) for _, _, pid in _trainings()}
    wait_until(lambda: not any(map(is_running, pids)))
    num_lost = len(_trainings()) - num_done
    assert 1 <= num_lost <= 2

    subprocess.run(command, cwd=ROOT, check=True, timeout=60)
    assert _journaled(journal) == local_search[1]
    assert len(_trainings()) == NUM_TRIALS + num_lost


_PROGRAM = """
from pathlib import Path
from audiotag_nas.command_line import command
from audiotag_nas.config import ExperimentConfig
from audiotag_nas.runners.ray_runner import RayRunner

def main(argv):
    runner = RayRunner(
        ExperimentConfig(), features_dir=Path(), address={address!r},
        trials_dir=Path({directory!r}),
        target="tests.runners.test_ray_runner:_train_slowly",
    )
    from tests.runners import test_ray_runner as tests
    try:
        tests._search(runner, Path({directory!r}) / "trials.jsonl")
    finally:
        runner.close()

command.run(main)
"""


def _run_program(directory: Path, address: str) -> subprocess.Popen:
    """Starts a search as a command that writes its output into files."""
    code = _PROGRAM.format(directory=str(directory), address=address)
    with (
        open(directory / "stdout.txt", "w") as stdout,
        open(directory / "stderr.txt", "w") as stderr,
    ):
        return subprocess.Popen(
            [sys.executable, "-c", code], cwd=ROOT, stdout=stdout, stderr=stderr
        )


def _daemons(cluster, where: str) -> list[int]:
    """Returns the ids of a cluster's processes of one kind."""
    kind = "gcs_server" if where == "gcs" else "raylet"
    nodes = cluster.worker_nodes if where == "others" else [cluster.head_node]
    return [node.all_processes[kind][0].process.pid for node in nodes]


@pytest.mark.parametrize(
    ("killed", "says"),
    [
        (["head"], "the driver's raylet"),
        (["gcs"], "the GCS on the head node"),
        # Trainings end too, and must not be recorded as failed.
        (["head", "others", "trainings"], "the driver's raylet"),
    ],
)
def test_a_lost_cluster_stops_the_search_with_one_line_and_loses_no_trial(
    doomed_cluster, cluster, tmp_path, local_search, killed, says
):
    Path(os.environ[LOG]).write_text("")
    # This trial keeps the search from ending before the cluster ends.
    doomed = Path(os.environ[LOG]).with_name("search-0005")
    doomed.touch()
    journal = tmp_path / "trials.jsonl"
    program = _run_program(tmp_path, doomed_cluster.address)
    wait_until(lambda: doomed.name in [t[0] for t in _trainings()], seconds=60)
    wait_until(lambda: journal.read_text().count("\n") >= 4)
    pids = {
        "trainings": [int(t[2]) for t in _trainings()],
        **{w: _daemons(doomed_cluster, w) for w in ("head", "gcs", "others")},
    }
    for pid in sorted({pid for where in killed for pid in pids[where]}):
        # The workers of a raylet end with it.
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    assert program.wait(timeout=120) == 1
    lines = (tmp_path / "stderr.txt").read_text().splitlines()
    assert len(lines) == 1
    assert lines[0].startswith(f"error: the Ray cluster is lost: {says} (")
    assert lines[0].endswith("run the same command, which continues.")
    assert (tmp_path / "stdout.txt").read_text() == ""
    finished = _journaled(journal)
    assert 4 <= len(finished) < NUM_TRIALS
    everything = local_search[1]
    assert [line for line in everything if line in finished] == finished

    assert _run_program(tmp_path, cluster.address).wait(timeout=120) == 0
    assert _journaled(journal) == everything
    assert (tmp_path / "stderr.txt").read_text() == ""
    doomed.unlink()


def test_a_trial_whose_nodes_go_one_after_another_has_not_failed(
    doomed_cluster, tmp_path, monkeypatch
):
    monkeypatch.setattr(ray_runner, "_MAX_NODES_LOST", 2)
    runner = RayRunner(
        ExperimentConfig(),
        features_dir=tmp_path,
        trials_dir=tmp_path,
        address=doomed_cluster.address,
        target=f"{__name__}:_kill_node",
    )
    with contextlib.closing(runner):
        runner.submit(make_trial("a"))
        with pytest.raises(SearchError) as error:
            runner.next_result()
    text = str(error.value)
    assert text.startswith(
        "a: the node that trained this trial was lost 2 times"
    )
    assert text.endswith("run the same command, which continues.")
    assert "\n" not in text


def _kill_node(trial, **unused):
    """Kills its node, and then ends like a process on a lost node."""
    os.kill(int(os.environ["RAY_RAYLET_PID"]), signal.SIGKILL)
    os.kill(os.getpid(), signal.SIGKILL)


@pytest.mark.parametrize(
    ("address", "says"),
    [
        ("127.0.0.1:1", "no Ray cluster can be joined there .*refused"),
        ("ray://127.0.0.1:10001", "must be auto, local or host:port"),
    ],
)
def test_an_address_without_a_cluster_is_one_line(tmp_path, address, says):
    with pytest.raises(UserError, match=says):
        RayRunner(
            ExperimentConfig(),
            features_dir=tmp_path,
            trials_dir=tmp_path,
            address=address,
        )


def test_without_the_extra_the_flag_says_what_to_install(tmp_path):
    # Like an interpreter without Ray, because Ray is not on its path.
    (tmp_path / "ray.py").write_text("raise ImportError('no Ray here')\n")
    code = (
        "from audiotag_nas.command_line import command\n"
        "def main(argv):\n"
        "    from pathlib import Path\n"
        "    from audiotag_nas.config import ExperimentConfig\n"
        "    from audiotag_nas.runners.factory import make_runner\n"
        "    from audiotag_nas.runners.settings import RunnerSettings\n"
        "    make_runner(\n"
        "        RunnerSettings('ray'), ExperimentConfig(),\n"
        "        features_dir=Path(), trials_dir=Path())\n"
        "command.run(main)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=ROOT,
        env=os.environ | {"PYTHONPATH": f"{tmp_path}:{ROOT}"},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 1
    assert done.stderr.endswith(
        '--runner=ray needs Ray: pip install "audiotag-nas[ray]"\n'
    )
    assert done.stderr.count("\n") == 1


def test_real_trials_on_nodes_that_make_their_own_features_learn_the_same(
    cluster, tmp_path
):
    from audiotag_nas.models import load_model

    settings = {
        "ray_address": cluster.address,
        "ray_cache_dir": str(tmp_path / "cache"),
    }

    def start(name, runner, num_workers, **settings):
        trials_driver.prepare(tmp_path / name)
        module = "tests.runners.trials_driver"
        return subprocess.Popen(
            # Each process has its own directory. No node sees the driver's.
            [
                sys.executable,
                "-m",
                module,
                "/proc/self/cwd",
                runner,
                str(num_workers),
                json.dumps(settings),
            ],
            cwd=tmp_path / name,
            env=os.environ | {"PYTHONPATH": str(ROOT)},
        )

    started = [
        start("near", "in_process", 1, num_trials=2),
        start("far", "ray", 2, num_trials=2, **settings),
    ]
    assert [driver.wait(timeout=200) for driver in started] == [0, 0]
    assert (tmp_path / "far" / "epochs.txt").exists()
    far = _journaled(tmp_path / "far" / "trials.jsonl")
    assert far == _journaled(tmp_path / "near" / "trials.jsonl")
    for line in far:
        assert line["result"]["reason"] == ""
        model = f"trials/{line['trial']['trial_id']}/model.keras"
        assert (
            load_model(tmp_path / "far" / model).count_params()
            == (line["result"]["metrics"]["num_parameters"])
        )
    # The features were prepared once, although two processes needed them.
    assert len(list((tmp_path / "cache").glob("made-*"))) == 1
    [made] = (tmp_path / "cache").glob("*/*/development/index.json")
    [at_driver] = (tmp_path / "far").glob("features/*/development/index.json")
    assert made.read_bytes() == at_driver.read_bytes()
