"""Keras's activations → ours, by version."""

from typing import Any

from rnnspec.activations import Activation, Elu, LeakyRelu, ThresholdedRelu
from rnnspec.conventions.keras import LAYERS, Version, activations
from rnnspec.convert.keras.saved import ACTIVATIONS, Saved, read_config
from rnnspec.errors import UnsupportedError


def activation(value: Any, version: Version, where: str) -> Activation:
    """What the field `activation` of a configuration means: a name, null for linear, or a layer as JSON.

    Raises:
        UnsupportedError: ours has no such function, or it is code.
    """
    if value is None:
        return "linear"
    if isinstance(value, str):
        known = activations(version)
        if value not in known:
            raise UnsupportedError(f"{where}: activation {value!r} has no equal here; there are {', '.join(known)}")
        return known[value]
    if isinstance(value, dict) and value.get("class_name") == "function":
        raise UnsupportedError(f"{where}: activation {value.get('config')!r} is code of its own, which is never run")
    layer = read_config(value, where)
    if layer.kind not in ACTIVATIONS:
        raise UnsupportedError(f"{layer.where}: {layer.unknown}: it is no activation of Keras's")
    return of_layer(layer, version)


def of_layer(layer: Saved, version: Version) -> Activation:
    """The function of an activation layer, `ACTIVATIONS`.

    Raises:
        UnsupportedError: ours has no such function.
    """
    number, where, default = (int, float), layer.where, LAYERS.get(layer.kind)
    if layer.kind == "Activation":
        return activation(layer.config.get("activation"), version, where)
    if layer.kind == "LeakyReLU":
        return LeakyRelu(alpha=layer.get("negative_slope", number, layer.get("alpha", number, default)))
    if layer.kind == "ELU":
        return Elu(alpha=layer.get("alpha", number, default))
    if layer.kind == "ThresholdedReLU":
        return ThresholdedRelu(alpha=layer.get("theta", number, default))
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
