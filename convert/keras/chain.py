"""The chain that a Keras model is, or a chain inside one that is not."""

from dataclasses import dataclass

from rnnspec.convert.keras.activations import LAYERS as ACTIVATIONS
from rnnspec.convert.keras.graph import Call, Tensor, calls, tensors
from rnnspec.convert.keras.saved import MODELS, RECURRENT, Saved
from rnnspec.errors import SpecError, UnsupportedError

_READABLE = (
    *RECURRENT,
    *ACTIVATIONS,
    *MODELS,
    "Dense",
    "Dropout",
    "Embedding",
    "Masking",
    "SpatialDropout1D",
    "TimeDistributed",
)


@dataclass
class Link:
    """A layer of a chain.

    Args:
        features: of what reaches it, where the source says so.
        states: whether its initial states are given.
        padding: the number that the mask written down for it looks for.
        masked: whether a mask of other origin is written down for it.
        source: the layer before it, of the first link, where that is not the input.
    """

    layer: Saved
    features: int | None = None
    states: bool = False
    padding: float | None = None
    masked: bool = False
    source: str | None = None


def chain(model: Saved, part: str | None = None) -> list[Link]:
    """The layers in order, from the input to the output, models inside of models spread out.

    `part` names a layer: the chain is then from the input, or the last layer before that ours does not have, to that
    layer, and on as long as one layer alone takes what is given, and nothing else.

    Raises:
        SpecError: there is no such layer.
        UnsupportedError: the model is not a chain; the message says where and names the parts.
    """
    all_calls = calls(model)
    graph = _needed(model, all_calls)
    if part is None:
        names = _whole(model, graph)
    elif part in graph and graph[part].layer.kind != "InputLayer":
        names = _around(graph, part)
    else:
        known = [name for name, call in graph.items() if call.layer.kind != "InputLayer"]
        raise SpecError(f"{model.where}: --part {part}: no such layer; there are {', '.join(known)}")
    links: list[Link] = []
    source = graph[names[0]].data[0].layer if graph[names[0]].data else None
    for name in names:
        call = graph[name]
        if call.layer.kind in MODELS:
            links += chain(call.layer)
            continue
        links.append(Link(call.layer, states=bool(call.states)))
        if call.mask is not None:
            links[-1].padding = _padding(all_calls, call.layer, call.mask, source)
            links[-1].masked = links[-1].padding is None
    if source and graph[source].layer.kind != "InputLayer":
        links[0].source = source
    links[0].features = links[0].features or _features(graph[source or names[0]].layer)
    return links


def _needed(model: Saved, graph: dict[str, Call]) -> dict[str, Call]:
    """The layers that the outputs need for their data and states; Keras 3's masks are not among them."""
    waiting = [tensor.layer for tensor in tensors(model.config.get("output_layers"))] or list(graph)[-1:]
    if missing := [name for name in waiting if name not in graph]:
        raise SpecError(f"{model.where}: the output is of {missing[0]!r}, but there is no such layer")
    needed = set()
    while waiting:
        if (name := waiting.pop()) not in needed:
            needed.add(name)
            waiting += [tensor.layer for tensor in (*graph[name].data, *graph[name].states)]
    return {name: call for name, call in graph.items() if name in needed}


def _whole(model: Saved, graph: dict[str, Call]) -> list[str]:
    """All layers but the inputs, which must be a chain."""
    names = [name for name, call in graph.items() if call.layer.kind != "InputLayer"]
    if not names:
        raise SpecError(f"{model.where}: no layers; nothing to convert")
    found = _around(graph, names[0], part=False)
    reasons = [reason for name in names if (reason := _obstacle(graph, name))]
    if sorted(found) != sorted(names):
        reasons.append("it has several inputs")
    if reasons:
        ends = dict.fromkeys(_around(graph, name)[-1] for name in names)
        raise UnsupportedError(
            f"{model.where}: not a chain: {reasons[0]}; convert one in it, --part {' or --part '.join(ends)}"
        )
    return found


def _obstacle(graph: dict[str, Call], name: str) -> str | None:
    """Why there is no chain at that layer."""
    call = graph[name]
    for state in call.states:
        if graph[state.layer].layer.kind != "InputLayer":
            return f"the initial state of {name!r} comes from {state.layer!r}"
    if len(call.data) > 1:
        return f"{name!r} joins {' and '.join(repr(tensor.layer) for tensor in call.data)}"
    if call.data and call.data[0].output:
        return f"{name!r} takes the state of {call.data[0].layer!r}, not its output"
    if len(takers := _takers(graph, name)) > 1:
        return f"what {name!r} gives goes to {' and '.join(map(repr, takers))}"
    return None


def _takers(graph: dict[str, Call], name: str) -> list[str]:
    """The layers whose data is what that layer gives."""
    return [taker for taker, call in graph.items() if any(tensor.layer == name for tensor in call.data)]


def _around(graph: dict[str, Call], name: str, part: bool = True) -> list[str]:
    """The longest chain around a layer; only of layers that ours has, for a part."""

    def fits(other: str) -> bool:
        kind = graph[other].layer.kind
        return kind != "InputLayer" and other not in names and (not part or kind in _READABLE)

    names = [name]
    while len(data := graph[names[0]].data) == 1 and not data[0].output and fits(data[0].layer):
        names.insert(0, data[0].layer)
    while len(takers := _takers(graph, names[-1])) == 1 and len(graph[takers[0]].data) == 1 and fits(takers[0]):
        if graph[takers[0]].data[0].output:
            break
        names.append(takers[0])
    return names


def _features(layer: Saved) -> int | None:
    """The features of an input, or of the first layer of a Sequential, where they are written down."""
    shape = layer.config.get("batch_shape", layer.config.get("batch_input_shape"))
    return shape[-1] if isinstance(shape, list) and len(shape) > 2 and type(shape[-1]) is int else None


def _padding(graph: dict[str, Call], layer: Saved, mask: Tensor, source: str | None) -> float | None:
    """What a mask looks for in the chain's input, `Any(NotEqual(input, number))` as Keras 3 writes it down.

    None for a mask that comes from elsewhere.
    """
    call = graph[mask.layer]
    if call.layer.kind == "InputLayer":
        return None
    if call.layer.kind == "Any" and call.layer.config.get("axis") == -1 and len(call.data) == 1:
        call = graph[call.data[0].layer]
    found = call.layer.kind == "NotEqual" and len(call.data) == 1 and len(call.numbers) == 1
    if not found or graph[call.data[0].layer].layer.kind != "InputLayer":
        raise UnsupportedError(f"{layer.where}: its mask is computed by {call.layer.name!r}; only padding has an equal")
    return float(call.numbers[0]) if call.data[0].layer == source else None
