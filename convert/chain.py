"""The order of the layers in a source that holds weights and no architecture."""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import groupby, islice

from rnnspec import strict_json
from rnnspec.activations import NAMES, Activation, Function
from rnnspec.config import decode
from rnnspec.convert.request import Request, WithWeights
from rnnspec.errors import SpecError
from rnnspec.layers import Dense, Embedding

_TRIES = 20_000  # orders looked at before it is better to ask


@dataclass(frozen=True)
class Block:
    """A layer of the source, or layers that belong together, at `place`, with the features that go in and come out.

    `inputs` is None for ids. `build`: our name → the layers. Where the weights have two readings, there are two blocks
    at one place.
    """

    place: str
    inputs: int | None
    outputs: int
    build: Callable[[str], list[WithWeights]]

    def __str__(self) -> str:
        return f"{self.place or 'the root'} ({'ids' if self.inputs is None else self.inputs} → {self.outputs})"


def names(places: Iterable[str], separator: str, dropped: tuple[str, ...]) -> dict[str, str]:
    """Place in the source → our name: its parts joined by "_", without those that all places begin with and those that
    say nothing (`dropped`); "rnn" if nothing is left.
    """
    paths = {place: [part for part in place.split(separator) if part not in dropped] for place in places}
    while all(len(path) > 1 for path in paths.values()) and len({path[0] for path in paths.values()}) == 1:
        paths = {place: path[1:] for place, path in paths.items()}
    return {place: _name("_".join(path)) for place, path in paths.items()}


def _name(text: str) -> str:
    text = re.sub(r"[^A-Za-z0-9_-]", "_", text) or "rnn"
    return text if re.match("[A-Za-z_]", text) else f"layer_{text}"


def in_part(request: Request, names: Iterable[str], separator: str, where: str) -> dict[str, str]:
    """The variables outside the part that was asked for, each with that reason.

    Raises:
        SpecError: nothing is in the part.
    """
    part, names = request.look("part"), list(names)
    if part is None:
        return {}
    outside = {name: f"not in {part}" for name in names if not name.startswith(part + separator)}
    if len(outside) == len(names):
        parts = ", ".join(dict.fromkeys(name.split(separator)[0] for name in names))
        raise SpecError(f"{where}: --part {part}: nothing begins with {part + separator!r}; it has {parts}")
    return outside


def chained(
    blocks: list[Block], ours: Mapping[str, str], request: Request, where: str, ordered: bool
) -> list[WithWeights]:
    """The layers in order, by our names.

    The order is that of `request.config`, else that of the source if it is the order of construction (`ordered`) and
    the features fit, else the only one in which the features fit; places that differ in their numbers alone come in
    the order of the numbers.

    `request.config` is a JSON file: the places of the source in order, `["emb", "lstm", "fc"]`, or our names with
    them, `{"embedding": "emb", "rnn": "lstm", "logits": "fc"}`.

    Raises:
        SpecError: no order fits, or several do; the config names other places.
    """
    places = list(dict.fromkeys(block.place for block in blocks))
    if config := request.look("config"):
        ours = _configured(config, places, ours)
        found = list(_orders(blocks, list(ours), where))
        if not found:
            raise SpecError(f"{config}: the layers do not fit in this order: {_listed(blocks, list(ours))}")
    else:
        found = list(_orders(blocks, places, where)) if ordered else []
        found = found or list(islice(_orders(blocks, None, where), 3))
        others = {tuple(block.place for block in order) for order in found}
        if len(others) > 1:
            raise SpecError(
                f"{where}: the order of the layers cannot be read off: {_listed(blocks, places)}; give it with --config"
            )
        if not found:
            raise SpecError(
                f"{where}: the layers are not a chain: {_listed(blocks, places)}; give the order with --config, or "
                "--part with the place of a chain inside"
            )
        _note_order(found[0], blocks, places if ordered else None, request, where)
    order = found[0]  # an embedding comes before a dense layer of the same weights
    if len(found) > 1:
        request.note(
            f"{order[0].place}: read as an embedding; --set {ours[order[0].place]}.type=dense for a dense layer"
        )
    layers = [layer for block in order for layer in block.build(ours[block.place])]
    for layer, _ in layers[:-1]:
        if isinstance(layer, Dense) and layer.activation == "linear":
            request.note(
                f"{layer.name}: no activation is in the file; --set {layer.name}.activation=… if there was one"
            )
    return layers


