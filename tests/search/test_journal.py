"""The journal's lines: durable, whole, and refused where they are damaged."""

import json
import math

import pytest

from audiotag_nas.errors import StoreError
from audiotag_nas.search.journal import Journal, read_entries
from audiotag_nas.space import Decision, SearchSpace
from audiotag_nas.trial import TrialResult, TrialStatus
from tests.fakes import fake_train, make_fake_trials

SPACE = SearchSpace((Decision("filters", (8, 16)), Decision("height", (1, 3))))
make_trial = make_fake_trials(SPACE)
TRIALS = [make_trial(number, number, (1, 0)) for number in range(4)]


@pytest.fixture
def path(tmp_path):
    """A journal of three lines."""
    journal = Journal(tmp_path / "work" / "trials.jsonl")
    for trial in TRIALS[:3]:
        journal.append(trial, fake_train(trial))
    return journal.path


def _change(path, line: int, change) -> None:
    """Lets `change` edit the JSON of one line, from 1."""
    lines = path.read_text().splitlines()
    value = json.loads(lines[line - 1])
    change(value)
    lines[line - 1] = json.dumps(value)
    path.write_text("\n".join(lines) + "\n")


def test_a_line_is_what_the_document_says(path):
    line = json.loads(path.read_text().splitlines()[1])
    assert list(line) == [
        "schema_version",
        "order",
        "finished_at",
        "trial",
        "result",
    ]
    assert (line["schema_version"], line["order"]) == (1, 1)
    assert line["trial"] == {
        "trial_id": "search-0001",
        "stage": "search",
        "round": 1,
        "tokens": [1, 0],
        "hparams": {"filters": 16, "height": 1},
        "settings": {"epochs": 3, "architecture": {"blocks": [1, 0]}},
        "seed": 1,
    }
    assert line["result"]["status"] == "completed"
    assert line["result"]["trial_id"] == "search-0001"


def test_what_was_appended_is_read_again_the_same(path):
    journal = Journal(path)
    appended = journal.append(TRIALS[3], fake_train(TRIALS[3]))
    again = Journal(path)
    assert again.entries == journal.entries == read_entries(path)
    assert again.get("search-0003") == appended
    assert appended.trial.tokens == (1, 0)
    assert appended.line_number == 4
    assert again.get("search-0004") is None
    assert len(again) == 4


def test_a_journal_that_is_not_there_is_empty_and_is_made_by_its_first_line(
    tmp_path,
):
    path = tmp_path / "trials.jsonl"
    assert read_entries(path) == []
    assert len(Journal(path)) == 0
    assert not path.exists()


def test_numbers_that_json_does_not_have_become_null_at_once(path):
    result = TrialResult(
        "search-0003",
        TrialStatus.FAILED,
        None,
        history={"training_loss": [0.5, math.nan, math.inf]},
        reason="NaN weights",
    )
    entry = Journal(path).append(TRIALS[3], result)
    assert entry.result.history == {"training_loss": [0.5, None, None]}
    assert Journal(path).get("search-0003") == entry
    assert "NaN," not in path.read_text()


def test_a_file_cut_anywhere_loses_the_torn_line_alone_and_goes_on(
    path, caplog
):
    whole = path.read_bytes()
    ends = [i + 1 for i, byte in enumerate(whole) if byte == ord("\n")]
    expected = read_entries(path)
    for cut in range(0, len(whole) + 1, 7):
        path.write_bytes(whole[:cut])
        num_whole = sum(end <= cut for end in ends)
        assert read_entries(path) == expected[:num_whole]
        assert path.read_bytes() == whole[:cut]  # reading changes nothing

        caplog.clear()
        journal = Journal(path)
        assert journal.entries == expected[:num_whole]
        assert path.read_bytes() == whole[: max([0, *ends[:num_whole]])]
        is_torn = cut not in (0, *ends)
        assert ("dropped a torn last line" in caplog.text) == is_torn

        journal.append(TRIALS[3], fake_train(TRIALS[3]))
        assert len(Journal(path)) == num_whole + 1


