"""A network as a SavedModel."""

import os
from dataclasses import replace

import keras
import tensorflow as tf

from rnnspec.backends.tensorflow.arguments import check, specs
from rnnspec.layers import Recurrent


def write(net: keras.Model, directory: str | os.PathLike) -> None:
    """Write the network for `tf.saved_model.load`, which then needs neither rnnspec nor Keras.

        loaded = tf.saved_model.load(directory)
        loaded.serve(x)                        # zero states, all steps valid
        loaded.sequence(x, lengths, state)     # state: a dict, name → tensor (batch, size), all of them
        loaded.step(x_t, state)                # where no layer runs backward

    Each answers a dict: the final states by name and "y", or "y.forward" and "y.backward" of a layer that merges none.
    Batch and time are free; lengths are int32 and ids int64. The three are also the signatures "serving_default",
    "sequence" and "step", which take each state by its name with "_" for ".". A length or an id out of range raises
    tf.errors.InvalidArgumentError. No layer of Keras runs unless `path="native"` was asked for, so that a file written
    on a machine with a GPU runs on one without.
    """
    program = net.program if net.path_option == "native" else replace(net.program, stock={}, _graphs={}, _steps={})
    model, dtype = program.model, program.dtype
    module = tf.Module()
    module.variables_ = {name: variable.value for name, variable in zip(model.parameters(), net.weights, strict=True)}

    def answer(given: dict[str, tf.Tensor], step: bool = False) -> dict[str, tf.Tensor]:
        weights = {name: tf.convert_to_tensor(variable) for name, variable in module.variables_.items()}
        given = check(model, given, dtype, step=step, time_major=program.time_major)
        y, state = program.run(weights, given, step)
        return {**model.named(y), **state}

    x, lengths = specs(model, dtype, ["x", "lengths"]).values()
    x_t, *_ = specs(model, dtype, ["x"], step=True).values()
    state = specs(model, dtype, model.states())
    module.serve = tf.function(lambda x: answer({"x": x}), [x], autograph=False)
    module.sequence = tf.function(
        lambda x, lengths, state: answer({"x": x, "lengths": lengths, **state}), [x, lengths, state], autograph=False
    )
    signatures = {"serving_default": module.serve, "sequence": module.sequence}
    if all(
        layer.direction == "forward" and not layer.reverse_output
        for layer in model.layers
        if isinstance(layer, Recurrent)
    ):
        module.step = tf.function(lambda x, state: answer({"x": x, **state}, step=True), [x_t, state], autograph=False)
        signatures["step"] = module.step
    tf.saved_model.save(module, os.fspath(directory), signatures)
