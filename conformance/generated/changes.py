"""The changes of one token that a module's source allows, each with its place and its words."""

import ast
import copy
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from rnnspec.conformance.generated.tokens import others

_AROUND = (24, 60, 10**6)  # characters shown on either side, as many as tell one change from the others
_BODIES = ("body", "orelse", "finalbody", "handlers", "cases")
_ANNOTATIONS = ("annotation", "returns", "decorator_list", "type_comment", "type_params")


@dataclass(frozen=True)
class Change:
    """Attributes:
    line, end: of the statement in the file; `near`: the first and last line of what is changed in it.
    function: "Net.step", or "" outside of all.
    words: "before → after", as much of the statement as there is no other of in the function.
    number: among the changes of the module.
    """

    line: int
    end: int
    near: tuple[int, int]
    function: str
    words: str
    number: int


@dataclass
class _Site:
    """A place in the tree and what could stand there."""

    function: str
    statement: ast.AST
    parent: ast.AST
    field: str
    index: int | None
    other: ast.AST

    def lines(self) -> tuple[int, int]:
        """The first and the last line of what is changed."""
        found = getattr(self.parent, self.field)
        node = found if self.index is None else found[self.index]
        return (node.lineno, node.end_lineno or node.lineno) if isinstance(node, ast.expr) else _lines(self.statement)

    def put(self, node: ast.AST) -> ast.AST:
        """The node in this place; what stood there."""
        found = getattr(self.parent, self.field)
        if self.index is None:
            setattr(self.parent, self.field, node)
            return found
        before, found[self.index] = found[self.index], node
        return before


def changes(source: str) -> list[Change]:
    """All changes of a module, in the order of the source."""
    sites = list(_sites(ast.parse(source)))
    texts = [_texts(site) for site in sites]
    words = [_shortened(*pair, _AROUND[0]) for pair in texts]
    for around in _AROUND[1:]:
        count = Counter(zip((site.function for site in sites), words, strict=True))
        twice = [count[site.function, words[k]] > 1 for k, site in enumerate(sites)]
        words = [_shortened(*texts[k], around) if twice[k] else words[k] for k in range(len(sites))]
    found, seen = [], Counter[tuple[str, str]]()
    for k, site in enumerate(sites):
        seen[site.function, words[k]] += 1
        nth = seen[site.function, words[k]]
        text = words[k] if nth == 1 else f"{words[k]} ({nth})"
        found.append(Change(*_lines(site.statement), site.lines(), site.function, text, k))
    return found


def changed(source: str, number: int) -> ast.Module:
    """The module's tree with one of its changes."""
    tree = ast.parse(source)
    site = next(site for k, site in enumerate(_sites(tree)) if k == number)
    site.put(site.other)
    return ast.fix_missing_locations(tree)


def _sites(tree: ast.Module) -> Iterator[_Site]:
    for k, statement in enumerate(tree.body):
        yield from _below(tree, "body", k, statement, "", set(), statement)


def _below(
    parent: ast.AST, field: str, index: int | None, node: ast.AST, function: str, known: set[str], statement: ast.AST
) -> Iterator[_Site]:
    """The sites of a node and of what is in it. What people or type checkers read is left out."""
    if isinstance(node, ast.stmt | ast.ExceptHandler | ast.match_case):
        statement = node
    if isinstance(node, ast.Import | ast.ImportFrom | ast.JoinedStr | ast.Assert) or _is_words(node):
        return
    if isinstance(node, ast.keyword) and node.arg == "strict" and ast.unparse(parent).startswith("zip("):
        return  # an assertion
    for other in others(node, known):
        yield _Site(function, statement, parent, field, index, other)
    if isinstance(node, ast.Raise) or (isinstance(node, ast.UnaryOp) and isinstance(node.operand, ast.Constant)):
        return  # what is raised is for people; of −1, all has been said
    if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
        function = f"{function}.{node.name}".lstrip(".")
        known = (
            set() if isinstance(node, ast.ClassDef) else {a.arg for a in ast.walk(node.args) if isinstance(a, ast.arg)}
        )
    for name, value in ast.iter_fields(node):
        if name in _ANNOTATIONS:
            continue
        for k, child in enumerate(value) if isinstance(value, list) else ((None, value),):
            if isinstance(child, ast.AST):
                yield from _below(node, name, k, child, function, known, statement)
    known |= {target.id for target in getattr(node, "targets", ()) if isinstance(target, ast.Name)}


def _is_words(node: ast.AST) -> bool:
    """A docstring, or `__all__`."""
    if isinstance(node, ast.Expr):
        return isinstance(node.value, ast.Constant)
    names = [target.id for target in getattr(node, "targets", ()) if isinstance(target, ast.Name)]
    return isinstance(node, ast.Assign) and names == ["__all__"]


def _texts(site: _Site) -> tuple[str, str]:
    """The statement as it is and as it becomes; of one that holds others its head."""
    if site.statement is getattr(site.parent, site.field) or isinstance(site.other, ast.stmt):
        return _header(site.statement), _header(site.other)
    before = _header(site.statement)
    node = site.put(site.other)
    after = _header(site.statement)
    site.put(node)
    return before, after


def _header(statement: ast.AST) -> str:
    """Its text, without the statements in it."""
    head = copy.copy(statement)
    for name in (*_BODIES, "decorator_list"):
        if isinstance(getattr(head, name, None), list):
            setattr(head, name, [])
    return " ".join(ast.unparse(ast.fix_missing_locations(head)).split())


def _lines(statement: Any) -> tuple[int, int]:
    """The first and the last line of that."""
    first = statement.pattern.lineno if isinstance(statement, ast.match_case) else statement.lineno
    inside = [node.lineno for name in _BODIES for node in getattr(statement, name, ()) if hasattr(node, "lineno")]
    return first, max(first, min(inside) - 1) if inside else getattr(statement, "end_lineno", first)


def _shortened(before: str, after: str, around: int) -> str:
    """ "before → after", with what surrounds the difference."""
    start = _common(before, after)
    end = _common(before[start:][::-1], after[start:][::-1])
    low = max(0, start - around)
    parts = []
    for text in (before, after):
        high = min(len(text), len(text) - end + around)
        parts.append(f"{'…' if low else ''}{text[low:high]}{'…' if high < len(text) else ''}")
    return " → ".join(parts)


def _common(a: str, b: str) -> int:
    """How many characters both begin with."""
    return next((k for k, (one, other) in enumerate(zip(a, b, strict=False)) if one != other), min(len(a), len(b)))
