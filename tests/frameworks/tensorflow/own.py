"""Arguments for Keras's own layers, and a comparison of them with ours."""

from collections.abc import Callable, Sequence
from typing import Any

import keras
import tensorflow as tf

import rnnspec.backends.tensorflow as backend
from rnnspec.conformance.case import Case

from ..agreement import assert_right

Tensors = dict[str, tf.Tensor]


def apply(layer: keras.Layer, weights: Sequence[tf.Tensor], *inputs: Any, **options: Any) -> tf.Tensor:
    """A layer of Keras with these in place of its `weights`, in their order, so that gradients reach them."""
    if not layer.built:
        layer(*inputs, **options)
    trained = len(layer.trainable_variables)  # which come first
    return layer.stateless_call(weights[:trained], weights[trained:], *inputs, **options)[0]


def assert_agree(
    case: Case, dtype: str, theirs: Callable[[Tensors, Tensors], tf.Tensor], rounded: Sequence[str] = ()
) -> None:
    """The specification's results and gradients are Keras's and the backend's.

    `theirs`: what Keras computes of the weights, without the name of a layer `l`, and of the inputs. `rounded`: as in
    `assert_right`.
    """
    p = {name: tf.constant(array, dtype) for name, array in case.weights.items()}
    x = {name: tf.constant(case.inputs[name], dtype if of.features else None) for name, of in case.model.given.items()}
    arguments = [(p | x)[name] for name in case.gradients]
    with tf.GradientTape() as tape:
        tape.watch(arguments)
        y = theirs({name.removeprefix("l."): tensor for name, tensor in p.items()}, x)
    found = tape.gradient(y, arguments, tf.constant(case.cotangents["y"], dtype))
    gradients = dict(zip(case.gradients, map(tf.convert_to_tensor, found), strict=True))
    assert_right("Keras", case, dtype, {"y": y}, gradients, rounded)
    ours = backend.vjp(backend.load(case.checkpoint, dtype=dtype), case.cotangents, **case.call, training=case.training)
    assert_right("ours", case, dtype, *ours)
