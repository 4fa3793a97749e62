"""HDF5 files from strangers, read as data once and for all: no object of h5py leaves this file."""

import io
import mmap
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from math import prod
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from rnnspec import limits
from rnnspec.archives import check_shape, check_unpacked
from rnnspec.convert.formats.bfloat16 import from_bfloat16
from rnnspec.errors import SpecError, UnsupportedError
from rnnspec.reading import reading
from rnnspec.shown import quoted, shown

# h5py's ways to say that bytes are wrong; SystemError where a name is no text.
_DAMAGED = (RuntimeError, KeyError, ValueError, TypeError, OverflowError, SystemError, MemoryError)
_ATTRIBUTES = re.compile(r"(keras_version|model_config|dtype|(layer|weight)_names\d*)")
_PACKERS = {1: "gzip", 4: "szip", 32000: "lzf"}  # filters that make data smaller, by their registered numbers
_PLAIN = {2, 3, 5, 6}  # shuffle, checksum, and the two that cut off bits


@dataclass
class Hdf5:
    """What is in a file.

    Args:
        arrays: all datasets by their paths, in alphabetical order.
        attributes: path (of the file itself "") → attribute → a string or a list of strings; those that Keras writes.
        members: path of a group → the names in it.
    """

    arrays: dict[str, np.ndarray] = field(default_factory=dict)
    attributes: dict[str, dict[str, str | list[str]]] = field(default_factory=dict)
    members: dict[str, list[str]] = field(default_factory=dict)

    def text(self, path: str, name: str) -> str | None:
        """An attribute that is one string."""
        found = self.attributes.get(path, {}).get(name)
        return found if isinstance(found, str) else None

    def names(self, path: str, attribute: str) -> list[str]:
        """A list of names in an attribute, or in several, `weight_names0` …, where it was too long for one."""
        found = self.attributes.get(path, {})
        keys = [attribute] if attribute in found else []
        while f"{attribute}{len(keys)}" in found:
            keys.append(f"{attribute}{len(keys)}")
        lists = [found[key] for key in keys]
        return [name for each in lists if isinstance(each, list) for name in each]


def read_hdf5(stream: BinaryIO, path: Path, *, data: bool = True) -> Hdf5:
    """All of the file in `stream`, which is or is in `path`; without `data` no arrays.

    Raises:
        SpecError: damaged; links or data outside the file, more data than its size can hold, groups too deep.
        UnsupportedError: h5py is not there.
    """
    try:
        import h5py
    except ImportError:
        raise UnsupportedError(f"{path}: reading it needs h5py: pip install 'rnnspec[keras]'") from None
    found = Hdf5()
    _check_heaps(stream, path)
    size = stream.seek(0, io.SEEK_END)
    with reading(path, *_DAMAGED, what="a damaged HDF5 file"), h5py.File(stream, "r") as file:
        datasets = dict(_walked(file, size, found, path))
        if data:
            _check(datasets, found, path)
            for name, dataset in datasets.items():
                with reading(f"{path}: {shown(name)}", *_DAMAGED):
                    found.arrays[name] = _array(dataset, found.text(name, "dtype"))
    return found


def _check_heaps(stream: BinaryIO, path: Path) -> None:
    """Raise SpecError where the library would read one collection of strings for ever: free space of no size in it.

    A collection (`GCOL`) has 16 bytes in front, and so has each object in it: number (0 is free space), …, size.
    """
    with reading(path, ValueError, what="a damaged HDF5 file"), _bytes(stream) as data:
        for start in (match.start() for match in re.finditer(b"GCOL", data)):
            at, end = start + 16, min(len(data), start + int.from_bytes(data[start + 8 : start + 16], "little"))
            while at + 16 <= end:
                size = int.from_bytes(data[at + 8 : at + 16], "little")
                free = data[at] == data[at + 1] == 0
                if free and size == 0:
                    raise SpecError(f"{path}: damaged: free space of no size at byte {at:,}; copy the file again")
                at += size if free else 16 + -(-size // 8) * 8


def _bytes(stream: BinaryIO) -> Any:
    """What is in the stream, as it lies there."""
    if isinstance(stream, io.BytesIO):
        return stream.getbuffer()
    return mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_READ)


