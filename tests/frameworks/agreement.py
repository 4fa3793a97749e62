"""What a framework's own layers are held against: the answers of the specification, and ours in that framework."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from rnnspec import Model
from rnnspec.conformance.case import Case, draw
from rnnspec.conformance.comparison import wrong
from rnnspec.conformance.write import computed

BATCH = 3


def solved(name: str, inputs: Any, layers: list, **options: Any) -> Case:
    """A model of these layers, on random numbers, with its results and gradients."""
    return computed(draw(name, (), Model(inputs=inputs, layers=layers), batch=BATCH, **options))


def assert_right(
    whose: str,
    case: Case,
    dtype: str,
    results: Mapping[str, Any],
    gradients: Mapping[str, Any],
    rounded: Sequence[str] = (),
) -> None:
    """Results, those of the case that are there, and all gradients are right (ACC-2).

    `rounded`: "results", "gradients", where these are of somebody who has constants in float32, whatever `dtype` is.
    """
    expected = {name: case.expected[name] for name in results}
    for what, found, right, factor in (
        ("results", results, expected, 1.0),
        ("gradients", gradients, case.gradients, case.summed()),
    ):
        allowed = case.allowed("float32" if what in rounded else dtype) * factor
        problem = wrong({name: np.asarray(array) for name, array in found.items()}, right, dtype, allowed)
        assert not problem, f"{whose}, {what}: {problem}"
