"""What names say against a chain: roles that run beside each other, not one after the other.

A source that holds weights alone is taken as a chain where the features fit. Sizes are often equal by chance, in two
towers or in an encoder and its decoder, and then names are all that tells. The words of `role_words` name roles; they
count as whole words, in `lstm_actor` as in `actor.lstmCell`. Whoever knows better says so: `--config` gives the order,
and what `--part` names is not asked about.
"""

import re
from collections import defaultdict
from collections.abc import Sequence

from rnnspec.convert.blocks import Block, parts_of, paths_of, places_of, shared, start_of
from rnnspec.convert.role_words import (
    BESIDE,
    BESIDE_ALIKE,
    DECODER,
    DENSE,
    HEADS,
    LAST,
    LAST_ALONE,
    LISTS,
    MODEL_LISTS,
    MODELS,
    NEVER,
    STAGES,
    STARTS,
    STATES,
    TABLES,
    WHOLES,
)
from rnnspec.convert.variables import some
from rnnspec.errors import UnsupportedError

_DIGITS = "0123456789"
_WORD = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|\d+")
_KIND = re.compile("lstm|gru|rnn")


def check(blocks: Sequence[Block], part: str | None, where: str) -> None:
    """Raise UnsupportedError where the names of the layers speak against a chain; `part` is what `--part` chose."""
    if said := against(blocks, part, where):
        raise said


def check_order(order: Sequence[Block], part: str | None, where: str) -> None:
    """Raise UnsupportedError where the names of the layers speak against this order."""
    if said := against_order(order, part, where):
        raise said


def against(blocks: Sequence[Block], part: str | None, where: str) -> UnsupportedError | None:
    """What the names of the layers say against a chain, if anything; `part` is what `--part` chose."""
    found = {block.place: block for block in blocks}
    if len(found) == 1 or "," in (part or ""):
        return None
    words = _words(list(found), part)
    recurrent = [place for place in found if found[place].recurrent]
    others = [place for place in found if not found[place].recurrent]
    sides = _sides(BESIDE, words, list(found))
    tables = {block.place for block in blocks if block.inputs is None}  # or dense layers without a bias
    dense = [place for place in others if place not in tables]
    sides += _sides(BESIDE_ALIKE, words, recurrent) + _sides(BESIDE_ALIKE, words, dense)
    sides += [[place] * 2 for place in found if not NEVER.isdisjoint(words[place])]
    sides += [[place] * 2 for place in others if not STARTS.isdisjoint(words[place])]
    sides += [_decoder(words, recurrent), _numbered(words), _twins(words, [found[place] for place in recurrent])]
    beside = next((places for places in sides if len(places) > 1), None)
    return _refusal(beside[:2], blocks, where) if beside else None


def against_order(order: Sequence[Block], part: str | None, where: str) -> UnsupportedError | None:
    """What the names say against this order: a layer stands before others, and by its name can only be the last; the
    last two are alike but for their names, as two heads are; or whole networks follow each other.
    """
    places = [block.place for block in order]
    if "," in (part or ""):
        return None
    words = _words(places, part)
    for place in places[:-1]:
        if not LAST_ALONE.isdisjoint(words[place]):
            return _refusal([place], order, where)
    heads = [block for block in order[-2:] if not block.recurrent]
    said = {_said(words[block.place]) - HEADS for block in heads}
    alike = len({(block.inputs, block.outputs) for block in heads}) == 1
    if alike and len(said) == 2 and all(said):
        return _refusal([block.place for block in heads], order, where)
    networks = _networks(order)
    return _refusal(networks[:2], order, where) if len(networks) > 1 else None


def is_table(place: str) -> bool:
    """Whether a place is called an embedding: `word_emb`, `encoder.embed.0`."""
    return not TABLES.isdisjoint(_called(place))


def is_last(place: str) -> bool:
    """Whether a place is called as what comes last: `out`, `classifier.1`."""
    return not LAST.isdisjoint(_called(place))


def is_dense(place: str) -> bool:
    """Whether a place is called a dense layer: `fc_in`, `proj`."""
    return not DENSE.isdisjoint(_called(place))


def _called(place: str) -> list[str]:
    """The words in the last part of its name that is no number."""
    parts = [part for part in paths_of([place])[place] if not part.isdigit()]
    return _split(parts[-1]) if parts else []


def _sides(rows: list[list[frozenset[str]]], words: dict[str, list[str]], places: list[str]) -> list[list[str]]:
    """For each row, a place of each role, by the last word in its name that is one."""
    meaning: dict[str, list[tuple[int, int]]] = defaultdict(list)  # word → row and role
    for k, row in enumerate(rows):
        for role, names in enumerate(row):
            for name in names:
                meaning[name].append((k, role))
    first: dict[int, dict[int, str]] = defaultdict(dict)
    for place in places:
        for k, role in dict(pair for word in words[place] for pair in meaning.get(word, ())).items():
            first[k].setdefault(role, place)
    return [list(first[k].values()) for k in sorted(first)]


