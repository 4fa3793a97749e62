"""Activations: by name where they have no parameters, as configurations where they have (ACT-1, ACT-2).

Each is written once, over `Ops`, and so runs, trains and exports everywhere.
"""

from abc import abstractmethod
from collections.abc import Callable
from typing import Annotated, Literal, get_args

import msgspec

from rnnspec.config import Config
from rnnspec.ops import Array, Ops

Name = Literal[
    "linear",
    "tanh",
    "sigmoid",
    "relu",
    "relu6",
    "softplus",
    "softsign",
    "exponential",
    "elu",
    "selu",
    "gelu",
    "gelu_tanh",
    "silu",
    "hard_silu",
    "mish",
    "hard_tanh",
    "tanh_shrink",
    "log_sigmoid",
    "sparse_plus",
    "sparse_sigmoid",
    "softmax",
    "log_softmax",
]


class Function(Config, frozen=True):
    """An activation with parameters. A new one is a class below this one, with a tag and an `apply`."""

    @abstractmethod
    def apply(self, ops: Ops, x: Array) -> Array:
        """φ(x), elementwise."""


Activation = Name | Function
NAMES: tuple[Name, ...] = get_args(Name)


class HardSigmoid(Function, tag="hard_sigmoid", frozen=True, kw_only=True):
    """max(0, min(1, alpha x + beta)): (1/6, 0.5) in Keras 3 and torch, (0.2, 0.5) in Keras 1, Keras 2 and ONNX."""

    alpha: float
    beta: float

    def apply(self, ops: Ops, x: Array) -> Array:
        return ops.clip(x * self.alpha + self.beta, 0.0, 1.0)


class LeakyRelu(Function, tag="leaky_relu", frozen=True, kw_only=True):
    """x if x ≥ 0, else alpha x: 0.01 in torch and ONNX, 0.2 in Keras 3 and TensorFlow, 0.3 in Keras 2's layer."""

    alpha: float

    def apply(self, ops: Ops, x: Array) -> Array:
        return _negative(ops, x, x * self.alpha)


class Elu(Function, tag="elu", frozen=True, kw_only=True):
    """x if x ≥ 0, else alpha (eˣ − 1) (Clevert et al. 2015); the name "elu" means alpha = 1."""

    alpha: float

    def apply(self, ops: Ops, x: Array) -> Array:
        return _negative(ops, x, (ops.exp(-ops.relu(-x)) - 1.0) * self.alpha)


class Celu(Function, tag="celu", frozen=True, kw_only=True):
    """x if x ≥ 0, else alpha (e^(x/alpha) − 1) (Barron 2017)."""

    alpha: Annotated[float, msgspec.Meta(gt=0)]

    def apply(self, ops: Ops, x: Array) -> Array:
        return _negative(ops, x, (ops.exp(ops.relu(-x) * (-1 / self.alpha)) - 1.0) * self.alpha)


class ScaledTanh(Function, tag="scaled_tanh", frozen=True, kw_only=True):
    """alpha tanh(beta x): LeCun's is (1.7159, 2/3)."""

    alpha: float
    beta: float

    def apply(self, ops: Ops, x: Array) -> Array:
        return ops.tanh(x * self.beta) * self.alpha


class Affine(Function, tag="affine", frozen=True, kw_only=True):
    """alpha x + beta."""

    alpha: float
    beta: float

    def apply(self, ops: Ops, x: Array) -> Array:
        return x * self.alpha + self.beta


class ThresholdedRelu(Function, tag="thresholded_relu", frozen=True, kw_only=True):
    """x if x > alpha, else 0."""

    alpha: float

    def apply(self, ops: Ops, x: Array) -> Array:
        return ops.where(ops.greater(x, self.alpha), x, x * 0.0)


class HardShrink(Function, tag="hard_shrink", frozen=True, kw_only=True):
    """x if |x| > alpha, else 0."""

    alpha: Annotated[float, msgspec.Meta(ge=0)]

    def apply(self, ops: Ops, x: Array) -> Array:
        return ops.where(ops.greater(ops.relu(x) + ops.relu(-x), self.alpha), x, x * 0.0)


class SoftShrink(Function, tag="soft_shrink", frozen=True, kw_only=True):
    """x − alpha if x > alpha, x + alpha if x < −alpha, else 0."""

    alpha: Annotated[float, msgspec.Meta(ge=0)]

    def apply(self, ops: Ops, x: Array) -> Array:
        return ops.relu(x - self.alpha) - ops.relu(-x - self.alpha)


_SELU_ALPHA, _SELU_SCALE = 1.6732632423543772, 1.0507009873554805  # Klambauer et al. 2017
_ROOT_HALF, _ROOT_TWO_OVER_PI = 0.7071067811865476, 0.7978845608028654

# Named as in Keras, where all of them are known; equations in SPEC.md, ACT-1.
_NAMED: dict[str, Callable[[Ops, Array], Array]] = {
    "linear": lambda ops, x: x,
    "tanh": lambda ops, x: ops.tanh(x),
    "sigmoid": lambda ops, x: ops.sigmoid(x),
    "relu": lambda ops, x: ops.relu(x),
    "relu6": lambda ops, x: ops.clip(x, 0.0, 6.0),
    "softplus": lambda ops, x: ops.softplus(x),
    "softsign": lambda ops, x: x / (ops.relu(x) + ops.relu(-x) + 1.0),
    "exponential": lambda ops, x: ops.exp(x),
    "elu": Elu(alpha=1.0).apply,
    "selu": lambda ops, x: Elu(alpha=_SELU_ALPHA).apply(ops, x) * _SELU_SCALE,
    "gelu": lambda ops, x: x * (ops.erf(x * _ROOT_HALF) + 1.0) * 0.5,
    "gelu_tanh": lambda ops, x: x * (ops.tanh((x + x * x * x * 0.044715) * _ROOT_TWO_OVER_PI) + 1.0) * 0.5,
    "silu": lambda ops, x: x * ops.sigmoid(x),
    "hard_silu": lambda ops, x: x * ops.clip(x * (1 / 6) + 0.5, 0.0, 1.0),
    "mish": lambda ops, x: x * ops.tanh(ops.softplus(x)),
    "hard_tanh": lambda ops, x: ops.clip(x, -1.0, 1.0),
    "tanh_shrink": lambda ops, x: x - ops.tanh(x),
    "log_sigmoid": lambda ops, x: -ops.softplus(-x),
    "sparse_plus": lambda ops, x: _square(ops.clip(x, -1.0, 1.0) + 1.0) * 0.25 + ops.relu(x - 1.0),
    "sparse_sigmoid": lambda ops, x: ops.clip(x * 0.5 + 0.5, 0.0, 1.0),
    "softmax": lambda ops, x: ops.softmax(x),
    "log_softmax": lambda ops, x: ops.log_softmax(x),
}


def activate(ops: Ops, activation: Activation, x: Array) -> Array:
    """φ(x), for the activation of a configuration."""
    return _NAMED[activation](ops, x) if isinstance(activation, str) else activation.apply(ops, x)


def _negative(ops: Ops, x: Array, below: Array) -> Array:
    """x, or `below` where x < 0: at 0 the slope is that of x (GRAD-4)."""
    return ops.where(ops.greater(-x, 0.0), below, x)


def _square(x: Array) -> Array:
    return x * x
