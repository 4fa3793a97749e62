"""A loop over steps written out as a Python function, every operation with a place for its result.

Of an LSTM, with h and c as s0 and s1:

    def loop(s0, s1, f0, f1, …, steps):
        for _, v0, v1, v2, … in steps:
            addmm(v0, s0, f0, out=f1)
            sigmoid(f2, out=v1)
            …
            mul(v4, v5, out=v6)
            s0, s1 = v6, v7
        return s0, s1,

f0 is a constant, f1 a place that each step uses again and f2 a part of it; v0, v1, … are one for each step, of what
comes in and of what is kept.
"""

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable
from itertools import cycle
from typing import Any

import torch
from torch import Tensor

from rnnspec.backends.fused.node import Node
from rnnspec.backends.fused.trace import Program
from rnnspec.backends.torch.compute import COMPUTE

# Those with a place for the result, beside products and what only moves values; others make a tensor at every step.
_WRITTEN = {
    "add": "add({}, {}, out={out})",
    "sub": "sub({}, {}, out={out})",
    "mul": "mul({}, {}, out={out})",
    "div": "div({}, {}, out={out})",
    "fma": "addcmul({}, {}, {}, out={out})",
    "sigmoid": "sigmoid({}, out={out})",
    "tanh": "tanh({}, out={out})",
    "relu": "clamp_min({}, 0, out={out})",
    "exp": "exp({}, out={out})",
    "erf": "erf({}, out={out})",
    "clip": "clamp({}, *{options}, out={out})",
    "where": "where({}, {}, {}, out={out})",
    "copy": "{out}.copy_({})",
}
_PRODUCTS = ("linear", "product")  # x, matrix, addend
_PLACED = {*_WRITTEN, *_PRODUCTS, "repeated", "concat"}
_FUNCTIONS = [torch.add, torch.sub, torch.mul, torch.div, torch.addcmul, torch.sigmoid, torch.tanh, torch.clamp_min]
_FUNCTIONS += [torch.exp, torch.erf, torch.clamp, torch.where, torch.mm, torch.addmm, torch.native_layer_norm]

View = tuple[tuple[str, Any], ...]  # what is done to a tensor, in order, with an argument
_VIEWS: dict[str, Callable[[Tensor, Any], Tensor]] = {
    "part": lambda x, at: x.narrow(-1, at[0], at[1] - at[0]),
    "groups": lambda x, many: x.unflatten(-1, (many, -1)),
    "t": lambda x, _: x.t(),
}
_SOURCE = {"part": "[..., {0[0]}:{0[1]}]", "groups": ".unflatten(-1, ({0}, -1))"}


