"""To stock layers of Keras and from them."""

from collections.abc import Callable
from typing import Any

import keras
import numpy as np

from rnnspec.activations import Activation, Celu, Elu, HardShrink, HardSigmoid, LeakyRelu, SoftShrink
from rnnspec.cells import GRU, LSTM, RNN, Cell, CellDropout, Stack
from rnnspec.checkpoint import Checkpoint
from rnnspec.errors import UnsupportedError
from rnnspec.layers import Dense, Dropout, Embedding, Layer, Recurrent
from rnnspec.model import Model
from rnnspec.ops import scope

Arrays = dict[str, np.ndarray]

_CELLS: dict[type, str] = {RNN: "SimpleRNN", LSTM: "LSTM", GRU: "GRU"}
_ACTIVATIONS: dict[Activation, str] = {  # what Keras 3 calls those whose parameters it has fixed; other names are ours
    HardSigmoid(alpha=1 / 6, beta=0.5): "hard_sigmoid",
    LeakyRelu(alpha=0.2): "leaky_relu",
    Celu(alpha=1.0): "celu",
    Elu(alpha=1.0): "elu",
    HardShrink(alpha=0.5): "hard_shrink",
    SoftShrink(alpha=0.5): "soft_shrink",
}


def to_native(checkpoint: Checkpoint) -> keras.Sequential:
    """The model in stock layers, which load anywhere without rnnspec: x (batch, time, inputs), or ids, → its output.

    Layers have the names of ours. `Model.padding` becomes `Masking`, or `mask_zero` of the embedding. GRU's `bias` is
    Keras's bias of the inputs; that of the states is 0, but for `recurrent_bias`.

    Raises:
        UnsupportedError: Keras has no layer that means the same; the message names the layer and the option.
    """
    model = checkpoint.model
    layers = [_layer(layer, model, checkpoint.dtype) for layer in model.layers]
    shape: tuple[int | None, ...] = (None,)
    if model.inputs is not None:
        shape = (None, model.inputs)
        if model.padding is not None:
            names = [layer.name for layer in model.layers]
            name = next(name for name in ("masking", *(f"masking_{k}" for k in range(len(names)))) if name not in names)
            layers.insert(0, keras.layers.Masking(model.padding, name=name, dtype=checkpoint.dtype))
    first = keras.Input(shape, dtype="int32" if model.inputs is None else checkpoint.dtype, name="x")
    native = keras.Sequential([first, *layers])
    for layer in model.layers:
        _fill(native.get_layer(layer.name), layer, scope(checkpoint.weights, layer.name))
    return native


def from_native(layer: keras.layers.Layer) -> Checkpoint:
    """A layer or model of Keras, built, by its configuration and weights, as `rnnspec.convert` reads files.

    Its `metadata["conversion"]` has the notes of what was assumed or changed.

    Raises:
        SpecError: it is not built; or a variable is left over.
        UnsupportedError: it does something that ours cannot.
    """
    raise NotImplementedError


def _layer(layer: Layer, model: Model, dtype: str) -> keras.layers.Layer:
    """The stock layer, without its weights."""
    options: dict[str, Any] = {"name": layer.name, "dtype": dtype}
    match layer:
        case Embedding():
            if model.padding not in (None, 0):
                raise UnsupportedError(f"Model.padding={model.padding:g}: Keras's embeddings can only mask the id 0")
            mask = model.padding is not None
            return keras.layers.Embedding(layer.vocabulary, layer.units, mask_zero=mask, **options)
        case Dense():
            activation = _activation(layer.activation, f"layer {layer.name!r}: activation")
            return keras.layers.Dense(layer.units, activation, use_bias=layer.bias, **options)
        case Dropout():
            return keras.layers.Dropout(layer.rate, **options)
        case Recurrent():
            return _recurrent(layer, options)
    raise _refused(layer, type(layer).__name__)


