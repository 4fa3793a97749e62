"""What stands in the source beside every public function, method and class: types, a docstring, and what it raises."""

import ast
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

ROOT = Path(__file__).parent.parent
ROOMS = ("spec", "conventions", "export", "convert", "backends", "diagnosis", "conformance", "report", "cli")
OURS = {"SpecError", "UnsupportedError"}
Function = ast.FunctionDef | ast.AsyncFunctionDef


class Public(NamedTuple):
    place: str
    node: Function | ast.ClassDef
    owner: ast.ClassDef | None

    @property
    def docs(self) -> str:
        """Its docstring; that of the class says what making one raises."""
        owned = [self.owner] if self.owner and self.node.name in ("__init__", "__post_init__", "__new__") else []
        return "\n".join(ast.get_docstring(node) or "" for node in (self.node, *owned))


def _public(tree: ast.Module, path: str) -> Iterator[Public]:
    found = [(node, None) for node in tree.body]
    for node, owner in found:
        if isinstance(node, Function | ast.ClassDef) and (
            node.name[0] != "_" or node.name[:2] == node.name[-2:] == "__"
        ):
            yield Public(f"{path}:{node.lineno} {node.name}", node, owner)
            found += [(child, node) for child in node.body if isinstance(node, ast.ClassDef)]


def _own(node: ast.AST) -> Iterator[ast.AST]:
    """The nodes below, without those of functions and classes inside."""
    for child in ast.iter_child_nodes(node):
        if not isinstance(child, Function | ast.Lambda | ast.ClassDef):
            yield child
            yield from _own(child)


PUBLIC = [
    public
    for room in ROOMS
    for path in sorted((ROOT / room).rglob("*.py"))
    for public in _public(ast.parse(path.read_text(encoding="utf-8")), str(path.relative_to(ROOT)))
]
CONFIG = next(public.node for public in PUBLIC if public.node.name == "Config")  # which says what no field may hold
# What a method does that many classes have is said where the vocabulary stands: `Ops`, `Cell`, `Layer`.
SAID: dict[str, str] = {"__post_init__": ast.get_docstring(CONFIG) or ""}
for public in PUBLIC:
    if public.owner and ast.get_docstring(public.node):
        SAID[public.node.name] = SAID.get(public.node.name, "") + public.docs


def untyped(public: Public) -> bool:
    """Whether an argument or the result is without a type."""
    node = public.node
    if isinstance(node, ast.ClassDef):
        return False
    static = any(isinstance(name, ast.Name) and name.id == "staticmethod" for name in node.decorator_list)
    arguments = [*node.args.posonlyargs, *node.args.args][public.owner is not None and not static :]
    arguments += [*node.args.kwonlyargs, *filter(None, (node.args.vararg, node.args.kwarg))]
    return node.returns is None or any(argument.annotation is None for argument in arguments)


def undocumented(public: Public) -> bool:
    """Whether nothing says what it does."""
    magic = public.node.name.startswith("__")
    return not magic and not public.docs and not (public.owner and public.node.name in SAID)


def silent(public: Public) -> bool:
    """Whether it raises one of our errors by itself and does not say so."""
    if any("click" in ast.dump(decorator) for decorator in public.node.decorator_list):
        return False  # a subcommand, whose docstring is what --help shows
    raised = {getattr(getattr(n.exc, "func", None), "id", "") for n in _own(public.node) if isinstance(n, ast.Raise)}
    said = public.docs + (SAID.get(public.node.name, "") if public.owner else "")
    return isinstance(public.node, Function) and any(error not in said for error in raised & OURS)


@pytest.mark.parametrize("lacks", [untyped, undocumented, silent])
def test_every_public_name_is_written_for_its_reader(lacks):
    assert [public.place for public in PUBLIC if lacks(public)] == []


BAD = ast.parse('''
class Thing:
    """A thing."""
    def kept(self, x: int) -> int:
        """x."""
        return x
    def loud(self, x: int) -> None:
        """Nothing."""
        raise SpecError(x)
    def bare(self, x: int) -> None: ...
def loose(x, *more: int) -> None:
    """Nothing."""
''')


def test_what_is_lacking_is_seen():
    found = {
        lacks.__name__: [p.node.name for p in _public(BAD, "") if lacks(p)] for lacks in (untyped, undocumented, silent)
    }
    assert found == {"untyped": ["loose"], "undocumented": ["bare"], "silent": ["loud"]}
