"""Cells in the body of a loop, recognised by what they compute: which columns are which gate, and every activation."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from rnnspec import GRU, LSTM, RNN, Cell, LayerNorm
from rnnspec.convert.saved_model.expressions import Affine, activation, affine, match, scalar
from rnnspec.convert.saved_model.expressions import integers as axes
from rnnspec.convert.saved_model.graph import Tensor

Weight = Callable[[Tensor], np.ndarray | None]

_SCALE = ("Mul", ("Rsqrt", ("AddV2", "variance", "epsilon")), "gamma")
_NORM = ("AddV2", ("Mul", "a", _SCALE), ("AddV2", ("Mul", ("Neg", "mean"), _SCALE), "beta"))


@dataclass
class FoundCell:
    """A cell with its weights, its input, and each of its states with the new value, in Keras's order.

    `summed`: whether two biases became one.
    """

    cell: Cell
    weights: dict[str, np.ndarray]
    x: Tensor
    states: dict[Tensor, Tensor]
    summed: bool = False


def cell(y: Tensor, weight: Weight) -> FoundCell | None:
    """The cell whose output is y; None if Keras has no such cell."""
    return lstm(y, weight) or gru(y, weight) or rnn(y, weight)


def lstm(y: Tensor, weight: Weight) -> FoundCell | None:
    """keras/src/layers/rnn/lstm.py: h' = σ(o) ⊙ ψ(c'), c' = σ(f) ⊙ c + σ(i) ⊙ φ(g)."""
    if y.type != "Mul" or len(y.inputs) != 2:
        return None
    (sigma, o), (psi, c_new) = activation(y.inputs[0]), activation(y.inputs[1])
    found = match(c_new, ("AddV2", ("Mul", "f", "c"), ("Mul", "i", "g")))
    if not found or found["c"].type != "Carried":
        return None
    (sigma_i, i), (sigma_f, f), (phi, g) = (activation(found[gate]) for gate in "ifg")
    gates = joined([affine(a, weight) for a in (i, f, g, o)])
    if gates is None or not sigma == sigma_i == sigma_f:
        return None
    h, x, weights = gates
    found_cell = LSTM(
        units=weights["kernel"].shape[1],
        bias="bias" in weights,
        gate_activation=sigma,
        cell_activation=phi,
        output_activation=psi,
    )
    return FoundCell(found_cell, weights, x, {h: y, found["c"]: c_new})


def gru(y: Tensor, weight: Weight) -> FoundCell | None:
    """keras/src/layers/rnn/gru.py: h' = z ⊙ h + (1 − z) ⊙ n; n resets before its product, or after."""
    found = match(y, ("AddV2", ("Mul", "z", "h"), ("Mul", ("Sub", 1.0, "z"), "n")))
    if not found or found["h"].type != "Carried":
        return None
    (sigma, z), (phi, n), h = activation(found["z"]), activation(found["n"]), found["h"]
    a = affine(n, weight)
    after = len(a.terms) == 1
    products = a.terms if after else [x for x in a.products if x.type == "Mul" and x.inputs[1] == h]
    if len(products) != 1 or products[0].type != "Mul":
        return None
    sigma_r, r = activation(products[0].inputs[0])
    inner = affine(products[0].inputs[1], weight) if after else Affine({h: a.products.pop(products[0])}, None, [])
    d, a.terms = inner.bias, []
    new = a + Affine(inner.products, None, inner.terms)
    gates = joined([affine(r, weight), affine(z, weight), new])
    if gates is None or sigma != sigma_r:
        return None
    seen, x, weights = gates
    if seen != h or (after and (d is None) == ("bias" in weights)):
        return None
    if d is not None:
        weights["recurrent_bias"] = d
    found_cell = GRU(
        units=len(weights["kernel"][0]),
        reset_after=after,
        bias="bias" in weights,
        gate_activation=sigma,
        activation=phi,
    )
    return FoundCell(found_cell, weights, x, {h: y}, summed=d is not None)


def rnn(y: Tensor, weight: Weight) -> FoundCell | None:
    """keras/src/layers/rnn/simple_rnn.py: h' = φ(a); and Géron's cell, whose a is normalised."""
    phi, a = activation(y)
    norm = layer_norm(a, weight)
    gates = joined([affine(norm[0] if norm else a, weight)])
    if gates is None:
        return None
    h, x, weights = gates
    how, scales = (norm[1], norm[2]) if norm else (None, {})
    found_cell = RNN(units=weights["kernel"].shape[1], activation=phi, bias="bias" in weights, layer_norm=how)
    return FoundCell(found_cell, weights | scales, x, {h: y})


def layer_norm(a: Tensor, weight: Weight) -> tuple[Tensor, LayerNorm, dict[str, np.ndarray]] | None:
    """keras/src/layers/normalization/layer_normalization.py over the last axis: what is normalised, and how."""
    found = match(a, _NORM)
    if not found or (epsilon := scalar(found["epsilon"])) is None:
        return None
    moments = match(found["variance"], ("Mean", ("SquaredDifference", "a", "mean"), "axis"))
    mean = match(found["mean"], ("Mean", "a", "axis"))
    gamma, beta = weight(found["gamma"]), weight(found["beta"])
    if not moments or not mean or gamma is None or beta is None:
        return None
    if (moments["a"], moments["mean"], mean["a"]) != (found["a"], found["mean"], found["a"]):
        return None
    if any(axes(m["axis"]) not in ([-1], [1]) for m in (moments, mean)):
        return None
    norm = LayerNorm(gates="joint", over="gate", epsilon=epsilon)
    return found["a"], norm, {"gates_gamma": gamma.reshape(1, -1), "gates_beta": beta.reshape(1, -1)}


def joined(gates: list[Affine]) -> tuple[Tensor, Tensor, dict[str, np.ndarray]] | None:
    """The state and the input that all gates see, and their weights by our names; None: one is not W x + R h + b."""
    seen = set(gates[0].products)
    states = [x for x in seen if x.type == "Carried"]
    if len(seen) != 2 or len(states) != 1:
        return None
    if any(set(gate.products) != seen or gate.terms for gate in gates):
        return None
    h, (x,) = states[0], seen - set(states)
    arrays = [{"kernel": gate.products[x].T, "recurrent_kernel": gate.products[h].T} for gate in gates]
    for gate, found in zip(gates, arrays, strict=True):
        found |= {} if gate.bias is None else {"bias": gate.bias}
    shapes = {name: array.shape for name, array in arrays[0].items()}
    units = shapes["kernel"][0]
    if shapes["recurrent_kernel"] != (units, units) or shapes.get("bias", (units,)) != (units,):
        return None
    if any({name: array.shape for name, array in found.items()} != shapes for found in arrays):
        return None
    return h, x, {name: np.stack([found[name] for found in arrays]) for name in shapes}
