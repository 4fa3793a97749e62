"""Keras 2 and 3 → ours, with h5py and JSON: no code of the file is run, and no Keras is needed.

`files` gives what is in a file; `saved.read_config` makes a tree of its configuration; `locate.by_path` and
`locate.by_order` say which variable is which; `chain.chain` puts the layers in order; `network` reads them.
"""

from pathlib import Path
from typing import Any

from rnnspec.conventions.keras import Version
from rnnspec.convert.keras.cells import Cells
from rnnspec.convert.keras.chain import chain
from rnnspec.convert.keras.files import read_file, read_json
from rnnspec.convert.keras.infer import infer
from rnnspec.convert.keras.layers import Layers
from rnnspec.convert.keras.locate import by_order, by_path, has_variables, of_training
from rnnspec.convert.keras.ours import as_keras, with_layers
from rnnspec.convert.keras.saved import Saved, read_config
from rnnspec.convert.request import Network, Request
from rnnspec.convert.variables import Variables
from rnnspec.errors import SpecError
from rnnspec.model import Model


def read(source: Path, request: Request) -> Network:
    """A `.keras` or `.h5` model, a file of weights with its configuration, or a SavedModel.

    Raises:
        SpecError: damaged or dangerous; a variable is missing, left over or of another shape.
        UnsupportedError: the model does something that ours cannot.
    """
    if source.is_dir():
        from rnnspec.convert.keras.saved_model import read as read_saved_model

        return read_saved_model(source, request)
    file = read_file(source)
    variables = Variables(file.arrays, str(source))
    config, where, ours = file.config, str(source), None
    if config is None and (path := request.look("config")) is not None:
        config, where = read_json(path), str(path)
        if isinstance(config, dict) and "layers" in config:
            ours = Model.from_builtins(config, where)
            config = as_keras(ours, where)
    known = file.version if where == str(source) or ours else None
    version = version_of(config, known, where, request, groups=file.groups is not None)
    if config is None:
        config = infer(file, where, request)
    model = read_config(config, where)
    if file.groups is None:
        by_path(model, "", variables)
    else:
        _by_group(model, file.groups, where != str(source), str(source), request)
    found = network(model, variables, version, request)
    return with_layers(ours, found) if ours else found


def version_of(config: Any, version: str | None, where: str, request: Request, groups: bool = True) -> Version:
    """The Keras that made a configuration; Keras 3's JSON does not say, but names modules.

    `groups`: whether the weights are in Keras 2's format; that of Keras 3 tells without a configuration.
    """
    data = config if isinstance(config, dict) else {}
    version = version or data.get("keras_version")
    if version is None and ("module" in data or not groups):
        return Version(3, 0)
    if version is None:
        version = request.settings.get("", "keras_version")
    if version is None:
        raise SpecError(f"{where}: does not say which Keras it is of; give --set keras_version=2.2.4, or whichever")
    return Version.parse(str(version), where)


def _by_group(model: Saved, groups: dict[str, list[str]], apart: bool, source: str, request: Request) -> None:
    """Match Keras 2's groups, one for each layer: by name, or by order where a configuration of its own has others."""
    layers = {layer.name: layer for layer in model.inner.values() if has_variables(layer)}
    groups = {name: variables for name, variables in groups.items() if variables}
    if apart and not set(groups) <= {layer.name for layer in model.inner.values()}:
        if len(groups) != len(layers):
            raise SpecError(
                f"{source}: {len(groups)} layers with weights, {', '.join(groups)}; "
                f"the configuration has {len(layers)}, {', '.join(layers)}"
            )
        pairs = dict(zip(layers, groups, strict=True))
        request.note("layers go by their order: " + ", ".join(f"{theirs} is {name}" for name, theirs in pairs.items()))
        groups = {name: groups[theirs] for name, theirs in pairs.items()}
    elif apart and [name for name in groups if name in layers] != [name for name in layers if name in groups]:
        raise SpecError(
            f"{source}: its layers {', '.join(groups)} stand in another order than those of the configuration"
        )
    for name, layer in layers.items():
        by_order(layer, groups.get(name, []))


def network(model: Saved, variables: Variables, version: Version, request: Request, alone: bool = False) -> Network:
    """The chain that the model is, or the part of it that is asked for; `model` knows where its variables are.

    `alone`: whether it is one layer by itself, which is called with any mask.
    """
    part = request.look("part")
    found = Layers(Cells(variables, version, request), alone).network(chain(model, part))
    for name in variables.left():
        if reason := of_training(name):
            variables.ignore(name, reason)
        elif "seed_generator" in name:
            variables.ignore(name, "the state of the random numbers for dropout")
        elif part is not None:
            variables.ignore(name, f"not in the part {part}")
    return found
