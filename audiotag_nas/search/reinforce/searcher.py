"""The model-based controller: a policy that practises on a reward model.

A training costs minutes, a sample of the policy microseconds. So between two
rounds of trainings the controller learns a model of the reward from all that
was told (`reward_model`), and the policy is trained by policy gradients on
what the model promises: model-based reinforcement learning (Sutton's Dyna,
1990; for sequences DyNA-PPO, Angermueller et al., ICLR 2020). The policy's
reward is optimistic, the mean plus some deviations, its advantages are
standardized by median and deviation, and it also learns from the best
sequences found before (priority-queue training, Abolafia et al. 2018).

What is trained next is chosen among the policy's samples, the neighbors and
mutations of the best points told, and some random ones, each improved token
by token until no neighbor promises more (`acquisition` has the promises).
Where nothing promises more than a share of what uniform points differ by,
uniform points take the places: a model that is sure may be wrong elsewhere.
Points trained before may be asked for again, on purpose: where noise decides
between the best, another training of them is worth more than a new point.
"""

import collections
import copy
from collections.abc import Iterable, Sequence

import numpy as np
import numpy.typing as npt

from audiotag_nas.config.searchers import ReinforceSettings
from audiotag_nas.search.one_thread import one_blas_thread
from audiotag_nas.search.points import draw_points, mutate, some_neighbors
from audiotag_nas.search.reinforce import acquisition
from audiotag_nas.search.reinforce.initial_points import (
    balanced_points,
    draw_untried,
    without_repeats,
)
from audiotag_nas.search.reinforce.policy_training import Practice
from audiotag_nas.search.reinforce.reward_model import RewardModel, cut_below
from audiotag_nas.search.searchers.base_searcher import BaseSearcher
from audiotag_nas.space import SearchSpace, Tokens

_RESTART_ROUNDS = 4
"""Every so many rounds the reward model's fit also starts afresh."""

_NUM_NEIGHBORHOODS, _MAX_NEIGHBORS = 3, 250
_NUM_PARENTS, _NUM_DOUBLE = 6, 150
_NUM_RANDOM = 200
_NUM_RETRAINED = 8
_LEAST_GAIN = 0.3
_NO_GAIN = 1e-30  # of a knowledge gradient; in standardized rewards
_FAR_DEVIATIONS = 6.0
_NUM_CLIMBERS, _MAX_CLIMB = 4, 20


