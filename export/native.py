"""Which cells are ONNX's own RNN, GRU and LSTM nodes, because ONNX Runtime's mean the same.

What theirs mean: `rnnspec.conventions.onnx`.
"""

from typing import Any, NamedTuple

from rnnspec.activations import Activation
from rnnspec.cells import GRU, LSTM, RNN, Cell
from rnnspec.cells.gated import Gated
from rnnspec.conventions.onnx import NODES, in_cell, odd
from rnnspec.valid import Valid


class Node(NamedTuple):
    """The node that means a cell: its kind, its activations, and what else it is told."""

    kind: str
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
    kind = type(cell).__name__
    activations = [getattr(cell, name) for name in NODES[kind].activations]
    attributes: dict[str, Any] = {} if cell.clip_gates is None else {"clip": cell.clip_gates}
    if isinstance(cell, GRU):
        attributes |= {"linear_before_reset": int(cell.reset_after)}
    if isinstance(cell, LSTM):
        attributes |= {"input_forget": 0}
    return Node(kind, activations, attributes)


def attributes(meaning: Node, directions: int) -> dict[str, Any]:
    """Every one explicit. ONNX Runtime takes alpha and beta from their lists where a function has them."""
    each = [found for found in map(_activation, meaning.activations) if found] * directions
    alpha = [float(alpha) for _, alpha, _ in each if alpha is not None]
    beta = [float(beta) for *_, beta in each if beta is not None]
    attributes = meaning.attributes | {"activations": [f[0] for f in each]}
    return attributes | ({"activation_alpha": alpha} if alpha else {}) | ({"activation_beta": beta} if beta else {})


def title(cell: Cell) -> str:
    """What reports call the path."""
    return f"native {type(cell).__name__}"


def _activation(activation: Activation) -> tuple[str, float | None, float | None] | None:
    """ONNX's name, alpha and beta. Not softplus, which overflows inside of ONNX Runtime's recurrent kernels (ACT-3)."""
    return None if activation == "softplus" else in_cell(activation)


def _called(activation: Activation) -> str:
    return activation if isinstance(activation, str) else str(activation.__struct_config__.tag)
