"""What sequences start from that are given no states: zeros, what was learned, or what stands at another place."""

import numpy as np

from rnnspec.checkpoint import Checkpoint
from rnnspec.export.graph import Graph
from rnnspec.export.values import Value
from rnnspec.layers import Recurrent
from rnnspec.model import Model
from rnnspec.ops import grouped, under
from rnnspec.reference.ops import NumpyOps


def elsewhere(model: Model) -> list[str]:
    """The states that start from another place, where none are given (GRAPH-5), in the order of the layers."""
    layers = [layer for layer in model.layers if isinstance(layer, Recurrent) and layer.start]
    return [name for name in model.states() for layer in layers if name in under(layer.name, dict(layer.start or {}))]


def learned(model: Model) -> list[str]:
    """The states that start from what was learned, where none are given, in the order of the layers."""
    of = grouped(model.states())
    layers = [layer for layer in model.layers if isinstance(layer, Recurrent) and layer.learned_state]
    names = [name for layer in layers for name in under(layer.name, of.get(layer.name, {}))]
    return [name for name in names if name not in elsewhere(model)]


def initial_states(checkpoint: Checkpoint) -> dict[str, np.ndarray]:
    """What sequences start from that are given no states: zeros, or learned; each (size,) in float32. Those that start
    from another place are left out."""
    model = checkpoint.model
    zeros = {name: np.zeros((1, size), "float32") for name, size in model.states().items()}
    states = model.start(NumpyOps(), model.by_layer(checkpoint.weights), zeros)
    return {name: value[0].astype("float32") for name, value in states.items()}


def optional(model: Model, step: bool) -> list[str]:
    """The states that may be left out of a call of the graph, one row of which is enough for all where it is given:
    learned ones, those that start from another place, and in a step those of layers that run whole."""
    names = {*learned(model), *elsewhere(model)}
    return [n for n in model.states() if n in names or (step and n.partition(".")[0] not in model.stepped)]


def write(graph: Graph, checkpoint: Checkpoint, step: bool) -> dict[str, Value]:
    """The states as inputs of the graph. Of those that may be left out, the default is what sequences start from, a row
    for all; of those that start from another place, no row."""
    model = checkpoint.model
    initial, omitted = initial_states(checkpoint), optional(model, step)
    state = {}
    for name, size in model.states().items():
        if name in omitted:
            default = initial[name][None] if name in initial else np.zeros((0, size), "float32")
            state[name] = graph.input(name, "float32", (f"{name}.rows", size), default)
        else:
            state[name] = graph.input(name, "float32", ("batch", size))
    return state


def started(graph: Graph, state: dict[str, Value], rows: Value | None) -> dict[str, Value]:
    """States of as many rows as x has, which are `rows`, a list of one number: those that may be one for all, too."""
    new = dict(state)
    if rows is not None:
        new |= {name: _for_all(graph, value, rows) for name, value in state.items() if value.shape[0] != "batch"}
    return new


def chosen(graph: Graph, layer: Recurrent, given: dict[str, Value], found: dict[str, Value]) -> dict[str, Value]:
    """The states of a layer: in place of those found at other places, those that the graph is given, if it has rows of
    them.

    They stand before what was found, and as many rows are taken as are given, or as are found.
    """
    new = dict(found)
    for name in layer.start or {}:
        own, other = given[f"{layer.name}.{name}"], found[name]
        counts = [graph.slice(graph.node("Shape", [value], (2,)), 0, 1, 1) for value in (own, other)]
        some = graph.node("Greater", [counts[0], graph.integer(0)], (1,))
        rows = graph.node("Where", [some, *counts], (1,))
        both = graph.node("Concat", [own, other], (f"{layer.name}.{name}.rows+batch", other.shape[1]), axis=0)
        taken = graph.node("Slice", [both, graph.integers(0), rows, graph.integers(0)], (own.shape[0], other.shape[1]))
        new[name] = _for_all(graph, taken, counts[1])
    return new


def _for_all(graph: Graph, value: Value, rows: Value) -> Value:
    """A state of one row, or of all, as `rows`."""
    size = int(value.shape[1])
    shape = graph.node("Concat", [rows, graph.integers(size)], (2,), axis=0)
    return graph.node("Expand", [value, shape], ("batch", size))
