"""Tests the recorded table, and problems made of recorded trials."""

import itertools

import numpy as np
import pytest

from audiotag_nas.architecture import CRNN_BASELINE
from audiotag_nas.errors import ConfigError, DataError, StoreError
from audiotag_nas.search.journal import JournalEntry
from audiotag_nas.space import Decision, SearchSpace
from audiotag_nas.trial import Trial, TrialResult, TrialStatus
from benchmarks.contest.table_problems import read_csv_problem, recorded_problem
from benchmarks.table.recorded_table import RecordedTable, write_table

SPACE = SearchSpace(
    (
        Decision("filters", (4, 8, 16)),
        Decision("recurrent", ("gru", "none"), ordinal=False),
    )
)
NUM_SEEDS, NUM_EPOCHS = 2, 4


def entry(tokens, seed, *, history=None, best_epoch=3, failed=False, order=0):
    """Returns a trial whose default curves depend on the point and the seed."""
    offset = (tokens[0] * 10 + tokens[1] * 5 + seed) / 1000
    history = history or {
        "validation_eer": [0.5, 0.3 + offset, 0.2 + offset, 0.4],
        "fold1_eer": [0.45, 0.2, 0.3 + offset, 0.25],
        "evaluation_eer": [0.5, 0.35, 0.25 + 2 * offset, 0.1],
        "training_loss": [0.9, 0.7, 0.6, 9.0],
    }
    trial_id = f"table-{seed}-{tokens[0]}{tokens[1]}"
    return JournalEntry(
        order=order,
        finished_at="2026-01-31T12:00:00Z",
        trial=Trial(trial_id, "table", seed, tokens, {}, CRNN_BASELINE, seed),
        result=TrialResult(trial_id, TrialStatus.FAILED, None, reason="NaN.")
        if failed
        else TrialResult(
            trial_id,
            TrialStatus.COMPLETED,
            0.8,
            metrics={
                "num_parameters": 100 + 10 * tokens[0] + tokens[1],
                "cpu_seconds": 5.25 + seed,
                "best_epoch": best_epoch,
            },
            history=history,
        ),
        line_number=order + 1,
    )


def all_entries():
    places = itertools.product(range(NUM_SEEDS), range(3), range(2))
    return [
        entry((a, b), seed, order=order)
        for order, (seed, a, b) in enumerate(places)
    ]


@pytest.fixture
def table(tmp_path):
    path = tmp_path / "deep" / "table.npz"
    # The order of recording does not matter.
    write_table(all_entries()[::-1], path, space=SPACE)
    return RecordedTable.load(path)


def test_a_written_table_is_read_again(table):
    assert table.space == SPACE
    assert (table.num_points, table.num_seeds, table.num_epochs) == (6, 2, 4)
    assert table.tokens.tolist() == [
        [0, 0],
        [0, 1],
        [1, 0],
        [1, 1],
        [2, 0],
        [2, 1],
    ]
    assert table.num_parameters.tolist() == [100, 101, 110, 111, 120, 121]
    assert table.cpu_seconds.tolist() == [[5.25, 6.25]] * 6
    for recorded in all_entries():
        row = table.index(recorded.trial.tokens)
        for name, values in recorded.result.history.items():
            # Losses above 6.5535 are clipped.
            np.testing.assert_allclose(
                table.curve(name)[row, recorded.trial.round],
                np.minimum(values, 6.5535),
                atol=5.1e-5,
            )


def test_the_eer_quality_is_that_of_the_best_epoch_so_far(table):
    # (2, 1), seed 1: an offset of 0.026 at epochs 2 and 3.
    row = table.index((2, 1))
    assert table.quality("eer")[row, 1] == pytest.approx(1 - 0.226)
    early = table.quality("eer", num_epochs=2)
    assert early[row, 1] == pytest.approx(1 - 0.326)
    assert table.quality(num_epochs=1).tolist() == [[0.5, 0.5]] * 6
    fold = table.quality("eer", clips="fold1")
    assert fold[row, 1] == pytest.approx(0.8)


