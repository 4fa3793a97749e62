"""A tree of layers with its variables → the network that they are."""

from typing import Any

from rnnspec.conventions.keras import Version
from rnnspec.convert.keras.cells import Cells
from rnnspec.convert.keras.chain import chain_of, is_chain, unread
from rnnspec.convert.keras.layers import Layers
from rnnspec.convert.keras.locate import of_training
from rnnspec.convert.keras.saved import MODELS, Saved
from rnnspec.convert.keras.walk import Walk
from rnnspec.convert.request import Network, Request
from rnnspec.convert.variables import Variables
from rnnspec.errors import SpecError


def version_of(config: Any, version: str | None, where: str, request: Request, groups: bool = True) -> Version:
    """The Keras that made a configuration; Keras 3's JSON does not say, but names modules.

    `groups`: whether the weights are in Keras 2's format; that of Keras 3 tells without a configuration.

    Raises:
        SpecError: neither Keras 2 nor Keras 3.
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


def network_of(model: Saved, variables: Variables, version: Version, request: Request, alone: bool = False) -> Network:
    """The chain or graph that the model is, or the part of it that is asked for; `model` knows where its variables are.

    `alone`: whether it is one layer by itself, which is called with any mask.
    """
    part, cells = request.look("part"), Cells(variables, version, request)
    if part is not None or alone or model.kind not in MODELS or is_chain(model):
        found = Layers(cells, alone).network(chain_of(model, part))
        if part is None and model.kind in MODELS and (gone := unread(model)):
            request.note(f"nothing reads the input {', '.join(gone)}: left out")
    else:
        found = Walk(cells).network(model)
    for name in variables.left():
        if reason := of_training(name):
            variables.ignore(name, reason)
        elif "seed_generator" in name:
            variables.ignore(name, "the state of the random numbers for dropout")
        elif part is not None:
            variables.ignore(name, f"not in the part {part}")
    return found
