"""Calls in sequence on one network (CALL-1 to CALL-9): what a suite of single calls cannot see."""

from functools import cache

from rnnspec.conformance.protocol import forms, gradients, refusals, sequences, weights
from rnnspec.conformance.protocol.protocol import Protocol

__all__ = ["Protocol", "protocols"]


@cache
def protocols() -> tuple[Protocol, ...]:
    """All of them. Their numbers come from the cases on disk, and from the reference."""
    modules = (sequences, forms, refusals, weights, gradients)
    return tuple(protocol for module in modules for protocol in module.PROTOCOLS)
