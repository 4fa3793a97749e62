"""Keras's layers that change which axes there are → ours: a vector of a sequence, a sequence of a vector."""

from typing import Any

from rnnspec.convert.keras.graph import Call
from rnnspec.convert.keras.places import Places, Value
from rnnspec.convert.keras.saved import Saved
from rnnspec.errors import SpecError, UnsupportedError
from rnnspec.layers import Repeat, Summary


def summary(saved: Saved, call: Call, value: Value, places: Places, masked: bool) -> Value:
    """Global pooling, and operations over axis 1.

    Raises:
        UnsupportedError: ours does not have that option.
    """
    how: Any = {"GlobalAveragePooling1D": "mean", "GlobalMaxPooling1D": "max"}.get(saved.kind, saved.kind.lower())
    axis = saved.config.get("axis", 1) if saved.kind in ("Mean", "Max", "Sum") else 1
    if value.time is None or axis not in (1, -2, [1], [-2]) or saved.get("keepdims", bool, False):
        raise UnsupportedError(f"{saved.where}: over axis {axis}, or with keepdims: only over time is there an equal")
    _check_channels(saved)
    places.counts(value, saved.name, masked and saved.kind == "GlobalAveragePooling1D")
    return places.add(Summary(name=places.name(saved), how=how), {}, value)


def item(saved: Saved, call: Call, value: Value, places: Places, masked: bool) -> Value:
    """`y[:, -1]`, `y[:, 0]`.

    Raises:
        UnsupportedError: ours does not have that option.
    """
    key = call.arguments[1] if len(call.arguments) == 2 else None
    whole = {"class_name": "__slice__", "config": {"start": None, "stop": None, "step": None}}
    step = key[1] if isinstance(key, list) and key[:1] == [whole] and key[2:] in ([], [whole]) else None
    last = step == -1 or (value.steps is not None and step == value.steps - 1)
    if value.time is None or type(step) is not int or not (last or step == 0):
        raise UnsupportedError(f"{saved.where}: takes other than the first or the last step: no equal here")
    places.counts(value, saved.name, False)
    how: Any = "last" if last else "first"
    return places.add(Summary(name=places.name(saved), how=how), {}, value)


def repeated(saved: Saved, call: Call, value: Value, places: Places, masked: bool) -> Value:
    """`RepeatVector`. Raises SpecError: of a sequence."""
    if value.time is not None:
        raise SpecError(f"{saved.where}: repeats a sequence; no Keras makes that")
    layer = Repeat(name=places.name(saved), steps=saved.size("n"))
    found = places.add(layer, {}, value)
    return found.but(steps=layer.steps, repeated=value)


def reshaped(saved: Saved, call: Call, value: Value, places: Places, masked: bool) -> Value:
    """`Flatten`, `Reshape` to shapes that come to the same.

    Raises:
        UnsupportedError: ours does not have that option.
    """
    if saved.kind == "Reshape":
        shape = tuple(saved.config.get("target_shape") or ())
        here = (value.features,) if value.time is None else (value.steps, value.features)
        if shape == here or (len(shape) == len(here) and shape[0] == -1 and shape[1:] == here[1:]):
            return value
        if value.time is None and shape in ((1, value.features), (1, -1)):
            return places.add(Repeat(name=places.name(saved), steps=1), {}, value).but(steps=1)
        if len(shape) != 1:
            raise UnsupportedError(f"{saved.where}: to {shape}: no equal here")
    if value.time is None:
        return value
    return _flat(saved, value, places)


def _flat(saved: Saved, value: Value, places: Places) -> Value:
    """All steps in one vector, for which ours has no place: what reads it must know (`Value.flat`)."""
    if value.steps is None:
        raise UnsupportedError(f"{saved.where}: of steps that nobody has counted; give the input its length")
    _check_channels(saved)
    places.counts(value, saved.name, False)
    if value.steps == 1:
        return places.add(Summary(name=places.name(saved), how="last"), {}, value)
    return Value(value.of, flat=value)


def is_column(saved: Saved, shape: tuple[int | None, ...]) -> bool:
    """Whether numbers (time,) become a sequence of one feature."""
    target = saved.config.get("target_shape")
    return len(shape) == 1 and isinstance(target, list | tuple) and list(target) in ([shape[0], 1], [-1, 1])


def _check_channels(saved: Saved) -> None:
    """Raise UnsupportedError where features come before time."""
    if saved.config.get("data_format") not in (None, "channels_last"):
        raise UnsupportedError(f"{saved.where}: data_format={saved.config['data_format']!r}: no equal here")


KINDS = {
    "GlobalAveragePooling1D": summary,
    "GlobalMaxPooling1D": summary,
    "Mean": summary,
    "Max": summary,
    "Sum": summary,
    "GetItem": item,
    "RepeatVector": repeated,
    "Flatten": reshaped,
    "Reshape": reshaped,
}
