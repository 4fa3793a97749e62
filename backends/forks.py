"""Frameworks with threads of their own, which are not there in a child that was forked after they began."""

import os

from rnnspec.errors import UnsupportedError

_process: dict[str, int] = {}  # backend → the process in which it made its first network


def check(backend: str) -> None:
    """Called wherever `backend` would begin to compute.

    Raises:
        UnsupportedError: the process was forked after the backend had made a network: any call may wait for ever.
    """
    if _process.setdefault(backend, os.getpid()) != os.getpid():
        raise UnsupportedError(
            f"backend {backend!r}: it was in use before this process was forked, and its threads are not here, so it "
            "would hang; start processes with 'spawn' (a DataLoader: multiprocessing_context='spawn') and load it there"
        )
