"""The network as functions of tensors alone."""

from collections.abc import Callable
from dataclasses import dataclass, field

import tensorflow as tf

from rnnspec.backends.tensorflow.arguments import Given, specs
from rnnspec.backends.tensorflow.kernels import Stock
from rnnspec.backends.tensorflow.ops import TensorFlowOps
from rnnspec.model import Model
from rnnspec.valid import Valid

Weights = dict[str, tf.Tensor]
SHORT = 100  # steps
Results = tuple[tf.Tensor, dict[str, tf.Tensor]]


@dataclass(frozen=True)
class Program:
    """What a network computes from weights and checked arguments, both by name.

    `stock`: layer name → Keras's layers for it, where it takes the native path; `fused`: whether the others may take
    fused loops. No function holds a variable, so gradients reach whatever the weights came from.
    """

    model: Model
    dtype: str
    time_major: bool
    stock: dict[str, Stock]
    fused: bool
    _graphs: dict[tuple, Callable[[Weights, Given], Results]] = field(default_factory=dict)
    _called: set[tuple] = field(default_factory=set)

    def sequence(self, weights: Weights, given: Given) -> Results:
        """Whole sequences."""
        x = _swap(given["x"]) if self.time_major else given["x"]
        ops = TensorFlowOps(self.stock, self.fused, given.get("seed"))
        valid = Valid(given.get("lengths"), given.get("mask"))
        y, new = self.model.apply(ops, self.model.by_layer(weights), x, valid, self._state(given, x))
        return (_swap(y) if self.time_major and y.shape.rank == 3 else y), new

    def step(self, weights: Weights, given: Given) -> Results:
        """One time step."""
        x = given["x"]
        return self.model.step(
            TensorFlowOps(self.stock, self.fused), self.model.by_layer(weights), x, self._state(given, x)
        )

    def run(self, weights: Weights, given: Given, step: bool = False) -> Results:
        """The same; eagerly as a graph, one for each set of arguments, traced once for all batch sizes and lengths.

        Making a graph costs about as much as running a hundred steps without one, so the first call, which may be the
        only one, makes none if it is short.
        """
        function = self.step if step else self.sequence
        if not tf.executing_eagerly():
            return function(weights, given)
        key = (step, *sorted(given))
        time = 1 if step else given["x"].shape[0 if self.time_major else 1]
        if key not in self._called and 0 < time <= SHORT and tf.size(given["x"]):  # Keras refuses no rows without one
            self._called.add(key)
            return function(weights, given)
        if key not in self._graphs:
            shapes = {name: tf.TensorSpec(tensor.shape, tensor.dtype) for name, tensor in weights.items()}
            signature = [shapes, specs(self.model, self.dtype, given, step)]
            graph = tf.function(function, input_signature=signature, autograph=False)
            self._graphs[key] = graph.get_concrete_function()
        return self._graphs[key](weights, given)

    def _state(self, given: Given, x: tf.Tensor) -> dict[str, tf.Tensor]:
        batch = x.shape[0] or tf.shape(x)[0]
        sizes = self.model.states()
        return {name: given[name] if name in given else tf.zeros((batch, sizes[name]), self.dtype) for name in sizes}


def _swap(x: tf.Tensor) -> tf.Tensor:
    """Time and batch exchanged."""
    return tf.transpose(x, [1, 0, *range(2, x.shape.rank)])
