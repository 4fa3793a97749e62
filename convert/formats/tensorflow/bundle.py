"""V2 checkpoints: `.index`, a sorted table of what there is, and `.data-NNNNN-of-NNNNN`, the tensors' bytes
(tensorflow/core/util/tensor_bundle/tensor_bundle.h, tensorflow/core/protobuf/tensor_bundle.proto)."""

import math
from collections import defaultdict
from pathlib import Path

import numpy as np

from rnnspec.convert.formats.crc import masked_crc32c
from rnnspec.convert.formats.protobuf import fields, number, octets, repeated, varint
from rnnspec.convert.formats.sstable import read_table
from rnnspec.convert.formats.tensorflow.tensors import (
    STRING,
    Extent,
    assemble,
    dtype_of,
    extents_of,
    region,
    shape_of,
    widened,
)
from rnnspec.errors import SpecError, UnsupportedError
from rnnspec.reading import regular
from rnnspec.shown import quoted


def read_bundle(prefix: Path) -> dict[str, np.ndarray]:
    """All tensors of a bundle, checksums verified: name → array.

    Partitioned variables are put together; bfloat16 becomes float32; strings (such as `_CHECKPOINTABLE_OBJECT_GRAPH`)
    are arrays of bytes objects.

    Raises:
        FileNotFoundError: the index or a shard is not there.
        SpecError: damaged, cut off, or a checksum does not match.
        UnsupportedError: big-endian, or a data type that NumPy does not have.
    """
    bundle = _Bundle(prefix)
    found = {}
    for key in bundle.names:
        name = key.decode(errors="backslashreplace")
        if name in found:
            raise SpecError(f"{bundle.index}: {quoted(name)} is there twice; copy the file again")
        found[name] = bundle.tensor(key)
    return found


class _Bundle:
    def __init__(self, prefix: Path) -> None:
        self.prefix = prefix
        self.mapped: dict[int, np.ndarray] = {}
        self.taken: dict[int, int] = defaultdict(int)  # shard → bytes that tensors have taken
        self.index = prefix.with_name(prefix.name + ".index")
        self.table = read_table(self.index)
        if b"" not in self.table:
            raise SpecError(f"{self.index}: not the index of a bundle: it has no header")
        header = fields(self.table[b""], str(self.index))
        self.shards = number(header, 1, str(self.index))
        if number(header, 2, str(self.index)):
            raise UnsupportedError(f"{self.index}: a big-endian checkpoint; save it again on a little-endian machine")

    @property
    def names(self) -> list[bytes]:
        """Tensors, without the slices of partitioned variables, whose keys start with a zero byte."""
        return [key for key in self.table if key and not key.startswith(b"\0")]

    def data(self, k: int) -> np.ndarray:
        """The bytes of a shard."""
        if k not in self.mapped:
            self.mapped[k] = _mapped(self.shard(k))
        return self.mapped[k]

    def shard(self, k: int) -> Path:
        return self.prefix.with_name(f"{self.prefix.name}.data-{k:05}-of-{self.shards:05}")

    def tensor(self, key: bytes, slice: bool = False) -> np.ndarray:
        """The tensor of a key. `BundleEntryProto`: dtype, shape, shard, offset, size, checksum, slices are 1 to 7."""
        where = f"{self.index}: {quoted(key.decode(errors='backslashreplace'))}"
        entry = fields(self.table[key], where)
        code, shape = number(entry, 1, where), shape_of(octets(entry, 2, where), where)
        if 7 in entry:
            if slice:
                raise SpecError(f"{where}: damaged: a slice of slices; copy the file again")
            return self.partitioned(key, shape, [extents_of(s, where) for s in repeated(entry, 7, where)], where)
        data, checksum = self.bytes_of(entry, where), int.from_bytes(octets(entry, 6, where), "little")
        if code == STRING:
            return _strings(data, shape, checksum, where)
        dtype = dtype_of(code, where)
        if len(data) != math.prod(shape) * dtype.itemsize:
            raise SpecError(f"{where}: damaged: shape {shape} does not take {len(data)} bytes; copy the file again")
        if masked_crc32c(data) != checksum:
            raise SpecError(f"{where}: damaged: the checksum of its bytes does not match; copy the files again")
        return widened(np.frombuffer(data, dtype).reshape(shape), code)

    def partitioned(self, key: bytes, shape: tuple[int, ...], slices: list[list[Extent]], where: str) -> np.ndarray:
        """A variable from its slices, each with an entry of its own."""
        parts = []
        for extents in slices:
            place, part = region(extents, shape, where), slice_key(key, extents)
            if part not in self.table:
                raise SpecError(f"{where}: its slice {extents} is missing; copy the file again")
            parts.append((place, self.tensor(part, slice=True)))
        return assemble(shape, parts, where)

    def bytes_of(self, entry: dict[int, list], where: str) -> memoryview:
        k, start, size = (number(entry, field, where) for field in (3, 4, 5))
        if not 0 <= k < self.shards:
            raise SpecError(f"{where}: damaged: it is in shard {k} of {self.shards}; copy the file again")
        data, file = self.data(k), self.shard(k).name
        if start < 0 or size < 0 or start + size > len(data):
            raise SpecError(
                f"{where}: its bytes end at {start + size}, but {file} has {len(data)}; copy the files again"
            )
        self.taken[k] += size
        if self.taken[k] > len(data):
            raise SpecError(f"{where}: damaged: tensors lie over each other in {file}; copy the files again")
        return memoryview(data[start : start + size].tobytes())


def _mapped(path: Path) -> np.ndarray:
    return np.memmap(path, np.uint8, "r") if regular(path).stat().st_size else np.zeros(0, np.uint8)


def _strings(data: memoryview, shape: tuple[int, ...], checksum: int, where: str) -> np.ndarray:
    """Strings: their lengths as varints, the checksum of the lengths as four bytes each, then the strings."""
    lengths, at = [], 0
    for _ in range(math.prod(shape)):
        length, at = varint(data, at, where)
        lengths.append(length)
    start = at + 4
    if start + sum(lengths) != len(data):
        raise SpecError(f"{where}: damaged: strings of {sum(lengths)} bytes; copy the files again")
    if masked_crc32c(np.array(lengths, "<u4").tobytes() + bytes(data[at:])) != checksum:
        raise SpecError(f"{where}: damaged: the checksum of its bytes does not match; copy the files again")
    strings = np.empty(len(lengths), object)
    for k, length in enumerate(lengths):
        strings[k] = bytes(data[start : start + length])
        start += length
    return strings.reshape(shape)


def slice_key(name: bytes, extents: list[Extent]) -> bytes:
    """The key of a slice (tensorflow/core/util/saved_tensor_slice_util.cc, tsl/lib/strings/ordered_code.cc)."""
    escaped = name.replace(b"\xff", b"\xff\x00").replace(b"\x00", b"\x00\xff")
    ends = b"".join(_signed(number) for extent in extents for number in extent)
    return b"\x00" + escaped + b"\x00\x01" + _unsigned(len(extents)) + ends


def _unsigned(number: int) -> bytes:
    """The number of bytes, then these, the highest first."""
    size = -(-number.bit_length() // 8)
    return bytes([size]) + number.to_bytes(size, "big")


def _signed(number: int) -> bytes:
    """The highest bit turned, and as many more as there are bytes after the first."""
    size = (number if number >= 0 else ~number).bit_length() // 7 + 1
    first, *rest = number.to_bytes(size, "big", signed=True)
    return bytes([first ^ (0xFF00 >> size & 0xFF), *rest])
