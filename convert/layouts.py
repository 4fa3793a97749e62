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


def ln_rnn_from_keras(norm, rnn, epsilon=1e-3, activation="tanh") -> Part:
    """Géron's `LNSimpleRNNCell`: `LayerNormalization` [γ, β] of what `SimpleRNNCell` [kernel, …] gives, then φ."""
    _, weights = rnn_from_keras(*rnn)
    joint = LayerNorm(gates="joint", over="gate", epsilon=epsilon)
    weights |= {"gates_gamma": norm[0][None], "gates_beta": norm[1][None]}
    return RNN(units=len(rnn[1]), bias="bias" in weights, activation=activation, layer_norm=joint), weights


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


def from_keras_cudnn(kernel, recurrent_kernel, bias, **options) -> Part:
    """`CuDNNLSTM`, `CuDNNGRU`: cuDNN's matrices as columns, bias [input, recurrent] (keras/saving/hdf5_format.py,
    `_convert_rnn_weights`): 8·units of it for an LSTM, 6·units for a GRU.
    """
    units = len(recurrent_kernel)
    gates = kernel.shape[1] // units
    bias = bias.reshape(2, -1)

    def turned(matrices):
        return np.hstack([m.ravel().reshape(units, -1).T for m in np.split(matrices, gates, axis=1)])

    if gates == 4:
        return lstm_from_keras(turned(kernel), turned(recurrent_kernel), bias.sum(0), **options)
    return gru_from_keras(turned(kernel), turned(recurrent_kernel), bias, **options)
