"""The chain that a Keras model is, or a chain inside one that is not."""

from dataclasses import dataclass, field

from rnnspec.convert.keras.graph import Call, Tensor, calls, tensors
from rnnspec.convert.keras.outputs import outputs, sequences
from rnnspec.convert.keras.saved import JOINS, MODELS, READABLE, RECURRENT, Saved
from rnnspec.errors import SpecError, UnsupportedError


@dataclass
class Link:
    """A layer of a chain.

    Args:
        features: of what reaches it, where the source says so.
        states: the layers that give its initial states.
        padding: the number that the mask written down for it looks for.
        masked: the layer that gives it a mask of other origin.
        training: whether it is told to train, and not only where the model does.
        source: the layer before it, of the first link, where that is not the input.
        gives: the numbers of its outputs that the next layer takes; of the last link None.
        join: how these are joined.
        axis: over which they are joined, if they are concatenated.
        returned: the numbers of its outputs that the model returns.
    """

    layer: Saved
    features: int | None = None
    states: list[str] = field(default_factory=list)
    padding: float | None = None
    masked: str | None = None
    training: bool = False
    source: str | None = None
    gives: tuple[int, ...] | None = None
    join: str | None = None
    axis: int = -1
    returned: tuple[int, ...] = ()


Result = tuple[Link, int | None]  # an output of a link by its number; None: what the link hands on


@dataclass
class Chain:
    """Layers in order, and what the model returns of them; None: all that the last one returns."""

    links: list[Link]
    results: list[Result] | None


def chain(model: Saved, part: str | None = None) -> Chain:
    """The layers in order, from the input to the output, models inside of models spread out.

    `part` names a layer: the chain is then from the input, or the last layer before that ours does not have, to that
    layer, and on as long as one layer alone takes what is given, and nothing else.

    Raises:
        SpecError: there is no such layer.
        UnsupportedError: the model is not a chain; the message says where and names the parts.
    """
    if model.kind not in MODELS:
        raise UnsupportedError(f"{model.where}: a model of its own class, whose code is never run; convert its layers")
    found = _chain(model, part, None)
    last = found.links[-1]
    if found.results is None and part is None and last.layer.kind in RECURRENT:
        found.results = [(last, number) for number in range(len(outputs(last.layer)))]
    if found.results and found.results[0][0] is not last:
        first, final = found.results[0][0].layer.name, last.layer.name
        raise UnsupportedError(
            f"{model.where}: its first output is of {first!r}, and not of {final!r}, its last layer; ours gives what "
            f"that gives, and states beside it; convert a part, --part {first} or --part {final}"
        )
    for link, number in found.results or ():
        if number is not None:
            link.returned += (number,)
    return found


def _chain(model: Saved, part: str | None, wanted: list[int] | None) -> Chain:
    """`wanted`: the numbers of the outputs of a model inside of a model that are used; None: all."""
    all_calls = calls(model)
    ends = _ends(model, all_calls, wanted)
    graph = _needed(model, all_calls, ends)
    if part is None:
        names = _whole(model, graph, ends)
    elif part in graph and graph[part].layer.kind != "InputLayer":
        names = _around(graph, _takers(graph), part)
    else:
        known = [name for name, call in graph.items() if call.layer.kind != "InputLayer"]
        raise SpecError(f"{model.where}: --part {part}: no such layer; there are {', '.join(known)}")
    links: list[Link] = []
    results: dict[Tensor, Result] = {}
    everything: list[Result] | None = None
    source = graph[names[0]].data[0].layer if graph[names[0]].data else None
    for k, name in enumerate(names):
        call = graph[name]
        _check_arguments(call)
        everything = None
        goes_on = list(graph[names[k + 1]].data) if k + 1 < len(names) else []
        asked = goes_on + [end for end in ends if end.layer == name] if part is None else goes_on
        mask = None if call.mask is None else _padding(all_calls, call.layer, call.mask, source)
        if call.layer.kind in MODELS:
            whole = not asked or (model.kind == "Sequential" and wanted is None and not goes_on)
            inner = _chain(call.layer, None, None if whole else [end.output for end in asked])
            found, new, everything = dict(zip(asked, inner.results or [], strict=False)), inner.links, inner.results
            if links and any(link.padding is not None for link in new):
                raise UnsupportedError(
                    f"{call.layer.where}: masks what other layers made; only the input's has an equal"
                )
        elif call.layer.kind in JOINS and links:
            _join(links[-1], call)
            found, new = dict.fromkeys(asked, (links[-1], None)), []
        else:
            new = [Link(call.layer, states=[state.layer for state in call.states])]
            found = {end: (new[0], end.output) for end in asked}
        for link in new:
            if call.mask is not None and link.padding is None and link.masked is None:
                link.padding, link.masked = mask, call.mask.layer if mask is None else None
            link.training = link.training or bool(call.training)
        links += new
        results |= found
        if goes_on and links[-1].join is None:
            taken = [found[end] for end in goes_on]
            if any(link is not links[-1] for link, _ in taken):
                raise UnsupportedError(f"{call.layer.where}: what is taken of it is not of its last layer: no equal")
            links[-1].gives = tuple(number or 0 for _, number in taken)
    if source and graph[source].layer.kind != "InputLayer":
        links[0].source = source
    links[0].features = links[0].features or _features(graph[source or names[0]].layer)
    if part is None and (model.kind != "Sequential" or wanted is not None):
        everything = [results[end] for end in ends]
    return Chain(links, everything)


