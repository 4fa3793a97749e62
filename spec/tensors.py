"""Safetensors files from strangers: one copy of each tensor, straight from the file.

The library says whether a file is one. What it lets pass is looked at here: the same name twice, shapes that no array
has, a header that is no strict JSON.
"""

import os
from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import BinaryIO, NamedTuple

import numpy as np
import safetensors

from rnnspec import strict_json
from rnnspec.errors import SpecError
from rnnspec.reading import check_shape, reading, regular
from rnnspec.shown import quoted

# As the format calls them; bfloat16 comes as 16-bit integers.
DTYPES = {"F64": "<f8", "F32": "<f4", "F16": "<f2", "BF16": "<u2", "I64": "<i8", "I32": "<i4", "I16": "<i2"}
DTYPES |= {"I8": "i1", "U8": "u1", "BOOL": "?", "U16": "<u2", "U32": "<u4", "U64": "<u8"}


class Entry(NamedTuple):
    """A tensor that was not read yet: its dtype as the format calls it, and where it begins in the file."""

    dtype: str
    shape: tuple[int, ...]
    start: int


@dataclass(frozen=True)
class Tensors:
    """What is in a file: its metadata, and its tensors in the order in which they lie there."""

    path: Path
    metadata: dict[str, str]
    entries: dict[str, Entry]

    def read(self) -> dict[str, np.ndarray]:
        """All tensors by name, writable and in the byte order of this machine.

        Raises:
            SpecError: a dtype is not one of `DTYPES`, or the file was cut since.
        """
        with reading(self.path), self.path.open("rb") as file:
            return {name: self._read(file, name, entry) for name, entry in self.entries.items()}

    def _read(self, file: BinaryIO, name: str, entry: Entry) -> np.ndarray:
        where = f"{self.path}: tensor {quoted(name)}"
        if entry.dtype not in DTYPES:
            raise SpecError(f"{where}: dtype {entry.dtype} is not one of weights")
        dtype, count = np.dtype(DTYPES[entry.dtype]), prod(entry.shape)
        file.seek(entry.start)
        array = np.fromfile(file, dtype, count)
        if array.size != count:
            raise SpecError(f"{where}: truncated; copy the file again")
        return array.reshape(entry.shape).astype(dtype.newbyteorder("="), copy=False)


def scan(path: str | os.PathLike) -> Tensors:
    """Read the header of a file, and no tensor.

    Raises:
        FileNotFoundError: there is no such file.
        SpecError: it is not safetensors, truncated, or two tensors have one name.
    """
    path = regular(path)
    with reading(path), path.open("rb") as file:
        try:
            safetensors.safe_open(path, "np").__enter__().__exit__(None, None, None)
        except safetensors.SafetensorError as error:
            size = path.stat().st_size
            raise SpecError(f"{path}: safetensors, truncated or damaged at {size:,} bytes ({error})") from None
        size = int.from_bytes(file.read(8), "little")
        header = strict_json.parse(file.read(size), f"{path}: its header")
    metadata = header.pop("__metadata__", None) or {}
    entries = {}
    for name, entry in sorted(header.items(), key=lambda item: item[1]["data_offsets"]):
        shape = tuple(entry["shape"])
        check_shape(shape, f"{path}: tensor {quoted(name)}")
        entries[name] = Entry(entry["dtype"], shape, 8 + size + entry["data_offsets"][0])
    return Tensors(path, metadata, entries)
