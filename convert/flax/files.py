"""Parameter trees from files, without Flax, as name → array, the name joined by "/"."""

import math
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from rnnspec import limits
from rnnspec.archives import arrays, check_shape, is_zip
from rnnspec.convert.formats.bfloat16 import from_bfloat16
from rnnspec.convert.formats.msgpack import Extension, unpack
from rnnspec.convert.formats.safetensors import read_safetensors
from rnnspec.errors import SpecError
from rnnspec.reading import contents, regular
from rnnspec.shown import quoted, shown

CHUNK = 2**30  # bytes; Flax saves larger arrays in pieces
_ARRAY, _COMPLEX, _SCALAR = 1, 2, 3  # the types of extensions
_DTYPE = re.compile(r"bfloat16|bool|float(16|32|64)|u?int(8|16|32|64)|complex(64|128)|[<|>=]?([fiu][248]|[iu]1|c8|c16)")


def read_tree(path: Path) -> dict[str, Any]:
    """A tree in any of its files; in .safetensors names may be joined by "." too.

    Raises:
        SpecError: the file is damaged; two arrays have one name.
    """
    if is_zip(path):
        return arrays(path)
    with regular(path).open("rb") as file:
        if file.read(9)[8:] != b"{":
            return read_msgpack(path)
    found = read_safetensors(path)
    return found if any("/" in name for name in found) else {name.replace(".", "/"): a for name, a in found.items()}


def read_msgpack(path: Path) -> dict[str, Any]:
    """What `flax.serialization.to_bytes` wrote (flax/serialization.py): arrays, and other leaves as they are.

    Raises:
        SpecError: the file is damaged, or holds what `to_bytes` does not write; two arrays have one name.
    """
    found: dict[str, Any] = {}
    for name, value in _flat(unpack(contents(path), str(path)), "", path):
        if name in found:
            raise SpecError(f"{path}: variable {quoted(name)} is there twice; save the parameters again")
        found[name] = value
    return found


def _flat(tree: Any, name: str, path: Path) -> Iterator[tuple[str, Any]]:
    if isinstance(tree, Extension):
        yield name, _array(tree, f"{path}: variable {quoted(name)}")
    elif not isinstance(tree, dict):
        yield name, tree
    elif "__msgpack_chunked_array__" in tree:
        yield name, _joined(tree, f"{path}: variable {quoted(name)}")
    else:
        for key, part in tree.items():
            if len(inside := f"{name}/{key}" if name else str(key)) > limits.PATH:
                raise SpecError(f"{path}: variable {quoted(inside)}: more than {limits.PATH:,} characters in a name")
            yield from _flat(part, inside, path)


def _array(packed: Extension, where: str) -> np.ndarray:
    """Shape, name of the dtype and bytes, packed in their turn."""
    if packed.code not in (_ARRAY, _SCALAR):
        kind = "a complex number" if packed.code == _COMPLEX else f"extension {packed.code}"
        raise SpecError(f"{where}: expected arrays, found {kind}")
    match unpack(packed.data, f"{where}: a damaged array"):
        case [[*sizes], str(name), memoryview() as values]:
            shape = _shape(sizes, where)
        case _:
            raise SpecError(f"{where}: a damaged array; copy the file again")
    if not _DTYPE.fullmatch(name):
        raise SpecError(f"{where}: a damaged array: expected numbers, found {shown(name)}")
    dtype = np.dtype("<u2" if name == "bfloat16" else name).newbyteorder("<")
    if math.prod(shape) * dtype.itemsize != len(values):
        raise SpecError(f"{where}: a damaged array: {len(values)} bytes of shape {quoted(shape)}; copy the file again")
    array = np.frombuffer(values, dtype).reshape(shape)
    return from_bfloat16(array) if name == "bfloat16" else array


def _joined(tree: dict, where: str) -> np.ndarray:
    """An array that was saved in pieces: {"0": …, "1": …} of its flat values, and its shape likewise."""
    sizes, chunks = (_listed(tree.get(key)) for key in ("shape", "chunks"))
    shape = _shape(sizes, where)
    parts = [_array(part, where) for part in chunks if isinstance(part, Extension)]
    if len(parts) == len(chunks) and len({part.dtype for part in parts}) < 2:
        values = np.concatenate([part.ravel() for part in parts] or [np.zeros(0, np.float32)])
        if values.size == math.prod(shape):
            return values.reshape(shape)
    raise SpecError(f"{where}: a damaged array in pieces; copy the file again")


def _shape(sizes: list[Any], where: str) -> tuple[int, ...]:
    if not all(type(size) is int and size >= 0 for size in sizes):
        raise SpecError(f"{where}: a damaged array of shape {quoted(sizes)}; copy the file again")
    check_shape(tuple(sizes), where)
    return tuple(sizes)


def _listed(items: Any) -> list[Any]:
    """{"0": …, "1": …} in order."""
    return [items.get(str(k)) for k in range(len(items))] if isinstance(items, dict) else [None]
