"""One cell in one direction: by a layer of Keras, by a fused loop of ours, or by the cell's `step`."""

from collections.abc import Callable
from typing import Any

import tensorflow as tf

from rnnspec.backends.tensorflow import kernels
from rnnspec.backends.tensorflow.fused_gru import gru
from rnnspec.backends.tensorflow.fused_lstm import lstm
from rnnspec.backends.tensorflow.fused_rnn import rnn
from rnnspec.backends.tensorflow.plain import obstacle, parts
from rnnspec.backends.tensorflow.rematerialize import rematerialize
from rnnspec.backends.tensorflow.sequences import begins, steps
from rnnspec.cells import GRU, LSTM, RNN
from rnnspec.errors import UnsupportedError
from rnnspec.ops import Parameters, States
from rnnspec.valid import Valid

# Loops with a gradient of their own; any other cell gets the one that works for all.
FUSED: dict[Any, Callable] = {RNN: rnn, LSTM: lstm, GRU: gru}


def check(layer, path: str) -> None:
    """Raise UnsupportedError where a path was asked for and some cell of the layer does not have it."""
    reasons = [reason for cell, _ in layer.directions.values() for _, c in parts(cell) if (reason := obstacle(c))]
    if reasons and path == "native":
        raise UnsupportedError(f"layer {layer.name!r}: no native path: {reasons[0]}; use path='auto'")
    if reasons and path == "fused":
        raise UnsupportedError(f"layer {layer.name!r}: no fused loop: {reasons[0]}; use path='auto'")


def describe(layer, stock: kernels.Stock, fused: bool) -> str:
    """The path of each cell of a layer, with what or why."""

    def way(place: str, cell) -> str:
        if place in stock:
            return f"native: {kernels.NAMES[type(cell)]}"
        reason = obstacle(cell) if fused else "asked for"
        return f"generic: {reason}" if reason else "fused: a loop with a gradient of its own"

    return "; ".join(dict.fromkeys(way(place, cell) for place, cell in kernels.places(layer)))


def unroll(
    ops, cell, p: Parameters, x: tf.Tensor, valid: Valid, state: States, start: States, reverse: bool
) -> tuple[tf.Tensor, States]:
    """UNROLL-1 to UNROLL-6, UNROLL-12: x (batch, time, inputs), both leading axes free → outputs, states."""
    plain = valid.reset is None and not obstacle(cell)
    if plain and ops.place in ops.stock:
        return kernels.run(ops.stock[ops.place], cell, p, x, valid, state, reverse)
    x = tf.transpose(x, (1, 0, 2))
    flags = steps(valid, tf.shape(x)[0]), begins(valid, reverse)
    mask, first = (None if m is None else tf.transpose(m) for m in flags)
    prepared = cell.prepare(ops, p)
    projected = cell.project(ops, prepared, x)
    if plain and ops.fused:
        y, new = FUSED[type(cell)](cell, p, projected, state, mask, reverse)
    else:
        outputs = cell.outputs(x.shape[-1])
        y, new = rematerialize(ops, cell, prepared, projected, outputs, state, start, mask, first, reverse)
    return tf.transpose(y, (1, 0, 2)), new
