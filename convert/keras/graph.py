"""The calls between the layers of a Keras model."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from rnnspec.convert.keras.saved import MODELS, RECURRENT, TENSORFLOW, Saved
from rnnspec.errors import SpecError, UnsupportedError

# What Keras 3 takes by its place, where more than one tensor is taken; all by their names elsewhere
_ATTENTION = ("query", "value", "key")
_UNLESS = ("use_causal_mask", "return_attention_scores")  # which say nothing where they are false
_PLACES = {"Softmax": ("inputs", "mask")} | dict.fromkeys(RECURRENT, ("inputs", "initial_state", "mask"))
_INPUTS = ("inputs", "sequences", "sequence", "x", "x1", "x2", "xs")


class KerasTensor(NamedTuple):
    """Output number `output` of a call of a layer."""

    layer: str
    call: int
    output: int


@dataclass
class Call:
    """A layer and what it is called with.

    Args:
        data, states, mask: tensors; a mask where one is written down.
        training: whether it is told to train, where that is written down.
        numbers: beside the data, or other constants.
        other: arguments, in words, that the layers of ours do not take.
        arguments: those that Keras 3 writes by their places, as they are.
    """

    layer: Saved
    data: list[KerasTensor] = field(default_factory=list)
    states: list[KerasTensor] = field(default_factory=list)
    mask: KerasTensor | None = None
    training: bool | None = None
    numbers: list[Any] = field(default_factory=list)
    other: list[str] = field(default_factory=list)
    arguments: list[Any] = field(default_factory=list)


def every_call(model: Saved) -> dict[tuple[str, int], Call]:
    """Each call of each layer, by the layer's name and the number of the call, as in a `KerasTensor`.

    Raises:
        SpecError: a name is used twice, or a tensor is of no layer.
    """
    found: dict[tuple[str, int], Call] = {}
    for layer in model.inner.values():
        if (layer.name, 0) in found:
            raise SpecError(f"{layer.where}: two layers have this name; rename one")
        if model.kind == "Sequential":
            found[layer.name, 0] = Call(layer, [KerasTensor(name, 0, 0) for name, _ in list(found)[-1:]])
        else:
            each = [_call(layer, node) for node in layer.nodes] or [Call(layer)]
            found |= {(layer.name, number): call for number, call in enumerate(each)}
    _from_one(model, found)
    for call in found.values():
        for tensor in (*call.data, *call.states, *([call.mask] if call.mask else [])):
            if (tensor.layer, tensor.call) not in found:
                raise SpecError(f"{call.layer.where}: takes what {tensor.layer!r} gives, but there is no such layer")
    return found


def _from_one(model: Saved, found: dict[tuple[str, int], Call]) -> None:
    """Calls of models inside, that Keras 2 counts from 1: the first is that of the model itself, which is not written.
    Keras 3 does so in `output_layers` alone (`ends_of`)."""
    taken = [tensor for call in found.values() for tensor in (*call.data, *call.states)]
    first: dict[str, int] = {}
    for tensor in [*taken, *tensors(model.config.get("output_layers"))]:
        first[tensor.layer] = min(tensor.call, first.get(tensor.layer, tensor.call))
    for layer in model.inner.values():
        written = bool(layer.nodes) and isinstance(layer.nodes[0], dict)
        if layer.kind in MODELS and not written and first.get(layer.name) == 1:
            each = [found.pop((layer.name, number)) for number in range(len(layer.nodes) or 1)]
            found |= {(layer.name, number): call for number, call in enumerate(each, 1)}


def ends_of(model: Saved, found: Mapping[tuple[str, int], Call]) -> list[KerasTensor]:
    """The tensors that a functional model returns, as in `every_call`. Raises SpecError: one is of no layer."""
    ends = []
    for end in tensors(model.config.get("output_layers")):
        before = found.get((end.layer, end.call - 1))
        if before and before.layer.kind == "Functional" and isinstance(before.layer.nodes[0], dict):
            end = end._replace(call=end.call - 1)
        if (end.layer, end.call) not in found:
            raise SpecError(f"{model.where}: the output is of {end.layer!r}, but there is no such layer")
        ends.append(end)
    return ends


def calls(model: Saved) -> dict[str, Call]:
    """The layers of a model by name, with how each is called first; a Sequential's one after the other.

    Raises:
        SpecError: a name is used twice, or a tensor is of no layer.
    """
    found: dict[str, Call] = {}
    for (name, _), call in every_call(model).items():
        found.setdefault(name, call)
    return found


def check_once(model: Saved) -> None:
    """Raise UnsupportedError where a layer is called more than once."""
    for layer in model.inner.values():
        if len(layer.nodes) > 1:
            raise UnsupportedError(f"{layer.where}: is called {len(layer.nodes)} times: no chain")


def _call(layer: Saved, node: Any) -> Call:
    """One of `inbound_nodes`. Where `rnn` takes what `x` gives, with a state that `h` gives, it is

        [["x", 0, 0, {}], ["h", 0, 0, {}]]                                                                  in Keras 2
        {"args": [tensor of ["x", 0, 0]], "kwargs": {"initial_state": [tensor of ["h", 0, 0]]}}             in Keras 3

    and a tensor in Keras 3 is {"class_name": "__keras_tensor__", "config": {"keras_history": ["x", 0, 0], …}}.
    """
    if isinstance(node, dict):
        arguments, named = node.get("args", []), node.get("kwargs", {})
        if (places := _PLACES.get(layer.kind)) and isinstance(arguments, list) and isinstance(named, dict):
            named = dict(zip(places, arguments, strict=False)) | named
            arguments = arguments[len(places) :]
    elif "function" in layer.config and layer.kind in TENSORFLOW.values():
        return _operation(layer, node)
    else:
        arguments = [node] if _reference(node) or not isinstance(node, list) else node
        named = {key: value for item in arguments if _reference(item) for key, value in _kwargs(item).items()}
        arguments = [item[:3] if _reference(item) else item for item in arguments]
    named = dict(named) if isinstance(named, dict) else {}
    if layer.kind == "MultiHeadAttention":
        named, arguments = dict(zip(_ATTENTION, arguments, strict=False)) | named, arguments[len(_ATTENTION) :]
    given = {name: named.pop(name, None) for name in ("mask", "initial_state", "training")}
    names = (*_INPUTS, *_ATTENTION) if layer.kind == "MultiHeadAttention" else _INPUTS
    inputs = [[named.pop(name) for name in names if name in named], arguments]
    data, states, masks = tensors(inputs), tensors(given["initial_state"]), tensors(given["mask"])
    if layer.kind in RECURRENT:  # Keras 2 joins the states to the data, in one list
        data, states = data[:1], data[1:] + states
    other = [name for name, value in named.items() if value is not None and not (value is False and name in _UNLESS)]
    other += [f"{name} in numbers" for name in ("mask", "initial_state") if _constants(given[name])]
    if given["training"] not in (None, True, False, 0, 1):
        other.append("training that is computed")
    return Call(
        layer,
        data,
        states,
        masks[0] if masks else None,
        None if given["training"] is None else bool(given["training"]),
        _constants(inputs),
        other,
        arguments if isinstance(arguments, list) else [],
    )


def _operation(layer: Saved, node: Any) -> Call:
    """One of `inbound_nodes` of an operation of TensorFlow in a model of Keras 2, as Keras 3 writes it.

    ["h", 0, 0, {"axis": 1}]                                                mean of h
    ["a", 0, 0, {"y": ["b", 0, 0], "name": null}]                           a + b
    ["_CONSTANT_VALUE", -1, 1.0, {"y": ["a", 0, 0]}]                        1 - a
    ["h", 0, 0, {"slice_spec": [{"start": null, …}, -1]}]                   h[:, -1]
    """
    items = [node] if isinstance(node, list) and node and isinstance(node[0], str) else node
    operands: list[Any] = []
    named: dict[str, Any] = {}
    for item in items if isinstance(items, list) else []:
        if isinstance(item, list) and len(item) == 4 and isinstance(item[3], dict):
            operands.append(item[2] if item[0] == "_CONSTANT_VALUE" else item[:3])
            named |= {name: value for name, value in item[3].items() if value is not None and name != "name"}
    operands += [named.pop("y")] if "y" in named else []
    key = named.pop("slice_spec", None)
    said: dict[str, Any] = {name: named.pop(name) for name in ("axis", "keepdims") if name in named}
    layer.config = {**layer.config, **said}
    data = [KerasTensor(*each) for each in operands if _reference(each)]
    numbers = [each for each in operands if not _reference(each)]
    other = [name for name in named if name != "training"]
    if key is not None:
        operands.append([_slice(each) for each in key] if isinstance(key, list) else key)
    return Call(layer, data, numbers=numbers, other=other, arguments=operands)


def _slice(item: Any) -> Any:
    """A slice as Keras 3 writes it."""
    return {"class_name": "__slice__", "config": item} if isinstance(item, dict) and "start" in item else item


def tensors(value: Any) -> list[KerasTensor]:
    """All references to tensors in a nest of arguments, in order."""
    return [KerasTensor(*leaf) for leaf in _leaves(value) if isinstance(leaf, list)]


def _constants(value: Any) -> list[Any]:
    """What else is in a nest of arguments."""
    return [leaf for leaf in _leaves(value) if not isinstance(leaf, list)]


def _leaves(value: Any) -> list[Any]:
    """References as lists of three, and everything else but null."""
    if _reference(value):
        return [value[:3]]
    if isinstance(value, dict) and value.get("class_name") == "__keras_tensor__":
        config = value.get("config")
        value = [config.get("keras_history") if isinstance(config, dict) else None]
    elif isinstance(value, dict) and "class_name" in value:
        return [value]
    elif isinstance(value, dict):
        value = list(value.values())
    if isinstance(value, list):
        return [leaf for item in value for leaf in _leaves(item)]
    return [] if value is None else [value]


def _reference(value: Any) -> bool:
    """Whether it is `[layer, call, index]`, with or without keyword arguments."""
    if not isinstance(value, list) or len(value) not in (3, 4) or not isinstance(value[0], str):
        return False
    return all(type(item) is int for item in value[1:3])


def _kwargs(reference: list) -> dict:
    return reference[3] if len(reference) == 4 and isinstance(reference[3], dict) else {}
