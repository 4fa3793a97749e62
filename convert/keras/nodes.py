"""Keras's layers → ours, in a graph: each reads values, and gives one, or several."""

from collections.abc import Callable
from typing import Any

import numpy as np
from msgspec.structs import replace

from rnnspec import Activation, Dropout, Embedding
from rnnspec.convert.keras import activations, windows
from rnnspec.convert.keras.attention import additive, dot, multi_head
from rnnspec.convert.keras.cells import Cells
from rnnspec.convert.keras.graph import Call
from rnnspec.convert.keras.outputs import Taken, directions, outputs, own_merge, sequences, states
from rnnspec.convert.keras.places import Places, Value
from rnnspec.convert.keras.recurrent import Recurrences, check_training, note_half
from rnnspec.convert.keras.saved import ACTIVATIONS, FUNCTIONS, NOISE, RECURRENT, Saved
from rnnspec.convert.layers import dense
from rnnspec.errors import SpecError, UnsupportedError
from rnnspec.layers import Convolution, Merge, Norm, Repeat, Scale, Summary

_MERGES = {
    "Concatenate": "concat",
    "Add": "add",
    "Multiply": "multiply",
    "Average": "average",
    "Maximum": "maximum",
    "Minimum": "maximum",  # of what is negated, negated
    "Subtract": "add",
}
_ELEMENTWISE = ("Dropout", "SpatialDropout1D", *NOISE, "Identity")  # which a sequence in one vector may go through


