"""Analytic token spaces whose best point is known exactly.

A problem is a search space with a noisy reward and the truth behind it. Each
seed draws another instance, so that no searcher can be tuned to one. Values
are on the scale of 1 - EER: those of random points deviate by about 0.04, and
all else is given in that unit. The instances are [own]; the kinds are those
that searchers are known to differ on:

    additive    21 ordinal decisions, each with a smooth effect of its own;
                1e14 points
    pairwise    14 decisions of both kinds, half of the variance from pairs
    deceptive   12 categorical decisions in traps: each three look the better,
                the further they are from their best (Deb and Goldberg 1993)
    needle      8 categorical decisions, weak effects, one narrow high peak
    noisy       10 ordinal decisions, smooth, noise larger than what sets the
                best few percent apart
"""

import dataclasses
import functools
import itertools
from collections.abc import Callable
from typing import Protocol

import numpy as np
import numpy.typing as npt

from audiotag_nas.errors import ConfigError
from audiotag_nas.space import Decision, SearchSpace, Tokens

CENTRE = 0.7
SPREAD = 0.04
"""A value is CENTRE + SPREAD times a sum of effects."""


class Problem(Protocol):
    """What is searched in one run.

    A problem may remember which trainings it has given, so a run needs one of
    its own.
    """

    @property
    def name(self) -> str: ...

    @property
    def space(self) -> SearchSpace: ...

    @property
    def best_value(self) -> float:
        """The greatest true value of the space."""
        ...

    def reward(self, tokens: Tokens, generator: np.random.Generator) -> float:
        """What one training of this point earns; drawn anew at each call."""
        ...

    def true_value(self, tokens: Tokens) -> float:
        """What the point is worth."""
        ...


@dataclasses.dataclass(frozen=True)
class Edge:
    """Two decisions that act on one another.

    Attributes:
        parent, child: their positions.
        effects: (choices of parent, choices of child).
    """

    parent: int
    child: int
    effects: npt.NDArray


@dataclasses.dataclass(frozen=True)
class TreeProblem:
    """A sum of one effect a decision and one a pair, the pairs a tree.

    On a tree the best point is found exactly, from the leaves to the root.

    Attributes:
        name: of the problem.
        space: what is searched.
        effects: (choices,) of each decision.
        edges: at most one a child, and every child after its parent.
        noise: deviation of a reward from the truth.
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
        return CENTRE + SPREAD * float(sum(root.max() for root in roots))

    def true_value(self, tokens: Tokens) -> float:
        total = sum(e[t] for e, t in zip(self.effects, tokens, strict=True))
        total += sum(
            edge.effects[tokens[edge.parent], tokens[edge.child]]
            for edge in self.edges
        )
        return CENTRE + SPREAD * float(total)

    def reward(self, tokens: Tokens, generator: np.random.Generator) -> float:
        return self.true_value(tokens) + self.noise * generator.normal()


@dataclasses.dataclass(frozen=True)
class TrapProblem:
    """Blocks of decisions, each a trap; without noise.

    A block of b decisions with u tokens as in its best pattern is worth its
    weight if u = b, and else 0.7 (b - 1 - u) / (b - 1) of it.

    Attributes:
        name: of the problem.
        space: what is searched.
        blocks: positions of the decisions of each block.
        best: the best point.
        weights: of the blocks.
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
        return CENTRE + SPREAD * total

    def reward(self, tokens: Tokens, generator: np.random.Generator) -> float:
        del generator
        return self.true_value(tokens)


@dataclasses.dataclass(frozen=True)
class NeedleProblem:
    """Weak effects, and a peak that only the points next to it feel.

    Attributes:
        name: of the problem.
        space: what is searched.
        effects: (choices,) of each decision.
        needle: the peak's point.
        heights: of the peak at 0, 1, ... tokens from it; 0 further away.
        noise: deviation of a reward from the truth.
    """

    name: str
    space: SearchSpace
    effects: tuple[npt.NDArray, ...]
    needle: Tokens
    heights: tuple[float, ...]
    noise: float

    @functools.cached_property
    def best_value(self) -> float:
        # best[h]: of all points h tokens from the needle, the best effects.
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
        return CENTRE + SPREAD * float(total)

    def true_value(self, tokens: Tokens) -> float:
        total = sum(e[t] for e, t in zip(self.effects, tokens, strict=True))
        away = sum(a != b for a, b in zip(tokens, self.needle, strict=True))
        if away < len(self.heights):
            total += self.heights[away]
        return CENTRE + SPREAD * float(total)

    def reward(self, tokens: Tokens, generator: np.random.Generator) -> float:
        return self.true_value(tokens) + self.noise * generator.normal()


def additive(
    generator: np.random.Generator,
    *,
    num_choices: tuple[int, ...] = (5, 4, 5) * 7,
) -> TreeProblem:
    """Decisions that do not act on one another; some matter much more."""
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
    """Every other decision categorical; pairs count as much as singles."""
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
    """Smooth, under noise as large as the spread of random points."""
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
    """Traps whose decisions stand anywhere in the space."""
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
    """A peak of six deviations, a third of it left two tokens away."""
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
"""Name -> what draws an instance."""


def make_analytic(name: str, seed: int) -> Problem:
    """The instance of problem `name` that belongs to `seed`.

    Raises:
        ConfigError: no such problem; names those there are.
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
    """Effects of unit variance in all, `pair_variance` of it from pairs."""
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
    """Importances, a few much greater than the rest; squares add up."""
    weights = generator.gamma(1.0, size=num)
    return weights * np.sqrt(variance / np.sum(weights**2))


def _effect(
    generator: np.random.Generator, num: int, is_ordinal: bool
) -> npt.NDArray:
    """(num,), of mean 0 and variance 1; of one piece where ordinal.

    A parabola whose top may lie outside: rising, falling or with a best
    choice in between.
    """
    if is_ordinal:
        top = generator.uniform(-0.5, 1.5)
        effect = -((np.linspace(0.0, 1.0, num) - top) ** 2)
    else:
        effect = generator.normal(size=num)
    effect = effect - effect.mean()
    deviation = effect.std()
    return effect / deviation if deviation > 1e-9 else effect
