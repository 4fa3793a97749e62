"""Checks on what a network is called with, shared by all backends (INPUT-1 to INPUT-5)."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from rnnspec.errors import SpecError
from rnnspec.model import Model


def check_x(model: Model, shape: Sequence[int | None], step: bool = False, time_major: bool = False) -> None:
    """The rank and features of x; a None in `shape` is unknown yet and passes."""
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
    """x, or what is called `name`, as an array of real numbers."""
    found = array(value, name)
    if found.dtype.kind not in "fiub":
        raise SpecError(f"{name}: expected numbers, found {found.dtype}")
    return found


def array(value: Any, name: str) -> np.ndarray:
    """What is called `name` as an array."""
    try:
        return np.asarray(value)
    except ValueError:  # of NumPy, for lists of several lengths
        raise SpecError(f"{name}: expected an array, found rows of several lengths; pad them") from None


def check_ids(ids: np.ndarray, vocabulary: int) -> None:
    """Integer ids, from 0 to vocabulary − 1: no backend may wrap or clamp them."""
    if not np.issubdtype(ids.dtype, np.integer):
        raise SpecError(f"ids: expected integers, found {ids.dtype}; the model begins with an embedding")
    if ids.size and (ids.min() < 0 or ids.max() >= vocabulary):
        bad = int(ids.min()) if ids.min() < 0 else int(ids.max())
        raise SpecError(f"ids: found {bad}, expected 0 to {vocabulary - 1}")


def check_lengths(lengths: np.ndarray, batch: int, time: int) -> None:
    """Integers (batch,), each from 0 to the steps of x."""
    if not np.issubdtype(lengths.dtype, np.integer):
        raise SpecError(f"lengths: expected integers, found {lengths.dtype}")
    if lengths.shape != (batch,):
        raise SpecError(f"lengths: expected shape ({batch},), one per row of x, found {lengths.shape}")
    for row, length in enumerate(lengths.tolist()):
        if length < 0:
            raise SpecError(f"lengths: row {row} is {length}, expected 0 to {time}")
        if length > time:
            raise SpecError(f"lengths: row {row} is {length}, beyond the {time} steps of x; shorten it or pad x")


def check_mask(boolean: bool, shape: tuple[int, ...], lengths: Any, batch: int, time: int) -> None:
    """Booleans (batch, time), and not both a mask and lengths."""
    if lengths is not None:
        raise SpecError("mask: given together with lengths; give one of them")
    if not boolean:
        raise SpecError("mask: expected booleans, found another dtype; compare it with 0 first")
    if shape != (batch, time):
        raise SpecError(f"mask: expected shape ({batch}, {time}), found {shape}")


def check_reset(boolean: bool, shape: tuple[int, ...], batch: int, time: int) -> None:
    """Booleans (batch, time)."""
    if not boolean:
        raise SpecError("reset: expected booleans, found another dtype; compare it with 0 first")
    if shape != (batch, time):
        raise SpecError(f"reset: expected shape ({batch}, {time}), found {shape}")


def check_named(state: Any) -> None:
    """States come by name."""
    if not isinstance(state, Mapping):
        raise SpecError(f"state: expected a mapping, name → array (batch, size), found {type(state).__name__}")


def check_state(sizes: Mapping[str, int], state: Mapping[str, Any], batch: int | None) -> None:
    """All states of `sizes` by name, each (batch, size); a None in a shape is unknown yet and passes."""
    for name in state:
        if name not in sizes:
            raise SpecError(f"state: unknown {name!r}; expected {', '.join(sizes) or 'none'}")
    for name, size in sizes.items():
        if name not in state:
            raise SpecError(f"state: {name!r} is missing; give all states, or none for zeros")
        shape = tuple(state[name].shape)
        known = len(shape) == 2 and shape[1] in (size, None) and (batch is None or shape[0] in (batch, None))
        if not known:
            raise SpecError(f"state: {name!r}: expected shape ({batch or 'batch'}, {size}), found {shape}")


def check_cotangents(shapes: Mapping[str, tuple[int, ...]], cotangents: Mapping[str, tuple[int, ...]]) -> None:
    """Shapes by name: each is that of a result; not every result needs one (CALL-10)."""
    for name, shape in cotangents.items():
        if name not in shapes:
            raise SpecError(f"cotangents: unknown {name!r}; expected some of {', '.join(shapes)}")
        if tuple(shape) != tuple(shapes[name]):
            raise SpecError(f"cotangents: {name!r}: expected shape {tuple(shapes[name])}, found {tuple(shape)}")


def check_dtype(dtype: str) -> str:
    """float32 or float64."""
    if dtype not in ("float32", "float64"):
        raise SpecError(f"dtype: expected 'float32' or 'float64', found {dtype!r}")
    return dtype
