"""Archives of arrays, as `rnnspec run` and `rnnspec diff` take them for the model `dense`: x (batch, time, 3)."""

import io
import struct
import warnings
import zipfile
from collections.abc import Iterator

import numpy as np

from tests.files.models import ESCAPE

X = np.linspace(-1, 1, 24, dtype="float32").reshape(2, 4, 3)


def npy(array: np.ndarray) -> bytes:
    """One array as a file."""
    file = io.BytesIO()
    np.save(file, array)
    return file.getvalue()


def described(header: str, numbers: bytes = b"", version: bytes = b"\x01\x00") -> bytes:
    """An array's file with this header."""
    text = header.encode()
    width = "<H" if version[0] == 1 else "<I"
    return b"\x93NUMPY" + version + struct.pack(width, len(text)) + text + numbers


def shape(*sizes: int, descr: str = "<f4", order: bool = False) -> str:
    return str({"descr": descr, "fortran_order": order, "shape": sizes})


def archive(members: dict[str, bytes] | list[tuple[str, bytes]], kind: int = zipfile.ZIP_STORED) -> bytes:
    """A zip of these files."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", kind) as target, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # a name twice
        for name, data in members.items() if isinstance(members, dict) else members:
            target.writestr(zipfile.ZipInfo(name), data, kind)
    return file.getvalue()


def patched(data: bytes, local: int, central: int, value: bytes) -> bytes:
    """The bytes of one member with a field of both its headers changed."""
    found = bytearray(data)
    place = found.index(b"PK\x01\x02")
    found[local : local + len(value)] = value
    found[place + central : place + central + len(value)] = value
    return bytes(found)


def files() -> Iterator[tuple]:
    for name, data, *says in (*_valid(), *_archives(), *_arrays()):
        yield (f"{name}.npz", data, *says)


def _valid() -> Iterator[tuple]:
    yield "stored", archive({"x.npy": npy(X)})
    yield "deflated", archive({"x.npy": npy(X), "lengths.npy": npy(np.array([4, 2]))}, zipfile.ZIP_DEFLATED)
    yield "fortran", archive({"x.npy": npy(np.asfortranarray(X))})
    yield "big-endian", archive({"x.npy": npy(X.astype(">f4")), "mask.npy": npy(np.ones((2, 4), bool))})
    yield "double", archive({"x.npy": npy(X.astype("f8"))})
    yield "version-2", archive({"x.npy": described(shape(2, 4, 3), X.tobytes(), b"\x02\x00")})
    yield "version-3", archive({"x.npy": described(shape(2, 4, 3), X.tobytes(), b"\x03\x00")})
    double = '{"descr":"<f4","fortran_order":False,"shape":(2,4,3)}'
    yield "written-by-others", archive({"x.npy": described(double, X.tobytes())})
    yield "no-rows", archive({"x.npy": npy(X[:0])})


def _archives() -> Iterator[tuple]:
    good = archive({"x.npy": npy(X)})
    packed = archive({"x.npy": npy(X)}, zipfile.ZIP_DEFLATED)
    yield "empty", b"", "not an .npz file"
    yield "text", b"hello", "not an .npz file"
    yield "npy", npy(X), "not an .npz file"
    yield "no-arrays", archive({}), "no array 'x'"
    yield "no-x", archive({f"{ESCAPE}.npy": npy(X)}), "no array 'x'"
    yield "cut", good[: len(good) // 2], "not an .npz file"
    yield "crc", good.replace(npy(X)[-9:], bytes(9)), "Bad CRC"
    damaged = bytearray(packed)
    damaged[40:60] = bytes(20)
    yield "deflate", bytes(damaged), "x.npy: damaged"
    yield "compression-99", patched(good, 8, 10, struct.pack("<H", 99)), "compression 99"
    yield "compression-lzma", archive({"x.npy": npy(X)}, zipfile.ZIP_LZMA), "compression 14"
    yield "compression-bzip2", archive({"x.npy": npy(X)}, zipfile.ZIP_BZIP2), "compression 12"
    yield "encrypted", patched(good, 6, 8, b"\x01\x00"), "encrypted"
    yield "version-99", patched(good, 4, 6, struct.pack("<H", 99)), "damaged"
    yield "announced-more", patched(good, 22, 24, struct.pack("<I", 10**6)), "x.npy"
    yield "announced-less", patched(packed, 22, 24, struct.pack("<I", 150)), "x.npy"
    yield "bomb", patched(packed, 22, 24, struct.pack("<I", 2**31)), "unpack"
    yield (
        "zeros",
        archive({"x.npy": described(shape(1, 1000, 1000, 1), bytes(4 * 10**6))}, zipfile.ZIP_DEFLATED),
        "x: expected shape",
    )
    yield "name-twice", archive([("x.npy", npy(X)), ("x.npy", npy(X))]), "twice"
    yield "array-twice", archive([("x.npy", npy(X)), ("x", npy(X))]), "twice"
    yield "no-array", archive({"x.npy": npy(X), f"{ESCAPE}/": b""}), "not an array"
    where = good.index(b"PK\x01\x02")
    size = len(good) - where - 22
    entries = good[where : where + size]
    twice = good[:where] + entries + entries.replace(b"x.npy", b"y.npy") + _end(2, 2 * size, where)
    yield "over-each-other", twice, "over each other"
    yield "directory-beyond", good[:-22] + _end(1, 2**32 - 2, where), "damaged"
    yield "directory-before", good[:-22] + _end(1, size, 2**32 - 2), "damaged"


def _end(members: int, size: int, where: int) -> bytes:
    return b"PK\x05\x06" + struct.pack("<4H2IH", 0, 0, members, members, size, where, 0)


def _arrays() -> Iterator[tuple]:
    def alone(data: bytes) -> bytes:
        return archive({"x.npy": data})

    numbers = X.tobytes()
    yield "objects", alone(npy(np.array([{}], object))), "never loaded"
    yield "object-dtype", alone(described(shape(24, descr="|O"), bytes(192))), "never loaded"
    structure = np.zeros(3, [("a", "f4"), ("b", "i8")])
    yield "structure", alone(npy(structure)), "no plain descr"
    yield "strings", alone(npy(np.full((2, 4, 3), "a"))), "expected numbers, found <U1"
    yield "void", alone(described(shape(2, 4, 3, descr="|V4"), numbers)), "expected numbers"
    yield "code", alone(described("__import__('os').system('true')")), "no plain descr"
    yield "nested-header", alone(described("(" * 5000)), "no plain descr"
    yield "long-header", alone(described(shape(2, 4, 3) + " " * 20_000, numbers)), "a header of"
    yield "no-such-dtype", alone(described(shape(2, 4, 3, descr="<f3"), numbers)), "no dtype"
    yield "no-such-kind", alone(described(shape(2, 4, 3, descr="<y4"), numbers)), "no dtype"
    yield "nothing-dtype", alone(described(shape(2, 4, 3, descr="|S0"))), "holds nothing"
    yield "axes-70", alone(described(shape(*[1] * 70), bytes(4))), "70 axes"
    yield "shape-2-62", alone(described(shape(2**62, 0))), "more than"
    yield "shape-2-40", alone(described(shape(2**20, 2**20), numbers)), "takes 4,398,046,511,104 bytes"
    yield "shape-digits", alone(described(shape(2).replace("2", "9" * 4000), numbers)), "no plain shape"
    yield "shape-negative", alone(described(shape(-1), numbers)), "no plain shape"
    yield "shape-less", alone(described(shape(2, 4, 2), numbers)), "takes 64 bytes, found 96"
    yield "shape-more", alone(described(shape(2, 4, 4), numbers)), "takes 128 bytes, found 96"
    yield "header-escapes", alone(described(ESCAPE, numbers)), "no plain descr"
    yield "magic", alone(b"\x93NUMPX" + npy(X)[6:]), "not an array"
    yield "version-9", alone(b"\x93NUMPY\x09" + npy(X)[7:]), "not an array"
    yield "short", alone(b"\x93NUMPY\x01\x00"), "no plain descr"
    yield "complex", alone(npy(X.astype("c8"))), "expected numbers, found complex64"
    state = archive({"x.npy": npy(X), f"{ESCAPE}.npy": npy(X)})
    yield "state-escapes", state, "unknown"
