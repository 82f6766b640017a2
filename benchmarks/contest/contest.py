"""Runs every searcher on every problem under the same conditions.

A task is one search with one searcher, one problem and one seed. The seed
determines the problem's instance, the noise of the rewards and the searcher's
random choices. The searcher is told all rewards of a batch of points before it
is asked for the next batch. A repetition of a point counts as a trial too. The
true regret of a point is the problem's highest true value minus the point's
true value. At each checkpoint (a number of trials), the true regrets of two
points are recorded: the searcher recommends the first point, and
`recommend_by_common_rule` recommends the second point. The second regret shows
how good the searcher's trials are by themselves.

Tasks run in worker processes with one thread each. Each finished task becomes
a line of a file (`results.py`). An interrupted contest can be continued.
"""

import concurrent.futures
import gc
import importlib.metadata
import importlib.util
import itertools
import multiprocessing
import os
import threading
import time
from collections.abc import Callable, Iterable, Mapping, Sequence

import numpy as np

from audiotag_nas.errors import ConfigError, DataError
from audiotag_nas.search.observed_rewards import ObservedRewards
from audiotag_nas.search.reinforce.reward_model import RewardModel
from audiotag_nas.search.searcher import SEARCHERS, Searcher, make_searcher
from audiotag_nas.space import SearchSpace, Tokens
from benchmarks.contest.problems import ANALYTIC, Problem, make_analytic
from benchmarks.contest.results import (
    ABLATION,
    CSV_PREFIX,
    ResultsFile,
    Task,
    TaskResult,
    csv_digest,
)
from benchmarks.contest.table_problems import (
    TableProblem,
    default_table,
    read_csv_problem,
    recorded_problem,
)

TRIALS_PER_ROUND = 4
PROBLEMS = ("table", *ANALYTIC)

_OPTUNA = {
    "optuna_tpe": "tpe",
    "optuna_tpe_multivariate": "tpe_multivariate",
    "optuna_tpe_independent": "tpe_independent",
    "optuna_gp": "gp",
}
_KERAS_TUNER = "keras_tuner_bayesian"

SEARCHER_NAMES = (
    *(name for name in SEARCHERS if name != "grid"),
    ABLATION,
    *_OPTUNA,
    _KERAS_TUNER,
)
"""All searchers of the contest."""

_REQUIRED_MODULES = {
    **dict.fromkeys(_OPTUNA, ("optuna",)),
    "optuna_gp": ("optuna", "torch"),
    _KERAS_TUNER: ("keras_tuner", "sklearn"),
}
"""Searcher -> modules of the extra `contest` that the searcher imports."""

_ONE_THREAD = dict.fromkeys(
    (
        "OMP_NUM_THREADS",
        "OPENBLAS_NUM_THREADS",
        "MKL_NUM_THREADS",
        "TF_NUM_INTRAOP_THREADS",
        "TF_NUM_INTEROP_THREADS",
    ),
    "1",
)
_TASKS_PER_WORKER = 100
"""Number of tasks per worker after which all workers are replaced. TensorFlow
does not free some MB of memory per graph."""

_DIGITS = 7


def recommend_by_common_rule(
    space: SearchSpace, tokens: Sequence[Tokens], rewards: Sequence[float]
) -> Tokens:
    """Returns the observed point with the highest posterior mean.

    `reinforce` recommends by the same rule. If fewer than three different
    points were observed, the point with the highest mean reward is returned.

    Args:
        space: the search space.
        tokens: the point of each trial, in the order of the trials.
        rewards: the reward of each trial.
    """
    observed = ObservedRewards(space)
    observed.add(tokens, rewards)
    if len(observed.rewards) < 3:
        return observed.best()
    model = RewardModel(space)
    model.learn(observed.rewards, max_iterations=60)
    return model.best_observed()