class ReinforceSearcher(BaseSearcher):
    """The project's controller; see `Searcher` for the contract.

    The first points are drawn so that each choice of a decision comes about
    equally often and no point twice. What was asked for and is not told yet
    counts as seen with the outcome believed, so that rounds may overlap.

    `recommend` gives, of the points told, the one of the highest posterior
    mean: a point that was lucky once is believed less than one that did well
    twice, or whose neighbors do well too.

    Args:
        space: what to search.
        seed: of every draw.
        settings: checked already, as by `make_searcher`.

    Attributes:
        model: the reward model, as it was when it was last needed.
        metrics: of the policy's last step: `loss`, `log_prob`, `entropy`,
            `gradient_norm`.
    """

    def __init__(
        self,
        space: SearchSpace,
        *,
        seed: int = 0,
        settings: ReinforceSettings,
    ) -> None:
        super().__init__(space, seed=seed)
        self._num_asked = 0
        self._reevaluate = settings.reevaluate
        self._open: collections.Counter[Tokens] = collections.Counter()
        initial = balanced_points(
            space, settings.num_initial, np.random.default_rng([seed, 1])
        )
        self._num_initial = len(initial)
        self._initial = initial  # those not asked for yet
        self._practice = Practice(
            space,
            num_steps=settings.policy_steps,
            entropy_weight=settings.policy_entropy,
        )
        self._uniform = set(initial)
        self._is_fitted = False
        self.model = self._asked_model = RewardModel(space)

    @property
    def metrics(self) -> dict[str, float]:
        return self._practice.metrics

    @property
    def repeats_on_purpose(self) -> bool:
        """Whether a point asked for again is to be trained again."""
        return self._reevaluate

    def _propose(self, num: int) -> list[Tokens]:
        generator = np.random.default_rng([self._seed, 2, self._num_rounds])
        chosen = self._next_initial(num)
        if len(chosen) < num:
            first, end = self._num_asked + len(chosen), self._num_asked + num
            wishes = [
                acquisition.wish(place, self._space.num_decisions)
                for place in range(first, end)
            ]
            with one_blas_thread():
                chosen = chosen + self._choose(wishes, generator, chosen)
        self._num_asked += num
        self._open.update(chosen)
        return chosen

    def _next_initial(self, num: int) -> list[Tokens]:
        """`num` first points; none once as many points were told."""
        if len(self._told.rewards) >= self._num_initial:
            return []
        if not self._reevaluate:
            taken = self._taken()
            self._initial = [p for p in self._initial if p not in taken]
        asked, self._initial = self._initial[:num], self._initial[num:]
        return asked

    def _taken(self) -> set[Tokens]:
        """What was told or is open."""
        return {*self._told.rewards, *self._open}

    def _learn(self, points: list[Tokens], values: list[float]) -> None:
        del values  # `_told` has them
        self._open -= collections.Counter(points)
        self._is_fitted = False

    def recommend(self, among: Iterable[Sequence[int]] | None = None) -> Tokens:
        told = set(self._told.told_of(among))
        if len(self._told.rewards) < 3:
            return self._told.best(told)
        with one_blas_thread():
            self._fit()
            return self.model.best_told(told)

    def _fit(self) -> None:
        if not self._is_fitted:
            # From the last that was asked: being asked for a recommendation
            # in between must not change what is proposed.
            self.model = copy.copy(self._asked_model)
            self.model.learn(
                self._told.rewards,
                restart=self._num_rounds % _RESTART_ROUNDS == 0,
            )
            self._is_fitted = True

    def _choose(
        self,
        wishes: Sequence[float],
        generator: np.random.Generator,
        begun: Sequence[Tokens],
    ) -> list[Tokens]:
        """One point a wish, by the reward model.

        Args:
            wishes: at least one.
            generator: of the round.
            begun: the points that the round has already.
        """
        taken = {*self._taken(), *begun}
        if not self._told.rewards:
            drawn = draw_points(self._space, len(wishes), generator)
            return without_repeats(self._space, drawn, generator, taken=taken)
        self._fit()
        self._asked_model = self.model
        strangers = draw_points(self._space, _NUM_RANDOM, generator)
        pool = self._pool(wishes, strangers, generator)
        for point in self._open.elements():
            pool.believe(pool.index(point))
        least_bound = pool.best_known_mean + self._least_gain()
        chosen = []
        for wish in wishes:
            index = self._best(pool, wish, strangers, least_bound)
            # Believed as late as that: rounds in which none of them comes up
            # again stay what they were when this was not looked at.
            while pool.points[index] in begun and not pool.is_known[index]:
                pool.believe(index)
                index = self._best(pool, wish, strangers, least_bound)
            point = pool.points[index]
            if self._may_repeat(pool, index, len(taken)):
                pool.believe(index)
            else:
                point = draw_untried(self._space, taken, generator)
                self._uniform.add(point)
            chosen.append(point)
            taken.add(point)
        self._practice.remember(chosen)
        return chosen

    def _best(
        self,
        pool: acquisition.Pool,
        wish: float,
        strangers: list[Tokens],
        least_bound: float,
    ) -> int:
        """The candidate that serves a wish best."""
        wish, scores = self._scores(pool, wish)
        index = int(np.argmax(scores))
        if wish != acquisition.GRADIENT and scores[index] < least_bound:
            index = self._strange(pool, strangers, index)
        return index

    def _may_repeat(
        self, pool: acquisition.Pool, index: int, num_taken: int
    ) -> bool:
        """Whether a candidate may be asked for, if it was before.

        Without re-evaluation that is an accident: the candidates were used
        up. The space mostly is not.
        """
        is_new = not pool.is_known[index]
        return is_new or self._reevaluate or num_taken == self._space.size

    def _scores(
        self, pool: acquisition.Pool, wish: float
    ) -> tuple[float, npt.NDArray[np.float64]]:
        """A wish, and how well each candidate serves it.

        Where no training is expected to teach anything, the best of equals
        would be the incumbent, trained again for nothing: then the place goes
        to the widest bound, and so to a new point.
        """
        scores = pool.scores(wish)
        if pool.is_known.all():
            return wish, scores
        if not self._reevaluate:
            scores = np.where(pool.is_known, -np.inf, scores)
        if wish == acquisition.GRADIENT and np.max(scores) < _NO_GAIN:
            return acquisition.WIDEST, pool.scores(acquisition.WIDEST)
        return wish, scores

    def _pool(
        self,
        wishes: Sequence[float],
        strangers: list[Tokens],
        generator: np.random.Generator,
    ) -> acquisition.Pool:
        """Who may be chosen: told and open points, and new ones, improved."""
        told = list(self._told.rewards)
        order = np.argsort(-self.model.predict(told).mean, kind="stable")
        ranked = [told[i] for i in order]
        samples = self._practice.samples(
            self.model, (self._seed, self._num_rounds)
        )
        moves = self._moves(ranked, generator)
        new = [
            point
            for point in (*samples, *moves, *strangers)
            if point not in self._told.rewards
        ]
        first = [*ranked[:_NUM_RETRAINED], *self._open]
        pool = acquisition.Pool(self.model, dict.fromkeys([*first, *new]))
        for _ in range(_MAX_CLIMB):
            best = {
                int(index)
                for wish in sorted(set(wishes))
                for index in np.argsort(-pool.scores(wish), kind="stable")[
                    :_NUM_CLIMBERS
                ]
            }
            found = [
                neighbor
                for index in sorted(best)
                for neighbor in some_neighbors(
                    self._space,
                    pool.points[index],
                    generator,
                    most=_MAX_NEIGHBORS,
                )
                if neighbor not in self._told.rewards
            ]
            if not pool.add(found):
                break
        return pool

    def _moves(
        self, ranked: list[Tokens], generator: np.random.Generator
    ) -> list[Tokens]:
        """Neighbors and mutations of the best points."""
        parents = ranked[:_NUM_PARENTS]
        return [
            neighbor
            for point in ranked[:_NUM_NEIGHBORHOODS]
            for neighbor in some_neighbors(
                self._space, point, generator, most=_MAX_NEIGHBORS
            )
        ] + [
            mutate(
                self._space,
                parents[int(generator.integers(len(parents)))],
                generator,
                num_mutations=2,
            )
            for _ in range(_NUM_DOUBLE)
        ]

    def _strange(
        self, pool: acquisition.Pool, strangers: list[Tokens], index: int
    ) -> int:
        """A point drawn uniformly, in place of one that promises nothing.

        A model that is sure of all it has seen can't tell what it has not:
        points from anywhere show it, or that there is nothing.
        """
        for point in strangers:
            place = pool.index(point) if point in pool else None
            if place is not None and not pool.is_known[place]:
                self._uniform.add(point)
                return place
        return index

    def _least_gain(self) -> float:
        """What a new point's bound must promise, in the model's units.

        A share of the spread of the points that were drawn uniformly; those
        far below count as far as that, whatever a failure is told.
        """
        means = self._told.means()
        drawn = [means[point] for point in means if point in self._uniform]
        if len(drawn) < 2:
            return -np.inf
        spread = np.std(cut_below(np.array(drawn), _FAR_DEVIATIONS))
        return _LEAST_GAIN * float(spread) / self.model.scale
