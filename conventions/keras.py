"""What Keras means by its recurrent layers, by version (keras/src/layers/rnn/{simple_rnn,lstm,gru}.py in Keras 3,
keras/layers/recurrent{,_v2}.py in Keras 2).

| layer       | columns | what it computes                                                                  |
|-------------|---------|-----------------------------------------------------------------------------------|
| `SimpleRNN` | h       | h' = φ(x W + h R + b)                                                             |
| `LSTM`      | i f c o | the unit forget bias is in the saved bias; nothing is added at run time           |
| `GRU`       | z r h   | z keeps the old state; `reset_after` decides where r stands, and how many biases  |

`kernel (inputs, gates · units)`, `recurrent_kernel (units, gates · units)`, `bias (gates · units,)`; of a GRU with
`reset_after` `(2, gates · units)`, the input's and the recurrence's, both applied: ours is their sum, but for h, where
the reset scales the second, `recurrent_bias`.

| default                | before 2.3   | Keras 2.3    | 2.3.0-tf, 2.4 … | Keras 3     |
|------------------------|--------------|--------------|-----------------|-------------|
| `activation`           | tanh         | tanh         | tanh            | tanh        |
| `recurrent_activation` | hard_sigmoid | sigmoid      | sigmoid         | sigmoid     |
| GRU's `reset_after`    | false        | false        | true            | true        |
| `hard_sigmoid`         | 0.2 x + 0.5  | 0.2 x + 0.5  | 0.2 x + 0.5     | x / 6 + 0.5 |
"""

import re
from typing import Any, ClassVar, NamedTuple, Self

import numpy as np

from rnnspec import cells
from rnnspec.activations import Activation, Celu, Elu, HardShrink, HardSigmoid, LeakyRelu, SoftShrink
from rnnspec.cells import LayerNorm
from rnnspec.conventions.gates import LSTM_GATES, Arrays, Gates, Part, added, columns, parted
from rnnspec.errors import SpecError


class Version(NamedTuple):
    """A version of Keras: `(2, 2, True)` is 2.2.4-tf, the Keras inside TensorFlow 1.13 to 2.1."""

    major: int
    minor: int
    tensorflow: bool = False

    @classmethod
    def parse(cls, text: str, where: str) -> Self:
        """`2.2.4-tf`, `3.15.1`. Raises SpecError where it is neither Keras 2 nor Keras 3."""
        match = re.match(r"(\d+)\.(\d+)", text)
        if match is None or match[1] not in ("2", "3"):
            raise SpecError(f"{where}: written by Keras {text!r}; expected 2.x or 3.x: save it anew with one of these")
        return cls(int(match[1]), int(match[2]), text.endswith("-tf"))

    @property
    def gate_activation(self) -> str:
        """The default of `recurrent_activation` (changed in Keras 2.3)."""
        return "hard_sigmoid" if self[:2] < (2, 3) else "sigmoid"

    @property
    def reset_after(self) -> bool:
        """GRU's default (changed in TensorFlow 2; the separate Keras 2.3 kept the old one)."""
        return self[:2] >= (2, 4) or (self[:2] == (2, 3) and self.tensorflow)

    @property
    def zero_in_bidirectional(self) -> bool:
        """Whether `Bidirectional` makes masked outputs zero (tf.keras since TensorFlow 1.14)."""
        return self[:2] >= (2, 4) or (self[:2] >= (2, 2) and self.tensorflow)

    @property
    def holds_state(self) -> bool:
        """Whether a masked step gives the first state, not the output before (changed in Keras 2.3, and tf.keras)."""
        return self[:2] < (2, 3) and not self.tensorflow

    @property
    def hard_sigmoid(self) -> HardSigmoid:
        """`hard_sigmoid`, whose slope changed in Keras 3."""
        return HardSigmoid(alpha=0.2 if self.major == 2 else 1 / 6, beta=0.5)


ACTIVATION: Any = "tanh"  # of every cell
KERAS_2, KERAS_3 = Version(2, 15), Version(3, 0)


class _Layer:
    gates: ClassVar[Gates]

    @classmethod
    def to_theirs(cls, weights: Arrays) -> Arrays:
        names = [name for name in ("kernel", "recurrent_kernel", "bias") if name in weights]
        arrays: Arrays = {name: cls.gates.to_theirs(weights[name]) for name in names}
        if "recurrent_bias" in weights:
            arrays["bias"] = np.stack([cls.gates.to_theirs(bias) for bias in parted(weights)])
        return arrays


class SimpleRNN(_Layer):
    """`SimpleRNN`, `SimpleRNNCell`."""

    gates = columns(cells.RNN.gates, h="hidden")
    activations: ClassVar = {"activation": "activation"}  # their argument → ours

    @classmethod
    def to_ours(
        cls,
        kernel: np.ndarray,
        recurrent_kernel: np.ndarray,
        bias: np.ndarray | None = None,
        activation: Activation = ACTIVATION,
    ) -> Part:
        weights = cls.gates.kernels(kernel, recurrent_kernel) | _bias(cls.gates, bias)
        return cells.RNN(units=len(recurrent_kernel), activation=activation, bias=bias is not None), weights


class LSTM(_Layer):
    """`LSTM`, `LSTMCell`."""

    gates = columns(LSTM_GATES, i="input", f="forget", c="cell", o="output")
    activations: ClassVar = {"activation": "cell_activation", "recurrent_activation": "gate_activation"}  # ψ is φ

    @classmethod
    def to_ours(
        cls, kernel: np.ndarray, recurrent_kernel: np.ndarray, bias: np.ndarray | None = None, **options: Any
    ) -> Part:
        weights = cls.gates.kernels(kernel, recurrent_kernel) | _bias(cls.gates, bias)
        return cells.LSTM(units=len(recurrent_kernel), bias=bias is not None, **options), weights


