"""MessagePack, as far as Flax writes it, read so that nothing of it is lost: a key that is there twice is an error
(github.com/msgpack/msgpack/blob/master/spec.md).
"""

import struct
from typing import Any, NoReturn

from rnnspec import limits
from rnnspec.errors import SpecError
from rnnspec.shown import shown

_NUMBERS = {0xCA: ">f", 0xCB: ">d", 0xCC: ">B", 0xCD: ">H", 0xCE: ">I", 0xCF: ">Q"}
_NUMBERS |= {0xD0: ">b", 0xD1: ">h", 0xD2: ">i", 0xD3: ">q"}
_CONSTANTS = {0xC0: None, 0xC2: False, 0xC3: True}
_SIZED = {  # what follows a size of so many bytes
    0xC4: ("bytes", 1), 0xC5: ("bytes", 2), 0xC6: ("bytes", 4), 0xC7: ("extension", 1), 0xC8: ("extension", 2),
    0xC9: ("extension", 4), 0xD9: ("text", 1), 0xDA: ("text", 2), 0xDB: ("text", 4), 0xDC: ("items", 2),
    0xDD: ("items", 4), 0xDE: ("map", 2), 0xDF: ("map", 4),
}  # fmt: skip


class Extension:
    """Bytes of a type of the application's own."""

    def __init__(self, code: int, data: memoryview) -> None:
        self.code, self.data = code, data


def unpack(data: bytes | memoryview, where: str) -> Any:
    """The one value that the bytes hold.

    Raises:
        SpecError: cut off or damaged; maps and lists too deep; a key is no text or number, or there twice.
    """
    reader = _Reader(memoryview(data), where)
    value = reader.value(0)
    if reader.at != len(data):
        reader.damaged(f"{len(data) - reader.at:,} bytes too many")
    return value


class _Reader:
    def __init__(self, data: memoryview, where: str) -> None:
        self.data, self.where, self.at = data, where, 0

    def damaged(self, what: str) -> NoReturn:
        raise SpecError(f"{self.where}: damaged: {what} at byte {self.at:,}; copy the file again")

    def take(self, size: int) -> memoryview:
        if self.at + size > len(self.data):
            self.damaged("cut off")
        self.at += size
        return self.data[self.at - size : self.at]

    def value(self, depth: int) -> Any:
        if depth > limits.TREE_DEPTH:
            raise SpecError(f"{self.where}: maps and lists more than {limits.TREE_DEPTH} deep: refused")
        code = self.take(1)[0]
        if code < 0x80:
            return code
        if code >= 0xE0:
            return code - 256
        if code in _CONSTANTS:
            return _CONSTANTS[code]
        if code in _NUMBERS:
            form = _NUMBERS[code]
            return struct.unpack(form, self.take(struct.calcsize(form)))[0]
        if code < 0xC0:  # short ones, whose size is in the code
            kind, size = (
                ("map", code & 15) if code < 0x90 else ("items", code & 15) if code < 0xA0 else ("text", code & 31)
            )
        elif 0xD4 <= code <= 0xD8:
            kind, size = "extension", 1 << code - 0xD4
        elif code in _SIZED:
            kind, width = _SIZED[code]
            size = int.from_bytes(self.take(width), "big")
        else:
            self.damaged(f"no value begins with {code:#x}")
        return self.sized(kind, size, depth)

    def sized(self, kind: str, size: int, depth: int) -> Any:
        if kind == "map":
            return self.map(size, depth)
        if kind == "items":
            return [self.value(depth + 1) for _ in range(size)]
        if kind == "extension":
            code = self.take(1)[0]
            return Extension(code, self.take(size))
        found = self.take(size)
        if kind == "bytes":
            return found
        try:
            return str(found, "utf-8")
        except UnicodeDecodeError:
            self.damaged("text that is no UTF-8")

    def map(self, size: int, depth: int) -> dict[Any, Any]:
        found: dict[Any, Any] = {}
        for _ in range(size):
            key = self.value(depth + 1)
            if not isinstance(key, str | int):
                raise SpecError(f"{self.where}: expected names as keys, found {type(key).__name__}")
            if key in found:
                raise SpecError(f"{self.where}: {shown(str(key))} is there twice; save the parameters again")
            found[key] = self.value(depth + 1)
        return found
