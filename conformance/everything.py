"""All that is tried on a backend: the cases on disk, and the protocols."""

from functools import cache

from rnnspec.conformance import vectors
from rnnspec.conformance.case import Case
from rnnspec.conformance.invalid import Invalid
from rnnspec.conformance.protocol import Protocol, protocols


@cache
def cases() -> tuple[Case | Invalid | Protocol, ...]:
    """The cases in the order of their ids, then the protocols."""
    return (*vectors.cases(), *protocols())
