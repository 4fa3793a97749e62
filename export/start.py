"""What sequences start from that are given no states: zeros, or what was learned."""

import numpy as np

from rnnspec.checkpoint import Checkpoint
from rnnspec.export.graph import Graph
from rnnspec.export.values import Value
from rnnspec.layers import Recurrent
from rnnspec.model import Model
from rnnspec.ops import grouped, under
from rnnspec.reference.ops import NumpyOps


def learned(model: Model) -> list[str]:
    """The states that start from what was learned, where none are given, in the order of the layers."""
    of = grouped(model.states())
    layers = [layer for layer in model.layers if isinstance(layer, Recurrent) and layer.learned_state]
    return [name for layer in layers for name in under(layer.name, of.get(layer.name, {}))]


def initial_states(checkpoint: Checkpoint) -> dict[str, np.ndarray]:
    """What sequences start from that are given no states: zeros, or learned; each (size,) in float32."""
    model = checkpoint.model
    zeros = {name: np.zeros((1, size), "float32") for name, size in model.states().items()}
    states = model.start(NumpyOps(), model.by_layer(checkpoint.weights), zeros)
    return {name: value[0].astype("float32") for name, value in states.items()}


def started(graph: Graph, model: Model, state: dict[str, Value], rows: Value | None) -> dict[str, Value]:
    """States of as many rows as x has, which are `rows`, a list of one number: those that may be one for all, too."""
    new = dict(state)
    for name in learned(model) if rows is not None else ():
        size = int(state[name].shape[1])
        shape = graph.node("Concat", [rows, graph.integers(size)], (2,), axis=0)
        new[name] = graph.node("Expand", [state[name], shape], ("batch", size))
    return new
