"""Which cells are ONNX's own RNN, GRU and LSTM nodes, because ONNX Runtime's mean the same.

ONNX orders the gates of an LSTM input, output, forget, cell, and those of a GRU update, reset, new.
"""

from typing import Any, NamedTuple

from rnnspec.activations import Activation, HardSigmoid
from rnnspec.cells import GRU, LSTM, RNN, Cell
from rnnspec.cells.gated import Gated
from rnnspec.valid import Valid

# Ours → ONNX's name, and its alpha and beta, None for those that it has not; by name, or by tag. Not Softplus, which
# overflows inside of ONNX Runtime's recurrent kernels (ACT-3).
_NAMED: dict[str, tuple] = {
    "linear": ("Affine", 1.0, 0.0),
    "tanh": ("Tanh", None, None),
    "sigmoid": ("Sigmoid", None, None),
    "relu": ("Relu", None, None),
    "elu": ("Elu", 1.0, None),
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
    if isinstance(cell, LSTM) and cell.coupled_input_forget and not odd(cell.gate_activation):
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
    if cell.coupled_input_forget:  # an input gate of its own, with the weights of the forget gate negated
        gates, signs = [0, 2, 0, 1], [-1, 1, 1, 1]
    return Node("LSTM", gates, signs, activations, attributes | {"input_forget": 0})


def odd(gate: Activation) -> bool:
    """Whether σ(−a) = 1 − σ(a): what makes an input gate of a forget gate."""
    return gate in ("sigmoid", "sparse_sigmoid") or (isinstance(gate, HardSigmoid) and gate.beta == 0.5)


def attributes(meaning: Node, directions: int) -> dict[str, Any]:
    """Every one explicit. ONNX Runtime takes alpha and beta from their lists where a function has them."""
    each = [found for found in map(_activation, meaning.activations) if found] * directions
    alpha = [float(alpha) for _, alpha, _ in each if alpha is not None]
    beta = [float(beta) for *_, beta in each if beta is not None]
    attributes = meaning.attributes | {"activations": [f[0] for f in each]}
    return attributes | ({"activation_alpha": alpha} if alpha else {}) | ({"activation_beta": beta} if beta else {})


def title(cell: Cell) -> str:
    return f"native {type(cell).__name__}"


def _activation(activation: Activation) -> tuple[str, float | None, float | None] | None:
    """ONNX's name, alpha and beta."""
    if isinstance(activation, str):
        return _NAMED.get(activation)
    kind = _TAGGED.get(str(activation.__struct_config__.tag))
    return None if kind is None else (kind, getattr(activation, "alpha", None), getattr(activation, "beta", None))


def _called(activation: Activation) -> str:
    return activation if isinstance(activation, str) else str(activation.__struct_config__.tag)
