"""The journal: lines are durable, and damaged lines are errors."""

import json
import math
import os

import pytest

from audiotag_nas.errors import StoreError
from audiotag_nas.search.journal import Journal, read_entries
from audiotag_nas.space import Decision, SearchSpace
from audiotag_nas.trial import TrialResult, TrialStatus
from tests.fakes import fake_train, make_fake_trials
from tests.journals import change_line, sealed

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


def test_a_line_has_the_documented_fields(path):
    line = json.loads(path.read_text().splitlines()[1])
    assert list(line) == [
        "schema_version",
        "order",
        "finished_at",
        "trial",
        "result",
        "checksum",
    ]
    assert (line["schema_version"], line["order"]) == (3, 1)
    assert line["trial"] == {
        "trial_id": "search-0001",
        "stage": "search",
        "round": 1,
        "tokens": [1, 0],
        "hparams": {"filters": 16, "height": 1},
        "architecture": {
            "blocks": [
                {"filters": 2, "height": 1, "width": 3},
                {"filters": 1, "height": 1, "width": 3},
            ],
            "recurrent": "bgru",
            "recurrent_units": 64,
            "dropout": 0.1,
            "input_norm": False,
        },
        "seed": 1,
        "overrides": {"epochs": 3},
        "stop_rule": [],
        "reward": {"measure": "eer", "weighs_costs": False},
    }
    assert line["result"]["status"] == "completed"
    assert line["result"]["trial_id"] == "search-0001"


def test_appended_entries_are_read_unchanged(path):
    journal = Journal(path)
    appended = journal.append(TRIALS[3], fake_train(TRIALS[3]))
    again = Journal(path)
    assert again.entries == journal.entries == read_entries(path)
    assert again.get("search-0003") == appended
    assert appended.trial.tokens == (1, 0)
    assert appended.line_number == 4
    assert again.get("search-0004") is None
    assert len(again) == 4


def test_a_missing_journal_is_empty_and_created_by_its_first_line(tmp_path):
    path = tmp_path / "trials.jsonl"
    assert read_entries(path) == []
    assert len(Journal(path)) == 0
    assert not path.exists()


def test_numbers_that_are_not_finite_become_null(path):
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


def test_a_file_truncated_anywhere_loses_only_the_torn_line(path, caplog):
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
        assert ("removed the incomplete last line" in caplog.text) == is_torn

        journal.append(TRIALS[3], fake_train(TRIALS[3]))
        assert len(Journal(path)) == num_whole + 1


def test_a_last_line_without_its_beginning_is_torn(path):
    # A power cut can leave only the end of the line on the disk.
    whole = path.read_bytes()
    path.write_bytes(whole + b"\0" * 40 + b"}}\n")
    assert len(Journal(path)) == 3
    assert path.read_bytes() == whole


def _nested(depth: int) -> list:
    value: list = []
    for _ in range(depth):
        value = [value]
    return value