class Written:
    """The loop of a program; `wanted`: the nodes, and old states, whose values at all steps it keeps; `spare`: leaves
    that nobody reads after it, in whose place it may write."""

    def __init__(
        self,
        program: Program,
        nodes: list[Node],
        constants: list[Node],
        leaves: list[Node],
        wanted: list[Node],
        spare: Iterable[Node] = (),
    ) -> None:
        self._old = {old: f"s{k}" for k, (old, _) in enumerate(program.states.values())}
        # A new state that the loop does not compute is copied by it, so that every state has a place of its own.
        inside = set(nodes)
        new = [n if n in inside else Node("copy", [n], (), n.shape) for _, n in program.states.values()]
        nodes = [*nodes, *(n for n in new if n not in inside)]
        self._new = dict(zip(self._old, new, strict=True))
        self._constants, self._leaves, self._carried = set(constants), set(leaves), set(new)
        self._wanted = wanted
        self._placed: dict[Node, tuple[Node, int]] = {}
        roots = [self._root(node)[0] for node in wanted]
        kept = {self._new.get(root, root) for root in roots}
        self._join(nodes, kept)
        self._overwrite(nodes, kept, set(spare))
        self._slabs = {self._root(node)[0] for node in kept} - self._leaves  # which have their places
        self._fixed: dict[tuple[Node, View], str] = {}
        self._columns: dict[tuple[Node, View], str] = {}
        self._local: dict[Node, str] = {}
        self._names: dict[str, Any] = {function.__name__: function for function in _FUNCTIONS}
        self.source = self._write(nodes)
        exec(compile(self.source, "<loop>", "exec"), self._names)

    def _write(self, nodes: list[Node]) -> str:
        lines = [line for node in nodes for line in self._lines(node)]
        states = "".join(f"{name}, " for name in self._old.values())
        lines.append(f"{states}= {''.join(f'{self._name(new)}, ' for new in self._new.values())}")
        given = ", ".join([*self._old.values(), *self._fixed.values(), "steps"])
        each = ", ".join(["_", *self._columns.values()])
        body = "".join(f"        {line}\n" for line in lines)
        return f"def loop({given}):\n    for {each}, in steps:\n{body}    return {states}\n"

    def _join(self, nodes: list[Node], kept: set[Node]) -> None:
        """Results that others are joined of are put there at once."""
        for node in nodes:
            at, often = 0, Counter(node.args)
            for arg in node.args if node.op == "concat" else ():
                alone = arg not in self._placed and arg not in self._carried and often[arg] == 1
                if alone and arg in nodes and arg.op in _PLACED and (arg not in kept or node in kept):
                    self._placed[arg] = node, at
                at += arg.size

    def _overwrite(self, nodes: list[Node], kept: set[Node], spare: set[Node]) -> None:
        """Elementwise results, and products, take the place of an argument, or addend, that nothing else reads."""
        readers: dict[Node, list[tuple[Node, int, int]]] = defaultdict(list)
        for node in nodes:
            for arg in node.nodes if node.op != "part" else ():
                base, start, stop = _place(arg)
                readers[base].append((node, start, stop))
        free = {node for node in nodes if node.op in _PLACED and node.op != "concat" and node not in self._placed}
        free = (free | spare) - kept - self._carried
        for node in nodes:
            at = 0 if node.op in _WRITTEN else 2 if node.op in _PRODUCTS else len(node.args)
            first = node.args[at] if at < len(node.args) and node not in self._placed else None
            if not isinstance(first, Node) or first.size != node.size or node in self._carried:
                continue
            base, start, stop = _place(first)
            alone = sum(low < stop and start < high for _, low, high in readers[base]) == 1
            # What is kept stays there for all steps, which is worth it if all that is there is kept.
            whole = base.size == sum(high - low for reader, low, high in readers[base] if reader in kept)
            if base in free and alone and (node not in kept or whole):
                self._placed[node] = base, start

    def _root(self, node: Node, view: View = ()) -> tuple[Node, View]:
        """The node in whose place another's values are, and where there."""
        while node in self._placed or (node.op == "part" and node not in self._constants | self._leaves):
            if node.op == "part":
                node, at = node.args[0], node.options
            else:
                (node, start), size = self._placed[node], node.size
                at = start, start + size
            view = view if at == (0, node.size) else (("part", at), *view)  # all of it is no part
        return node, view

    def _name(self, node: Any, view: View = ()) -> str:
        """What stands in the source for a node or a view of it."""
        if not isinstance(node, Node):
            return repr(node)
        node, view = self._root(node, view)
        if name := self._old.get(node) or self._local.get(node):
            return name + "".join(_SOURCE[kind].format(at) for kind, at in view)
        each = node in self._leaves or node in self._slabs or node in self._carried
        names = self._columns if each else self._fixed
        return names.setdefault((node, view), f"{'v' if each else 'f'}{len(names)}")

    def _lines(self, node: Node) -> list[str]:
        """The source of a node."""
        op = node.op
        if op == "part":
            return []
        if op in _PRODUCTS:
            x, matrix, *addend = node.args
            turned: View = (("t", 0),) if op == "linear" else ()
            read = ", ".join([*map(self._name, addend), self._name(x), self._name(matrix, turned)])
            return [f"{'addmm' if addend else 'mm'}({read}, out={self._name(node)})"]
        if op == "concat":
            ends = [sum(arg.size for arg in node.args[: k + 1]) for k in range(len(node.args))]
            parts = [(arg, (("part", (end - arg.size, end)),)) for arg, end in zip(node.args, ends, strict=True)]
            moved = [pair for pair in parts if self._placed.get(pair[0], (None,))[0] is not node]
            return [f"{self._name(node, at)}.copy_({self._name(arg)})" for arg, at in moved]
        if op == "repeated":  # one product for each time; broadcast to all of them, it would take longer
            (x, factors), size = node.args, node.args[0].size
            each: list[View] = [(("part", (at, at + size)),) for at in range(0, node.size, size)]
            return [f"mul({self._name(x)}, {self._name(factors, at)}, out={self._name(node, at)})" for at in each]
        args = [self._name(arg) for arg in node.args]
        if op in _WRITTEN:
            return [_WRITTEN[op].format(*args, out=self._name(node), options=node.options)]
        if op == "layer_norm":
            return self._layer_norm(node)
        function = f"{op}_{len(self._names)}"
        self._names[function] = lambda *values: COMPUTE[op](node, *values)
        return self._made(node, f"{function}({', '.join(args)})")

    def _layer_norm(self, node: Node) -> list[str]:
        """As `compute`, with less around it."""
        x, gamma, *beta = node.args
        epsilon, groups = node.options
        weights = [self._name(gamma), *map(self._name, beta)]
        if groups == 1:
            both = ", ".join([*weights, "None"][:2])
            return self._made(node, f"native_layer_norm({self._name(x)}, ({node.size},), {both}, {epsilon!r})[0]")
        parts, size = self._name(x, (("groups", groups),)), node.size // groups
        scaled = f"addcmul({weights[1]}, normal, {weights[0]}" if beta else f"mul(normal, {weights[0]}"
        return [
            f"normal = native_layer_norm({parts}, ({size},), None, None, {epsilon!r})[0].view(-1, {node.size})",
            f"{scaled}, out={self._name(node)})",
        ]

    def _made(self, node: Node, call: str) -> list[str]:
        """The call makes a tensor, which is copied where there is a place for it."""
        if self._root(node)[0] in self._slabs | self._carried:
            return [f"{self._name(node)}.copy_({call})"]
        self._local[node] = f"n{len(self._local)}"
        return [f"{self._local[node]} = {call}"]

    def __call__(
        self, values: dict[Node, Any], states: list[Tensor], time: int, reverse: bool
    ) -> tuple[list[Tensor], list[Tensor]]:
        """The wanted values (time, batch, …), in order, and the last states.

        values: of constants; of leaves, (time, batch, …).
        """
        batch, turn = states[0].shape[0], -1 if reverse else 1
        places: dict[Node, Any] = {}

        def place(node: Node, *shape: int) -> Tensor:
            return states[0].new_empty(*shape, batch, node.size, dtype=torch.bool if node.op == "greater" else None)

        slabs = {node: place(node, time + (node in self._carried)) for node in self._slabs}
        for new, state in zip(self._new.values(), states, strict=True):
            if new in slabs:
                slabs[new][-1 if reverse else 0].copy_(state)
        before, after = (slice(1, None), slice(None, -1)) if reverse else (slice(None, -1), slice(1, None))
        values = values | {n: slab[after] if n in self._carried else slab for n, slab in slabs.items()}

        def column(node: Node, view: View) -> Iterable:
            if node not in values:  # a state that is not kept: while one place is read, the other is written
                ring = places.setdefault(node, [place(node), place(node)])
                return cycle([_viewed(each, view) for each in ring])
            if isinstance(values[node], tuple):
                return list(zip(*(part.unbind(0)[::turn] for part in values[node]), strict=True))
            return _viewed(values[node], view).unbind(0)[::turn]

        def fixed(node: Node, view: View) -> Tensor:
            if node not in values and node not in places:
                places[node] = place(node)
            return _viewed(values[node] if node in values else places[node], view)

        columns = [column(*key) for key in self._columns]
        steps = zip(range(time), *columns, strict=False)
        last = self._names["loop"](*states, *(fixed(*key) for key in self._fixed), steps)

        def kept(node: Node) -> Tensor:
            root, view = self._root(node)
            return _viewed(slabs[self._new[root]][before] if root in self._new else values[root], view)

        return [kept(node) for node in self._wanted], list(last)


def _place(node: Node) -> tuple[Node, int, int]:
    """What a node is a part of, and which."""
    return (node.args[0], *node.options) if node.op == "part" else (node, 0, node.size)


def _viewed(x: Tensor, view: View) -> Tensor:
    for kind, at in view:
        x = _VIEWS[kind](x, at)
    return x
