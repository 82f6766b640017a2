"""The default searcher: a policy trained on a learned reward model.

A training takes minutes, but a sample of the policy takes microseconds. Between
two rounds the searcher therefore fits a model of the reward to all observed
rewards (`reward_model`). It then trains the policy on this model by policy
gradients (`policy_training`). This is model-based reinforcement learning (Dyna,
Sutton 1990; for sequences DyNA-PPO, Angermueller et al., ICLR 2020).

The candidates of a round are samples of the policy, neighbors and mutations of
the best observed points, and random points. The neighbors of the candidates
with the highest acquisition values (`acquisition`) become candidates too, until
no such neighbor is new. If no upper confidence bound is clearly above the best
posterior mean, a uniformly drawn point is chosen, because the model may be
certain and still wrong. An observed point can be chosen again: if noise hides
which point is the best, a retraining is worth more than a new point.
"""

import collections
import copy
from collections.abc import Iterable, Sequence

import numpy as np

from audiotag_nas.config.searchers import ReinforceSettings
from audiotag_nas.search.one_thread import one_blas_thread
from audiotag_nas.search.points import (
    draw_points,
    draw_untried,
    mutate,
    replace_repeats,
    some_neighbors,
)
from audiotag_nas.search.reinforce.acquisition import (
    KNOWLEDGE_GRADIENT,
    WIDEST_BOUND,
    CandidatePool,
    acquisition_at,
)
from audiotag_nas.search.reinforce.initial_points import balanced_points
from audiotag_nas.search.reinforce.policy_training import PolicyTraining
from audiotag_nas.search.reinforce.reward_model import RewardModel, clip_below
from audiotag_nas.search.searchers.base_searcher import BaseSearcher
from audiotag_nas.space import SearchSpace, Tokens

_RESTART_ROUNDS = 4  # in every fourth round, a fit also starts at the priors
_NUM_NEIGHBORHOODS, _MAX_NEIGHBORS = 3, 250
_NUM_PARENTS, _NUM_DOUBLE_MUTATIONS = 6, 150
_NUM_RANDOM = 200
_NUM_RETRAINABLE = 8
_MIN_GAIN = 0.3  # in standard deviations of the rewards of uniform points
_MIN_KNOWLEDGE_GRADIENT = 1e-30  # in standardized rewards
_CLIP_DEVIATIONS = 6.0
_NUM_CLIMBERS, _MAX_CLIMB_STEPS = 4, 20


