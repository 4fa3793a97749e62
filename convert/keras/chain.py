"""The chain that a Keras model is, or a chain inside one that is not."""

from dataclasses import dataclass, field

from rnnspec.convert.keras.graph import Call, KerasTensor, calls, check_once
from rnnspec.convert.keras.outputs import handed_on, outputs
from rnnspec.convert.keras.path import around, in_one, needed, returned, takers, whole
from rnnspec.convert.keras.saved import ACTIVATIONS, GRAPHS, JOINS, MODELS, READABLE, RECURRENT, Saved
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
        source: for the first link, the layer before it, if that is not the input.
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


def is_chain(model: Saved) -> bool:
    """Whether all of a model is what version 1 of the specification has, or what nothing here has: one layer after the
    other, models inside of models too, an embedding or a mask at the beginning, activations behind linear layers."""
    layers = _in_one(model)
    if layers is None or not _ends_fit(model, layers[-1][0]) or _reads_vectors(model, layers[0][0].kind):
        return False
    for k, (layer, call) in enumerate(layers):
        before = layers[k - 1][0] if k else None
        inner = layer.inner["layer"] if layer.kind == "TimeDistributed" else layer
        if layer.kind in GRAPHS or inner.kind in GRAPHS or (layer.kind in ("Embedding", "Masking") and k):
            return False
        if layer.kind in JOINS:
            axis = layer.get("axis", int, -1)
            if before is None or before.kind not in RECURRENT or axis not in (-1, 1, 2) or call.numbers:
                return False
        elif inner.kind in ACTIVATIONS and not _is_linear(inner) and (before is None or not _is_linear(before)):
            return False
        if layer.kind in RECURRENT:
            after = layers[k + 1] if k + 1 < len(layers) else None
            gives = tuple(tensor.output for tensor in after[1].data) if after else None
            join = JOINS.get(after[0].kind) if after else None
            if after and after[0] is not layer and isinstance(handed_on(layer, gives or (0,), join, ()), str):
                return False
    return True


def _ends_fit(model: Saved, last: Saved) -> bool:
    """Whether what the model returns of its last layer is what ours gives."""
    if last.kind not in RECURRENT or model.kind == "Sequential":
        return True
    numbers = tuple(end.output for end in returned(model, calls(model), None) if end.layer == last.name)
    return not isinstance(handed_on(last, None, None, numbers), str)


def _reads_vectors(model: Saved, first: str) -> bool:
    """Whether what its first layer, of this kind, reads has no steps."""
    graph = calls(model)
    read = {tensor.layer for call in graph.values() for tensor in call.data}
    sources = [call.layer for name, call in graph.items() if not call.data and (name in read or len(graph) == 1)]
    shapes = [source.config.get("batch_shape", source.config.get("batch_input_shape")) for source in sources]
    return first != "Embedding" and any(isinstance(shape, list) and len(shape) == 2 for shape in shapes)


def unread(model: Saved) -> list[str]:
    """The inputs of a model that lead to no output, and to no mask of what does."""
    graph = calls(model)
    read = needed(model, graph, returned(model, graph, None))
    masks = [call.mask for call in read.values() if call.mask is not None]
    read = needed(model, graph, masks) | read
    return [name for name, call in graph.items() if call.layer.kind == "InputLayer" and name not in read]


def _is_linear(layer: Saved) -> bool:
    """Whether it is, or ends with, a linear function of its own."""
    inner = layer.inner["layer"] if layer.kind == "TimeDistributed" else layer
    return inner.kind in ("Dense", "Activation") and inner.config.get("activation") in (None, "linear")


def _in_one(model: Saved) -> list[tuple[Saved, Call]] | None:
    """The layers of a model with their calls, one after the other, models inside of it spread out; None: they are
    none."""
    if any(len(layer.nodes) > 1 for layer in model.inner.values()):
        return None
    graph = calls(model)
    ends = returned(model, graph, None)
    graph = needed(model, graph, ends)
    names, reasons = in_one(model, graph, ends)
    if reasons or ends[0].layer != names[-1]:
        return None
    found: list[tuple[Saved, Call]] = []
    for name in names:
        layer = graph[name].layer
        inner = _in_one(layer) if layer.kind in MODELS else [(layer, graph[name])]
        if inner is None:
            return None
        found += inner
    return found


def chain_of(model: Saved, part: str | None = None) -> Chain:
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
    if part is None:
        check_once(model)
    all_calls = calls(model)
    ends = returned(model, all_calls, wanted)
    graph = needed(model, all_calls, ends)
    if part is None:
        names = whole(model, graph, ends)
    elif part in graph and graph[part].layer.kind != "InputLayer":
        names = around(graph, takers(graph), part)
    else:
        known = [name for name, call in graph.items() if call.layer.kind != "InputLayer"]
        raise SpecError(f"{model.where}: --part {part}: no such layer; there are {', '.join(known)}")
    links: list[Link] = []
    results: dict[KerasTensor, Result] = {}
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
            unasked = not asked or (model.kind == "Sequential" and wanted is None and not goes_on)
            inner = _chain(call.layer, None, None if unasked else [end.output for end in asked])
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


def _features(layer: Saved) -> int | None:
    """The features of an input, or of the first layer of a Sequential, where they are written down."""
    shape = layer.config.get("batch_shape", layer.config.get("batch_input_shape"))
    return shape[-1] if isinstance(shape, list) and len(shape) > 2 and type(shape[-1]) is int else None


def _padding(graph: dict[str, Call], layer: Saved, mask: KerasTensor, source: str | None) -> float | None:
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