def test_the_final_eer_is_that_of_the_kept_weights(tmp_path):
    entries = all_entries()
    # These validation EERs are equal only after rounding.
    tied = {
        "validation_eer": [0.3, 0.20003, 0.20001, 0.4],
        "evaluation_eer": [0.31, 0.32, 0.33, 0.34],
        "training_loss": [0.9, 0.7, 0.6, 0.5],
        "fold1_eer": [0.3, 0.2, 0.2, 0.4],
    }
    entries[0] = entry((0, 0), 0, history=tied)
    entries[1] = entry((0, 1), 0, best_epoch=2)
    write_table(entries, tmp_path / "table.npz", space=SPACE)
    table = RecordedTable.load(tmp_path / "table.npz")
    finals = table.final_eers()
    assert finals.shape == (6, 2)
    assert finals[0, 0] == pytest.approx(0.33)
    assert finals[1, 0] == pytest.approx(0.35)
    # This is the EER of the third epoch, although the last epoch is better.
    assert finals[5, 1] == pytest.approx(0.302)
    assert np.allclose(table.evaluation_quality(), 1 - finals)


def test_a_table_can_be_reduced_to_some_seeds(table):
    second = table.only_seeds([1])
    assert (second.num_points, second.num_seeds) == (6, 1)
    assert second.cpu_seconds.tolist() == [[6.25]] * 6
    # (2, 1): EER 0.25 + 2 (0.025 + 0.001).
    assert second.final_eers()[5] == pytest.approx([0.302])
    assert second.quality()[5] == pytest.approx([1 - 0.226])
    for seeds in ([], [0, 2]):
        with pytest.raises(ConfigError, match="from 0 to 1, at least one"):
            table.only_seeds(seeds)


def test_unknown_curves_qualities_and_points_are_refused(table):
    with pytest.raises(ConfigError, match=r"training_loss.*Received: 'loss'"):
        table.curve("loss")
    with pytest.raises(ConfigError, match="Received: 'fold2_eer'"):
        table.quality(clips="fold2")
    with pytest.raises(ConfigError, match="Received: 'best'"):
        table.quality("best")
    with pytest.raises(ConfigError, match=r"from 1 to 4\. Received: 5"):
        table.quality(num_epochs=5)
    with pytest.raises(ConfigError, match="`filters` must be from 0 to 2"):
        table.index((3, 0))


def test_an_incomplete_recording_gives_no_table(tmp_path):
    path, whole = tmp_path / "table.npz", all_entries()
    short = {"validation_eer": [0.3], "evaluation_eer": [0.4]}
    nan = dict(whole[0].result.history) | {"training_loss": [np.nan] * 4}
    for entries, rule in [
        ([], "has none"),
        (whole[:-1], r"1 of 12 .*missing.*\(2, 1\) with seed 1"),
        (whole[3:], r"3 of 12 .*missing"),
        ([*whole[1:], entry((0, 0), 0, failed=True)], r"table-0-00.*failed"),
        ([*whole, whole[4]], "table-0-20 and table-0-20"),
        ([*whole[1:], entry((0, 0), 0, history=nan)], "0 or more"),
        ([*whole[:-1], entry((2, 1), 1, history=short)], "training_loss"),
    ]:
        with pytest.raises(StoreError, match=rule):
            write_table(entries, path, space=SPACE)
        assert list(tmp_path.iterdir()) == []


def test_a_trial_without_a_metric_is_named_with_its_line(tmp_path):
    entries = all_entries()
    del entries[7].result.metrics["best_epoch"]
    with pytest.raises(StoreError, match=r"table-1-01 \(line 8\).*best_epoch"):
        write_table(entries, tmp_path / "table.npz", space=SPACE)
    assert list(tmp_path.iterdir()) == []


def test_an_invalid_file_is_named(tmp_path):
    path = tmp_path / "other.npz"
    with pytest.raises(StoreError, match=r"other.npz: can't be read"):
        RecordedTable.load(path)
    path.write_text("tokens")
    with pytest.raises(StoreError, match=r"other.npz: is not a table"):
        RecordedTable.load(path)
    np.savez(path, tokens=np.zeros(3))
    with pytest.raises(StoreError, match=r"other.npz: is not a table"):
        RecordedTable.load(path)


