"""A piece of a function's syntax tree and what stands in its place, however the source is laid out.

np.where(keep, y, 0) → y                              an expression, which stands in the function once
p = cell.prepare(self, p) → _; state = {}             statements; `_` is what was there
self.time_major #2/2 → False                          the second of two
def step(self, x): ... → def step(self, x, **_): ...  arguments
"""

import ast
import copy
import inspect
import re
from collections.abc import Callable, Iterator
from typing import Any

_Function = ast.FunctionDef | ast.Lambda


def changed(function: Callable, owner: Any, before: str, after: str) -> Callable:
    """The function, made again from its source with one piece exchanged.

    Args:
        owner: the class or module that holds it, where `super()` looks.

    Raises:
        ValueError: the piece does not stand there as often as it is said to: the catalogue is behind the source.
    """
    if isinstance(function, property):
        return property(changed(function.fget, owner, before, after))
    function = inspect.unwrap(function)
    node, scope = _node(function), vars(inspect.getmodule(function)) | {}
    exchange(node, before, after)
    if isinstance(node, ast.Lambda):
        return eval(compile(ast.fix_missing_locations(ast.Expression(node)), "<mutant>", "eval"), scope)
    make = ast.parse(f"def make(__class__): return {node.name}")
    make.body[0].body.insert(0, node)  # type: ignore[attr-defined]
    exec(compile(ast.fix_missing_locations(make), "<mutant>", "exec"), scope)
    return scope["make"](owner)


def exchange(function: ast.AST, before: str, after: str) -> None:
    """Put `after` in the place of the piece `before`, in the function's tree.

    Raises:
        ValueError: the piece does not stand there as often as it is said to.
    """
    piece, nth, count = re.fullmatch(r"(?s)(.*?)(?: #(\d+)/(\d+))?", before).groups()  # type: ignore[union-attr]
    old, new = _pieces(piece, after)
    places = list(_places(function, old))
    if len(places) != int(count or 1):
        raise ValueError(f"{before!r}: expected {count or 'once'} in the function, found {len(places)} times")
    parent, field, k = places[int(nth or 1) - 1]
    value = getattr(parent, field)
    there = value[k : k + len(old)] if isinstance(value, list) else [value]
    put = [_Filled(there).visit(node) for node in new]
    if hasattr(there[0], "ctx"):
        put[0].ctx = there[0].ctx
    if isinstance(value, list):
        value[k : k + len(old)] = [node for one in put for node in (one if isinstance(one, list) else [one])]
    else:
        setattr(parent, field, put[0])


def _node(function: Callable) -> _Function:
    """Where the function stands in the tree of its module."""
    tree = ast.parse(inspect.getsource(inspect.getmodule(function)))  # type: ignore[arg-type]
    first = function.__code__.co_firstlineno  # of its decorators, if there are any
    nodes = [node for node in ast.walk(tree) if isinstance(node, _Function)]
    (node,) = (n for n in nodes if min([n.lineno, *(d.lineno for d in getattr(n, "decorator_list", ()))]) == first)
    return node


def _pieces(before: str, after: str) -> tuple[list, list]:
    """Both as nodes of one kind: arguments, an expression each, or statements."""
    pieces: list[list] = [ast.parse(text).body for text in (before, after)]
    for kind, field in ((ast.FunctionDef, "args"), (ast.Expr, "value")):
        if all(len(piece) == 1 and isinstance(piece[0], kind) for piece in pieces):
            return tuple([getattr(piece[0], field)] for piece in pieces)  # type: ignore[return-value]
    return pieces[0], pieces[1]


def _places(node: ast.AST, old: list) -> Iterator[tuple[ast.AST, str, int]]:
    """Where the same nodes stand: their parent, the field in it, and where in a list the first is. In f-strings are none."""
    for field, value in () if isinstance(node, ast.JoinedStr) else ast.iter_fields(node):
        children = value if isinstance(value, list) else [value]
        for k, child in enumerate(children):
            if _texts(children[k : k + len(old)]) == _texts(old):
                yield node, field, k
            if isinstance(child, ast.AST):
                yield from _places(child, old)


def _texts(nodes: list) -> list[str]:
    """What they say, whether a name is read or written."""
    return [re.sub(r", ctx=\w+\(\)", "", ast.dump(node)) if isinstance(node, ast.AST) else "" for node in nodes]


class _Filled(ast.NodeTransformer):
    """`_` is what was there."""

    def __init__(self, there: list) -> None:
        self.there = there

    def visit_Expr(self, node: ast.Expr) -> Any:
        return copy.deepcopy(self.there) if _is_placeholder(node.value) else self.generic_visit(node)

    def visit_Name(self, node: ast.Name) -> Any:
        return copy.deepcopy(self.there[0]) if _is_placeholder(node) else node


def _is_placeholder(node: ast.AST) -> bool:
    return isinstance(node, ast.Name) and node.id == "_" and isinstance(node.ctx, ast.Load)
