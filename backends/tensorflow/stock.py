"""The stock layers of Keras that mean what layers of ours do, and our weights in them."""

from typing import Any

import keras
import numpy as np

from rnnspec.activations import Activation
from rnnspec.cells import GRU, LSTM, RNN, Cell, CellDropout, Stack
from rnnspec.conventions.keras import CELLS, conv1d, name_of
from rnnspec.errors import UnsupportedError
from rnnspec.layers import Convolution, Dense, Dropout, Embedding, Layer, Norm, Recurrent
from rnnspec.layers.base import Features
from rnnspec.ops import scope

Arrays = dict[str, np.ndarray]


def made(
    layer: Layer, dtype: str, *, mask: float | None = None, masked: bool = False, state: bool = False
) -> keras.layers.Layer:
    """The stock layer, without its weights.

    Args:
        mask: the id that an embedding masks.
        masked: whether what a recurrent layer reads may be masked; if not, no step is invalid.
        state: whether a recurrent layer gives its final states too.

    Raises:
        UnsupportedError: Keras has no layer that means the same; the message names the layer and the option.
    """
    options: dict[str, Any] = {"name": layer.name, "dtype": dtype}
    match layer:
        case Embedding():
            if mask not in (None, 0):
                raise UnsupportedError(f"Model.padding={mask:g}: Keras's embeddings can only mask the id 0")
            return keras.layers.Embedding(layer.vocabulary, layer.units, mask_zero=mask is not None, **options)
        case Dense():
            activation = activation_of(layer.activation, f"layer {layer.name!r}: activation")
            return keras.layers.Dense(layer.units, activation, use_bias=layer.bias, **options)
        case Dropout():
            return keras.layers.Dropout(layer.rate, **options)
        case Recurrent():
            return _recurrent(layer, options, masked, state)
        case Norm() if layer.kind == "batch":
            return keras.layers.BatchNormalization(epsilon=layer.epsilon, center=layer.beta, **options)
        case Norm():
            return keras.layers.LayerNormalization(epsilon=layer.epsilon, center=layer.beta, **options)
    raise refused(layer, type(layer).__name__)


def check_widths(layer: Layer, inputs: Features) -> None:
    """Raise UnsupportedError where Keras builds what follows `layer`, which reads `inputs`, for another number of
    features."""
    if isinstance(layer, Recurrent) and layer.merge == "concat" and len({*layer.each(inputs)}) > 1:
        raise refused(layer, "directions of two widths before another layer", "its Bidirectional says twice the first")


def in_order(layer: Layer) -> bool:
    """Whether Keras gives the outputs of the layer in the order in which ours does, by the layer alone: its
    `go_backwards` reverses both the steps and the output."""
    if not isinstance(layer, Recurrent) or not layer.return_sequences:
        return True
    return layer.reverse_output == (layer.direction == "backward")


def _recurrent(layer: Recurrent, named: dict[str, Any], masked: bool, state: bool) -> keras.layers.Layer:
    if layer.learned_state:
        raise refused(layer, "learned_state")
    hold, both = layer.padded_output == "hold", layer.direction == "bidirectional"
    unrolled = {
        "return_sequences": layer.return_sequences,
        "return_state": state,
        "zero_output_for_mask": layer.return_sequences and not hold,  # else the last output of a padded row would be 0
        "dtype": named["dtype"],
    }
    if not both:
        return _direction(
            layer, layer.cell, {**unrolled, "go_backwards": layer.direction == "backward", "name": layer.name}
        )
    if layer.return_sequences and hold and masked:
        raise refused(layer, "padded_output='hold'", "its Bidirectional gives 0 at masked steps")
    forward, backward = (
        _direction(layer, cell, {**unrolled, "go_backwards": reverse, "name": f"{prefix}_{layer.name}"})
        for prefix, (cell, reverse) in layer.directions.items()
    )
    merge = None if layer.merge == "none" else layer.merge
    return keras.layers.Bidirectional(forward, merge, backward_layer=backward, **named)


