"""Keras's activations → ours, by version."""

from typing import Any

from rnnspec.activations import Activation, Celu, Elu, HardShrink, HardSigmoid, LeakyRelu, SoftShrink, ThresholdedRelu
from rnnspec.convert.keras.saved import ACTIVATIONS, Saved, read_config
from rnnspec.convert.keras.version import Version
from rnnspec.errors import UnsupportedError

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


def activation(value: Any, version: Version, where: str) -> Activation:
    """What the field `activation` of a configuration means: a name, null for linear, or a layer as JSON.

    Sources: keras/activations.py (Keras 2), keras/src/activations/activations.py (Keras 3).

    Raises:
        UnsupportedError: ours has no such function, or it is code.
    """
    if value is None:
        return "linear"
    if isinstance(value, str):
        known = _BOTH | {"hard_sigmoid": HardSigmoid(alpha=version.hard_slope, beta=0.5)}
        known |= _KERAS_3 if version.major == 3 else {}
        if value not in known:
            raise UnsupportedError(f"{where}: activation {value!r} has no equal here; there are {', '.join(known)}")
        return known[value]
    if isinstance(value, dict) and value.get("class_name") == "function":
        raise UnsupportedError(f"{where}: activation {value.get('config')!r} is code of its own, which is never run")
    layer = read_config(value, where)
    if layer.kind not in ACTIVATIONS:
        raise UnsupportedError(f"{layer.where}: is no activation that has an equal here")
    return of_layer(layer, version)


def of_layer(layer: Saved, version: Version) -> Activation:
    """The function of an activation layer, `ACTIVATIONS`. Defaults: keras/layers/activation (2), …/activations (3).

    Raises:
        UnsupportedError: ours has no such function.
    """
    number, where = (int, float), layer.where
    if layer.kind == "Activation":
        return activation(layer.config.get("activation"), version, where)
    if layer.kind == "LeakyReLU":
        return LeakyRelu(alpha=layer.get("negative_slope", number, layer.get("alpha", number, 0.3)))
    if layer.kind == "ELU":
        return Elu(alpha=layer.get("alpha", number, 1.0))
    if layer.kind == "ThresholdedReLU":
        return ThresholdedRelu(alpha=layer.get("theta", number, 1.0))
    if layer.kind == "Softmax":
        if layer.config.get("axis", -1) not in (-1, 2):
            raise UnsupportedError(f"{where}: over axis {layer.config['axis']}; only over features is there an equal")
        return "softmax"
    limit, slope, threshold = (layer.config.get(name) for name in ("max_value", "negative_slope", "threshold"))
    if threshold or (limit is not None and (slope or limit != 6)):
        raise UnsupportedError(
            f"{where}: max_value={limit}, negative_slope={slope}, threshold={threshold} together have no equal here"
        )
    if limit is not None:
        return "relu6"
    return LeakyRelu(alpha=layer.get("negative_slope", number)) if slope else "relu"
