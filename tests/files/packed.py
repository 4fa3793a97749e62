"""Parameters of Flax in msgpack."""

from collections.abc import Iterator
from typing import Any

import msgspec
import numpy as np

from tests.files.models import ESCAPE

SHAPES = {"i": (3, 4), "h": (4, 4)}


def array(shape: Any, dtype: Any = "float32", data: bytes = b"", code: int = 1) -> Any:
    return msgspec.msgpack.Ext(code, msgspec.msgpack.encode((shape, dtype, data)))


def simple(**others: Any) -> dict[str, Any]:
    """The tree of a `SimpleCell` of 4 units, some of its leaves given."""
    numbers = np.linspace(-1, 1, 16, dtype="<f4")
    tree: dict[str, Any] = {
        name: {"kernel": array(shape, data=numbers[: np.prod(shape)].tobytes())} for name, shape in SHAPES.items()
    }
    tree["i"]["bias"] = array((4,), data=numbers[:4].tobytes())
    return {"cell": tree | others}


def files() -> Iterator[tuple]:
    for name, data, *says in (*_bytes(), *_leaves()):
        yield (f"{name}.msgpack", data if isinstance(data, bytes) else msgspec.msgpack.encode(data), *says)


def _bytes() -> Iterator[tuple]:
    good = msgspec.msgpack.encode(simple())
    yield "simple", good
    yield "cut", good[:-20], "cut off"
    yield "more", good + b"\0", "bytes too many"
    yield "empty", b"", "cut off"
    yield "nested-maps", b"\x81\xa1a" * 10_000 + b"\xc0", "deep"
    yield "nested-lists", b"\x91" * 10_000 + b"\xc0", "deep"
    yield "map-endless", b"\xdf\xff\xff\xff\xff\xa1a", "cut off"
    yield "list-endless", b"\xdd\xff\xff\xff\xff\xa1a", "cut off"
    yield "bytes-endless", b"\x81\xa1a\xc6\xff\xff\xff\xff", "cut off"
    yield "extension-endless", b"\x81\xa1a\xc9\xff\xff\xff\xff\x01", "cut off"
    yield "key-twice", b"\x82\xa1a\x01\xa1a\x02", "there twice"
    yield "key-list", b"\x81\x91\x01\x01", "names as keys"
    yield "key-array", b"\x81" + msgspec.msgpack.encode(array((1,), data=bytes(4))) + b"\x01", "names as keys"
    yield "no-value", b"\xc1", "no value begins with 0xc1"
    yield "latin", b"\x81\xa2\xff\xfe\x01", "no UTF-8"
    yield "name-twice", {"a": {"b/c": array((), data=bytes(4))}, "a/b": {"c": array((), data=bytes(4))}}, "there twice"
    yield "long-names", {"k" * 50_000: {str(k): array((), data=bytes(4)) for k in range(20)}}, "characters in a name"
    yield "escapes", {ESCAPE: array((), data=bytes(4))}, "\\x1b"


def _leaves() -> Iterator[tuple]:
    def leaf(value: Any) -> dict[str, Any]:
        return simple(i={"kernel": value, "bias": array((4,), data=bytes(16))})

    four = bytes(16)
    yield "shape-2-62", leaf(array((2**62,))), "more than"
    yield "shape-0-2-62", leaf(array((0, 2**62, 2**62))), "more than"
    yield "axes-70", leaf(array((1,) * 70, data=bytes(4))), "70 axes"
    yield "shape-negative", leaf(array((-2, -2), data=four)), "a damaged array"
    yield "shape-float", leaf(array((2.0,), data=bytes(8))), "a damaged array"
    yield "shape-bool", leaf(array((True,), data=bytes(4))), "a damaged array"
    yield "shape-less", leaf(array((3,), data=four)), "16 bytes of shape"
    yield "not-three", leaf(msgspec.msgpack.Ext(1, b"\x93\x01")), "a damaged array"
    yield "extension-9", leaf(array((4,), data=four, code=9)), "found extension 9"
    for dtype in ("O", "U5", "V4", "f4,f4", "(1000000,1000000)f4", "M8[s]", "f9", ESCAPE):
        name = "".join(c if c.isalnum() else "-" for c in dtype)[:20]
        yield f"dtype-{name}", leaf(array((4,), dtype, four)), "expected numbers"
    yield "integers", leaf(array((3, 4), "int32", bytes(48))), "expected floating-point numbers"

    def pieces(shape: dict, *parts: Any) -> dict[str, Any]:
        chunks = {str(k): part for k, part in enumerate(parts)}
        return leaf({"__msgpack_chunked_array__": True, "shape": shape, "chunks": chunks})

    yield "pieces-2-62", pieces({"0": 2**62, "1": 0}), "more than"
    yield "pieces-negative", pieces({"0": -2, "1": -2}, array((4,), data=four)), "a damaged array"
    yield "pieces-bool", pieces({"0": True}, array((1,), data=bytes(4))), "a damaged array"
    yield "pieces-of-two-types", pieces({"0": 2}, array((1,), data=bytes(4)), array((1,), "int8", b"1")), "in pieces"
    yield "pieces-missing", pieces({"0": 3}, array((1,), data=bytes(4))), "in pieces"
