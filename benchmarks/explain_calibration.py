"""Measures how often `explain` finds effects of decisions without an effect.

The program runs searches with 21 decisions and synthetic rewards. 7 decisions
have random effects, which are as large as the noise of a trial. The other 14
decisions have no effect. For both kinds of decisions, the program counts how
often the best choice is more than 2 (or 3) posterior standard deviations better
than the worst choice. The program also counts the searches whose leave-one-out
R² is above 0, and those whose R² is above 2 standard errors. With
`--num_that_matter=0`, all rewards are noise.

  python -m benchmarks.explain_calibration

The program takes about 3 minutes.
"""

from collections.abc import Sequence

from absl import flags

from audiotag_nas.command_line import command

_NUM_SEARCHES = flags.DEFINE_integer(
    "num_searches",
    30,
    "Number of searches, each with other random effects.",
    lower_bound=1,
)
_NUM_TRIALS = flags.DEFINE_integer(
    "num_trials", 100, "Number of trials per search.", lower_bound=8
)
_SEARCHER = flags.DEFINE_string(
    "searcher", "reinforce", "Name of the searcher."
)
_NUM_THAT_MATTER = flags.DEFINE_integer(
    "num_that_matter",
    7,
    "Number of decisions with an effect.",
    lower_bound=0,
    upper_bound=21,
)
_BATCH = 4
_THRESHOLDS = (2.0, 3.0)


def main(argv: Sequence[str]) -> None:
    num_passed = {matters: [0] * len(_THRESHOLDS) for matters in (False, True)}
    totals = {False: 0, True: 0}
    num_positive, num_significant = 0, 0
    for seed in range(_NUM_SEARCHES.value):
        (r_squared, error), decisions = _explained(seed)
        num_positive += r_squared > 0
        num_significant += r_squared > 2 * error
        for matters, z_score in decisions:
            totals[matters] += 1
            for index, threshold in enumerate(_THRESHOLDS):
                num_passed[matters][index] += z_score > threshold
    print(
        f"searches: {_NUM_SEARCHES.value}, leave-one-out R² above 0: "
        f"{num_positive}, above 2 standard errors: {num_significant}"
    )
    for matters, kind in ((False, "without effect"), (True, "with effect")):
        if not totals[matters]:
            continue
        print(f"decisions {kind}: {totals[matters]}")
        for threshold, num in zip(
            _THRESHOLDS, num_passed[matters], strict=True
        ):
            print(
                f"  more than {threshold:g} standard deviations: {num} "
                f"({num / totals[matters]:.1%})"
            )


def _explained(
    seed: int,
) -> tuple[tuple[float, float], list[tuple[bool, float]]]:
    """Runs and explains one search.

    Returns:
        A pair (leave-one-out R², standard error of R²), and a pair per
        decision: True if the decision has an effect, and the posterior mean of
        the difference between best and worst choice, divided by its posterior
        standard deviation.
    """
    import numpy as np

    from audiotag_nas.architecture import conv_space
    from audiotag_nas.inspection.importance import importance, leave_one_out_fit
    from audiotag_nas.search import make_searcher
    from audiotag_nas.search.observed_rewards import ObservedRewards
    from audiotag_nas.search.reinforce.reward_model import RewardModel
    from benchmarks.contest.problems import sum_of_effects

    space = conv_space()
    generator = np.random.default_rng(seed)
    order = generator.permutation(space.num_decisions)
    relevant = set(order[: _NUM_THAT_MATTER.value].tolist())
    effects = [
        generator.normal(size=num) * (index in relevant)
        for index, num in enumerate(space.num_choices)
    ]
    searcher = make_searcher(_SEARCHER.value, space, seed=seed)
    observed = ObservedRewards(space)
    for _ in range(_NUM_TRIALS.value // _BATCH):
        asked = searcher.ask(_BATCH)
        rewards = [
            sum_of_effects(effects, tokens) + generator.normal()
            for tokens in asked
        ]
        searcher.tell(asked, rewards)
        observed.add(asked, rewards)
    model = RewardModel(space)
    model.learn(observed.rewards, max_iterations=200)  # as many as in `explain`
    decisions = [
        (
            effect.decision in relevant,
            effect.contrast.mean / effect.contrast.deviation,
        )
        for effect in importance(model, space, seed=0).effects
    ]
    fit = leave_one_out_fit(model)
    return (fit.r2, fit.r2_error), decisions


if __name__ == "__main__":
    command.run(main)