def problem_names(
    names: Iterable[str] | None, csv_paths: Sequence[str]
) -> list[str]:
    """Returns the names of all selected problems.

    Args:
        names: values of `--problems`; None means all problems. Empty strings
            are ignored.
        csv_paths: values of `--table_csv`.

    Raises:
        ConfigError: no problem is selected.
    """
    given = [name for name in (PROBLEMS if names is None else names) if name]
    if not given and not csv_paths:
        raise ConfigError(
            "--problems: must name a problem if --table_csv is not set. "
            "Received: ''"
        )
    return [*given, *(f"{CSV_PREFIX}{path}" for path in csv_paths)]


def make_problem(name: str, seed: int) -> Problem:
    """Returns the instance of a problem for one seed.

    Raises:
        ConfigError: the name is unknown.
        StoreError: the recorded table cannot be read.
        DataError: the CSV file is invalid.
    """
    if name.startswith(CSV_PREFIX):
        path = name.removeprefix(CSV_PREFIX)
        return read_csv_problem(path, name=name)
    if name == "table":
        return recorded_problem(default_table())
    if name not in ANALYTIC:
        raise ConfigError(
            f"a problem must be one of {list(PROBLEMS)}. Received: {name!r}"
        )
    return make_analytic(name, seed)


def missing_points_note(problem: Problem) -> str:
    """Returns a note on a table's missing points; empty if none is missing."""
    if not isinstance(problem, TableProblem):
        return ""
    num, size = problem.num_recorded, problem.space.size
    if num == size:
        return ""
    return (
        f"{problem.name}: {num:,} of {size:,} points have a row. Points "
        "without a row get the lowest reward"
    )


def check_searcher(name: str) -> None:
    """Checks that a searcher exists and that its library is installed.

    Raises:
        ConfigError: the searcher does not exist, or a required module is
            missing.
    """
    if name not in SEARCHER_NAMES:
        raise ConfigError(
            f"a searcher must be one of {list(SEARCHER_NAMES)}. "
            f"Received: {name!r}"
        )
    missing = _missing_modules(name)
    if missing:
        others = ",".join(n for n in SEARCHER_NAMES if not _missing_modules(n))
        raise ConfigError(
            f"searcher `{name}` needs {missing[0]}: pip install "
            "'audiotag-nas[contest]', or leave it out with "
            f"--searchers={others}"
        )


def _missing_modules(name: str) -> list[str]:
    return [
        module
        for module in _REQUIRED_MODULES.get(name, ())
        if importlib.util.find_spec(module) is None
    ]


def make_contest_searcher(name: str, space: SearchSpace, seed: int) -> Searcher:
    """Returns a new searcher of this package or of another library.

    Raises:
        ConfigError: see `check_searcher`.
    """
    check_searcher(name)
    if name in _OPTUNA:
        from benchmarks.contest.rivals_optuna import OptunaSearcher

        return OptunaSearcher(space, sampler=_OPTUNA[name], seed=seed)
    if name == _KERAS_TUNER:
        from benchmarks.contest.rivals_keras_tuner import KerasTunerSearcher

        return KerasTunerSearcher(space, seed=seed)
    if name == ABLATION:
        return make_searcher("reinforce", space, seed=seed, policy_steps=0)
    return make_searcher(name, space, seed=seed)


def library_of(searcher: str) -> str:
    """Returns the name and version of the library of a searcher."""
    package = "audiotag-nas"
    if searcher in _OPTUNA:
        package = "optuna"
    elif searcher == _KERAS_TUNER:
        package = "keras-tuner"
    try:
        return f"{package} {importlib.metadata.version(package)}"
    except importlib.metadata.PackageNotFoundError:
        return package


