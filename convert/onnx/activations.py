"""Activations of ONNX → ours: those inside recurrent nodes, and nodes of their own.

ONNX's operators: https://onnx.ai/onnx/operators; inside recurrent nodes also Affine, ScaledTanh and ThresholdedRelu.
"""

import math

import numpy as np
from onnx import AttributeProto

from rnnspec import activations as ours
from rnnspec.activations import Activation, Name
from rnnspec.convert.onnx.graph import Node, decimal
from rnnspec.errors import SpecError, UnsupportedError

# Lower-case name → the defaults of alpha and beta, None for those that it has not, NaN where ONNX gives no default or
# ONNX Runtime has another.
_IN_CELLS: dict[str, tuple[float | None, float | None]] = {
    "relu": (None, None),
    "tanh": (None, None),
    "sigmoid": (None, None),
    "softsign": (None, None),
    "softplus": (None, None),
    "affine": (math.nan, math.nan),
    "leakyrelu": (0.01, None),
    "thresholdedrelu": (math.nan, None),
    "scaledtanh": (math.nan, math.nan),
    "hardsigmoid": (0.2, 0.5),
    "elu": (1.0, None),
}


def in_cell(node: Node, defaults: tuple[str, ...], directions: int) -> list[list[Activation]]:
    """The activations of a recurrent node, for each direction.

    Raises:
        SpecError: too few or too many of them, or of their numbers.
        UnsupportedError: ONNX has no such activation.
    """
    names = node.get("activations", AttributeProto.STRINGS, list(defaults) * directions)
    if len(names) != len(defaults) * directions:
        raise SpecError(f"{node}: activations: expected {len(defaults) * directions}, found {len(names)}")
    for name in names:
        if name.lower() not in _IN_CELLS:
            raise UnsupportedError(f"{node}: activations: {name!r} is not one of ONNX's: {', '.join(_IN_CELLS)}")
    known = [_IN_CELLS[name.lower()] for name in names]
    alphas = _numbers(node, "activation_alpha", names, [alpha for alpha, _ in known])
    betas = _numbers(node, "activation_beta", names, [beta for _, beta in known])
    found = [_named(name.lower(), *both) for name, *both in zip(names, alphas, betas, strict=True)]
    return [found[k : k + len(defaults)] for k in range(0, len(found), len(defaults))]


def _numbers(node: Node, key: str, names: list[str], defaults: list[float | None]) -> list[float | None]:
    """For each function its alpha, or beta: the list has one for each that takes one, or for all functions."""
    given = [decimal(number) for number in node.get(key, AttributeProto.FLOATS, [])]
    takers = [k for k, default in enumerate(defaults) if default is not None]
    if given and len(given) not in (len(takers), len(names)):
        raise SpecError(f"{node}: {key}: expected {len(takers)} numbers for {', '.join(names)}, found {len(given)}")
    each = (
        given if len(given) == len(takers) else [given[k] for k in takers] if given else [defaults[k] for k in takers]
    )
    for place, number in zip(takers, each, strict=True):
        if number is not None and math.isnan(number):
            raise SpecError(f"{node}: {names[place]} needs {key}: its default is not agreed upon; give it in the file")
    found = dict(zip(takers, each, strict=True))
    return [found.get(k) for k in range(len(names))]


def _named(key: str, alpha: float | None = None, beta: float | None = None) -> Activation:
    """Ours, without parameters where it has a name."""
    if alpha is None:
        return key  # type: ignore[return-value]
    if key == "affine":
        assert beta is not None
        return "linear" if (alpha, beta) == (1, 0) else ours.Affine(alpha=alpha, beta=beta)
    if key == "scaledtanh":
        assert beta is not None
        return ours.ScaledTanh(alpha=alpha, beta=beta)
    if key == "hardsigmoid":
        assert beta is not None
        return ours.HardSigmoid(alpha=alpha, beta=beta)
    if key == "elu":
        return "elu" if alpha == 1 else ours.Elu(alpha=alpha)
    return ours.LeakyRelu(alpha=alpha) if key == "leakyrelu" else ours.ThresholdedRelu(alpha=alpha)


_PLAIN: dict[str, Name] = {
    "Relu": "relu", "Tanh": "tanh", "Sigmoid": "sigmoid", "Softplus": "softplus", "Softsign": "softsign",
    "Exp": "exponential", "HardSwish": "hard_silu", "Mish": "mish",
}  # fmt: skip
_WITH_NUMBERS: dict[str, tuple[float, float | None]] = {
    "Elu": (1.0, None), "LeakyRelu": (0.01, None), "ThresholdedRelu": (1.0, None), "HardSigmoid": (0.2, 0.5),
}  # fmt: skip
OVER_FEATURES: dict[str, Name] = {"Softmax": "softmax", "LogSoftmax": "log_softmax"}
_OTHERS = ("Celu", "Selu", "Gelu", "Swish", "Shrink", "Clip")
NODES = (*_PLAIN, *_WITH_NUMBERS, *OVER_FEATURES, *_OTHERS)


def of_node(node: Node, shape: tuple[int, ...], numbers: list[np.ndarray | None], opset: int) -> Activation:
    """The activation that a node of `NODES` is, for elements of a shape; `numbers`: its other inputs.

    Raises:
        UnsupportedError: it is none of ours.
    """
    kind = node.kind
    if kind in _PLAIN:
        return _PLAIN[kind]
    if kind in _WITH_NUMBERS:
        alpha, beta = _WITH_NUMBERS[kind]
        return _named(kind.lower(), node.number("alpha", alpha), beta if beta is None else node.number("beta", beta))
    if kind in OVER_FEATURES:
        axis = node.integer("axis", 1 if opset < 13 else -1)
        axis += len(shape) * (axis < 0)
        together = axis != len(shape) - 1 if opset >= 13 else int(np.prod(shape[axis:-1])) != 1
        if together:
            raise UnsupportedError(f"{node}: over axis {axis} of {len(shape)}, and not over the features alone")
        return OVER_FEATURES[kind]
    if found := _other(node, numbers):
        return found
    raise UnsupportedError(f"{node}: with these parameters it is none of our activations")


def _other(node: Node, numbers: list[np.ndarray | None]) -> Activation | None:
    if node.kind == "Celu":
        return ours.Celu(alpha=node.number("alpha", 1.0))
    if node.kind == "Gelu":
        return "gelu_tanh" if node.get("approximate", AttributeProto.STRING, "none") == "tanh" else "gelu"
    if node.kind == "Selu":  # the defaults are the paper's, in float32
        standard = np.allclose(
            [node.number("alpha", 1.6732632), node.number("gamma", 1.0507010)], [1.6732632, 1.0507010]
        )
        return "selu" if standard else None
    if node.kind == "Swish":
        return "silu" if node.number("alpha", 1.0) == 1 else None
    if node.kind == "Shrink":
        limit, bias = node.number("lambd", 0.5), node.number("bias", 0.0)
        if bias == 0:
            return ours.HardShrink(alpha=limit)
        return ours.SoftShrink(alpha=limit) if bias == limit else None
    bounds = [None if value is None or value.size != 1 else float(value.item()) for value in numbers[:2]]
    bounds = bounds or [node.number("min", -np.inf), node.number("max", np.inf)]
    return "relu6" if bounds == [0, 6] else "hard_tanh" if bounds == [-1, 1] else None
