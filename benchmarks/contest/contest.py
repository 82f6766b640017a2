"""Every searcher on every problem, alike: how good is what it recommends?

A task is one search: one searcher, one problem and one seed, which draws the
problem's instance, the noise of its rewards and the searcher's chances. Points
are asked for in batches and all of a batch is told before the next; every
training counts, those of points trained before too. At checkpoints the true
regret, best value - true value, is taken of two recommendations: the
searcher's own, and that of one rule for all (`recommend_alike`) applied to
what the searcher was told, which shows where a gain comes from.

Tasks run in worker processes of one thread each. A finished task is one line
of a file (`contest_results`), so the same command goes on where it was
stopped.
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
from audiotag_nas.search.searcher import (
    SEARCHERS,
    Searcher,
    make_searcher,
)
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
    read_csv_problem,
    recorded_problem,
    shipped_table,
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

CONTESTANTS = (
    *(name for name in SEARCHERS if name != "grid"),
    ABLATION,
    *_OPTUNA,
    _KERAS_TUNER,
)
"""Names of all searchers that can take part."""

_NEEDS = {
    **dict.fromkeys(_OPTUNA, ("optuna",)),
    "optuna_gp": ("optuna", "torch"),
    _KERAS_TUNER: ("keras_tuner", "sklearn"),
}
"""Modules of the extra `contest` that a searcher needs."""

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
"""After that a worker is replaced: TensorFlow keeps some MB of each graph."""

_DIGITS = 7


def recommend_alike(
    space: SearchSpace, tokens: Sequence[Tokens], rewards: Sequence[float]
) -> Tokens:
    """The one rule of recommending that all searchers are also judged by.

    That of `reinforce`: of the points told, the one of the highest posterior
    mean under its reward model; below three points the best mean.

    Args:
        space: what was searched.
        tokens: of all trainings, in order.
        rewards: what they earned.
    """
    told = ObservedRewards(space)
    told.add(tokens, rewards)
    if len(told.rewards) < 3:
        return told.best()
    model = RewardModel(space)
    model.learn(told.rewards, max_iterations=60)
    return model.best_observed()


def problem_names(
    names: Iterable[str] | None, csv_paths: Sequence[str]
) -> list[str]:
    """The names that flags give, and those of CSV files.

    Args:
        names: of problems; all there are if None, none where empty.
        csv_paths: of tables of a user's own.

    Raises:
        ConfigError: there is neither.
    """
    given = [name for name in (PROBLEMS if names is None else names) if name]
    if not given and not csv_paths:
        raise ConfigError(
            "--problems: must name a problem where --table_csv names no file. "
            "Received: ''"
        )
    return [*given, *(f"{CSV_PREFIX}{path}" for path in csv_paths)]


def make_problem(name: str, seed: int) -> Problem:
    """A problem for one task: its instance of this seed.

    Raises:
        ConfigError: no such problem.
        StoreError: the shipped table can't be read.
        DataError: a CSV file that breaks a rule.
    """
    if name.startswith(CSV_PREFIX):
        path = name.removeprefix(CSV_PREFIX)
        return read_csv_problem(path, name=name)
    if name == "table":
        return recorded_problem(shipped_table())
    if name not in ANALYTIC:
        raise ConfigError(
            f"a problem must be one of {list(PROBLEMS)}. Received: {name!r}"
        )
    return make_analytic(name, seed)


def holes_words(problem: Problem) -> str:
    """How many points of a table can't be trained; empty where all can."""
    if not isinstance(problem, TableProblem):
        return ""
    num, size = problem.num_recorded, problem.space.size
    if num == size:
        return ""
    return (
        f"{problem.name}: {num:,} of {size:,} points have a row; trying any "
        "other earns the lowest reward"
    )


def check_contestant(name: str) -> None:
    """Sees that a searcher can be made.

    Raises:
        ConfigError: no such searcher, or its library is not installed.
    """
    if name not in CONTESTANTS:
        raise ConfigError(
            f"a searcher must be one of {list(CONTESTANTS)}. Received: {name!r}"
        )
    for module in _NEEDS.get(name, ()):
        if importlib.util.find_spec(module) is None:
            others = ",".join(filter(_is_installed, CONTESTANTS))
            raise ConfigError(
                f"searcher `{name}` needs {module}: pip install "
                "'audiotag-nas[contest]', or leave it out by "
                f"--searchers={others}"
            )


def _is_installed(name: str) -> bool:
    """Whether all is there that a searcher needs."""
    return all(
        importlib.util.find_spec(module) is not None
        for module in _NEEDS.get(name, ())
    )