def _ends(model: Saved, graph: dict[str, Call], wanted: list[int] | None) -> list[Tensor]:
    """The tensors that the model returns, or those of them that are wanted."""
    if model.kind == "Sequential":
        return [Tensor(name, 0, number) for name in list(graph)[-1:] for number in wanted or [0]]
    ends = tensors(model.config.get("output_layers")) or [Tensor(name, 0, 0) for name in list(graph)[-1:]]
    for end in ends:
        if end.layer not in graph:
            raise SpecError(f"{model.where}: the output is of {end.layer!r}, but there is no such layer")
        if graph[end.layer].layer.kind == "InputLayer":
            raise UnsupportedError(f"{model.where}: its input {end.layer!r} is an output too: no equal here")
    for number in wanted or ():
        if number >= len(ends):
            raise SpecError(f"{model.where}: its output {number} is taken, but it has {len(ends)}")
    return ends if wanted is None else [ends[number] for number in wanted]


def _check_arguments(call: Call) -> None:
    """Raise UnsupportedError where the layer is called with what changes its meaning and ours does not take."""
    if call.layer.kind in (*READABLE, *JOINS):
        other = [*call.other, *(f"the constant {number!r}" for number in call.numbers)]
        if other:
            raise UnsupportedError(f"{call.layer.where}: is called with {', '.join(other)}: no equal here")


def _join(link: Link, call: Call) -> None:
    """Take up a layer that joins outputs of the one before it."""
    if link.join is not None:
        raise UnsupportedError(f"{call.layer.where}: joins what was joined before: no equal here")
    link.join, link.axis = JOINS[call.layer.kind], call.layer.get("axis", int, -1)


def _needed(model: Saved, graph: dict[str, Call], ends: list[Tensor]) -> dict[str, Call]:
    """The layers that the outputs need for their data and states; Keras 3's masks are not among them."""
    waiting = [end.layer for end in ends]
    needed = set()
    while waiting:
        if (name := waiting.pop()) not in needed:
            needed.add(name)
            waiting += [tensor.layer for tensor in (*graph[name].data, *graph[name].states)]
    return {name: call for name, call in graph.items() if name in needed}


def _whole(model: Saved, graph: dict[str, Call], ends: list[Tensor]) -> list[str]:
    """All layers but the inputs, which must be a chain."""
    names = [name for name, call in graph.items() if call.layer.kind != "InputLayer"]
    if not names:
        raise SpecError(f"{model.where}: no layers; nothing to convert")
    takers = _takers(graph)
    found = _around(graph, takers, names[0], part=False)
    reasons = [reason for name in names if (reason := _obstacle(graph, takers[name], name, ends))]
    if sorted(found) != sorted(names):
        reasons.append("it has several inputs")
    if reasons:
        parts = dict.fromkeys(_around(graph, takers, name)[-1] for name in names)
        raise UnsupportedError(
            f"{model.where}: not a chain: {reasons[0]}; convert one in it, --part {' or --part '.join(parts)}"
        )
    return found


def _obstacle(graph: dict[str, Call], takers: list[str], name: str, ends: list[Tensor]) -> str | None:
    """Why there is no chain at that layer."""
    call = graph[name]
    for state in call.states:
        if graph[state.layer].layer.kind != "InputLayer":
            return f"the initial state of {name!r} comes from {state.layer!r}"
    if len(call.data) > 1 and _before(call) is None:
        return f"{name!r} joins {' and '.join(repr(tensor.layer) for tensor in call.data)}"
    if len(takers) > 1:
        return f"what {name!r} gives goes to {' and '.join(map(repr, takers))}"
    if takers and _is_output(call.layer, ends):
        return f"what {name!r} gives goes to {takers[0]!r} and is an output too"
    return None


def _takers(graph: dict[str, Call]) -> dict[str, list[str]]:
    """Layer → the layers whose data is what it gives."""
    found: dict[str, list[str]] = {name: [] for name in graph}
    for taker, call in graph.items():
        for name in {tensor.layer for tensor in call.data}:
            found[name].append(taker)
    return found


def _before(call: Call) -> str | None:
    """The one layer whose outputs a layer takes: one of them, or several that it joins."""
    layers = {tensor.layer for tensor in call.data}
    one = len(call.data) == 1 or (len(layers) == 1 and call.layer.kind in JOINS)
    return call.data[0].layer if one else None


def _is_output(layer: Saved, ends: list[Tensor]) -> bool:
    """Whether the model returns what the layer hands on, and not just its states."""
    numbers = [end.output for end in ends if end.layer == layer.name and layer.kind not in MODELS]
    return any(number < sequences(layer) for number in numbers) if layer.kind in RECURRENT else bool(numbers)


def _around(graph: dict[str, Call], takers: dict[str, list[str]], name: str, part: bool = True) -> list[str]:
    """The longest chain around a layer; for a part, of layers that ours has, that hand on their outputs, not states."""
    names, inside = [name], {name}

    def fits(before: str, after: str, new: str) -> bool:
        if new in inside or graph[before].layer.kind == "InputLayer" or _before(graph[after]) != before:
            return False
        data = graph[after].data
        return not part or (graph[new].layer.kind in READABLE and len(data) == 1 and not data[0].output)

    while (before := _before(graph[names[-1]])) and fits(before, names[-1], before):
        names.append(before)
        inside.add(before)
    names.reverse()
    while len(after := takers[names[-1]]) == 1 and fits(names[-1], after[0], after[0]):
        names.append(after[0])
        inside.add(after[0])
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
    numbers = [number for number in call.numbers if type(number) in (int, float)]
    found = call.layer.kind == "NotEqual" and len(call.data) == len(call.numbers) == len(numbers) == 1
    if not found or graph[call.data[0].layer].layer.kind != "InputLayer":
        raise UnsupportedError(f"{layer.where}: its mask is computed by {call.layer.name!r}; only padding has an equal")
    return float(numbers[0]) if call.data[0].layer == source else None