def _decoder(words: dict[str, list[str]], recurrent: list[str]) -> list[str]:
    """A decoder, and what it decodes: an encoder that is an embedding, and a decoder that is dense, are in a chain."""
    first: dict[bool, str] = {}
    for place in recurrent:
        first.setdefault(DECODER.isdisjoint(words[place]), place)
    return list(first.values())


def _numbered(words: dict[str, list[str]]) -> list[str]:
    """A place in each of several whole networks: `heads.0`, `heads.1`."""
    first: dict[str, dict[str, str]] = defaultdict(dict)
    for place, found in words.items():
        numbers = {word.rstrip(_DIGITS): word for word in found}  # the name alone, where it has no number
        numbers |= {word.rstrip(_DIGITS): word for word in found if word[-1:] in _DIGITS}
        for name in (WHOLES | LISTS).intersection(numbers):
            first[name].setdefault(numbers[name], place)
    return next((list(places.values()) for places in first.values() if len(places) > 1), [])


def _twins(words: dict[str, list[str]], recurrent: list[Block]) -> list[str]:
    """Recurrent layers of one kind and size, called differently, and not by what tells one stage from the next."""
    first: dict[tuple, dict[frozenset[str], str]] = defaultdict(dict)
    for block in recurrent:
        first[block.recurrent, block.inputs, block.outputs].setdefault(_said(words[block.place]), block.place)
    return next((list(places.values()) for places in first.values() if len(places) > 1), [])


def _networks(order: Sequence[Block]) -> list[str]:
    """A place in each of several scopes that are called differently, hold recurrent layers and a head after them, and
    give as much: two language models.
    """
    scopes: dict[str, list[Block]] = defaultdict(list)
    depth = shared(list(paths_of(places_of(order)).values())) + 1
    for block in order:
        scopes[start_of(block.place, depth)].append(block)
    first: dict[int, dict[frozenset[str], str]] = defaultdict(dict)
    for scope, blocks in scopes.items():
        if any(block.recurrent for block in blocks) and not blocks[-1].recurrent:
            first[blocks[-1].outputs].setdefault(_said(_words([scope], None)[scope]), blocks[0].place)
    return next((list(places.values()) for places in first.values() if len(places) > 1), [])


def _said(words: list[str]) -> frozenset[str]:
    """What a name says beside that it is a layer, and which stage."""
    return frozenset(word for word in words if word not in STAGES and not word.isdigit())


def _words(places: list[str], part: str | None) -> dict[str, list[str]]:
    """Place → the words in its name, in small letters, but for the parts that all names begin with, and for the words
    of `part`. `lstm`, `gru` and `rnn` are no such words. A whole network with its number is a word too, `tower1`.
    """
    paths = paths_of(places)
    skipped = shared(list(paths.values()))
    chosen = set(_split(part or ""))
    found: dict[str, list[str]] = {}
    for place, path in paths.items():
        found[place], before = [], ""
        for depth, each in enumerate(path):
            if each.lower().endswith("wrapper"):  # TensorFlow's, around a cell: a chain has them
                continue
            for k, word in enumerate(_split(each)):
                if word.isdigit() and before in (LISTS | MODEL_LISTS if k == 0 else WHOLES | MODELS | STATES):
                    found[place] += [f"{before}{word}"]
                before = word
                if depth >= skipped and word not in chosen:
                    found[place] += [word]
    return found


def _split(text: str) -> list[str]:
    return [word for found in _WORD.findall(text) for word in _KIND.sub(" ", found.lower()).split()]


def _refusal(places: list[str], blocks: Sequence[Block], where: str) -> UnsupportedError:
    places, every = list(dict.fromkeys(places)), places_of(blocks)
    parts = some(_suggested(places if len(places) > 1 else every, blocks))
    return UnsupportedError(
        f"{where}: the layers are not a chain, by their names: {', '.join(places)}; --part takes one of {parts}, or "
        "several as a,b; if all are one, give the order with --config"
    )


def _suggested(places: list[str], blocks: Sequence[Block]) -> list[str]:
    """Parts with something recurrent in them, or such parts together with one of the places."""
    recurrent = [block.place for block in blocks if block.recurrent]
    parts = parts_of(places)
    within = [
        part for part in parts if any(each == part or each.startswith((f"{part}.", f"{part}/")) for each in recurrent)
    ]
    return within or ([f"{recurrent[0]},{part}" for part in parts] if recurrent and recurrent[0] else parts)
