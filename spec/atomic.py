"""Files that are written whole or not at all (FILE-3)."""

import contextlib
import errno
import os
import sys
import tempfile
from collections.abc import Iterable
from glob import escape
from pathlib import Path

if sys.platform != "win32":
    import fcntl

_SUFFIX = ".partial"
_NAMED = 60  # characters of the target's name in that of the temporary file: names of files have an end
_writing: set[str] = set()  # what this process has not finished


def write_atomically(path: str | os.PathLike, data: bytes | Iterable[memoryview]) -> None:
    """Write beside the target, then rename onto it; what is too large to be held at once in pieces.

    What a process that was killed left beside the target is removed; what another one still writes is not.

    Raises:
        OSError: there is no such folder, or it cannot be written to; the target is as it was.
    """
    path = Path(path)
    if not path.parent.is_dir():
        raise FileNotFoundError(errno.ENOENT, "there is no such folder", str(path.parent))
    _sweep(path)
    handle, temporary, claim = _temporary(path)
    with claim:
        try:
            with os.fdopen(handle, "wb") as file:
                file.writelines([data] if isinstance(data, bytes) else data)
                file.flush()
                os.fsync(file.fileno())
            os.chmod(temporary, 0o666 & ~_umask())
            os.replace(temporary, path)
        except BaseException:
            os.unlink(temporary)
            raise
        finally:
            _writing.discard(temporary)


def abandon() -> None:
    """Remove what this process is writing: for an end that unwinds nothing, as that of a command by Ctrl-C."""
    for temporary in list(_writing):
        with contextlib.suppress(FileNotFoundError):
            os.unlink(temporary)


def _temporary(path: Path) -> tuple[int, str, contextlib.ExitStack]:
    """A new file beside `path`, open, its name, and the claim to it, which lasts until it is closed."""
    while True:
        handle, temporary = tempfile.mkstemp(_SUFFIX, f"{path.name[:_NAMED]}.", path.parent)
        _writing.add(temporary)
        claim = contextlib.ExitStack()
        if sys.platform != "win32":
            lock = os.dup(handle)  # what `flock` locks is unlocked when the last of both is closed
            claim.callback(os.close, lock)
            with contextlib.suppress(OSError):  # a file system without locks, where nothing is swept either
                fcntl.flock(lock, fcntl.LOCK_EX)
        if os.fstat(handle).st_nlink:
            return handle, temporary, claim
        os.close(handle)  # somebody swept it away before it was claimed
        claim.close()
        _writing.discard(temporary)


def _sweep(path: Path) -> None:
    """Remove temporary files beside `path` that nobody claims."""
    for left in path.parent.glob(f"{escape(path.name[:_NAMED])}.????????{_SUFFIX}"):
        with contextlib.suppress(OSError):  # claimed, or another user's
            if sys.platform == "win32":
                left.unlink()  # refused while it is open
                continue
            handle = os.open(left, os.O_RDWR | os.O_NOFOLLOW)
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
                left.unlink()
            finally:
                os.close(handle)


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask
