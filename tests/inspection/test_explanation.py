"""Rewards that are explained, and decisions in words."""

import dataclasses

import pytest

from audiotag_nas.config import ExperimentConfig, SearchConfig
from audiotag_nas.experiment import stages
from audiotag_nas.inspection import explanation, explanation_screen
from audiotag_nas.inspection.importance import importance
from audiotag_nas.search.journal import JournalEntry
from audiotag_nas.search.reinforce.reward_model import RewardModel
from audiotag_nas.space import Decision, SearchSpace
from audiotag_nas.trial import TrialResult, TrialStatus

CONFIG = ExperimentConfig(
    name="made_up", search=SearchConfig(early_stop="halving", epochs=3)
)


def entry(number: int, quality: list[float], *, stopped=False) -> JournalEntry:
    # Children 4 and 5 are of one architecture.
    tokens = (min(number, 4) % 4, min(number, 4) // 4) + (0,) * 19
    trial = stages.search_trial(CONFIG, number, 0, tokens)
    metrics = {"stopped_epoch": float(len(quality))} if stopped else {}
    result = TrialResult(
        trial.trial_id,
        TrialStatus.COMPLETED,
        quality[-1],
        metrics=metrics,
        history={"quality": quality},
    )
    return JournalEntry(number, "", trial, result, number + 1)


def test_a_stopped_child_counts_with_what_it_was_expected_to_become():
    # Every whole child gains a tenth in its last epoch, so one that had 0.35
    # after two epochs was to be expected at 0.45.
    whole = [
        entry(number, [0.1, now, now + 0.1])
        for number, now in enumerate((0.3, 0.4, 0.5, 0.6, 0.7))
    ]
    rewards = explanation.fair_rewards(
        CONFIG, [*whole, entry(5, [0.1, 0.35], stopped=True)]
    )
    first = [rewards[e.trial.tokens] for e in whole[:4]]
    assert first == [[0.4], [0.5], [0.6], [0.7]]
    assert rewards[whole[4].trial.tokens] == pytest.approx([0.8, 0.45])


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"reward": "eer"}, "1 - mean EER"),
        ({"reward": "binormal_eer"}, "1 - binormal EER"),
        ({"reward": "auc", "latency_weight": 0.1}, "mean AUC, less costs"),
    ],
)
def test_a_reward_is_named(settings, words):
    assert explanation.reward_words(SearchConfig(**settings)) == words


def test_a_strong_pair_that_is_left_out_is_named():
    space = SearchSpace(
        (Decision("units", (8, 16)), Decision("kind", ("a", "b", "c")))
    )
    model = RewardModel(space)
    model.learn({(i, j): [float(i * j)] for i in range(2) for j in range(3)})
    found = importance(model, space, seed=0)
    [pair] = found.pairs

    def lines(importance) -> list[str]:
        return explanation_screen.explanation_lines(
            explanation.Explanation(
                name="made_up",
                space=space,
                reward="1 - mean EER",
                num_whole=6,
                num_stopped=0,
                num_failed=0,
                num_networks=6,
                noise=None,
                error=0.1,
                explained=0.5,
                explained_error=0.1,
                importance=importance,
            )
        )

    line = (
        "left out: units x kind, of the strongest pairs; together they may "
        "have 2000 combinations"
    )
    assert line not in lines(found)
    assert line in lines(
        dataclasses.replace(found, pairs=(), left_out=(pair.decisions,))
    )


def test_decisions_are_named():
    assert explanation_screen.decision_words("block3_filters") == (
        "block 3's number of filters"
    )
    assert (
        explanation_screen.decision_words("recurrent_units")
        == "recurrent units"
    )
