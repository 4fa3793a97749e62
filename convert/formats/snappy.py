"""Snappy blocks (github.com/google/snappy/blob/main/format_description.txt)."""

from rnnspec.convert.formats.protobuf import varint
from rnnspec.errors import SpecError


def decompress(data: memoryview, where: str) -> bytes:
    """The bytes that a block holds. Raises SpecError: damaged."""
    size, at = varint(data, 0, where)
    if size > 64 * len(data):  # a copy of 64 bytes takes 3
        raise SpecError(f"{where}: damaged: a Snappy block that says {size} bytes; copy the file again")
    out = bytearray()
    while at < len(data) and len(out) <= size:
        tag = data[at]
        at += 1
        if tag & 3 == 0:
            length, at = _literal(data, tag >> 2, at)
            out += data[at : at + length]
            at += length
            continue
        if tag & 3 == 1:
            length, width, high = (tag >> 2 & 7) + 4, 1, tag >> 5 << 8
        else:
            length, width, high = (tag >> 2) + 1, 2 if tag & 3 == 2 else 4, 0
        offset = high | int.from_bytes(data[at : at + width], "little")
        at += width
        if at > len(data) or not 0 < offset <= len(out):
            raise SpecError(f"{where}: damaged: a Snappy copy from outside the block; copy the file again")
        piece = out[len(out) - offset : len(out) - offset + length]
        out += (piece * (length // len(piece) + 1))[:length]
    if len(out) != size:
        raise SpecError(f"{where}: damaged: a Snappy block of {len(out)} bytes that says {size}; copy the file again")
    return bytes(out)


def _literal(data: memoryview, length: int, at: int) -> tuple[int, int]:
    """How long the literal is, and where it starts."""
    width = max(0, length - 59)
    if width:
        length = int.from_bytes(data[at : at + width], "little")
    return length + 1, at + width
