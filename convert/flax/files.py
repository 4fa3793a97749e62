"""Parameter trees from files, without Flax, as name → array, the name joined by "/"."""

import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import numpy as np

from rnnspec.convert.torch.files import from_bfloat16
from rnnspec.errors import SpecError
from rnnspec.reading import contents

CHUNK = 2**30  # bytes; Flax saves larger arrays in pieces


def read_msgpack(path: Path) -> dict[str, Any]:
    """What `flax.serialization.to_bytes` wrote (flax/serialization.py): arrays, and other leaves as they are.

    Raises:
        SpecError: the file is damaged, or holds what `to_bytes` does not write.
    """

    def leaf(code: int, data: memoryview) -> Any:
        if code not in (1, 3):
            raise SpecError(
                f"{path}: expected arrays, found {'a complex number' if code == 2 else f'extension {code}'}"
            )
        return _array(bytes(data), path)

    try:
        tree = msgspec.msgpack.decode(contents(path), ext_hook=leaf)
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError) as error:
        raise SpecError(f"{path}: not a tree that flax.serialization.to_bytes wrote ({error})") from None
    return dict(_flat(tree, "", path))


def _array(data: bytes, path: Path) -> np.ndarray:
    """(shape, name of the dtype, bytes), packed in their turn."""
    try:
        shape, name, values = msgspec.msgpack.decode(data, type=tuple[tuple[int, ...], str, bytes])
        array = np.frombuffer(values, "<u2" if name == "bfloat16" else np.dtype(name).newbyteorder("<")).reshape(shape)
    except (msgspec.DecodeError, TypeError, ValueError) as error:
        raise SpecError(f"{path}: a damaged array ({error})") from None
    return from_bfloat16(array) if name == "bfloat16" else array


def _flat(tree: Any, name: str, path: Path) -> Iterator[tuple[str, Any]]:
    if not isinstance(tree, dict):
        yield name, tree
    elif "__msgpack_chunked_array__" in tree:
        yield name, _joined(tree, name, path)
    else:
        for key, part in tree.items():
            yield from _flat(part, f"{name}/{key}" if name else str(key), path)


def _joined(tree: dict, name: str, path: Path) -> np.ndarray:
    """An array that was saved in pieces: {"0": …, "1": …} of its flat values, and its shape likewise."""
    sizes, parts = (_listed(tree.get(key)) for key in ("shape", "chunks"))
    if all(isinstance(size, int) for size in sizes) and all(isinstance(part, np.ndarray) for part in parts):
        values = np.concatenate([part.ravel() for part in parts] or [np.zeros(0, np.float32)])
        if values.size == math.prod(sizes):
            return values.reshape(sizes)
    raise SpecError(f"{path}: variable {name!r}: a damaged array in pieces")


def _listed(items: Any) -> list[Any]:
    """{"0": …, "1": …} in order."""
    return [items.get(str(k)) for k in range(len(items))] if isinstance(items, dict) else [None]
