"""Files from strangers: what a library raises about *this file* becomes one line with the file's name.

with reading(path, zipfile.BadZipFile, zlib.error):
    data = archive.read(name)
"""

import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from math import prod
from pathlib import Path

from rnnspec import limits
from rnnspec.errors import SpecError, UnsupportedError
from rnnspec.shown import quoted


@contextmanager
def reading(where: str | os.PathLike, *damaged: type[Exception], what: str = "damaged") -> Iterator[None]:
    """Turn the exceptions that a library is known to raise about a damaged file, and any OSError that does not name
    its file, into SpecError. Everything else goes through: it is a mistake of ours.

    Args:
        where: the file, and the place in it.
        damaged: the exceptions that the library raises.
        what: is wrong with the file then.
    """
    try:
        yield
    except (SpecError, UnsupportedError):
        raise
    except OSError as error:
        if error.filename is not None:
            raise
        raise SpecError(f"{where}: {what} ({error.strerror or error}); copy it again") from None
    except damaged as error:
        raise SpecError(f"{where}: {what} ({str(error) or type(error).__name__}); copy it again") from None


def regular(path: str | os.PathLike) -> Path:
    """The path of a regular file: a device may never end, a pipe may never begin.

    Raises:
        FileNotFoundError: there is no such file.
        SpecError: it is a folder, a pipe or a device, or the path is not a path.
    """
    try:
        mode = os.stat(path).st_mode
    except ValueError as error:  # a NUL, or half a pair of surrogates
        raise SpecError(f"{os.fspath(path)}: not a path ({error})") from None
    if not stat.S_ISREG(mode):
        kinds = ((stat.S_ISDIR, "folder"), (stat.S_ISFIFO, "pipe"), (stat.S_ISSOCK, "socket"))
        kind = next((name for test, name in kinds if test(mode)), "device")
        raise SpecError(f"{os.fspath(path)}: a {kind}, not a file")
    return Path(path)


def contents(path: str | os.PathLike) -> bytes:
    """All bytes of a regular file.

    Raises:
        FileNotFoundError, SpecError: as `regular`; or it is larger than memory.
    """
    path = regular(path)
    try:
        return path.read_bytes()
    except MemoryError:
        raise SpecError(f"{path}: {path.stat().st_size:,} bytes, more than memory holds") from None


def check_shape(shape: tuple[int, ...], where: str) -> None:
    """Raise SpecError where no array could have this shape. Sizes of 0 do not make up for others."""
    if len(shape) > limits.AXES:
        raise SpecError(f"{where}: {len(shape)} axes, more than {limits.AXES}")
    if prod(size or 1 for size in shape) > limits.ELEMENTS:
        raise SpecError(f"{where}: shape {quoted(shape)} has more than {limits.ELEMENTS:,} elements")
