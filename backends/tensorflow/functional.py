"""Graphs as functional models of Keras's own layers."""

from typing import Any

import keras
from keras import layers as stock
from keras import ops

from rnnspec.backends.tensorflow.computed import computed
from rnnspec.backends.tensorflow.stock import check_widths, fill, in_order, made, refused
from rnnspec.cells import Stack
from rnnspec.checkpoint import Checkpoint
from rnnspec.convert.names import unique
from rnnspec.errors import UnsupportedError
from rnnspec.graph import Node
from rnnspec.layers import Activation, Dense, Dropout, Embedding, Layer, Merge, Norm, Recurrent, Summary
from rnnspec.ops import scope

_PASS = (Recurrent, Dense, Dropout, Activation, Embedding, Norm)  # what reads a mask, or hands it on, as ours does


def functional(checkpoint: Checkpoint) -> keras.Model:
    """The model in stock layers; its inputs and outputs are in the order of ours.

    Raises:
        UnsupportedError: Keras has no layer that means the same; the message names the layer and the option.
    """
    graph = Graph(checkpoint)
    model = checkpoint.model
    read = {name for node in model.graph.nodes for name in node.of}
    for node in model.graph.nodes:
        if node.name in read:
            check_widths(node.layer, node.features)
        graph.add(node)
    outputs = [graph.values[name] for name in model.graph.outputs]
    return keras.Model(*(each if len(each) > 1 else each[0] for each in (graph.inputs, outputs)))


class Graph:
    """Keras's tensors by the places of the graph, and those of them that are masked."""

    def __init__(self, checkpoint: Checkpoint) -> None:
        self.checkpoint, self.model = checkpoint, checkpoint.model
        self.taken = {layer.name for layer in self.model.layers} | set(self.model.given)
        self.dtype = checkpoint.dtype
        self.values: dict[str, Any] = {}
        self.inputs: list[Any] = []
        self.masked: set[str] = set()
        self.zeroed = {name for name, given in self.model.given.items() if given.features and given.padding}
        self.masks: dict[str, float] = {}  # ids → the one that an embedding behind them masks
        nodes = self.model.graph.nodes
        used = [name for node in nodes for name in (*node.of, *(node.start or {}).values())]
        self.stateful = {name.partition(".")[0] for name in used if name not in self.model.graph.places}
        for name, given in self.model.given.items():
            self._input(name, given)

    def _input(self, name: str, given: Any) -> None:
        shape = ((None,) if given.sequence else ()) + (() if given.features is None else (given.features,))
        named = unique("x_", self.taken) if name in {layer.name for layer in self.model.layers} else name
        x = keras.Input(shape, dtype="int32" if given.features is None else self.dtype, name=named)
        self.inputs.append(x)
        padding = self.model.given[given.like].padding if given.like else given.padding
        if padding is not None:
            if given.like:
                raise UnsupportedError(
                    f"input {name!r}: like {given.like!r}, whose mask Keras does not give to another"
                )
            self.masked.add(name)
            if given.features is None:
                self.masks[name] = padding
            else:
                x = stock.Masking(padding, name=self.helper("masking"), dtype=self.dtype)(x)
        self.values[name] = x

    def helper(self, name: str) -> str:
        """A name for a layer that ours do not have."""
        name = unique(name, self.taken)
        self.taken.add(name)
        return name

    def add(self, node: Node) -> None:
        """The layer, after which what it gives stands among the values."""
        layer, reads = node.layer, [self.values[name] for name in node.of]
        masked = any(name in self.masked for name in node.of)
        if masked:
            self._check_mask(layer)
            if not isinstance(layer, Recurrent) and any(name in self.zeroed for name in node.of):
                raise refused(layer, "reading a padding other than 0", "its Masking makes it 0")
        if masked and node.gives.time is not None:
            self.masked.add(layer.name)
        if isinstance(layer, Recurrent):
            self._recurrent(node, layer, reads[0], masked)
        elif isinstance(layer, Embedding | Dense | Dropout | Norm):
            mask = self.masks.get(node.of[0])
            native = made(layer, self.dtype, mask=mask)
            self.values[layer.name] = native(reads[0])
            self._fill(native, layer)
        else:
            weights = scope(self.checkpoint.weights, layer.name)
            self.values[layer.name] = computed(layer, reads, weights, self.dtype, self.helper)

    def _check_mask(self, layer: Layer) -> None:
        """Raise UnsupportedError where Keras does something else than ours with a mask."""
        joins = isinstance(layer, Merge) and layer.how in ("concat", "add", "average")
        means = isinstance(layer, Summary) and layer.how == "mean"
        if not (joins or means or isinstance(layer, _PASS)):
            raise UnsupportedError(
                f"layer {layer.name!r}: {type(layer).__name__} behind a padding: Keras's reads no mask, or another one"
            )
        if isinstance(layer, Recurrent) and layer.start:
            raise refused(layer, "start behind a padding", "it drops the mask where states are given")
        if isinstance(layer, Recurrent) and not in_order(layer):
            raise refused(layer, f"direction={layer.direction!r} behind a padding", "its go_backwards reverses both")

    def _fill(self, native: keras.layers.Layer, layer: Layer) -> None:
        fill(native, layer, scope(self.checkpoint.weights, layer.name))

    def _recurrent(self, node: Node, layer: Recurrent, x: Any, masked: bool) -> None:
        if layer.merge == "none":
            raise refused(layer, "merge='none'", "what ends a functional model is one tensor")
        state = layer.name in self.stateful
        if (state or layer.start) and any(isinstance(cell, Stack) for cell, _ in layer.directions.values()):
            raise refused(layer, "the states of a Stack")
        native = made(layer, self.dtype, masked=masked, state=state)
        given = {"initial_state": self._start(node, layer)} if layer.start else {}
        found = native(x, **given)
        y, *states = found if state else [found]
        for name, value in zip(node.states, states, strict=False):
            self.values[f"{layer.name}.{name}"] = value
        if not in_order(layer):
            y = ops.flip(y, axis=1)
        self.values[layer.name] = y
        self._fill(native, layer)

    def _start(self, node: Node, layer: Recurrent) -> list[Any]:
        """The states that it starts from, in Keras's order, which is ours."""
        given = {state: self.values[place] for state, place in (layer.start or {}).items()}
        found = []
        for name, size in node.states.items():
            same = next((value for value in given.values() if value.shape[-1] == size), None)
            if name not in given and same is None:
                raise refused(layer, f"start without {name!r}", "it takes all states or none")
            found.append(given[name] if name in given else ops.zeros_like(same))
        return found
