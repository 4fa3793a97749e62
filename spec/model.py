"""The architecture: a chain of layers."""

import json
from collections.abc import Iterator, Sequence
from math import prod
from typing import Any

from rnnspec import limits, strict_json
from rnnspec.config import Config, Size, check_depth
from rnnspec.errors import SpecError
from rnnspec.layers import Embedding, Layer
from rnnspec.layers.recurrent import Recurrent, check_follows
from rnnspec.ops import Array, Ops, States, grouped, under
from rnnspec.shown import quoted
from rnnspec.valid import Valid

Results = Any  # the output and the final states by name; of a network with return_state=False the output alone
Output = Array  # or two of them, where the last layer has merge="none"
ByLayer = dict[str, dict[str, Array]]  # layer name → its parameters by their own names


class Model(Config, frozen=True, kw_only=True):
    """A chain of layers.

    `inputs`: features per step; left out when an embedding comes first (MODEL-1). `padding`: the number that fills up
    short sequences: steps whose features, or id, all equal it are invalid (MODEL-5).

    Raises:
        SpecError: no layers, a name used twice, or layers that do not fit each other.
    """

    layers: Sequence[Layer]
    inputs: Size | None = None
    padding: float | None = None

    def __post_init__(self) -> None:
        check_depth(self, "Model")
        Config.__post_init__(self)
        if not self.layers:
            raise SpecError("Model.layers: expected at least one layer, found none")
        if self.inputs is None and not isinstance(self.layers[0], Embedding):
            raise SpecError("Model.inputs: missing; give the features per step, or put an embedding first")
        if self.inputs is None and self.padding is not None and self.padding != int(self.padding):
            raise SpecError(f"Model.padding: expected an id, an integer, found {self.padding}")
        names: set[str] = set()
        for layer in self.layers:
            if layer.name in names:
                raise SpecError(f"Model.layers: two layers are named {quoted(layer.name)}; names must be unique")
            names.add(layer.name)
        sequence = True
        for layer, inputs in self.chain():
            layer.outputs(inputs)
            sequence = check_follows(layer, sequence)
        for layer in self.layers[:-1]:
            if isinstance(layer, Recurrent) and layer.merge == "none":
                raise SpecError(f"layer {layer.name!r}: merge='none' gives two outputs; no layer may follow")
        self._check_states()

    def _check_states(self) -> None:
        """A queue or a row of windows costs nothing in the file, and its size in every call."""
        if (states := sum(self.states().values())) > limits.STATES:
            most = max(limits.STATES, limits.STATES_RATIO * sum(map(prod, self.parameters().values())))
            if states > most:
                raise SpecError(f"Model.layers: {states:,} numbers of state a row, more than {most:,}")

    def chain(self) -> Iterator[tuple[Layer, int | None]]:
        """Each layer with the features that reach it."""
        features = self.inputs
        for layer in self.layers:
            yield layer, features
            features = layer.outputs(features)

    @property
    def outputs(self) -> int:
        """Features of the output."""
        *_, (last, features) = self.chain()
        return last.outputs(features)

    @property
    def return_sequences(self) -> bool:
        """Whether the output is a sequence: (batch, time, features) and not (batch, features)."""
        sequence = True
        for layer in self.layers:
            sequence = check_follows(layer, sequence)
        return sequence

    def parameters(self) -> dict[str, tuple[int, ...]]:
        """Tensor name → shape, for the whole model."""
        return {
            name: shape
            for layer, inputs in self.chain()
            for name, shape in under(layer.name, layer.parameters(inputs)).items()
        }

    def states(self) -> dict[str, int]:
        """State name → size, for the whole model."""
        return {
            name: size
            for layer, inputs in self.chain()
            for name, size in under(layer.name, layer.states(inputs)).items()
        }

    def start(self, ops: Ops, p: ByLayer, zeros: States) -> States:
        """The states of sequences that are given none, from zeros (batch, size) by name (UNROLL-6, UNROLL-11)."""
        new: States = {}
        of = grouped(zeros)
        for layer in self.layers:
            new |= under(layer.name, layer.start(ops, p[layer.name], of.get(layer.name, {})))
        return new

    @property
    def separate(self) -> bool:
        """Whether the output is a tuple, forward and backward, and not one array."""
        last = self.layers[-1]
        return isinstance(last, Recurrent) and last.merge == "none"

    def named(self, y: Output) -> dict[str, Array]:
        """The output by name: `y`, or `y.forward` and `y.backward`."""
        return {"y.forward": y[0], "y.backward": y[1]} if self.separate else {"y": y}

    def apply(self, ops: Ops, p: ByLayer, x: Array, valid: Valid, state: States) -> tuple[Output, States]:
        """Whole sequences: x (batch, time, inputs) or ids (batch, time) → outputs, final states."""
        new: States = {}
        if self.padding is not None:
            valid = ops.unpadded(x, self.padding, valid)
        of = grouped(state)
        for layer in self.layers:
            x, s = layer.apply(ops, p[layer.name], x, valid, of.get(layer.name, {}))
            new |= under(layer.name, s)
        return x, new

    def by_layer(self, tensors: dict[str, Array]) -> ByLayer:
        """The model's tensors, sorted into layers: what `apply` and `step` take as `p`."""
        of = grouped(tensors)
        return {layer.name: of.get(layer.name, {}) for layer in self.layers}

    def step(self, ops: Ops, p: ByLayer, x: Array, state: States) -> tuple[Array, States]:
        """One time step: x (batch, inputs) or ids (batch,) → outputs, states."""
        new: States = {}
        of = grouped(state)
        for layer in self.layers:
            x, s = layer.step(ops, p[layer.name], x, of.get(layer.name, {}))
            new |= under(layer.name, s)
        return x, new

    def to_json(self) -> str:
        """Canonical JSON: sorted keys, no spaces."""
        return json.dumps(self.to_builtins(), sort_keys=True, separators=(",", ":"))

    @classmethod
    def from_json(cls, text: str | bytes, where: str = "architecture") -> "Model":
        """Read JSON strictly.

        Raises:
            SpecError: not JSON, or not an architecture; the message names the place and the fix.
        """
        return cls.from_builtins(strict_json.parse(text, where), where)