@pytest.mark.parametrize(
    ("line", "change", "reason"),
    [
        (3, lambda v: v.pop("schema_version"), "must be 3. Received: 'None'"),
        (1, lambda v: v.update(schema_version=3.0), "be 3. Received: '3.0'"),
        (1, lambda v: v.update(schema_version=True), "be 3. Received: 'True'"),
        (2, lambda v: v.pop("result"), "must have a field 'result'"),
        (2, lambda v: v.update(result=[0.5]), "result: must be an object with"),
        (2, lambda v: v.update(note="mine"), "no field named 'note'"),
        (2, lambda v: v.update(order=0), "must increase. Received: 0 after 0"),
        (2, lambda v: v.update(order="1"), "order: must be an int"),
        (2, lambda v: v.update(order=True), "order: must be an int"),
        (3, lambda v: v.update(order=2**63), "order: must be an int"),
        (2, lambda v: v.update(finished_at=7), "finished_at: must be a string"),
        (
            1,
            lambda v: v["trial"].pop("seed"),
            "trial: must have a field 'seed'",
        ),
        (1, lambda v: v["trial"].update(size=3), "no field named 'size'"),
        (
            1,
            lambda v: v["trial"].update(overrides=None),
            "trial.overrides: must",
        ),
        (1, lambda v: v["trial"].update(tokens=[0.5]), "trial.tokens[0]: must"),
        (
            1,
            lambda v: v["trial"].update(tokens=1),
            "several values, each an int",
        ),
        (
            1,
            lambda v: v["trial"].update(hparams={"a": []}),
            "trial.hparams.a: ",
        ),
        (
            2,
            lambda v: v["trial"].update(trial_id="x"),
            "result of 'search-0001'",
        ),
        (2, lambda v: v["trial"].update(trial_id="../x"), "letters, digits"),
        (2, lambda v: v["trial"].update(trial_id=".."), "letters, digits"),
        (2, lambda v: v["trial"].update(trial_id="a\n"), "letters, digits"),
        (2, lambda v: v["trial"].update(trial_id="a\0"), "letters, digits"),
        (
            2,
            lambda v: v["trial"].update(architecture="small"),
            "architecture: must be an object with named fields",
        ),
        (
            2,
            lambda v: v["trial"]["architecture"].update(blocks=[]),
            "must have at least one block",
        ),
        (
            2,
            lambda v: v["trial"]["architecture"].update(dropout="a"),
            "architecture.dropout: must be a finite number. Received: 'a'",
        ),
        (
            2,
            lambda v: v["trial"]["overrides"].update(epochs=_nested(20)),
            "trial.overrides.epochs: must be an int or null. Received: [[[",
        ),
        (
            2,
            lambda v: v["trial"]["overrides"].update(epochs=10**400),
            "trial.overrides.epochs: must be an int or null. Received: 1000",
        ),
        (
            2,
            lambda v: v["trial"].update(tokens=_nested(500)),
            "tokens[0]: must",
        ),
        (2, lambda v: v["result"].update(reward=None), "must be finite"),
        (2, lambda v: v["result"].update(reward=True), "number or null. Rec"),
        (
            2,
            lambda v: v["result"].update(reward=10**400),
            "result.reward: must",
        ),
        (2, lambda v: v["result"].update(reward=math.nan), "NaN is not a numb"),
        (2, lambda v: v["result"].update(status="lost"), "'lost'"),
        (2, lambda v: v["result"].update(status=["lost"]), "one of completed"),
        (2, lambda v: v["result"].update(metrics=None), "result.metrics: must"),
        (
            2,
            lambda v: v["result"]["metrics"].update(validation_eer=None),
            "result.metrics.validation_eer: must be a finite number. Received",
        ),
        (
            2,
            lambda v: v["result"]["metrics"].update(validation_eer="0.5"),
            "result.metrics.validation_eer: must be a finite number. Received",
        ),
        (
            2,
            lambda v: v["result"]["metrics"].update(num_parameters=[5]),
            "result.metrics.num_parameters: must be a finite number. Received",
        ),
        (
            2,
            lambda v: v["result"].update(history={"quality": [0.5, "0.6"]}),
            "result.history.quality[1]: must be a finite number or null",
        ),
        (
            2,
            lambda v: v["result"].update(reason=None),
            "result.reason: must be",
        ),
        (2, lambda v: v["result"].update(reason="\ud800"), "surrogate"),
        (
            2,
            lambda v: v["result"].update(seconds="long"),
            "result.seconds: must",
        ),
    ],
)
def test_the_error_names_a_damaged_line_and_its_field(
    path, line, change, reason
):
    change_line(path, line, change)
    with pytest.raises(StoreError) as caught:
        Journal(path)
    assert str(caught.value).startswith(f"{path}, line {line}: damaged: ")
    assert reason in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("damage", [b"", b'{"schema_ver', b"[1]", b"\xff\xfe"])
def test_a_torn_line_before_the_last_is_an_error(path, damage):
    lines = path.read_bytes().splitlines()
    lines[1] = damage
    path.write_bytes(b"\n".join(lines) + b"\n")
    before = path.read_bytes()
    with pytest.raises(StoreError, match="line 2: damaged: "):
        Journal(path)
    assert path.read_bytes() == before


def test_a_trial_has_one_line_only(path):
    with pytest.raises(StoreError, match="search-0002 is in the journal alr"):
        Journal(path).append(TRIALS[2], fake_train(TRIALS[2]))
    with pytest.raises(ValueError, match="search-0000 can't be journaled as"):
        Journal(path).append(TRIALS[3], fake_train(TRIALS[0]))

    lines = path.read_text().splitlines()
    again = json.loads(lines[0]) | {"order": 3}
    path.write_text("\n".join([*lines, sealed(again)]) + "\n")
    with pytest.raises(
        StoreError, match="line 4: damaged: trial search-0000 is on line 1"
    ):
        Journal(path)


def test_a_removed_line_allows_its_trial_to_run_again(path):
    lines = path.read_text().splitlines()
    path.write_text(f"{lines[0]}\n{lines[2]}\n")
    journal = Journal(path)
    assert journal.get("search-0001") is None
    assert journal.append(TRIALS[1], fake_train(TRIALS[1])).order == 3
    assert len(Journal(path)) == 3


def test_a_file_changed_by_another_program_is_not_written(path):
    journal = Journal(path)
    other = Journal(path)
    other.append(TRIALS[3], fake_train(TRIALS[3]))
    before = path.read_bytes()
    with pytest.raises(StoreError, match="another program changed the file"):
        journal.append(TRIALS[3], fake_train(TRIALS[3]))
    assert path.read_bytes() == before


