"""The same program in fewer operations."""

from collections import Counter, defaultdict
from collections.abc import Set

from rnnspec.backends.fused.node import Node, ordered, part

JOINED = {"sigmoid", "tanh", "relu", "exp", "erf", "softplus", "clip"}


def simplify(results: list[Node], known: Set[Node] = frozenset()) -> list[Node]:
    """Equal results in fewer operations; `known` nodes stay as they are.

    add(z, linear(x, W))            →  linear(x, W, z)         a product that adds on to something
    add(a, mul(b, c))               →  fma(a, b, c)            a + b ⊙ c
    σ(part 0 of a), σ(part 1 of a)  →  parts of σ(a)           neighbours under the same function
    two nodes that are equal        →  one
    """
    return _rewritten(_joined(_rewritten(results, known), known), known)


def _rewritten(results: list[Node], known: Set[Node]) -> list[Node]:
    nodes = ordered(results, known)
    uses = Counter(arg for node in nodes for arg in node.nodes) + Counter(results)
    new: dict[Node, Node] = {}
    equal: dict[tuple, Node] = {}
    for node in nodes:
        args = [new.get(arg, arg) if isinstance(arg, Node) else arg for arg in node.args]
        same = _with(node, args)
        once = [isinstance(arg, Node) and arg not in known and uses[arg] == 1 for arg in node.args]
        same = _rule(same, once)
        new[node] = equal.setdefault(same.key, same)
    return [new.get(node, node) for node in results]


def _with(node: Node, args: list) -> Node:
    """The node with other arguments; itself where they are not others."""
    return node if args == list(node.args) else Node(node.op, args, node.options, node.shape)


def _rule(node: Node, once: list[bool]) -> Node:
    """`once`: which arguments nobody else reads."""
    if node.op == "part" and (inner := _inner_part(node)) is not None:
        return inner
    if node.op == "concat" and len(node.args) == 1:
        return node.args[0]
    if node.op == "add" and isinstance(node.args[1], Node):
        for (a, _), (b, alone) in (sides := list(zip(node.args, once, strict=True)), sides[::-1]):
            if alone and b.op in ("linear", "product") and len(b.args) == 2 and a.size == b.size:
                return Node(b.op, [*b.args, a], (), b.shape)
        for (a, _), (b, alone) in (sides, sides[::-1]):
            if alone and b.op == "mul" and isinstance(b.args[1], Node):
                return Node("fma", [a, *b.args], (), node.shape)
    return node


def _inner_part(node: Node) -> Node | None:
    """What a part of parts, or of joined values, is a part of."""
    (x,), (start, stop) = node.args, node.options
    if (start, stop) == (0, x.size):
        return x
    if x.op == "part":
        return part(x.args[0], x.options[0] + start, x.options[0] + stop)
    if x.op == "concat":
        at = 0
        for piece in x.args:
            if at <= start and stop <= at + piece.size:
                return part(piece, start - at, stop - at)
            at += piece.size
    return None


def _joined(results: list[Node], known: Set[Node]) -> list[Node]:
    """Functions of neighbouring parts as parts of one."""
    nodes = ordered(results, known)
    alike: dict[tuple, list[Node]] = defaultdict(list)
    for node in nodes:
        if node.op in JOINED and node.args[0].op == "part":
            alike[node.op, node.args[0].args[0], node.options].append(node)
    instead: dict[Node, tuple[list[Node], int, int]] = {}  # node → the run it belongs to, and its place there
    for group in alike.values():
        group.sort(key=lambda node: node.args[0].options)
        run: list[Node] = []
        for node in group:
            start, stop = node.args[0].options
            if not run or run[-1].args[0].options[1] != start:
                run = []
            run.append(node)
            first = run[0].args[0].options[0]
            instead[node] = run, start - first, stop - first
    new: dict[Node, Node] = {}
    whole: dict[int, Node] = {}
    for node in nodes:
        args = [new.get(arg, arg) if isinstance(arg, Node) else arg for arg in node.args]
        same = _with(node, args)
        if node in instead and len(instead[node][0]) > 1:
            run, start, stop = instead[node]
            if id(run) not in whole:
                base, first = args[0].args[0], run[0].args[0].options[0]
                x = part(base, first, run[-1].args[0].options[1])
                whole[id(run)] = Node(node.op, [x], node.options, x.size)
            same = part(whole[id(run)], start, stop)
        new[node] = same
    return [new.get(node, node) for node in results]
