"""Flax's layout of a cell's weights → ours (Flax 0.12: flax/linen/recurrent.py, flax/nnx/nn/recurrent.py).

Kernels are (inputs, units), each gate's apart in linen (`hi/kernel`), side by side in nnx (`dense_h/kernel`). Nothing
is added to a forget gate. Every function takes one kernel and bias per gate, in our order of gates.
"""

from collections.abc import Sequence

import numpy as np

from rnnspec import GRU, LSTM, RNN
from rnnspec.activations import Activation
from rnnspec.cells import UGRNN
from rnnspec.convert.layouts import Part

Gates = Sequence[np.ndarray]


def simple(i_kernels: Gates, i_biases: Gates, h_kernels: Gates, activation: Activation, residual: bool) -> Part:
    """`SimpleCell`: φ(i(x) + h(h)); with `residual` φ(i(x) + h(h) + h), which is an h kernel plus one."""
    weights = _weights(i_kernels, h_kernels, i_biases)
    if residual:
        units = len(h_kernels[0])
        weights["recurrent_kernel"] = weights["recurrent_kernel"] + np.eye(units, dtype=h_kernels[0].dtype)
    return RNN(units=len(h_kernels[0]), activation=activation), weights


def lstm(
    i_kernels: Gates, h_kernels: Gates, h_biases: Gates, gate_activation: Activation, activation: Activation
) -> Part:
    """`LSTMCell`, `OptimizedLSTMCell`: i, f, g, o; biases with the kernels of h; one activation for g and for c'."""
    cell = LSTM(
        units=len(h_kernels[0]),
        gate_activation=gate_activation,
        cell_activation=activation,
        output_activation=activation,
    )
    return cell, _weights(i_kernels, h_kernels, h_biases)


def gru(
    i_kernels: Gates,
    i_biases: Gates,
    h_kernels: Gates,
    h_bias: np.ndarray | None,
    gate_activation: Activation,
    activation: Activation,
) -> Part:
    """`GRUCell`: r, z, n; biases with the input's kernels, and in linen one of h in n; z keeps the old state."""
    units = len(h_kernels[0])
    cell = GRU(units=units, reset_after=True, gate_activation=gate_activation, activation=activation)
    recurrent_bias = np.zeros_like(i_biases[-1]) if h_bias is None else h_bias
    return cell, _weights(i_kernels, h_kernels, i_biases) | {"recurrent_bias": recurrent_bias}


def mgu(
    i_kernels: Gates,
    i_biases: Gates,
    h_kernels: Gates,
    h_bias: np.ndarray | None,
    gate_activation: Activation,
    activation: Activation,
) -> Part:
    """`MGUCell`: f, n; h' = (1 − f) ⊙ n + f ⊙ h, the other way round than in the paper.

    With its reset gate, n = φ(in(x) + f ⊙ hn(h)), hn with a bias: a GRU whose reset and update gates are the same.
    Without it, n = φ(in(x) + hn(h)): an update gate RNN.
    """
    if h_bias is None:
        cell = UGRNN(units=len(h_kernels[0]), gate_activation=gate_activation, activation=activation)
        return cell, _weights(i_kernels, h_kernels, i_biases)
    i_kernels, i_biases, h_kernels = ([gates[0], *gates] for gates in (i_kernels, i_biases, h_kernels))
    return gru(i_kernels, i_biases, h_kernels, h_bias, gate_activation, activation)


def _weights(i_kernels: Gates, h_kernels: Gates, biases: Gates) -> dict[str, np.ndarray]:
    return {
        "kernel": np.stack([kernel.T for kernel in i_kernels]),
        "recurrent_kernel": np.stack([kernel.T for kernel in h_kernels]),
        "bias": np.stack(biases),
    }
