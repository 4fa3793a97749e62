"""Keras's layers → ours, in a graph: each reads values, and gives one, or several."""

from typing import Any

import numpy as np
from msgspec.structs import replace

from rnnspec import Activation, Dropout, Embedding
from rnnspec.conventions.keras import FUNCTIONS
from rnnspec.convert.keras import activations, attention, joins, norms, shapes, windows
from rnnspec.convert.keras.cells import Cells
from rnnspec.convert.keras.graph import Call
from rnnspec.convert.keras.outputs import Taken, directions, outputs, own_merge, sequences, states
from rnnspec.convert.keras.places import Places, Value
from rnnspec.convert.keras.recurrent import Recurrences, check_training, note_half
from rnnspec.convert.keras.saved import ACTIVATIONS, NOISE, RECURRENT, Saved
from rnnspec.convert.layers import dense
from rnnspec.errors import SpecError, UnsupportedError
from rnnspec.layers import Convolution, Summary

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
        if saved.kind in joins.KINDS:
            return (joins.joined(saved, call, data, self.places),)
        if len(data) == 1 and data[0].flat is not None and saved.kind in _ELEMENTWISE:
            inside = self._one(saved, call, data[0].flat, masked)
            return (Value(inside.of, flat=inside),)
        if saved.kind in attention.KINDS:
            return (attention.attended(saved, data, self.places, self.cells),)
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
        if kind == "Reshape" and value.shape is not None and shapes.is_column(saved, value.shape):
            self.request.note(f"{value.of}: is given as (batch, time, 1), which {saved.name} makes of it in Keras")
            return self.places.as_sequence(value)
        if kind == "Dense" and value.flat is not None:
            return self._dense_of_all(saved, value.flat)
        value = self.places.typed(value, saved)
        if kind in _ELEMENTWISE:
            return self._dropout(saved, call, value)
        if kind in ACTIVATIONS or kind in FUNCTIONS:
            return self._activation(saved, call, value)
        if kind == "Dense":
            return self._dense(saved, value)
        found: Any = windows.KINDS.get(kind) or norms.KINDS.get(kind)
        if found:
            return found(saved, value, self.places, self.cells)
        if kind in shapes.KINDS:
            return shapes.KINDS[kind](saved, call, value, self.places, masked)
        raise UnsupportedError(f"{saved.where}: {saved.unknown}; --parts lists what can be taken without it")

    def _take(self, saved: Saved, leaf: str, *shape: int | None) -> np.ndarray:
        return self.cells.take(saved, leaf, *shape)

    def _embedding(self, saved: Saved, value: Value) -> Value:
        value = self.places.typed(value, saved, ids=True)
        table = self._take(saved, "embeddings", saved.size("input_dim"), saved.size("output_dim"))
        if saved.get("mask_zero", bool, False):
            value = self.places.masks(value, 0.0, saved)
        layer = Embedding(name=self.places.name(saved), vocabulary=table.shape[0], units=table.shape[1])
        return self.places.add(layer, {"embeddings": table}, value)

    def _dense(self, saved: Saved, value: Value) -> Value:
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
