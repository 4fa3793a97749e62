"""Archives from strangers: zip files, and the arrays of an .npz."""

import os
import re
import struct
import zipfile
import zlib
from math import prod
from pathlib import Path

import numpy as np

from rnnspec import limits
from rnnspec.errors import SpecError
from rnnspec.reading import check_shape, reading, regular
from rnnspec.shown import quoted, shown

# What zipfile is known to raise about a damaged archive; RuntimeError is encryption, its NotImplementedError a version.
_ARITHMETIC = (struct.error, ValueError, OverflowError, MemoryError, EOFError)  # of sizes and places that cannot be
_DAMAGED = (zipfile.BadZipFile, zlib.error, RuntimeError, *_ARITHMETIC)
_KINDS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)  # of the others, Python unpacks any amount at once


def is_zip(path: Path) -> bool:
    """Whether the file is a zip archive.

    Raises:
        FileNotFoundError, SpecError: as `regular`.
    """
    with reading(path, *_DAMAGED):
        return zipfile.is_zipfile(regular(path))


def open_zip(path: Path) -> zipfile.ZipFile:
    """A zip archive whose contents are in proportion to its size; its members are read with `member`.

    Raises:
        SpecError: damaged, encrypted, compressed in an unknown way, with two members of one name, or it would unpack to
            far more than it holds (a zip bomb).
    """
    with reading(path, *_DAMAGED, what="a damaged zip archive"):
        archive = zipfile.ZipFile(regular(path))
    members = archive.infolist()
    check_unpacked(sum(member.file_size for member in members), path, limits.UNPACKED_ZIP)
    if sum(member.compress_size for member in members) > path.stat().st_size:
        raise SpecError(f"{path}: a zip archive whose members lie over each other: refused; check where it is from")
    seen = set()
    for member in members:
        where = f"{path}: {shown(member.filename)}"
        if member.filename in seen:
            raise SpecError(f"{where}: twice in the archive; save it again")
        seen.add(member.filename)
        if member.flag_bits & 1:
            raise SpecError(f"{where}: encrypted; unpack it yourself")
        if member.compress_type not in _KINDS:
            raise SpecError(f"{where}: compression {member.compress_type} is not read; pack it with deflate, or not")
    return archive


def member(archive: zipfile.ZipFile, name: str, path: Path) -> bytes:
    """The bytes of one member.

    Raises:
        SpecError: it is missing, damaged, or holds more or less than the archive says.
    """
    if name not in archive.NameToInfo:
        raise SpecError(f"{path}: {shown(name)} is missing in the archive")
    with reading(f"{path}: {shown(name)}", *_DAMAGED):
        size = archive.getinfo(name).file_size
        with archive.open(name) as file:
            data = file.read(size + 1)  # more is not unpacked, whatever is in it
    if len(data) != size:
        raise SpecError(f"{path}: {shown(name)}: truncated at {len(data):,} bytes; copy the file again")
    return data


def check_unpacked(size: int, path: Path, always: int = limits.UNPACKED) -> None:
    """Raise SpecError where so many bytes, more than `always`, are out of proportion to the file that gives them."""
    packed = path.stat().st_size
    if size > max(always, limits.UNPACKED_RATIO * packed):
        raise SpecError(f"{path}: {packed:,} bytes that unpack to {size:,}: refused; check where the file is from")


def arrays(path: str | os.PathLike) -> dict[str, np.ndarray]:
    """The arrays of an .npz file by name, never an object.

    Raises:
        FileNotFoundError: there is no such file.
        SpecError: not an .npz file, damaged, or with anything but plain arrays in it; the message names the array.
    """
    path = Path(path)
    if not is_zip(path):
        raise SpecError(f"{path}: not an .npz file; write it with numpy.savez")
    found: dict[str, np.ndarray] = {}
    with open_zip(path) as archive:
        for name in archive.namelist():
            key = name.removesuffix(".npy")
            if key in found:
                raise SpecError(f"{path}: array {quoted(key)} is there twice; save it again")
            found[key] = array(member(archive, name, path), f"{path}: array {quoted(key)}")
    return found


# The header is a Python literal. It is searched and never evaluated: what NumPy writes for plain arrays is this simple.
_HEADER = {
    "descr": re.compile(r"""['"]descr['"]\s*:\s*['"]([<>|=]?[?a-zA-Z]\d{0,9})['"]"""),
    "fortran_order": re.compile(r"""['"]fortran_order['"]\s*:\s*(True|False)\b"""),
    "shape": re.compile(r"""['"]shape['"]\s*:\s*\(\s*((?:\d{1,19}L?\s*,\s*)*(?:\d{1,19}L?)?)\s*\)"""),
}
_NUMBER = re.compile(r"\d+")


def array(data: bytes, where: str) -> np.ndarray:
    """One .npy file (numpy/lib/format.py): magic, version, size of the header, header, numbers.

    Raises:
        SpecError: it is none, damaged, or of something else than numbers; the message begins with `where`.
    """
    if data[:6] != b"\x93NUMPY" or data[6:7] not in (b"\x01", b"\x02", b"\x03"):
        raise SpecError(f"{where}: not an array; write it with numpy.savez")
    start = 10 if data[6] == 1 else 12
    size = int.from_bytes(data[8:start], "little")
    if size > limits.NPY_HEADER:
        raise SpecError(f"{where}: a header of {size:,} bytes, more than {limits.NPY_HEADER:,}")
    header = data[start : start + size].decode("latin-1").strip()
    matches = {key: pattern.search(header) for key, pattern in _HEADER.items()}
    found = {key: match[1] for key, match in matches.items() if match}
    if lacking := sorted(set(_HEADER) - set(found)):
        raise SpecError(f"{where}: no plain {lacking[0]} in its header {shown(header)}; save plain arrays of numbers")
    shape = tuple(map(int, _NUMBER.findall(found["shape"])))
    dtype = _dtype(found["descr"], where)
    check_shape(shape, where)
    expected = prod(shape) * dtype.itemsize
    if (length := len(data) - start - size) != expected:
        raise SpecError(f"{where}: shape {shape} of {dtype} takes {expected:,} bytes, found {length:,}")
    array = np.frombuffer(data, dtype, offset=start + size) if expected else np.zeros(0, dtype)
    return array.reshape(shape, order="F" if found["fortran_order"] == "True" else "C").copy()


def _dtype(descr: str, where: str) -> np.dtype:
    try:
        dtype = np.dtype(descr)
    except TypeError:
        raise SpecError(f"{where}: there is no dtype {descr!r}") from None
    if dtype.hasobject:
        raise SpecError(f"{where}: not arrays of numbers but objects, which are never loaded; save plain arrays only")
    if dtype.itemsize == 0:
        raise SpecError(f"{where}: dtype {descr!r} holds nothing")
    return dtype
