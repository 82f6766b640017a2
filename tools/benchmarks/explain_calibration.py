"""How often `explain` is taken in: decisions that do not matter.

Searches made-up spaces of 21 decisions, of which 7 decide the reward (each
with random effects of its choices, as large as the noise of a training) and 14
do nothing, and counts on how many of either kind the best choice is
more than 2 and 3 deviations of the posterior above the worst.

  python tools/benchmarks/explain_calibration.py

Time: about 3 minutes.
"""

from collections.abc import Sequence

from absl import flags

from audiotag_nas import cli

_NUM_SEARCHES = flags.DEFINE_integer(
    "num_searches", 30, "Searches, each of another space.", lower_bound=1
)
_NUM_TRIALS = flags.DEFINE_integer(
    "num_trials", 100, "Children of a search.", lower_bound=8
)
_SEARCHER = flags.DEFINE_string("searcher", "reinforce", "By name.")
_BATCH, _NUM_THAT_MATTER = 4, 7
_THRESHOLDS = (2.0, 3.0)


def main(argv: Sequence[str]) -> None:
    passed = {matters: [0] * len(_THRESHOLDS) for matters in (False, True)}
    totals = {False: 0, True: 0}
    for seed in range(_NUM_SEARCHES.value):
        for matters, deviations in _explained(seed):
            totals[matters] += 1
            for place, threshold in enumerate(_THRESHOLDS):
                passed[matters][place] += deviations > threshold
    for matters, kind in ((False, "that do nothing"), (True, "that matter")):
        print(f"decisions {kind}: {totals[matters]}")
        for threshold, num in zip(_THRESHOLDS, passed[matters], strict=True):
            share = 100 * num / totals[matters]
            print(
                f"  more than {threshold:g} deviations: {num} ({share:.1f} %)"
            )


def _explained(seed: int) -> list[tuple[bool, float]]:
    """One search: of each decision, whether it matters and how clearly so."""
    import numpy as np

    from audiotag_nas.search import make_searcher
    from audiotag_nas.search.importance import importance
    from audiotag_nas.search.reward_model import RewardModel
    from audiotag_nas.search.searcher import ToldRewards
    from audiotag_nas.space import conv_space

    space = conv_space()
    generator = np.random.default_rng(seed)
    order = generator.permutation(space.num_decisions)
    mattering = set(order[:_NUM_THAT_MATTER].tolist())
    effects = [
        generator.normal(size=num) * (position in mattering)
        for position, num in enumerate(space.num_choices)
    ]
    searcher = make_searcher(_SEARCHER.value, space, seed=seed)
    told = ToldRewards(space)
    for _ in range(_NUM_TRIALS.value // _BATCH):
        asked = searcher.ask(_BATCH)
        rewards = [
            sum(e[t] for e, t in zip(effects, tokens, strict=True))
            + generator.normal()
            for tokens in asked
        ]
        searcher.tell(asked, rewards)
        told.add(asked, rewards)
    model = RewardModel(space)
    model.learn(told.rewards, max_iterations=200)  # as `explain` does
    return [
        (
            effect.decision in mattering,
            effect.contrast.mean / effect.contrast.deviation,
        )
        for effect in importance(model, space, seed=0).effects
    ]


if __name__ == "__main__":
    cli.run(main)
