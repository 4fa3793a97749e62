"""What cuDNN means by its weights, as `CuDNNLSTM` and `CuDNNGRU` of Keras 2 keep them.

Columns of the kernels as in Keras, i, f, c, o and z, r, h, but each gate's matrix is cuDNN's, by rows, in the place of
its columns (keras/saving/hdf5_format.py, `_convert_rnn_weights`). The bias `(2 · gates · units,)` has the input's, then
the recurrence's; both are applied. The GRU resets after the product. σ and tanh cannot be changed.
"""

from typing import Any

import numpy as np

from rnnspec.conventions import keras
from rnnspec.conventions.gates import Arrays, Part

DEFAULTS = {"activation": "tanh", "recurrent_activation": "sigmoid", "reset_after": True}


class LSTM:
    """`CuDNNLSTM`."""

    @staticmethod
    def to_ours(kernel: np.ndarray, recurrent_kernel: np.ndarray, bias: np.ndarray, **options: Any) -> Part:
        kernel, recurrent_kernel = _by_columns(kernel, 4), _by_columns(recurrent_kernel, 4)
        return keras.LSTM.to_ours(kernel, recurrent_kernel, bias.reshape(2, -1).sum(0), **options)

    @staticmethod
    def to_theirs(weights: Arrays) -> Arrays:
        arrays = keras.LSTM.to_theirs(weights)
        return _to_theirs(arrays | {"bias": np.stack([arrays["bias"], np.zeros_like(arrays["bias"])])}, 4)


class GRU:
    """`CuDNNGRU`."""

    @staticmethod
    def to_ours(kernel: np.ndarray, recurrent_kernel: np.ndarray, bias: np.ndarray, **options: Any) -> Part:
        kernel, recurrent_kernel = _by_columns(kernel, 3), _by_columns(recurrent_kernel, 3)
        return keras.GRU.to_ours(kernel, recurrent_kernel, bias.reshape(2, -1), **options)

    @staticmethod
    def to_theirs(weights: Arrays) -> Arrays:
        return _to_theirs(keras.GRU.to_theirs(weights), 3)


def _by_columns(matrices: np.ndarray, gates: int) -> np.ndarray:
    """Matrices (units, inputs), that hold the numbers of (inputs, units) column by column → (inputs, gates · units)."""
    units = matrices.shape[1] // gates
    return np.hstack([m.ravel().reshape(units, -1).T for m in np.split(matrices, gates, axis=1)])


def _by_rows(columns: np.ndarray, gates: int) -> np.ndarray:
    """The way back."""
    return np.hstack([m.T.ravel().reshape(m.shape) for m in np.split(columns, gates, axis=1)])


def _to_theirs(arrays: Arrays, gates: int) -> Arrays:
    kernels = {name: _by_rows(arrays[name], gates) for name in ("kernel", "recurrent_kernel")}
    return kernels | {"bias": arrays["bias"].ravel()}
