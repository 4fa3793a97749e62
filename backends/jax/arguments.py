"""What a network is called with, as arrays of JAX (INPUT-1 to INPUT-6).

Values are checked where they are known, and only shapes and types where they are traced.
"""

from typing import Any

import jax
import numpy as np
from jax import Array
from numpy.typing import ArrayLike

from rnnspec import inputs
from rnnspec.errors import SpecError


class Arrays:
    """`rnnspec.inputs.Arrays`: NumPy's arrays and lists are converted; JAX's have a dtype that was chosen."""

    def __init__(self, dtype: str) -> None:
        self.dtype = dtype

    def ids(self, x: ArrayLike, vocabulary: int) -> Array | np.ndarray:
        """Of any integer type."""
        ids = _as_array(x, "ids")
        inputs.check_ids(_known(ids), vocabulary)
        return ids

    def features(self, x: ArrayLike) -> Array | np.ndarray:
        """NumPy's numbers of any type."""
        return self._floats("x", x)

    def sizes(self, x: Array | np.ndarray) -> tuple[int, int]:
        """The lengths of the first two axes."""
        return x.shape[0], x.shape[1]

    def lengths(self, value: ArrayLike, batch: int, time: int) -> Array | np.ndarray:
        """Of any integer type."""
        lengths = _as_array(value, "lengths")
        inputs.check_lengths(_known(lengths), batch, time)
        return lengths

    def marks(self, name: str, value: ArrayLike, batch: int, time: int) -> Array | np.ndarray:
        """Booleans."""
        marks = _as_array(value, name)
        inputs.check_marks(name, marks.dtype == bool, marks.shape, batch, time)
        return marks

    def state(self, name: str, value: ArrayLike) -> Array | np.ndarray:
        """NumPy's numbers of any type."""
        return self._floats(f"state: {name!r}", value)

    def check_dtype(self, name: str, value: Any) -> None:
        """Raise SpecError where an array of JAX, called `name`, has not the dtype of the network."""
        if value.dtype != self.dtype:
            raise SpecError(f"{name}: expected {self.dtype}, found {value.dtype}; convert it with astype")

    def _floats(self, name: str, value: ArrayLike) -> Array | np.ndarray:
        if not isinstance(value, jax.Array):
            return inputs.numbers(value, name).astype(self.dtype)
        self.check_dtype(name, value)
        return value


def _as_array(value: ArrayLike, name: str) -> Array | np.ndarray:
    """NumPy's arrays and lists are copied, in this machine's byte order: JAX reads them after the call has returned."""
    if isinstance(value, jax.Array):
        return value
    array = inputs.array(value, name)
    return array.astype(array.dtype.newbyteorder("="))


def _known(value: Array | np.ndarray) -> np.ndarray:
    """The values; zeros, which are always good, where they are traced, so that type and shape are checked."""
    return np.zeros(value.shape, value.dtype) if isinstance(value, jax.core.Tracer) else np.asarray(value)
