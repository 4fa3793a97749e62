"""How close is the same (ACC-1 to ACC-3)."""

from collections.abc import Mapping

import numpy as np

from rnnspec.errors import SpecError

TOLERANCE = {"float32": 1e-5, "float64": 1e-10}


def error(actual: np.ndarray, expected: np.ndarray) -> float:
    """max |actual − expected| / max(1, |expected|); infinite where `actual` is not finite or of another shape."""
    actual = np.asarray(actual)
    if actual.shape != expected.shape:
        return float("inf")
    if not expected.size:
        return 0.0
    distance = np.abs(actual.astype("float64") - expected) / np.maximum(1, np.abs(expected))
    return float(distance.max()) if np.isfinite(distance).all() else float("inf")


def worst(actual: Mapping[str, np.ndarray], expected: Mapping[str, np.ndarray]) -> tuple[str, float]:
    """The name with the largest error, over outputs and states.

    Raises:
        SpecError: the names differ.
    """
    if set(actual) != set(expected):
        raise SpecError(f"results: expected {', '.join(sorted(expected))}, found {', '.join(sorted(actual))}")
    errors = {name: error(actual[name], expected[name]) for name in expected}
    name = max(errors, key=errors.__getitem__)
    return name, errors[name]
