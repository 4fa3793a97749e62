"""The order of the layers in a source that holds weights and no architecture."""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from rnnspec import limits, strict_json
from rnnspec.convert import roles
from rnnspec.convert.blocks import Block, parts_of, places_of
from rnnspec.convert.layers import features_of
from rnnspec.convert.order import Order, in_order, search
from rnnspec.convert.request import Request, WithWeights
from rnnspec.convert.variables import some
from rnnspec.errors import SpecError, UnsupportedError

Refusal = SpecError | UnsupportedError


def in_part(request: Request, names: Iterable[str], separator: str, where: str) -> dict[str, str]:
    """The variables outside the part that was asked for, and those to ignore, each with that reason. `a,b` asks for two
    parts.

    Raises:
        SpecError: nothing is in the part, or of a name to ignore.
    """
    part, names = request.look("part"), list(names)
    ignored = request.left_out(names, separator, where)
    if part is None:
        return ignored
    outside = set(names)
    for each in part.split(","):
        inside = {name for name in names if name == each or name.startswith(each + separator)}
        if not inside:
            parts = some(list(dict.fromkeys(name.split(separator)[0] for name in names)))
            raise SpecError(f"{where}: --part {each}: nothing begins with {each + separator!r}; it has {parts}")
        outside -= inside
    return ignored | {name: f"not in {part}" for name in names if name in outside}


def chained(
    blocks: list[Block], ours: Mapping[str, str], request: Request, where: str, ordered: bool
) -> list[WithWeights]:
    """The layers in order, by our names, with the note that they were taken as a chain.

    The order is that of `request.config`, else that of the source if it is the order of construction (`ordered`) and
    the features fit, else the only one in which the features fit; places that differ in their numbers alone come in
    the order of the numbers.

    `request.config` is a JSON file: the places of the source in order, `["emb", "lstm", "fc"]`, or our names with
    them, `{"embedding": "emb", "rnn": "lstm", "logits": "fc"}`.

    Raises:
        SpecError: no order fits, or several do; the config names other places.
        UnsupportedError: the names speak against a chain (`roles`).
    """
    places, remark = places_of(blocks), ""
    if config := request.look("config"):
        ours = _configured(config, places, ours)
        found = in_order(blocks, list(ours))
        if not found:
            raise SpecError(f"{config}: the layers do not fit in this order: {_listed(blocks, list(ours))}")
    else:
        found, remark, refusal = read_off(blocks, request.part, where, ordered)
        if refusal:
            raise refusal
    dense = len(found) > 1 and roles.is_dense(found[0][0].place)
    order = found[1 if dense else 0]  # an embedding comes before a dense layer of the same weights
    note_chain([block.place or ours[block.place] for block in order], request)
    if remark:
        request.note(f"order of the layers {remark}")
    if len(found) > 1:
        first, other = ("a dense layer", "embedding") if dense else ("an embedding", "dense")
        what = "an embedding" if dense else "a dense layer"
        request.note(f"{order[0].place}: read as {first}; --set {ours[order[0].place]}.type={other} for {what}")
    return [layer for block in order for layer in block.build(ours[block.place])]


def note_chain(places: list[str], request: Request) -> None:
    """Say that layers at these places follow each other; of very many, those in the middle are left out."""
    half = limits.CHAIN // 2
    shown = places if len(places) <= limits.CHAIN else [*places[:half], "…", *places[-half:]]
    request.note(f"taken as a chain: {' → '.join(shown)}")


def inputs(layers: list[WithWeights]) -> int | None:
    """Features that the first layer with weights takes, and those before it; None for ids."""
    return next(features_of(*layer) for layer in layers if layer[1])


def _configured(config: Path, places: list[str], ours: Mapping[str, str]) -> dict[str, str]:
    """Place → our name, in the order of the config."""
    data = strict_json.load(config)
    entries = list(data.values()) if isinstance(data, dict) else data
    if not isinstance(entries, list) or not all(isinstance(entry, str) for entry in entries):
        raise SpecError(f'{config}: expected the places of the source in order, for example ["emb", "lstm", "fc"]')
    if sorted(entries) != sorted(places):
        raise SpecError(f"{config}: expected each of {', '.join(places)} once, found {', '.join(entries) or 'nothing'}")
    return {place: name for name, place in data.items()} if isinstance(data, dict) else {k: ours[k] for k in entries}


