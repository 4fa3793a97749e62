"""What is wrong with an answer, in words (ACC-1 to ACC-3)."""

import numpy as np

from rnnspec import accuracy
from rnnspec.conformance.case import Arrays


def wrong(found: Arrays, expected: Arrays, dtype: str, allowed: float) -> str:
    """The first of: names, a dtype, a shape, the number that is off the most; empty where nothing is wrong."""
    if set(found) != set(expected):
        return f"expected {', '.join(expected)}, found {', '.join(found)}"
    for name, array in found.items():
        if array.dtype != dtype:
            return f"{name}: expected {dtype}, found {array.dtype}"
    name, error = accuracy.worst(found, expected)
    return "" if error <= allowed else _where(name, found[name], expected[name])


def worst(found: Arrays, expected: Arrays) -> float:
    """The largest error; infinite where the names differ."""
    return accuracy.worst(found, expected)[1] if set(found) == set(expected) else float("inf")


def _where(name: str, found: np.ndarray, expected: np.ndarray) -> str:
    """The place that is off the most, in words."""
    if found.shape != expected.shape:
        return f"{name}: expected shape {expected.shape}, found {found.shape}"
    place = np.unravel_index(accuracy.errors(found, expected).argmax(), found.shape)
    return f"{name}[{', '.join(map(str, place))}]: expected {expected[place]:.6f}, found {found[place]:.6f}"
