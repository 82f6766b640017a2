"""A searcher whose calls are recorded as JSON and can be replayed."""

from collections.abc import Mapping
from typing import Any

from audiotag_nas.errors import StoreError
from audiotag_nas.search.searcher import Searcher, make_searcher
from audiotag_nas.space import SearchSpace, Tokens


class RecordedSearcher:
    """A searcher whose calls are recorded; a replay restores the state.

    Args:
        name: the searcher's name, as for `make_searcher`.
        settings: the searcher's settings by name.

    Attributes:
        calls: all calls so far, as JSON.
    """

    def __init__(self, name: str, settings: Mapping[str, Any]) -> None:
        self._name = name
        self._settings = settings
        self._searcher: Searcher | None = None
        self.calls: list[dict[str, Any]] = []

    @property
    def space(self) -> SearchSpace | None:
        """The space of the current searcher; None before `begin`."""
        return None if self._searcher is None else self._searcher.space

    def begin(self, space: SearchSpace, *, seed: int) -> None:
        """Makes a new searcher for `space`."""
        # With the same seed, this searcher might propose the same points as the
        # previous searcher.
        number = sum("space" in call for call in self.calls)
        call = {"space": space.to_json(), "seed": (seed + number) % 2**63}
        self._apply(call)
        self.calls.append(call)

    def ask(self, num: int) -> list[Tokens]:
        answer = self._apply({"ask": num})
        self.calls.append({"ask": num, "answer": list(answer)})
        return answer

    def tell(self, tokens: list[Tokens], rewards: list[float]) -> None:
        call = {"tell": tokens, "rewards": rewards}
        self._apply(call)
        self.calls.append(call)

    def replay(self, calls: list[dict[str, Any]], *, path: str) -> None:
        """Restores the state after `calls`.

        Args:
            calls: the calls of another `RecordedSearcher`.
            path: where the calls were read from, for error messages.

        Raises:
            StoreError: the searcher proposes different points than recorded.
        """
        self._searcher, self.calls = None, calls
        for call in calls:
            if "space" not in call and self._searcher is None:
                raise StoreError(f"{path}: the calls begin without a space.")
            answer = self._apply(call)
            if "ask" in call and answer != to_tokens(call["answer"]):
                raise StoreError(
                    f"{path}: the searcher proposes other points than it did "
                    "when the project was saved. Another version of the "
                    "software may have saved it. Use that version, or begin "
                    "another project."
                )

    def _apply(self, call: Mapping[str, Any]) -> list[Tokens]:
        if "space" in call:
            self._searcher = make_searcher(
                self._name,
                SearchSpace.from_json(call["space"]),
                seed=call["seed"],
                **self._settings,
            )
            return []
        if self._searcher is None:
            raise RuntimeError("`begin` must be called first.")
        if "ask" in call:
            return self._searcher.ask(call["ask"])
        self._searcher.tell(call["tell"], call["rewards"])
        return []


def to_tokens(rows: list[list[int]]) -> list[Tokens]:
    """Converts points that were read from JSON to tuples."""
    return [tuple(row) for row in rows]
