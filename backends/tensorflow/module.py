"""What the user holds: a `keras.Model`."""

import json
import os
from collections.abc import Mapping
from typing import Any, Self

import keras
import numpy as np
import tensorflow as tf
from numpy.typing import ArrayLike

from rnnspec import inputs
from rnnspec.backends import forks
from rnnspec.backends.tensorflow import arguments, kernels, saved_model, shown
from rnnspec.backends.tensorflow.masks import masks
from rnnspec.backends.tensorflow.program import Program
from rnnspec.backends.tensorflow.unroll import check, describe
from rnnspec.checkpoint import Checkpoint, as_checkpoint
from rnnspec.errors import SpecError, UnsupportedError
from rnnspec.layers import Recurrent
from rnnspec.model import Model, Results

PATHS = ("native", "fused", "generic")


@keras.saving.register_keras_serializable("rnnspec")
class Net(keras.Model):
    """The model as a Keras model: `y, state = net(x, lengths=…, mask=…, state=…, reset=…)`.

    The variables have the specification's names and shapes. Eager calls run as graphs, traced once for all batch sizes
    and lengths, after the first hundred steps. For `fit` load it with `return_state=False`; its inputs may be x or a
    mapping of arrays by the names of an .npz file: `net.fit({"x": x, "lengths": lengths}, y)`, or of a model whose
    inputs have names `net.fit({"audio": x, "audio.lengths": lengths, "speaker": ids}, y)`, where y and the losses are
    mappings if the model has `outputs`.

    A mask that an earlier Keras layer attached to an input with a time of its own is honoured as `mask`, and an error
    where lengths or a mask are given too. As with every Keras layer, the mask goes on with a sequence output, so
    Keras's losses leave padded steps out.

    Raises:
        SpecError: `path` is none of these.
    """

    def __init__(
        self,
        checkpoint: Checkpoint,
        dtype: str,
        path: str,
        time_major: bool,
        return_state: bool,
        seed: int | None = None,
        name: str | None = None,
    ) -> None:
        forks.check("tensorflow")
        super().__init__(dtype=inputs.check_dtype(dtype), autocast=False, name=name)
        if path not in ("auto", *PATHS):
            raise SpecError(f"path: expected 'auto' or one of {', '.join(PATHS)}, found {path!r}")
        self.model = checkpoint.model
        self.metadata = checkpoint.metadata
        self.path_option = path  # `path` of a Keras model is its place in Keras's tree of names
        self.return_state = return_state
        self.supports_masking = True
        self.supports_jit = False  # XLA knows neither cuDNN nor lists of unknown length
        self.seed = seed
        with keras.name_scope(self.name, caller=self), tf.name_scope("rnnspec/"):  # what `add_weight` would open
            # TensorFlow keeps a kernel for every name that a variable ever had, so all networks use the same names.
            self._seeds = keras.random.SeedGenerator(None if seed is None else seed & 0xFFFFFFFF, name="seeds")
            for tensor, shape in self.model.parameters().items():
                self.add_weight(
                    name=tensor,
                    shape=shape,
                    initializer=lambda _, dtype, v=checkpoint.weights[tensor]: tf.constant(v, dtype),
                    trainable=tensor not in self.model.fixed,
                )
        self.names = tuple(sorted(self.model.parameters(), key=self.model.fixed.__contains__))  # as `weights` has them
        stock: kernels.Stock = {}
        for layer in self.model.layers:
            if isinstance(layer, Recurrent):
                check(layer, path)
                stock |= kernels.layers(layer, path, dtype)
        arguments = inputs.Arguments(self.model, time_major)
        self.program = Program(arguments, dtype, stock, path != "generic", seed is not None)
        self.built = True

    def paths(self) -> dict[str, str]:
        """Recurrent layer → the paths of its cells, with what or why; calls with `reset` are never native."""
        stock, fused = self.program.stock, self.program.fused
        return {x.name: describe(x, stock, fused) for x in self.model.layers if isinstance(x, Recurrent)}

    @tf.autograph.experimental.do_not_convert
    def __call__(
        self,
        x: tf.Tensor | ArrayLike | Mapping[str, Any],
        lengths: tf.Tensor | ArrayLike | Mapping[str, Any] | None = None,
        mask: tf.Tensor | ArrayLike | Mapping[str, Any] | None = None,
        state: Mapping[str, tf.Tensor | ArrayLike] | None = None,
        reset: tf.Tensor | ArrayLike | Mapping[str, Any] | None = None,
        **options: Any,
    ) -> Results:
        """Whole sequences: x (batch, time, inputs) or ids (batch, time) → outputs, final states by name.

        Arrays, lists and tensors are taken; `training=True` switches noise on; `merge="none"` gives a tuple of outputs.
        With inputs by name x, lengths, mask and reset are mappings by these names (INPUT-7), or x holds all of them and
        the states: `net({"audio": x, "audio.lengths": lengths})`. With `outputs` the outputs are a dictionary.

        Raises:
            SpecError: x, lengths, mask, state or reset do not fit the model (INPUT-1 to INPUT-7).
            UnsupportedError: `path="native"`, and a reset; or a child forked from where it was loaded.
            tf.errors.InvalidArgumentError: the same, where values are known only when a graph runs.
        """
        forks.check("tensorflow")
        given = arguments.separate(self.model, x, lengths=lengths, mask=mask, reset=reset, state=state)
        marks = self.program.marks
        if self.path_option == "native" and any(reset in given for _, _, reset in marks.values()):
            raise UnsupportedError("reset: the native path never begins anew; use path='auto'")
        if arguments.symbolic(given):
            return super().__call__(given, **options)
        for name, (lengths_, mask_, _) in marks.items():
            attached = getattr(given[name], "_keras_mask", None)
            if attached is not None:
                if mask_ in given or lengths_ in given:
                    raise SpecError(
                        f"mask: {name} has one attached by a Keras layer already; give no other and no lengths"
                    )
                given[mask_] = tf.transpose(attached) if self.program.time_major else attached
        given = arguments.check(self.program.arguments, given, self.dtype)
        return super().__call__(given, **options)

    def call(self, given: arguments.Given, training: bool = False) -> Results:
        """What `__call__` runs, on checked arguments by name."""
        if not isinstance(given, Mapping):  # Keras's stateless_call comes here directly
            given = {"x": given}
        if training:
            given = given | {arguments.SEED: tf.cast(self._seeds.next(), tf.int64)}
        y, new = self.program.run(self.tensors(), given)
        return (y, new) if self.return_state else y

    def compute_mask(self, given: arguments.Given, previous_mask: Any = None) -> Any:
        """The valid steps of each output, in the form of the outputs."""
        return None if arguments.symbolic(given) else masks(self.program, given)

    @tf.autograph.experimental.do_not_convert
    def step(
        self,
        x_t: tf.Tensor | ArrayLike | Mapping[str, Any],
        state: Mapping[str, tf.Tensor | ArrayLike] | None = None,
        lengths: Mapping[str, tf.Tensor | ArrayLike] | None = None,
        mask: Mapping[str, tf.Tensor | ArrayLike] | None = None,
    ) -> Results:
        """One time step: x_t (batch, inputs) or ids (batch,) → output (batch, outputs), states by name.

        Inputs by name that are read whole, as a memory is, are given whole, with lengths or a mask by name (GRAPH-8).

        Raises:
            SpecError: x_t, state, lengths or mask do not fit the model.
            UnsupportedError: a layer runs backward, or reads a sequence whole.
        """
        forks.check("tensorflow")
        given = arguments.separate(self.model, x_t, state=state, lengths=lengths, mask=mask)
        given = arguments.check(self.program.arguments, given, self.dtype, step=True)
        return self.program.run(self.tensors(), given, step=True)

    @property
    def layers(self) -> list[Any]:
        """Our layers, for `summary` and `get_layer`: to look at, and to freeze."""
        weights = dict(zip(self.names, self.weights, strict=True))
        return [*shown.views(self.model, weights, self.program.time_major)]

    def compute_output_shape(self, input_shape: Any) -> Any:
        """The shapes of what a call gives: the shape of x, or shapes by the names of arguments → shapes in the form of
        the results."""
        shapes = input_shape if isinstance(input_shape, Mapping) else {"x": input_shape}
        return shown.output_shape(self.model, dict(shapes), self.program.time_major, self.return_state)

    def compile(self, *arguments: Any, **options: Any) -> None:
        """As Keras's. Raises SpecError: the network gives states beside its outputs, for which there is no loss."""
        if self.return_state:
            raise SpecError("compile: calls give states too, which have no loss; load it with return_state=False")
        with self.distribute_strategy.scope():  # where the optimiser's variables belong too
            super().compile(*arguments, **options)

    def compile_from_config(self, config: dict[str, Any]) -> None:
        """As Keras's, which leaves it to those who have a `compile` of their own."""
        self.compile(**keras.saving.deserialize_keras_object(config))
        if self.optimizer is not None:
            self.optimizer.build(self.trainable_variables)

    @property
    def weights(self) -> list[Any]:
        """As of every layer."""
        return shown.Same(super().weights)

    def _symbolic_build(self, iterator: Any = None, data_batch: Any = None) -> None:
        """Keras takes the mean of the batches of several replicas to know types and shapes, and integers and booleans
        become floats by that."""
        if data_batch is not None:
            x, *rest = keras.utils.unpack_x_y_sample_weight(data_batch)
            given = arguments.separate(self.model, x)
            kinds = arguments.specs(self.model, self.dtype, given)
            whole = isinstance(x, Mapping)
            given = {name: tf.cast(value, kinds[name].dtype) for name, value in given.items()}
            data_batch = (given if whole else given["x"], *rest)
        super()._symbolic_build(iterator, data_batch)

    def export(self, filepath: str | os.PathLike, format: str = "tf_saved_model", **options: Any) -> None:
        """Write a SavedModel with free batch and time: `saved_model.write` has its endpoints.

        Raises:
            UnsupportedError: another format was asked for.
        """
        if format != "tf_saved_model" or options:
            raise UnsupportedError(f"export: expected format='tf_saved_model' alone, found {format!r}, {options}")
        saved_model.write(self, filepath)

    def get_config(self) -> dict[str, Any]:
        """What Keras keeps to make the network again."""
        return {
            "architecture": self.model.to_json(),
            "metadata": json.dumps(self.metadata),
            "dtype": self.dtype,
            "path": self.path_option,
            "time_major": self.program.time_major,
            "return_state": self.return_state,
            "seed": self.seed,
            "name": self.name,
            "trainable": self.trainable,
            "frozen": [layer.name for layer in self.layers if layer.weights and not layer.trainable],
        }

    @classmethod
    def from_config(cls, config: dict[str, Any], custom_objects: Mapping | None = None) -> Self:
        """The network of a configuration, its weights still 0."""
        model = Model.from_json(config.pop("architecture"))
        weights = {name: np.zeros(shape, config["dtype"]) for name, shape in model.parameters().items()}
        trainable, frozen = config.pop("trainable"), config.pop("frozen", ())
        net = cls(Checkpoint(model, weights, json.loads(config.pop("metadata"))), **config)
        net.trainable = trainable
        for name in frozen:
            net.get_layer(name).trainable = False
        return net

    def tensors(self) -> dict[str, tf.Tensor]:
        """The weights by name, as they are now."""
        return {name: tf.convert_to_tensor(v) for name, v in zip(self.names, self.weights, strict=True)}


