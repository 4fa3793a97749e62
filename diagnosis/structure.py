"""How two models differ, before anything is run."""

from typing import Any

import msgspec
import numpy as np

from rnnspec.cells import Cell
from rnnspec.checkpoint import Checkpoint
from rnnspec.diagnosis.trial import Trial, parts
from rnnspec.model import Model


def configuration(a: Model, b: Model) -> list[dict[str, Any]]:
    """The fields that differ: `place`, `a` and `b`."""
    ours, theirs = _flat(a), _flat(b)
    places = [*ours, *(place for place in theirs if place not in ours)]
    rows = [{"place": place, "a": ours.get(place), "b": theirs.get(place)} for place in places]
    return [row for row in rows if row["a"] != row["b"]]


def _flat(model: Model) -> dict[str, Any]:
    fields: dict[str, Any] = {}

    def walk(value: Any, place: str) -> None:
        children = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
        for key, child in children:
            walk(child, f"{place}.{key}".lstrip("."))
        if not isinstance(value, (dict, list)):
            fields[place] = value

    data = model.to_builtins()
    for layer in data.pop("layers"):
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
    layers = tuple(msgspec.structs.replace(layer, name=names[layer.name]) for layer in b.model.layers)
    weights = {f"{names[layer]}.{rest}": a for k, a in b.weights.items() for layer, _, rest in [k.partition(".")]}
    return Checkpoint(msgspec.structs.replace(b.model, layers=layers), weights, b.metadata)
