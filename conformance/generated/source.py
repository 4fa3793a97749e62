"""The modules of a package, and importing one of them changed. No file is touched."""

import ast
import importlib.util
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec, SourceFileLoader
from pathlib import Path
from types import CodeType, ModuleType

from rnnspec.conformance.generated.changes import Change, changed, changes
from rnnspec.conformance.generated.survivors import LIST
from rnnspec.errors import SpecError


@dataclass(frozen=True)
class Source:
    """A module with its file; `package`: what its survivors are listed with; `label`: the file below that."""

    package: str
    name: str
    path: Path
    label: str

    @cached_property
    def text(self) -> str:
        return self.path.read_text(encoding="utf-8")

    @cached_property
    def changes(self) -> list[Change]:
        """The changes to the module."""
        return changes(self.text)


def sources(name: str) -> list[Source]:
    """The modules of a package, or the one module. What lies in a package that lists its survivors belongs to that.

    Raises:
        SpecError: there is none, or it is not written in Python.
    """
    try:
        spec = importlib.util.find_spec(name)
    except ModuleNotFoundError:
        spec = None
    if spec is None or not spec.origin or not spec.origin.endswith(".py"):
        raise SpecError(f"--mutants: {name!r}: expected a module or package written in Python; found none")
    path = Path(spec.origin)
    files = sorted(path.parent.rglob("*.py")) if spec.submodule_search_locations else [path]
    owner, home = _owner(name, path)
    found = []
    for file in files:
        parts = file.relative_to(path.parent).with_suffix("").parts if spec.submodule_search_locations else ()
        module = ".".join((name, *parts)).removesuffix(".__init__")
        found.append(Source(owner, module, file, file.relative_to(home).as_posix()))
    return found


def _owner(name: str, path: Path) -> tuple[str, Path]:
    """The nearest package around the module that lists its survivors, or else the module itself; its folder."""
    owner, folder = (name if path.stem == "__init__" else name.rpartition(".")[0]), path.parent
    while owner:
        if (folder / LIST).exists():
            return owner, folder
        owner, folder = owner.rpartition(".")[0], folder.parent
    return name, path.parent


def imports(modules: list[Source]) -> list[str]:
    """What they import, wherever in them, from other packages than theirs: what lies in theirs may import them."""
    found: set[str] = set()
    for source in modules:
        for node in ast.walk(ast.parse(source.text)):
            if isinstance(node, ast.Import):
                found |= {alias.name for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
                found.add(node.module)
    own = {_top(source.name) for source in modules}
    return sorted(name for name in found if _top(name) not in own)


def _top(name: str) -> str:
    return name.partition(".")[0]


class Changed(MetaPathFinder):
    """Finds the module, with one of its changes; put in front of `sys.meta_path`."""

    def __init__(self, source: Source, number: int) -> None:
        self.source = source
        self.number = number

    def find_spec(
        self, fullname: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """As importlib asks for it."""
        if fullname != self.source.name:
            return None
        loader = _Loader(fullname, str(self.source.path), self.number)
        return importlib.util.spec_from_file_location(fullname, self.source.path, loader=loader)


class _Loader(SourceFileLoader):
    """Compiles the changed tree; no bytecode is read or written."""

    def __init__(self, fullname: str, path: str, number: int) -> None:
        super().__init__(fullname, path)
        self.number = number

    def get_code(self, fullname: str) -> CodeType:
        tree = changed(Path(self.path).read_text(encoding="utf-8"), self.number)
        return compile(tree, self.path, "exec", dont_inherit=True)