def read_off(
    blocks: list[Block], part: str | None, where: str, ordered: bool
) -> tuple[list[Order], str, Refusal | None]:
    """The readings of the order that names and features give, that of the source where it is one (`ordered`); what is
    to be said about it; or why there is none."""
    if said := roles.against(blocks, part, where):
        return [], "", said
    found, remark, refusal = _found(blocks, places_of(blocks) if ordered else None, where)
    return found, remark, refusal or roles.against_order(found[0], part, where)


def _found(blocks: list[Block], source: list[str] | None, where: str) -> tuple[list[Order], str, Refusal | None]:
    """The readings of the only order, or of that of the source, and a note where the two differ."""
    orders, complete = search(blocks)
    several = len({tuple(block.place for block in order) for order in orders}) > 1 or not complete
    if source and (found := in_order(blocks, source)):
        return found, "as in the file; others fit too: --config gives another" if several else "", None
    said = ""
    if several and (called := _as_called(blocks)):
        return *called, None
    if several and not complete:
        said = "too many orders of the layers to look for one that fits; give theirs with --config"
    elif several:
        listed = _listed(blocks, places_of(blocks))
        said = f"the order of the layers cannot be read off: {listed}; give it with --config"
    elif not orders:
        several_parts = f"--part takes one of {some(parts_of(places_of(blocks)))}, or several as a,b"
        listed = _listed(blocks, places_of(blocks))
        said = f"the layers are not a chain: {listed}{_ends(blocks)}; {several_parts}"
    remark = "by their features, and not as in the file" if source else ""
    return orders, remark, SpecError(f"{where}: {said}") if said else None


def _as_called(blocks: Sequence[Block]) -> tuple[list[Order], str] | None:
    """The only order in which what is called an embedding is one, and what is called an output comes last."""
    plain = {block.place for block in blocks if block.inputs is not None}
    tables = [b.place for b in blocks if b.inputs is None and b.place in plain and roles.is_table(b.place)]
    likely = [block for block in blocks if block.place not in tables or block.inputs is None]
    last = {b.place for b in likely if b.place in plain and not b.recurrent and roles.is_last(b.place)}
    for ends in (last, set[str]()):
        before = _only([block for block in likely if block.place not in ends])
        after = _only([block for block in likely if block.place in ends and block.inputs is not None]) if ends else [[]]
        fits = [b + a for b in before for a in after if not a or b[-1].outputs == a[0].inputs]
        if fits and (tables or ends):
            first = [f"{some(tables)} as an embedding (--set NAME.type=dense otherwise)"] if tables else []
            said = [*first, f"{some(sorted(ends))} last"] if ends else first
            return fits, f"with {' and '.join(said)}, as it is called; --config gives another"
    return None


def _only(blocks: list[Block]) -> list[Order]:
    """The readings of the only order, if there is one."""
    orders, complete = search(blocks) if blocks else ([], True)
    return orders if complete and len({tuple(block.place for block in order) for order in orders}) == 1 else []


def _ends(blocks: Sequence[Block]) -> str:
    """Where a chain could begin or end, if there are several such places."""
    given, taken = {block.outputs for block in blocks}, {block.inputs for block in blocks}
    firsts = places_of(block for block in blocks if block.inputs not in given)
    lasts = places_of(block for block in blocks if block.outputs not in taken)
    said = [("begin", firsts), ("end", lasts)]
    return "".join(f"; {some(places)} could each {how} one" for how, places in said if len(places) > 1)


def _listed(blocks: Sequence[Block], places: Sequence[str]) -> str:
    by_place = {block.place: block for block in reversed(blocks)}
    return some([str(by_place[place]) for place in places], most=20)
