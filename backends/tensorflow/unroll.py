"""One cell in one direction: by a layer of Keras, by the fused loop, or by the cell's `step`."""

from typing import Any

import tensorflow as tf

from rnnspec.backends.fused import trace
from rnnspec.backends.tensorflow import fused, kernels
from rnnspec.backends.tensorflow.loop import loop
from rnnspec.backends.tensorflow.plain import obstacle
from rnnspec.backends.tensorflow.sequences import begins, steps
from rnnspec.cells import Cell
from rnnspec.errors import UnsupportedError
from rnnspec.layers import Recurrent
from rnnspec.ops import Parameters, States
from rnnspec.valid import Valid


def check(layer: Recurrent, path: str) -> None:
    """Raise UnsupportedError where a path was asked for that some cell of the layer does not have."""
    for _, cell in kernels.places(layer):
        if path == "native" and (reason := obstacle(cell)):
            raise UnsupportedError(f"layer {layer.name!r}: no native path: {reason}; use path='auto'")
        if path == "fused" and (reason := trace.obstacle(cell)):
            raise UnsupportedError(f"layer {layer.name!r}: no fused path: {reason}; use path='auto'")


def describe(layer: Recurrent, stock: kernels.Stock, fused: bool) -> str:
    """The path of each cell of a layer, with what or why."""

    def way(place: str, cell: Cell) -> str:
        if place in stock:
            return f"native: {kernels.NAMES[type(cell)]}"
        if fused:
            reason = trace.obstacle(cell)
            return f"generic: {reason}" if reason else "fused: a loop with a gradient of its own"
        return "generic: asked for"

    return "; ".join(dict.fromkeys(way(place, cell) for place, cell in kernels.places(layer)))


def unroll(
    ops: Any, cell: Cell, p: Parameters, x: tf.Tensor, valid: Valid, state: States, start: States, reverse: bool
) -> tuple[tf.Tensor, States]:
    """UNROLL-1 to UNROLL-6, UNROLL-12: x (batch, time, inputs), both leading axes free → outputs, states."""
    if valid.reset is None and ops.place in ops.stock and not obstacle(cell):
        return kernels.run(ops.stock[ops.place], cell, p, x, valid, state, reverse)
    x = tf.transpose(x, (1, 0, 2))
    flags = steps(valid, tf.shape(x)[0]), begins(valid, reverse)
    mask, first = (None if m is None else tf.transpose(m) for m in flags)
    if ops.fused and trace.obstacle(cell) is None:
        y, new = fused.unroll(ops, cell, p, x, state, start, mask, first, reverse)
    else:
        prepared = cell.prepare(ops, p)
        projected = cell.project(ops, prepared, x)
        y, new = loop(ops, cell, prepared, projected, cell.outputs(x.shape[-1]), state, start, mask, first, reverse)
    return tf.transpose(y, (1, 0, 2)), new
