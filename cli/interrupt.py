"""Ctrl-C ends a command with one line, wherever it is."""

import contextlib
import os
import signal
import sys
import threading
from collections.abc import Iterator
from functools import partial
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
    # Standard error as it is now: while processes start it points elsewhere, and their mask is that of one thread only.
    terminal = os.dup(2) if sys.stderr else os.open(os.devnull, os.O_WRONLY)
    before = signal.signal(signal.SIGINT, partial(_end, terminal))
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
        os.close(terminal)


def _end(terminal: int, number: int, frame: FrameType | None) -> None:
    import multiprocessing

    from rnnspec.atomic import abandon

    for worker in multiprocessing.active_children():
        worker.kill()
    abandon()
    os.write(terminal, b"rnnspec: interrupted\n")
    os._exit(_CODE)
