"""Activations of ours as lines of torch."""

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
from rnnspec.errors import UnsupportedError

_NAMED = {
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
_FUNCTIONS = {
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


def called(activation: Activation, x: str, whose: str) -> str:
    """φ(x) as an expression; `x`: a variable.

    Raises:
        UnsupportedError: a function of the user's own, which only our own code knows.
    """
    if isinstance(activation, str):
        return _NAMED[activation].format(x=x)
    if type(activation) not in _FUNCTIONS:
        raise UnsupportedError(f"{whose}: activation {type(activation).__name__} is code of its own: torch has none")
    return _FUNCTIONS[type(activation)].format(x=x, f=activation)
