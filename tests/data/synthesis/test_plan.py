"""Chunk plans against the statistics and the rules of the real data."""

import collections

import numpy as np
import pytest

from audiotag_nas.config import SyntheticConfig
from audiotag_nas.data.synthesis import plan

# Counted in CHiME-Home's refined lists of DCASE 2016 task 4.
REAL_COUNTS = {
    "development": {
        **{"c": 1214, "m": 174, "f": 409, "v": 1181, "p": 765},
        **{"b": 19, "o": 361, "S": 27, "": 1946},
    },
    "evaluation": {
        **{"c": 328, "m": 79, "f": 140, "v": 590, "p": 269},
        **{"b": 31, "o": 125, "S": 15, "": 816},
    },
}
REAL_SIZES = (27, 541, 734, 505, 101, 33, 5)
REAL_SETS = {"v": 410, "cv": 263, "cp": 211, "cfv": 156, "cop": 101, "c": 82}
MANY = SyntheticConfig(
    num_development_clips=9000,
    num_evaluation_clips=4000,
    broadband_boost=1.0,
)


def _near(count, total, expected):
    """Within four standard deviations of a binomial distribution."""
    deviation = np.sqrt(expected * (1 - expected) / total)
    assert abs(count / total - expected) <= 4 * deviation + 1e-12


@pytest.fixture(scope="module")
def many():
    return {
        split: plan.plan_split(MANY, split, seed=11)
        for split in ("development", "evaluation")
    }


def _is_refined(votes):
    """The refined rule, independent of the package."""
    counts = collections.Counter("".join("".join(set(a)) for a in votes))
    return 1 not in [counts[label] for label in "cmfvpboS"]


@pytest.mark.parametrize("split", ["development", "evaluation"])
def test_tag_frequencies_match_the_real_split(many, split):
    refined = [p.majority for p in many[split] if _is_refined(p.votes)]
    real = REAL_COUNTS[split]
    for label in "cmfvpboS":
        count = sum(label in tags for tags in refined)
        _near(count, len(refined), real[label] / real[""])


def test_numbers_of_tags_and_frequent_sets_match_the_real_data(many):
    refined = [p.majority for p in many["development"] if _is_refined(p.votes)]
    sizes = collections.Counter(len(t.strip("SU")) for t in refined)
    sets = collections.Counter(refined)
    for size, real in enumerate(REAL_SIZES):
        _near(sizes[size], len(refined), real / 1946)
    for letters, real in REAL_SETS.items():
        _near(sets[letters], len(refined), real / 1946)
    assert [letters for letters, _ in sets.most_common(4)] == [
        "v",
        "cv",
        "cp",
        "cfv",
    ]


def test_refined_list_has_the_requested_size_and_raw_list_is_longer(many):
    for split, requested in (("development", 9000), ("evaluation", 4000)):
        refined = sum(_is_refined(p.votes) for p in many[split])
        assert refined == requested
        assert 1.2 < len(many[split]) / requested < 1.4


def test_majority_holds_the_labels_of_at_least_two_annotators(many):
    for chunk in many["evaluation"]:
        counts = collections.Counter("".join(chunk.votes))
        expected = {label for label, count in counts.items() if count >= 2}
        assert set(chunk.majority) == expected
        assert len(chunk.majority) == len(expected)
        assert chunk.is_refined == _is_refined(chunk.votes)


def test_annotators_disagree_and_silence_excludes_other_labels(many):
    chunks = many["development"]
    assert 0.3 < np.mean([len(set(p.votes)) > 1 for p in chunks]) < 0.95
    for chunk in chunks:
        for labels in chunk.votes:
            assert "S" not in labels or labels == "S"
    # The raw list has clips without any majority.
    assert "" in {p.majority for p in chunks}
    assert any("U" in labels for p in chunks for labels in p.votes)


@pytest.mark.parametrize("clips", [20, 57, 400])
def test_a_segment_lies_in_one_fold_and_every_fold_has_every_tag(clips):
    settings = SyntheticConfig(
        num_development_clips=clips, num_evaluation_clips=10
    )
    for seed in range(3):
        chunks = plan.plan_split(settings, "development", seed=seed)
        folds_of = collections.defaultdict(set)
        tags_of = collections.defaultdict(list)
        for chunk in chunks:
            assert (chunk.fold is not None) == _is_refined(chunk.votes)
            if chunk.fold is not None:
                folds_of[chunk.segment_name].add(chunk.fold)
                tags_of[chunk.fold].append(chunk.majority)
        assert all(len(folds) == 1 for folds in folds_of.values())
        assert set(tags_of) == set(range(5))
        sizes = [len(tags) for tags in tags_of.values()]
        assert max(sizes) <= 1.5 * min(sizes) + 2
        for tags in tags_of.values():
            for tag in "cmfvpbo":
                assert 0 < sum(tag in t for t in tags) < len(tags)


def test_the_smallest_evaluation_split_has_both_classes_of_every_tag():
    settings = SyntheticConfig(
        num_development_clips=20, num_evaluation_clips=10
    )
    for seed in range(5):
        chunks = plan.plan_split(settings, "evaluation", seed=seed)
        refined = [p.majority for p in chunks if _is_refined(p.votes)]
        assert len(refined) == 10
        for tag in "cmfvpbo":
            assert 0 < sum(tag in tags for tags in refined) < 10


def test_chunks_are_distinct_and_lie_within_five_minutes(many):
    for chunks in many.values():
        names = [chunk.chunk_name for chunk in chunks]
        assert len(set(names)) == len(names)
        numbers = [chunk.chunk_number for chunk in chunks]
        assert min(numbers) == 0
        assert max(numbers) == 74
    development, evaluation = (
        {chunk.segment_name for chunk in chunks} for chunks in many.values()
    )
    assert not development & evaluation
