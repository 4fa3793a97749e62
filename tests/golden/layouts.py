"""Each framework's layout of a cell's weights → ours, by hand.

Every function takes the framework's arrays and returns the cell with its weights by our names. Its docstring states the
framework's layout and where that is written down.
"""

import numpy as np

from rnnspec import GRU, LSTM, RNN, Cell

Part = tuple[Cell, dict[str, np.ndarray]]


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
    """`CoupledInputForgetGateLSTMCell.call` (contrib/rnn/python/ops/rnn_cell.py): columns j, f, o; i = 1 − σ(f + 1).

    1 − σ(f) = σ(−f), so the input gate is the forget gate with its sign turned.
    """
    j, f, o = by_gate(kernel, (0, 1, 2))
    b_j, b_f, b_o = by_gate(bias, (0, 1, 2))
    weights = rows_x_h(np.stack([-f, f, j, o])) | {"bias": np.stack([-b_f - 1, b_f + 1, b_j, b_o])}
    return LSTM(units=b_j.size), weights


def diagonal(kernel_w, kernel_u, gates=1):
    """`IndRNNCell`, `IndyLSTMCell`, `IndyGRUCell` (contrib/rnn/python/ops/rnn_cell.py): kernel_u (1, gates·units) ⊙ h.

    → the kernel (inputs + units, gates·units) that multiplies h by diagonal matrices.
    """
    units = kernel_u.shape[1] // gates
    return np.concatenate([kernel_w, np.tile(np.eye(units, dtype=kernel_u.dtype), gates) * kernel_u])


# Keras 2 and 3: keras/src/layers/rnn/{simple_rnn,lstm,gru}.py


def rnn_from_keras(kernel, recurrent_kernel, bias=None, activation="tanh") -> Part:
    """`SimpleRNNCell.call`: kernel (inputs, units), recurrent_kernel (units, units), bias (units,)."""
    weights = {"kernel": kernel.T[None], "recurrent_kernel": recurrent_kernel.T[None]}
    has_bias, weights = biased(weights, None if bias is None else bias[None])
    return RNN(units=len(recurrent_kernel), activation=activation, bias=has_bias), weights


def lstm_from_keras(kernel, recurrent_kernel, bias=None) -> Part:
    """`LSTMCell.call`: columns i, f, c, o; the unit forget bias is in the saved bias."""
    order = (0, 1, 2, 3)
    weights = {"kernel": by_gate(kernel, order), "recurrent_kernel": by_gate(recurrent_kernel, order)}
    has_bias, weights = biased(weights, None if bias is None else by_gate(bias, order))
    return LSTM(units=len(recurrent_kernel), bias=has_bias), weights


def gru_from_keras(kernel, recurrent_kernel, bias=None, reset_after=None) -> Part:
    """`GRUCell.call`: columns z, r, h; bias (3·units,) if reset before, (2, 3·units) [input, recurrent] if after."""
    order = (1, 0, 2)
    weights = {"kernel": by_gate(kernel, order), "recurrent_kernel": by_gate(recurrent_kernel, order)}
    if bias is not None:
        reset_after = bias.ndim == 2
        weights["bias"] = by_gate(bias[0] if reset_after else bias, order)
        if reset_after:
            weights["bias"][:2] += by_gate(bias[1], order)[:2]
            weights["recurrent_bias"] = bias[1][-len(recurrent_kernel) :]
    return GRU(units=len(recurrent_kernel), reset_after=reset_after, bias=bias is not None), weights


def from_keras_cudnn(kernel, recurrent_kernel, bias) -> Part:
    """`CuDNNLSTM`, `CuDNNGRU`: cuDNN's matrices as columns, bias [input, recurrent] (keras/saving/hdf5_format.py,
    `_convert_rnn_weights`): 8·units of it for an LSTM, 6·units for a GRU.
    """
    units = len(recurrent_kernel)
    gates = kernel.shape[1] // units
    bias = bias.reshape(2, -1)

    def turned(matrices):
        return np.hstack([m.ravel().reshape(units, -1).T for m in np.split(matrices, gates, axis=1)])

    if gates == 4:
        return lstm_from_keras(turned(kernel), turned(recurrent_kernel), bias.sum(0))
    return gru_from_keras(turned(kernel), turned(recurrent_kernel), bias)


# PyTorch: torch/nn/modules/rnn.py


def rnn_from_torch(w_ih, w_hh, b_ih=None, b_hh=None, activation="tanh") -> Part:
    """`nn.RNN`: weight_ih (units, inputs), weight_hh (units, units), two biases, both applied."""
    return rnn_from_keras(w_ih.T, w_hh.T, None if b_ih is None else b_ih + b_hh, activation)


def lstm_from_torch(w_ih, w_hh, b_ih=None, b_hh=None) -> Part:
    """`nn.LSTM`: rows i, f, g, o; two biases, both applied; nothing added to f."""
    return lstm_from_keras(w_ih.T, w_hh.T, None if b_ih is None else b_ih + b_hh)


def gru_from_torch(w_ih, w_hh, b_ih=None, b_hh=None) -> Part:
    """`nn.GRU`: rows r, z, n; n = tanh(W_in x + b_in + r ⊙ (W_hn h + b_hn)); z keeps the old state."""
    order = (0, 1, 2)
    weights = {"kernel": by_gate(w_ih.T, order), "recurrent_kernel": by_gate(w_hh.T, order)}
    if b_ih is not None:
        weights |= {"bias": by_gate(b_ih, order), "recurrent_bias": b_hh[-w_hh.shape[1] :]}
        weights["bias"][:2] += by_gate(b_hh, order)[:2]
    return GRU(units=w_hh.shape[1], reset_after=True, bias=b_ih is not None), weights
