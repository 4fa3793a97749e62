"""Arrays under names, from any file that holds nothing else."""

from collections.abc import Collection, Iterator
from pathlib import Path
from typing import Any

import numpy as np

from rnnspec import archives, limits, strict_json
from rnnspec.convert.arrays import manifests
from rnnspec.convert.formats.pickled import StoredArray
from rnnspec.convert.formats.pickles import Pickle
from rnnspec.convert.formats.safetensors import read_safetensors
from rnnspec.convert.variables import some
from rnnspec.errors import SpecError
from rnnspec.reading import contents, regular
from rnnspec.shown import quoted

Nest = Any  # dicts and lists of arrays, numbers and texts


def read_nest(source: Path) -> Nest:
    """What is in the file: names and arrays, inside of each other as they are.

    Raises:
        FileNotFoundError: there is no such file.
        SpecError: damaged, or of a format that is not read.
    """
    if source.is_dir():
        paths = sorted(source.rglob("*.npy"))
        if not paths:
            raise SpecError(f"{source}: a folder without .npy files")
        return {
            path.relative_to(source).with_suffix("").as_posix(): archives.array(contents(path), str(path))
            for path in paths
        }
    if archives.is_zip(source):
        return archives.arrays(source)
    with regular(source).open("rb") as file:
        head = file.read(9)
    if head[8:] == b"{" and head[:1] != b"{":
        return read_safetensors(source)
    if head[:1] in (b"{", b"["):
        nest = strict_json.load(source)
        return manifests.read(nest, source) if manifests.is_manifest(nest) else nest
    if head[:1] == b"\x80":
        nest = Pickle(data := contents(source), str(source)).load()
        _check_unfolded(nest, len(data), source)
        return nest
    kinds = ".npz, .npy files in a folder, JSON, .safetensors or a pickle of arrays"
    raise SpecError(f"{source}: expected {kinds}")


def _check_unfolded(nest: Nest, size: int, source: Path) -> None:
    """Raise SpecError where parts of a pickle of `size` bytes stand inside of it, or of themselves, again and again."""
    count, total, left = 1, 0, [nest]
    while left:
        part = left.pop()
        inside = part.values() if isinstance(part, dict) else part if isinstance(part, list | tuple) else ()
        count += len(inside)
        if count > size:
            raise SpecError(f"{source}: a pickle whose parts stand in each other again and again: refused")
        total += len(part.data) if isinstance(part, StoredArray) else 0
        left.extend(inside)
    archives.check_unpacked(total, source)


def flat(nest: Nest, where: str, without: Collection[str] = ()) -> dict[str, np.ndarray]:
    """Arrays by their names, joined by "/"; lists are arrays where their rows are of one length, else what is in them
    has numbers as names. Numbers of JSON are float32 where that holds them all.

        {"lstm": {"w": [[1, 2]]}, "heads": [{"b": [3]}]}   →   lstm/w (1, 2), heads/0/b (1,)

    Args:
        without: names of which nothing is wanted, nor what is under them, arrays or not.

    Raises:
        SpecError: something else than arrays; a name in `without` that is not there; two arrays of one name; lists of
            numbers that are not of one length.
    """
    found: dict[str, np.ndarray] = {}
    left = set(without)
    for name, array in _leaves(nest, "", where, without):
        if array is None:
            left.discard(name)
            continue
        if name in found:
            raise SpecError(f"{where}: array {quoted(name)} is there twice")
        found[name] = array
    if left:
        raise SpecError(f"{where}: ignore: {quoted(min(left))} is not there; it has {some(sorted(found))}")
    return found


def _leaves(nest: Nest, name: str, where: str, without: Collection[str]) -> Iterator[tuple[str, np.ndarray | None]]:
    """Each array with its name; None in the place of what is in `without`."""
    at = f"{where}: {quoted(name)}"
    if len(name) > limits.PATH:
        raise SpecError(f"{at}: more than {limits.PATH:,} characters in a name")
    if name in without:
        yield name, None
        return
    if isinstance(nest, StoredArray):
        nest = nest.array(at)
    if isinstance(nest, np.ndarray):
        yield name, nest
    elif isinstance(nest, dict):
        for key, part in nest.items():
            yield from _leaves(part, f"{name}/{key}" if name else str(key), where, without)
    elif (array := _rectangular(nest)) is not None:
        yield name, array
    elif isinstance(nest, list | tuple) and nest:
        for key, part in enumerate(nest):
            yield from _leaves(part, f"{name}/{key}" if name else str(key), where, without)
    else:
        raise SpecError(f"{at}: expected arrays of numbers, found {quoted(nest)}")


def _rectangular(nest: Nest) -> np.ndarray | None:
    """Numbers, in lists of lists of one length, as an array."""
    first = nest
    while isinstance(first, list | tuple) and first:
        first = first[0]
    if type(first) not in (int, float):
        return None
    try:
        array = np.array(nest)
    except (ValueError, OverflowError):  # rows of different lengths
        return None
    if array.dtype.kind not in "fi":
        return None
    narrow = array.astype(np.float32)
    return narrow if array.dtype.kind == "f" and (narrow == array).all() else array


def as_array(numbers: Nest, where: str) -> np.ndarray:
    """Lists of lists of numbers as an array. Raises SpecError: they are none."""
    if (array := _rectangular(numbers)) is None:
        raise SpecError(f"{where}: expected rows of one length, of numbers alone")
    return array
