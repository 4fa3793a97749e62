"""Cells as ONNX's own RNN, GRU and LSTM nodes, where ONNX Runtime's mean the same.

ONNX orders the gates of an LSTM input, output, forget, cell, and those of a GRU update, reset, new; its bias is the
input bias followed by the recurrent one. Outputs are (time, directions, batch, units), states (directions, batch,
units).
"""

from typing import Any, NamedTuple

import numpy as np

from rnnspec.activations import Activation, HardSigmoid
from rnnspec.cells import GRU, LSTM, RNN, Cell
from rnnspec.cells.gated import Gated
from rnnspec.export import sequences
from rnnspec.export.graph import Graph
from rnnspec.export.values import Parameter, Value
from rnnspec.ops import States, scope, under
from rnnspec.valid import Valid

# Ours → ONNX's name, and its alpha and beta, None for those that it has not; by name, or by tag.
_NAMED: dict[str, tuple] = {
    "linear": ("Affine", 1.0, 0.0),
    "tanh": ("Tanh", None, None),
    "sigmoid": ("Sigmoid", None, None),
    "relu": ("Relu", None, None),
    "elu": ("Elu", 1.0, None),
    "softplus": ("Softplus", None, None),
    "softsign": ("Softsign", None, None),
    "sparse_sigmoid": ("HardSigmoid", 0.5, 0.5),
}
_TAGGED = {
    "hard_sigmoid": "HardSigmoid",
    "leaky_relu": "LeakyRelu",
    "elu": "Elu",
    "scaled_tanh": "ScaledTanh",
    "affine": "Affine",
    "thresholded_relu": "ThresholdedRelu",
}


class Node(NamedTuple):
    """The node that means a cell: its kind, which of our gates is at each of its places and with what sign, its
    activations."""

    kind: str
    gates: list[int]
    signs: list[int]
    activations: list[Activation]
    attributes: dict[str, Any]


def node(cell: Cell, valid: Valid) -> Node | str:
    """The node that means exactly `cell`, or why there is none."""
    name = type(cell).__name__
    if type(cell) not in (RNN, LSTM, GRU):  # a class derived from them may mean something else
        return f"ONNX has no {name}"
    assert isinstance(cell, Gated)
    if valid.reset is not None:
        return "ONNX has no resets inside sequences"
    if cell.layer_norm:
        return f"ONNX has no layer norm in {name}"
    if cell.recurrence != "full":
        return f"ONNX has no {cell.recurrence} recurrence in {name}"
    for option in ("projection", "clip_cell"):
        if getattr(cell, option, None):
            return f"ONNX has no {option} in {name}"
    if isinstance(cell, LSTM) and cell.coupled_input_forget and not _odd(cell.gate_activation):
        return f"ONNX has no coupled {_called(cell.gate_activation)} gates in {name}"
    found = _node(cell)
    for activation in found.activations:
        if _activation(activation) is None:
            return f"ONNX has no {_called(activation)} in {name}"
    return found


def _node(cell: Gated) -> Node:
    attributes: dict[str, Any] = {} if cell.clip_gates is None else {"clip": cell.clip_gates}
    if isinstance(cell, RNN):
        return Node("RNN", [0], [1], [cell.activation], attributes)
    if isinstance(cell, GRU):
        reset = {"linear_before_reset": int(cell.reset_after)}
        return Node("GRU", [1, 0, 2], [1] * 3, [cell.gate_activation, cell.activation], attributes | reset)
    assert isinstance(cell, LSTM)
    activations = [cell.gate_activation, cell.cell_activation, cell.output_activation]
    gates, signs = [0, 3, 1, 2], [1, 1, 1, 1]
    if cell.coupled_input_forget:  # an input gate of its own: i = 1 − σ(a_f) = σ(−a_f)
        gates, signs = [0, 2, 0, 1], [-1, 1, 1, 1]
    return Node("LSTM", gates, signs, activations, attributes | {"input_forget": 0})


def _odd(gate: Activation) -> bool:
    """Whether σ(−a) = 1 − σ(a)."""
    return gate in ("sigmoid", "sparse_sigmoid") or (isinstance(gate, HardSigmoid) and gate.beta == 0.5)


def title(cell: Cell) -> str:
    return f"native {type(cell).__name__}"


