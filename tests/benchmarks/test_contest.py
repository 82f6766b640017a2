"""Compares the contest's regrets with numbers by hand, and runs the command."""

import json
import math
import os
import subprocess
import sys
import time
from pathlib import Path

import matplotlib.image
import pytest

from audiotag_nas.errors import ConfigError, StoreError
from audiotag_nas.space import Decision, SearchSpace
from benchmarks.contest.contest import (
    make_contest_searcher,
    make_tasks,
    recommend_by_common_rule,
    run_task,
)
from benchmarks.contest.regrets import OURS, Estimate, Regrets
from benchmarks.contest.report import contest_report, plot_contest
from benchmarks.contest.results import (
    ResultsFile,
    Task,
    TaskResult,
    csv_digests,
    read_results,
)

ROOT = Path(__file__).parents[2]

# The point of the highest reward, 0.9, has a true value of only 0.5.
CSV = "n,reward_1,value\n1,0.9,0.5\n2,0.8,0.7\n3,0.1,0.2\n"


def result(problem, searcher, seed, regrets, *, common_regrets=None):
    return TaskResult(
        task=Task(problem, searcher, seed, num_trials=50),
        regrets=regrets,
        common_regrets=common_regrets or regrets,
        cpu_seconds=0.5,
        start_cpu_seconds=2.0,
        library="library 1.0",
    )


def test_the_regret_uses_the_true_value_of_the_recommendation(tmp_path):
    path = tmp_path / "mine.csv"
    path.write_text(CSV)
    done = run_task(Task(f"csv:{path}", "random", 0, num_trials=60))
    # The probability that 25 trials miss one of the three points is 1e-4.
    assert done.task.checkpoints == (25, 50, 60)
    assert done.regrets == pytest.approx((0.2,) * 3)
    assert done.common_regrets == pytest.approx((0.2,) * 3)
    assert done.library.startswith("audiotag-nas")
    assert Task("table", "random", 0, 300).checkpoints[-2:] == (200, 300)


def test_every_trial_counts_and_no_batch_crosses_a_checkpoint(
    tmp_path, monkeypatch
):
    from audiotag_nas.search.searchers.random_search import RandomSearcher
    from benchmarks.contest import contest

    asked = []

    class Spy(RandomSearcher):
        def ask(self, num):
            asked.append(num)
            return super().ask(num)

    path = tmp_path / "mine.csv"
    path.write_text(CSV)
    monkeypatch.setattr(
        contest, "make_contest_searcher", lambda name, space, seed: Spy(space)
    )
    run_task(Task(f"csv:{path}", "random", 0, num_trials=100))
    assert asked == [4] * 6 + [1] + [4] * 6 + [1] + [4] * 12 + [2]


def test_the_common_rule_trusts_four_good_trials_more_than_one_lucky_one():
    kinds = SearchSpace((Decision("kind", tuple("abcdef"), ordinal=False),))
    rewards = {
        0: [0.80],
        1: [0.75, 0.83, 0.76, 0.82],  # The mean is 0.79.
        2: [0.46, 0.54, 0.45, 0.55],
        3: [0.57, 0.63, 0.56, 0.64],
        4: [0.40],
    }
    trials = [((kind,), r) for kind, own in rewards.items() for r in own]
    assert recommend_by_common_rule(kinds, *zip(*trials, strict=True)) == (1,)


def test_reinforce_without_policy_never_trains_one():
    space = SearchSpace(
        tuple(Decision(name, (0, 1, 2, 3)) for name in ("a", "b", "c"))
    )
    for name, trains_policy in (
        ("reinforce", True),
        ("reinforce_without_policy", False),
    ):
        searcher = make_contest_searcher(name, space, 0)
        for _ in range(4):
            points = searcher.ask(4)
            searcher.tell(points, [sum(point) / 9 for point in points])
        assert bool(searcher.metrics) == trains_policy


def test_an_unknown_searcher_is_refused_with_the_known_ones():
    space = SearchSpace((Decision("a", (0, 1, 2)),))
    with pytest.raises(ConfigError, match=r"optuna_tpe.*Received: 'grid'"):
        make_contest_searcher("grid", space, 0)


def test_an_estimate_has_the_standard_error_of_the_mean():
    # Deviations -1, 0, 1 have variance 1 (with n - 1) and error 1/sqrt(3).
    estimate = Estimate.of([1.0, 2.0, 3.0])
    assert estimate.mean == pytest.approx(2.0)
    assert estimate.error == pytest.approx(1 / math.sqrt(3))
    assert math.isnan(Estimate.of([1.0]).error)


RESULTS = [
    result("a", "random", 0, (4.0, 2.0)),
    result("a", "random", 1, (8.0, 2.0)),
    result("a", "evolution", 0, (3.0, 1.0)),
    result("a", "evolution", 1, (5.0, 3.0)),
    result("a", "reinforce", 0, (2.0, 0.5)),
    result("a", "reinforce", 1, (1.0, 0.5)),
    result("b", "random", 0, (0.5, 0.1)),
    result("b", "random", 1, (0.5, 0.3)),
    result("b", "evolution", 0, (0.75, 0.2)),
    result("b", "evolution", 1, (0.75, 0.2)),
    result("b", "reinforce", 0, (0.25, 0.2)),
    result("b", "reinforce", 1, (0.75, 0.2)),
]


