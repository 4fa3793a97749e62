"""The gradient of a program, as a program.

The cotangent of a value is a sum over its readers, each of which passes on its own times a factor: σ′, the other factor
of a product. Factors do not depend on cotangents. Here a cotangent stays "base ⊙ factor" as long as it can, so that
factors multiply each other, and bases are what is left for the loop; where a value is taken apart or joined, so is its
cotangent, into pieces. In the program that results, `stages` finds that factors are of no state, and gradients of
parameters are needed by none: the first are computed for all steps before the loop, the second after it. Of an LSTM's
backward loop remains

    dh ← dh + seed of h                dc ← dc + dh ⊙ [o (1 − s²)]
    da = dc, dc, dc, dh ⊙ [g i (1−i), c f (1−f), i (1 − g²), s o (1−o)]
    dc ← dc ⊙ f                        dh ← da R

with s = tanh c', all in [ ] being there before it begins.
"""

from collections import defaultdict
from collections.abc import Iterable
from itertools import pairwise
from typing import NamedTuple

from rnnspec.backends.fused.node import Node, ordered, part
from rnnspec.backends.fused.partials import ELEMENTWISE, MEASURED, Factor, product
from rnnspec.backends.fused.simplify import simplify
from rnnspec.backends.fused.stages import Stages, stages
from rnnspec.backends.fused.trace import Program

# What costs next to nothing is computed anew, for all steps at once, and not kept.
CHEAP = {"add", "sub", "mul", "div", "fma", "part", "concat", "copy", "where", "greater", "clip", "relu", "zeros"}


class Gradient(NamedTuple):
    """`kept`: nodes and old states of the loop whose values at all steps the gradient reads, besides the loop's
    `constants` and `leaves`. Sources of the program: `seed` k, the cotangent of the loop's export k, one a step. Its
    states, by name, are the cotangents of the loop's: the last ones go in, those of the initial states come out. Its
    results are the cotangents of `of`: leaves, one a step, and constants, summed up.
    """

    kept: list[Node]
    program: Program
    stages: Stages
    of: list[Node]


class Piece(NamedTuple):
    """Features start to stop of a cotangent: base ⊙ factor, where no factor is 1. Pieces that are missing are 0."""

    start: int
    stop: int
    base: Node
    factor: Factor = None


Cotangent = list[Piece]


def gradient(program: Program, forward: Stages) -> Gradient:
    """Of the program's loop: `once`, `before` and `after` are left to whoever differentiates the rest."""
    carried = {name: Node("cotangent", (), (name,), old.size) for name, (old, _) in program.states.items()}
    sums = _Sums()
    for name, (_, new) in program.states.items():
        sums.give(new, [Piece(0, new.size, carried[name])])
    for k, node in enumerate(forward.exports):
        sums.give(node, [Piece(0, node.size, Node("seed", (), (k,), node.size))])
    for node in reversed(forward.loop):
        if cotangent := sums.of(node):
            _pass_on(sums, node, cotangent)
    wanted = _differentiable([*forward.constants, *forward.leaves])
    of = [node for node in (*forward.leaves, *forward.constants) if node in wanted and node in sums.given]
    results = [sums.whole(node) if node in forward.leaves else sums.total(node) for node in of]
    olds = [sums.whole(old) for old, _ in program.states.values()]
    given = {*forward.constants, *forward.leaves}
    free = {*forward.exports, *(node for pair in program.states.values() for node in pair)} - given
    kept = _kept([*olds, *results], forward.loop, free, given)
    backward = Program.of(carried, simplify([*olds, *results], {*given, *kept}))
    return Gradient(kept, backward, stages(backward, forward.constants, {*forward.leaves, *kept}), of)


def _kept(results: list[Node], loop: list[Node], free: set[Node], given: set[Node]) -> list[Node]:
    """What the results read of the loop: its nodes, without those that are cheap to compute from others."""
    inside: set[Node] = set(loop)
    kept: dict[Node, None] = {}
    dear = {node for node in inside if node.op not in CHEAP} | free
    dear |= {node.args[0] for node in inside if node.op in MEASURED} & inside
    for node in ordered(results, {*given, *dear}):
        kept |= dict.fromkeys(arg for arg in node.nodes if arg in dear)
    return list(kept | dict.fromkeys(node for node in results if node in dear))


def _differentiable(nodes: Iterable[Node]) -> set[Node]:
    """Those that parameters, start states or x have an influence on."""
    found: set[Node] = set()
    for node in ordered(nodes):
        if node.op in ("parameter", "start", "x") or (node.op != "greater" and found.intersection(node.nodes)):
            found.add(node)
    return found


