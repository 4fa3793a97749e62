"""What ONNX means by its recurrent nodes and its activations (https://onnx.ai/onnx/operators).

| node   | rows of W, R | P     | activations         | what it computes                                            |
|--------|--------------|-------|---------------------|-------------------------------------------------------------|
| `RNN`  | one gate     |       | Tanh                |                                                             |
| `GRU`  | z r h        |       | Sigmoid, Tanh       | z keeps the old state; `linear_before_reset`: `reset_after` |
| `LSTM` | i o f c      | i o f | Sigmoid, Tanh, Tanh | `input_forget`: f = 1 − i                                   |

W (gates · units, inputs), R (gates · units, units), B (2 · gates · units,): the input's bias, then the recurrence's; P
(3 · units,); all with the directions in front, and here of one direction. Both biases are applied, so ours is their
sum, but for h where a GRU resets after the product. `linear_before_reset` and `input_forget` are 0 by default.
"""

import math
from collections.abc import Mapping
from typing import Any, ClassVar, NamedTuple

import numpy as np

from rnnspec import cells
from rnnspec.activations import (
    Activation,
    Affine,
    Celu,
    Elu,
    Function,
    HardShrink,
    HardSigmoid,
    LeakyRelu,
    ScaledTanh,
    SoftShrink,
    ThresholdedRelu,
)
from rnnspec.conventions.gates import COUPLED_GATES, LSTM_GATES, Arrays, Gates, Part, added, parted, rows


class RNN:
    """The node `RNN`."""

    gates = rows(cells.RNN.gates, i="hidden")
    activations: ClassVar = {"activation": "Tanh"}  # ours, in ONNX's order → the default

    @classmethod
    def to_ours(cls, W: np.ndarray, R: np.ndarray, B: np.ndarray | None = None, **options: Any) -> Part:
        return cells.RNN(units=R.shape[1], bias=B is not None, **options), _to_ours(cls.gates, W, R, B)

    @classmethod
    def to_theirs(cls, weights: Arrays) -> Arrays:
        return _to_theirs(cls.gates, weights)


class GRU:
    """The node `GRU`."""

    gates = rows(cells.GRU.gates, z="update", r="reset", h="new")
    activations: ClassVar = {"gate_activation": "Sigmoid", "activation": "Tanh"}

    @classmethod
    def to_ours(
        cls,
        W: np.ndarray,
        R: np.ndarray,
        B: np.ndarray | None = None,
        linear_before_reset: bool = False,
        **options: Any,
    ) -> Part:
        cell = cells.GRU(units=R.shape[1], reset_after=linear_before_reset, bias=B is not None, **options)
        return cell, _to_ours(cls.gates, W, R, B, linear_before_reset)

    @classmethod
    def to_theirs(cls, weights: Arrays) -> Arrays:
        return _to_theirs(cls.gates, weights)


class LSTM:
    """The node `LSTM`.

    With `input_forget` ONNX keeps the input gate, f = 1 − i, and ours the forget gate, i = 1 − f: by an odd gate
    activation each is the other with negated weights. Our coupled cell goes into a node without `input_forget`, whose
    input gate is the forget gate with negated weights, as not every runtime has coupled gates.
    """

    gates = rows(LSTM_GATES, i="input", o="output", f="forget", c="cell")
    peepholes = rows(("input", "forget", "output"), i="input", o="output", f="forget")
    activations: ClassVar = {"gate_activation": "Sigmoid", "cell_activation": "Tanh", "output_activation": "Tanh"}

    @classmethod
    def to_ours(
        cls,
        W: np.ndarray,
        R: np.ndarray,
        B: np.ndarray | None = None,
        P: np.ndarray | None = None,
        input_forget: bool = False,
        **options: Any,
    ) -> Part:
        weights = _to_ours(cls.gates, W, R, B) | ({} if P is None else {"peephole": cls.peepholes.to_ours(P)})
        if input_forget:
            weights = {name: np.concatenate([-array[:1], array[2:]]) for name, array in weights.items()}
        options |= {"peephole": P is not None, "coupled_input_forget": input_forget}
        return cells.LSTM(units=R.shape[1], bias=B is not None, **options), weights

    @classmethod
    def to_theirs(cls, weights: Arrays) -> Arrays:
        if len(weights["kernel"]) == len(COUPLED_GATES):
            weights = {name: np.concatenate([-array[:1], array]) for name, array in weights.items()}
        peephole = {"P": cls.peepholes.to_theirs(weights["peephole"])} if "peephole" in weights else {}
        return _to_theirs(cls.gates, weights) | peephole


Kind = type[RNN | GRU | LSTM]
NODES: dict[str, Kind] = {"RNN": RNN, "GRU": GRU, "LSTM": LSTM}


def odd(gate: Activation) -> bool:
    """Whether σ(−a) = 1 − σ(a): what makes an input gate of a forget gate."""
    return gate in ("sigmoid", "sparse_sigmoid") or (isinstance(gate, HardSigmoid) and gate.beta == 0.5)


