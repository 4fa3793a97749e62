"""What Flax means by the parameters of its cells (0.12: flax/linen/recurrent.py, flax/nnx/nn/recurrent.py).

| cell                            | gates   | bias         | what it computes                                        |
|---------------------------------|---------|--------------|---------------------------------------------------------|
| `SimpleCell`                    | one     | with x       | φ(i(x) + h(h)); with `residual` φ(i(x) + h(h) + h)      |
| `LSTMCell`, `OptimizedLSTMCell` | i f g o | with h       | nothing is added to f; one activation for g and for c'  |
| `GRUCell`                       | r z n   | with x, `hn` | n = φ(in(x) + r ⊙ hn(h)); z keeps the old state         |
| `MGUCell`                       | f n     | with x, `hn` | h' = (1 − f) ⊙ n + f ⊙ h: in the paper f and 1 − f swap |

Kernels are (inputs, units) for x W: in linen each gate's apart, `ii/kernel`, `hi/kernel`; in nnx side by side,
`dense_i/kernel`, `dense_h/kernel`. Here they are side by side. nnx has no bias in `hn`. Defaults: tanh, and sigmoid for
gates.
"""

from collections.abc import Iterator
from typing import Any, ClassVar

import numpy as np

from rnnspec import cells
from rnnspec.activations import Activation
from rnnspec.conventions.gates import LSTM_GATES, Arrays, Gates, Part, columns

ACTIVATION: Activation = "tanh"
GATE_ACTIVATION: Activation = "sigmoid"


class SimpleCell:
    """`SimpleCell`; a residual connection is a recurrent kernel plus one."""

    gates = columns(cells.RNN.gates, **{"": "hidden"})
    biased: ClassVar = "i"  # the modules with a bias

    @classmethod
    def to_ours(
        cls,
        i_kernel: np.ndarray,
        h_kernel: np.ndarray,
        bias: np.ndarray,
        activation: Any = ACTIVATION,
        residual: bool = False,
    ) -> Part:
        units = len(h_kernel)
        h_kernel = h_kernel + np.eye(units, dtype=h_kernel.dtype) if residual else h_kernel
        return cells.RNN(units=units, activation=activation), _to_ours(cls.gates, i_kernel, h_kernel, bias)

    @classmethod
    def to_theirs(cls, weights: Arrays) -> Arrays:
        return _to_theirs(cls.gates, weights)


class LSTMCell:
    """`LSTMCell`, `OptimizedLSTMCell`."""

    gates = columns(LSTM_GATES, i="input", f="forget", g="cell", o="output")
    biased: ClassVar = "h"

    @classmethod
    def to_ours(
        cls,
        i_kernel: np.ndarray,
        h_kernel: np.ndarray,
        bias: np.ndarray,
        gate_activation: Any = GATE_ACTIVATION,
        activation: Any = ACTIVATION,
    ) -> Part:
        both = {"cell_activation": activation, "output_activation": activation}
        cell = cells.LSTM(units=len(h_kernel), gate_activation=gate_activation, **both)
        return cell, _to_ours(cls.gates, i_kernel, h_kernel, bias)

    @classmethod
    def to_theirs(cls, weights: Arrays) -> Arrays:
        return _to_theirs(cls.gates, weights)


class GRUCell:
    """`GRUCell`."""

    gates = columns(cells.GRU.gates, r="reset", z="update", n="new")
    biased: ClassVar = "i"

    @classmethod
    def to_ours(
        cls,
        i_kernel: np.ndarray,
        h_kernel: np.ndarray,
        bias: np.ndarray,
        hn_bias: np.ndarray | None = None,
        gate_activation: Any = GATE_ACTIVATION,
        activation: Any = ACTIVATION,
    ) -> Part:
        weights = _to_ours(cls.gates, i_kernel, h_kernel, bias)
        weights["recurrent_bias"] = np.zeros_like(weights["bias"][-1]) if hn_bias is None else hn_bias
        options = {"gate_activation": gate_activation, "activation": activation}
        return cells.GRU(units=len(h_kernel), reset_after=True, **options), weights

    @classmethod
    def to_theirs(cls, weights: Arrays) -> Arrays:
        theirs = _to_theirs(cls.gates, weights)
        return theirs | {"hn_bias": weights.get("recurrent_bias", np.zeros_like(weights["kernel"][-1, :, 0]))}


