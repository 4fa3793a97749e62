"""Protocol buffers, read off the wire (protobuf.dev/programming-guides/encoding)."""

from collections import defaultdict

import numpy as np

from rnnspec.errors import SpecError

_SIZES = {1: 8, 5: 4}  # wire type → bytes


def varint(data: memoryview, at: int, where: str) -> tuple[int, int]:
    """The number that starts at `at`, seven bits a byte, and where the next one starts. Raises SpecError: cut off."""
    value = shift = 0
    for byte in data[at : at + 10]:
        at += 1
        value |= (byte & 0x7F) << shift
        shift += 7
        if byte < 0x80 and value < 1 << 64:
            return value, at
    raise SpecError(f"{where}: damaged: a number is cut off; copy the file again")


def fields(data: memoryview, where: str) -> dict[int, list]:
    """A message: field number → its values, numbers for varints and bytes (memoryview) for all other wire types.

    Raises:
        SpecError: it is cut off, or it is no message.
    """
    found: dict[int, list] = defaultdict(list)
    at = 0
    while at < len(data):
        key, at = varint(data, at, where)
        kind = key & 7
        if kind == 0:
            value, at = varint(data, at, where)
            found[key >> 3].append(value)
            continue
        if kind == 2:
            size, at = varint(data, at, where)
        elif kind in _SIZES:
            size = _SIZES[kind]
        else:
            raise SpecError(f"{where}: damaged: no field of a message has wire type {kind}; copy the file again")
        if at + size > len(data):
            raise SpecError(f"{where}: damaged: a field of {size} bytes is cut off; copy the file again")
        found[key >> 3].append(data[at : at + size])
        at += size
    return found


def octets(found: dict[int, list], number: int, where: str) -> memoryview:
    """The bytes in a field, empty where there are none; if it is repeated, the last. Raises SpecError: a number."""
    return repeated(found, number, where)[-1] if number in found else memoryview(b"")


def repeated(found: dict[int, list], number: int, where: str) -> list[memoryview]:
    """The bytes in every record of a field. Raises SpecError where it holds a number."""
    values = found.get(number, [])
    if any(isinstance(value, int) for value in values):
        raise SpecError(f"{where}: damaged: field {number} holds a number, not bytes; copy the file again")
    return values


def text(found: dict[int, list], number: int, where: str) -> str:
    """The string in a field, empty where there is none. Raises SpecError where it is not UTF-8."""
    try:
        return str(octets(found, number, where), "utf-8")
    except UnicodeDecodeError:
        raise SpecError(f"{where}: damaged: field {number} is not UTF-8; copy the file again") from None


def number(found: dict[int, list], field: int, where: str, default: int = 0) -> int:
    """The signed number in a field. Raises SpecError where it holds bytes."""
    value = found.get(field, [default])[-1]
    if not isinstance(value, int):
        raise SpecError(f"{where}: damaged: field {field} holds bytes, not a number; copy the file again")
    return value - (1 << 64) if value >= 1 << 63 else value


def varints(data: memoryview, where: str) -> np.ndarray:
    """Packed varints → int64. Raises SpecError: one is cut off, or longer than any."""
    septets = np.frombuffer(data, np.uint8)
    ends = np.flatnonzero(septets < 0x80)
    sizes = np.diff(ends, prepend=-1)
    if sizes.sum() != septets.size or sizes.max(initial=0) > 10:
        raise SpecError(f"{where}: damaged: a number is cut off; copy the file again")
    starts = ends - sizes + 1
    place = np.arange(septets.size) - np.repeat(starts, sizes)
    shifted = (septets & 0x7F).astype(np.uint64) << (7 * place).astype(np.uint64)
    return np.bitwise_or.reduceat(shifted, starts).view(np.int64) if starts.size else np.zeros(0, np.int64)
