"""SavedModel: what `model.export` and `tf.saved_model.save` write.

Keras 3 keeps no configuration in it, so the architecture is read off the graph that it computes, unless `--config`
gives it.
"""

from pathlib import Path
from typing import Any

from rnnspec.convert import saved_model
from rnnspec.convert.formats.protobuf import fields, repeated, text
from rnnspec.convert.keras.files import decode, read_json
from rnnspec.convert.keras.locate import by_order, has_variables
from rnnspec.convert.keras.network import network_of, version_of
from rnnspec.convert.keras.saved import read_config
from rnnspec.convert.request import Network, Request
from rnnspec.convert.saved_model.file import NOT_LAYERS, SavedModel
from rnnspec.convert.variables import Variables
from rnnspec.errors import SpecError
from rnnspec.reading import contents


def read(source: Path, request: Request) -> Network:
    """The model that a SavedModel computes; by its configuration where there is one, of Keras 2 or in `--config`.

    Raises:
        FileNotFoundError: a file of it is not there.
        SpecError: damaged; or it is no chain, and `--part` names none in it.
        UnsupportedError: written by TensorFlow 1; or an operation belongs to no layer of ours.
    """
    saved = SavedModel(source)
    variables = Variables(dict(saved.variables.values()), str(source))
    path = request.look("config")
    if path is not None:
        return _configured(read_json(path), str(path), saved, variables, request)
    if (source / "keras_metadata.pb").exists():
        return _configured(_keras_2(source / "keras_metadata.pb"), str(source), saved, variables, request)
    return saved_model.network_of(source, saved, variables, request)


def _configured(config: Any, where: str, saved: SavedModel, variables: Variables, request: Request) -> Network:
    """The model by its configuration. A variable belongs to the layer whose name is in its path."""
    model = read_config(config, where)
    own = [name for name, key in saved.keys.items() if key.split("/")[0] not in NOT_LAYERS]
    for layer in model.inner.values():
        if has_variables(layer):
            by_order(layer, [name for name in own if layer.name in name.split("/")[:-1]])
    found = network_of(model, variables, version_of(config, None, where, request), request)
    saved.ignore_rest(variables)
    return found


def _keras_2(path: Path) -> Any:
    """The configuration of the whole model (keras/protobuf/saved_metadata.proto)."""
    for node in repeated(fields(memoryview(contents(path)), str(path)), 1, str(path)):
        found = fields(node, str(path))
        if text(found, 3, str(path)) == "root":
            return decode(text(found, 5, str(path)), path)
    raise SpecError(f"{path}: holds no model; give its configuration with --config")
