"""Keras's own layers, where they mean exactly what the cell means. On a GPU they run cuDNN."""

from collections.abc import Iterator
from itertools import chain

import keras
import tensorflow as tf

from rnnspec.cells import GRU, LSTM, RNN, Cell, Stack
from rnnspec.errors import UnsupportedError
from rnnspec.ops import States, scope, under
from rnnspec.valid import Valid

NAMES = {RNN: "keras.layers.SimpleRNN", LSTM: "keras.layers.LSTM", GRU: "keras.layers.GRU"}
Stock = dict[str, keras.layers.RNN]  # place in the layer, as "forward.cells.0", → the layer of Keras


def name(cell: Cell) -> str:
    """The layer of Keras that serves the cell."""
    if isinstance(cell, Stack):
        return " + ".join(dict.fromkeys(name(inner) for inner in cell.cells))
    return NAMES[type(cell)]


def obstacle(cell: Cell) -> str | None:
    """Why Keras has no layer with the cell's meaning; None where it has one."""
    if type(cell) is Stack:
        return next((reason for inner in cell.cells if (reason := obstacle(inner))), None)
    return None if type(cell) in NAMES else f"Keras has no {type(cell).__name__}"


def chosen(layer, path: str) -> bool:
    """Whether Keras's layer runs: with "auto" on a GPU, by cuDNN; on a CPU our own loops are faster.

    Raises UnsupportedError where it was asked for and there is none.
    """
    reason = obstacle(layer.cell)
    if path == "native" and reason:
        raise UnsupportedError(f"layer {layer.name!r}: no native path: {reason}; use path='auto'")
    return path == "native" or (path == "auto" and not reason and bool(tf.config.list_physical_devices("GPU")))


def layers(layer, dtype: str) -> Stock:
    """Keras's layers for one recurrent layer.

    They are made ahead: each holds a random generator, and so a variable, which no graph may make.
    """
    directions = [_layers(layer.cell, prefix, layer.return_sequences, dtype) for prefix in layer.directions]
    return dict(chain.from_iterable(directions))


def run(layer, stock: Stock, p: dict[str, tf.Tensor], x: tf.Tensor, valid: Valid, state: States):
    """The layer by Keras: x (batch, time, inputs) → outputs, final states.

    cuDNN takes lengths of at least 1 only. So a mask with holes gathers its valid steps to the front, and what a row
    without valid steps ran is undone (UNROLL-4).
    """
    time = tf.shape(x)[1]
    order = None
    if valid.mask is not None:
        order = tf.argsort(tf.cast(valid.mask, tf.int32), 1, "DESCENDING", stable=True)
        x = tf.gather(x, order, batch_dims=1)
        valid = Valid(lengths=tf.math.count_nonzero(valid.mask, 1, dtype=tf.int32))
    if not x.shape[1]:  # none, or not known yet: Keras needs one step
        x = tf.pad(x, [[0, 0], [0, tf.cast(time == 0, tf.int32)], [0, 0]])
        if valid.all:
            valid = Valid(lengths=tf.repeat(time, tf.shape(x)[:1]))
    outputs: list[tf.Tensor] = []
    new: States = {}
    for prefix, reverse in layer.directions.items():
        y = _reverse(x, valid.lengths) if reverse else x
        y, s = _chain(layer.cell, stock, prefix, p, y, valid.lengths, state)
        outputs.append(_reverse(y, valid.lengths) if reverse and layer.return_sequences else y)
        new |= s
    y = tf.concat(outputs, -1) if len(outputs) > 1 else outputs[0]
    if layer.return_sequences:
        y = y[:, :time]
        if order is not None:
            y = tf.gather(y, tf.argsort(order, 1), batch_dims=1)
    return y, new


