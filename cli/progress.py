"""How far a long command is, on stderr; nothing where that is no terminal."""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

Told = Callable[[int, int], None]  # how many are done, of how many


@contextmanager
def progress(what: str) -> Iterator[Told]:
    """A bar with `what` before it, which goes when the command goes on: call what is yielded with how many are done, of
    how many; with 0 of 0 it only moves.

    with progress("cases") as told:
        told(17, 767)
    """
    if not sys.stderr.isatty():
        yield lambda done, total: None
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task(what, total=None)
        yield lambda done, total: bar.update(task, completed=done, total=total or None)