def test_averages_are_relative_to_random_search():
    regrets = Regrets(RESULTS)
    assert regrets.checkpoints == (25, 50)
    assert regrets.estimate("a", "evolution", 25).mean == pytest.approx(4.0)
    assert regrets.average("random", 25).mean == pytest.approx(1.0)
    # a: 4 / 6, b: 0.75 / 0.5.
    average = regrets.average("evolution", 25)
    assert average.mean == pytest.approx((4 / 6 + 1.5) / 2)
    # The error of a: sqrt(2) / sqrt(2) / 6, of b: 0.
    assert average.error == pytest.approx(1 / 6 / 2)
    assert regrets.best_rival("a", 25) == "evolution"
    assert regrets.best_rival("b", 25) == "random"
    assert regrets.best_rival(None, 25) == "random"


def test_deceptive_is_reported_but_not_averaged(tmp_path):
    deceptive = [
        result("deceptive", r.task.searcher, r.task.seed, (9.0, 9.0))
        for r in RESULTS[:6]
    ]
    regrets, without = Regrets([*RESULTS, *deceptive]), Regrets(RESULTS)
    assert regrets.problems == ["a", "b", "deceptive"]
    for searcher in ("random", "evolution"):
        assert regrets.average(searcher, 25) == without.average(searcher, 25)
        assert regrets.paired(None, searcher, 25) == without.paired(
            None, searcher, 25
        )
    text = contest_report([*RESULTS, *deceptive], markdown=True)
    assert text.count("### deceptive: true regret") == 2
    assert text.count("### average of problems without deceptive, ") == 2
    # With this problem only, there is no average.
    text = contest_report(deceptive)
    assert text.count("Left out: no problem enters the average.") == 2
    plot_contest(tmp_path / "contest.png", deceptive)


def test_pairs_are_seed_by_seed():
    regrets = Regrets(RESULTS)
    # 2 - 3 and 1 - 5; (2 + 1) / (3 + 5).
    pair = regrets.paired("a", "evolution", 25)
    one = pair.difference
    assert (one.mean, one.error, one.num_seeds) == pytest.approx((-2.5, 1.5, 2))
    assert pair.ratio == pytest.approx(3 / 8)
    # Seed 0: ((2 - 4) / 6 + (0.25 - 0.5) / 0.5) / 2 = -5/12;
    # seed 1: ((1 - 8) / 6 + (0.75 - 0.5) / 0.5) / 2 = -1/3.
    pair = regrets.paired(None, "random", 25)
    assert pair.difference.mean == pytest.approx(-3 / 8)
    assert pair.difference.error == pytest.approx(1 / 24)
    # Ours: (2/6 + 1/2) / 2 = 5/12 and (1/6 + 3/2) / 2 = 5/6; random's: 5/6
    # and (8/6 + 1) / 2 = 7/6.
    assert pair.ratio == pytest.approx((5 / 12 + 5 / 6) / (5 / 6 + 7 / 6))
    # A seed that one searcher lacks does not count.
    pair = Regrets(RESULTS[:-1]).paired(None, "random", 25)
    assert pair.difference.num_seeds == 1
    assert pair.ratio == pytest.approx((5 / 12) / (5 / 6))


def test_the_best_rival_is_not_an_ablation():
    better = [
        result("a", "reinforce_without_policy", seed, (0.0, 0.0))
        for seed in (0, 1)
    ]
    regrets = Regrets([*RESULTS, *better])
    assert regrets.best_rival("a", 25) == "evolution"


def test_the_report_has_both_recommendations_and_the_cpu_time():
    results = [
        result(r.task.problem, r.task.searcher, r.task.seed, r.regrets)
        if r.task.searcher != "evolution"
        else result(
            r.task.problem,
            "evolution",
            r.task.seed,
            r.regrets,
            common_regrets=(9.0, 8),
        )
        for r in RESULTS
    ]
    text = contest_report(results, markdown=True)
    own, common, time_table = text.split("\n## ")
    assert "| evolution |     2 | 4.0000 ± 1.0000 | 2.0000 ± 1.0000 |" in own
    assert "| evolution |     2 | 9.0000 ± 0.0000 | 8.0000 ± 0.0000 |" in common
    # 0.5 s for 50 trials.
    assert "| evolution | library 1.0 |     10.0 | 10.0 |" in time_table
    assert "| average | " in own


def test_without_random_search_there_is_no_average():
    text = contest_report([r for r in RESULTS if r.task.searcher != "random"])
    assert "nan" not in text
    assert text.count("Left out: random search took no part.") == 2
    assert "against each other searcher" not in text
    regrets = Regrets(RESULTS[2:6])
    assert regrets.best_rival(None, 25) is None
    alone = contest_report([r for r in RESULTS if r.task.searcher == OURS])
    assert alone.count("Left out: no other searcher took part.") == 2


