"""What PyTorch means by its recurrent modules and activations (torch/nn/modules/rnn.py, activation.py; 2.4 to 2.13).

| module    | rows of the weights | what it computes                                                              |
|-----------|---------------------|-------------------------------------------------------------------------------|
| `nn.RNN`  | one gate            | h' = φ(W_ih x + b_ih + W_hh h + b_hh), φ tanh or relu                           |
| `nn.LSTM` | i, f, g, o          | nothing is added to f; `weight_hr (proj_size, units)` projects h               |
| `nn.GRU`  | r, z, n             | n = tanh(W_in x + b_in + r ⊙ (W_hn h + b_hn)); z keeps the old state           |

`weight_ih (gates · units, inputs)`, `weight_hh (gates · units, outputs)`: `W x` reads as ours, in our order. The biases
`bias_ih` and `bias_hh (gates · units,)` are both applied, so ours is their sum, but for `b_hn`, which the reset scales:
`recurrent_bias`. There is no other default: σ and tanh cannot be changed.
"""

from collections.abc import Callable
from typing import Any, ClassVar

import numpy as np

from rnnspec import cells
from rnnspec.activations import (
    Activation,
    Affine,
    Celu,
    Elu,
    HardShrink,
    HardSigmoid,
    LeakyRelu,
    ScaledTanh,
    SoftShrink,
    ThresholdedRelu,
)
from rnnspec.conventions.gates import LSTM_GATES, Arrays, Gates, Part, added, parted, rows

NONLINEARITIES: tuple[Any, ...] = ("tanh", "relu")  # of `nn.RNN`, the first by default
LEAVES = ("weight_ih", "weight_hh", "bias_ih", "bias_hh", "weight_hr")


class _Module:
    gates: ClassVar[Gates]

    @classmethod
    def _ours(cls, w_ih, w_hh, b_ih: np.ndarray | None, b_hh: np.ndarray | None, reset_after: bool = False) -> Arrays:
        weights = cls.gates.kernels(w_ih, w_hh)
        if b_ih is None or b_hh is None:
            return weights
        return weights | added(cls.gates.to_ours(b_ih), cls.gates.to_ours(b_hh), reset_after)

    @classmethod
    def to_theirs(cls, weights: Arrays) -> Arrays:
        arrays = {"weight_ih": weights["kernel"], "weight_hh": weights["recurrent_kernel"]}
        if "bias" in weights:
            arrays["bias_ih"], arrays["bias_hh"] = parted(weights)
        projection = {"weight_hr": weights["projection"]} if "projection" in weights else {}
        return {name: cls.gates.to_theirs(array) for name, array in arrays.items()} | projection


class RNN(_Module):
    """`nn.RNN`, `nn.RNNCell`."""

    gates = rows(cells.RNN.gates, h="hidden")

    @classmethod
    def to_ours(
        cls,
        weight_ih: np.ndarray,
        weight_hh: np.ndarray,
        bias_ih: np.ndarray | None = None,
        bias_hh: np.ndarray | None = None,
        activation: Activation = "tanh",
    ) -> Part:
        weights = cls._ours(weight_ih, weight_hh, bias_ih, bias_hh)
        return cells.RNN(units=len(weight_hh), activation=activation, bias=bias_ih is not None), weights