class GRU(_Layer):
    """`GRU`, `GRUCell`. A bias says by its axes whether there is `reset_after`; without one `reset_after` is needed."""

    gates = columns(cells.GRU.gates, z="update", r="reset", h="new")
    activations: ClassVar = {"activation": "activation", "recurrent_activation": "gate_activation"}

    @classmethod
    def to_ours(
        cls,
        kernel: np.ndarray,
        recurrent_kernel: np.ndarray,
        bias: np.ndarray | None = None,
        reset_after: Any = None,
        **options: Any,
    ) -> Part:
        reset_after = reset_after if bias is None else bias.ndim == 2
        weights = cls.gates.kernels(kernel, recurrent_kernel)
        weights |= _both(cls.gates, bias) if bias is not None and reset_after else _bias(cls.gates, bias)
        cell = cells.GRU(units=len(recurrent_kernel), reset_after=reset_after, bias=bias is not None, **options)
        return cell, weights


class LNSimpleRNN:
    """`LNSimpleRNNCell` (Géron, Hands-On Machine Learning, chapter 15): `SimpleRNNCell` without an activation, then
    `LayerNormalization` [γ, β], then φ."""

    @staticmethod
    def to_ours(
        gamma: np.ndarray,
        beta: np.ndarray,
        kernel: np.ndarray,
        recurrent_kernel: np.ndarray,
        bias: np.ndarray | None = None,
        *,
        epsilon: Any = 1e-3,
        activation: Any = ACTIVATION,
    ) -> Part:
        _, weights = SimpleRNN.to_ours(kernel, recurrent_kernel, bias)
        weights |= {"gates_gamma": gamma[None], "gates_beta": beta[None]}
        norm = LayerNorm(gates="joint", over="gate", epsilon=epsilon)
        units, biased = len(recurrent_kernel), bias is not None
        return cells.RNN(units=units, bias=biased, activation=activation, layer_norm=norm), weights

    @staticmethod
    def to_theirs(weights: Arrays) -> Arrays:
        norm = {"gamma": weights["gates_gamma"][0], "beta": weights["gates_beta"][0]}
        return norm | SimpleRNN.to_theirs(weights)


CELLS: dict[type, type[SimpleRNN | LSTM | GRU]] = {cells.RNN: SimpleRNN, cells.LSTM: LSTM, cells.GRU: GRU}


def _bias(gates: Gates, bias: np.ndarray | None) -> Arrays:
    return {} if bias is None else {"bias": gates.to_ours(bias)}


def _both(gates: Gates, biases: np.ndarray) -> Arrays:
    of_input, of_recurrence = biases
    return added(gates.to_ours(of_input), gates.to_ours(of_recurrence), reset_after=True)


_BOTH: dict[str, Activation] = {  # the same in Keras 2 and Keras 3
    "linear": "linear",
    "tanh": "tanh",
    "sigmoid": "sigmoid",
    "relu": "relu",
    "softmax": "softmax",
    "softplus": "softplus",
    "softsign": "softsign",
    "exponential": "exponential",
    "elu": "elu",
    "selu": "selu",
    "gelu": "gelu",
    "swish": "silu",
    "mish": "mish",
}
_KERAS_3: dict[str, Activation] = {
    "silu": "silu",
    "hard_silu": "hard_silu",
    "hard_swish": "hard_silu",
    "relu6": "relu6",
    "leaky_relu": LeakyRelu(alpha=0.2),
    "celu": Celu(alpha=1.0),
    "hard_tanh": "hard_tanh",
    "tanh_shrink": "tanh_shrink",
    "log_sigmoid": "log_sigmoid",
    "log_softmax": "log_softmax",
    "sparse_plus": "sparse_plus",
    "sparse_sigmoid": "sparse_sigmoid",
    "hard_shrink": HardShrink(alpha=0.5),
    "soft_shrink": SoftShrink(alpha=0.5),
}
# Activation layers with a number → its default (keras/layers/activation in Keras 2, …/activations in Keras 3).
LAYERS = {"LeakyReLU": 0.3, "ELU": 1.0, "ThresholdedReLU": 1.0}


FUNCTIONS: dict[str, Activation] = {  # operations of Keras 3 (keras/src/ops/nn.py), by the names of their classes
    "Tanh": "tanh",
    "Sigmoid": "sigmoid",
    "Relu": "relu",
    "Softplus": "softplus",
    "Silu": "silu",
    "Gelu": "gelu",
}


def activations(version: Version) -> dict[str, Activation]:
    """Keras's names → ours (keras/activations.py in Keras 2, keras/src/activations/activations.py in Keras 3)."""
    return _BOTH | {"hard_sigmoid": version.hard_sigmoid} | (_KERAS_3 if version.major == 3 else {})


def name_of(activation: Any) -> str | None:
    """What Keras 3 calls an activation of ours; None where it has none of this name, or not with these parameters."""
    known = activations(KERAS_3) | {"elu": Elu(alpha=1.0)}
    if isinstance(activation, str):
        return activation if activation in known else None
    return next((name for name, ours in known.items() if ours == activation), None)


def conv1d(kernel: np.ndarray) -> np.ndarray:
    """Our `kernel (units, width, inputs / groups)` → that of `Conv1D`, (width, inputs / groups, units)."""
    return kernel.transpose(1, 2, 0)
