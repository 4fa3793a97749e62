"""What Haiku means by the parameters of its cores (0.0.17: haiku/_src/recurrent.py).

| core         | columns | parameters                                                                             |
|--------------|---------|----------------------------------------------------------------------------------------|
| `VanillaRNN` | one     | `linear` of x and `linear_1` of h, w (inputs, units) and b each; relu                  |
| `LSTM`       | i g f o | `linear` of [x, h], w (inputs + units, 4 · units); 1 is added to f at run time         |
| `GRU`        | z r a   | `w_i`, `w_h`, `b`; a = tanh(x W + (r ⊙ h) U + b), and h' = (1 − z) ⊙ h + z ⊙ a: z turned |

Where z turns the other way, so do its weights: 1 − σ(x) = σ(−x).
"""

import numpy as np

from rnnspec import cells
from rnnspec.conventions import tf1
from rnnspec.conventions.gates import Arrays, Part, columns


class VanillaRNN:
    """`VanillaRNN`."""

    gates = columns(cells.RNN.gates, h="hidden")

    @classmethod
    def to_ours(cls, i_w: np.ndarray, h_w: np.ndarray, i_b: np.ndarray, h_b: np.ndarray) -> Part:
        weights = cls.gates.kernels(i_w, h_w) | {"bias": cls.gates.to_ours(i_b + h_b)}
        return cells.RNN(units=len(h_w), activation="relu"), weights

    @classmethod
    def to_theirs(cls, weights: Arrays) -> Arrays:
        i_w, h_w, i_b = (cls.gates.to_theirs(weights[name]) for name in ("kernel", "recurrent_kernel", "bias"))
        return {"i_w": i_w, "h_w": h_w, "i_b": i_b, "h_b": np.zeros_like(i_b)}


class LSTM:
    """`LSTM`, which is TensorFlow 1's `BasicLSTMCell`."""

    @staticmethod
    def to_ours(w: np.ndarray, b: np.ndarray) -> Part:
        return tf1.LSTM.to_ours(w, b)

    @staticmethod
    def to_theirs(weights: Arrays) -> Arrays:
        theirs = tf1.LSTM.to_theirs(weights)
        return {"w": theirs["kernel"], "b": theirs["bias"]}


class GRU:
    """`GRU`."""

    gates = columns(cells.GRU.gates, z="update", r="reset", a="new")

    @classmethod
    def to_ours(cls, w_i: np.ndarray, w_h: np.ndarray, b: np.ndarray) -> Part:
        weights = cls.gates.kernels(w_i, w_h) | {"bias": cls.gates.to_ours(b)}
        return cells.GRU(units=len(w_h), reset_after=False), _turned(weights)

    @classmethod
    def to_theirs(cls, weights: Arrays) -> Arrays:
        names = {"w_i": "kernel", "w_h": "recurrent_kernel", "b": "bias"}
        turned = _turned(weights)
        return {theirs: cls.gates.to_theirs(turned[ours]) for theirs, ours in names.items()}


def _turned(weights: Arrays) -> Arrays:
    sign = np.array([-1 if gate == "update" else 1 for gate in cells.GRU.gates])
    return {
        name: array * sign.reshape(-1, *[1] * (array.ndim - 1)).astype(array.dtype) for name, array in weights.items()
    }
