"""Fast replacements: a runner whose trainings are arithmetic.

It is a `TrialRunner` like the others, so the loop, the journal and the
searchers under test are the real ones.
"""

import hashlib
import random
import time
from collections.abc import Callable

from audiotag_nas.architecture import Architecture, ConvBlock
from audiotag_nas.space import SearchSpace, Tokens
from audiotag_nas.trial import (
    TrainingOverrides,
    Trial,
    TrialResult,
    TrialStatus,
)


def fake_reward(tokens: Tokens) -> float:
    """A number in [0, 1), different for different tokens."""
    digest = hashlib.sha256(repr(tuple(tokens)).encode()).digest()
    return int.from_bytes(digest[:6], "big") / 2**48


def fake_train(trial: Trial) -> TrialResult:
    """Completes every trial with `fake_reward` of its tokens."""
    started = time.monotonic()
    reward = fake_reward(trial.tokens)
    return TrialResult(
        trial_id=trial.trial_id,
        status=TrialStatus.COMPLETED,
        reward=reward,
        metrics={"validation_eer": 1 - reward},
        history={"validation_loss": [1.0, reward]},
        seconds=time.monotonic() - started,
    )


def fake_failure(trial: Trial, reason: str = "NaN weights") -> TrialResult:
    return TrialResult(trial.trial_id, TrialStatus.FAILED, None, reason=reason)


def make_fake_trials(
    space: SearchSpace, *, stage: str = "search", seed: int = 0
) -> Callable[[int, int, Tokens], Trial]:
    """A `make_trial` for `run_search`."""

    def make_trial(number: int, round_number: int, tokens: Tokens) -> Trial:
        return Trial(
            trial_id=f"{stage}-{number:04d}",
            stage=stage,
            round=round_number,
            tokens=tokens,
            hparams=space.values(tokens),
            architecture=_fake_architecture(tokens),
            seed=1000 * seed + number,
            overrides=TrainingOverrides(epochs=3),
        )

    return make_trial


def _fake_architecture(tokens: Tokens) -> Architecture:
    """A valid architecture, different for different tokens."""
    return Architecture(tuple(ConvBlock(1 + token, 1, 3) for token in tokens))


class HashSearcher:
    """Asks for points derived from a hash of everything it was told.

    A real searcher may hide a reward told too early, too late or out of order;
    this one asks for other points at once.

    Attributes:
        calls: "ask" and "tell", in order.
    """

    def __init__(self, space: SearchSpace) -> None:
        self.space = space
        self.calls: list[str] = []
        self._told = hashlib.sha256()
        self._best = (-1.0, (0,) * space.num_decisions)

    def ask(self, num: int) -> list[Tokens]:
        self.calls.append("ask")
        digest = self._told.hexdigest()
        generator = random.Random(f"{digest} {self.calls.count('ask')}")
        return [
            tuple(generator.randrange(n) for n in self.space.num_choices)
            for _ in range(num)
        ]

    def tell(self, tokens, rewards) -> None:
        self.calls.append("tell")
        self._told.update(repr((list(tokens), list(rewards))).encode())
        self._best = max(self._best, *zip(rewards, tokens, strict=True))

    def recommend(self, among=None) -> Tokens:
        return self._best[1]


class FakeRunner:
    """Runs `train` when a result is asked for.

    Args:
        train: the training of one trial.
        num_slots: number of trials that may run at a time.
        shuffle: seeds the order in which submitted trials end; None keeps the
            order of submission.

    Attributes:
        started: the ids of all trials submitted, in order.
    """

    def __init__(
        self,
        train: Callable[[Trial], TrialResult] = fake_train,
        *,
        num_slots: int = 1,
        shuffle: int | None = None,
    ) -> None:
        self.started: list[str] = []
        self._train = train
        self._num_slots = num_slots
        self._random = None if shuffle is None else random.Random(shuffle)
        self._running: list[Trial] = []

    @property
    def num_slots(self) -> int:
        return self._num_slots

    def submit(self, trial: Trial) -> None:
        if len(self._running) == self._num_slots:
            raise RuntimeError("more trials than slots")
        self.started.append(trial.trial_id)
        self._running.append(trial)

    def next_result(self) -> TrialResult:
        index = 0
        if self._random is not None:
            index = self._random.randrange(len(self._running))
        return self._train(self._running.pop(index))

    def close(self) -> None:
        self._running.clear()