class MGUCell:
    """`MGUCell`: with its reset gate, n = φ(in(x) + f ⊙ hn(h)), a GRU whose reset and update gates are the same;
    without it, where `hn` has no bias, n = φ(in(x) + hn(h)), an update gate RNN.
    """

    gates = columns(cells.UGRNN.gates, f="update", n="new")
    biased: ClassVar = "i"

    @classmethod
    def to_ours(
        cls,
        i_kernel: np.ndarray,
        h_kernel: np.ndarray,
        bias: np.ndarray,
        hn_bias: np.ndarray | None = None,
        gate_activation: Any = GATE_ACTIVATION,
        activation: Any = ACTIVATION,
    ) -> Part:
        weights = _to_ours(cls.gates, i_kernel, h_kernel, bias)
        options = {"gate_activation": gate_activation, "activation": activation}
        if hn_bias is None:
            return cells.UGRNN(units=len(h_kernel), **options), weights
        weights = {name: np.concatenate([array[:1], array]) for name, array in weights.items()}
        return cells.GRU(units=len(h_kernel), reset_after=True, **options), weights | {"recurrent_bias": hn_bias}

    @classmethod
    def to_theirs(cls, weights: Arrays) -> Arrays:
        hn_bias = {"hn_bias": weights["recurrent_bias"]} if "recurrent_bias" in weights else {}
        others = {name: array[-2:] for name, array in weights.items() if name != "recurrent_bias"}
        return _to_theirs(cls.gates, others) | hn_bias


Kind = type[SimpleCell | LSTMCell | GRUCell | MGUCell]
KINDS: dict[str, Kind] = {kind.__name__: kind for kind in (SimpleCell, LSTMCell, GRUCell, MGUCell)}
CELLS: dict[type, Kind] = {cells.RNN: SimpleCell, cells.LSTM: LSTMCell, cells.GRU: GRUCell, cells.UGRNN: MGUCell}


def linen(kind: Kind, theirs: Arrays) -> Iterator[tuple[str, np.ndarray]]:
    """Arrays side by side as linen's, one a gate, with their names: `ii/kernel`, `hi/kernel`, `hi/bias`, …"""
    split = {name: np.split(array, len(kind.gates.ours), -1) for name, array in theirs.items() if name != "hn_bias"}
    for k, gate in enumerate(kind.gates.theirs):
        yield f"i{gate}/kernel", split["i_kernel"][k]
        yield f"h{gate}/kernel", split["h_kernel"][k]
        yield f"{kind.biased}{gate}/bias", split["bias"][k]
    if "hn_bias" in theirs:
        yield "hn/bias", theirs["hn_bias"]


def _to_ours(gates: Gates, i_kernel: np.ndarray, h_kernel: np.ndarray, bias: np.ndarray) -> Arrays:
    return gates.kernels(i_kernel, h_kernel) | {"bias": gates.to_ours(bias)}


def _to_theirs(gates: Gates, weights: Arrays) -> Arrays:
    """A cell of ours without a bias has zeros."""
    bias = weights.get("bias", np.zeros_like(weights["kernel"][..., 0]))
    arrays = {"i_kernel": weights["kernel"], "h_kernel": weights["recurrent_kernel"], "bias": bias}
    return {name: gates.to_theirs(array) for name, array in arrays.items()}


# The variables of Flax's modules for layers of ours, by our names.
_LAYERS: dict[str, dict[str, str]] = {
    "Dense": {"kernel": "kernel", "bias": "bias"},
    "Embedding": {"embeddings": "embedding"},
    "Convolution": {"kernel": "kernel", "bias": "bias"},
    "Norm": {"gamma": "scale", "beta": "bias", "mean": "mean", "variance": "var"},
}


def leaves(layer: str, names: tuple[str, ...]) -> dict[str, str]:
    """Those of a layer's parameters that a module of Flax has → its names for them."""
    return {name: leaf for name, leaf in _LAYERS.get(layer, {}).items() if name in names}


def dense(kernel: np.ndarray, shape: tuple[int, ...]) -> np.ndarray | None:
    """`Dense` (inputs, units), and `DenseGeneral` of heads, (inputs, heads, size) or (heads, size, outputs) → ours;
    None where these are other numbers."""
    units, inputs = shape
    ends = [(kernel.shape[0], kernel[0].size), (kernel[..., 0].size, kernel.shape[-1])]
    return kernel.reshape(inputs, units).T if (inputs, units) in ends else None


def conv(kernel: np.ndarray) -> np.ndarray:
    """`Conv` over one axis: kernel (width, inputs / groups, units) → (units, width, inputs / groups)."""
    return kernel.transpose(2, 0, 1)