def run_task(task: Task) -> TaskResult:
    """Runs one search up to its last checkpoint.

    Raises:
        DataError: the content of the task's CSV file has changed.
    """
    path = task.problem.removeprefix(CSV_PREFIX)
    if task.digest and csv_digest(path) != task.digest:
        raise DataError(f"{path}: must not change while the contest runs.")
    problem = make_problem(task.problem, task.seed)
    generator = np.random.default_rng([task.seed, *b"rewards"])
    started = time.process_time()
    searcher = make_contest_searcher(task.searcher, problem.space, task.seed)
    start_cpu_seconds = time.process_time() - started
    tokens: list[Tokens] = []
    rewards: list[float] = []
    regrets, common_regrets = [], []
    cpu_seconds = 0.0
    for checkpoint in task.checkpoints:
        while len(tokens) < checkpoint:
            # The last batch before a checkpoint may be smaller.
            num = min(TRIALS_PER_ROUND, checkpoint - len(tokens))
            before = time.process_time()
            asked = searcher.ask(num)
            cpu_seconds += time.process_time() - before
            if not asked:
                break
            batch_rewards = [problem.reward(p, generator) for p in asked]
            before = time.process_time()
            searcher.tell(asked, batch_rewards)
            cpu_seconds += time.process_time() - before
            tokens += asked
            rewards += batch_rewards
        own = searcher.recommend()
        common = recommend_by_common_rule(problem.space, tokens, rewards)
        regrets.append(problem.best_value - problem.true_value(own))
        common_regrets.append(problem.best_value - problem.true_value(common))
    return TaskResult(
        task=task,
        regrets=tuple(round(r, _DIGITS) for r in regrets),
        common_regrets=tuple(round(r, _DIGITS) for r in common_regrets),
        cpu_seconds=round(cpu_seconds, 3),
        start_cpu_seconds=round(start_cpu_seconds, 3),
        library=library_of(task.searcher),
    )


def make_tasks(
    problems: Iterable[str],
    searchers: Iterable[str],
    *,
    num_seeds: int,
    num_trials: int,
    digests: Mapping[str, str] | None = None,
) -> list[Task]:
    """Returns all tasks, ordered by seed.

    Because of this order, an interrupted contest has about the same number of
    finished searches for each pair of problem and searcher.

    Args:
        problems, searchers: names of problems and of searchers.
        num_seeds: number of searches per pair of problem and searcher.
        num_trials: number of trials per search.
        digests: digests of the CSV problems, from `csv_digests`.
    """
    problems, searchers = list(problems), list(searchers)
    digests = digests or {}
    return [
        Task(problem, searcher, seed, num_trials, digests.get(problem, ""))
        for seed, problem, searcher in itertools.product(
            range(num_seeds), problems, searchers
        )
    ]


def run_contest(
    tasks: Sequence[Task],
    results: ResultsFile,
    *,
    num_workers: int,
    on_result: Callable[[TaskResult, int, int], None],
) -> None:
    """Runs the tasks that are missing in `results`.

    Args:
        tasks: all tasks of the contest.
        results: the file to which each result is appended.
        num_workers: number of processes, each with one thread.
        on_result: called after each task with its result, the number of
            finished tasks and the number of all tasks.

    Raises:
        UserError: a task raised this error. Earlier results are kept.
    """
    remaining = [task for task in tasks if task not in results.results]
    num_done = len(tasks) - len(remaining)
    # A spawned worker's libraries read these variables during their import.
    os.environ.update(_ONE_THREAD)
    while remaining:
        num = num_workers * _TASKS_PER_WORKER
        group, remaining = remaining[:num], remaining[num:]
        pool = concurrent.futures.ProcessPoolExecutor(
            num_workers,
            mp_context=multiprocessing.get_context("spawn"),
            initializer=_start_worker,
        )
        try:
            futures = [pool.submit(_run_in_worker, task) for task in group]
            for future in concurrent.futures.as_completed(futures):
                result = future.result()
                results.append(result)
                num_done += 1
                on_result(result, num_done, len(tasks))
        finally:
            pool.shutdown(cancel_futures=True)


def _start_worker() -> None:
    """Makes the worker exit when the parent process ends or is killed."""
    parent = multiprocessing.parent_process()
    if parent is not None:

        def watch() -> None:
            parent.join()
            os._exit(1)

        threading.Thread(target=watch, daemon=True).start()


def _run_in_worker(task: Task) -> TaskResult:
    try:
        return run_task(task)
    finally:
        # Frees TensorFlow graphs, which contain reference cycles.
        gc.collect()
