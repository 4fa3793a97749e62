"""The recurrent nodes of ONNX → cells and weights, one direction each (`rnnspec.conventions.onnx`)."""

from typing import Any

import numpy as np
from onnx import AttributeProto

from rnnspec.activations import Activation
from rnnspec.conventions import onnx as theirs
from rnnspec.conventions.gates import Part
from rnnspec.convert.onnx import activations
from rnnspec.convert.onnx.graph import Node
from rnnspec.convert.request import Request
from rnnspec.errors import SpecError, UnsupportedError

_DIRECTIONS = {"forward": [False], "reverse": [True], "bidirectional": [False, True]}


def directions(node: Node) -> list[bool]:
    """For each direction of the node, whether it runs backward.

    Raises:
        SpecError: a direction that ONNX does not have.
    """
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
    kind, count = theirs.NODES[node.kind], len(directions(node))
    gates = len(kind.gates.ours)
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
    options = [_options(node, each) for each in activations.in_cell(node, tuple(kind.activations.values()), count)]
    return [
        _part(node, options[d], w[d], r[d], None if b is None else b[d], None if p is None else p[d], request)
        for d in range(count)
    ]


def _options(node: Node, functions: list[Activation]) -> dict[str, Any]:
    clip = node.number("clip", 0.0)
    named = dict(zip(theirs.NODES[node.kind].activations, functions, strict=True))
    return named | ({"clip_gates": clip} if clip else {})


def _part(
    node: Node, options: dict[str, Any], w: np.ndarray, r: np.ndarray, b: np.ndarray | None, p: np.ndarray | None,
    request: Request,
) -> Part:  # fmt: skip
    reset_after = node.kind == "GRU" and bool(node.integer("linear_before_reset"))
    if b is not None and theirs.adds(b, reset_after):
        request.note("the biases of input and recurrence are added up")
    if node.kind == "RNN":
        return theirs.RNN.to_ours(w, r, b, **options)
    if node.kind == "GRU":
        return theirs.GRU.to_ours(w, r, b, reset_after, **options)
    coupled = bool(node.integer("input_forget"))
    if coupled:
        gate = options["gate_activation"]
        if not theirs.odd(gate):
            raise UnsupportedError(f"{node}: input_forget with {gate}: 1 - i is not a forget gate of ours")
        request.note("input_forget: the forget gate is the input gate with negated weights, f = 1 - i")
    return theirs.LSTM.to_ours(w, r, b, p, coupled, **options)
