"""Keras 2 and 3 → ours, with h5py and JSON: no code of the file is run, and no Keras is needed.

`files` gives what is in a file; `saved.read_config` makes a tree of its configuration; `locate.by_path` and
`locate.by_order` say which variable is which; `chain.chain_of` puts the layers in order; `network.network_of` reads
them.
"""

from pathlib import Path

from rnnspec.conventions.keras import Version
from rnnspec.convert.keras import saved_model
from rnnspec.convert.keras.files import read_file, read_json
from rnnspec.convert.keras.infer import inferred
from rnnspec.convert.keras.listing import listed
from rnnspec.convert.keras.locate import by_order, by_path, has_variables
from rnnspec.convert.keras.network import network_of, version_of
from rnnspec.convert.keras.ours import as_keras, with_layers
from rnnspec.convert.keras.saved import Saved, read_config
from rnnspec.convert.parts import Parts
from rnnspec.convert.request import Network, Request
from rnnspec.convert.variables import Variables
from rnnspec.errors import SpecError, UnsupportedError
from rnnspec.model import Model


def read(source: Path, request: Request) -> Network:
    """A `.keras` or `.h5` model, a file of weights with its configuration, or a SavedModel.

    Raises:
        SpecError: damaged or dangerous; a variable is missing, left over or of another shape.
        UnsupportedError: the model does something that ours cannot.
    """
    if source.is_dir():
        return saved_model.read(source, request)
    model, variables, version, ours = _located(source, request)
    found = network_of(model, variables, version, request)
    return with_layers(ours, found) if ours else found


def parts(source: Path, request: Request) -> Parts:
    """What is recurrent in a model, with the chain around it, and what has no equal.

    Raises:
        SpecError, UnsupportedError: as `read`, but not for what has no equal.
    """
    if source.is_dir():
        raise UnsupportedError(f"--parts: {source}: of a SavedModel nothing is listed; it is taken whole")
    model, variables, version, _ = _located(source, request)
    return listed(model, variables, version, request)


def _located(source: Path, request: Request) -> tuple[Saved, Variables, Version, Model | None]:
    """The model in a file, which knows where its variables are; its Keras; an architecture of ours that says it."""
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
        config = inferred(file, where, request)
    model = read_config(config, where)
    if file.groups is None:
        by_path(model, "", variables)
    else:
        _by_group(model, file.groups, where != str(source), str(source), request)
    return model, variables, version, ours


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