def fits(blocks: list[Block], where: str) -> bool:
    """Whether there is an order in which the features fit."""
    return next(_orders(blocks, None, where), None) is not None


def inputs(layers: list[WithWeights]) -> int | None:
    """Features that the first layer takes; None for ids."""
    layer, weights = layers[0]
    if isinstance(layer, Embedding):
        return None
    return next(array.shape[-1] for name, array in weights.items() if name.split(".")[-1] == "kernel")


def dense_activation(request: Request, name: str) -> Activation:
    """What follows a dense layer, which no weights tell: `--set NAME.activation`, by the layer's own name only."""
    return activation(request.settings.get("", f"{name}.activation", "linear"), f"--set {name}.activation")


def activation(value, where: str) -> Activation:
    """An activation as the user gives it: its name, or an object with a type. Raises SpecError for anything else."""
    if isinstance(value, dict):
        return decode(Function, value, where)  # type: ignore[type-abstract]
    if value not in NAMES:
        raise SpecError(f"{where}: expected one of {', '.join(NAMES)}, or an object with a type, found {value!r}")
    return value


def _configured(config, places: list[str], ours: Mapping[str, str]) -> dict[str, str]:
    """Place → our name, in the order of the config."""
    data = strict_json.load(config)
    entries = list(data.values()) if isinstance(data, dict) else data
    if not isinstance(entries, list) or not all(isinstance(entry, str) for entry in entries):
        raise SpecError(f'{config}: expected the places of the source in order, for example ["emb", "lstm", "fc"]')
    if sorted(entries) != sorted(places):
        raise SpecError(f"{config}: expected each of {', '.join(places)} once, found {', '.join(entries) or 'nothing'}")
    return {place: name for name, place in data.items()} if isinstance(data, dict) else {k: ours[k] for k in entries}


def _orders(blocks: list[Block], given: list[str] | None, where: str) -> Iterator[list[Block]]:
    """The orders in which all places are used once and the features fit; with `given`, that one only."""
    tries = 0

    def reached(place: str, features: int, left: list[str]) -> bool:
        """Whether something still gives the features that the place takes."""
        given = {features} | {block.outputs for block in blocks if block.place in left and block.place != place}
        return any(block.inputs in given for block in blocks if block.place == place)

    def extend(chain: list[Block], left: list[str]) -> Iterator[list[Block]]:
        nonlocal tries
        tries += 1
        if tries > _TRIES:
            raise SpecError(f"{where}: the layers fit in too many orders; give theirs with --config")
        if not left:
            yield chain
        if chain and not all(reached(place, chain[-1].outputs, left) for place in left):
            return
        heads = set(left[:1]) if given else {min(same, key=_numbers) for same in _numbered(left)}
        for block in blocks:
            if block.place in heads and (not chain or block.inputs == chain[-1].outputs):
                yield from extend([*chain, block], [place for place in left if place != block.place])

    yield from extend([], given or list(dict.fromkeys(block.place for block in blocks)))


def _numbered(places: list[str]) -> list[list[str]]:
    """The places, those that differ in their numbers alone together."""
    return [list(same) for _, same in groupby(sorted(places, key=_wordy), _wordy)]


def _wordy(place: str) -> str:
    return re.sub(r"_?\d+", "", place)


def _numbers(place: str) -> list[int]:
    return [int(number) for number in re.findall(r"\d+", place)]


def _note_order(
    order: list[Block], blocks: list[Block], source: list[str] | None, request: Request, where: str
) -> None:
    """Say it where the order of the source is not that of the layers, or not the only one that fits."""
    places = [block.place for block in order]
    if source is not None and places != source:
        request.note(f"order of the layers by their features, and not as in the file: {', '.join(places)}")
    elif len({tuple(block.place for block in other) for other in islice(_orders(blocks, None, where), 3)}) > 1:
        request.note(f"order of the layers as in the file: {', '.join(places)}; others fit too: --config gives another")


def _listed(blocks: list[Block], places: list[str]) -> str:
    by_place = {block.place: block for block in reversed(blocks)}
    return ", ".join(str(by_place[place]) for place in places)
