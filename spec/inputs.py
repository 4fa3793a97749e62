"""What a network is called with, checked once for all backends (INPUT-1 to INPUT-6)."""

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

import numpy as np
from numpy.typing import ArrayLike

from rnnspec.errors import SpecError
from rnnspec.layers import Embedding
from rnnspec.model import Model
from rnnspec.ops import Array, States
from rnnspec.valid import Valid


class Arrays(Protocol):
    """How one backend makes its arrays of what it is given, raising SpecError where that is of the wrong type."""

    def ids(self, x: Any, vocabulary: int) -> Array:
        """Integer ids, from 0 to vocabulary − 1."""

    def features(self, x: Any) -> Array:
        """x in the dtype of the network."""

    def sizes(self, x: Array) -> tuple[Any, Any]:
        """The lengths of the first two axes: numbers, or scalars where they are not known yet."""

    def lengths(self, value: Any, batch: Any, time: Any) -> Array:
        """Integers that pass `check_lengths`."""

    def marks(self, name: str, value: Any, batch: Any, time: Any) -> Array:
        """A mask, or resets, that pass `check_marks`."""

    def state(self, name: str, value: Any) -> Array:
        """A state in the dtype of the network."""


class Arguments:
    """The arguments that a model takes."""

    def __init__(self, model: Model, time_major: bool = False) -> None:
        first = model.layers[0]
        self.model = model
        self.time_major = time_major
        self.states = model.states()
        self.vocabulary = first.vocabulary if isinstance(first, Embedding) else None

    def of_call(
        self, arrays: Arrays, x: Any, lengths: Any, mask: Any, state: Any, reset: Any
    ) -> tuple[Array, Valid, States | None]:
        """x, which steps count, and states by name, or None where none were given.

        Raises:
            SpecError: an argument does not fit the model or x; the message names it, and what was expected.
        """
        x = arrays.features(x) if self.vocabulary is None else arrays.ids(x, self.vocabulary)
        check_x(self.model, x.shape, time_major=self.time_major)
        time, batch = arrays.sizes(x) if self.time_major else arrays.sizes(x)[::-1]
        if lengths is not None:
            lengths = arrays.lengths(lengths, batch, time)
        if mask is not None:
            if lengths is not None:
                raise SpecError("mask: given together with lengths; give one of them")
            mask = arrays.marks("mask", mask, batch, time)
        if reset is not None:
            reset = arrays.marks("reset", reset, batch, time)
        rows = x.shape[1 if self.time_major else 0]
        return x, Valid(lengths, mask, reset), self._given(arrays, state, rows)

    def of_step(self, arrays: Arrays, x_t: Any, state: Any) -> tuple[Array, States | None]:
        """x_t, and states by name, or None where none were given.

        Raises:
            SpecError: one of them does not fit the model.
        """
        x_t = arrays.features(x_t) if self.vocabulary is None else arrays.ids(x_t, self.vocabulary)
        check_x(self.model, x_t.shape, step=True)
        return x_t, self._given(arrays, state, x_t.shape[0])

    def _given(self, arrays: Arrays, state: Any, batch: int | None) -> States | None:
        if state is None:
            return None
        check_named(state)
        given = {name: arrays.state(name, value) for name, value in state.items()}
        check_state(self.states, given, batch)
        return given


class NumpyArrays:
    """`Arrays` of NumPy."""

    def __init__(self, dtype: str) -> None:
        self.dtype = dtype

    def ids(self, x: ArrayLike, vocabulary: int) -> np.ndarray:
        """Of any integer type."""
        ids = numbers(x)
        check_ids(ids, vocabulary)
        return ids

    def features(self, x: ArrayLike) -> np.ndarray:
        """Numbers of any type are converted."""
        return numbers(x).astype(self.dtype)

    def sizes(self, x: np.ndarray) -> tuple[int, int]:
        """The lengths of the first two axes."""
        return x.shape[0], x.shape[1]

    def lengths(self, value: ArrayLike, batch: int, time: int) -> np.ndarray:
        """Of any integer type."""
        lengths = array(value, "lengths")
        check_lengths(lengths, batch, time)
        return lengths

    def marks(self, name: str, value: ArrayLike, batch: int, time: int) -> np.ndarray:
        """Booleans."""
        marks = array(value, name)
        check_marks(name, marks.dtype == np.bool_, marks.shape, batch, time)
        return marks

    def state(self, name: str, value: ArrayLike) -> np.ndarray:
        """Numbers of any type are converted."""
        return numbers(value, f"state: {name!r}").astype(self.dtype)


def check_x(model: Model, shape: Sequence[int | None], step: bool = False, time_major: bool = False) -> None:
    """The rank and features of x; a None in `shape` is unknown yet and passes.

    Raises:
        SpecError: x has other axes or other features.
    """
    rank = 2 - step + (model.inputs is not None)
    if len(shape) == rank and (model.inputs is None or shape[-1] in (model.inputs, None)):
        return
    axes = ["batch"] if step else ["time", "batch"] if time_major else ["batch", "time"]
    if model.inputs is not None:
        axes.append(str(model.inputs))
    what = "ids" if model.inputs is None else "x"
    expected = f"({', '.join(axes)}{',' if len(axes) == 1 else ''})"
    found = f"{what}: expected shape {expected}, found {tuple(shape)}"
    if len(shape) != rank:
        raise SpecError(f"{found}: {rank} axes needed, not {len(shape)}")
    raise SpecError(f"{found}: the model takes {model.inputs} features")


