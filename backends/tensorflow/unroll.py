"""Our own time loops: one cell in one direction, by a fused loop or by the cell's `step`."""

from collections.abc import Callable
from typing import Any

import tensorflow as tf

from rnnspec.backends.tensorflow.fused_gru import gru
from rnnspec.backends.tensorflow.fused_lstm import lstm
from rnnspec.backends.tensorflow.fused_rnn import rnn
from rnnspec.backends.tensorflow.rematerialize import rematerialize
from rnnspec.cells import GRU, LSTM, RNN, Cell, Stack
from rnnspec.errors import UnsupportedError
from rnnspec.ops import Parameters, States, scope, under
from rnnspec.valid import Valid

# Loops with a gradient of their own; any other cell gets the one that works for all.
FUSED: dict[Any, Callable] = {RNN: rnn, LSTM: lstm, GRU: gru}


def obstacle(cell: Cell) -> str | None:
    """Why the cell has no fused loop; None where it has one."""
    if type(cell) is Stack:
        return next((reason for inner in cell.cells if (reason := obstacle(inner))), None)
    return None if type(cell) in FUSED else f"there is none for {type(cell).__name__}"


def check(layer, path: str) -> None:
    """Raise UnsupportedError where a fused loop was asked for and there is none."""
    if path == "fused" and (reason := obstacle(layer.cell)):
        raise UnsupportedError(f"layer {layer.name!r}: no fused loop: {reason}; use path='auto'")


def unroll(
    ops, cell, p: Parameters, x: tf.Tensor, valid: Valid, state: States, *, reverse: bool, sequences: bool
) -> tuple[tf.Tensor, States]:
    """UNROLL-1 to UNROLL-7.

    x (batch, time, inputs), with both leading axes free → outputs (batch, time, outputs), or (batch, outputs) without
    `sequences`; states (batch, size).
    """
    x = tf.transpose(x, (1, 0, 2))
    mask = steps(valid, tf.shape(x)[0])
    mask = None if mask is None else tf.transpose(mask)
    y, state = _loop(ops, cell, p, x, state, mask, reverse)
    return (tf.transpose(y, (1, 0, 2)) if sequences else _last(y, mask, reverse)), state


def steps(valid: Valid, time: tf.Tensor) -> tf.Tensor | None:
    """The valid steps as booleans (batch, time); None where all are (UNROLL-3)."""
    return valid.mask if valid.lengths is None else tf.sequence_mask(valid.lengths, time)


def _loop(ops, cell, p, x: tf.Tensor, state: States, mask: tf.Tensor | None, reverse: bool) -> tuple[tf.Tensor, States]:
    """x (time, batch, inputs), mask (time, batch) → outputs (time, batch, outputs), states."""
    if (
        ops.fused and type(cell) is Stack
    ):  # cell after cell: the same (STACK-1), with each input product done for all steps
        new: States = {}
        for k, inner in enumerate(cell.cells):
            place = f"cells.{k}"
            x, s = _loop(ops, inner, scope(p, place), x, scope(state, place), mask, reverse)
            new |= under(place, s)
        return x, new
    prepared = cell.prepare(ops, p)
    projected = cell.project(ops, prepared, x)
    if ops.fused and type(cell) in FUSED:
        return FUSED[type(cell)](cell, p, projected, state, mask, reverse)
    return rematerialize(ops, cell, prepared, projected, state, mask, reverse)


def _last(y: tf.Tensor, mask: tf.Tensor | None, reverse: bool) -> tf.Tensor:
    """The output (batch, outputs) of the last valid step visited, 0 if there is none (UNROLL-7)."""
    if mask is None:
        return tf.reduce_sum(y[:1] if reverse else y[-1:], 0)  # a sum of at most one
    to_come = tf.cumsum(tf.cast(mask, tf.int32), 0, reverse=not reverse)
    return tf.reduce_sum(tf.where((mask & (to_come == 1))[..., None], y, tf.zeros((), y.dtype)), 0)
