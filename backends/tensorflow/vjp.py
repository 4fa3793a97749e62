"""Gradients by name, for whoever does not write a training loop (CONF-4)."""

from collections.abc import Mapping

import tensorflow as tf
from numpy.typing import ArrayLike

from rnnspec import inputs
from rnnspec.backends.tensorflow.module import Net


def vjp(
    net: Net,
    cotangents: Mapping,
    x: tf.Tensor | ArrayLike,
    lengths: tf.Tensor | ArrayLike | None = None,
    mask: tf.Tensor | ArrayLike | None = None,
    state: Mapping[str, tf.Tensor | ArrayLike] | None = None,
    reset: tf.Tensor | ArrayLike | None = None,
    training: bool = False,
) -> tuple[dict[str, tf.Tensor], dict[str, tf.Tensor]]:
    """The results, y and final states by name, and the gradients of Σ cotangent ⊙ result over all results.

    Gradients are with respect to every weight, x where it is floating, and every given state, by name.

    Args:
        cotangents: result name → array of its shape; a result without one counts as 0.
        training: whether the call draws noise.
    """
    arguments = dict(zip(net.model.parameters(), net.trainable_variables, strict=True))
    x = inputs.numbers(x)
    if x.dtype.kind == "f":
        arguments["x"] = x = tf.constant(x.astype(net.dtype))
    start = {name: tf.constant(inputs.numbers(v, name).astype(net.dtype)) for name, v in (state or {}).items()}
    pulled = {name: tf.constant(inputs.numbers(v, name).astype(net.dtype)) for name, v in cotangents.items()}
    arguments |= start
    with tf.GradientTape() as tape:
        tape.watch([arguments[name] for name in ("x", *start) if name in arguments])
        y, new = net(x, lengths, mask, start or None, reset, training=training)
        results = {**net.model.named(y), **new}
    inputs.check_cotangents(*({name: tuple(a.shape) for name, a in arrays.items()} for arrays in (results, pulled)))
    gradients = tape.gradient(
        [results[name] for name in pulled],
        [getattr(value, "value", value) for value in arguments.values()],
        list(pulled.values()),
        unconnected_gradients=tf.UnconnectedGradients.ZERO,
    )
    return results, {name: tf.convert_to_tensor(g) for name, g in zip(arguments, gradients, strict=True)}
