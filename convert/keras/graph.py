"""The calls between the layers of a Keras model."""

from dataclasses import dataclass, field
from typing import Any, NamedTuple

from rnnspec.convert.keras.saved import RECURRENT, Saved
from rnnspec.errors import SpecError, UnsupportedError


class Tensor(NamedTuple):
    """Output number `output` of a call of a layer."""

    layer: str
    call: int
    output: int


@dataclass
class Call:
    """A layer and what it is called with: data, initial states, a mask where one is written down, and numbers."""

    layer: Saved
    data: list[Tensor] = field(default_factory=list)
    states: list[Tensor] = field(default_factory=list)
    mask: Tensor | None = None
    numbers: list[float] = field(default_factory=list)


def calls(model: Saved) -> dict[str, Call]:
    """The layers of a model by name, with how each is called; a Sequential's one after the other.

    Raises:
        SpecError: a name is used twice, or a tensor is of no layer.
        UnsupportedError: a layer is called more than once.
    """
    found: dict[str, Call] = {}
    for layer in model.inner.values():
        if layer.name in found:
            raise SpecError(f"{layer.where}: two layers have this name; rename one")
        if model.kind == "Sequential":
            found[layer.name] = Call(layer, [Tensor(name, 0, 0) for name in list(found)[-1:]])
        elif len(layer.nodes) > 1:
            raise UnsupportedError(f"{layer.where}: is called {len(layer.nodes)} times; shared layers have no equal")
        else:
            found[layer.name] = _call(layer, layer.nodes[0]) if layer.nodes else Call(layer)
    for call in found.values():
        for tensor in (*call.data, *call.states, *([call.mask] if call.mask else [])):
            if tensor.layer not in found:
                raise SpecError(f"{call.layer.where}: takes what {tensor.layer!r} gives, but there is no such layer")
    return found


def _call(layer: Saved, node: Any) -> Call:
    """One of `inbound_nodes`: `[[name, call, index, kwargs], …]` in Keras 2, `{"args": …, "kwargs": …}` in Keras 3."""
    if isinstance(node, dict):
        arguments, named = node.get("args", []), node.get("kwargs", {})
    else:
        arguments = [node] if _reference(node) or not isinstance(node, list) else node
        named = {key: value for item in arguments if _reference(item) for key, value in _kwargs(item).items()}
    named = dict(named) if isinstance(named, dict) else {}
    masks, states = tensors(named.pop("mask", None)), tensors(named.pop("initial_state", None))
    data = tensors([_bare(arguments), named])
    if layer.kind in RECURRENT:
        data, states = data[:1], data[1:] + states
    numbers = [item for item in arguments if type(item) in (int, float)] if isinstance(arguments, list) else []
    return Call(layer, data, states, masks[0] if masks else None, numbers)


def tensors(value: Any) -> list[Tensor]:
    """All references to tensors in a nest of arguments, in order."""
    if _reference(value):
        return [Tensor(*value[:3])]
    if isinstance(value, dict):
        if value.get("class_name") == "__keras_tensor__" and isinstance(value.get("config"), dict):
            value = {"": value["config"].get("keras_history")}
        value = list(value.values())
    return [tensor for item in value for tensor in tensors(item)] if isinstance(value, list) else []


def _reference(value: Any) -> bool:
    """Whether it is `[layer, call, index]`, with or without keyword arguments."""
    if not isinstance(value, list) or len(value) not in (3, 4) or not isinstance(value[0], str):
        return False
    return all(type(item) is int for item in value[1:3])


def _kwargs(reference: list) -> dict:
    return reference[3] if len(reference) == 4 and isinstance(reference[3], dict) else {}


def _bare(arguments: Any) -> Any:
    """Arguments without the keyword arguments that Keras 2 writes beside each."""
    return [item[:3] if _reference(item) else item for item in arguments] if isinstance(arguments, list) else arguments