keras.saving.get_custom_objects().setdefault("Net", Net)  # HDF5 files name a class alone


def load(
    source: Checkpoint | str | os.PathLike,
    *,
    dtype: str = "float32",
    path: str = "auto",
    time_major: bool = False,
    return_state: bool = True,
    seed: int | None = None,
    allow_nonfinite: bool = False,
) -> Net:
    """A Keras model from a model file or a checkpoint.

    Args:
        dtype: "float32" or "float64".
        path: "native" takes Keras's own layers; "fused" one loop of ours for every cell, with a gradient derived from
            its `step`; "generic" a plain loop over `step` under TensorFlow's own gradient; "auto" the fastest that each
            cell has: native on a GPU, where it is cuDNN, else fused.
        time_major: x and sequence outputs are (time, batch, …).
        return_state: with False, calls return the output alone, as `fit` needs it.
        seed: of noise in training, the same in every framework: the n-th training call, counted from 0, draws what the
            n-th call of the reference draws. Without a seed TensorFlow draws, which is faster.

    Raises:
        SpecError: the file or an option is wrong.
        UnsupportedError: a layer does not have the path that was asked for; or this process was forked from one that
            had loaded a network, where TensorFlow would hang.
    """
    return Net(as_checkpoint(source, allow_nonfinite), dtype, path, time_major, return_state, seed)


def checkpoint(net: Net) -> Checkpoint:
    """The network's weights as they are now, in its dtype."""
    weights = {name: tensor.numpy() for name, tensor in net.tensors().items()}
    return Checkpoint(net.model, weights, json.loads(json.dumps(net.metadata)))  # which Keras has wrapped
