"""How often `explain` is taken in: decisions that do not matter.

Searches made-up spaces of 21 decisions, of which 7 decide the reward (each
with random effects of its choices, as large as the noise of a training) and 14
do nothing, and counts on how many of either kind the best choice is
more than 2 and 3 deviations of the posterior above the worst; and how many
searches foretell more than 2 standard errors of the variance. With
`--num_that_matter=0` all rewards are noise.

  python -m benchmarks.explain_calibration

Time: about 3 minutes.
"""

from collections.abc import Sequence

from absl import flags

from audiotag_nas.command_line import command

_NUM_SEARCHES = flags.DEFINE_integer(
    "num_searches", 30, "Searches, each of another space.", lower_bound=1
)
_NUM_TRIALS = flags.DEFINE_integer(
    "num_trials", 100, "Children of a search.", lower_bound=8
)
_SEARCHER = flags.DEFINE_string("searcher", "reinforce", "By name.")
_NUM_THAT_MATTER = flags.DEFINE_integer(
    "num_that_matter", 7, "Decisions.", lower_bound=0, upper_bound=21
)
_BATCH = 4
_THRESHOLDS = (2.0, 3.0)


def main(argv: Sequence[str]) -> None:
    passed = {matters: [0] * len(_THRESHOLDS) for matters in (False, True)}
    totals = {False: 0, True: 0}
    num_above, num_foretelling = 0, 0
    for seed in range(_NUM_SEARCHES.value):
        (share, error), decisions = _explained(seed)
        num_above += share > 0
        num_foretelling += share > 2 * error
        for matters, deviations in decisions:
            totals[matters] += 1
            for place, threshold in enumerate(_THRESHOLDS):
                passed[matters][place] += deviations > threshold
    print(
        f"searches: {_NUM_SEARCHES.value}, of R^2 above 0 {num_above}, above "
        f"2 standard errors {num_foretelling}"
    )
    for matters, kind in ((False, "that do nothing"), (True, "that matter")):
        if not totals[matters]:
            continue
        print(f"decisions {kind}: {totals[matters]}")
        for threshold, num in zip(_THRESHOLDS, passed[matters], strict=True):
            share = 100 * num / totals[matters]
            print(
                f"  more than {threshold:g} deviations: {num} ({share:.1f} %)"
            )


def _explained(
    seed: int,
) -> tuple[tuple[float, float], list[tuple[bool, float]]]:
    """One search: what is foretold; which decisions matter, how clearly so.

    R^2 and its standard error; of each decision, whether it matters and how
    many deviations are between its best and worst choice.
    """
    import numpy as np

    from audiotag_nas.architecture import conv_space
    from audiotag_nas.inspection.importance import importance, leave_one_out_fit
    from audiotag_nas.search import make_searcher
    from audiotag_nas.search.reinforce.reward_model import RewardModel
    from audiotag_nas.search.searcher import ObservedRewards

    space = conv_space()
    generator = np.random.default_rng(seed)
    order = generator.permutation(space.num_decisions)
    mattering = set(order[: _NUM_THAT_MATTER.value].tolist())
    effects = [
        generator.normal(size=num) * (position in mattering)
        for position, num in enumerate(space.num_choices)
    ]
    searcher = make_searcher(_SEARCHER.value, space, seed=seed)
    told = ObservedRewards(space)
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
    decisions = [
        (
            effect.decision in mattering,
            effect.contrast.mean / effect.contrast.deviation,
        )
        for effect in importance(model, space, seed=0).effects
    ]
    fit = leave_one_out_fit(model)
    return (fit.r2, fit.r2_error), decisions


if __name__ == "__main__":
    command.run(main)