def _recurrent(layer: Recurrent, options: dict[str, Any]) -> keras.layers.Layer:
    if layer.learned_state:
        raise _refused(layer, "learned_state")
    hold, both = layer.padded_output == "hold", layer.direction == "bidirectional"
    unrolled = {
        "return_sequences": layer.return_sequences,
        "zero_output_for_mask": layer.return_sequences and not hold,  # else the last output of a padded row would be 0
        "dtype": options["dtype"],
    }
    if not both:
        backward = layer.direction == "backward"
        if layer.return_sequences and backward != layer.reverse_output:
            fix = f"direction={layer.direction!r} with reverse_output={str(layer.reverse_output).lower()}"
            raise _refused(layer, fix, "its go_backwards does both")
        return _unrolled(layer, layer.cell, {**unrolled, "go_backwards": backward, "name": layer.name})
    if layer.return_sequences and layer.reverse_output:
        raise _refused(layer, "reverse_output", "its Bidirectional keeps the order of the input")
    if layer.return_sequences and hold:
        raise _refused(layer, "padded_output='hold'", "its Bidirectional gives 0 at masked steps")
    forward, backward = (
        _unrolled(layer, cell, {**unrolled, "go_backwards": reverse, "name": f"{prefix}_{layer.name}"})
        for prefix, (cell, reverse) in layer.directions.items()
    )
    merge = None if layer.merge == "none" else layer.merge
    return keras.layers.Bidirectional(forward, merge, backward_layer=backward, **options)


def _unrolled(layer: Recurrent, cell: Cell, options: dict[str, Any]) -> keras.layers.RNN:
    """One direction."""
    if isinstance(cell, Stack):
        dtype = options["dtype"]
        cells = [getattr(keras.layers, f"{kind}Cell")(**given, dtype=dtype) for kind, given in _stacked(layer, cell)]
        return keras.layers.RNN(cells, **options)
    kind, given = _cell(layer, cell)
    return getattr(keras.layers, kind)(**given, **options)


def _stacked(layer: Recurrent, stack: Stack) -> list[tuple[str, dict[str, Any]]]:
    return [_cell(layer, cell) for cell in stack.cells]


def _cell(layer: Recurrent, cell: Cell) -> tuple[str, dict[str, Any]]:
    """Which of Keras's cells it is, and its arguments."""
    dropout: dict[str, float] = {}
    if isinstance(cell, CellDropout):
        if cell.output:
            raise _refused(layer, "CellDropout.output")
        if cell.per != "sequence" and (cell.input or cell.state):
            raise _refused(layer, "CellDropout.per='step'", "it draws a mask for the whole sequence")
        if cell.state and type(cell.cell) is not RNN:
            raise _refused(layer, "CellDropout.state", "it draws a mask for each gate")
        dropout, cell = {"dropout": cell.input, "recurrent_dropout": cell.state}, cell.cell
    if type(cell) not in _CELLS:
        raise _refused(layer, type(cell).__name__)
    kind, plain = type(cell).__name__, type(cell).__struct_defaults__
    del plain
    given: dict[str, Any] = {"units": cell.units, "use_bias": cell.bias, **dropout}
    match cell:
        case RNN():
            same: Cell = RNN(units=cell.units, bias=cell.bias, activation=cell.activation)
            activations = {"activation": "activation"}
        case LSTM():
            same = LSTM(
                units=cell.units,
                bias=cell.bias,
                gate_activation=cell.gate_activation,
                cell_activation=cell.cell_activation,
                output_activation=cell.cell_activation,
            )
            activations = {"activation": "cell_activation", "recurrent_activation": "gate_activation"}
        case GRU():
            same = GRU(
                units=cell.units,
                bias=cell.bias,
                reset_after=cell.reset_after,
                gate_activation=cell.gate_activation,
                activation=cell.activation,
            )
            activations = {"activation": "activation", "recurrent_activation": "gate_activation"}
            given["reset_after"] = cell.reset_after
    for field in cell.__struct_fields__:
        if getattr(cell, field) != getattr(same, field):
            raise _refused(layer, f"{kind}.{field}={getattr(cell, field)!r}")
    for theirs, ours in activations.items():
        given[theirs] = _activation(getattr(cell, ours), f"layer {layer.name!r}: {kind}.{ours}")
    return _CELLS[type(cell)], given