def adds(B: np.ndarray, reset_after: bool) -> bool:
    """Whether two biases become one: the recurrence's is not 0, but for h of a GRU that resets after the product."""
    of_recurrence = B.reshape(2, -1)[1]
    return bool(of_recurrence[: len(of_recurrence) * 2 // 3 if reset_after else None].any())


def _to_ours(gates: Gates, W: np.ndarray, R: np.ndarray, B: np.ndarray | None, reset_after: bool = False) -> Arrays:
    if B is None:
        return gates.kernels(W, R)
    of_input, of_recurrence = B.reshape(2, -1)
    return gates.kernels(W, R) | added(gates.to_ours(of_input), gates.to_ours(of_recurrence), reset_after)


def _to_theirs(gates: Gates, weights: Arrays) -> Arrays:
    theirs = {"W": gates.to_theirs(weights["kernel"]), "R": gates.to_theirs(weights["recurrent_kernel"])}
    if "bias" in weights:
        theirs["B"] = np.concatenate([gates.to_theirs(bias) for bias in parted(weights)])
    return theirs


class InCell(NamedTuple):
    """An activation inside of recurrent nodes: ours, a name or a class, and the defaults of its numbers, None for those
    that it has not, NaN where ONNX gives no default or ONNX Runtime has another."""

    ours: Any
    alpha: float | None = None
    beta: float | None = None


IN_CELLS = {
    "Relu": InCell("relu"),
    "Tanh": InCell("tanh"),
    "Sigmoid": InCell("sigmoid"),
    "Softsign": InCell("softsign"),
    "Softplus": InCell("softplus"),
    "Affine": InCell(Affine, math.nan, math.nan),
    "LeakyRelu": InCell(LeakyRelu, 0.01),
    "ThresholdedRelu": InCell(ThresholdedRelu, math.nan),
    "ScaledTanh": InCell(ScaledTanh, math.nan, math.nan),
    "HardSigmoid": InCell(HardSigmoid, 0.2, 0.5),
    "Elu": InCell(Elu, 1.0),
}
_CALLED: dict[Activation, Activation] = {Affine(alpha=1.0, beta=0.0): "linear", Elu(alpha=1.0): "elu"}
_WITH_NUMBERS = {name: full for full, name in _CALLED.items()} | {"sparse_sigmoid": HardSigmoid(alpha=0.5, beta=0.5)}


def from_cell(name: str, alpha: float | None, beta: float | None) -> Activation:
    """One of `IN_CELLS`, with its numbers → ours."""
    return _of(IN_CELLS[name].ours, alpha=alpha, beta=beta)


def in_cell(activation: Activation) -> tuple[str, float | None, float | None] | None:
    """Ours → the name in `IN_CELLS`, alpha and beta (None: it has none); None if ONNX has no such activation."""
    full = _WITH_NUMBERS.get(activation, activation)
    kind = full if isinstance(full, str) else type(full)
    name = next((name for name, known in IN_CELLS.items() if known.ours == kind), None)
    return None if name is None else (name, getattr(full, "alpha", None), getattr(full, "beta", None))


def _of(ours: Any, **numbers: float | None) -> Activation:
    if isinstance(ours, str):
        return ours  # type: ignore[return-value]
    found: Function = ours(**{name: number for name, number in numbers.items() if number is not None})
    return _CALLED.get(found, found)


# Nodes of their own: ours, and the attributes with their defaults; where ours is None, see `of_node`.
ACTIVATIONS: dict[str, tuple[Any, Mapping[str, float]]] = {
    "Relu": ("relu", {}),
    "Tanh": ("tanh", {}),
    "Sigmoid": ("sigmoid", {}),
    "Softplus": ("softplus", {}),
    "Softsign": ("softsign", {}),
    "Exp": ("exponential", {}),
    "HardSwish": ("hard_silu", {}),
    "Mish": ("mish", {}),
    "Elu": (Elu, {"alpha": 1.0}),
    "LeakyRelu": (LeakyRelu, {"alpha": 0.01}),
    "ThresholdedRelu": (ThresholdedRelu, {"alpha": 1.0}),
    "HardSigmoid": (HardSigmoid, {"alpha": 0.2, "beta": 0.5}),
    "Softmax": ("softmax", {}),
    "LogSoftmax": ("log_softmax", {}),
    "Celu": (Celu, {"alpha": 1.0}),
    "Selu": (None, {"alpha": 1.6732632, "gamma": 1.0507010}),  # the paper's, in float32
    "Gelu": (None, {}),
    "Swish": (None, {"alpha": 1.0}),
    "Shrink": (None, {"lambd": 0.5, "bias": 0.0}),
    "Clip": (None, {"min": -math.inf, "max": math.inf}),
}
OVER_FEATURES = ("Softmax", "LogSoftmax")


def of_node(kind: str, numbers: Mapping[str, float], tanh: bool = False) -> Activation | None:
    """The activation that a node is with these attributes; None if ours have none. `tanh`: how a `Gelu` is
    approximated."""
    ours, defaults = ACTIVATIONS[kind]
    if ours is not None:
        return _of(ours, **numbers)
    given = [numbers.get(name, math.nan) for name in defaults]
    if kind == "Selu":
        return "selu" if np.allclose(given, list(defaults.values())) else None
    if kind == "Gelu":
        return "gelu_tanh" if tanh else "gelu"
    if kind == "Swish":
        return "silu" if given == [1] else None
    if kind == "Shrink":
        limit, bias = numbers["lambd"], numbers["bias"]
        return HardShrink(alpha=limit) if bias == 0 else SoftShrink(alpha=limit) if bias == limit else None
    return "relu6" if given == [0, 6] else "hard_tanh" if given == [-1, 1] else None


def softmax_axis(opset: int) -> int:
    """The default of `axis`, which is also over what follows it before opset 13."""
    return 1 if opset < 13 else -1