def _walked(file: Any, size: int, found: Hdf5, path: Path) -> Iterator[tuple[str, Any]]:
    """Every dataset by its path. What several hard links lead to counts once."""
    import h5py

    left, seen = [("", file)], set()
    while left:
        place, item = left.pop()
        with reading(f"{path}: {shown(place)}", *_DAMAGED):
            if (address := h5py.h5o.get_info(item.id).addr) in seen:
                continue
            seen.add(address)
            found.attributes[place] = dict(_attributes(item, size, f"{path}: {shown(place)}"))
            if isinstance(item, h5py.Dataset):
                yield place, item
            if not isinstance(item, h5py.Group):
                continue
            found.members[place] = sorted(item)
            for name in reversed(found.members[place]):
                inside = f"{place}/{name}" if place else name
                if len(inside) > limits.PATH:
                    raise SpecError(f"{path}: {shown(inside)}: a path of more than {limits.PATH:,} characters: refused")
                link = item.get(name, getlink=True)
                if not isinstance(link, h5py.HardLink):
                    target = getattr(link, "filename", "") or getattr(link, "path", "")
                    raise SpecError(f"{path}: {shown(inside)} is a link to {target!r}: links are not followed")
                left.append((inside, item[name]))


def _attributes(item: Any, size: int, where: str) -> Iterator[tuple[str, str | list[str]]]:
    """What Keras writes at an object, of a file of `size` bytes."""
    import h5py

    for name in item.attrs:
        if not _ATTRIBUTES.fullmatch(name):
            continue
        attribute = item.attrs.get_id(name)
        kind, count = attribute.get_type(), prod(attribute.shape or ())
        if kind.get_class() not in (h5py.h5t.STRING, h5py.h5t.INTEGER, h5py.h5t.FLOAT):
            raise SpecError(f"{where}: attribute {name}: expected names, found {quoted(attribute.dtype)}")
        if kind.get_size() * count > size:
            raise SpecError(f"{where}: damaged: attribute {name} is larger than the file; copy it again")
        value = item.attrs[name]
        if isinstance(value, str | bytes):
            yield name, _text(value)
        elif not getattr(value, "size", 0):  # a list of no names
            yield name, []
        elif isinstance(value, np.ndarray) and all(isinstance(each, str | bytes) for each in value.flat):
            yield name, [_text(each) for each in value.flat]
        else:
            raise SpecError(f"{where}: attribute {name}: expected names, found {quoted(value)}")


def _check(datasets: dict[str, Any], found: Hdf5, path: Path) -> None:
    """Raise SpecError where data are outside the file, no numbers, or more than its size can hold."""
    size = 0
    for name, item in datasets.items():
        where = f"{path}: {shown(name)}"
        with reading(where, *_DAMAGED):
            if item.external or item.is_virtual:
                raise SpecError(f"{where} has its data in another file, which is not read")
            kind = "f" if _is_bfloat16(item, found.text(name, "dtype")) else item.dtype.base.kind
            if item.shape is None or kind not in "fiub":
                raise SpecError(f"{where}: expected numbers, found {'nothing' if item.shape is None else item.dtype}")
            check_shape(item.shape, where)
            settings = item.id.get_create_plist()
            filters = [settings.get_filter(k)[0] for k in range(settings.get_nfilters())]
            packers = [code for code in filters if code not in _PLAIN]
            if len(filters) > len(set(filters)) or len(packers) > 1 or not set(packers) <= set(_PACKERS):
                raise SpecError(f"{where}: packed by the filters {filters}; pack it once, with gzip, or not at all")
            size += item.size * item.dtype.itemsize
            check_unpacked(max(size, np.prod(item.chunks or (0,), dtype=object) * item.dtype.itemsize), path)


def _array(dataset: Any, marked: str | None) -> np.ndarray:
    array = np.asarray(dataset[()])
    if _is_bfloat16(dataset, marked):
        return from_bfloat16(array.view("<u2"))
    return array


def _is_bfloat16(dataset: Any, marked: str | None) -> bool:
    """Whether it holds bfloat16, as Keras 3 marks what HDF5 has no type for."""
    return marked == "bfloat16" and dataset.dtype.itemsize == 2 and bool(dataset.shape)


def _text(value: str | bytes) -> str:
    return value.decode("utf-8", "backslashreplace") if isinstance(value, bytes) else value
