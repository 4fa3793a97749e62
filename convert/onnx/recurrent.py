"""The recurrent nodes of ONNX → cells and weights, one direction each.

W (directions, gates·units, inputs), R (directions, gates·units, units), B (directions, 2·gates·units): the input's
bias, then the recurrence's; P (directions, 3·units). Gates: LSTM i, o, f, c; GRU z, r, h; P: i, o, f
(https://onnx.ai/onnx/operators/onnx__LSTM.html, onnx__GRU.html, onnx__RNN.html).
"""

from typing import Any

import msgspec
import numpy as np
from onnx import AttributeProto

from rnnspec.activations import Activation
from rnnspec.cells import GRU, LSTM, RNN
from rnnspec.conventions.gates import Part
from rnnspec.convert.onnx import activations
from rnnspec.convert.onnx.graph import Node
from rnnspec.convert.request import Request
from rnnspec.errors import SpecError, UnsupportedError
from rnnspec.export.native import odd

_ORDERS = {"RNN": [0], "GRU": [1, 0, 2], "LSTM": [0, 2, 3, 1]}  # ours, by ONNX's places
_ACTIVATIONS = {"RNN": ("Tanh",), "GRU": ("Sigmoid", "Tanh"), "LSTM": ("Sigmoid", "Tanh", "Tanh")}
_DIRECTIONS = {"forward": [False], "reverse": [True], "bidirectional": [False, True]}


def directions(node: Node) -> list[bool]:
    """For each direction of the node, whether it runs backward."""
    direction = node.get("direction", AttributeProto.STRING, "forward")
    if direction not in _DIRECTIONS:
        raise SpecError(f"{node}: direction: expected {', '.join(_DIRECTIONS)}, found {direction!r}")
    return _DIRECTIONS[direction]


def parts(
    node: Node, w: np.ndarray, r: np.ndarray, b: np.ndarray | None, p: np.ndarray | None, request: Request
) -> list[Part]:
    """The cell of each direction, with its weights.

    Raises:
        SpecError: a shape or a list does not go with the others.
        UnsupportedError: an activation that is not ours; input_forget without an odd gate activation.
    """
    count, gates = len(directions(node)), len(_ORDERS[node.kind])
    units = node.integer("hidden_size") or r.shape[-1]
    inputs = w.shape[-1] if w.ndim == 3 else -1
    shapes = {
        "W": (w, (count, gates * units, inputs)),
        "R": (r, (count, gates * units, units)),
        "B": (b, (count, 2 * gates * units)),
        "P": (p, (count, 3 * units)),
    }
    for name, (array, expected) in shapes.items():
        if array is not None and array.shape != expected:
            raise SpecError(f"{node}: {name}: expected shape {expected} for {units} units, found {array.shape}")
    options = [_options(node, each) for each in activations.in_cell(node, _ACTIVATIONS[node.kind], count)]
    return [
        _part(node, units, options[d], w[d], r[d], None if b is None else b[d], None if p is None else p[d], request)
        for d in range(count)
    ]


def _options(node: Node, functions: list[Activation]) -> dict[str, Any]:
    names = {
        "RNN": ["activation"],
        "GRU": ["gate_activation", "activation"],
        "LSTM": ["gate_activation", "cell_activation", "output_activation"],
    }[node.kind]
    clip = node.number("clip", 0.0)
    return dict(zip(names, functions, strict=True)) | ({"clip_gates": clip} if clip else {})


def _part(
    node: Node, units: int, options: dict[str, Any], w: np.ndarray, r: np.ndarray, b: np.ndarray | None,
    p: np.ndarray | None, request: Request,
) -> Part:  # fmt: skip
    order = _ORDERS[node.kind]
    weights = {name: m.reshape(len(order), units, -1)[order] for name, m in (("kernel", w), ("recurrent_kernel", r))}
    reset_after = node.kind == "GRU" and bool(node.integer("linear_before_reset"))
    if b is not None:
        of_input, of_recurrence = b.reshape(2, len(order), units)[:, order]
        weights["bias"] = of_input + of_recurrence
        if reset_after:
            weights["bias"][2] = of_input[2]
            weights["recurrent_bias"] = of_recurrence[2]
        if of_recurrence[: 2 if reset_after else None].any():
            request.note("the biases of input and recurrence are added up")
    if node.kind == "RNN":
        return RNN(units=units, bias=b is not None, **options), weights
    if node.kind == "GRU":
        return GRU(units=units, reset_after=reset_after, bias=b is not None, **options), weights
    if p is not None:
        options["peephole"] = True
        weights["peephole"] = p.reshape(3, units)[[0, 2, 1]]
    if node.integer("input_forget"):
        return _coupled(node, LSTM(units=units, bias=b is not None, **options), weights, request)
    return LSTM(units=units, bias=b is not None, **options), weights


def _coupled(node: Node, cell: LSTM, weights: dict[str, np.ndarray], request: Request) -> Part:
    """ONNX keeps the input gate, f = 1 − i; ours keeps the forget gate, f = σ(−a_i) = 1 − σ(a_i)."""
    if not odd(cell.gate_activation):
        raise UnsupportedError(f"{node}: input_forget with {cell.gate_activation}: 1 - i is not a forget gate of ours")
    request.note("input_forget: the forget gate is the input gate with negated weights, f = 1 - i")
    coupled = {name: np.concatenate([-array[:1], array[2:]]) for name, array in weights.items()}
    return msgspec.structs.replace(cell, coupled_input_forget=True), coupled