def test_repeated_trials_return_all_seeds_and_then_repeat_them(table):
    problem = recorded_problem(table)
    generator = np.random.default_rng(0)
    firsts = set()
    for tokens in [(0, 0), (0, 1), (1, 0), (1, 1), (2, 0), (2, 1)]:
        offset = (tokens[0] * 10 + tokens[1] * 5) / 1000
        seeds = [0.8 - offset, 0.799 - offset]
        given = [problem.reward(tokens, generator) for _ in range(4)]
        assert sorted(given[:2]) == pytest.approx(sorted(seeds))
        assert given[2:] == given[:2]
        firsts.add(round(given[0] + offset, 3))
    assert firsts == {0.8, 0.799}  # each point has another order


def test_the_true_value_is_the_mean_over_seeds_on_the_evaluation_set(table):
    problem = recorded_problem(table)
    # EERs 0.25 + 2 (0.025 + 0) and 0.25 + 2 (0.025 + 0.001).
    assert problem.true_value((2, 1)) == pytest.approx(1 - 0.301)
    assert problem.best_value == pytest.approx(1 - 0.251)


CSV = """width,reward_1,layer,reward_2,value
16,0.5,conv,0.6,0.52
 8,0.7,conv,,0.71
2.5,0.1,"pool, max",0.2,0.15
"""


def test_a_csv_file_is_a_problem(tmp_path):
    path = tmp_path / "mine.csv"
    path.write_text(CSV)
    problem = read_csv_problem(path, name="mine")
    assert problem.space == SearchSpace(
        (
            Decision("width", (2.5, 8.0, 16.0)),
            Decision("layer", ("conv", "pool, max"), ordinal=False),
        )
    )
    generator = np.random.default_rng(0)
    assert problem.best_value == 0.71
    assert problem.true_value((2, 0)) == 0.52
    assert {problem.reward((2, 0), generator) for _ in range(2)} == {0.5, 0.6}
    assert [problem.reward((1, 0), generator) for _ in range(2)] == [0.7, 0.7]
    # This point has no row.
    assert problem.reward((1, 1), generator) == 0.1
    assert problem.true_value((1, 1)) == 0.15


def test_without_a_value_column_the_value_is_the_mean_reward(tmp_path):
    path = tmp_path / "mine.csv"
    path.write_text("n,reward_1,reward_2\n3,0.25,0.75\n1,0.5,\n")
    problem = read_csv_problem(path, name="mine")
    assert problem.space.decisions == (Decision("n", (1, 3)),)
    assert problem.true_value((1,)) == 0.5
    assert problem.best_value == 0.5


@pytest.mark.parametrize(
    ("text", "rule"),
    [
        ("", "must have a header and rows"),
        ("a,reward_1\n", "must have a header and rows"),
        ("a,b\n1,2\n", "line 1: must name .* reward_1"),
        ("reward_1,value\n1,2\n", "line 1: must name at least one decision"),
        ("a,a,reward_1\n1,2,3\n", "line 1: columns must have different"),
        ("a,reward_1\n1,0.5\n2\n", "line 3: must have 2 cells. Received: 1"),
        ("a,reward_1\n1,high\n", "line 2: `reward_1` .* Received: 'high'"),
        ("a,reward_1\n1,nan\n", "line 2: `reward_1` must be a finite"),
        ("a,reward_1,value\n1,1,\n", "line 2: `value` must be a finite"),
        ("a,reward_1\n1,0.5\n2,\n", "line 3: must have a reward"),
        ("a,reward_1\n1,0.5\n1,0.6\n", "line 3: a point must have one row"),
        ("a,b,reward_1\n1,x,2\n1,,3\n", "line 3: `b` must be a number or a"),
        ("a,b,c,d,e,f,g,h,i,j\n" + "1," * 9 + "1\n", "g, h and 2 more$"),
        ("order,trial_id,reward\n1,search-0000,0.5\n", "of export_trials"),
    ],
)
def test_an_invalid_csv_file_is_named_with_its_line(tmp_path, text, rule):
    path = tmp_path / "mine.csv"
    path.write_text(text)
    with pytest.raises(DataError, match=rf"mine\.csv.*{rule}"):
        read_csv_problem(path, name="mine")


def test_a_missing_csv_file_is_named(tmp_path):
    with pytest.raises(DataError, match=r"none\.csv: can't be read"):
        read_csv_problem(tmp_path / "none.csv", name="none")