def test_without_regret_of_random_search_there_is_no_average(tmp_path):
    rest = [r for r in RESULTS if r.task.problem == "a"]
    found = [
        result("b", searcher, seed, (0.0, last))
        for searcher in ("random", "evolution", "reinforce")
        for seed, last in enumerate((0.0, 0.0 if searcher == "random" else 0.2))
    ]
    text = contest_report(rest + found)
    assert "nan" not in text
    assert text.count("Left out: random search has no regret on b.") == 2
    # There is an average where random search has a regret, the last checkpoint.
    found[1] = result("b", "random", 1, (0.0, 0.4))
    text = contest_report(rest + found, markdown=True)
    assert "nan" not in text
    assert text.count("(-): random search has no regret on b after 25 ") == 2
    # (2 / 2 + 0.1 / 0.2) / 2 and (0.5 / 2 + 0.1 / 0.2) / 2.
    assert "| evolution |     2 |   - | 0.7500 ±" in text
    assert "| evolution |     2 |   - | 0.50 (-0.3750 ±" in text
    path = tmp_path / "contest.png"
    plot_contest(path, rest + found)
    with_average = matplotlib.image.imread(path)
    plot_contest(path, rest)
    assert matplotlib.image.imread(path).shape[1] < with_average.shape[1]


def test_results_are_read_again_and_an_incomplete_last_line_is_removed(
    tmp_path,
):
    path = tmp_path / "contest.jsonl"
    file = ResultsFile(path)
    for one in RESULTS[:3]:
        file.append(one)
    whole = path.read_bytes()
    path.write_bytes(whole + b'{"problem": "a", "se')
    assert list(read_results(path).values()) == RESULTS[:3]
    again = ResultsFile(path)
    assert path.read_bytes() == whole
    again.append(RESULTS[3])
    assert list(read_results(path).values()) == RESULTS[:4]
    path.write_bytes(b'{"problem": "a"}\n' + whole)
    with pytest.raises(StoreError, match=r"contest.jsonl, line 1: damaged"):
        ResultsFile(path)


SEARCHERS = (
    *("random", "evolution", "local_search"),
    *("gaussian_process", "optuna_tpe"),
)


def test_an_interrupted_contest_continues_and_reports(tmp_path):
    csv_path = tmp_path / "mine.csv"
    csv_path.write_text(
        "a,b,reward_1,reward_2\n"
        + "".join(
            f"{a},{'xy'[b]},{0.1 * a + 0.05 * b},{0.1 * a + 0.02}\n"
            for a in range(5)
            for b in range(2)
        )
    )
    output_dir = tmp_path / "out"
    results_path = output_dir / "contest.jsonl"
    command = [
        *(sys.executable, "-m", "benchmarks.searchers"),
        *(f"--output_dir={output_dir}", f"--searchers={','.join(SEARCHERS)}"),
        *("--problems=needle", f"--table_csv={csv_path}"),
        *("--seeds=2", "--trials=12", "--workers=1"),
    ]
    path = os.pathsep.join([str(ROOT), *filter(None, sys.path)])
    environment = os.environ | {"PYTHONPATH": path}

    def num_lines():
        if not results_path.exists():
            return 0
        return results_path.read_bytes().count(b"\n")

    first = subprocess.Popen(
        command, env=environment, stdout=subprocess.DEVNULL
    )
    deadline = time.monotonic() + 120
    while num_lines() < 3:
        assert first.poll() is None
        assert time.monotonic() < deadline
        time.sleep(0.02)
    first.kill()
    first.wait()
    kept = results_path.read_bytes()
    results_path.write_bytes(kept + b'{"problem": "nee')

    done = subprocess.run(
        command, env=environment, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    assert results_path.read_bytes().startswith(kept)
    problems = ["needle", f"csv:{csv_path}"]
    tasks = make_tasks(
        problems,
        SEARCHERS,
        num_seeds=2,
        num_trials=12,
        digests=csv_digests(problems, []),
    )
    results = read_results(results_path)
    assert set(results) == set(tasks)
    assert num_lines() == len(tasks)
    for task in tasks:
        again = run_task(task)
        assert results[task].regrets == again.regrets
        assert results[task].common_regrets == again.common_regrets
    assert "Common recommendation rule" in done.stdout
    assert (output_dir / "contest.png").read_bytes()[:4] == b"\x89PNG"
    assert "| optuna_tpe " in (output_dir / "contest.md").read_text()

    # A wrong name is reported in one line before any search runs.
    wrong = subprocess.run(
        [*command, "--searchers=random,anneal"],
        env=environment,
        capture_output=True,
        text=True,
    )
    assert wrong.returncode == 1
    assert "Received: 'anneal'" in wrong.stderr
    assert "Traceback" not in wrong.stderr
    for line in results_path.read_text().splitlines():
        assert len(line) < 400, json.loads(line)
