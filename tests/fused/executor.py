"""The smallest executor of `rnnspec.backends.fused`: NumPy, a dictionary of values, a loop over the steps."""

import math

import numpy as np

from rnnspec.backends.fused.node import Node, evaluate
from rnnspec.backends.fused.trace import Program
from rnnspec.reference.ops import NumpyOps

OPS = NumpyOps()


def loop(program: Program, nodes: list[Node], fixed: dict, leaves: dict, states: dict, wanted: list[Node], times):
    """The nodes of a loop at the given times: `wanted` values (time, …) and the last states.

    fixed: node → value at every step; leaves: node → (time, …); states: name → value.
    """
    steps = len(times)
    found: dict[Node, list] = {node: [None] * steps for node in wanted}
    for t in times:
        values = fixed | {leaf: value[t] for leaf, value in leaves.items()}
        values |= {old: states[name] for name, (old, _) in program.states.items()}
        evaluate(nodes, values, compute)
        for node in wanted:
            found[node][t] = values[node]
        states = {name: values[new] for name, (_, new) in program.states.items()}
    return {node: np.stack(each, 0) for node, each in found.items()}, states


def compute(node: Node, args: list):
    return COMPUTE[node.op](node, *args)


def _layer_norm(node, x, gamma, beta=None):
    return OPS.layer_norm(x, gamma, beta, *node.options)


def _groups(node, x):
    return x.reshape(*x.shape[:-1], node.options[1], -1)


def _moments(node, x):
    """1/√(variance + ε), which is all that is needed beside what is normalised."""
    a = _groups(node, x)
    return 1 / np.sqrt(a.var(-1, keepdims=True) + node.options[0])


def _normalized(node, x, scale):
    a = _groups(node, x)
    return ((a - a.mean(-1, keepdims=True)) * scale).reshape(x.shape)


def _layer_norm_back(node, d, x, scale, gamma):
    n, d = _groups(node, _normalized(node, x, scale)), _groups(node, d * gamma)
    d = d - d.mean(-1, keepdims=True) - n * (d * n).mean(-1, keepdims=True)
    return (d * scale).reshape(x.shape)


COMPUTE = {
    "flat": lambda node, p: p.reshape(-1),
    "rows": lambda node, p: p.reshape(node.shape),
    "index": lambda node, p: p[slice(*node.options)] if node.options[1] is not None else p[node.options[0]],
    "part": lambda node, x: x[..., slice(*node.options)],
    "concat": lambda node, *xs: np.concatenate(xs, -1),
    "copy": lambda node, x: x,
    "add": lambda node, a, b: a + b,
    "sub": lambda node, a, b: a - b,
    "mul": lambda node, a, b: a * b,
    "div": lambda node, a, b: a / b,
    "fma": lambda node, a, b, c: a + b * c,
    "sigmoid": lambda node, x: OPS.sigmoid(x),
    "tanh": lambda node, x: OPS.tanh(x),
    "relu": lambda node, x: OPS.relu(x),
    "exp": lambda node, x: OPS.exp(x),
    "erf": lambda node, x: OPS.erf(x),
    "softplus": lambda node, x: OPS.softplus(x),
    "clip": lambda node, x: OPS.clip(x, *node.options),
    "greater": lambda node, x: OPS.greater(x, *node.options),
    "where": lambda node, condition, x, otherwise: OPS.where(condition, x, otherwise),
    "softmax": lambda node, x: OPS.softmax(x),
    "log_softmax": lambda node, x: OPS.log_softmax(x),
    "layer_norm": _layer_norm,
    "linear": lambda node, x, w, z=None: x @ w.T if z is None else x @ w.T + z,
    # Of gradients alone.
    "product": lambda node, d, w, z=None: d @ w if z is None else d @ w + z,
    "repeat": lambda node, x: np.repeat(x, node.size, -1),
    "repeated": lambda node, x, factors: np.concatenate([x] * (node.size // x.shape[-1]), -1) * factors,
    "reciprocal": lambda node, x: 1 / x,
    "number": lambda node, condition: condition * 1.0,
    "not": lambda node, condition: ~condition * 1.0,
    "only": lambda node, condition, factor: np.where(condition, factor, 0),
    "unless": lambda node, condition, factor: np.where(condition, 0, factor),
    "sigmoid_slope": lambda node, y: y * (1 - y),
    "sigmoid_back": lambda node, factor, y: factor * y * (1 - y),
    "tanh_slope": lambda node, y: 1 - y * y,
    "tanh_back": lambda node, factor, y: factor * (1 - y * y),
    "erf_slope": lambda node, x: np.exp(-x * x) * (2 / math.sqrt(math.pi)),
    "inside": lambda node, x: ((node.options[0] <= x) & (x <= node.options[1])) * 1.0,
    "softmax_back": lambda node, d, y: y * (d - (d * y).sum(-1, keepdims=True)),
    "log_softmax_back": lambda node, d, y: d - np.exp(y) * d.sum(-1, keepdims=True),
    "moments": _moments,
    "normalized": _normalized,
    "layer_norm_back": _layer_norm_back,
    "over_features": lambda node, d: d.sum(-1, keepdims=True),
    "outer": lambda node, d, x: d.reshape(-1, d.shape[-1]).T @ x.reshape(-1, x.shape[-1]),
    "over_rows": lambda node, d: d.reshape(-1, d.shape[-1]).sum(0).reshape(node.shape),
    "over_steps": lambda node, d: d.sum(0),
}
