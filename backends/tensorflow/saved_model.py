"""A network as a SavedModel."""

import os
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import replace
from typing import Any

import keras
import tensorflow as tf

from rnnspec.backends.tensorflow.arguments import check, separate, specs
from rnnspec.errors import UnsupportedError
from rnnspec.layers import Recurrent
from rnnspec.model import Model


def write(net: keras.Model, directory: str | os.PathLike) -> None:
    """Write the network for `tf.saved_model.load`, which then needs neither rnnspec nor Keras.

        loaded = tf.saved_model.load(directory)
        loaded.serve(x)                        # zero states, all steps valid
        loaded.sequence(x, lengths, state)     # state: a dict, name → tensor (batch, size), all of them
        loaded.step(x_t, state)                # where no layer runs backward

    Where inputs have names, x and lengths are dicts by these, lengths of all inputs with a time of their own, and
    `loaded.step(x, lengths, state)` takes lengths of those that are given whole (GRAPH-8). A model of version 2 has
    `loaded.padded(x, lengths)` too, which starts where the network does, as with `start` from another layer.

    Each answers a dict: the final states by name and "y", or "y.forward" and "y.backward" of a layer that merges none,
    or each of `outputs` by its name. Batch and time are free; lengths are int32 and ids int64. They are also the
    signatures "serving_default", "padded", "sequence" and "step", which take each input, its lengths and each state by
    its name with "_" for ".", such as `audio_lengths`. A length or an id out of range raises
    tf.errors.InvalidArgumentError. No layer of Keras runs unless `path="native"` was asked for, so that a file written
    on a machine with a GPU runs on one without.
    """
    program = net.program if net.path_option == "native" else replace(net.program, stock={}, _graphs={}, _steps={})
    model, dtype = program.model, program.dtype
    module = tf.Module()
    module.variables_ = {name: variable.value for name, variable in zip(net.names, net.weights, strict=True)}
    stepped = _stepped(model)

    def answer(x: Any, lengths: Any = None, state: Any = None, step: bool = False) -> dict[str, tf.Tensor]:
        weights = {name: tf.convert_to_tensor(variable) for name, variable in module.variables_.items()}
        given = separate(model, x, lengths=lengths, state=state)
        given = check(program.arguments, given, dtype, step=step)
        y, new = program.run(weights, given, step)
        return {**model.named(y), **new}

    def by_name(names: Iterable[str], step: bool = False) -> Any:
        """What describes these inputs, or their lengths: of a model whose input has no name that alone."""
        found = specs(model, dtype, names, step)
        if model.by_name:
            return {name.removesuffix(".lengths"): spec for name, spec in found.items()}
        return next(iter(found.values()))

    x, state = by_name(model.given), specs(model, dtype, model.states())
    lengths = by_name([name for name, *_ in program.marks.values()])

    def endpoint(function: Callable[..., dict[str, tf.Tensor]], *signature: Any) -> Any:
        return tf.function(function, signature, autograph=False)

    module.serve = endpoint(lambda x: answer(x), x)
    module.sequence = endpoint(lambda x, lengths, state: answer(x, lengths, state), x, lengths, state)
    signatures = {"serving_default": module.serve, "sequence": module.sequence}
    if model.version > 1:
        signatures["padded"] = module.padded = endpoint(lambda x, lengths: answer(x, lengths), x, lengths)
    if stepped is not None:
        x_t = by_name(model.given, step=True)
        if model.by_name:
            whole = by_name([keys[0] for name, keys in program.marks.items() if name not in stepped])
            module.step = endpoint(lambda x, lengths, state: answer(x, lengths, state, step=True), x_t, whole, state)
        else:
            module.step = endpoint(lambda x, state: answer(x, None, state, step=True), x_t, state)
        signatures["step"] = module.step
    tf.saved_model.save(module, os.fspath(directory), signatures)


def _stepped(model: Model) -> frozenset[str] | None:
    """The places that a step has one step of; None where the model has no step."""
    with suppress(UnsupportedError):
        stepped = model.stepped
        loops = [layer for layer in model.layers if isinstance(layer, Recurrent) and layer.name in stepped]
        return stepped if all(x.direction == "forward" and not x.reverse_output for x in loops) else None
    return None
