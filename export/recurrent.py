"""Recurrent layers as ONNX's own RNN, GRU and LSTM nodes.

ONNX orders the gates of an LSTM input, output, forget, cell, and those of a GRU update, reset, new; its bias is the
input bias followed by the recurrent one. Outputs are (time, directions, batch, units), states (directions, batch,
units).
"""

from typing import Any

import numpy as np

from rnnspec.cells import GRU, LSTM, RNN, Cell, Stack
from rnnspec.errors import UnsupportedError
from rnnspec.export.graph import Graph, Parameter, Value
from rnnspec.layers import Recurrent
from rnnspec.ops import States, scope, under

_ACTIVATIONS = {"tanh": "Tanh", "relu": "Relu", "sigmoid": "Sigmoid", "linear": "Affine"}


def write(
    graph: Graph, layer: Recurrent, p: dict[str, Parameter], x: Value, lengths: Value | None, state: States
) -> tuple[Value, States]:
    """The layer on x (time, batch, inputs) → (time, batch, outputs), or (batch, outputs) of the last step visited."""
    sequences = layer.return_sequences
    if layer.direction == "bidirectional" and type(layer.cell) is not Stack:
        return _node(graph, layer.cell, layer.direction, ["forward", "backward"], p, x, lengths, state, sequences)
    outputs: list[Value] = []
    new: States = {}
    for prefix, reverse in layer.directions.items():
        direction = "reverse" if reverse else "forward"
        y, s = _chain(graph, layer.cell, direction, scope(p, prefix), x, lengths, scope(state, prefix), sequences)
        outputs.append(y)
        new |= under(prefix, s)
    return outputs[0] if len(outputs) == 1 else graph.join(outputs), new


def _chain(graph, cell: Cell, direction: str, p, x, lengths, state: States, sequences: bool) -> tuple[Value, States]:
    """One direction; a stack is its cells one after the other (STACK-1)."""
    if type(cell) is not Stack:  # a cell derived from it may mean something else
        return _node(graph, cell, direction, [""], p, x, lengths, state, sequences)
    new: States = {}
    for k, inner in enumerate(cell.cells):
        prefix = f"cells.{k}"
        whole = sequences or k < len(cell.cells) - 1
        x, s = _chain(graph, inner, direction, scope(p, prefix), x, lengths, scope(state, prefix), whole)
        new |= under(prefix, s)
    return x, new


def _node(
    graph: Graph,
    cell: Cell,
    direction: str,
    prefixes: list[str],
    p: dict[str, Parameter],
    x: Value,
    lengths: Value | None,
    state: States,
    sequences: bool,
) -> tuple[Value, States]:
    kind, order, attributes = _meaning(cell, len(prefixes))
    each = [scope(p, prefix) for prefix in prefixes]
    base = each[0]["kernel"].name.rsplit(".", 1)[0]
    units = cell.outputs

    def tensor(name: str, arrays: list[np.ndarray]) -> Value:
        return graph.constant(np.stack(arrays).astype(graph.dtype), f"{base}.{name}")

    w = tensor("W", [q["kernel"].array[order].reshape(-1, q["kernel"].array.shape[-1]) for q in each])
    r = tensor("R", [q["recurrent_kernel"].array[order].reshape(-1, units) for q in each])
    b = tensor("B", [_bias(cell, q, order) for q in each]) if "bias" in each[0] else None
    names = list(cell.states())
    initial = {n: [scope(state, prefix)[n] for prefix in prefixes] for n in names}
    stacked = [_stack(graph, initial[n]) for n in names]
    time, batch = x.shape[:2]
    ends = [(len(prefixes), batch, units)] * len(names)
    y, *final = graph.node(
        kind,
        [x, w, r, b, lengths, *stacked],
        (time, len(prefixes), batch, units),
        *ends,
        direction=direction,
        hidden_size=units,
        layout=0,
        **attributes,
    )
    some = None if lengths is None else _nonempty(graph, lengths)
    new: States = {}
    for n, value in zip(names, final, strict=True):
        parts = _unstack(graph, value)
        for prefix, part, start in zip(prefixes, parts, initial[n], strict=True):
            # ONNX Runtime zeroes the state of a row of length 0, the specification keeps it (UNROLL-4).
            kept = part if some is None else graph.node("Where", [some, part, start], part.shape)
            new |= under(prefix, {n: kept})
        if n == "h" and not sequences:
            last = parts[0] if len(parts) == 1 else graph.join(parts)
            zero = graph.constant(np.zeros((), graph.dtype), "zero")
            y_last = last if some is None else graph.node("Where", [some, last, zero], last.shape)
    if not sequences:
        return y_last, new
    if len(prefixes) == 1:
        return graph.squeeze(y, 1), new
    features = (time, batch, len(prefixes) * units)
    return graph.node("Reshape", [graph.transpose(y, 0, 2, 1, 3), graph.integers(0, 0, features[-1])], features), new


def _meaning(cell: Cell, directions: int) -> tuple[str, list[int], dict[str, Any]]:
    """The node that means the cell: its kind, the order of the gates, its attributes, every one explicit."""
    if type(cell) is RNN:
        attributes: dict[str, Any] = {"activations": [_ACTIVATIONS[cell.activation]] * directions}
        if cell.activation == "linear":
            attributes |= {"activation_alpha": [1.0] * directions, "activation_beta": [0.0] * directions}
        return "RNN", [0], attributes
    if type(cell) is LSTM:
        return "LSTM", [0, 3, 1, 2], {"activations": ["Sigmoid", "Tanh", "Tanh"] * directions, "input_forget": 0}
    if type(cell) is GRU:
        attributes = {"activations": ["Sigmoid", "Tanh"] * directions}
        return "GRU", [1, 0, 2], attributes | {"linear_before_reset": int(cell.reset_after)}
    raise UnsupportedError(f"ONNX has no node for {type(cell).__name__}; export it with step=True")


def _bias(cell: Cell, p: dict[str, Parameter], order: list[int]) -> np.ndarray:
    bias = p["bias"].array[order].reshape(-1)
    recurrent = np.zeros_like(bias)
    if "recurrent_bias" in p:
        recurrent[-cell.outputs :] = p["recurrent_bias"].array
    return np.concatenate([bias, recurrent])


def _nonempty(graph: Graph, lengths: Value) -> Value:
    """(batch, 1): whether the row has a valid step."""
    key = "rows with a valid step"
    if key not in graph.shared:
        positive = graph.node("Greater", [lengths, graph.constant(np.zeros((), "int32"), "no_steps")], lengths.shape)
        graph.shared[key] = graph.unsqueeze(positive, 1)
    return graph.shared[key]


def _stack(graph: Graph, values: list[Value]) -> Value:
    rows = [graph.unsqueeze(value, 0) for value in values]
    return rows[0] if len(rows) == 1 else graph.node("Concat", [*rows], (len(rows), *values[0].shape), axis=0)


def _unstack(graph: Graph, value: Value) -> list[Value]:
    directions = int(value.shape[0])
    if directions == 1:
        return [graph.squeeze(value, 0)]
    shapes = [(1, *value.shape[1:])] * directions
    rows = graph.node("Split", [value, graph.integers(*[1] * directions)], *shapes, axis=0)
    return [graph.squeeze(row, 0) for row in rows]
