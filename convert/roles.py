"""What names say against a chain: roles that stand beside each other, and not behind each other.

A source that holds weights alone is taken as a chain where the features fit. Sizes are often equal by chance, in two
towers or in an encoder and its decoder, and then names are all that tells. The words below name roles; they count as
whole words, in `lstm_actor` as in `actor.lstmCell`. Whoever knows better says so: `--config` gives the order, and what
`--part` names is not asked about.
"""

import re
from collections import defaultdict
from collections.abc import Sequence

from rnnspec.convert.blocks import Block, parts_of, paths_of, shared
from rnnspec.convert.variables import some
from rnnspec.errors import UnsupportedError


def _set(words: str) -> frozenset[str]:
    return frozenset(words.split())


def _rows(text: str) -> list[list[frozenset[str]]]:
    return [[_set(role) for role in row.split("|")] for row in text.strip().splitlines()]


# Layers of different roles of one line are beside each other, whatever they are.
_BESIDE = _rows("""
    left | right
    forward forwards fwd fw | backward backwards bwd bw reverse reversed
    actor actors policy pi action actions | critic critics value values val vf v q qf | advantage adv
    query queries q | key keys k | value values v
    generator gen | discriminator disc
    student | teacher
    online current behavior behaviour policy | target
    read | write
    prior | posterior
    mean mu loc | logvar logsigma logstd sigma std var variance
    positive pos | negative neg | anchor
    real | fake
    branch | trunk
""")
# And here if both are recurrent, or both dense: `word_embedding`, `sentence_lstm` is a chain; two LSTMs called so not.
_BESIDE_ALIKE = _rows("""
    source src | target tgt trg
    premise | hypothesis
    question | answer | passage context | candidate
    user | item
    sender speaker | receiver listener
    audio acoustic speech | video visual vision image | text
    char chars character characters | word words token tokens | sentence sentences sent utterance | document doc
    spatial | temporal
    local | global
""")
# What is no stage of a chain wherever it stands: it weighs, adds or multiplies what others give.
_NEVER = _set("""
    attention attentions attn att attend attender alignment align pointer skip shortcut residual highway bridge gate
    gates gating res aux auxiliary ptr
""")
# What is none unless it comes last: a head may be called so, and a layer of attention too.
_LAST_ALONE = _set("score scores scorer energy energies query key")
_DECODER = _set("decoder decoders dec decode decoding reconstruct reconstruction")
# What tells a layer from others of its kind that come before or after it, besides numbers; and what says nothing.
_STAGES = _set("""
    first second third fourth fifth last final initial next one two three four five in input inputs out output outputs
    pre post lower low bottom mid middle inner outer upper high top stem body base backbone trunk hidden head deep
    layer layers block blocks cell cells net nets network module modules model models core recurrent basic optimized
    simple bi bidirectional uni unidirectional multi stack stacked wrapper dropout device my custom scan
""")
# What a dense layer may be called besides, at the end of a chain.
_HEADS = _set("""
    fc dense linear lin proj projection project mlp ff ffn affine hidden logit logits softmax classifier classify cls
    decoder prediction predict pred regressor output tag target label
""")
# With a number they are whole networks beside each other: `tower1`, `heads.0`; a Sequential is `head.0` or `net.0`.
_WHOLES = _set("tower branch stream head expert agent critic view")
_LISTS = _set("towers branches streams heads experts agents critics views")
_MODELS = _set("model lm net network member")
_MODEL_LISTS = _set("models lms nets networks members ensemble")
_STATES = _set("h c")  # h0, c0
_STARTS = _set("init h0 c0")  # and of dense layers and embeddings

_DIGITS = "0123456789"
_WORD = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|\d+")
_KIND = re.compile("lstm|gru|rnn")