def _direction(layer: Recurrent, cell: Cell, options: dict[str, Any]) -> keras.layers.RNN:
    """One direction."""
    if isinstance(cell, Stack):
        inner = [_cell(layer, each) for each in cell.cells]
        cells = [getattr(keras.layers, f"{kind}Cell")(**given, dtype=options["dtype"]) for kind, given in inner]
        return keras.layers.RNN(keras.layers.StackedRNNCells(cells, dtype=options["dtype"]), **options)
    kind, given = _cell(layer, cell)
    return getattr(keras.layers, kind)(**given, **options)


def _cell(layer: Recurrent, cell: Cell) -> tuple[str, dict[str, Any]]:
    """Which of Keras's cells it is, and its arguments."""
    given: dict[str, Any] = {}
    if isinstance(cell, CellDropout):
        if cell.output:
            raise refused(layer, "CellDropout.output")
        if (cell.input or cell.state) and cell.per == "step":
            raise refused(layer, "CellDropout.per='step'", "it drops the same of every step")
        if cell.state and type(cell.cell) is not RNN:
            raise refused(layer, "CellDropout.state", "it drops something else for each gate")
        given, cell = {"dropout": cell.input, "recurrent_dropout": cell.state}, cell.cell
    if type(cell) not in CELLS:
        raise refused(layer, type(cell).__name__)
    kind = CELLS[type(cell)]
    activations = kind.activations
    kept = {"units", "bias", "reset_after", "output_activation", *activations.values()}
    plain = type(cell)(**{name: getattr(cell, name) for name in cell.__struct_fields__ if name in kept})
    for option in cell.__struct_fields__:
        if getattr(cell, option) != getattr(plain, option):
            raise refused(layer, f"{type(cell).__name__}.{option}")
    if isinstance(cell, LSTM) and cell.output_activation != cell.cell_activation:
        raise refused(layer, "LSTM.output_activation", "it is the same as cell_activation")
    for theirs, ours in activations.items():
        given[theirs] = activation_of(getattr(cell, ours), f"layer {layer.name!r}: {type(cell).__name__}.{ours}")
    if isinstance(cell, GRU):
        given["reset_after"] = cell.reset_after
    assert isinstance(cell, RNN | LSTM | GRU)  # those of CELLS
    return kind.__name__, {"units": cell.units, "use_bias": cell.bias, **given}


def activation_of(activation: Activation, where: str) -> str:
    """Keras's name of an activation. Raises UnsupportedError: it has none that loads without code of its own."""
    name = name_of(activation)
    if name is None:
        shown = activation if isinstance(activation, str) else activation.to_builtins()
        raise UnsupportedError(f"{where}={shown} has no equal in Keras that loads without code of its own")
    return name


def refused(layer: Layer, option: str, why: str = "") -> UnsupportedError:
    """The error of an option that Keras does not have."""
    return UnsupportedError(f"layer {layer.name!r}: {option} has no equal in Keras{why and f': {why}'}")


def fill(native: keras.layers.Layer, layer: Layer, weights: Arrays) -> None:
    """Our weights into a stock layer that `made` made, or a convolution."""
    match layer:
        case Embedding():
            native.set_weights([weights["embeddings"]])
        case Dense():
            native.set_weights([weights["kernel"].T, *([weights["bias"]] if layer.bias else [])])
        case Convolution():
            kernel = conv1d(weights["kernel"])
            native.set_weights([kernel, *([weights["bias"]] if layer.bias else [])])
        case Norm():
            names = ("gamma", "beta", "mean", "variance")
            native.set_weights([weights[name] for name in names if name in weights])
        case Recurrent():
            for prefix, (cell, _) in layer.directions.items():
                inner = getattr(native, f"{prefix}_layer") if prefix else native
                _fill_cell(inner.cell, cell, scope(weights, prefix))


def _fill_cell(native: keras.layers.Layer, cell: Cell, weights: Arrays) -> None:
    """Our weights into a cell of Keras."""
    if isinstance(cell, Stack):
        for k, (inner, each) in enumerate(zip(native.cells, cell.cells, strict=True)):
            _fill_cell(inner, each, scope(weights, f"cells.{k}"))
        return
    cell = cell.cell if isinstance(cell, CellDropout) else cell
    native.set_weights(list(CELLS[type(cell)].to_theirs(weights).values()))