class LSTM(_Module):
    """`nn.LSTM`, `nn.LSTMCell`."""

    gates = rows(LSTM_GATES, i="input", f="forget", g="cell", o="output")

    @classmethod
    def to_ours(
        cls,
        weight_ih: np.ndarray,
        weight_hh: np.ndarray,
        bias_ih: np.ndarray | None = None,
        bias_hh: np.ndarray | None = None,
        weight_hr: np.ndarray | None = None,
    ) -> Part:
        weights = cls._ours(weight_ih, weight_hh, bias_ih, bias_hh)
        outputs = None if weight_hr is None else len(weight_hr)
        cell = cells.LSTM(units=len(weight_hh) // 4, bias=bias_ih is not None, projection=outputs)
        return cell, weights | ({} if weight_hr is None else {"projection": weight_hr})


class GRU(_Module):
    """`nn.GRU`, `nn.GRUCell`."""

    gates = rows(cells.GRU.gates, r="reset", z="update", n="new")

    @classmethod
    def to_ours(
        cls,
        weight_ih: np.ndarray,
        weight_hh: np.ndarray,
        bias_ih: np.ndarray | None = None,
        bias_hh: np.ndarray | None = None,
    ) -> Part:
        weights = cls._ours(weight_ih, weight_hh, bias_ih, bias_hh, reset_after=True)
        return cells.GRU(units=weight_hh.shape[1], reset_after=True, bias=bias_ih is not None), weights


CELLS: dict[type, type[RNN | LSTM | GRU]] = {cells.RNN: RNN, cells.LSTM: LSTM, cells.GRU: GRU}


# The class in torch.nn → ours, by what the module says; None where ours have no such function.
ACTIVATIONS: dict[str, Callable[[Any], Activation | None]] = {
    "Tanh": lambda m: "tanh",
    "Sigmoid": lambda m: "sigmoid",
    "ReLU": lambda m: "relu",
    "ReLU6": lambda m: "relu6",
    "Softplus": lambda m: "softplus" if m.beta == 1 and m.threshold >= 20 else None,
    "Softsign": lambda m: "softsign",
    "ELU": lambda m: Elu(alpha=float(m.alpha)),
    "SELU": lambda m: "selu",
    "CELU": lambda m: Celu(alpha=float(m.alpha)),
    "GELU": lambda m: "gelu_tanh" if m.approximate == "tanh" else "gelu",
    "SiLU": lambda m: "silu",
    "Hardswish": lambda m: "hard_silu",
    "Mish": lambda m: "mish",
    "Hardtanh": lambda m: "hard_tanh" if (m.min_val, m.max_val) == (-1, 1) else None,
    "Hardsigmoid": lambda m: HardSigmoid(alpha=1 / 6, beta=0.5),
    "LeakyReLU": lambda m: LeakyRelu(alpha=float(m.negative_slope)),
    "Hardshrink": lambda m: HardShrink(alpha=float(m.lambd)),
    "Softshrink": lambda m: SoftShrink(alpha=float(m.lambd)),
    "Tanhshrink": lambda m: "tanh_shrink",
    "LogSigmoid": lambda m: "log_sigmoid",
    "Softmax": lambda m: "softmax" if m.dim == -1 else None,
    "LogSoftmax": lambda m: "log_softmax" if m.dim == -1 else None,
}

# Ours as an expression of torch, `F` being torch.nn.functional: by name; of those with parameters, `f`, by class.
LINES: dict[str, str] = {
    "linear": "{x}",
    "tanh": "torch.tanh({x})",
    "sigmoid": "torch.sigmoid({x})",
    "relu": "F.relu({x})",
    "relu6": "F.relu6({x})",
    "softplus": "F.softplus({x}, threshold=40.0)",  # beyond which torch takes x: 20 by default, which float64 sees
    "softsign": "F.softsign({x})",
    "exponential": "torch.exp({x})",
    "elu": "F.elu({x})",
    "selu": "F.selu({x})",
    "gelu": "F.gelu({x})",
    "gelu_tanh": 'F.gelu({x}, approximate="tanh")',
    "silu": "F.silu({x})",
    "hard_silu": "F.hardswish({x})",
    "mish": "F.mish({x})",
    "hard_tanh": "F.hardtanh({x})",
    "tanh_shrink": "F.tanhshrink({x})",
    "log_sigmoid": "F.logsigmoid({x})",
    "sparse_plus": "({x}.clamp(-1, 1) + 1) ** 2 / 4 + F.relu({x} - 1)",
    "sparse_sigmoid": "({x} / 2 + 0.5).clamp(0, 1)",
    "softmax": "torch.softmax({x}, -1)",
    "log_softmax": "torch.log_softmax({x}, -1)",
}
LINES_OF: dict[type, str] = {
    HardSigmoid: "({x} * {f.alpha} + {f.beta}).clamp(0, 1)",
    LeakyRelu: "F.leaky_relu({x}, {f.alpha})",
    Elu: "F.elu({x}, {f.alpha})",
    Celu: "F.celu({x}, {f.alpha})",
    ScaledTanh: "{f.alpha} * torch.tanh({f.beta} * {x})",
    Affine: "{f.alpha} * {x} + {f.beta}",
    ThresholdedRelu: "F.threshold({x}, {f.alpha}, 0.0)",
    HardShrink: "F.hardshrink({x}, {f.alpha})",
    SoftShrink: "F.softshrink({x}, {f.alpha})",
}


def weight_norm(g: np.ndarray, v: np.ndarray) -> np.ndarray | None:
    """`weight_norm` (torch/nn/utils/weight_norm.py): g v / ‖v‖, the norm over all axes but the one that g has, or over
    all where g is one number; None where g is no such factor of v.
    """
    kept = [axis for axis, size in enumerate(g.shape) if size != 1]
    if len(kept) > 1 or g.ndim not in (0, v.ndim) or any(g.shape[axis] != v.shape[axis] for axis in kept):
        return None
    if g.ndim and not kept and 1 not in v.shape:
        return None
    wide = v.astype(np.float64)
    norm = np.sqrt((wide**2).sum(tuple(axis for axis in range(v.ndim) if axis not in kept), keepdims=True))
    return (wide * (g.astype(np.float64) / norm)).astype(v.dtype)


def spectral_norm(weight: np.ndarray, u: np.ndarray, v: np.ndarray) -> np.ndarray | None:
    """`spectral_norm` at inference (torch/nn/utils/spectral_norm.py): weight / (u · W v), W its first axis by all
    others; where the sizes say so, its second axis, as of a transposed convolution. None where u and v fit neither.
    """
    for axis in range(min(2, weight.ndim)):
        rows = np.moveaxis(weight, axis, 0).reshape(weight.shape[axis], -1).astype(np.float64)
        if (u.shape, v.shape) == ((rows.shape[0],), (rows.shape[1],)):
            return (weight / (u.astype(np.float64) @ rows @ v.astype(np.float64))).astype(weight.dtype)
    return None


def pruned(weight: np.ndarray, mask: np.ndarray) -> np.ndarray | None:
    """`torch.nn.utils.prune`: weight ⊙ mask; None where they are of other shapes."""
    return weight * mask.astype(weight.dtype) if weight.shape == mask.shape else None


# The pieces of a weight in a state dict, by what stands behind its name → what was done to it, and the weight of them.
PIECES: dict[tuple[str, ...], tuple[str, Callable[..., np.ndarray | None]]] = {
    ("_g", "_v"): ("weight_norm", weight_norm),
    ("original0", "original1"): ("weight_norm", weight_norm),
    ("_orig", "_u", "_v"): ("spectral_norm", spectral_norm),
    ("original", "0._u", "0._v"): ("spectral_norm", spectral_norm),
    ("_orig", "_mask"): ("pruning", pruned),
}


# The parameters and buffers of torch.nn's modules for layers of ours, by our names.
_LAYERS: dict[str, dict[str, str]] = {
    "Dense": {"kernel": "weight", "bias": "bias"},  # nn.Linear
    "Embedding": {"embeddings": "weight"},
    "Convolution": {"kernel": "weight", "bias": "bias"},  # nn.Conv1d
    "Norm": {"gamma": "weight", "beta": "bias", "mean": "running_mean", "variance": "running_var"},  # nn.BatchNorm1d
}


def leaves(layer: str, names: tuple[str, ...]) -> dict[str, str]:
    """Those of a layer's parameters that a module of torch has → its names for them."""
    return {name: leaf for name, leaf in _LAYERS.get(layer, {}).items() if name in names}


def conv1d(weight: np.ndarray) -> np.ndarray:
    """`nn.Conv1d`: weight (units, inputs / groups, width) → (units, width, inputs / groups)."""
    return weight.transpose(0, 2, 1)


# Public attributes of `nn.Module`: no module inside one can be called so.
ATTRIBUTES = frozenset(
    {
        "T_destination", "add_module", "apply", "bfloat16", "buffers", "call_super_init", "children", "compile",
        "cpu", "cuda", "double", "dump_patches", "eval", "extra_repr", "float", "forward", "get_buffer",
        "get_extra_state", "get_parameter", "get_submodule", "half", "ipu", "load_state_dict", "modules", "mtia",
        "named_buffers", "named_children", "named_modules", "named_parameters", "parameters",
        "register_backward_hook", "register_buffer", "register_forward_hook", "register_forward_pre_hook",
        "register_full_backward_hook", "register_full_backward_pre_hook", "register_load_state_dict_post_hook",
        "register_load_state_dict_pre_hook", "register_module", "register_parameter",
        "register_state_dict_post_hook", "register_state_dict_pre_hook", "requires_grad_", "set_extra_state",
        "set_submodule", "share_memory", "state_dict", "to", "to_empty", "train", "training", "type", "xpu",
        "zero_grad",
    }
)  # fmt: skip