def check(blocks: Sequence[Block], part: str | None, where: str) -> None:
    """Raise UnsupportedError where the names of the layers speak against a chain; `part` is what `--part` chose."""
    found = {block.place: block for block in blocks}
    if len(found) == 1 or "," in (part or ""):
        return
    words = _words(list(found), part)
    recurrent = [place for place in found if found[place].recurrent]
    others = [place for place in found if not found[place].recurrent]
    sides = _sides(_BESIDE, words, list(found))
    tables = {block.place for block in blocks if block.inputs is None}  # or dense layers without a bias
    dense = [place for place in others if place not in tables]
    sides += _sides(_BESIDE_ALIKE, words, recurrent) + _sides(_BESIDE_ALIKE, words, dense)
    sides += [[place] * 2 for place in found if not _NEVER.isdisjoint(words[place])]
    sides += [[place] * 2 for place in others if not _STARTS.isdisjoint(words[place])]
    sides += [_decoder(words, recurrent), _numbered(words), _twins(words, [found[place] for place in recurrent])]
    for places in sides:
        if len(places) > 1:
            raise _refusal(places[:2], list(found), where)


def check_order(order: Sequence[Block], part: str | None, where: str) -> None:
    """Raise UnsupportedError where a layer stands before others, and by its name can only be the last one; or where the
    last two are alike but for their names, as two heads are.
    """
    places = [block.place for block in order]
    if "," in (part or ""):
        return
    words = _words(places, part)
    for place in places[:-1]:
        if not _LAST_ALONE.isdisjoint(words[place]):
            raise _refusal([place], places, where)
    heads = [block for block in order[-2:] if not block.recurrent]
    said = {_said(words[block.place]) - _HEADS for block in heads}
    alike = len({(block.inputs, block.outputs) for block in heads}) == 1
    if alike and len(said) == 2 and all(said):
        raise _refusal([block.place for block in heads], places, where)


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
        first.setdefault(_DECODER.isdisjoint(words[place]), place)
    return list(first.values())


def _numbered(words: dict[str, list[str]]) -> list[str]:
    """A place in each of several whole networks: `heads.0`, `heads.1`."""
    first: dict[str, dict[str, str]] = defaultdict(dict)
    for place, found in words.items():
        numbers = {word.rstrip(_DIGITS): word for word in found}  # the name alone, where it has no number
        numbers |= {word.rstrip(_DIGITS): word for word in found if word[-1:] in _DIGITS}
        for name in (_WHOLES | _LISTS).intersection(numbers):
            first[name].setdefault(numbers[name], place)
    return next((list(places.values()) for places in first.values() if len(places) > 1), [])


def _twins(words: dict[str, list[str]], recurrent: list[Block]) -> list[str]:
    """Recurrent layers of one kind and size, called differently, and not by what tells one stage from the next."""
    first: dict[tuple, dict[frozenset[str], str]] = defaultdict(dict)
    for block in recurrent:
        first[block.recurrent, block.inputs, block.outputs].setdefault(_said(words[block.place]), block.place)
    return next((list(places.values()) for places in first.values() if len(places) > 1), [])


def _said(words: list[str]) -> frozenset[str]:
    """What a name says beside that it is a layer, and which stage."""
    return frozenset(word for word in words if word not in _STAGES and not word.isdigit())


def _words(places: list[str], part: str | None) -> dict[str, list[str]]:
    """Place → the words in its name, in small letters, but for the parts that all names begin with, and for the words
    of `part`. `lstm`, `gru` and `rnn` are none. A whole network with its number is a word too, `tower1`.
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
                if word.isdigit() and before in (_LISTS | _MODEL_LISTS if k == 0 else _WHOLES | _MODELS | _STATES):
                    found[place] += [f"{before}{word}"]
                before = word
                if depth >= skipped and word not in chosen:
                    found[place] += [word]
    return found


def _split(text: str) -> list[str]:
    return [word for found in _WORD.findall(text) for word in _KIND.sub(" ", found.lower()).split()]


def _refusal(places: list[str], all_places: list[str], where: str) -> UnsupportedError:
    places = list(dict.fromkeys(places))
    parts = parts_of(places if len(places) > 1 else all_places)
    return UnsupportedError(
        f"{where}: the layers are not a chain, by their names: {', '.join(places)}; --part takes one of {some(parts)}, "
        "or several as a,b; if all are one, give the order with --config"
    )
