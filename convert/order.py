"""The orders in which layers can follow each other, by the features that go in and come out."""

import re
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence

from rnnspec import limits
from rnnspec.convert.blocks import Block, places_of

Order = list[Block]


def in_order(blocks: Sequence[Block], places: Sequence[str]) -> list[Order]:
    """The places as they are given, if the features fit: two readings, where the first may be an embedding or not."""
    readings: dict[str, list[Block]] = defaultdict(list)
    for block in blocks:
        readings[block.place].append(block)
    found = []
    for first in readings[places[0]]:
        order = [first]
        for place in places[1:]:
            order += [block for block in readings[place] if block.inputs == order[-1].outputs][:1]
            if order[-1].place != place:
                break
        else:
            found.append(order)
    return found


def search(blocks: Sequence[Block]) -> tuple[list[Order], bool]:
    """Orders in which all places are used once and the features fit; embeddings come before dense layers of the same
    weights. Places that differ in their numbers alone come in the order of the numbers.

    Two orders of the places are enough to know that there are several. Returns also whether these are all, or all that
    are needed: False where the search was given up after `limits.ORDER_STEPS`.
    """
    walk = _Walk(blocks)
    found: list[Order] = []
    for order in walk.orders():
        found.append(order)
        if any(one.place != two.place for one, two in zip(found[0], order, strict=True)):
            break
    return found, walk.steps <= limits.ORDER_STEPS


def numbers(name: str) -> list[tuple[int, str]]:
    """The numbers in a name, to sort by: without a limit on their digits."""
    return [(len(digits), digits) for digits in (found.lstrip("0") for found in re.findall(r"\d+", name))]


def unnumbered(name: str) -> str:
    """The name without the numbers in it."""
    return re.sub(r"_?\d+", "", name)


class _Walk:
    """A depth-first search that keeps what it needs up to date, so that a step costs the same however many places there
    are.

    The layers are the edges of a graph whose nodes are numbers of features; an order is a trail along all of them. From
    a node on there can be one only if each node is left as often as it is entered, but for the two ends: that is
    looked at once for each possible start, and stays true on the way. So is whether the graph is in one piece.
    """

    def __init__(self, blocks: Sequence[Block]) -> None:
        self.steps = 0
        self.tables = {block.place: block for block in blocks if block.inputs is None}
        self.plain = {block.place: block for block in blocks if block.inputs is not None}
        queues: dict[str, list[str]] = defaultdict(list)
        for place in places_of(blocks):
            queues[unnumbered(place)].append(place)
        self.queues = [sorted(queue, key=numbers) for queue in queues.values()]
        self.used = [0] * len(self.queues)
        self.left = sum(map(len, self.queues))
        self.heads: dict[int | None, list[int]] = defaultdict(list)  # features → queues whose next place takes them
        self.takers: Counter[int | None] = Counter()
        self.givers: Counter[int | None] = Counter()
        self.loops: Counter[int | None] = Counter()
        self.cut_off = 0  # how many numbers of features are taken by a place, and given by no other
        for block in self.plain.values():
            self._count(block, 1)
        for queue in range(len(self.queues)):
            self._show(queue)
        sizes = {*self.takers, *self.givers}
        self.excess = {size: d for size in sizes if (d := self.takers[size] - self.givers[size])}

    def orders(self) -> Iterator[Order]:
        only = [place for place in self.tables if place not in self.plain]
        if len(only) > 1 or not self._connected():
            return
        readings = [{only[0]: self.tables[only[0]]}] if only else [self.tables, self.plain]
        for reading in readings:
            for queue, (place, *_) in enumerate(self.queues):
                if place in reading and self._balanced(place, reading[place].outputs):
                    yield from self._from(reading[place], queue)

    def _connected(self) -> bool:
        """Whether the graph is in one piece."""
        root: dict[int | None, int | None] = {}

        def find(size: int | None) -> int | None:
            while root.setdefault(size, size) != size:
                root[size] = size = root[root[size]]
            return size

        for block in self.plain.values():
            root[find(block.inputs)] = find(block.outputs)
        for block in self.tables.values():
            find(block.outputs)
        return len({find(size) for size in list(root)}) <= 1

    def _balanced(self, place: str, features: int) -> bool:
        """Whether all other places may be a trail that begins at so many features."""
        if len(self.excess) > 4:  # one place, and the two ends of the rest, change four of them
            return False
        rest = Counter(self.excess)
        if place in self.plain:
            rest[self.plain[place].inputs] -= 1
            rest[self.plain[place].outputs] += 1
        rest[features] -= 1  # where the trail begins; what is left is where it ends
        return [excess for excess in rest.values() if excess] == [-1]

    def _from(self, first: Block, queue: int) -> Iterator[Order]:
        """The orders that begin with that layer, which is at the first place of its queue."""
        heads = self.heads[self.plain[first.place].inputs] if first.place in self.plain else [queue]
        order, taken, tried = [first], [self._take(queue, heads.index(queue))], [0]
        while order:
            features = order[-1].outputs
            if not self.left:
                yield list(order)
            heads = self.heads[features]
            if tried[-1] == len(heads) or self.cut_off > self._is_cut_off(features) or self.steps > limits.ORDER_STEPS:
                self._give_back(*taken.pop())
                order.pop()
                tried.pop()
                continue
            index = tried[-1]
            tried[-1] += 1
            self.steps += 1
            order.append(self.plain[self._head(heads[index])])
            taken.append(self._take(heads[index], index))
            tried.append(0)

    def _head(self, queue: int) -> str:
        return self.queues[queue][self.used[queue]]

    def _take(self, queue: int, index: int) -> tuple[int, int]:
        """Use the first place of a queue, which is at `index` among those that take as many features."""
        block = self.plain.get(self._head(queue))
        if block:
            heads = self.heads[block.inputs]
            heads[index] = heads[-1]
            heads.pop()
            self._count(block, -1)
        self.used[queue] += 1
        self.left -= 1
        self._show(queue)
        return queue, index

    def _give_back(self, queue: int, index: int) -> None:
        """Undo `_take`; what was taken later is given back already, so that all lists are as they were then."""
        if self.used[queue] < len(self.queues[queue]) and (block := self.plain.get(self._head(queue))):
            self.heads[block.inputs].pop()
        self.used[queue] -= 1
        self.left += 1
        if block := self.plain.get(self._head(queue)):
            heads = self.heads[block.inputs]
            heads.append(heads[index] if index < len(heads) else queue)
            heads[index] = queue
            self._count(block, 1)

    def _show(self, queue: int) -> None:
        if self.used[queue] < len(self.queues[queue]) and (block := self.plain.get(self._head(queue))):
            self.heads[block.inputs].append(queue)

    def _count(self, block: Block, by: int) -> None:
        sizes = {block.inputs, block.outputs}
        self.cut_off -= sum(map(self._is_cut_off, sizes))
        self.takers[block.inputs] += by
        self.givers[block.outputs] += by
        self.loops[block.inputs] += by * (block.inputs == block.outputs)
        self.cut_off += sum(map(self._is_cut_off, sizes))

    def _is_cut_off(self, size: int | None) -> bool:
        """Whether a place takes so many features, and no other gives them."""
        givers = self.givers[size]
        return self.takers[size] > 0 and (givers == 0 or givers == self.loops[size] == 1)