def test_an_unreadable_or_unwritable_path_is_a_store_error(tmp_path):
    with pytest.raises(
        StoreError, match=r"must be a regular file\. Received: a dir"
    ):
        Journal(tmp_path)
    (tmp_path / "file").write_text("")
    journal = Journal(tmp_path / "new" / "trials.jsonl")
    (tmp_path / "new").write_text("")  # a file instead of the directory
    with pytest.raises(StoreError, match="can't be written"):
        journal.append(TRIALS[0], fake_train(TRIALS[0]))


def test_every_changed_byte_of_a_line_is_detected(path):
    # A line with a changed digit of a reward is still valid JSON.
    whole = path.read_bytes()
    start = whole.index(b"\n") + 1
    end = whole.index(b"\n", start)
    for position in range(start, end):
        changed = bytearray(whole)
        changed[position] = ord("7") if changed[position] != ord("7") else 56
        path.write_bytes(changed)
        with pytest.raises(StoreError, match=r"trials\.jsonl, line 2: "):
            read_entries(path)


@pytest.mark.parametrize("line", [1, 3])
def test_a_wrong_checksum_is_an_error_that_names_the_line(path, line):
    # The last line is damaged but complete, so it is not a torn line.
    lines = path.read_text().splitlines()
    lines[line - 1] = lines[line - 1].replace('"reward": 0.', '"reward": 0.1')
    path.write_text("\n".join(lines) + "\n")
    before = path.read_bytes()
    with pytest.raises(
        StoreError, match=f"trials.jsonl, line {line}: damaged: the checksum"
    ):
        Journal(path)
    assert path.read_bytes() == before


def test_a_line_without_a_checksum_is_an_error(path):
    lines = path.read_text().splitlines()
    value = json.loads(lines[1])
    del value["checksum"]
    lines[1] = json.dumps(value)
    path.write_text("\n".join(lines) + "\n")
    with pytest.raises(StoreError, match="line 2: damaged: the last field"):
        read_entries(path)


@pytest.mark.parametrize("version", [1, 2, 4])
def test_a_journal_of_another_version_is_an_error_of_one_line(path, version):
    # Version 1 had no checksum.
    value = json.loads(path.read_text().splitlines()[0])
    del value["checksum"]
    path.write_text(json.dumps(value | {"schema_version": version}) + "\n")
    with pytest.raises(StoreError) as caught:
        Journal(path)
    assert str(caught.value) == (
        f"{path}, line 1: the journal has format version {version}; this "
        "version of audiotag-nas reads and continues version 3 only. Use the "
        "version that wrote the journal, or another --workdir."
    )


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (b"[" * 100_000, "nested too deeply"),
        (b'{"a":' * 100_000, "nested too deeply"),
        (b'{"order": ' + b"1" * 5000 + b"}", "too many digits"),
        (b'{"order": 1, "order": 2}', "'order' occurs twice"),
    ],
)
@pytest.mark.parametrize("line", [2, 4])
def test_hostile_json_is_an_error_in_any_line(path, text, reason, line):
    lines = [*path.read_bytes().splitlines(), b""]
    lines[line - 1] = text
    path.write_bytes(b"\n".join(lines).rstrip(b"\n") + b"\n")
    with pytest.raises(StoreError, match=f"line {line}: damaged: .*{reason}"):
        Journal(path)


def test_a_metric_that_is_not_finite_is_dropped(path):
    result = TrialResult(
        "search-0003",
        TrialStatus.COMPLETED,
        0.5,
        metrics={"validation_eer": 0.5, "validation_loss": math.inf},
    )
    entry = Journal(path).append(TRIALS[3], result)
    assert entry.result.metrics == {"validation_eer": 0.5}
    assert read_entries(path)[3] == entry


def test_a_reason_with_a_file_name_that_is_not_unicode_is_kept(path):
    reason = f"no file {os.fsdecode(b'caf%c.wav' % 0xE9)}"
    result = TrialResult("search-0003", TrialStatus.FAILED, None, reason=reason)
    entry = Journal(path).append(TRIALS[3], result)
    assert entry.result.reason == "no file caf\\udce9.wav"
    assert read_entries(path)[3] == entry


def test_a_special_file_is_an_error_and_does_not_block(tmp_path):
    path = tmp_path / "trials.jsonl"
    os.mkfifo(path)
    with pytest.raises(StoreError, match=r"must be a regular file\..*a FIFO"):
        read_entries(path)
    path.unlink()
    journal = Journal(path)
    os.mkfifo(path)
    with pytest.raises(StoreError, match=r"must be a regular file\..*a FIFO"):
        journal.append(TRIALS[0], fake_train(TRIALS[0]))
    path.unlink()
    path.symlink_to("/dev/zero")
    with pytest.raises(StoreError, match="Received: a character device"):
        read_entries(path)
