"""Keras's own layers, where they mean exactly what the cell means. On a GPU they run cuDNN."""

import keras
import tensorflow as tf

from rnnspec.backends.tensorflow.unroll import steps
from rnnspec.cells import GRU, LSTM, RNN, Cell, Stack
from rnnspec.errors import UnsupportedError
from rnnspec.ops import States, scope, under
from rnnspec.valid import Valid


def name(cell: Cell) -> str:
    """The layer of Keras that serves the cell."""
    match cell:
        case Stack(cells=cells):
            return " + ".join(dict.fromkeys(name(inner) for inner in cells))
        case _:
            return {RNN: "keras.layers.SimpleRNN", LSTM: "keras.layers.LSTM", GRU: "keras.layers.GRU"}[type(cell)]


def obstacle(cell: Cell) -> str | None:
    """Why Keras has no layer with the cell's meaning; None where it has one."""
    match cell:
        case Stack(cells=cells):
            return next((reason for inner in cells if (reason := obstacle(inner))), None)
        case RNN() | LSTM() | GRU():
            return None
        case _:
            return f"Keras has no {type(cell).__name__}"


def resolve(path: str) -> str:
    """"auto" as this machine has it: Keras's layers run cuDNN on a GPU; on a CPU our loop is faster."""
    return "generic" if path == "auto" and not tf.config.list_physical_devices("GPU") else path


def chosen(layer, path: str) -> bool:
    """Whether Keras's layer runs. Raises UnsupportedError where it was asked for and there is none."""
    if resolve(path) == "generic":
        return False
    reason = obstacle(layer.cell)
    if reason and path == "native":
        raise UnsupportedError(f"layer {layer.name!r}: no native path: {reason}; use path='auto'")
    return reason is None


def run(layer, p: dict[str, tf.Tensor], x: tf.Tensor, valid: Valid, state: States) -> tuple[tf.Tensor, States]:
    """The layer by Keras: x (batch, time, inputs).

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
    outputs, new = [], {}
    for prefix, reverse in layer.directions.items():
        y = _reverse(x, valid.lengths) if reverse else x
        y, s = _chain(layer.cell, scope(p, prefix), y, valid.lengths, scope(state, prefix), layer.return_sequences)
        outputs.append(_reverse(y, valid.lengths) if reverse and layer.return_sequences else y)
        new |= under(prefix, s)
    y = tf.concat(outputs, -1) if len(outputs) > 1 else outputs[0]
    if layer.return_sequences:
        y = y[:, :time]
        if order is not None:
            y = tf.gather(y, tf.argsort(order, 1), batch_dims=1)
    return y, new


def _chain(cell: Cell, p, x: tf.Tensor, lengths, state: States, sequences: bool) -> tuple[tf.Tensor, States]:
    """One direction of a cell; a stack is its cells one after the other (STACK-1)."""
    if not isinstance(cell, Stack):
        return _call(cell, p, x, lengths, state, sequences)
    new: States = {}
    for k, inner in enumerate(cell.cells):
        prefix = f"cells.{k}"
        whole = sequences or k < len(cell.cells) - 1
        x, s = _chain(inner, scope(p, prefix), x, lengths, scope(state, prefix), whole)
        new |= under(prefix, s)
    return x, new


def _reverse(x: tf.Tensor, lengths: tf.Tensor | None) -> tf.Tensor:
    """The valid steps of each row in reverse; the rest stays."""
    return tf.reverse(x, [1]) if lengths is None else tf.reverse_sequence(x, lengths, seq_axis=1, batch_axis=0)


def _call(cell: Cell, p: dict[str, tf.Tensor], x, lengths, state: States, sequences: bool) -> tuple[tf.Tensor, States]:
    """One call of one layer of Keras, whose cell is given our tensors in place of variables of its own."""
    layer = _layer(cell, return_sequences=sequences, return_state=True, zero_output_for_mask=True, dtype=x.dtype.name)
    layer.cell.kernel, layer.cell.recurrent_kernel, layer.cell.bias = _weights(cell, p)
    layer.cell.built = layer.built = True
    names = list(cell.states())
    initial = [state[name] for name in names]
    mask = None if lengths is None else tf.sequence_mask(tf.maximum(lengths, 1), tf.shape(x)[1])
    y, *final = layer(x, mask=mask, initial_state=initial)
    y = y if sequences else final[0]
    if lengths is not None:
        some = lengths[:, None] > 0
        final = [tf.where(some, h, h0) for h, h0 in zip(final, initial, strict=True)]
        y = tf.where(some[:, None] if sequences else some, y, tf.zeros((), y.dtype))
    return y, dict(zip(names, final, strict=True))


def _layer(cell: Cell, **options) -> keras.layers.RNN:
    """The layer of Keras, without weights. cuDNN wants a bias, so there is always one."""
    match cell:
        case RNN(units=units, activation=activation):
            return keras.layers.SimpleRNN(units, activation, name="rnn", **options)
        case LSTM(units=units):
            return keras.layers.LSTM(units, name="lstm", **options)
        case GRU(units=units, reset_after=reset_after):
            return keras.layers.GRU(units, reset_after=reset_after, name="gru", **options)
        case _:
            raise AssertionError(obstacle(cell))


def _weights(cell: Cell, p: dict[str, tf.Tensor]) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
    """Keras's kernel (inputs, gates·units), recurrent kernel (units, gates·units) and bias."""
    bias = p["bias"] if "bias" in p else tf.zeros(p["kernel"].shape[:2], p["kernel"].dtype)
    recurrent = p.get("recurrent_bias", tf.zeros_like(bias[0]))
    parts = [p["kernel"], p["recurrent_kernel"], bias]
    if isinstance(cell, GRU):  # ours: reset, update, new; Keras's: update, reset, new
        parts = [tf.gather(part, [1, 0, 2]) for part in parts]
    kernel, recurrent_kernel = (tf.reshape(tf.transpose(k, (2, 0, 1)), (k.shape[2], -1)) for k in parts[:2])
    bias = tf.reshape(parts[2], [-1])
    if isinstance(cell, GRU) and cell.reset_after:
        bias = tf.stack([bias, tf.pad(recurrent, [[2 * cell.units, 0]])])
    return kernel, recurrent_kernel, bias