class Nodes:
    """Reads one layer after the other; their variables must have been located (`locate`)."""

    def __init__(self, cells: Cells, places: Places) -> None:
        self.cells, self.places, self.request, self.version = cells, places, cells.request, cells.version
        self.recurrences = Recurrences(cells)

    def read(self, call: Call, data: list[Value], starts: list[Value], masked: bool) -> tuple[Value, ...]:
        """What a layer gives, where it is called with these. `masked`: whether a mask reaches it.

        Raises:
            SpecError: a variable is missing or of another shape; an option has an impossible value.
            UnsupportedError: ours has no such layer, or not with that option.
        """
        saved = call.layer
        note_half(saved, self.request)
        if saved.kind in RECURRENT:
            return self._recurrent(call, data[0], starts, masked)
        kind = saved.kind
        if kind == "TimeDistributed":
            saved = self._inner(saved)
        if saved.kind in _MERGES:
            return (self._merge(saved, call, data),)
        if len(data) == 1 and data[0].flat is not None and saved.kind in _ELEMENTWISE:
            return (self._flat(self._one(saved, call, data[0].flat, masked)),)
        if saved.kind in ("Attention", "AdditiveAttention", "MultiHeadAttention"):
            return (self._attention(saved, call, data),)
        if len(data) != 1:
            raise UnsupportedError(f"{saved.where}: reads {len(data)} tensors; no equal here")
        return (self._one(saved, call, data[0], masked),)

    def _inner(self, saved: Saved) -> Saved:
        inner = saved.inner["layer"]
        if inner.kind not in ("Dense", "Dropout", "LayerNormalization", "BatchNormalization", *ACTIVATIONS):
            raise UnsupportedError(
                f"{saved.where}: of {inner.kind}, which {inner.unknown}; Dense and what follows it has an equal"
            )
        inner.config = {**inner.config, "name": saved.name}
        return inner

    def _one(self, saved: Saved, call: Call, value: Value, masked: bool) -> Value:
        """A layer that reads one tensor."""
        kind = saved.kind
        if call.training and kind == "BatchNormalization":
            raise UnsupportedError(
                f"{saved.where}: is called with training=True: with the batch's statistics; no equal"
            )
        if kind == "Embedding":
            return self._embedding(saved, value)
        if kind == "Masking":
            return self.places.masks(
                self.places.typed(value, saved), float(saved.get("mask_value", (int, float), 0.0)), saved
            )
        if kind == "Reshape" and value.shape is not None and _one_feature(saved, value.shape):
            self.request.note(f"{value.of}: is given as (batch, time, 1), which {saved.name} makes of it in Keras")
            return self.places.as_sequence(value)
        if kind == "Dense" and value.flat is not None:
            return self._dense_of_all(saved, value.flat)
        value = self.places.typed(value, saved)
        if kind in _ELEMENTWISE:
            return self._dropout(saved, call, value)
        if kind in windows.KINDS:
            self._check_mask(saved, value)
            return windows.read(saved, value, self.places, self.cells)
        if kind in ACTIVATIONS or kind in FUNCTIONS:
            return self._activation(saved, call, value)
        if kind in ("Flatten", "Reshape"):
            return self._reshaped(saved, value)
        found: Callable[[Saved, Call, Value, bool], Value] | None = {
            "Dense": self._dense,
            "BatchNormalization": self._norm,
            "LayerNormalization": self._norm,
            "Normalization": self._normalization,
            "Rescaling": self._rescaling,
            "RepeatVector": self._repeat,
            "GlobalAveragePooling1D": self._summary,
            "GlobalMaxPooling1D": self._summary,
            "Mean": self._summary,
            "Max": self._summary,
            "Sum": self._summary,
            "GetItem": self._item,
        }.get(kind)
        if found is None:
            raise UnsupportedError(f"{saved.where}: {saved.unknown}; --parts lists what can be taken without it")
        return found(saved, call, value, masked)

    def _take(self, saved: Saved, leaf: str, *shape: int | None) -> np.ndarray:
        return self.cells.take(saved, leaf, *shape)

    def _check_mask(self, saved: Saved, value: Value) -> None:
        """A layer that reads steps, and knows no mask."""
        self.places.counts(value, saved.name, False)

    def _embedding(self, saved: Saved, value: Value) -> Value:
        value = self.places.typed(value, saved, ids=True)
        table = self._take(saved, "embeddings", saved.size("input_dim"), saved.size("output_dim"))
        if saved.get("mask_zero", bool, False):
            value = self.places.masks(value, 0.0, saved)
        layer = Embedding(name=self.places.name(saved), vocabulary=table.shape[0], units=table.shape[1])
        return self.places.add(layer, {"embeddings": table}, value)

    def _dense(self, saved: Saved, call: Call, value: Value, masked: bool) -> Value:
        kernel = self._take(saved, "kernel", value.features, saved.size("units"))
        return self.places.add(*dense(kernel, self._bias(saved), self.places.name(saved), self._function(saved)), value)

    def _bias(self, saved: Saved) -> np.ndarray | None:
        return self._take(saved, "bias", saved.size("units")) if "bias" in saved.variables else None

    def _function(self, saved: Saved) -> Any:
        return activations.activation(saved.config.get("activation"), self.version, saved.where)

    def _dense_of_all(self, saved: Saved, value: Value) -> Value:
        """A Dense behind a Flatten: a convolution whose only window is the whole sequence."""
        steps, features, units = value.steps or 0, value.features or 0, saved.size("units")
        kernel = self._take(saved, "kernel", steps * features, units).reshape(steps, features, units)
        bias, name = self._bias(saved), self.places.name(saved)
        weights = {"kernel": kernel.transpose(2, 0, 1)} | ({} if bias is None else {"bias": bias})
        window = Convolution(
            name=self.places.helper(f"{name}_window"),
            units=units,
            width=steps,
            padding="valid",
            activation=self._function(saved),
            bias=bias is not None,
        )
        self.request.note(f"{name}: reads {steps} steps in one vector, as many as the source was made for")
        return self.places.add(Summary(name=name, how="last"), {}, self.places.add(window, weights, value))

    def _dropout(self, saved: Saved, call: Call, value: Value) -> Value:
        if saved.kind == "Identity":
            return value
        rate = saved.get("rate", (int, float), 0.0)
        if saved.kind != "ActivityRegularization":
            check_training(saved, bool(call.training), rate or saved.get("stddev", (int, float), 0.0))
        if saved.kind != "Dropout" or saved.config.get("noise_shape") is not None:
            self.request.note(f"{saved.name}: {saved.kind} is the identity outside training: left out")
            return value
        return self.places.add(Dropout(name=self.places.name(saved), rate=rate), {}, value)

    def _activation(self, saved: Saved, call: Call, value: Value) -> Value:
        if saved.kind == "Softmax" and (call.mask or value.mask):
            raise UnsupportedError(f"{saved.where}: leaves out what is masked: no equal; use Activation('softmax')")
        function: Any = FUNCTIONS.get(saved.kind) or activations.of_layer(saved, self.version)
        if saved.kind == "Gelu" and saved.get("approximate", bool, True):
            function = "gelu_tanh"
        if function == "linear":
            return value
        if saved.kind == "Softmax" and saved.config.get("axis", -1) == 2 and value.time is None:
            raise UnsupportedError(f"{saved.where}: over axis 2 of a vector; no Keras makes that")
        return self.places.add(Activation(name=self.places.name(saved), function=function), {}, value)

    def _norm(self, saved: Saved, call: Call, value: Value, masked: bool) -> Value:
        """`BatchNormalization` with its statistics, `LayerNormalization`."""
        _check_last(saved, value)
        if saved.get("rms_scaling", bool, False):
            raise UnsupportedError(f"{saved.where}: rms_scaling: no equal here")
        features = value.features or 0
        batch = saved.kind == "BatchNormalization"
        theirs = {"gamma": "gamma", "beta": "beta"}
        theirs |= {"mean": "moving_mean", "variance": "moving_variance"} if batch else {}
        weights = {ours: self._take(saved, leaf, features) for ours, leaf in theirs.items() if leaf in saved.leaves}
        weights.setdefault("gamma", np.ones(features, np.float32))
        layer = Norm(
            name=self.places.name(saved),
            kind="batch" if batch else "layer",
            epsilon=saved.get("epsilon", (int, float), 1e-3),
            beta="beta" in weights,
        )
        return self.places.add(layer, weights, value)

    def _normalization(self, saved: Saved, call: Call, value: Value, masked: bool) -> Value:
        """`Normalization`: (x − m) / max(√v, 1e-7), or the way back."""
        _check_last(saved, value)
        features = value.features or 0
        if saved.config.get("mean") is not None:
            given = [np.asarray(saved.config.get(key), np.float64).reshape(-1) for key in ("mean", "variance")]
            mean, variance = (np.broadcast_to(each, (features,)).astype(np.float32) for each in given)
        else:
            mean, variance = (self._take(saved, leaf, features) for leaf in ("mean", "variance"))
        if "count" in saved.variables:
            self.cells.variables.ignore(saved.variables["count"], "counts what the statistics were made of")
        deviation = np.maximum(np.sqrt(variance), np.asarray(1e-7, variance.dtype))
        name = self.places.name(saved)
        if saved.get("invert", bool, False):
            return self.places.add(Scale(name=name), {"gamma": deviation, "beta": mean}, value)
        weights = {"gamma": np.ones_like(mean), "mean": mean, "variance": deviation**2}
        return self.places.add(Norm(name=name, kind="batch", epsilon=_NOTHING, beta=False), weights, value)

    def _rescaling(self, saved: Saved, call: Call, value: Value, masked: bool) -> Value:
        """`Rescaling`: x · scale + offset, numbers or one a feature."""
        features = value.features or 0
        factors = (np.asarray(saved.config.get(key, 0.0), np.float32).reshape(-1) for key in ("scale", "offset"))
        gamma, beta = (np.broadcast_to(factor, (features,)).copy() for factor in factors)
        return self.places.add(Scale(name=self.places.name(saved)), {"gamma": gamma, "beta": beta}, value)

    def _repeat(self, saved: Saved, call: Call, value: Value, masked: bool) -> Value:
        if value.time is not None:
            raise SpecError(f"{saved.where}: repeats a sequence; no Keras makes that")
        layer = Repeat(name=self.places.name(saved), steps=saved.size("n"))
        found = self.places.add(layer, {}, value)
        return found.but(steps=layer.steps, repeated=value)

    def _summary(self, saved: Saved, call: Call, value: Value, masked: bool) -> Value:
        """Global pooling, and operations over axis 1."""
        how: Any = {"GlobalAveragePooling1D": "mean", "GlobalMaxPooling1D": "max"}.get(saved.kind, saved.kind.lower())
        axis = saved.config.get("axis", 1) if saved.kind in ("Mean", "Max", "Sum") else 1
        if value.time is None or axis not in (1, -2, [1], [-2]) or saved.get("keepdims", bool, False):
            raise UnsupportedError(
                f"{saved.where}: over axis {axis}, or with keepdims: only over time is there an equal"
            )
        _check_channels(saved)
        self.places.counts(value, saved.name, masked and saved.kind == "GlobalAveragePooling1D")
        return self.places.add(Summary(name=self.places.name(saved), how=how), {}, value)

    def _item(self, saved: Saved, call: Call, value: Value, masked: bool) -> Value:
        """`y[:, -1]`, `y[:, 0]`."""
        key = call.arguments[1] if len(call.arguments) == 2 else None
        whole = {"class_name": "__slice__", "config": {"start": None, "stop": None, "step": None}}
        first = (
            isinstance(key, list) and key[0] == whole and all(each == whole for each in key[2:]) and len(key) in (2, 3)
        )
        last = value.steps is not None and isinstance(key, list) and key[1:2] == [value.steps - 1]
        if not first or value.time is None or not (last or key[1] in (0, -1)) or isinstance(key[1], bool):
            raise UnsupportedError(f"{saved.where}: takes other than the first or the last step: no equal here")
        self.places.counts(value, saved.name, False)
        how: Any = "first" if key[1] == 0 and not last else "last"
        return self.places.add(Summary(name=self.places.name(saved), how=how), {}, value)

    def _reshaped(self, saved: Saved, value: Value) -> Value:
        """`Flatten`, and the shapes that come to the same."""
        if saved.kind == "Reshape":
            shape = tuple(saved.config.get("target_shape") or ())
            here = (value.features,) if value.time is None else (value.steps, value.features)
            if shape == here or (len(shape) == len(here) and shape[0] == -1 and shape[1:] == here[1:]):
                return value
            if value.time is None and shape in ((1, value.features), (1, -1)):
                return self.places.add(Repeat(name=self.places.name(saved), steps=1), {}, value).but(steps=1)
            if len(shape) != 1:
                raise UnsupportedError(f"{saved.where}: to {shape}: no equal here")
        if value.time is None:
            return value
        return self._flat(value, saved)

    def _flat(self, value: Value, saved: Saved | None = None) -> Value:
        if saved is not None:
            if value.steps is None:
                raise UnsupportedError(f"{saved.where}: of steps that nobody has counted; give the input its length")
            _check_channels(saved)
            self._check_mask(saved, value)
            if value.steps == 1:
                return self.places.add(Summary(name=self.places.name(saved), how="last"), {}, value)
        return Value(value.of, flat=value)

    def _merge(self, saved: Saved, call: Call, data: list[Value]) -> Value:
        """`Concatenate`, `Add`, …; of one tensor and a number, as Keras 3 writes `2 * x`, a scale."""
        numbers = [float(number) for number in call.numbers if type(number) in (int, float)]
        values = [self.places.typed(value, saved) for value in data]
        if len(values) == 1 and len(numbers) == 1 and len(call.numbers) == 1:
            return self._scaled(saved, call, values[0], numbers[0])
        if call.numbers or not values:
            raise UnsupportedError(f"{saved.where}: joins constants: no equal here")
        times = [value.time is not None for value in values]
        if any(times) and not all(times):
            raise UnsupportedError(f"{saved.where}: joins a vector with a sequence; put a RepeatVector before it")
        if any(times):
            values = self._along(saved, values)
            self.places.together(values, saved)
        if values[0].mask and saved.kind in ("Multiply", "Maximum", "Minimum"):
            raise UnsupportedError(f"{saved.where}: gives other numbers where a mask is: no equal here")
        how: Any = _MERGES[saved.kind]
        if how == "concat":
            axis = saved.get("axis", int, -1)
            if axis not in (-1, 2 if any(times) else 1):
                raise UnsupportedError(f"{saved.where}: joins over axis {axis}; only over features is there an equal")
        elif len({value.features for value in values}) > 1:
            raise UnsupportedError(f"{saved.where}: of {[v.features for v in values]} features: no equal here")
        name = self.places.name(saved)
        first = {"Subtract": 1, "Minimum": 0}.get(saved.kind, len(values))  # from which on they are negated
        values = [self._negative(value, name) if k >= first else value for k, value in enumerate(values)]
        if len(values) == 1:
            return values[0]
        if saved.kind == "Minimum":
            most = self.places.add(Merge(name=self.places.helper(f"{name}_maximum"), how=how), {}, *values)
            return self._negative(most, name, name)
        return self.places.add(Merge(name=name, how=how), {}, *values)

    def _negative(self, value: Value, name: str, own: str | None = None) -> Value:
        layer = Scale(name=own or self.places.helper(f"{name}_negative"), beta=False)
        return self.places.add(layer, {"gamma": np.full(value.features or 0, -1, np.float32)}, value)

    def _scaled(self, saved: Saved, call: Call, value: Value, number: float) -> Value:
        turned = bool(call.arguments) and type(call.arguments[0]) in (int, float)
        found = {"Add": (1.0, number), "Multiply": (number, 0.0), "Subtract": (1.0, -number)}.get(saved.kind)
        if saved.kind == "Subtract" and turned:
            found = -1.0, number
        if found is None:
            raise UnsupportedError(f"{saved.where}: with the constant {number}: no equal here")
        gamma, beta = (np.full(value.features or 0, each, np.float32) for each in found)
        return self.places.add(Scale(name=self.places.name(saved)), {"gamma": gamma, "beta": beta}, value)

    def _along(self, saved: Saved, values: list[Value]) -> list[Value]:
        """Vectors that were repeated go on at each step of a sequence beside them."""
        other = next((value for value in values if value.repeated is None), None)
        if other is None:
            return values
        found = []
        for value in values:
            if value.repeated is not None:
                if other.steps not in (None, value.steps):
                    raise UnsupportedError(f"{saved.where}: joins {value.steps} and {other.steps} steps: no equal here")
                self.request.note(f"{value.of}: at every step of {other.of}, of which the source takes {value.steps}")
                layer = Repeat(name=self.places.helper(f"{value.of}_along"))
                value = self.places.add(layer, {}, value.repeated, other)
            found.append(value)
        return found

    def _attention(self, saved: Saved, call: Call, data: list[Value]) -> Value:
        values = [self.places.typed(value, saved) for value in data]
        if not 2 <= len(values) <= 3:
            raise UnsupportedError(f"{saved.where}: reads {len(values)} tensors; no equal here")
        query, memory, keys = values[0], values[1], values[-1] if len(values) == 3 else values[1]
        if query.time is None or any(value.time is None for value in values):
            raise UnsupportedError(f"{saved.where}: of vectors: no equal here")
        if masked := next((value for value in values if value.mask), None):
            raise UnsupportedError(
                f"{saved.where}: a mask comes with {masked.of!r}: no equal here; leave mask_zero out"
            )
        for value in (memory, keys):
            self.places.counts(value, saved.name, False)
        if memory is not keys:
            self.places.together([keys, memory], saved)
        made = {"MultiHeadAttention": multi_head, "Attention": dot, "AdditiveAttention": additive}[saved.kind]
        return made(saved, self.places, self.cells, query, keys, memory)

    def _recurrent(self, call: Call, value: Value, starts: list[Value], masked: bool) -> tuple[Value, ...]:
        saved = call.layer
        value = self.places.typed(value, saved)
        if value.time is None:
            raise SpecError(f"{saved.where}: reads a vector; no Keras makes that")
        name = self.places.name(saved)
        options = self.recurrences.options(saved, name, bool(call.training))
        merge = own_merge(saved) if saved.kind == "Bidirectional" else None
        if options.time_major or merge == "none":
            what = "time-major" if options.time_major else "with merge_mode=None"
            raise UnsupportedError(f"{saved.where}: {what}: no equal in a graph")
        if masked and self.version.holds_state:
            raise UnsupportedError(
                f"{saved.where}: what Keras before 2.3 gives at masked steps has no equal in a graph"
            )
        goes_on = Taken(merge=merge)
        if masked and options.zero:
            self.recurrences.check_zeros(saved, options, goes_on)
        self.places.counts(value, name, masked)
        layer, weights = self.recurrences.read(saved, name, value.features, options, goes_on)
        layer = self._started(saved, layer, starts)
        y = self.places.add(layer, weights, value)
        sizes = layer.states(value.features)
        found = [Value(f"{name}.{state}", sizes[state]) for state in outputs(saved)[sequences(saved) :]]
        return (y, *found)

    def _started(self, saved: Saved, layer: Any, starts: list[Value]) -> Any:
        if not starts:
            return layer
        inner = list(saved.inner.values())
        if saved.kind == "Bidirectional":
            pairs = zip(directions(saved), inner, strict=True)
            names = [f"{place}.{state}" for place, each in pairs for state in states(each.inner["cell"])]
        else:
            names = states(saved.inner["cell"])
        if len(names) != len(starts):
            raise SpecError(f"{saved.where}: starts from {len(starts)} states, and has {len(names)}")
        values = [self.places.typed(value, saved) for value in starts]
        return replace(layer, start={name: value.of for name, value in zip(names, values, strict=True)})


_NOTHING = 1e-30  # an epsilon that no variance of this layer notices: they are from 1e-14


def _one_feature(saved: Saved, shape: tuple[int | None, ...]) -> bool:
    """Whether numbers (time,) become a sequence of one feature."""
    target = saved.config.get("target_shape")
    return len(shape) == 1 and isinstance(target, list | tuple) and list(target) in ([shape[0], 1], [-1, 1])


def _check_last(saved: Saved, value: Value) -> None:
    """Raise UnsupportedError where it is over another axis than the features."""
    axis = saved.config.get("axis", -1)
    axes = list(axis) if isinstance(axis, list | tuple) else [axis]
    if axes not in ([-1], [1 if value.time is None else 2]):
        raise UnsupportedError(f"{saved.where}: over axis {axis}; only over features is there an equal")


def _check_channels(saved: Saved) -> None:
    """Raise UnsupportedError where features come before time."""
    if saved.config.get("data_format") not in (None, "channels_last"):
        raise UnsupportedError(f"{saved.where}: data_format={saved.config['data_format']!r}: no equal here")