class ReinforceSearcher(BaseSearcher):
    """A searcher whose policy is trained on a reward model.

    The initial points all differ and have balanced choices. Pending points
    (proposed, but reward not yet told) have fantasy values. A round can
    therefore be asked for before the previous round is told. `recommend`
    returns the observed point with the highest posterior mean.

    Args:
        space: the search space.
        seed: the seed of every draw.
        settings: the settings, already checked (see `make_searcher`).

    Attributes:
        model: the reward model after the last fit.
        metrics: `loss`, `log_prob`, `entropy` and `gradient_norm` of the last
            step of the policy's training.
    """

    def __init__(
        self, space: SearchSpace, *, seed: int = 0, settings: ReinforceSettings
    ) -> None:
        super().__init__(space, seed=seed)
        self._num_asked = 0
        self._reevaluate = settings.reevaluate
        self._pending: collections.Counter[Tokens] = collections.Counter()
        initial = balanced_points(
            space, settings.num_initial, np.random.default_rng([seed, 1])
        )
        self._num_initial = len(initial)
        self._initial = initial  # the initial points that were not asked yet
        self._policy_training = PolicyTraining(
            space,
            num_steps=settings.policy_steps,
            entropy_weight=settings.policy_entropy,
        )
        self._uniform_points = set(initial)
        self._is_fitted = False
        self.model = self._asked_model = RewardModel(space)

    @property
    def metrics(self) -> dict[str, float]:
        return self._policy_training.metrics

    @property
    def repeats_on_purpose(self) -> bool:
        """Whether a point should be retrained when it is proposed again."""
        return self._reevaluate

    def recommend(self, among: Iterable[Sequence[int]] | None = None) -> Tokens:
        points = set(self._observed.points(among))
        if len(self._observed.rewards) < 3:
            return self._observed.best(points)
        with one_blas_thread():
            self._fit()
            return self.model.best_observed(points)

    def _propose(self, num: int) -> list[Tokens]:
        generator = np.random.default_rng([self._seed, 2, self._num_rounds])
        points = self._next_initial(num)
        if len(points) < num:
            positions = range(
                self._num_asked + len(points), self._num_asked + num
            )
            with one_blas_thread():
                points = points + self._choose(positions, generator, points)
        self._num_asked += num
        self._pending.update(points)
        return points

    def _learn(self, points: list[Tokens], values: list[float]) -> None:
        del values  # `_observed` has the rewards
        self._pending -= collections.Counter(points)
        self._is_fitted = False

    def _next_initial(self, num: int) -> list[Tokens]:
        """Returns up to `num` initial points that were not proposed yet.

        Once `num_initial` points are observed, no initial points are returned.
        """
        if len(self._observed.rewards) >= self._num_initial:
            return []
        if not self._reevaluate:
            taken = self._taken()
            self._initial = [p for p in self._initial if p not in taken]
        asked, self._initial = self._initial[:num], self._initial[num:]
        return asked

    def _taken(self) -> set[Tokens]:
        """Returns the observed and the pending points."""
        return {*self._observed.rewards, *self._pending}

    def _fit(self) -> None:
        if not self._is_fitted:
            # The fit starts at the model of the last `ask`, so that a call of
            # `recommend` does not change later proposals.
            self.model = copy.copy(self._asked_model)
            self.model.learn(
                self._observed.rewards,
                restart=self._num_rounds % _RESTART_ROUNDS == 0,
            )
            self._is_fitted = True

    def _choose(
        self,
        positions: Sequence[int],
        generator: np.random.Generator,
        initial: Sequence[Tokens],
    ) -> list[Tokens]:
        """Chooses one point per position with the reward model.

        Args:
            positions: the index of each point in the order of all proposals; at
                least one.
            generator: the generator of the round's draws.
            initial: the initial points that the round already contains.
        """
        taken = {*self._taken(), *initial}
        if not self._observed.rewards:
            drawn = draw_points(self._space, len(positions), generator)
            return replace_repeats(self._space, drawn, generator, taken=taken)
        self._fit()
        self._asked_model = self.model
        num_decisions = self._space.num_decisions
        acquisitions = [acquisition_at(p, num_decisions) for p in positions]
        random_points = draw_points(self._space, _NUM_RANDOM, generator)
        pool = self._make_pool(acquisitions, random_points, generator)
        for point in self._pending.elements():
            pool.add_fantasy(pool.index_of[point])
        min_bound = pool.best_known_mean + self._min_gain()
        chosen = []
        for acquisition in acquisitions:
            index = self._best(pool, acquisition, random_points, min_bound)
            while pool.points[index] in initial and not pool.is_known[index]:
                pool.add_fantasy(index)
                index = self._best(pool, acquisition, random_points, min_bound)
            point = pool.points[index]
            if self._may_ask(pool, index, len(taken)):
                pool.add_fantasy(index)
            else:
                point = draw_untried(self._space, taken, generator)
                self._uniform_points.add(point)
            chosen.append(point)
            taken.add(point)
        self._policy_training.add_to_replay(chosen)
        return chosen

    def _best(
        self,
        pool: CandidatePool,
        acquisition: float,
        random_points: list[Tokens],
        min_bound: float,
    ) -> int:
        """Returns the index of the candidate to choose.

        If no knowledge gradient is positive, all values are equal, and the
        first of them is that of the best observed point. Retraining this point
        has no benefit, so the widest bound chooses a new point instead.
        """
        values = pool.values(acquisition)
        if not pool.is_known.all():
            if not self._reevaluate:
                values = np.where(pool.is_known, -np.inf, values)
            if (
                acquisition == KNOWLEDGE_GRADIENT
                and np.max(values) < _MIN_KNOWLEDGE_GRADIENT
            ):
                acquisition = WIDEST_BOUND
                values = pool.values(acquisition)
        index = int(np.argmax(values))
        if acquisition != KNOWLEDGE_GRADIENT and values[index] < min_bound:
            return self._random_candidate(pool, random_points, index)
        return index

    def _random_candidate(
        self, pool: CandidatePool, random_points: list[Tokens], default: int
    ) -> int:
        """Returns the index of a new random point; `default` if none is new."""
        for point in random_points:
            index = pool.index_of.get(point)
            if index is not None and not pool.is_known[index]:
                self._uniform_points.add(point)
                return index
        return default

    def _may_ask(self, pool: CandidatePool, index: int, num_taken: int) -> bool:
        """Returns True if a candidate is new or may be repeated.

        Without `reevaluate`, a known candidate may be proposed only if all
        points of the space are taken.
        """
        is_new = not pool.is_known[index]
        return is_new or self._reevaluate or num_taken == self._space.size

    def _min_gain(self) -> float:
        """Returns by how much a useful bound must exceed the best mean.

        The result, in standardized rewards, is proportional to the standard
        deviation of the rewards of uniformly drawn points. These rewards are
        clipped first, because the penalty of a failed training would dominate.
        """
        means = self._observed.means()
        rewards = [means[p] for p in means if p in self._uniform_points]
        if len(rewards) < 2:
            return -np.inf
        spread = np.std(clip_below(np.array(rewards), _CLIP_DEVIATIONS))
        return _MIN_GAIN * float(spread) / self.model.scale

    def _make_pool(
        self,
        acquisitions: Sequence[float],
        random_points: list[Tokens],
        generator: np.random.Generator,
    ) -> CandidatePool:
        """Returns a pool of observed, pending and new points."""
        observed = list(self._observed.rewards)
        order = np.argsort(-self.model.predict(observed).mean, kind="stable")
        ranked = [observed[i] for i in order]
        samples = self._policy_training.train(
            self.model, (self._seed, self._num_rounds)
        )
        moves = self._neighbors_and_mutations(ranked, generator)
        new = [
            point
            for point in (*samples, *moves, *random_points)
            if point not in self._observed.rewards
        ]
        known = [*ranked[:_NUM_RETRAINABLE], *self._pending]
        pool = CandidatePool(self.model, dict.fromkeys([*known, *new]))
        for _ in range(_MAX_CLIMB_STEPS):
            best = {
                int(index)
                for acquisition in sorted(set(acquisitions))
                for index in np.argsort(
                    -pool.values(acquisition), kind="stable"
                )[:_NUM_CLIMBERS]
            }
            found = [
                neighbor
                for index in sorted(best)
                for neighbor in some_neighbors(
                    self._space,
                    pool.points[index],
                    generator,
                    max_num=_MAX_NEIGHBORS,
                )
                if neighbor not in self._observed.rewards
            ]
            if not pool.add(found):
                break
        return pool

    def _neighbors_and_mutations(
        self, ranked: list[Tokens], generator: np.random.Generator
    ) -> list[Tokens]:
        """Returns neighbors and double mutations of the best points.

        A double mutation draws new tokens for two decisions.
        """
        parents = ranked[:_NUM_PARENTS]
        return [
            neighbor
            for point in ranked[:_NUM_NEIGHBORHOODS]
            for neighbor in some_neighbors(
                self._space, point, generator, max_num=_MAX_NEIGHBORS
            )
        ] + [
            mutate(
                self._space,
                parents[int(generator.integers(len(parents)))],
                generator,
                num_mutations=2,
            )
            for _ in range(_NUM_DOUBLE_MUTATIONS)
        ]