def make_contestant(name: str, space: SearchSpace, seed: int) -> Searcher:
    """A searcher of this package or another library, at its beginning.

    Raises:
        ConfigError: as for `check_contestant`.
    """
    check_contestant(name)
    if name in _OPTUNA:
        from benchmarks.contest.rivals_optuna import OptunaSearcher

        return OptunaSearcher(space, sampler=_OPTUNA[name], seed=seed)
    if name == _KERAS_TUNER:
        from benchmarks.contest.rivals_keras_tuner import (
            KerasTunerSearcher,
        )

        return KerasTunerSearcher(space, seed=seed)
    if name == ABLATION:
        return make_searcher("reinforce", space, seed=seed, policy_steps=0)
    return make_searcher(name, space, seed=seed)


def library_of(searcher: str) -> str:
    """The package that a contestant comes from, with its version."""
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
    """One search, from its first batch to its last checkpoint.

    Raises:
        DataError: the task's CSV file is another one by now.
    """
    path = task.problem.removeprefix(CSV_PREFIX)
    if task.digest and csv_digest(path) != task.digest:
        raise DataError(f"{path}: must not change while the contest runs.")
    problem = make_problem(task.problem, task.seed)
    generator = np.random.default_rng([task.seed, *b"rewards"])
    started = time.process_time()
    searcher = make_contestant(task.searcher, problem.space, task.seed)
    start_cpu_seconds = time.process_time() - started
    tokens: list[Tokens] = []
    rewards: list[float] = []
    regrets, alike = [], []
    cpu_seconds = 0.0
    for checkpoint in task.checkpoints:
        while len(tokens) < checkpoint:
            # A batch is cut short where a checkpoint falls into it.
            num = min(TRIALS_PER_ROUND, checkpoint - len(tokens))
            before = time.process_time()
            asked = searcher.ask(num)
            cpu_seconds += time.process_time() - before
            if not asked:
                break
            earned = [problem.reward(point, generator) for point in asked]
            before = time.process_time()
            searcher.tell(asked, earned)
            cpu_seconds += time.process_time() - before
            tokens += asked
            rewards += earned
        own = searcher.recommend()
        common = recommend_alike(problem.space, tokens, rewards)
        regrets.append(problem.best_value - problem.true_value(own))
        alike.append(problem.best_value - problem.true_value(common))
    return TaskResult(
        task=task,
        regrets=tuple(round(regret, _DIGITS) for regret in regrets),
        alike=tuple(round(regret, _DIGITS) for regret in alike),
        cpu_seconds=round(cpu_seconds, 3),
        start_cpu_seconds=round(start_cpu_seconds, 3),
        library=library_of(task.searcher),
    )


def make_tasks(
    problems: Iterable[str],
    searchers: Iterable[str],
    *,
    num_seeds: int,
    num_children: int,
    digests: Mapping[str, str] | None = None,
) -> list[Task]:
    """All tasks, seed by seed, so that a contest cut short is a fair one.

    Args:
        problems, searchers: names.
        num_seeds: searches each.
        num_children: trainings of a search.
        digests: of the CSV problems, from `contest_results.csv_digests`.
    """
    problems, searchers = list(problems), list(searchers)
    digests = digests or {}
    return [
        Task(problem, searcher, seed, num_children, digests.get(problem, ""))
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
    """Runs the tasks that `results` has not, and adds them to it.

    Args:
        tasks: all of them.
        results: where they go, each as it is done.
        num_workers: processes; each has one thread.
        on_result: called with each result, how many tasks are done and how
            many there are.

    Raises:
        UserError: what a task raised; what was done by then is kept.
    """
    left = [task for task in tasks if task not in results.results]
    num_done = len(tasks) - len(left)
    # Read by the libraries as they are imported: they must be set before the
    # workers start, and spawned ones start from nothing.
    os.environ.update(_ONE_THREAD)
    while left:
        num = num_workers * _TASKS_PER_WORKER
        some, left = left[:num], left[num:]
        pool = concurrent.futures.ProcessPoolExecutor(
            num_workers,
            mp_context=multiprocessing.get_context("spawn"),
            initializer=_start_worker,
        )
        try:
            futures = [pool.submit(_run_in_worker, task) for task in some]
            for future in concurrent.futures.as_completed(futures):
                result = future.result()
                results.append(result)
                num_done += 1
                on_result(result, num_done, len(tasks))
        finally:
            pool.shutdown(cancel_futures=True)


def _start_worker() -> None:
    """A worker ends with its parent, also when that is killed."""
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
        # Searchers hold graphs in cycles.
        gc.collect()