def _pass_on(sums: "_Sums", node: Node, cotangent: Cotangent) -> None:
    """Give the arguments of a node their parts of its cotangent."""
    if node.op == "part":
        start, _ = node.options
        sums.give(node.args[0], [Piece(start + p.start, start + p.stop, *p[2:]) for p in cotangent])
    elif node.op == "concat":
        start = 0
        for arg in node.args:
            sums.give(arg, _cut(cotangent, start, start + arg.size))
            start += arg.size
    elif node.op == "linear":
        d, (x, kernel) = _whole(cotangent, node.size), node.args[:2]
        sums.give(x, [Piece(0, x.size, Node("product", [d, kernel], (), x.size))])
        sums.add(kernel, Node("outer", [d, x], (), kernel.shape))
        for addend in node.args[2:]:
            sums.give(addend, cotangent)
    elif node.op in MEASURED:
        d = _whole(cotangent, node.size)
        for arg, node_ in zip(node.args, MEASURED[node.op](node, d), strict=True):
            sums.give(arg, [Piece(0, arg.size, node_)])
    else:
        for arg, factor in zip(node.args, ELEMENTWISE[node.op](node), strict=True):
            if isinstance(arg, Node) and factor:
                changed = [p._replace(factor=factor(p.factor, p.start, p.stop)) for p in cotangent]
                if arg.size < node.size:  # it was repeated along the features
                    changed = [Piece(0, 1, Node("over_features", [_whole(changed, node.size)], (), 1))]
                sums.give(arg, changed)


class _Sums:
    """Cotangents as they come together, node → what its readers gave."""

    def __init__(self) -> None:
        self.given: dict[Node, list] = defaultdict(list)

    def give(self, node: Node, cotangent: Cotangent) -> None:
        if cotangent:
            self.given[node].append(cotangent)

    def add(self, constant: Node, total: Node) -> None:
        """For a constant, what is a sum over all steps already."""
        self.given[constant].append(total)

    def of(self, node: Node) -> Cotangent:
        given = self.given.get(node, [])
        return given[0] if len(given) == 1 else _summed(given)

    def whole(self, node: Node) -> Node:
        """As one value."""
        return _whole(self.of(node), node.size)

    def total(self, constant: Node) -> Node:
        """The sum over the steps, and over the batch where the constant has no rows."""
        op = "over_steps" if None in constant.shape else "over_rows"
        totals = [
            given if isinstance(given, Node) else Node(op, [_whole(given, constant.size)], (), constant.shape)
            for given in self.given[constant]
        ]
        return _chain(totals)


def _cut(cotangent: Cotangent, start: int, stop: int) -> Cotangent:
    """Features start to stop, counted from start."""
    found = []
    for p in cotangent:
        low, high = max(p.start, start), min(p.stop, stop)
        if low < high:
            at = low - p.start, high - p.start
            factor = part(p.factor, *at) if isinstance(p.factor, Node) and p.factor.size > 1 else p.factor
            found.append(Piece(low - start, high - start, part(p.base, *at), factor))
    return found


def _summed(cotangents: list[Cotangent]) -> Cotangent:
    """Piece by piece between all borders: factors of one base add up, and so do different bases."""
    borders = sorted({border for cotangent in cotangents for p in cotangent for border in p[:2]})
    found = []
    for start, stop in pairwise(borders):
        factors: dict[tuple, list[Factor]] = defaultdict(list)
        bases: dict[tuple, Node] = {}
        for cotangent in cotangents:
            for p in _cut(cotangent, start, stop):
                key = (p.base.args[0], p.base.options) if p.base.op == "part" else (p.base,)
                bases.setdefault(key, p.base)
                factors[key].append(p.factor)
        if len(bases) == 1:
            ((key, base),) = bases.items()
            found.append(Piece(start, stop, base, _factors(factors[key])))
        elif bases:
            # Bare ones first, so that those with a factor are added on to them in one operation.
            terms = sorted(bases, key=lambda key: factors[key] != [None])
            found.append(Piece(start, stop, _chain([product(bases[key], _factors(factors[key])) for key in terms])))
    return found


def _factors(factors: list[Factor]) -> Factor:
    if len(factors) == 1:
        return factors[0]
    total: Factor = sum(1.0 if f is None else f for f in factors if not isinstance(f, Node))
    nodes = [f for f in factors if isinstance(f, Node)]
    return _chain(nodes) + total if nodes and total else _chain(nodes) if nodes else total


def _chain(terms: list[Node]) -> Node:
    total, *rest = terms
    for term in rest:
        total = Node("add", [total, term], (), total.shape)
    return total


def _whole(cotangent: Cotangent, size: int) -> Node:
    """As one value: pieces beside each other with one base are one product with the base repeated."""
    parts: list[Node] = []
    at, pieces = 0, list(cotangent)
    while pieces:
        p, *pieces = pieces
        run, factors = [p], [p.factor]
        while pieces and pieces[0].base is p.base and pieces[0].start == run[-1].stop:
            run.append(pieces.pop(0))
            factors.append(run[-1].factor)
        if p.start > at:
            parts.append(Node("zeros", [], (), p.start - at))
        nodes = [factor for factor in factors if isinstance(factor, Node)]
        if len(run) > 1 and len(nodes) == len(run):
            wide = [f if f.size > 1 else Node("repeat", [f], (), p.base.size) for f in nodes]
            joined = Node("concat", wide, (), len(run) * p.base.size)
            parts.append(Node("repeated", [p.base, joined], (), joined.size))
        else:
            parts += [product(q.base, q.factor) for q in run]
        at = run[-1].stop
    if at < size:
        parts.append(Node("zeros", [], (), size - at))
    return parts[0] if len(parts) == 1 else Node("concat", parts, (), size)