def numbers(value: Any, name: str = "x") -> np.ndarray:
    """x, or what is called `name`, as an array of real numbers. Raises SpecError: it holds anything else."""
    found = array(value, name)
    if found.dtype.kind not in "fiub":
        raise SpecError(f"{name}: expected numbers, found {found.dtype}")
    return found


def array(value: Any, name: str) -> np.ndarray:
    """What is called `name` as an array. Raises SpecError: rows of several lengths."""
    try:
        return np.asarray(value)
    except ValueError:  # of NumPy, for lists of several lengths
        raise SpecError(f"{name}: expected an array, found rows of several lengths; pad them") from None


def check_ids(ids: np.ndarray, vocabulary: int) -> None:
    """Integer ids, from 0 to vocabulary − 1: no backend may wrap or clamp them.

    Raises:
        SpecError: an id of another type or out of range.
    """
    if not np.issubdtype(ids.dtype, np.integer):
        raise SpecError(f"ids: expected integers, found {ids.dtype}; the model begins with an embedding")
    if ids.size and (ids.min() < 0 or ids.max() >= vocabulary):
        bad = int(ids.min()) if ids.min() < 0 else int(ids.max())
        raise SpecError(f"ids: found {bad}, expected 0 to {vocabulary - 1}")


def check_lengths(lengths: np.ndarray, batch: int, time: int) -> None:
    """Integers (batch,), each from 0 to the steps of x. Raises SpecError: they are not."""
    if not np.issubdtype(lengths.dtype, np.integer):
        raise SpecError(f"lengths: expected integers, found {lengths.dtype}")
    if lengths.shape != (batch,):
        raise SpecError(f"lengths: expected shape ({batch},), one per row of x, found {lengths.shape}")
    for row, length in enumerate(lengths.tolist()):
        if length < 0:
            raise SpecError(f"lengths: row {row} is {length}, expected 0 to {time}")
        if length > time:
            raise SpecError(f"lengths: row {row} is {length}, beyond the {time} steps of x; shorten it or pad x")


def check_marks(name: str, boolean: bool, shape: Sequence[int | None], batch: int, time: int) -> None:
    """A mask, or resets: booleans (batch, time); a None in `shape` is unknown yet and passes.

    Raises:
        SpecError: they are not.
    """
    if not boolean:
        raise SpecError(f"{name}: expected booleans, found another dtype; compare it with 0 first")
    if len(shape) != 2 or any(
        None not in pair and pair[0] != pair[1] for pair in zip(shape, (batch, time), strict=True)
    ):
        raise SpecError(f"{name}: expected shape ({batch}, {time}), found {tuple(shape)}")


def check_named(state: Any) -> None:
    """States come by name. Raises SpecError: they do not."""
    if not isinstance(state, Mapping):
        raise SpecError(f"state: expected a mapping, name → array (batch, size), found {type(state).__name__}")


def check_state(sizes: Mapping[str, int], state: Mapping[str, Any], batch: int | None) -> None:
    """All states of `sizes` by name, each (batch, size); a None in a shape is unknown yet and passes.

    Raises:
        SpecError: one is missing, unknown or of another shape.
    """
    for name in state:
        if name not in sizes:
            raise SpecError(f"state: unknown {name!r}; expected {', '.join(sizes) or 'none'}")
    for name, size in sizes.items():
        if name not in state:
            raise SpecError(f"state: {name!r} is missing; give all states, or none for zeros")
        shape = state[name].shape
        known = shape == (batch, size)  # mostly; else some of it may be unknown
        known = known or (len(shape) == 2 and shape[1] in (size, None) and (batch is None or shape[0] in (batch, None)))
        if not known:
            raise SpecError(f"state: {name!r}: expected shape ({batch or 'batch'}, {size}), found {tuple(shape)}")


def check_cotangents(shapes: Mapping[str, tuple[int, ...]], cotangents: Mapping[str, tuple[int, ...]]) -> None:
    """Shapes by name: each is that of a result; not every result needs one (CALL-10).

    Raises:
        SpecError: one is of no result, or of another shape.
    """
    for name, shape in cotangents.items():
        if name not in shapes:
            raise SpecError(f"cotangents: unknown {name!r}; expected some of {', '.join(shapes)}")
        if tuple(shape) != tuple(shapes[name]):
            raise SpecError(f"cotangents: {name!r}: expected shape {tuple(shapes[name])}, found {tuple(shape)}")


def check_dtype(dtype: str) -> str:
    """float32 or float64. Raises SpecError: another dtype."""
    if dtype not in ("float32", "float64"):
        raise SpecError(f"dtype: expected 'float32' or 'float64', found {dtype!r}")
    return dtype
