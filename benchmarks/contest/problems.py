"""Analytic search spaces whose best point is known exactly.

A problem is a search space with a true value and a noisy reward per point.
Each seed gives a different instance of the problem, so that no searcher can be
tuned to one instance. Values are on the scale of 1 - EER. The values of random
points have a standard deviation of about 0.04 (`SPREAD`). Effects and noise are
measured in units of this standard deviation. This project's own definitions:

    additive    21 ordinal decisions with smooth effects and no interactions;
                1e14 points
    pairwise    14 ordinal and categorical decisions; half of the variance
                comes from interactions between two decisions
    deceptive   12 categorical decisions in four traps (Deb and Goldberg 1993);
                in a trap, the best pattern has the highest value, and the
                values of all other patterns rise with the distance from it
    needle      8 categorical decisions with weak effects; one narrow, high peak
    noisy       10 ordinal decisions with smooth effects; the noise exceeds the
                differences between the best few percent of points
"""

import dataclasses
import functools
import itertools
from collections.abc import Callable, Iterable
from typing import Protocol

import numpy as np
import numpy.typing as npt

from audiotag_nas.errors import ConfigError
from audiotag_nas.space import Decision, SearchSpace, Tokens

CENTER = 0.7
SPREAD = 0.04
"""The true value of a point is CENTER + SPREAD times a sum of effects."""
NOT_AVERAGED = ("deceptive",)
"""Problems that are reported but do not enter the average.

By construction, the best point of `deceptive` is surrounded by the worst
points. A technique made for this problem had no effect on any other problem.
"""


class Problem(Protocol):
    """The objective of one search.

    Each search needs its own problem object, because the object may have state:
    for example, it may know which recorded trials were already used.
    """

    @property
    def name(self) -> str: ...

    @property
    def space(self) -> SearchSpace: ...

    @property
    def best_value(self) -> float:
        """The highest true value of all points in the space."""
        ...

    def reward(self, tokens: Tokens, generator: np.random.Generator) -> float:
        """Draws the reward of one trial of a point."""
        ...

    def true_value(self, tokens: Tokens) -> float:
        """Returns the true value of a point."""
        ...


def sum_of_effects(effects: Iterable[npt.NDArray], tokens: Tokens) -> float:
    """Returns the sum of the effects of a point's tokens.

    `effects` has one array of shape (choices,) per decision.
    """
    return sum(e[t] for e, t in zip(effects, tokens, strict=True))


@dataclasses.dataclass(frozen=True)
class Edge:
    """An interaction between two decisions.

    Attributes:
        parent, child: indices of the decisions.
        effects: array of shape (choices of parent, choices of child).
    """

    parent: int
    child: int
    effects: npt.NDArray


@dataclasses.dataclass(frozen=True)
class TreeProblem:
    """A problem with effects of single decisions and of pairs of decisions.

    The pairs form a tree. The value of the best point can therefore be computed
    exactly, from the leaves to the root.

    Attributes:
        name: name of the problem.
        space: the search space.
        effects: one array of shape (choices,) per decision.
        edges: the pairs. A decision is the child in at most one pair. This pair
            precedes all pairs in which the decision is the parent.
        noise: standard deviation of the rewards of a point.
    """

    name: str
    space: SearchSpace
    effects: tuple[npt.NDArray, ...]
    edges: tuple[Edge, ...]
    noise: float

    @functools.cached_property
    def best_value(self) -> float:
        best = [effects.copy() for effects in self.effects]
        children = set()
        for edge in reversed(self.edges):
            best[edge.parent] += np.max(edge.effects + best[edge.child], axis=1)
            children.add(edge.child)
        roots = [b for i, b in enumerate(best) if i not in children]
        return CENTER + SPREAD * float(sum(root.max() for root in roots))

    def true_value(self, tokens: Tokens) -> float:
        total = sum_of_effects(self.effects, tokens)
        total += sum(
            edge.effects[tokens[edge.parent], tokens[edge.child]]
            for edge in self.edges
        )
        return CENTER + SPREAD * float(total)

    def reward(self, tokens: Tokens, generator: np.random.Generator) -> float:
        return self.true_value(tokens) + self.noise * generator.normal()


