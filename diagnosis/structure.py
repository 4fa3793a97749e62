"""How two models differ, before anything is run."""

from collections.abc import Callable
from typing import Any

import msgspec
import numpy as np

from rnnspec.cells import Cell
from rnnspec.checkpoint import Checkpoint
from rnnspec.diagnosis.trial import Trial, parts
from rnnspec.layers import Layer, Recurrent
from rnnspec.model import Model


def configuration(a: Model, b: Model) -> list[dict[str, Any]]:
    """The fields that differ: `place`, `a` and `b`; of graphs also what each layer reads, said or not."""
    graph = a.version > 1 or b.version > 1
    ours, theirs = _flat(a, graph), _flat(b, graph)
    places = [*ours, *(place for place in theirs if place not in ours)]
    rows = [{"place": place, "a": ours.get(place), "b": theirs.get(place)} for place in places]
    return [row for row in rows if row["a"] != row["b"]]


def _flat(model: Model, graph: bool) -> dict[str, Any]:
    fields: dict[str, Any] = {}

    def walk(value: Any, place: str) -> None:
        children = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
        for key, child in children:
            walk(child, f"{place}.{key}".lstrip("."))
        if not isinstance(value, (dict, list)):
            fields[place] = value

    data = model.to_builtins()
    layers = data.pop("layers")
    if graph:
        data["inputs"] = {name: given.to_builtins() for name, given in model.given.items()}
        data["outputs"] = ", ".join(model.graph.outputs)
        del data["padding"]  # which is the input's
        for layer, node in zip(layers, model.graph.nodes, strict=True):
            layer["of"] = ", ".join(node.of)
    for layer in layers:
        walk(layer, layer["name"])
    walk(data, "")
    return fields


def tensors(a: Trial, b: Trial) -> list[dict[str, Any]]:
    """The weights that differ: `tensor`, `gate` where it has gates, `difference`, the largest; None for another shape
    or no such tensor."""
    gates = {
        f"{place.rstrip('.')}.{name}": part.gates
        for place, part in parts(a.model).items()
        if isinstance(part, Cell) and len(part.gates) > 1
        for name in ("kernel", "recurrent_kernel", "bias")
    }
    rows: list[dict[str, Any]] = []
    for name in sorted(a.weights.keys() | b.weights.keys()):
        p, q = a.weights.get(name), b.weights.get(name)
        if p is None or q is None or p.shape != q.shape:
            rows.append({"tensor": name, "gate": "", "difference": None})
            continue
        names = gates.get(name, ())
        distances = np.abs(p - q)
        split = zip(names, distances, strict=True) if len(names) == len(p) else [("", distances)]
        rows += [{"tensor": name, "gate": gate, "difference": float(d.max())} for gate, d in split if d.max() > 0]
    return rows


def with_names_of(a: Model, b: Checkpoint) -> Checkpoint:
    """`b`, its layers named as those of `a`, where the two have the same kinds of layers."""
    if [type(layer) for layer in a.layers] != [type(layer) for layer in b.model.layers]:
        return b
    names = {theirs.name: ours.name for ours, theirs in zip(a.layers, b.model.layers, strict=True)}

    def named(place: str) -> str:
        """A layer, or a state or tensor of it, by its new name; an input keeps its own."""
        layer, dot, rest = place.partition(".")
        return f"{names.get(layer, layer)}{dot}{rest}"

    layers = tuple(_named(layer, named) for layer in b.model.layers)
    outputs = b.model.outputs and tuple(map(named, b.model.outputs))
    weights = {named(name): array for name, array in b.weights.items()}
    return Checkpoint(msgspec.structs.replace(b.model, layers=layers, outputs=outputs), weights, b.metadata)


def _named(layer: Layer, named: Callable[[str], str]) -> Layer:
    """A layer, and what it reads, by other names."""
    fields: dict[str, Any] = {"name": named(layer.name)}
    if layer.of is not None:
        fields["of"] = named(layer.of) if isinstance(layer.of, str) else tuple(map(named, layer.of))
    if isinstance(layer, Recurrent) and layer.start:
        fields["start"] = {state: named(place) for state, place in layer.start.items()}
    return msgspec.structs.replace(layer, **fields)
