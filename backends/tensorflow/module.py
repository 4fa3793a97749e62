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
from rnnspec.backends.tensorflow import arguments, kernels, saved_model
from rnnspec.backends.tensorflow.program import Program
from rnnspec.backends.tensorflow.sequences import flip, steps, unpadded
from rnnspec.backends.tensorflow.unroll import check, describe
from rnnspec.checkpoint import Checkpoint, as_checkpoint
from rnnspec.errors import SpecError, UnsupportedError
from rnnspec.layers import Recurrent
from rnnspec.model import Model, Results
from rnnspec.valid import Valid

PATHS = ("native", "fused", "generic")


@keras.saving.register_keras_serializable("rnnspec")
class Net(keras.Model):
    """The model as a Keras model: `y, state = net(x, lengths=…, mask=…, state=…, reset=…)`.

    The variables have the specification's names and shapes. Eager calls run as graphs, traced once for all batch sizes
    and lengths, after the first hundred steps. For `fit` load it with `return_state=False`; its inputs may be x or a
    mapping of arrays by the names of an .npz file: `net.fit({"x": x, "lengths": lengths}, y)`.

    A mask that an earlier Keras layer attached to x is honoured as `mask`, and an error where lengths or a mask are
    given too. As with every Keras layer, the mask goes on with a sequence output, so Keras's losses leave padded steps
    out.

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
                value = checkpoint.weights[tensor]
                self.add_weight(name=tensor, shape=shape, initializer=lambda _, dtype, v=value: tf.constant(v, dtype))
        stock: kernels.Stock = {}
        for layer in self.model.layers:
            if isinstance(layer, Recurrent):
                check(layer, path)
                stock |= kernels.layers(layer, path, dtype)
        self.program = Program(self.model, dtype, time_major, stock, path != "generic", seed is not None)
        self.built = True

    def paths(self) -> dict[str, str]:
        """Recurrent layer → the paths of its cells, with what or why; calls with `reset` are never native."""
        stock, fused = self.program.stock, self.program.fused
        return {x.name: describe(x, stock, fused) for x in self.model.layers if isinstance(x, Recurrent)}

    @tf.autograph.experimental.do_not_convert
    def __call__(
        self,
        x: tf.Tensor | ArrayLike | Mapping[str, Any],
        lengths: tf.Tensor | ArrayLike | None = None,
        mask: tf.Tensor | ArrayLike | None = None,
        state: Mapping[str, tf.Tensor | ArrayLike] | None = None,
        reset: tf.Tensor | ArrayLike | None = None,
        **options: Any,
    ) -> Results:
        """Whole sequences: x (batch, time, inputs) or ids (batch, time) → outputs, final states by name.

        Arrays, lists and tensors are taken; `training=True` switches noise on; `merge="none"` gives a tuple of outputs.

        Raises:
            SpecError: x, lengths, mask, state or reset do not fit the model (INPUT-1 to INPUT-5).
            UnsupportedError: `path="native"`, and a reset; or a child forked from where it was loaded.
            tf.errors.InvalidArgumentError: the same, where values are known only when a graph runs.
        """
        forks.check("tensorflow")
        given = arguments.separate(self.model, x, lengths, mask, state, reset)
        if "reset" in given and self.path_option == "native":
            raise UnsupportedError("reset: the native path never begins anew; use path='auto'")
        if arguments.symbolic(given):
            return super().__call__(given, **options)
        attached = getattr(given["x"], "_keras_mask", None)
        if attached is not None:
            if "mask" in given or "lengths" in given:
                raise SpecError("mask: x has one attached by a Keras layer already; give no other and no lengths")
            given["mask"] = tf.transpose(attached) if self.program.time_major else attached
        given = arguments.check(self.model, given, self.dtype, time_major=self.program.time_major)
        return super().__call__(given, **options)

    def call(self, given: arguments.Given, training: bool = False) -> Results:
        """What `__call__` runs, on checked arguments by name."""
        if not isinstance(given, Mapping):  # Keras's stateless_call comes here directly
            given = {"x": given}
        if training:
            given = given | {"seed": tf.cast(self._seeds.next(), tf.int64)}
        y, new = self.program.run(self.tensors(), given)
        return (y, new) if self.return_state else y

    def compute_mask(self, given: arguments.Given, previous_mask: Any = None) -> Any:
        """The valid steps of the output, or of each of two outputs, in the order of their axes."""
        if not self.model.return_sequences or arguments.symbolic(given):
            return None
        time = tf.shape(given["x"])[0 if self.program.time_major else 1]
        valid = Valid(given.get("lengths"), given.get("mask"))
        if self.model.padding is not None:
            x = tf.experimental.numpy.swapaxes(given["x"], 0, 1) if self.program.time_major else given["x"]
            valid = unpadded(x, self.model.padding, valid)
        mask = steps(valid, time)
        flipped = [layer.reverse_output for layer in self.model.layers if isinstance(layer, Recurrent)]
        if mask is not None:
            mask = flip(mask) if any(flipped[-1:]) else mask
            mask = tf.transpose(mask) if self.program.time_major else mask
        return (mask, mask) if self.model.separate else mask

    @tf.autograph.experimental.do_not_convert
    def step(
        self, x_t: tf.Tensor | ArrayLike, state: Mapping[str, tf.Tensor | ArrayLike] | None = None
    ) -> tuple[tf.Tensor, dict[str, tf.Tensor]]:
        """One time step: x_t (batch, inputs) or ids (batch,) → output (batch, outputs), states by name.

        Raises:
            SpecError: x_t or state do not fit the model.
            UnsupportedError: a layer runs backward.
        """
        forks.check("tensorflow")
        given = arguments.separate(self.model, x_t, state=state)
        given = arguments.check(self.model, given, self.dtype, step=True)
        return self.program.run(self.tensors(), given, step=True)

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
        }

    @classmethod
    def from_config(cls, config: dict[str, Any], custom_objects: Mapping | None = None) -> Self:
        """The network of a configuration, its weights still 0."""
        model = Model.from_json(config.pop("architecture"))
        weights = {name: np.zeros(shape, config["dtype"]) for name, shape in model.parameters().items()}
        trainable = config.pop("trainable")
        net = cls(Checkpoint(model, weights, json.loads(config.pop("metadata"))), **config)
        net.trainable = trainable
        return net

    def tensors(self) -> dict[str, tf.Tensor]:
        """The weights by name, as they are now."""
        return {name: tf.convert_to_tensor(v) for name, v in zip(self.model.parameters(), self.weights, strict=True)}


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
