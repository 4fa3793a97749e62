"""Each framework's layout of a cell's weights → ours, by hand.

Every function takes the framework's arrays and returns the cell with its weights by our names. Its docstring states the
framework's layout and where that is written down.
"""

import numpy as np

from rnnspec import GRU, LSTM, RNN, Cell, LayerNorm

Part = tuple[Cell, dict[str, np.ndarray]]


def by_gate(columns, order):
    """Gates side by side in the last axis, (rows, gates·units) → (gates, units, rows), in `order`; a bias likewise."""
    blocks = np.split(columns, len(order), axis=-1)
    return np.stack([blocks[k].T for k in order])


def biased(weights, bias) -> tuple[bool, dict[str, np.ndarray]]:
    """Whether there is a bias, and the weights with it."""
    return (False, weights) if bias is None else (True, weights | {"bias": bias})


# Keras 2 and 3: keras/src/layers/rnn/{simple_rnn,lstm,gru}.py


def rnn_from_keras(kernel, recurrent_kernel, bias=None, activation="tanh") -> Part:
    """`SimpleRNNCell.call`: kernel (inputs, units), recurrent_kernel (units, units), bias (units,)."""
    weights = {"kernel": kernel.T[None], "recurrent_kernel": recurrent_kernel.T[None]}
    has_bias, weights = biased(weights, None if bias is None else bias[None])
    return RNN(units=len(recurrent_kernel), activation=activation, bias=has_bias), weights


def ln_rnn_from_keras(norm, rnn) -> Part:
    """Géron's `LNSimpleRNNCell`: `LayerNormalization` [γ, β] of what `SimpleRNNCell` [kernel, …] gives, then tanh."""
    cell, weights = rnn_from_keras(*rnn)
    joint = LayerNorm(gates="joint", over="gate", epsilon=1e-3)
    return RNN(units=cell.units, layer_norm=joint), weights | {
        "gates_gamma": norm[0][None],
        "gates_beta": norm[1][None],
    }


def lstm_from_keras(kernel, recurrent_kernel, bias=None, **options) -> Part:
    """`LSTMCell.call`: columns i, f, c, o; the unit forget bias is in the saved bias."""
    order = (0, 1, 2, 3)
    weights = {"kernel": by_gate(kernel, order), "recurrent_kernel": by_gate(recurrent_kernel, order)}
    has_bias, weights = biased(weights, None if bias is None else by_gate(bias, order))
    return LSTM(units=kernel.shape[1] // 4, bias=has_bias, **options), weights


def gru_from_keras(kernel, recurrent_kernel, bias=None, reset_after=None, **options) -> Part:
    """`GRUCell.call`: columns z, r, h; bias (3·units,) if reset before, (2, 3·units) [input, recurrent] if after."""
    order = (1, 0, 2)
    weights = {"kernel": by_gate(kernel, order), "recurrent_kernel": by_gate(recurrent_kernel, order)}
    if bias is not None:
        reset_after = bias.ndim == 2
        weights["bias"] = by_gate(bias[0] if reset_after else bias, order)
        if reset_after:
            weights["bias"][:2] += by_gate(bias[1], order)[:2]
            weights["recurrent_bias"] = bias[1][-len(recurrent_kernel) :]
    return GRU(units=len(recurrent_kernel), reset_after=reset_after, bias=bias is not None, **options), weights


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


def lstm_from_torch(w_ih, w_hh, b_ih=None, b_hh=None, w_hr=None) -> Part:
    """`nn.LSTM`: rows i, f, g, o; two biases, both applied; nothing added to f; weight_hr (proj_size, units)."""
    size = None if w_hr is None else len(w_hr)
    cell, weights = lstm_from_keras(w_ih.T, w_hh.T, None if b_ih is None else b_ih + b_hh, projection=size)
    return cell, weights if w_hr is None else weights | {"projection": w_hr}


def gru_from_torch(w_ih, w_hh, b_ih=None, b_hh=None) -> Part:
    """`nn.GRU`: rows r, z, n; n = tanh(W_in x + b_in + r ⊙ (W_hn h + b_hn)); z keeps the old state."""
    order = (0, 1, 2)
    weights = {"kernel": by_gate(w_ih.T, order), "recurrent_kernel": by_gate(w_hh.T, order)}
    if b_ih is not None:
        weights |= {"bias": by_gate(b_ih, order), "recurrent_bias": b_hh[-w_hh.shape[1] :]}
        weights["bias"][:2] += by_gate(b_hh, order)[:2]
    return GRU(units=w_hh.shape[1], reset_after=True, bias=b_ih is not None), weights


# Flax 0.12: flax/linen/recurrent.py, flax/nnx/nn/recurrent.py; kernels (inputs, units)


def rnn_from_flax(i_kernel, i_bias, h_kernel, activation="tanh", residual=False) -> Part:
    """`SimpleCell`: φ(i(x) + h(h)); with `residual` φ(i(x) + h(h) + h), which is an h kernel plus one."""
    recurrent_kernel = h_kernel + np.eye(len(h_kernel), dtype=h_kernel.dtype) if residual else h_kernel
    return rnn_from_keras(i_kernel, recurrent_kernel, i_bias, activation)


def gru_from_flax(i_kernels, i_biases, h_kernels, h_bias=None) -> Part:
    """`GRUCell`: r, z, n; biases with the input's kernels, and in linen one of h in n; z keeps the old state."""
    weights = {"kernel": by_gate(i_kernels, (0, 1, 2)), "recurrent_kernel": by_gate(h_kernels, (0, 1, 2))}
    bias = by_gate(i_biases, (0, 1, 2))
    h_bias = np.zeros_like(bias[0]) if h_bias is None else h_bias
    return GRU(units=bias.shape[1], reset_after=True), weights | {"bias": bias, "recurrent_bias": h_bias}


def lstm_from_flax(i_kernels, h_kernels, h_biases) -> Part:
    """`LSTMCell`, `OptimizedLSTMCell`: i, f, g, o; biases with the kernels of h; nothing is added to f."""
    return lstm_from_keras(i_kernels, h_kernels, h_biases)
