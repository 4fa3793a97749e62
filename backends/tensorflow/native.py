"""To stock layers of Keras and from them."""

import json

import keras

from rnnspec.backends.tensorflow.functional import functional
from rnnspec.backends.tensorflow.stock import check_widths, fill, in_order, made, refused
from rnnspec.checkpoint import Checkpoint
from rnnspec.conventions.keras import Version
from rnnspec.errors import SpecError, UnsupportedError
from rnnspec.layers import Dropout, Embedding, Recurrent
from rnnspec.ops import scope


def to_native(checkpoint: Checkpoint) -> keras.Model:
    """The model in stock layers, which load anywhere without rnnspec: x (batch, time, inputs), or ids, → its output.

    Layers have the names of ours. A chain is `Sequential`; a graph, or a chain with a layer of version 2, is a
    functional model, which takes its inputs and gives its outputs in the order of ours. `Model.padding` becomes
    `Masking`, or `mask_zero` of the embedding. GRU's `bias` is Keras's bias of the inputs; that of the states is 0, but
    for `recurrent_bias`.

    Raises:
        UnsupportedError: Keras has no layer that means the same; the message names the layer and the option.
    """
    model = checkpoint.model
    if model.version > 1 or not all(map(in_order, model.layers)):
        return functional(checkpoint)
    masked = model.padding is not None
    for layer, inputs in [*model.chain()][:-1]:
        check_widths(layer, inputs)
    layers = [
        made(layer, checkpoint.dtype, mask=model.padding if isinstance(layer, Embedding) else None, masked=masked)
        for layer in model.layers
    ]
    shape: tuple[int | None, ...] = (None,)
    if isinstance(model.inputs, int):
        shape = (None, model.inputs)
        if masked:
            reads = next((layer for layer in model.layers if not isinstance(layer, Dropout)), model.layers[0])
            if model.padding and not isinstance(reads, Recurrent):
                raise refused(reads, "reading a padding other than 0", "its Masking makes it 0")
            names = [layer.name for layer in model.layers]
            name = next(name for name in ("masking", *(f"masking_{k}" for k in range(len(names)))) if name not in names)
            layers.insert(0, keras.layers.Masking(model.padding, name=name, dtype=checkpoint.dtype))
    first = keras.Input(shape, dtype="int32" if model.inputs is None else checkpoint.dtype, name="x")
    native = keras.Sequential([first, *layers])
    for layer in model.layers:
        fill(native.get_layer(layer.name), layer, scope(checkpoint.weights, layer.name))
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
