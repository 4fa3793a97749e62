"""LevelDB's sorted string tables, in which TensorFlow keeps checkpoints (github.com/google/leveldb/blob/main/doc/
table_format.md)."""

from collections.abc import Iterator
from pathlib import Path

from rnnspec import limits
from rnnspec.archives import check_unpacked
from rnnspec.convert.formats.crc import masked_crc32c
from rnnspec.convert.formats.protobuf import varint
from rnnspec.convert.formats.snappy import decompress
from rnnspec.errors import SpecError
from rnnspec.reading import contents

_MAGIC = bytes.fromhex("57fb808b247547db")
_FOOTER = 48


def read_table(path: Path) -> dict[bytes, memoryview]:
    """Key → value, in the order of the keys.

    Raises:
        SpecError: not such a table, damaged, or a checksum does not match.
    """
    data = memoryview(contents(path))
    if len(data) < _FOOTER or data[-8:] != _MAGIC:
        raise SpecError(f"{path}: not a TensorFlow checkpoint: no sorted table (SSTable) ends here")
    footer = data[-_FOOTER:]
    _, at = _handle(footer, 0, path)
    index, _ = _handle(footer, at, path)
    found: dict[bytes, memoryview] = {}
    last, end, unpacked = None, 0, 0
    for _, handle in _entries(_block(data, index, path), path):
        (start, size), _ = _handle(handle, 0, path)
        if start < end:
            raise SpecError(f"{path}: damaged: its blocks lie over each other; copy the file again")
        end = start + size
        for key, value in _entries(_block(data, (start, size), path), path):
            if last is not None and key <= last:
                raise SpecError(f"{path}: damaged: its keys are not sorted, or one is there twice; copy the file again")
            found[key] = value
            last, unpacked = key, unpacked + len(key) + len(value)
        check_unpacked(unpacked, path)
    return found


def _handle(data: memoryview, at: int, path: Path) -> tuple[tuple[int, int], int]:
    """(offset, size) of a block, and where the next handle starts."""
    offset, at = varint(data, at, str(path))
    size, at = varint(data, at, str(path))
    return (offset, size), at


def _block(data: memoryview, handle: tuple[int, int], path: Path) -> memoryview:
    """The contents of a block: checked, and decompressed."""
    start, size = handle
    end = start + size
    if end + 5 > len(data) - _FOOTER:
        raise SpecError(f"{path}: damaged: a block ends at {end} of {len(data)} bytes; copy the file again")
    if masked_crc32c(data[start : end + 1]) != int.from_bytes(data[end + 1 : end + 5], "little"):
        raise SpecError(f"{path}: damaged: the checksum of the block at {start} does not match; copy the file again")
    kind = data[end]
    if kind > 1:
        raise SpecError(f"{path}: the block at {start} has the unknown compression {kind}")
    return memoryview(decompress(data[start:end], str(path))) if kind else data[start:end]


def _entries(block: memoryview, path: Path) -> Iterator[tuple[bytes, memoryview]]:
    """Keys, each without what it shares with the one before, and values; restart points end the block."""
    end = len(block) - 4 * (1 + int.from_bytes(block[-4:], "little"))
    if len(block) < 4 or end < 0:
        raise SpecError(f"{path}: damaged: a block without an end; copy the file again")
    at, key = 0, b""
    while at < end:
        shared, at = varint(block, at, str(path))
        fresh, at = varint(block, at, str(path))
        size, at = varint(block, at, str(path))
        if shared > len(key) or at + fresh + size > end:
            raise SpecError(f"{path}: damaged: an entry leaves its block; copy the file again")
        if shared + fresh > limits.TABLE_KEY:
            raise SpecError(f"{path}: a name of {shared + fresh:,} bytes, more than {limits.TABLE_KEY:,}: refused")
        key = key[:shared] + bytes(block[at : at + fresh])
        yield key, block[at + fresh : at + fresh + size]
        at += fresh + size
