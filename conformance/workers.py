"""Processes that work through items, one item each at a time: what ends or hangs one of them costs its item alone."""

import multiprocessing
import os
import signal
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait
from time import monotonic
from typing import Any

LIMIT = 600.0  # seconds for an item; a case of a framework that compiles takes up to ten


@dataclass(frozen=True)
class Lost:
    """No answer: `how` the process ended that worked on the item, in words."""

    how: str


class Workers:
    """Up to `jobs` processes, each started when it is first needed; 0: all work is done in this process.

    A process that dies, or is ended because it took longer than `limit` seconds over an item, is replaced.

    Args:
        method: how processes start, as `multiprocessing` calls it.
        once: a new process for every item.
        told: is called in `map` with how many answers there are, and how many items.
    """

    def __init__(
        self,
        jobs: int,
        limit: float = LIMIT,
        method: str = "spawn",
        once: bool = False,
        told: Callable[[int, int], None] = lambda done, total: None,
    ) -> None:
        self.jobs = jobs
        self.limit = limit
        self._told = told
        self._context = multiprocessing.get_context(method)
        self._once = once
        self._workers: list[_Worker] = []

    def __enter__(self) -> "Workers":
        return self

    def __exit__(self, *_: object) -> None:
        for worker in self._workers:
            worker.end()

    def map(self, work: Callable[[Any], Any], items: Iterable[Any]) -> list[Any]:
        """The answer to each item, in their order; `Lost` where there is none.

        Raises:
            Exception: whatever `work` raised.
        """
        items, answers = list(items), dict[int, Any]()
        for k, answer in self.each(work, items):
            answers[k] = answer
            self._told(len(answers), len(items))
        return [answers[k] for k in sorted(answers)]

    def each(self, work: Callable[[Any], Any], items: Iterable[Any]) -> Iterator[tuple[int, Any]]:
        """The number of each item and its answer, as soon as there is one.

        Args:
            work: a function of a module.
            items: each is taken when there is a process for it.
        """
        if not self.jobs:
            yield from ((k, work(item)) for k, item in enumerate(items))
            return
        queue = enumerate(items)
        while busy := self._busy(queue, work):
            wait([end for worker in busy for end in worker.ends], max(0, min(w.deadline for w in busy) - monotonic()))
            for worker in busy:
                k, found = worker.item, worker.answer()
                if k is None or found is None:
                    continue
                if self._once or isinstance(found, Lost):
                    self._workers.remove(worker)
                    worker.end()
                if isinstance(found, Exception):
                    raise found
                yield k, found if isinstance(found, Lost) else found[0]

    def _busy(self, queue: Iterator[tuple[int, Any]], work: Callable) -> list["_Worker"]:
        """Those that have an item, after each has been given one, as far as there are any."""
        idle = [worker for worker in self._workers if worker.item is None]
        while len(self._workers) - len(idle) < self.jobs and (numbered := next(queue, None)):
            if not idle:
                idle.append(_Worker(self._context))
                self._workers += idle
            idle.pop().begin(numbered[0], work, numbered[1], self.limit)
        return [worker for worker in self._workers if worker.item is not None]


class _Worker:
    """One process, and the number of the item that it has."""

    def __init__(self, context: Any) -> None:
        self._pipe, theirs = context.Pipe()
        self._process = context.Process(target=_work, args=(theirs,), daemon=True)
        with _apart():
            self._process.start()
        theirs.close()
        self.item: int | None = None
        self.deadline = 0.0
        self._limit = 0.0

    @property
    def ends(self) -> list[Any]:
        """What is ready when there is an answer, or will be none."""
        return [self._pipe, self._process.sentinel]

    def begin(self, k: int, work: Callable, item: Any, limit: float) -> None:
        self.item, self._limit, self.deadline = k, limit, monotonic() + limit
        with suppress(BrokenPipeError):  # it died after its last answer: `answer` will find out
            self._pipe.send((work, item))

    def answer(self) -> "tuple[Any] | Lost | Exception | None":
        """The answer in a tuple, what was raised, or how it was lost; None so far."""
        found: Any = None
        try:
            if self._pipe.poll():
                found = self._pipe.recv()
            elif not self._process.is_alive():
                raise EOFError
            elif monotonic() >= self.deadline:
                found = Lost(f"timeout: no answer in {self._limit:g} s")
        except (EOFError, OSError):
            found = Lost(f"crashed: the process ended with {self._ending()}")
        if found is not None:
            self.item = None
        return found

    def end(self) -> None:
        self._process.kill()
        self._process.join()
        self._pipe.close()

    def _ending(self) -> str:
        self._process.join(5)  # it may have closed its end of the pipe, and live
        self.end()
        code = self._process.exitcode
        return f"signal {-code} ({signal.Signals(-code).name})" if code < 0 else f"exit code {code}"


@contextmanager
def _apart() -> Iterator[None]:
    """What starts here writes no errors to the terminal, where frameworks put their notices, and never sees Ctrl-C,
    which the terminal sends to all: the first process ends the others.
    """
    masks = hasattr(signal, "pthread_sigmask")
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT}) if masks else set()
    kept, nowhere = os.dup(2), os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 2)
    try:
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)
        os.close(nowhere)
        if masks:
            signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _work(pipe: Connection) -> None:
    """What a process does; what is raised is sent."""
    threading.Thread(target=_follow, daemon=True).start()
    while True:
        try:
            work, item = pipe.recv()
        except EOFError:
            return
        try:
            answer: Any = (work(item),)
        except Exception as problem:
            answer = problem
        pipe.send(answer)


def _follow() -> None:
    """End this process when the first one has ended, however that was killed."""
    wait([multiprocessing.parent_process().sentinel])  # type: ignore[union-attr]
    os._exit(1)
