"""The parts of a source that holds weights and no architecture: what `--parts` lists."""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence

from rnnspec.convert.blocks import Block, places_of, scopes_of
from rnnspec.convert.chain import read_off
from rnnspec.convert.parts import Part, Parts, Place
from rnnspec.convert.variables import some


def listed(blocks: list[Block], rest: Mapping[str, str], where: str, order: Sequence[str] | None) -> Parts:
    """Whatever is recurrent, alone and with the layers that it makes a chain with.

    Args:
        rest: place → what is there that has no equal; no part has such a place inside, or between its layers.
        order: all places in the order of the source, where that is one; else None.

    A part is a scope, `encoder`; layers that follow each other in the source, `emb,lstm`; or a recurrent layer with one
    of several heads, `lstm,tags`.
    """
    whole = not rest and read_off(blocks, None, where, order is not None)[2] is None
    parts: dict[frozenset[str], Part] = {}
    inside: dict[str, list[Block]] = defaultdict(list)
    for block in blocks:
        for scope in scopes_of(block.place):
            inside[scope].append(block)
    no_equal = {scope for place in rest for scope in scopes_of(place)}

    at = {block: k for k, block in enumerate(blocks)}

    def offer(*names: str) -> None:
        chosen = list({id(block): block for name in names for block in inside[name]}.values())
        places = frozenset(places_of(chosen))
        known = places in parts or bool(no_equal.intersection(names))
        if known or any("," in name for name in names) or not any(block.recurrent for block in chosen):
            return
        if len(names) > 1:
            chosen.sort(key=at.__getitem__)
        found, _, refusal = read_off(chosen, names[0] if len(names) == 1 else None, where, order is not None)
        if not refusal:
            layers = tuple(block.place for block in found[0])
            reads, gives = Place("x", found[0][0].inputs), Place("y", found[0][-1].outputs)
            parts[places] = Part(",".join(names), layers, (reads,), (gives,))

    for scope in sorted(inside, key=len):
        offer(scope)
    for run in _runs(blocks, rest, order or ()):
        offer(*run)
    for pair in _pairs(blocks, {place for places in parts for place in places}):
        if not rest or (order and not _between(pair, rest, order)):
            offer(*pair)
    return Parts(tuple(parts.values()), tuple(rest.items()), whole)


def _runs(blocks: Sequence[Block], rest: Mapping[str, str], order: Sequence[str]) -> Iterator[list[str]]:
    """Places that follow each other in the source, with nothing unknown between them, where the features fit."""
    readings: dict[str, list[Block]] = defaultdict(list)
    for block in blocks:
        readings[block.place].append(block)
    run: list[str] = []
    features: int | None = None
    for place in [*order, ""]:
        fits = [block for block in readings[place] if run and block.inputs == features]
        if not fits or place in rest:
            if len(run) > 1:
                yield run
            run = [place] if readings[place] and place not in rest else []
        else:
            run = [*run, place]
        features = readings[place][0].outputs if run else None


def _pairs(blocks: Sequence[Block], known: set[str]) -> Iterator[tuple[str, str]]:
    """A recurrent place and one that is in no part yet, where their features fit."""
    giving = {block.outputs: block.place for block in reversed(blocks) if block.recurrent}
    taking = {block.inputs: block.place for block in reversed(blocks) if block.recurrent}
    for block in blocks:
        if block.place not in known and not block.recurrent:
            if block.inputs in giving:
                yield giving[block.inputs], block.place
            elif block.outputs in taking:
                yield block.place, taking[block.outputs]


def _between(pair: tuple[str, str], rest: Mapping[str, str], order: Sequence[str]) -> bool:
    """Whether something unknown stands between two places in the source."""
    first, last = sorted(map(order.index, pair))
    return any(place in rest for place in order[first:last])


def said(rest: Mapping[str, str]) -> str:
    """What has no equal, in words: bn (BatchNorm), h0 (1, 6)."""
    parameter = "a parameter "
    return some(
        [
            f"{p} {what.removeprefix(parameter) if what.startswith(parameter) else f'({what})'}"
            for p, what in rest.items()
        ]
    )