def _layers(cell: Cell, place: str, sequences: bool, dtype: str) -> Iterator[tuple[str, keras.layers.RNN]]:
    options = {"return_sequences": sequences, "return_state": True, "zero_output_for_mask": True, "dtype": dtype}
    match cell:
        case Stack(cells=cells):
            for inner_place, inner, last in _inside(cells, place):
                yield from _layers(inner, inner_place, sequences or not last, dtype)
        case RNN(units=units, activation=activation):
            yield place, keras.layers.SimpleRNN(units, activation, **options)
        case LSTM(units=units):
            yield place, keras.layers.LSTM(units, **options)
        case GRU(units=units, reset_after=reset_after):
            yield place, keras.layers.GRU(units, reset_after=reset_after, **options)


def _inside(cells: tuple[Cell, ...], place: str) -> Iterator[tuple[str, Cell, bool]]:
    """The cells of a stack with their places, and whether they are the last."""
    for k, inner in enumerate(cells):
        yield f"{place}.cells.{k}".removeprefix("."), inner, k == len(cells) - 1


def _chain(cell: Cell, stock: Stock, place: str, p, x: tf.Tensor, lengths, state: States) -> tuple[tf.Tensor, States]:
    """One direction of a cell; a stack is its cells one after the other (STACK-1)."""
    if not isinstance(cell, Stack):
        x, s = _call(cell, stock[place], scope(p, place), x, lengths, scope(state, place))
        return x, under(place, s)
    new: States = {}
    for inner_place, inner, _ in _inside(cell.cells, place):
        x, s = _chain(inner, stock, inner_place, p, x, lengths, state)
        new |= s
    return x, new


def _reverse(x: tf.Tensor, lengths: tf.Tensor | None) -> tf.Tensor:
    """The valid steps of each row in reverse; the rest stays."""
    return tf.reverse(x, [1]) if lengths is None else tf.reverse_sequence(x, lengths, seq_axis=1, batch_axis=0)


def _call(cell: Cell, layer: keras.layers.RNN, p, x: tf.Tensor, lengths, state: States) -> tuple[tf.Tensor, States]:
    """One call of a layer of Keras, whose cell is given our tensors in place of variables of its own."""
    layer.cell.kernel, layer.cell.recurrent_kernel, layer.cell.bias = _weights(cell, p)
    layer.cell.built = layer.built = True
    names = list(cell.states())
    initial = [state[name] for name in names]
    mask = None if lengths is None else tf.sequence_mask(tf.maximum(lengths, 1), tf.shape(x)[1])
    y, *final = layer(x, mask=mask, initial_state=initial)
    y = y if layer.return_sequences else final[0]
    if lengths is not None:
        some = lengths[:, None] > 0
        final = [tf.where(some, h, h0) for h, h0 in zip(final, initial, strict=True)]
        y = tf.where(some[:, None] if layer.return_sequences else some, y, tf.zeros((), y.dtype))
    return y, dict(zip(names, final, strict=True))


def _weights(cell: Cell, p: dict[str, tf.Tensor]) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
    """Keras's kernel (inputs, gates·units), recurrent kernel (units, gates·units) and bias; cuDNN wants one always."""
    bias = p["bias"] if "bias" in p else tf.zeros(p["kernel"].shape[:2], p["kernel"].dtype)
    recurrent = p.get("recurrent_bias", tf.zeros_like(bias[0]))
    parts = [p["kernel"], p["recurrent_kernel"], bias]
    if isinstance(cell, GRU):  # ours: reset, update, new; Keras's: update, reset, new
        parts = [tf.concat([part[1:2], part[:1], part[2:]], 0) for part in parts]
    kernel, recurrent_kernel = (tf.reshape(tf.transpose(k, (2, 0, 1)), (k.shape[2], -1)) for k in parts[:2])
    bias = tf.reshape(parts[2], [-1])
    if isinstance(cell, GRU) and cell.reset_after:
        bias = tf.stack([bias, tf.pad(recurrent, [[2 * cell.units, 0]])])
    return kernel, recurrent_kernel, bias
