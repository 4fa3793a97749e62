"""In which order cases are tried on a change: those that go different ways through its module first."""

from collections import defaultdict
from collections.abc import Iterable

from rnnspec.conformance.generated.trial import Reached
from rnnspec.conformance.record import Item


def places(seen: Iterable[Reached], module: str) -> dict[Item, tuple[int, int]]:
    """Item → its place among those that reach the module, as what to sort them by.

    Items that run the same lines of the module go one way. The first item of each way comes before the second of
    any, and of two ways the one that adds more lines to those before it; of the items of a way, the quick ones first.
    """
    ways: dict[frozenset[int], list[Reached]] = defaultdict(list)
    for one in sorted(seen, key=lambda one: one.seconds):
        ways[frozenset(line for name, line in one.lines if name == module)].append(one)
    found: dict[Item, tuple[int, int]] = {}
    for rank, way in enumerate(_spread({way: items[0].seconds for way, items in ways.items()})):
        found |= {one.item: (turn, rank) for turn, one in enumerate(ways[way])}
    return found


def _spread(seconds: dict[frozenset[int], float]) -> list[frozenset[int]]:
    """The ways, each time the one that adds most to those before it; where none adds any, it begins again."""
    left, order = dict(seconds), []
    covered: frozenset[int] = frozenset()
    while left:
        way = max(left, key=lambda way: (len(way - covered), -left[way]))
        if covered and way <= covered:
            covered = frozenset()
        else:
            covered |= way
            order.append(way)
            del left[way]
    return order
