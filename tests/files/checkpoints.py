"""Checkpoints of TensorFlow: V1, which is one file, and the parts of V2."""

import struct
from collections.abc import Iterator

import numpy as np

from rnnspec.convert.formats.crc import masked_crc32c
from rnnspec.convert.formats.tensorflow.bundle import slice_key
from tests.files.models import ESCAPE

MAGIC = bytes.fromhex("57fb808b247547db")
CELL = "rnn/basic_rnn_cell"  # of 4 units, 3 features


def varint(value: int) -> bytes:
    value %= 1 << 64
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*out, value])


def field(number: int, value: int | bytes) -> bytes:
    if isinstance(value, int):
        return varint(number << 3) + varint(value)
    return varint(number << 3 | 2) + varint(len(value)) + value


def shape_proto(shape) -> bytes:
    return b"".join(field(2, field(1, size)) for size in shape)


def slice_proto(extents) -> bytes:
    return b"".join(field(1, field(1, start) + field(2, size)) for start, size in extents)


def entry(code: int, shape, shard: int, offset: int, data: bytes, checksum=None) -> bytes:
    checksum = masked_crc32c(data) if checksum is None else checksum
    places = field(3, shard) + field(4, offset) + field(5, len(data))
    return field(1, code) + field(2, shape_proto(shape)) + places + varint(6 << 3 | 5) + struct.pack("<I", checksum)


def table(entries: dict[bytes, bytes], compressed=False) -> bytes:
    """A sorted table of one block, its keys prefix-compressed."""
    block, last = b"", b""
    for key, value in sorted(entries.items()):
        shared = next(
            (k for k, pair in enumerate(zip(last, key, strict=False)) if len({*pair}) > 1), min(len(last), len(key))
        )
        block += varint(shared) + varint(len(key) - shared) + varint(len(value)) + key[shared:] + value
        last = key
    out = b""

    def stored(block: bytes) -> bytes:
        nonlocal out
        block += struct.pack("<II", 0, 1)
        kind = bytes([compressed])
        if compressed:
            block = varint(len(block)) + bytes([61 << 2]) + struct.pack("<H", len(block) - 1) + block
        handle = varint(len(out)) + varint(len(block))
        out += block + kind + struct.pack("<I", masked_crc32c(block + kind))
        return handle

    handle = stored(block)
    index = stored(varint(0) + varint(len(last)) + varint(len(handle)) + last + handle)
    return out + (handle + index).ljust(40, b"\0") + MAGIC


def block(content: bytes, kind: int = 0) -> bytes:
    """A table whose only block, which it takes for its index too, has this content."""
    sealed = content + bytes([kind])
    handle = varint(0) + varint(len(content))
    return sealed + struct.pack("<I", masked_crc32c(sealed)) + (handle + handle).ljust(40, b"\0") + MAGIC


def v1(tensors: list[tuple[str, tuple, list, bytes]]) -> bytes:
    """A V1 checkpoint: (name, whole shape, extents, packed floats)."""
    metas = (field(1, field(1, n.encode()) + field(2, shape_proto(s)) + field(3, 1)) for n, s, _, _ in tensors)
    entries = {b"": field(1, b"".join(metas))}
    for name, _, extents, data in tensors:
        saved = field(1, name.encode()) + field(2, slice_proto(extents)) + field(3, field(5, data))
        entries[slice_key(name.encode(), extents)] = field(2, saved)
    return table(entries)


def cell(kernel: tuple = (), bias: tuple = ()) -> list[tuple[str, tuple, list, bytes]]:
    """The variables of a cell, shape, extents and numbers of each as given."""
    numbers = np.linspace(-1, 1, 32, dtype="<f4").tobytes()
    return [
        (f"{CELL}/kernel", *(kernel or ((7, 4), [(0, 7), (0, 4)], numbers[: 4 * 28]))),
        (f"{CELL}/bias", *(bias or ((4,), [(0, 4)], numbers[:16]))),
    ]


