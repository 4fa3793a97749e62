"""Keras's own layers, where they mean exactly what a cell means. On a GPU they run cuDNN."""

from collections.abc import Iterator
from typing import Any

import keras
import tensorflow as tf

from rnnspec.backends.tensorflow.plain import obstacle, parts
from rnnspec.cells import GRU, LSTM, RNN, Cell
from rnnspec.conventions import keras as conventions
from rnnspec.conventions.gates import parted
from rnnspec.layers import Recurrent
from rnnspec.ops import States
from rnnspec.valid import Valid

NAMES: dict[Any, str] = {RNN: "keras.layers.SimpleRNN", LSTM: "keras.layers.LSTM", GRU: "keras.layers.GRU"}
Stock = dict[str, keras.layers.RNN]  # place in the model, as ".layer.forward.cells.0", → the layer of Keras


def places(layer: Recurrent) -> Iterator[tuple[str, Cell]]:
    """The cells of a recurrent layer that run apart, with their places in the model."""
    for prefix, (cell, _) in layer.directions.items():
        yield from parts(cell, f".{layer.name}.{prefix}".removesuffix("."))


def layers(layer: Recurrent, path: str, dtype: str) -> Stock:
    """Keras's layers for one recurrent layer: with "auto" on a GPU, by cuDNN; on a CPU our own loops are faster.

    They are made ahead: each holds a random generator, and so a variable, which no graph may make.
    """
    if path != "native" and not (path == "auto" and tf.config.list_physical_devices("GPU")):
        return {}
    return {place: _layer(cell, dtype) for place, cell in places(layer) if not obstacle(cell)}


def run(
    stock: keras.layers.RNN,
    cell: Cell,
    p: dict[str, tf.Tensor],
    x: tf.Tensor,
    valid: Valid,
    state: States,
    reverse: bool,
) -> tuple[tf.Tensor, States]:
    """One cell in one direction by Keras: x (batch, time, inputs) → outputs (batch, time, outputs), final states.

    cuDNN takes lengths of at least 1 only. So a mask with holes gathers its valid steps to the front, and what a row
    without valid steps ran is undone (UNROLL-4).
    """
    time, lengths, order = tf.shape(x)[1], valid.lengths, None
    if valid.mask is not None:
        order = tf.argsort(tf.cast(valid.mask, tf.int32), 1, "DESCENDING", stable=True)
        x = tf.gather(x, order, batch_dims=1)
        lengths = tf.math.count_nonzero(valid.mask, 1, dtype=tf.int32)
    if not x.shape[1]:  # none, or not known yet: Keras needs one step
        x = tf.pad(x, [[0, 0], [0, tf.cast(time == 0, tf.int32)], [0, 0]])
        if lengths is None:
            lengths = tf.repeat(time, tf.shape(x)[:1])
    y, new = _call(cell, stock, p, _reverse(x, lengths) if reverse else x, lengths, state)
    y = (_reverse(y, lengths) if reverse else y)[:, :time]
    return (y if order is None else tf.gather(y, tf.argsort(order, 1), batch_dims=1)), new


def _layer(cell: Cell, dtype: str) -> keras.layers.RNN:
    options = {"return_sequences": True, "return_state": True, "zero_output_for_mask": True, "dtype": dtype}
    match cell:
        case RNN(units=units, activation=activation):
            return keras.layers.SimpleRNN(units, activation, **options)
        case GRU(units=units, reset_after=reset_after):
            return keras.layers.GRU(units, reset_after=reset_after, **options)
        case _:
            return keras.layers.LSTM(cell.outputs(1), **options)


def _reverse(x: tf.Tensor, lengths: tf.Tensor | None) -> tf.Tensor:
    """The valid steps of each row in reverse; the rest stays."""
    return tf.reverse(x, [1]) if lengths is None else tf.reverse_sequence(x, lengths, seq_axis=1, batch_axis=0)


def _call(cell: Cell, layer: keras.layers.RNN, p, x: tf.Tensor, lengths, state: States) -> tuple[tf.Tensor, States]:
    """One call of a layer of Keras, whose cell is given our tensors in place of variables of its own."""
    layer.cell.kernel, layer.cell.recurrent_kernel, layer.cell.bias = _weights(cell, p)
    layer.cell.built = layer.built = True
    initial = list(state.values())
    mask = None if lengths is None else tf.sequence_mask(tf.maximum(lengths, 1), tf.shape(x)[1])
    y, *final = layer(x, mask=mask, initial_state=initial)
    if lengths is not None:
        some = lengths[:, None] > 0
        final = [tf.where(some, h, h0) for h, h0 in zip(final, initial, strict=True)]
        y = tf.where(some[:, None], y, tf.zeros((), y.dtype))
    return y, dict(zip(state, final, strict=True))


def _weights(cell: Cell, p: dict[str, tf.Tensor]) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
    """Keras's kernel (inputs, gates·units), recurrent kernel (units, gates·units) and bias; cuDNN wants one always."""
    p = {"bias": tf.zeros(p["kernel"].shape[:2], p["kernel"].dtype)} | p
    biases = [*parted(p, tf)] if isinstance(cell, GRU) and cell.reset_after else [p["bias"]]
    parts = [p["kernel"], p["recurrent_kernel"], *biases]
    if isinstance(cell, GRU):
        parts = [tf.stack([part[k] for k in conventions.GRU.gates.places]) for part in parts]
    kernel, recurrent_kernel = (tf.reshape(tf.transpose(k, (2, 0, 1)), (k.shape[2], -1)) for k in parts[:2])
    flat = [tf.reshape(bias, [-1]) for bias in parts[2:]]
    return kernel, recurrent_kernel, tf.stack(flat) if len(flat) > 1 else flat[0]
