"""Gradients by name, for whoever does not write a training loop (CONF-4)."""

from collections.abc import Mapping
from typing import Any

import tensorflow as tf
from numpy.typing import ArrayLike

from rnnspec import inputs
from rnnspec.backends.tensorflow.module import Net


def vjp(
    net: Net,
    cotangents: Mapping,
    x: Any,
    lengths: Any = None,
    mask: Any = None,
    state: Mapping[str, tf.Tensor | ArrayLike] | None = None,
    reset: Any = None,
    training: bool = False,
) -> tuple[dict[str, tf.Tensor], dict[str, tf.Tensor]]:
    """The results, outputs and final states by name, and the gradients of Σ cotangent ⊙ result over all results.

    Gradients are with respect to every weight that is no statistic, every input that is floating, and every given
    state, by name; the input of a model whose inputs have no names is "x".

    Args:
        cotangents: result name → array of its shape; a result without one counts as 0.
        x, lengths, mask, reset: arrays, or mappings by the names of the inputs, as the network takes them.
        training: whether the call draws noise.
    """
    model = net.model
    arguments = {name: v for name, v in zip(net.names, net.weights, strict=True) if name not in model.fixed}
    values = inputs.check_mapping("x", x, model.given, model.given) if model.by_name else {"x": x}
    floating = {name: _constant(net, name, v) for name, v in values.items() if model.given[name].features is not None}
    start = {name: _constant(net, name, value) for name, value in (state or {}).items()}
    pulled = {name: _constant(net, name, value) for name, value in cotangents.items()}
    arguments |= floating | start
    values |= floating
    with tf.GradientTape() as tape:
        tape.watch([*floating.values(), *start.values()])
        x = values if model.by_name else values["x"]
        y, new = net(x, lengths, mask, start or None, reset, training=training)
        results = {**model.named(y), **new}
    inputs.check_cotangents(*({name: tuple(a.shape) for name, a in arrays.items()} for arrays in (results, pulled)))
    gradients = tape.gradient(
        [results[name] for name in pulled],
        [getattr(value, "value", value) for value in arguments.values()],
        list(pulled.values()),
        unconnected_gradients=tf.UnconnectedGradients.ZERO,
    )
    return results, {name: tf.convert_to_tensor(g) for name, g in zip(arguments, gradients, strict=True)}


def _constant(net: Net, name: str, value: Any) -> tf.Tensor:
    return tf.constant(inputs.numbers(value, name).astype(net.dtype))
