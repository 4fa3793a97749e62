"""Results with a gradient of their own."""

import weakref
from collections.abc import Callable
from itertools import count

import tensorflow as tf
from tensorflow.python.eager import record  # which `tf.custom_gradient` is made of, and which has no public name

Gradient = Callable[..., list[tf.Tensor | None]]
_NUMBERS = count()


class _Kept:
    """A gradient for as long as its graph is there."""

    def __init__(self, gradient: Gradient) -> None:
        self.gradient = gradient


def recording(tensors: list[tf.Tensor]) -> bool:
    """Whether a tape watches any of them."""
    return record.should_record_backprop(tensors)


def attach(results: list[tf.Tensor], inputs: list[tf.Tensor], gradient: Gradient) -> list[tf.Tensor]:
    """The results, whose gradient is `gradient(*d_results)` → one for each input, or None.

    As `tf.custom_gradient`, which keeps every graph that it was traced in for ever: here TensorFlow's table of
    gradients has a weak reference, and the graph itself has the gradient.
    """
    if tf.executing_eagerly():
        results = [tf.identity(result) for result in results]
        record.record_operation("rnnspec", results, inputs, lambda *d: gradient(*d))
        return results
    everything = [*results, *inputs]
    with tf.compat.v1.get_default_graph().gradient_override_map({"IdentityN": _registered(results, gradient)}):
        named = tf.identity_n(everything)

    def padded(*d):
        return [None] * len(results) + list(gradient(*d[: len(results)]))

    record.record_operation("rnnspec", named, everything, padded)
    return named[: len(results)]


def _registered(results: list[tf.Tensor], gradient: Gradient) -> str:
    """The name under which TensorFlow finds the gradient."""
    kept = _Kept(lambda *d: [None] * len(results) + list(gradient(*d[: len(results)])))
    graph = tf.compat.v1.get_default_graph()
    graph.rnnspec_gradients = [*getattr(graph, "rnnspec_gradients", []), kept]
    # Who asks for the gradient has the graph, and so the reference is alive.
    reference, name = weakref.ref(kept), f"rnnspec-{next(_NUMBERS)}"
    tf.RegisterGradient(name)(lambda _, *d: reference().gradient(*d))  # type: ignore[union-attr]
    return name
