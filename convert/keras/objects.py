"""Keras's weights as a TensorFlow checkpoint of objects: `save_weights` of Keras 2, `tf.train.Checkpoint(model=…)`.

    layer_with_weights-0/cell/kernel/.ATTRIBUTES/VARIABLE_VALUE                     Keras 2
    model/_functional/_operations/1/cell/kernel/.ATTRIBUTES/VARIABLE_VALUE          Keras 3

Layers go by number, the variables in them by the attributes that lead to them. What else the checkpoint was given, such
as a step or an optimizer, is left out; of several models `--part` takes one, by its name there.
"""

import re
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

from rnnspec.convert.keras.files import read_json
from rnnspec.convert.keras.locate import by_order, has_variables
from rnnspec.convert.keras.network import network_of, version_of
from rnnspec.convert.keras.saved import read_config
from rnnspec.convert.request import Network, Request
from rnnspec.convert.variables import Variables
from rnnspec.errors import SpecError

_ENDING = "/.ATTRIBUTES/VARIABLE_VALUE"
_LAYER = re.compile(r"(?:.*/)?(?:layer_with_weights-|_operations/)(\d+)/(.+)")
_MODEL = re.compile(r"(.*?)(?:layer_with_weights-|(?:_functional/)?_operations/)\d+/")
_PRIVATE = re.compile(r"/_(kernel|embeddings)$")  # of Keras 3's Dense and Embedding
_LEAVES = ("embeddings", "kernel", "recurrent_kernel", "bias", "gamma", "beta")  # the order in which Keras makes them
_OTHER = re.compile(r"(^|/)(optimizer|keras_api|save_counter|\.OPTIMIZER_SLOT)(/|$)")


def is_of_objects(names: Iterable[str]) -> bool:
    """Whether the checkpoint is one of Keras's layers."""
    return any(name.endswith(_ENDING) and _LAYER.match(name) for name in names)


def read(arrays: dict, source: Path, request: Request) -> Network:
    """The model whose configuration `--config` has, with the variables of the checkpoint.

    Raises:
        SpecError: there is no configuration; its layers are not those of the checkpoint.
        UnsupportedError: the model does something that ours cannot.
    """
    config = request.look("config")
    if config is None:
        raise SpecError(f"{source}: weights of Keras's layers without their configuration; give it with --config")
    kept = {name.removesuffix(_ENDING): array for name, array in arrays.items() if name.endswith(_ENDING)}
    kept = {_PRIVATE.sub(r"/\1", name): array for name, array in kept.items()}
    variables = Variables(kept, str(source))
    models: dict[str, dict[int, list[str]]] = {}  # its name → number of the layer → its variables
    for name, array in kept.items():
        found, model_name = _LAYER.match(name), _MODEL.match(name)
        if _OTHER.search(name):
            variables.ignore(name, "the optimiser's, or a counter")
        elif "/seed_generator/" in name:
            variables.ignore(name, "the state of the random numbers for dropout")
        elif found and model_name:
            models.setdefault(model_name[1].rstrip("/"), {}).setdefault(int(found[1]), []).append(name)
        elif array.ndim == 0 or array.dtype.kind != "f":
            variables.ignore(name, "beside the model, and no weight of a layer")
    groups, request = _chosen(models, variables, request)
    data = read_json(config)
    model = read_config(data, str(config))
    layers = [layer for layer in model.inner.values() if has_variables(layer)]
    if len(layers) != len(groups):
        raise SpecError(f"{source}: {len(groups)} layers with weights, and {len(layers)} in {config}")
    for layer, number in zip(layers, sorted(groups), strict=True):
        by_order(layer, sorted(groups[number], key=_order))
    request.note("layers go by their order: " + ", ".join(f"{k} is {layer.name}" for k, layer in enumerate(layers)))
    return network_of(model, variables, version_of(data, None, str(config), request), request)


def _chosen(
    models: dict[str, dict[int, list[str]]], variables: Variables, request: Request
) -> tuple[dict[int, list[str]], Request]:
    """The variables of the model that is asked for, and what is asked of it. Raises SpecError: none of several is."""
    if len(models) == 1:
        return next(iter(models.values())), request
    if request.look("part") not in models:
        raise SpecError(f"{variables.where}: several models; --part takes one of {', '.join(models)}")
    for name in (n for model, groups in models.items() if model != request.part for ns in groups.values() for n in ns):
        variables.ignore(name, f"not in {request.part}")
    return models[str(request.part)], replace(request, part=None)


def _order(name: str) -> tuple:
    """Forward before backward, cells by number, then as Keras makes variables."""
    *path, leaf = name.split("/")
    numbers = [int(part) for part in path if part.isdigit()]
    return "backward_layer" in path, numbers, _LEAVES.index(leaf) if leaf in _LEAVES else len(_LEAVES), name
