"""Ctrl-C ends a command with one line, wherever it is."""

import contextlib
import os
import signal
import threading
from collections.abc import Iterator
from types import FrameType

_CODE = 128 + signal.SIGINT  # as shells have it


@contextlib.contextmanager
def interruptible() -> Iterator[None]:
    """While it lasts, Ctrl-C ends the process, its workers and the files that it is writing.

    A `KeyboardInterrupt` would do so only where nobody catches it: raised inside a framework's import it becomes an
    error of another kind, in a callback it is printed and forgotten, and what runs at exit can wait for ever.
    """
    if threading.current_thread() is not threading.main_thread():  # only there can it be asked for
        yield
        return
    before = signal.signal(signal.SIGINT, _end)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


def _end(number: int, frame: FrameType | None) -> None:
    import multiprocessing

    from rnnspec.atomic import abandon

    for worker in multiprocessing.active_children():
        worker.kill()
    abandon()
    os.write(2, b"rnnspec: interrupted\n")
    os._exit(_CODE)
