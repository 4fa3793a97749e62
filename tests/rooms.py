"""Which file may import what: the rooms of CONTRIBUTING.md, read off the source.

python tests/rooms.py        a line for each import that breaks a rule, and exit status 1 where there is one
"""

import ast
import sys
from collections.abc import Iterator
from functools import cache
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

# Room, folder or file → what all that is in it may import, besides Python's own modules and NumPy: rooms, folders and
# files of ours (`backends/`: the files in it, not its folders), and packages of others.
MAY = {
    "spec": "spec msgspec safetensors",
    "spec/__main__.py": "cli",
    "conventions": "spec conventions",
    "export": "spec conventions export onnx",
    "export/session.py": "onnxruntime",
    "convert": "spec conventions export convert msgspec",
    "convert/formats": "h5py",
    "convert/onnx": "onnx google",
    "convert/torch": "torch safetensors",
    "backends": "spec conventions export convert backends/ backends/fused msgspec",
    "backends/numpy": "backends/numpy",
    "backends/torch": "backends/torch torch",
    "backends/tensorflow": "backends/tensorflow tensorflow keras",
    "backends/jax": "backends/jax jax",
    "backends/onnxruntime": "backends/onnxruntime",
    "diagnosis": "spec conventions diagnosis msgspec",
    "conformance": "spec conformance backends/__init__.py msgspec safetensors",
    "conformance/plugin.py": "pytest",
    "conformance/nodes.py": "onnx convert/onnx",  # ONNX's own tests of its nodes
    # Checks of what the package writes and reads, where the packages for it are installed.
    "conformance/selfchecks": "onnx onnxruntime jsonschema export convert/onnx backends/onnxruntime",
    "report": "spec conventions backends/__init__.py conformance report msgspec",
    "cli": "spec conventions export convert backends diagnosis conformance report cli click rich msgspec onnx",
    "cli/options.py": "tensorflow",
}
ROOMS = [place for place in MAY if "/" not in place]
Sources = dict[str, str]  # path → text


def read(root: Path) -> Sources:
    """All source files of the rooms that there are."""
    paths = (path for room in ROOMS for path in sorted((root / room).rglob("*.py")))
    return {path.relative_to(root).as_posix(): path.read_text(encoding="utf-8") for path in paths}


def broken(sources: Sources) -> Iterator[str]:
    """The rules that are broken: who imports what they may not, private names of others, and circles."""
    homes = {module_of(path): path for path in sources}
    arrows: dict[str, dict[str, set[str]]] = {}  # folder → what is in it → what else in it that imports
    for path, text in sources.items():
        may = {entry for place, entries in MAY.items() if within(path, place) for entry in entries.split()}
        for line, name in imports(text):
            target = home_of(name, homes)
            if not any(within(target, entry) for entry in may) and target not in (*sys.stdlib_module_names, "numpy"):
                yield f"{path}:{line}: imports {target}, which it may not"
            private = name.rpartition(".")[2]
            if target in sources and private.startswith("_") and not private.endswith("__"):
                yield f"{path}:{line}: imports {private}, which is private to {target}"
            if target in sources and target != path and not path.endswith("/__main__.py"):  # which nothing imports
                folder, user, used = parting(path, target)
                arrows.setdefault(folder, {}).setdefault(user, set()).add(used)
    for folder, graph in arrows.items():
        try:
            TopologicalSorter(graph).prepare()
        except CycleError as error:
            yield f"{folder}: a circle: {' ← '.join(error.args[1])}"


def module_of(path: str) -> str:
    """`spec/cells/lstm.py` → `rnnspec.cells.lstm`, `export/__init__.py` → `rnnspec.export`."""
    parts = path.removesuffix(".py").removesuffix("/__init__").split("/")
    return ".".join(["rnnspec", *(parts[1:] if parts[0] == "spec" else parts)])


@cache
def imports(text: str) -> list[tuple[int, str]]:
    """Line and full name of all that is imported, within functions and by `import_module("…")` too."""
    found: list[tuple[int, str]] = []
    for node in ast.walk(ast.parse(text)):
        match node:
            case ast.Import():
                found += ((node.lineno, alias.name) for alias in node.names)
            case ast.ImportFrom():
                found += ((node.lineno, f"{node.module}.{alias.name}") for alias in node.names)
            case ast.Call(func=ast.Attribute(attr="import_module"), args=[ast.Constant(str(name)), *_]):
                found.append((node.lineno, name))
    return found


def home_of(name: str, homes: dict[str, str]) -> str:
    """The file of ours that a name is in, or the package of others."""
    while name.startswith("rnnspec.") and name not in homes:
        name = name.rpartition(".")[0]
    return homes.get(name, name.partition(".")[0])


def within(target: str, place: str) -> bool:
    """Whether a file or package is the place, or in it; `folder/` has the files that lie directly in it."""
    if place.endswith("/"):
        return target.rpartition("/")[0] == place[:-1]
    return target == place or target.startswith(f"{place}/")


def parting(one: str, two: str) -> tuple[str, str, str]:
    """The folder in which two paths part, and the file or folder in it that leads to each."""
    first, second = one.split("/"), two.split("/")
    depth = next(k for k, (a, b) in enumerate(zip(first, second, strict=False)) if a != b)
    return "/".join(first[:depth]) or ".", first[depth], second[depth]


if __name__ == "__main__":
    found = list(broken(read(Path(__file__).parents[1])))
    print("\n".join(found))
    sys.exit(bool(found))
