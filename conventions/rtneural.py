"""What RTNeural means by its JSON (python/model_utils.py, RTNeural/model_loader.h, RTNeural/activation; 1fb1f07).

Arrays are Keras's (`rnnspec.conventions.keras`): an LSTM has σ and tanh, a GRU resets after the product, whatever their
"activation" says. A dense layer may be without a bias, a batch norm without γ and β. A convolution, kernel
(width, inputs / groups, units), is causal.
"""

from typing import Any

import numpy as np

from rnnspec.activations import Elu

ACTIVATIONS: dict[str, Any] = {
    "": "linear",
    "tanh": "tanh",
    "relu": "relu",
    "sigmoid": "sigmoid",
    "softmax": "softmax",
    "elu": "elu",
}


def name_of(activation: Any) -> str | None:
    """What RTNeural calls an activation of ours; None where it has none of this name, or not with these parameters."""
    known = ACTIVATIONS | {"elu": Elu(alpha=1.0)}
    return next((name for name, ours in (*ACTIVATIONS.items(), *known.items()) if ours == activation), None)


def conv1d(kernel: np.ndarray) -> np.ndarray:
    """Theirs → ours: (units, width, inputs / groups)."""
    return kernel.transpose(2, 0, 1)


def to_conv1d(kernel: np.ndarray) -> np.ndarray:
    """Ours → theirs."""
    return kernel.transpose(1, 2, 0)
