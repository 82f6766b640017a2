"""Tests that mutations are reproducible, change their input and are bounded."""

import json
import random

import pytest

from benchmarks.fuzzing import mutations

DATA = bytes(range(256)) * 3
DOCUMENT = {"trial": {"tokens": [1, 2]}, "reward": 0.5}


def test_the_same_generator_gives_the_same_damage():
    first, second = (
        [mutations.mutate_bytes(DATA, generator) for _ in range(20)]
        for generator in (random.Random(7), random.Random(7))
    )
    assert first == second
    assert len(set(first)) > 15


def test_damaged_bytes_are_at_most_eight_times_longer():
    generator = random.Random(3)
    for _ in range(300):
        damaged = mutations.mutate_bytes(DATA, generator)
        assert len(damaged) <= len(DATA) * 8


def test_an_empty_file_can_be_damaged():
    generator = random.Random(3)
    for _ in range(50):
        assert len(mutations.mutate_bytes(b"", generator)) < 100


def test_a_mutated_document_is_json_and_the_original_is_untouched():
    generator = random.Random(5)
    before = json.dumps(DOCUMENT)
    changed = 0
    for _ in range(100):
        text = json.dumps(mutations.mutate_json(DOCUMENT, generator))
        changed += json.loads(text) != DOCUMENT
    assert json.dumps(DOCUMENT) == before
    assert changed > 90


def test_a_deeply_nested_document_exceeds_the_recursion_limit():
    with pytest.raises(RecursionError):
        json.loads(mutations.deeply_nested_json())


def test_a_hostile_csv_differs_from_the_original_in_one_row():
    text = "a,b\n1,2\n3,4\n"
    generator = random.Random(2)
    original = text.splitlines()
    for _ in range(50):
        # Hostile cells have no line feed, so each line is a row.
        rows = mutations.hostile_csv(text, generator).split("\n")[:-1]
        assert len(rows) in (3, 4)
        assert sum(row not in original for row in rows) <= 1
