"""Each framework's layout of the weights → ours, by hand.

A part is a cell with its weights by our names; a layer comes with its weights likewise. The docstrings state the
framework's layout and where it is written down.
"""

import re
from collections.abc import Mapping

import numpy as np

from rnnspec import GRU, LSTM, RNN, Cell, Dense, Embedding, Layer, Recurrent, Stack
from rnnspec.ops import scope, under

Variables = Mapping[str, np.ndarray]
Part = tuple[Cell, dict[str, np.ndarray]]
WithWeights = tuple[Layer, dict[str, np.ndarray]]


def by_gate(columns, order):
    """Gates side by side in the last axis, (rows, gates·units) → (gates, units, rows), in `order`; a bias likewise."""
    blocks = np.split(columns, len(order), axis=-1)
    return np.stack([blocks[k].T for k in order])


def rows_x_h(kernel) -> dict[str, np.ndarray]:
    """(gates, units, inputs + units), the input first, then h → our two kernels."""
    units = kernel.shape[1]
    return {"kernel": kernel[..., :-units], "recurrent_kernel": kernel[..., -units:]}


def biased(weights, bias) -> tuple[bool, dict[str, np.ndarray]]:
    """Whether there is a bias, and the weights with it."""
    return (False, weights) if bias is None else (True, weights | {"bias": bias})


# TensorFlow 0.12 to 1.15: tensorflow/python/ops/rnn_cell_impl.py


def rnn_from_tf1(kernel, bias, activation="tanh") -> Part:
    """`BasicRNNCell.call`: kernel (inputs + units, units), rows input, h."""
    return RNN(units=bias.size, activation=activation), rows_x_h(by_gate(kernel, (0,))) | {"bias": bias[None]}


def lstm_from_tf1(kernel, bias, forget_bias=1.0) -> Part:
    """`LSTMCell.call`: kernel (inputs + units, 4·units), rows input, h, columns i, j, f, o; σ(f + forget_bias)."""
    bias = by_gate(bias, (0, 2, 1, 3))
    bias[1] += forget_bias
    return LSTM(units=bias.shape[1]), rows_x_h(by_gate(kernel, (0, 2, 1, 3))) | {"bias": bias}


def gru_from_tf1(gates_kernel, gates_bias, candidate_kernel, candidate_bias) -> Part:
    """`GRUCell.call`: gates (inputs + units, 2·units), columns r, u; candidate on [x, r ⊙ h]; h' = u ⊙ h + (1 − u) ⊙ c.

    `GRUBlockCell` has the same under other names (tensorflow/contrib/rnn/python/ops/gru_ops.py).
    """
    kernel = np.concatenate([by_gate(gates_kernel, (0, 1)), by_gate(candidate_kernel, (0,))])
    bias = np.concatenate([gates_bias, candidate_bias]).reshape(3, -1)
    return GRU(units=bias.shape[1], reset_after=False), rows_x_h(kernel) | {"bias": bias}


def gru_from_cudnn_compatible(gates_kernel, gates_bias, x_kernel, x_bias, h_kernel, h_bias) -> Part:
    """`CudnnCompatibleGRUCell.call` (tensorflow/contrib/cudnn_rnn/python/ops/cudnn_rnn_ops.py).

    As `GRUCell`, but c = tanh(x_kernelᵀ x + x_bias + r ⊙ (h_kernelᵀ h + h_bias)).
    """
    cell, weights = gru_from_tf1(gates_kernel, gates_bias, np.concatenate([x_kernel, h_kernel]), x_bias)
    return GRU(units=cell.units, reset_after=True), weights | {"recurrent_bias": h_bias}


def cifg_from_tf1(kernel, bias) -> Part:
    """`CoupledInputForgetGateLSTMCell.call` (contrib/rnn/python/ops/rnn_cell.py): columns j, f, o; f bias + 1; i = 1 − f.

    1 − σ(f) = σ(−f), so the input gate is the forget gate with its sign turned.
    """
    j, f, o = by_gate(kernel, (0, 1, 2))
    b_j, b_f, b_o = by_gate(bias, (0, 1, 2))
    weights = rows_x_h(np.stack([-f, f, j, o])) | {"bias": np.stack([-b_f - 1, b_f + 1, b_j, b_o])}
    return LSTM(units=b_j.size), weights


def diagonal(kernel_w, kernel_u):
    """`IndRNNCell`, `IndyLSTMCell`, `IndyGRUCell` (contrib/rnn/python/ops/rnn_cell.py): kernel_u (1, gates·units) ⊙ h.

    → the kernel (inputs + units, gates·units) that multiplies [x, h] by diagonal matrices.
    """
    gates = kernel_u.shape[1] // (units := kernel_u.shape[1] // _gates(kernel_w, kernel_u))
    return np.concatenate([kernel_w, np.tile(np.eye(units, dtype=kernel_u.dtype), gates) * kernel_u])
