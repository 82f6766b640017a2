"""Final rewards, and the words of the explanation."""

import dataclasses

import pytest

from audiotag_nas.config import ExperimentConfig, SearchConfig
from audiotag_nas.experiment import stages
from audiotag_nas.inspection import explanation, explanation_screen
from audiotag_nas.inspection.importance import LeaveOneOutFit, importance
from audiotag_nas.search.journal import JournalEntry
from audiotag_nas.search.reinforce.reward_model import RewardModel
from audiotag_nas.space import Decision, SearchSpace
from audiotag_nas.trial import TrialResult, TrialStatus

CONFIG = ExperimentConfig(
    name="made_up", search=SearchConfig(early_stop="halving", epochs=3)
)


def entry(number: int, quality: list[float], *, stopped=False) -> JournalEntry:
    # Trials 4 and 5 have the same architecture.
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


def test_a_stopped_trial_counts_with_its_estimated_final_reward():
    # Every full trial gains 0.1 in its last epoch, so the estimate for 0.35
    # after two epochs is 0.45.
    whole = [
        entry(number, [0.1, now, now + 0.1])
        for number, now in enumerate((0.3, 0.4, 0.5, 0.6, 0.7))
    ]
    rewards = explanation.final_rewards(
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
        ({"reward": "auc", "latency_weight": 0.1}, "mean AUC, minus costs"),
    ],
)
def test_the_reward_in_words(settings, words):
    assert explanation.reward_words(SearchConfig(**settings)) == words


def test_a_strong_pair_that_is_not_analyzed_is_named():
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
                num_architectures=6,
                noise=None,
                fit=LeaveOneOutFit(r2=0.5, r2_error=0.1, rmse=0.1),
                importance=importance,
            )
        )

    line = (
        "not analyzed: units x kind, a strong pair; the limit for all pairs "
        "together is 2000 combinations"
    )
    assert line not in lines(found)
    assert line in lines(
        dataclasses.replace(found, pairs=(), skipped_pairs=(pair.decisions,))
    )


def test_decisions_in_words():
    assert explanation_screen.decision_words("block3_filters") == (
        "block 3's number of filters"
    )
    assert (
        explanation_screen.decision_words("recurrent_units")
        == "recurrent units"
    )
