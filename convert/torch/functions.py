"""Activations of ours as lines of torch."""

from rnnspec.activations import Activation
from rnnspec.conventions.torch import LINES, LINES_OF
from rnnspec.errors import UnsupportedError


def called(activation: Activation, x: str, whose: str) -> str:
    """φ(x) as an expression; `x`: a variable.

    Raises:
        UnsupportedError: a function of the user's own, which only our own code knows.
    """
    if isinstance(activation, str):
        return LINES[activation].format(x=x)
    if type(activation) not in LINES_OF:
        raise UnsupportedError(f"{whose}: activation {type(activation).__name__} is code of its own: torch has none")
    return LINES_OF[type(activation)].format(x=x, f=activation)