def write(
    graph: Graph, cell: Any, direction: str, p: dict[str, Parameter], x: Value, valid: Valid, state: States
) -> tuple[list[Value], States]:
    """One node for x (time, batch, inputs), in one direction or both → each direction's outputs, final states."""
    meaning = node(cell, valid)
    assert isinstance(meaning, Node)
    prefixes = ["forward", "backward"] if direction == "bidirectional" else [""]
    weights = _weights(graph, cell, meaning, [scope(p, prefix) for prefix in prefixes])
    lengths, marked = valid.lengths, None
    if valid.mask is not None:  # the valid steps first, and back to their places afterwards
        marked = sequences.order(graph, sequences.valid_steps(graph, valid, x), False)
        x = sequences.rows(graph, x, marked.step)
        lengths = _total(graph, marked)
    names = list(cell.states(1))
    initial = {n: [scope(state, prefix)[n] for prefix in prefixes] for n in names}
    stacked = [graph.join([graph.unsqueeze(value, 0) for value in initial[n]], 0) for n in names]
    peephole = [weights["P"]] if "P" in weights else []
    time, batch = x.shape[:2]
    y, *final = graph.node(
        meaning.kind,
        [x, weights["W"], weights["R"], weights.get("B"), lengths, *stacked, *peephole],
        (time, len(prefixes), batch, cell.units),
        *[(len(prefixes), batch, cell.units)] * len(names),
        direction=direction,
        hidden_size=cell.units,
        layout=0,
        **_attributes(meaning, len(prefixes)),
    )
    some = None if lengths is None else _nonempty(graph, lengths)
    new: States = {}
    for n, value in zip(names, final, strict=True):
        for prefix, part, start in zip(prefixes, _unstack(graph, value, 0), initial[n], strict=True):
            # ONNX Runtime zeroes the state of a row of length 0, the specification keeps it (UNROLL-4).
            kept = part if some is None else graph.node("Where", [some, part, start], part.shape)
            new |= under(prefix, {n: kept})
    outputs = _unstack(graph, y, 1)
    return [part if marked is None else sequences.rows(graph, part, marked.slot) for part in outputs], new


def _weights(graph: Graph, cell: Gated, meaning: Node, each: list[dict[str, Parameter]]) -> dict[str, Value]:
    """The inputs W, R, B and P of the node, the directions stacked."""
    base = each[0]["kernel"].name.rsplit(".", 1)[0]
    signs = np.array(meaning.signs)

    def ordered(name: str, q: dict[str, Parameter]) -> np.ndarray:
        array = q[name].array[meaning.gates]
        return (array * signs.reshape(-1, *[1] * (array.ndim - 1))).reshape(-1, *array.shape[2:])

    tensors: dict[str, list[np.ndarray]] = {
        "W": [ordered("kernel", q) for q in each],
        "R": [ordered("recurrent_kernel", q) for q in each],
    }
    if cell.bias:
        tensors["B"] = [_bias(ordered("bias", q), q, cell.units) for q in each]
    if getattr(cell, "peephole", False):
        # Without the cell gate, which has none: input, output, forget, of ours input, forget, output.
        places = [0, 1, 0] if cell.coupled_input_forget else [0, 2, 1]
        sign = signs[:3, None]
        tensors["P"] = [(q["peephole"].array[places] * sign).reshape(-1) for q in each]
    return {
        name: graph.constant(np.stack(arrays).astype(graph.dtype), f"{base}.{name}") for name, arrays in tensors.items()
    }


def _bias(bias: np.ndarray, p: dict[str, Parameter], units: int) -> np.ndarray:
    recurrent = np.zeros_like(bias)
    if "recurrent_bias" in p:
        recurrent[-units:] = p["recurrent_bias"].array
    return np.concatenate([bias, recurrent])


def _activation(activation: Activation) -> tuple[str, float | None, float | None] | None:
    """ONNX's name, alpha and beta."""
    if isinstance(activation, str):
        return _NAMED.get(activation)
    kind = _TAGGED.get(str(activation.__struct_config__.tag))
    return None if kind is None else (kind, getattr(activation, "alpha", None), getattr(activation, "beta", None))


def _called(activation: Activation) -> str:
    return activation if isinstance(activation, str) else str(activation.__struct_config__.tag)


def _attributes(meaning: Node, directions: int) -> dict[str, Any]:
    """Every one explicit. ONNX Runtime takes alpha and beta from their lists where a function has them."""
    each = [found for found in map(_activation, meaning.activations) if found] * directions
    alpha, beta = ([float(f[i]) for f in each if f[i] is not None] for i in (1, 2))
    attributes = meaning.attributes | {"activations": [f[0] for f in each]}
    return attributes | ({"activation_alpha": alpha} if alpha else {}) | ({"activation_beta": beta} if beta else {})


def _nonempty(graph: Graph, lengths: Value) -> Value:
    """(batch, 1): whether the row has a valid step."""
    none = graph.constant(np.zeros((), "int32"), "no_steps")
    return graph.shared(
        ("nonempty",), lambda: graph.unsqueeze(graph.node("Greater", [lengths, none], lengths.shape), 1)
    )


def _total(graph: Graph, marked: sequences.Order) -> Value:
    """(batch,): how many steps are valid."""
    return graph.shared(
        ("total",), lambda: graph.node("Cast", [graph.squeeze(marked.total, 0)], marked.total.shape[1:], to=_INT32)
    )


def _unstack(graph: Graph, value: Value, axis: int) -> list[Value]:
    directions = int(value.shape[axis])
    if directions == 1:
        return [graph.squeeze(value, axis)]
    shape = (*value.shape[:axis], 1, *value.shape[axis + 1 :])
    parts = graph.node("Split", [value, graph.integers(*[1] * directions)], *[shape] * directions, axis=axis)
    return [graph.squeeze(part, axis) for part in parts]


_INT32 = 6  # onnx.TensorProto.INT32
