"""The architecture: a graph of layers, mostly a chain."""

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cached_property
from math import prod
from typing import Any

from rnnspec import limits, strict_json
from rnnspec.config import Config, Size, check_depth, unsaid
from rnnspec.errors import SpecError, UnsupportedError
from rnnspec.graph import Graph, Input, Node
from rnnspec.layers import Embedding, Layer, Recurrent
from rnnspec.layers.base import Features, Place
from rnnspec.ops import Array, Ops, States, grouped, under
from rnnspec.valid import Valid
from rnnspec.walk import ByLayer, Walk

Results = Any  # the output and the final states by name; of a network with return_state=False the output alone
Output = Any  # an array; two of them where the last layer has merge="none"; with `outputs`, a dictionary of these

_ALL = Valid()
_NONE: dict[str, Valid] = {}


class Model(Config, frozen=True, kw_only=True, dict=True):
    """A graph of layers: each reads the one before it, or what its `of` names.

    `inputs`: features per step; left out when an embedding comes first (MODEL-1). Or a mapping, name → `Input`, or
    its features alone, None for ids (GRAPH-1). `padding`: the number that fills up short sequences: steps whose
    features, or id, all equal it are invalid (MODEL-5). `outputs`: the layers whose outputs are returned, by name; left
    out, the last one, alone (GRAPH-3).

        Model(
            inputs={"audio": 40, "speaker": Input(features=8, sequence=False)},
            layers=[
                Recurrent(name="encoder", of="audio", cell=LSTM(units=32)),
                Dense(name="voice", of="speaker", units=32, activation="tanh"),
                Recurrent(name="decoder", of="encoder", cell=LSTM(units=32), start={"h": "voice", "c": "encoder.c"}),
            ],
            outputs=["decoder", "encoder"],
        )

    Raises:
        SpecError: no layers, a name used twice, or layers that do not fit each other.
    """

    layers: Sequence[Layer]
    inputs: Size | Mapping[str, Input | Size | None] | None = None
    padding: float | None = None
    outputs: Sequence[str] | None = None

    def __post_init__(self) -> None:
        check_depth(self, "Model")
        Config.__post_init__(self)
        if not self.layers:
            raise SpecError("Model.layers: expected at least one layer, found none")
        if isinstance(self.inputs, Mapping):
            if not self.inputs:
                raise SpecError("Model.inputs: expected at least one input, found none")
            if self.padding is not None:
                raise SpecError("Model.padding: with inputs by name, each has its own; give it to an Input")
            for name in self.inputs:
                if not name.isidentifier():
                    raise SpecError(f"Model.inputs: expected letters, digits and '_' in a name, found {name!r}")
                if any(layer.name == name for layer in self.layers):
                    raise SpecError(f"Model.inputs: {name!r} is the name of a layer too; names must be unique")
        elif self.inputs is None and not isinstance(self.layers[0], Embedding):
            raise SpecError("Model.inputs: missing; give the features per step, or put an embedding first")
        if self.inputs is None and self.padding is not None and self.padding != int(self.padding):
            raise SpecError(f"Model.padding: expected an id, an integer, found {self.padding}")
        _ = self.graph  # which checks the layers
        self._check_states()

    def _check_states(self) -> None:
        """A queue or a row of windows costs nothing in the file, and its size in every call."""
        if (states := sum(self.states().values())) > limits.STATES:
            most = max(limits.STATES, limits.STATES_RATIO * sum(map(prod, self.parameters().values())))
            if states > most:
                raise SpecError(f"Model.layers: {states:,} numbers of state a row, more than {most:,}")

    @cached_property
    def by_name(self) -> bool:
        """Whether the inputs have names; else there is one, called x."""
        return isinstance(self.inputs, Mapping)

    @cached_property
    def given(self) -> dict[str, Input]:
        """The inputs by name."""
        if not isinstance(self.inputs, Mapping):
            return {"x": Input(features=self.inputs, padding=self.padding)}
        return {name: x if isinstance(x, Input) else Input(features=x) for name, x in self.inputs.items()}

    @cached_property
    def graph(self) -> Graph:
        """What each layer reads, and what stands at each place."""
        return Graph(self.given, self.layers, self.outputs)

    @cached_property
    def version(self) -> int:
        """The first version of the specification that has all of it; a file says this one."""
        new = self.by_name or self.outputs is not None or any(layer.of or layer.since > 1 for layer in self.layers)
        return 2 if new or any(isinstance(layer, Recurrent) and layer.start for layer in self.layers) else 1

    def check_chain(self, what: str) -> None:
        """Raise UnsupportedError where it is no chain of layers of version 1, and `what` takes nothing else."""
        if self.version > 1:
            new = next((layer for layer in self.layers if layer.of or layer.since > 1), None)
            found = f"here is layer {new.name!r}" if new else "here are inputs, outputs or a start by name"
            raise UnsupportedError(f"{what} takes chains of layers of version 1 of the specification; {found}")

    def chain(self) -> Iterator[tuple[Layer, Features]]:
        """Each layer with the features that reach it."""
        for node in self.graph.nodes:
            yield node.layer, node.features

    @cached_property
    def results(self) -> dict[str, Place]:
        """What stands in each output, by the names that `named` gives them."""
        each: dict[str, Any] = {name: self.graph.places[name] for name in self.graph.outputs}
        for node in self.graph.nodes:
            if isinstance(node.layer, Recurrent) and node.layer.merge == "none":  # always an output
                each[node.name] = tuple(Place(size, node.gives.time) for size in node.layer.each(node.features))
        return self.named(each if self.outputs is not None else each[self.layers[-1].name])

    @cached_property
    def sequences(self) -> frozenset[str]:
        """The inputs and results that are sequences, (batch, time, features) and not (batch, features), by name."""
        results = {name for name, place in self.results.items() if place.time is not None}
        return frozenset(results | {name for name, given in self.given.items() if given.sequence})

    def parameters(self) -> dict[str, tuple[int, ...]]:
        """Tensor name → shape, for the whole model."""
        return {
            name: shape
            for layer, inputs in self.chain()
            for name, shape in under(layer.name, layer.parameters(inputs)).items()
        }

    @cached_property
    def fixed(self) -> frozenset[str]:
        """The parameters that are statistics and no weights (NORMALISE-3)."""
        return frozenset(f"{layer.name}.{name}" for layer in self.layers for name in layer.fixed)

    def states(self) -> dict[str, int]:
        """State name → size, for the whole model."""
        return {name: size for node in self.graph.nodes for name, size in under(node.name, node.states).items()}

    def start(self, ops: Ops, p: ByLayer, zeros: States) -> States:
        """The states of sequences that are given none, from zeros (batch, size) by name (UNROLL-6, UNROLL-11); those
        that start from another place are left out: they are found on the way (GRAPH-5)."""
        new: States = {}
        of = grouped(zeros)
        for node in self.graph.nodes:
            if node.states:
                states = node.layer.initial(ops, p[node.name], of[node.name])
                if node.start is not None:
                    states = {name: value for name, value in states.items() if name not in node.start}
                new |= under(node.name, states)
        return new

    @property
    def separate(self) -> bool:
        """Whether the output is a tuple, forward and backward, and not one array."""
        last = self.layers[-1]
        return self.outputs is None and isinstance(last, Recurrent) and last.merge == "none"

    def named(self, y: Output) -> dict[str, Array]:
        """The outputs by name: `y`, or those of `outputs`; of two outputs `y.forward` and `y.backward`."""
        each = {"y": y} if self.outputs is None else y
        found: dict[str, Array] = {}
        for name, value in each.items():
            pair = type(value) is tuple
            found |= {f"{name}.forward": value[0], f"{name}.backward": value[1]} if pair else {name: value}
        return found

    def each(self, change: Callable[[str, Array], Array], y: Output) -> Output:
        """The outputs in the form in which they are, each changed: from its name in `named`, and itself."""

        def of(name: str, value: Output) -> Output:
            if type(value) is tuple:
                return change(f"{name}.forward", value[0]), change(f"{name}.backward", value[1])
            return change(name, value)

        return of("y", y) if self.outputs is None else {name: of(name, value) for name, value in y.items()}

    def apply(
        self,
        ops: Ops,
        p: ByLayer,
        x: dict[str, Array],
        valid: dict[str, Valid],
        state: States,
        nodes: Sequence[Node] = (),
    ) -> tuple[Output, States]:
        """Whole sequences: x by input, (batch, time, features), ids (batch, time) or vectors; which steps count, by the
        inputs with a time of their own; states, of which those with a `start` may be missing → outputs, final states.

        `nodes`: those of a backend in whose hands a layer is something else, with what it takes as `p`.
        """
        walk = Walk(ops, p, x, self._counts(ops, x, valid), state)
        walk.whole(nodes or self.graph.nodes)
        return self._output(walk.values), walk.new

    def _counts(self, ops: Ops, x: dict[str, Array], valid: dict[str, Valid]) -> dict[str, Valid]:
        """Which steps of each input count, where not all do."""
        counts = {name: count for name, count in valid.items() if count is not _ALL}
        for name, padding in self.paddings:
            counts[name] = ops.unpadded(x[name], padding, counts.get(name, _ALL))
        for name, of in self.alike:
            if of in counts:
                counts[name] = counts[of]
        return counts

    @cached_property
    def paddings(self) -> list[tuple[str, float]]:
        """The inputs with a number that fills up short sequences, and that."""
        return [(name, given.padding) for name, given in self.given.items() if given.padding is not None]

    @cached_property
    def alike(self) -> list[tuple[str, str]]:
        """The inputs that share their time with another, and that one."""
        return [(name, given.like) for name, given in self.given.items() if given.like is not None]

    def counts(self, ops: Ops, x: dict[str, Array], valid: dict[str, Valid]) -> dict[str, Valid]:
        """Which steps count of what stands at each place; x and valid as in `apply`."""
        counts = self._counts(ops, x, valid)
        for node in self.graph.nodes:
            of = tuple(counts.get(name, _ALL) for name in node.of)
            counts[node.layer.name] = node.layer.valid(ops, of if node.layer.most > 1 else of[0])
        return counts

    def _output(self, values: dict[str, Array]) -> Output:
        """What is returned."""
        if self.outputs is None:
            return values[self.layers[-1].name]
        return {name: values[name] for name in self.outputs}

    def by_layer(self, tensors: dict[str, Array]) -> ByLayer:
        """The model's tensors, sorted into layers: what `apply` and `step` take as `p`."""
        of = grouped(tensors)
        return {layer.name: of.get(layer.name, {}) for layer in self.layers}

    @cached_property
    def stepped(self) -> frozenset[str]:
        """The places that a single step has one step of (GRAPH-8). Raises UnsupportedError: there is no single step."""
        return self.graph.stepped()

    def step(
        self,
        ops: Ops,
        p: ByLayer,
        x: dict[str, Array],
        state: States,
        valid: dict[str, Valid] = _NONE,
        nodes: Sequence[Node] = (),
    ) -> tuple[Output, States]:
        """One time step: x by input, (batch, features) or ids (batch,) where it is stepped, else whole, with which of
        its steps count → outputs, states; those of layers over what is whole come back as they were (GRAPH-8).
        """
        walk = Walk(ops, p, x, self._counts(ops, x, valid) if valid else {}, state)
        walk.step(nodes or self.graph.nodes, self.stepped)
        return self._output(walk.values), walk.new

    def to_builtins(self) -> dict[str, Any]:
        """As plain data; a chain as version 1 had it: what came later is left out where it says nothing."""
        plain = super().to_builtins()
        plain["layers"] = [unsaid(layer, "of", "start") for layer in plain["layers"]]
        return unsaid(plain, "outputs")

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