@dataclasses.dataclass(frozen=True)
class TrapProblem:
    """A problem without noise. Its decisions form blocks; each block is a trap.

    In a block of b decisions, u tokens are equal to those of the best point. If
    u = b, the block adds its weight to the value. If u < b, the block adds its
    weight times 0.7 (b - 1 - u) / (b - 1).

    Attributes:
        name: name of the problem.
        space: the search space.
        blocks: indices of the decisions of each block.
        best: the best point.
        weights: weights of the blocks.
    """

    name: str
    space: SearchSpace
    blocks: tuple[tuple[int, ...], ...]
    best: Tokens
    weights: tuple[float, ...]

    @property
    def best_value(self) -> float:
        return self.true_value(self.best)

    def true_value(self, tokens: Tokens) -> float:
        total = 0.0
        for block, weight in zip(self.blocks, self.weights, strict=True):
            size = len(block)
            same = sum(tokens[i] == self.best[i] for i in block)
            trap = 0.7 * (size - 1 - same) / (size - 1)
            total += weight * (1.0 if same == size else trap)
        return CENTER + SPREAD * total

    def reward(self, tokens: Tokens, generator: np.random.Generator) -> float:
        del generator
        return self.true_value(tokens)


@dataclasses.dataclass(frozen=True)
class NeedleProblem:
    """A problem with weak effects and a narrow peak.

    Attributes:
        name: name of the problem.
        space: the search space.
        effects: one array of shape (choices,) per decision.
        needle: the point of the peak.
        heights: heights of the peak at points in which 0, 1, ... tokens differ
            from `needle`. At more distant points, the height is 0.
        noise: standard deviation of the rewards of a point.
    """

    name: str
    space: SearchSpace
    effects: tuple[npt.NDArray, ...]
    needle: Tokens
    heights: tuple[float, ...]
    noise: float

    @functools.cached_property
    def best_value(self) -> float:
        # best[h] is the highest sum of effects among the points in which h
        # tokens differ from the needle.
        best = [0.0] + [-np.inf] * self.space.num_decisions
        for effects, token in zip(self.effects, self.needle, strict=True):
            others = np.delete(effects, token)
            other = others.max() if len(others) else -np.inf
            best = [
                max(
                    best[h] + effects[token],
                    best[h - 1] + other if h else -np.inf,
                )
                for h in range(len(best))
            ]
        heights = itertools.chain(self.heights, itertools.repeat(0.0))
        total = max(map(sum, zip(best, heights, strict=False)))
        return CENTER + SPREAD * float(total)

    def true_value(self, tokens: Tokens) -> float:
        total = sum_of_effects(self.effects, tokens)
        distance = sum(a != b for a, b in zip(tokens, self.needle, strict=True))
        if distance < len(self.heights):
            total += self.heights[distance]
        return CENTER + SPREAD * float(total)

    def reward(self, tokens: Tokens, generator: np.random.Generator) -> float:
        return self.true_value(tokens) + self.noise * generator.normal()


def additive(
    generator: np.random.Generator,
    *,
    num_choices: tuple[int, ...] = (5, 4, 5) * 7,
) -> TreeProblem:
    """Returns a problem without interactions. Most effects are weak."""
    return _tree(
        "additive",
        generator,
        num_choices=num_choices,
        ordinal=(True,) * len(num_choices),
        pair_variance=0.0,
        noise=0.3,
    )


def pairwise(
    generator: np.random.Generator,
    *,
    num_choices: tuple[int, ...] = (4, 3, 5, 4, 3, 4, 5) * 2,
) -> TreeProblem:
    """Returns a problem in which half of the variance comes from pairs."""
    return _tree(
        "pairwise",
        generator,
        num_choices=num_choices,
        ordinal=tuple(i % 2 == 0 for i in range(len(num_choices))),
        pair_variance=0.5,
        noise=0.3,
    )


def noisy(
    generator: np.random.Generator, *, num_choices: tuple[int, ...] = (5,) * 10
) -> TreeProblem:
    """Returns a problem whose noise equals the spread of random points."""
    return _tree(
        "noisy",
        generator,
        num_choices=num_choices,
        ordinal=(True,) * len(num_choices),
        pair_variance=0.25,
        noise=1.0,
    )


def deceptive(
    generator: np.random.Generator,
    *,
    num_blocks: int = 4,
    block_size: int = 3,
    num_choices: int = 4,
) -> TrapProblem:
    """Returns a problem in which each trap consists of random decisions."""
    num = num_blocks * block_size
    order = generator.permutation(num).reshape(num_blocks, block_size)
    weights = generator.uniform(0.5, 1.5, num_blocks)
    return TrapProblem(
        name="deceptive",
        space=_space((num_choices,) * num, (False,) * num),
        blocks=tuple(tuple(map(int, block)) for block in order),
        best=tuple(map(int, generator.integers(num_choices, size=num))),
        weights=tuple(map(float, weights * _TRAP_SCALE)),
    )


