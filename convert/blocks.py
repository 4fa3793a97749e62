"""What is found in a source that holds weights and no architecture: layers at places, in no order yet."""

import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from itertools import takewhile

from rnnspec.convert.request import WithWeights

_SEPARATORS = re.compile("[./]")


@dataclass(frozen=True)
class Block:
    """A layer of the source, or layers that belong together, at `place`, with the features that go in and come out.

    `inputs` is None for ids. `build`: our name → the layers. `recurrent`: what kind of recurrent layers these are, ""
    for others. Where the weights have two readings, an embedding and a dense layer, there are two blocks at one place.
    """

    place: str
    inputs: int | None
    outputs: int
    build: Callable[[str], list[WithWeights]]
    recurrent: str = ""

    def __str__(self) -> str:
        return f"{self.place or 'the root'} ({'ids' if self.inputs is None else self.inputs} → {self.outputs})"


def places_of(blocks: Iterable[Block]) -> list[str]:
    """The places, each once."""
    return list(dict.fromkeys(block.place for block in blocks))


def paths_of(places: Iterable[str]) -> dict[str, list[str]]:
    """Place → the parts of its name."""
    return {place: _SEPARATORS.split(place) for place in places}


def parts_of(places: list[str]) -> list[str]:
    """What `--part` can choose among the places: where their names begin to differ."""
    depth = shared(list(paths_of(places).values())) + 1
    return list(dict.fromkeys(start_of(place, depth) for place in places))


def start_of(place: str, count: int) -> str:
    """The first parts of a place's name, with the separators as they are."""
    ends = [found.start() for found in _SEPARATORS.finditer(place)]
    return place if count > len(ends) else place[: ends[count - 1]]


def scopes_of(place: str) -> Iterator[str]:
    """What a place is in, and itself: `a`, `a.b`, `a.b.c`."""
    for found in _SEPARATORS.finditer(place):
        yield place[: found.start()]
    if place:
        yield place


def shared(paths: list[list[str]]) -> int:
    """How many parts all paths begin with; the last part of a path is its own."""
    if not paths:
        return 0
    ends = zip(min(paths), max(paths), strict=False)  # what these begin with, all between them do
    return max(0, min(sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], ends)), *(len(p) - 1 for p in paths)))