def test_a_last_line_without_its_beginning_is_torn_too(path):
    # After a power cut the end of the line may be on the disk without the rest.
    whole = path.read_bytes()
    path.write_bytes(whole + b"\0" * 40 + b"}}\n")
    assert len(Journal(path)) == 3
    assert path.read_bytes() == whole


@pytest.mark.parametrize(
    ("line", "change", "reason"),
    [
        (2, lambda v: v.update(schema_version=2), "must be 1. Received: 2"),
        (3, lambda v: v.pop("schema_version"), "must be 1. Received: None"),
        (2, lambda v: v.pop("result"), "no field 'result'"),
        (1, lambda v: v["trial"].pop("seed"), "missing 1 required"),
        (1, lambda v: v["trial"].update(size=3), "unexpected keyword"),
        (2, lambda v: v["result"].update(reward=None), "must be finite"),
        (2, lambda v: v["result"].update(reward=math.nan), "NaN is not a numb"),
        (2, lambda v: v["result"].update(status="lost"), "'lost'"),
        (2, lambda v: v.update(order=0), "must grow. Received: 0 after 0"),
        (2, lambda v: v.update(order="1"), "must be an int"),
        (2, lambda v: v["trial"].update(trial_id="x"), "result of search-0001"),
    ],
)
def test_a_damaged_line_is_named_with_what_is_wrong(path, line, change, reason):
    _change(path, line, change)
    with pytest.raises(StoreError) as caught:
        Journal(path)
    assert str(caught.value).startswith(f"{path}, line {line}: damaged: ")
    assert reason in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("damage", [b"", b'{"schema_ver', b"[1]", b"\xff\xfe"])
def test_a_torn_line_that_is_not_the_last_is_damage(path, damage):
    lines = path.read_bytes().splitlines()
    lines[1] = damage
    path.write_bytes(b"\n".join(lines) + b"\n")
    before = path.read_bytes()
    with pytest.raises(StoreError, match="line 2: damaged: "):
        Journal(path)
    assert path.read_bytes() == before


def test_a_trial_has_one_line(path):
    with pytest.raises(StoreError, match="search-0002 is in the journal alr"):
        Journal(path).append(TRIALS[2], fake_train(TRIALS[2]))
    with pytest.raises(ValueError, match="search-0000 can't be journaled as"):
        Journal(path).append(TRIALS[3], fake_train(TRIALS[0]))

    lines = path.read_text().splitlines()
    again = json.loads(lines[0]) | {"order": 3}
    path.write_text("\n".join([*lines, json.dumps(again)]) + "\n")
    with pytest.raises(
        StoreError, match="line 4: damaged: trial search-0000 is on line 1"
    ):
        Journal(path)


def test_a_line_may_be_taken_out_to_have_its_trial_run_again(path):
    lines = path.read_text().splitlines()
    path.write_text(f"{lines[0]}\n{lines[2]}\n")
    journal = Journal(path)
    assert journal.get("search-0001") is None
    assert journal.append(TRIALS[1], fake_train(TRIALS[1])).order == 3
    assert len(Journal(path)) == 3


def test_a_file_that_another_program_changed_is_not_written_to(path):
    journal = Journal(path)
    other = Journal(path)
    other.append(TRIALS[3], fake_train(TRIALS[3]))
    before = path.read_bytes()
    with pytest.raises(StoreError, match="another program changed the file"):
        journal.append(TRIALS[3], fake_train(TRIALS[3]))
    assert path.read_bytes() == before


def test_a_path_that_can_not_be_read_or_written_is_one_clear_line(tmp_path):
    with pytest.raises(StoreError, match=r"can't be read \(Is a directory\)"):
        Journal(tmp_path)
    (tmp_path / "file").write_text("")
    journal = Journal(tmp_path / "new" / "trials.jsonl")
    (tmp_path / "new").write_text("")  # where the directory should be
    with pytest.raises(StoreError, match="can't be written"):
        journal.append(TRIALS[0], fake_train(TRIALS[0]))