def files() -> Iterator[tuple]:
    good = v1(cell())
    yield "rnn.v1", good
    for name, data, says in (*_tables(good), *_slices()):
        yield f"{name}.v1", data, says
    for name, data, says in _indices():
        yield f"{name}.index", data, says


def _tables(good: bytes) -> Iterator[tuple]:
    end = len(good)
    yield "cut-in-front", good[20:], "a block ends at"
    yield "flipped", good[:30] + bytes([good[30] ^ 1]) + good[31:], "the checksum of the block"
    yield (
        "handle-endless",
        good[: end - 48] + (varint(0) * 3 + varint(2**62)).ljust(40, b"\0") + MAGIC,
        "a block ends at",
    )
    yield "handle-cut", good[: end - 48] + b"\xff" * 40 + MAGIC, "a number is cut off"
    yield "block-empty", block(b""), "without an end"
    yield "block-restarts", block(b"\xff" * 4), "without an end"
    yield "compression-7", block(bytes(8), 7), "unknown compression 7"
    yield "snappy-endless", block(varint(2**62) + b"\0a", 1), "Snappy block that says"
    yield "snappy-more", block(varint(3) + b"\x0cabcd" + b"\xfe\x01\0" * 1000, 1), "Snappy block of"
    yield "snappy-outside", block(varint(30) + b"\0a\xfe\x09\0", 1), "outside the block"
    yield "key-long", table({b"": b"", b"a" * 9000: b""}), "more than 4,000"


def _slices() -> Iterator[tuple]:
    numbers = bytes(112)
    for name, kernel, says in (
        ("shape-2-62", ((2**62, 4), [(0, 7), (0, 4)], numbers), "more than"),
        ("shape-negative", ((-1, 4), [(0, 7), (0, 4)], numbers), "is impossible"),
        ("axes-70", ((1,) * 70, [(0, 1)] * 70, numbers[:4]), "70 axes"),
        ("slice-beyond", ((7, 4), [(0, 9), (0, 4)], numbers), "a slice to"),
        ("slice-negative", ((7, 4), [(-2, 7), (0, 4)], numbers), "a slice to"),
        ("slice-endless", ((7, 4), [(2**62, 2**62), (0, 4)], numbers), "a slice to"),
        ("slice-part", ((2**40, 4), [(0, 7), (0, 4)], numbers), "do not cover"),
        ("numbers-less", ((7, 4), [(0, 7), (0, 4)], numbers[:-4]), "27 numbers"),
    ):
        yield name, v1(cell(kernel)), says
    yield "name-escapes", v1([*cell(), (ESCAPE, (2,), [(0, 2)], bytes(8))]), "\\x1b"
    again = [(f"{CELL}/kernel", (4, 7), [(0, 4), (0, 7)], numbers)]
    yield "twice-of-two-shapes", v1(cell() + again), "there twice"


def _indices() -> Iterator[tuple]:
    yield "no-header", table({b"a": b""}), "no header"
    yield "big-endian", table({b"": field(1, 1) + field(2, 1)}), "big-endian"
    number = field(1, 1)
    yield "shard-missing", table({b"": number, b"a": entry(1, (1,), 0, 0, bytes(4))}), "00000-of-00001"
    yield "shard-negative", table({b"": field(1, -5), b"a": entry(1, (1,), 0, 0, bytes(4))}), "in shard 0 of -5"
    yield "shards-2-62", table({b"": field(1, 2**62), b"a": entry(1, (1,), 0, 0, bytes(4))}), "of-4611686018427387904"
    yield "shape-0-2-62", table({b"": number, b"a": entry(1, (0, 2**62), 0, 0, b"")}), "more than"
    yield "varint-70-bits", table({b"": number, b"a": b"\x08" + b"\xff" * 9 + b"\x7f"}), "a number is cut off"
    yield "message-cut", table({b"": number, b"a": b"\x12\x7f"}), "is cut off"
