"""To stock layers of Keras and from them."""

import json
from typing import Any

import keras
import numpy as np

from rnnspec.activations import Activation
from rnnspec.cells import GRU, LSTM, RNN, Cell, CellDropout, Stack
from rnnspec.checkpoint import Checkpoint
from rnnspec.conventions.keras import CELLS, Version, name_of
from rnnspec.errors import SpecError, UnsupportedError
from rnnspec.layers import Dense, Dropout, Embedding, Layer, Recurrent
from rnnspec.model import Model
from rnnspec.ops import scope

Arrays = dict[str, np.ndarray]


def to_native(checkpoint: Checkpoint) -> keras.Sequential:
    """The model in stock layers, which load anywhere without rnnspec: x (batch, time, inputs), or ids, → its output.

    Layers have the names of ours. `Model.padding` becomes `Masking`, or `mask_zero` of the embedding. GRU's `bias` is
    Keras's bias of the inputs; that of the states is 0, but for `recurrent_bias`.

    Raises:
        UnsupportedError: Keras has no layer that means the same; the message names the layer and the option.
    """
    model = checkpoint.model
    model.check_chain("the writer of stock layers of Keras")
    layers = [_layer(layer, model, checkpoint.dtype) for layer in model.layers]
    shape: tuple[int | None, ...] = (None,)
    if isinstance(model.inputs, int):
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
    from rnnspec.convert.keras.locate import by_order
    from rnnspec.convert.keras.network import network_of
    from rnnspec.convert.keras.saved import read_config
    from rnnspec.convert.request import Request, assemble
    from rnnspec.convert.variables import Variables

    if not layer.built:
        raise SpecError(f"layer {layer.name!r} is not built: it has no weights; call it, or build it")
    _check_code(layer)
    parts = layer.layers if isinstance(layer, keras.Model) else [layer]
    data = json.loads(json.dumps(keras.saving.serialize_keras_object(layer)))
    if not isinstance(layer, keras.Model):
        data = {"class_name": "Sequential", "config": {"name": layer.name, "layers": [data]}}
    groups = {part.name: [*part.trainable_weights, *part.non_trainable_weights] for part in parts}
    arrays = {
        f"{name}/{k}/{variable.name}": variable.numpy()
        for name, group in groups.items()
        for k, variable in enumerate(group)
    }
    request, where = Request(), f"{type(layer).__name__} {layer.name!r}"
    model, variables = read_config(data, where), Variables(arrays, where)
    for each in model.inner.values():
        by_order(each, [name for name in arrays if name.startswith(f"{each.name}/")])
    version = Version.parse(keras.__version__, where)
    found = network_of(model, variables, version, request, alone=not isinstance(layer, keras.Model))
    return assemble(found, request, "keras", where)


def _check_code(layer: keras.layers.Layer) -> None:
    """Raise UnsupportedError where code of the user's own goes by the name of something of Keras's."""
    for part in layer._flatten_layers():
        theirs = getattr(keras.layers, type(part).__name__, type(part))
        if type(part) is not theirs:
            raise UnsupportedError(
                f"layer {part.name!r}: {type(part).__qualname__} is a class of its own: no equal here"
            )
        for option in ("activation", "recurrent_activation"):
            function = getattr(part, option, None)
            name = getattr(function, "__name__", "")
            if function is not getattr(keras.activations, name, function):
                raise UnsupportedError(f"layer {part.name!r}: {option} {name!r} is code of its own: no equal here")


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


def _recurrent(layer: Recurrent, named: dict[str, Any]) -> keras.layers.Layer:
    if layer.learned_state:
        raise _refused(layer, "learned_state")
    hold, both = layer.padded_output == "hold", layer.direction == "bidirectional"
    unrolled = {
        "return_sequences": layer.return_sequences,
        "zero_output_for_mask": layer.return_sequences and not hold,  # else the last output of a padded row would be 0
        "dtype": named["dtype"],
    }
    if not both:
        backward = layer.direction == "backward"
        if layer.return_sequences and backward != layer.reverse_output:
            options = f"direction={layer.direction!r} with reverse_output={layer.reverse_output}"
            raise _refused(layer, options, "its go_backwards reverses both the steps and the output")
        return _direction(layer, layer.cell, {**unrolled, "go_backwards": backward, "name": layer.name})
    if layer.return_sequences and layer.reverse_output:
        raise _refused(layer, "reverse_output", "its Bidirectional keeps the order of the input")
    if layer.return_sequences and hold:
        raise _refused(layer, "padded_output='hold'", "its Bidirectional gives 0 at masked steps")
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
            raise _refused(layer, "CellDropout.output")
        if (cell.input or cell.state) and cell.per == "step":
            raise _refused(layer, "CellDropout.per='step'", "it drops the same of every step")
        if cell.state and type(cell.cell) is not RNN:
            raise _refused(layer, "CellDropout.state", "it drops something else for each gate")
        given, cell = {"dropout": cell.input, "recurrent_dropout": cell.state}, cell.cell
    if type(cell) not in CELLS:
        raise _refused(layer, type(cell).__name__)
    kind = CELLS[type(cell)]
    activations = kind.activations
    kept = {"units", "bias", "reset_after", "output_activation", *activations.values()}
    plain = type(cell)(**{name: getattr(cell, name) for name in cell.__struct_fields__ if name in kept})
    for option in cell.__struct_fields__:
        if getattr(cell, option) != getattr(plain, option):
            raise _refused(layer, f"{type(cell).__name__}.{option}")
    if isinstance(cell, LSTM) and cell.output_activation != cell.cell_activation:
        raise _refused(layer, "LSTM.output_activation", "it is the same as cell_activation")
    for theirs, ours in activations.items():
        given[theirs] = _activation(getattr(cell, ours), f"layer {layer.name!r}: {type(cell).__name__}.{ours}")
    if isinstance(cell, GRU):
        given["reset_after"] = cell.reset_after
    return kind.__name__, {"units": cell.units, "use_bias": cell.bias, **given}  # type: ignore[attr-defined]


def _activation(activation: Activation, where: str) -> str:
    name = name_of(activation)
    if name is None:
        shown = activation if isinstance(activation, str) else activation.to_builtins()
        raise UnsupportedError(f"{where}={shown} has no equal in Keras that loads without code of its own")
    return name


def _refused(layer: Layer, option: str, why: str = "") -> UnsupportedError:
    return UnsupportedError(f"layer {layer.name!r}: {option} has no equal in Keras{why and f': {why}'}")


def _fill(native: keras.layers.Layer, layer: Layer, weights: Arrays) -> None:
    """Our weights into a stock layer."""
    match layer:
        case Embedding():
            native.set_weights([weights["embeddings"]])
        case Dense():
            native.set_weights([weights["kernel"].T, *([weights["bias"]] if layer.bias else [])])
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
