"""The operations of `rnnspec.backends.fused` in torch: of one step (batch, size), or of all (time, batch, size)."""

import math
from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from rnnspec.backends.fused.node import Node

_aten = torch.ops.aten


def computing(dtype: torch.dtype) -> Callable[[Node, list], Any]:
    """For `evaluate`: the value of a node, from those of its arguments, where numbers are of the dtype."""

    def compute(node: Node, args: list) -> Any:
        value = COMPUTE[node.op](node, *args)
        return value.to(dtype) if node.op in _NUMBERS else value

    return compute


_NUMBERS = {"number", "not", "inside"}  # made of booleans


def softplus(x: Tensor) -> Tensor:
    """log(1 + eˣ), without overflow."""
    return torch.logaddexp(x, x.new_zeros(()))  # F.softplus cuts off at 20, which float64 sees


def layer_norm(x: Tensor, gamma: Tensor, beta: Tensor | None, epsilon: float, groups: int) -> Tensor:
    """`Ops.layer_norm`, γ and β with one axis."""
    if groups == 1:  # torch's own has the same γ and β in all groups; with several they are applied outside
        return F.layer_norm(x, gamma.shape, gamma, beta, epsilon)
    parts = x.unflatten(-1, (groups, -1))
    y = F.layer_norm(parts, parts.shape[-1:], None, None, epsilon).flatten(-2)
    return y * gamma if beta is None else torch.addcmul(beta, y, gamma)


def _moments(node: Node, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Mean, 1/√(variance + ε), and x normalised by them."""
    epsilon, groups = node.options
    parts = x if groups == 1 else x.unflatten(-1, (groups, -1))
    n, mean, scale = torch.native_layer_norm(parts, parts.shape[-1:], None, None, epsilon)
    return mean, scale, n.view(x.shape)


def _layer_norm_back(node: Node, d: Tensor, x: Tensor, moments: tuple[Tensor, ...], gamma: Tensor) -> Tensor:
    groups, size = node.options[1], x.shape[-1]
    if groups == 1:
        return _norm_back(d, x, [size], moments[0], moments[1], gamma, None, [True, False, False])[0]
    d, parts = (d * gamma).unflatten(-1, (groups, -1)), x.unflatten(-1, (groups, -1))
    back = _norm_back(d, parts, [size // groups], moments[0], moments[1], None, None, [True, False, False])[0]
    return back.flatten(-2)


_norm_back = _aten.native_layer_norm_backward.default


def _linear(node: Node, x: Tensor, matrix: Tensor, addend: Tensor | None = None) -> Tensor:
    if addend is None or addend.ndim == 1:
        return F.linear(x, matrix, addend)
    return torch.addmm(addend, x, matrix.t()) if x.ndim == 2 else F.linear(x, matrix) + addend


def _product(node: Node, d: Tensor, matrix: Tensor, addend: Tensor | None = None) -> Tensor:
    return d @ matrix if addend is None else d @ matrix + addend


def _repeated(node: Node, x: Tensor, factors: Tensor) -> Tensor:
    return (x.unsqueeze(-2) * factors.unflatten(-1, (-1, x.shape[-1]))).flatten(-2)


COMPUTE: dict[str, Callable[..., Any]] = {
    "flat": lambda node, p: p.flatten(),
    "rows": lambda node, p: p.flatten(0, -2),
    "index": lambda node, p: p[node.options[0]] if node.options[1] is None else p[slice(*node.options)],
    "part": lambda node, x: x.narrow(-1, node.options[0], node.size),
    "concat": lambda node, *parts: torch.cat(parts, -1),
    "copy": lambda node, x: x.clone(),
    "add": lambda node, a, b: a + b,
    "sub": lambda node, a, b: a - b,
    "mul": lambda node, a, b: a * b,
    "div": lambda node, a, b: a / b,
    "fma": lambda node, a, b, c: torch.addcmul(a, b, c),
    "sigmoid": lambda node, x: torch.sigmoid(x),
    "tanh": lambda node, x: torch.tanh(x),
    "relu": lambda node, x: torch.relu(x),
    "exp": lambda node, x: torch.exp(x),
    "erf": lambda node, x: torch.erf(x),
    "softplus": lambda node, x: softplus(x),
    "clip": lambda node, x: torch.clamp(x, *node.options),
    "greater": lambda node, x: x > node.options[0],
    "where": lambda node, condition, x, otherwise: torch.where(condition, x, otherwise),
    "softmax": lambda node, x: torch.softmax(x, -1),
    "log_softmax": lambda node, x: torch.log_softmax(x, -1),
    "layer_norm": lambda node, x, gamma, beta=None: layer_norm(x, gamma, beta, *node.options),
    "linear": _linear,
    "product": _product,
    "repeat": lambda node, x: x.expand(*x.shape[:-1], node.size),
    "repeated": _repeated,
    "reciprocal": lambda node, x: x.reciprocal(),
    "number": lambda node, condition: condition,
    "not": lambda node, condition: ~condition,
    "only": lambda node, condition, factor: torch.where(condition, factor, 0.0),
    "unless": lambda node, condition, factor: torch.where(condition, 0.0, factor),
    "sigmoid_slope": lambda node, y: torch.addcmul(y, y, y, value=-1),
    "sigmoid_back": lambda node, factor, y: _aten.sigmoid_backward(factor, y),
    "tanh_slope": lambda node, y: 1 - y * y,
    "tanh_back": lambda node, factor, y: _aten.tanh_backward(factor, y),
    "erf_slope": lambda node, x: torch.exp(-x * x) * (2 / math.sqrt(math.pi)),
    "inside": lambda node, x: (x >= node.options[0]) & (x <= node.options[1]),
    "softmax_back": lambda node, d, y: _aten._softmax_backward_data(d, y, -1, d.dtype),
    "log_softmax_back": lambda node, d, y: _aten._log_softmax_backward_data(d, y, -1, d.dtype),
    "moments": _moments,
    "normalized": lambda node, x, moments: moments[2],
    "layer_norm_back": _layer_norm_back,
    "over_features": lambda node, d: d.sum(-1, keepdim=True),
    "outer": lambda node, d, x: d.flatten(0, -2).T @ x.flatten(0, -2),
    "over_rows": lambda node, d: d.flatten(0, -2).sum(0).view(node.shape),
    "over_steps": lambda node, d: d.sum(0),
}
