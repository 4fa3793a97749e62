"""The parts of a Keras model: what `--parts` lists."""

from collections.abc import Iterator

from rnnspec.conventions.keras import Version
from rnnspec.convert.keras.graph import Call, calls
from rnnspec.convert.keras.network import network_of
from rnnspec.convert.keras.outputs import own_merge
from rnnspec.convert.keras.path import around, takers
from rnnspec.convert.keras.saved import GRAPHS, JOINS, MASKS, MODELS, READABLE, RECURRENT, Saved
from rnnspec.convert.parts import Part, Parts, Place
from rnnspec.convert.request import Request
from rnnspec.convert.variables import Variables
from rnnspec.errors import SpecError, UnsupportedError

_KNOWN = ("InputLayer", *READABLE, *JOINS, *GRAPHS, *MASKS)


def listed(model: Saved, variables: Variables, version: Version, request: Request) -> Parts:
    """Each recurrent layer with the chain around it, and the layers that have no equal, those of models inside too."""
    why = _refusal(model, variables, version, request)
    graph = calls(model)
    after = takers(graph)
    parts: dict[tuple[str, ...], Part] = {}
    for name, call in graph.items():
        if call.layer.kind in RECURRENT or (call.layer.kind in MODELS and _is_recurrent(call.layer)):
            chain = tuple(around(graph, after, name))
            first, last = graph[chain[0]], graph[chain[-1]].layer
            before = first.data[0].layer if first.data else "x"
            reads, gives = Place(before, _reads(first, graph, variables)), Place(last.name, _gives(last))
            parts.setdefault(chain, Part(name, chain, (reads,), (gives,)))
    return Parts(tuple(parts.values()), tuple(dict.fromkeys(_unknown(model, ""))), not why, why)


def _refusal(model: Saved, variables: Variables, version: Version, request: Request) -> str:
    """Why the whole of it is not converted: what converting it says."""
    try:
        network_of(model, variables, version, request)
    except (SpecError, UnsupportedError) as error:
        return str(error).removeprefix(f"{variables.where}: ")
    return ""


def _is_recurrent(model: Saved) -> bool:
    return any(part.kind in RECURRENT for part, _ in model.walk())


def _unknown(model: Saved, inside: str) -> Iterator[tuple[str, str]]:
    """The layers that have no equal, by their names, in models inside of models `inner/name`."""
    for layer in model.inner.values():
        if layer.kind in MODELS:
            yield from _unknown(layer, f"{inside}{layer.name}/")
        elif layer.kind not in _KNOWN:
            yield f"{inside}{layer.name}", layer.kind


def _reads(call: Call, graph: dict[str, Call], variables: Variables) -> int | None:
    """The features that a chain's first layer takes."""
    kernels = (part.variables.get("kernel") for part, _ in call.layer.walk())
    if (name := next(filter(None, kernels), None)) in variables:
        return variables[str(name)].shape[-2]
    return _gives(graph[call.data[0].layer].layer) if call.data else None


def _gives(layer: Saved) -> int | None:
    """The features of what a layer gives, where they are written down."""
    inner = layer.inner.get("layer", layer.inner.get("forward_layer", layer))
    if layer.kind in MODELS or "units" not in inner.config:
        return None
    both = layer.kind == "Bidirectional" and own_merge(layer) in ("concat", "none")
    return inner.size("units") * (2 if both else 1)
