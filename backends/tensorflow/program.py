"""The network as functions of tensors alone."""

from collections.abc import Callable
from dataclasses import dataclass, field

import tensorflow as tf

from rnnspec.backends.tensorflow.arguments import Given, specs
from rnnspec.backends.tensorflow.derivative import recording
from rnnspec.backends.tensorflow.kernels import Stock
from rnnspec.backends.tensorflow.noise import Noise
from rnnspec.backends.tensorflow.ops import TensorFlowOps
from rnnspec.model import ByLayer, Model
from rnnspec.valid import Valid

Weights = dict[str, tf.Tensor]
FEW = 100  # steps
Results = tuple[tf.Tensor, dict[str, tf.Tensor]]


@dataclass(frozen=True)
class Program:
    """What a network computes from weights and checked arguments, both by name.

    `stock`: place → Keras's layer for the cell there, where it takes the native path; `fused`: whether other cells
    take the fused loop; `seeded`: whether noise is the specification's own (DROP-3). No function holds a variable, so
    gradients reach whatever the weights came from.
    """

    model: Model
    dtype: str
    time_major: bool
    stock: Stock
    fused: bool
    seeded: bool = False
    _graphs: dict[tuple, Callable[[Weights, Given], Results]] = field(default_factory=dict)
    _steps: dict[tuple, int] = field(default_factory=dict)  # run without a graph, for each set of arguments

    def sequence(self, weights: Weights, given: Given) -> Results:
        """Whole sequences."""
        return self._sequence(weights, given, False)

    def recorded(self, weights: Weights, given: Given) -> Results:
        """Whole sequences, whose loops keep what their gradients will read: inside a graph no tape says so."""
        return self._sequence(weights, given, True)

    def _sequence(self, weights: Weights, given: Given, keeps: bool) -> Results:
        x = _swap(given["x"]) if self.time_major else given["x"]
        noise = Noise(given["seed"], self.seeded) if "seed" in given else None
        ops = TensorFlowOps(self.stock, self.fused, noise, keeps)
        valid = Valid(given.get("lengths"), given.get("mask"), given.get("reset"))
        p = self.model.by_layer(weights)
        y, new = self.model.apply(ops, p, x, valid, self._state(p, given, x))
        return (tf.nest.map_structure(_swap, y) if self.time_major and self.model.return_sequences else y), new

    def step(self, weights: Weights, given: Given) -> Results:
        """One time step."""
        x, p = given["x"], self.model.by_layer(weights)
        return self.model.step(TensorFlowOps(self.stock, self.fused), p, x, self._state(p, given, x))

    def run(self, weights: Weights, given: Given, step: bool = False) -> Results:
        """The same; eagerly as a graph, one for each set of arguments, traced once for all batch sizes and lengths, and
        once more for gradients.

        Making a graph costs about as much as running a hundred steps without one, so none is made before those have
        been run: nobody pays more than twice what would have been best.
        """
        function = self.step if step else self.sequence
        if not tf.executing_eagerly():
            return function(weights, given)
        key = (step, *sorted(given))
        time = 1 if step else given["x"].shape[0 if self.time_major else 1]
        steps = self._steps.get(key, 0) + time
        if steps <= FEW and (tf.size(given["x"]) or not self.stock):  # Keras refuses no rows without a graph
            self._steps[key] = steps
            return function(weights, given)
        keeps = not step and recording([*weights.values(), *given.values()])
        key = (*key, keeps)
        if key not in self._graphs:
            function = self.recorded if keeps else function
            shapes = {name: tf.TensorSpec(tensor.shape, tensor.dtype) for name, tensor in weights.items()}
            signature = [shapes, specs(self.model, self.dtype, given, step)]
            graph = tf.function(function, input_signature=signature, autograph=False)
            self._graphs[key] = graph.get_concrete_function()
        return self._graphs[key](weights, given)

    def _state(self, p: ByLayer, given: Given, x: tf.Tensor) -> dict[str, tf.Tensor]:
        """The states that were given, all or none of them; else those that sequences start from."""
        batch = x.shape[0] or tf.shape(x)[0]
        sizes = self.model.states()
        if all(name in given for name in sizes):
            return {name: given[name] for name in sizes}
        zeros = {name: tf.zeros((batch, size), self.dtype) for name, size in sizes.items()}
        return self.model.start(TensorFlowOps({}, False), p, zeros)


def _swap(x: tf.Tensor) -> tf.Tensor:
    """Time and batch exchanged."""
    return tf.transpose(x, [1, 0, *range(2, x.shape.rank)])
