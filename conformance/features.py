"""What a case asks of a backend, as words that a backend can declare unsupported (CONF-5)."""

from collections.abc import Iterator

import msgspec

from rnnspec.activations import Function
from rnnspec.cells import Cell
from rnnspec.config import Config
from rnnspec.layers import Layer, Recurrent
from rnnspec.model import Model

_SIZES = {"name", "of", "units", "inputs", "vocabulary", "steps"}


def features(model: Model) -> set[str]:
    """`layer.dense`, `cell.lstm`, and every field that is not its default: `cell.lstm.peephole=true`,
    `cell.lstm.layer_norm.cell=carry`, `layer.recurrent.direction=backward`; numbers without their value:
    `cell.lstm.clip_cell`. Sizes and names are not features.
    """
    found = {"model.padding"} if any(given.padding is not None for given in model.given.values()) else set()
    if model.by_name or model.outputs is not None or any(layer.of is not None for layer in model.layers):
        found.add("model.graph")
    for layer in model.layers:
        found |= set(_of(layer, f"layer.{_tag(layer)}"))
    return found


def _of(config: Config, place: str) -> Iterator[str]:
    if isinstance(config, (Layer, Cell)):
        yield place
    for field in msgspec.structs.fields(type(config)):
        value = getattr(config, field.name)
        if field.name in _SIZES or (not field.required and value == field.default):
            continue
        for item in value if isinstance(value, tuple) else (value,):
            if isinstance(item, Cell):
                yield from _of(item, f"cell.{_tag(item)}")
            elif isinstance(item, Function):
                yield f"{place}.{field.name}={_tag(item)}"
            elif isinstance(item, Config):
                yield f"{place}.{field.name}"
                yield from _of(item, f"{place}.{field.name}")
            elif isinstance(item, (str, bool)):
                yield f"{place}.{field.name}={str(item).lower()}"
            else:
                yield f"{place}.{field.name}"
    if isinstance(config, Recurrent) and config.backward_cell is not None:
        yield "layer.recurrent.backward_cell"


def _tag(config: Config) -> str:
    return str(config.__struct_config__.tag)
