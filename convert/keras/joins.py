"""Keras's layers that join tensors → ours."""

from typing import Any

import numpy as np

from rnnspec.convert.keras.graph import Call
from rnnspec.convert.keras.places import Places, Value
from rnnspec.convert.keras.saved import Saved
from rnnspec.errors import UnsupportedError
from rnnspec.layers import Merge, Repeat, Scale

KINDS = {
    "Concatenate": "concat",
    "Add": "add",
    "Multiply": "multiply",
    "Average": "average",
    "Maximum": "maximum",
    "Minimum": "maximum",  # of what is negated, negated
    "Subtract": "add",
}


def joined(saved: Saved, call: Call, data: list[Value], places: Places) -> Value:
    """A layer of `KINDS`; of one tensor and a number, as Keras 3 writes `2 * x`, a scale.

    Raises:
        UnsupportedError: what it joins is of other features, times or masks; ours does not have that option.
    """
    numbers = [float(number) for number in call.numbers if type(number) in (int, float)]
    values = [places.typed(value, saved) for value in data]
    if len(values) == 1 and len(numbers) == 1 and len(call.numbers) == 1:
        return _scaled(places, saved, call, values[0], numbers[0])
    if call.numbers or not values:
        raise UnsupportedError(f"{saved.where}: joins constants: no equal here")
    times = [value.time is not None for value in values]
    if any(times) and not all(times):
        raise UnsupportedError(f"{saved.where}: joins a vector with a sequence; put a RepeatVector before it")
    if any(times):
        values = _along(places, saved, values)
        places.together(values, saved)
    if values[0].mask and saved.kind in ("Multiply", "Maximum", "Minimum"):
        raise UnsupportedError(f"{saved.where}: gives other numbers where a mask is: no equal here")
    how: Any = KINDS[saved.kind]
    if how == "concat":
        axis = saved.get("axis", int, -1)
        if axis not in (-1, 2 if any(times) else 1):
            raise UnsupportedError(f"{saved.where}: joins over axis {axis}; only over features is there an equal")
    elif len({value.features for value in values}) > 1:
        raise UnsupportedError(f"{saved.where}: of {[v.features for v in values]} features: no equal here")
    name = places.name(saved)
    first = {"Subtract": 1, "Minimum": 0}.get(saved.kind, len(values))  # from which on they are negated
    values = [_negative(places, value, name) if k >= first else value for k, value in enumerate(values)]
    if len(values) == 1:
        return values[0]
    if saved.kind == "Minimum":
        most = places.add(Merge(name=places.helper(f"{name}_maximum"), how=how), {}, *values)
        return _negative(places, most, name, name)
    return places.add(Merge(name=name, how=how), {}, *values)


def _negative(places: Places, value: Value, name: str, own: str | None = None) -> Value:
    layer = Scale(name=own or places.helper(f"{name}_negative"), beta=False)
    return places.add(layer, {"gamma": np.full(value.features or 0, -1, np.float32)}, value)


def _scaled(places: Places, saved: Saved, call: Call, value: Value, number: float) -> Value:
    turned = bool(call.arguments) and type(call.arguments[0]) in (int, float)
    found = {"Add": (1.0, number), "Multiply": (number, 0.0), "Subtract": (1.0, -number)}.get(saved.kind)
    if saved.kind == "Subtract" and turned:
        found = -1.0, number
    if found is None:
        raise UnsupportedError(f"{saved.where}: with the constant {number}: no equal here")
    gamma, beta = (np.full(value.features or 0, each, np.float32) for each in found)
    return places.add(Scale(name=places.name(saved)), {"gamma": gamma, "beta": beta}, value)


def _along(places: Places, saved: Saved, values: list[Value]) -> list[Value]:
    """Vectors that were repeated go on at each step of a sequence beside them."""
    other = next((value for value in values if value.repeated is None), None)
    if other is None:
        return values
    found = []
    for value in values:
        if value.repeated is not None:
            if other.steps not in (None, value.steps):
                raise UnsupportedError(f"{saved.where}: joins {value.steps} and {other.steps} steps: no equal here")
            places.request.note(f"{value.of}: at every step of {other.of}, of which the source takes {value.steps}")
            layer = Repeat(name=places.helper(f"{value.of}_along"))
            value = places.add(layer, {}, value.repeated, other)
        found.append(value)
    return found
