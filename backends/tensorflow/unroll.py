"""One cell in one direction: by a layer of Keras, by a fused loop of ours, or by the cell's `step`."""

from collections.abc import Callable
from typing import Any

import tensorflow as tf

from rnnspec.backends.tensorflow import kernels
from rnnspec.backends.tensorflow.fused_gru import gru
from rnnspec.backends.tensorflow.fused_lstm import lstm
from rnnspec.backends.tensorflow.fused_lstm_variants import lstm_variant
from rnnspec.backends.tensorflow.fused_rnn import rnn
from rnnspec.backends.tensorflow.plain import obstacle, variant
from rnnspec.backends.tensorflow.rematerialize import rematerialize
from rnnspec.backends.tensorflow.sequences import begins, steps
from rnnspec.cells import GRU, LSTM, RNN, Cell
from rnnspec.errors import UnsupportedError
from rnnspec.ops import Parameters, States
from rnnspec.valid import Valid

# Loops with a gradient of their own; any other cell gets the one that works for all.
FUSED: dict[Any, Callable] = {RNN: rnn, LSTM: lstm, GRU: gru}


def fused_loop(cell: Cell) -> Callable | None:
    """The loop with a gradient of its own that means what the cell means."""
    if not obstacle(cell):
        return FUSED[type(cell)]
    return lstm_variant if variant(cell) else None


def check(layer, path: str) -> None:
    """Raise UnsupportedError where a path was asked for and some cell of the layer does not have it."""
    for _, cell in kernels.places(layer):
        reason = obstacle(cell)
        if reason and path == "native":
            raise UnsupportedError(f"layer {layer.name!r}: no native path: {reason}; use path='auto'")
        if reason and path == "fused" and not variant(cell):
            raise UnsupportedError(f"layer {layer.name!r}: no fused loop: {reason}; use path='auto'")


def describe(layer, stock: kernels.Stock, fused: bool) -> str:
    """The path of each cell of a layer, with what or why."""

    def way(place: str, cell) -> str:
        if place in stock:
            return f"native: {kernels.NAMES[type(cell)]}"
        if fused and fused_loop(cell):
            return "fused: a loop with a gradient of its own"
        return f"generic: {obstacle(cell) if fused else 'asked for'}"

    return "; ".join(dict.fromkeys(way(place, cell) for place, cell in kernels.places(layer)))


def unroll(
    ops, cell, p: Parameters, x: tf.Tensor, valid: Valid, state: States, start: States, reverse: bool
) -> tuple[tf.Tensor, States]:
    """UNROLL-1 to UNROLL-6, UNROLL-12: x (batch, time, inputs), both leading axes free → outputs, states."""
    free = valid.reset is None
    if free and ops.place in ops.stock and not obstacle(cell):
        return kernels.run(ops.stock[ops.place], cell, p, x, valid, state, reverse)
    x = tf.transpose(x, (1, 0, 2))
    flags = steps(valid, tf.shape(x)[0]), begins(valid, reverse)
    mask, first = (None if m is None else tf.transpose(m) for m in flags)
    prepared = cell.prepare(ops, p)
    projected = cell.project(ops, prepared, x)
    if free and ops.fused and (loop := fused_loop(cell)):
        y, new = loop(cell, p, projected, state, mask, reverse)
    else:
        outputs = cell.outputs(x.shape[-1])
        y, new = rematerialize(ops, cell, prepared, projected, outputs, state, start, mask, first, reverse)
    return tf.transpose(y, (1, 0, 2)), new
