"""How close is the same (ACC-1 to ACC-4)."""

from collections.abc import Mapping

import numpy as np

from rnnspec.errors import SpecError
from rnnspec.model import Model

# Unit roundoff; float64's own is finer, but expected values are kept to 40 bits, the same on every machine.
_UNIT = {"float32": 2.0**-24, "float64": 2.0**-41}
LOOSENESS = {"exact": 1.0, "approximate": 16.0, "reduced": 2.0**13}


def errors(actual: np.ndarray, expected: np.ndarray) -> np.ndarray:
    """|actual − expected| / max(1, |expected|) of each element, of two arrays of one shape; infinite where `actual` is
    not finite.
    """
    with np.errstate(invalid="ignore"):  # of infinities
        distance = np.abs(np.asarray(actual).astype("float64") - expected) / np.maximum(1, np.abs(expected))
    return np.where(np.isfinite(distance), distance, np.inf)


def error(actual: np.ndarray, expected: np.ndarray) -> float:
    """The largest of `errors`; infinite where `actual` is of another shape."""
    if np.shape(actual) != expected.shape:
        return float("inf")
    return float(errors(actual, expected).max(initial=0))


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


def terms(model: Model) -> int:
    """K: how many terms the longest sum of the model has, the longest row of a kernel."""
    return max((shape[-1] for shape in model.parameters().values() if len(shape) > 1), default=1)


def rounding(dtype: str, terms: int, steps: int) -> float:
    """u √(K T): what rounding does to a sum of K terms carried over T steps, as a random walk."""
    return _UNIT[dtype] * (max(terms, 1) * max(steps, 1)) ** 0.5


def condition(spread: float, terms: int, steps: int) -> float:
    """κ: how many times that the float32 reference is off; at least 1/2, two digits kept."""
    return float(f"{max(0.5, spread / rounding('float32', terms, steps)):.2g}")


def allowed(dtype: str, terms: int, steps: int, condition: float, looseness: str = "exact") -> float:
    """8 κ u √(K T), times the factor of the class of looseness that the backend declares (ACC-2, ACC-4)."""
    return 8 * condition * rounding(dtype, terms, steps) * LOOSENESS[looseness]


def allowed_in(
    model: Model, rough: Mapping[str, np.ndarray], exact: Mapping[str, np.ndarray], steps: int, dtype: str = "float32"
) -> float:
    """`allowed` for a call whose answers from the reference are known, `rough` in float32 and `exact` in float64."""
    k = terms(model)
    return allowed(dtype, k, steps, condition(worst(rough, exact)[1], k, steps))
