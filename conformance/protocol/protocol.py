"""A protocol: calls in sequence, for what no single call shows."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache

from rnnspec.conformance import vectors
from rnnspec.conformance.case import Case
from rnnspec.conformance.exchange import Exchange


@dataclass(frozen=True)
class Protocol:
    """`play` makes calls and raises AssertionError, in one line, where one is not as it should be.

    Args:
        id: unique among cases, words joined by `-`.
        clauses: what of SPEC.md it tries.
        of: the id of the case whose model, weights and call it plays with.
        asks: features besides those of the case (CONF-5).
    """

    id: str
    clauses: tuple[str, ...]
    of: str
    play: Callable[[Exchange], None]
    asks: tuple[str, ...] = ()

    @property
    def case(self) -> Case:
        """The case that the calls are made from."""
        return _cases()[self.of]

    @property
    def features(self) -> set[str]:
        return self.case.features | set(self.asks)


@cache
def _cases() -> dict[str, Case]:
    return {case.id: case for case in vectors.valid()}