def needle(
    generator: np.random.Generator, *, num_choices: tuple[int, ...] = (4,) * 8
) -> NeedleProblem:
    """Returns a problem with a peak whose height is 6 standard deviations."""
    ordinal = (False,) * len(num_choices)
    return NeedleProblem(
        name="needle",
        space=_space(num_choices, ordinal),
        effects=_main_effects(generator, num_choices, ordinal, variance=1.0),
        needle=tuple(int(generator.integers(num)) for num in num_choices),
        heights=(6.0, 4.0, 2.0),
        noise=0.5 * SPREAD,
    )


_TRAP_SCALE = 2.0

ANALYTIC: dict[str, Callable[[np.random.Generator], Problem]] = {
    "additive": additive,
    "pairwise": pairwise,
    "deceptive": deceptive,
    "needle": needle,
    "noisy": noisy,
}
"""Name of a problem -> function that draws an instance of the problem."""


def make_analytic(name: str, seed: int) -> Problem:
    """Returns the instance of problem `name` for `seed`.

    Raises:
        ConfigError: the name is unknown.
    """
    if name not in ANALYTIC:
        raise ConfigError(
            f"a problem must be one of {list(ANALYTIC)}. Received: {name!r}"
        )
    return ANALYTIC[name](np.random.default_rng([seed, *name.encode()]))


def _space(
    num_choices: tuple[int, ...], ordinal: tuple[bool, ...]
) -> SearchSpace:
    return SearchSpace(
        tuple(
            Decision(f"decision{i:02d}", tuple(range(num)), ordinal=is_ordinal)
            for i, (num, is_ordinal) in enumerate(
                zip(num_choices, ordinal, strict=True)
            )
        )
    )


def _tree(
    name: str,
    generator: np.random.Generator,
    *,
    num_choices: tuple[int, ...],
    ordinal: tuple[bool, ...],
    pair_variance: float,
    noise: float,
) -> TreeProblem:
    """Returns a problem of variance 1, with `pair_variance` from pairs."""
    effects = _main_effects(
        generator, num_choices, ordinal, variance=1 - pair_variance
    )
    edges = []
    if pair_variance:
        num = len(num_choices)
        order = generator.permutation(num)
        weights = _weights(generator, num - 1, pair_variance)
        for place, weight in enumerate(weights, start=1):
            parent = int(order[generator.integers(place)])
            child = int(order[place])
            pair = [
                _effect(generator, num_choices[i], ordinal[i])
                for i in (parent, child)
            ]
            edges.append(Edge(parent, child, weight * np.outer(*pair)))
    return TreeProblem(
        name=name,
        space=_space(num_choices, ordinal),
        effects=effects,
        edges=tuple(edges),
        noise=noise * SPREAD,
    )


def _main_effects(
    generator: np.random.Generator,
    num_choices: tuple[int, ...],
    ordinal: tuple[bool, ...],
    *,
    variance: float,
) -> tuple[npt.NDArray, ...]:
    weights = _weights(generator, len(num_choices), variance)
    return tuple(
        weight * _effect(generator, num, is_ordinal)
        for weight, num, is_ordinal in zip(
            weights, num_choices, ordinal, strict=True
        )
    )


def _weights(
    generator: np.random.Generator, num: int, variance: float
) -> npt.NDArray:
    """Returns `num` skewed weights whose squares sum to `variance`."""
    weights = generator.gamma(1.0, size=num)
    return weights * np.sqrt(variance / np.sum(weights**2))


def _effect(
    generator: np.random.Generator, num: int, is_ordinal: bool
) -> npt.NDArray:
    """Returns `num` effects with mean 0 and variance 1.

    Ordinal effects lie on a parabola whose maximum may be outside the choices.
    """
    if is_ordinal:
        top = generator.uniform(-0.5, 1.5)
        effect = -((np.linspace(0.0, 1.0, num) - top) ** 2)
    else:
        effect = generator.normal(size=num)
    effect = effect - effect.mean()
    deviation = effect.std()
    return effect / deviation if deviation > 1e-9 else effect
