"""The network as functions of tensors alone."""

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property

import tensorflow as tf

from rnnspec.backends.tensorflow.arguments import SEED, Given, marks, specs
from rnnspec.backends.tensorflow.derivative import recording
from rnnspec.backends.tensorflow.kernels import Stock
from rnnspec.backends.tensorflow.noise import Noise
from rnnspec.backends.tensorflow.ops import TensorFlowOps
from rnnspec.inputs import Arguments
from rnnspec.layers import Repeat
from rnnspec.model import ByLayer, Model, Output
from rnnspec.valid import Valid

Weights = dict[str, tf.Tensor]
FEW = 100  # steps
Results = tuple[Output, dict[str, tf.Tensor]]


@dataclass(frozen=True)
class Program:
    """What a network computes from weights and checked arguments, both by name.

    `stock`: place → Keras's layer for the cell there, where it takes the native path; `fused`: whether other cells
    take the fused loop; `seeded`: whether noise is the specification's own (DROP-3). No function holds a variable, so
    gradients reach whatever the weights came from.
    """

    arguments: Arguments
    dtype: str
    stock: Stock
    fused: bool
    seeded: bool = False
    _graphs: dict[tuple, Callable[[Weights, Given], Results]] = field(default_factory=dict)
    _steps: dict[tuple, int] = field(default_factory=dict)  # run without a graph, for each set of arguments

    @property
    def model(self) -> Model:
        return self.arguments.model

    @property
    def time_major(self) -> bool:
        """Whether time comes before the batch."""
        return self.arguments.time_major

    @cached_property
    def marks(self) -> dict[str, tuple[str, ...]]:
        """Input with a time of its own → the names of its lengths, mask and reset among the arguments."""
        return marks(self.model)

    def sequence(self, weights: Weights, given: Given) -> Results:
        """Whole sequences."""
        return self._sequence(weights, given, False)

    def recorded(self, weights: Weights, given: Given) -> Results:
        """Whole sequences, whose loops keep what their gradients will read: inside a graph no tape says so."""
        return self._sequence(weights, given, True)

    def _sequence(self, weights: Weights, given: Given, keeps: bool) -> Results:
        noise = Noise(given[SEED], self.seeded) if SEED in given else None
        ops = TensorFlowOps(self.stock, self.fused, noise, keeps)
        x, p = self.values(given), self.model.by_layer(weights)
        y, new = self.model.apply(ops, p, x, self.valid(given), self._state(p, given, x))
        return self.model.each(self._swapped, y) if self.time_major else y, new

    def step(self, weights: Weights, given: Given) -> Results:
        """One time step."""
        model, p = self.model, self.model.by_layer(weights)
        x, valid = self.values(given), self.valid(given, model.stepped)
        y, new = model.step(TensorFlowOps(self.stock, self.fused), p, x, self._state(p, given, x), valid)
        return model.each(self._swapped, y) if self.time_major else y, new

    def values(self, given: Given) -> Given:
        """The inputs, rows first."""
        x = {name: given[name] for name in self.model.given}
        return {name: self._swapped(name, value) for name, value in x.items()} if self.time_major else x

    def valid(self, given: Given, stepped: frozenset[str] = frozenset()) -> dict[str, Valid]:
        """Which steps count of the inputs with a time of their own."""
        return {name: Valid(*map(given.get, keys)) for name, keys in self.marks.items() if name not in stepped}

    def _swapped(self, name: str, value: tf.Tensor) -> tf.Tensor:
        """An input or output, time and batch exchanged where it has a time; one step of it has none."""
        one = value.shape.rank == (2 if value.dtype.is_floating else 1)
        if one or name not in self.model.sequences:
            return value
        return tf.transpose(value, [1, 0, *range(2, value.shape.rank)])

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
        steps = self._steps.get(key, 0) + (1 if step else self._time(given))
        some = not self.stock or all(tf.size(given[name]) for name in self.model.given)
        if steps <= FEW and some:  # Keras refuses no rows without a graph
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

    def _time(self, given: Given) -> int:
        """How many steps a call runs: those of the longest time."""
        axis = 0 if self.time_major else 1
        return max([self._repeated, *(given[name].shape[axis] for name in self.marks)])

    @cached_property
    def _repeated(self) -> int:
        """The most steps of a time that begins with a vector."""
        return max((layer.steps or 0 for layer in self.model.layers if isinstance(layer, Repeat)), default=0)

    def _state(self, p: ByLayer, given: Given, x: dict[str, tf.Tensor]) -> dict[str, tf.Tensor]:
        """The states that were given, all or none of them; else those that sequences start from."""
        sizes = self.arguments.states
        if all(name in given for name in sizes):
            return {name: given[name] for name in sizes}
        first = next(iter(x.values()))
        batch = first.shape[0] or tf.shape(first)[0]
        zeros = {name: tf.zeros((batch, size), self.dtype) for name, size in sizes.items()}
        return self.model.start(TensorFlowOps({}, False), p, zeros)
