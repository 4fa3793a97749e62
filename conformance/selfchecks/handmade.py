"""Backends made by hand, and what the runner makes of them."""

import json
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from typing import Any

from rnnspec.checkpoint import as_checkpoint
from rnnspec.conformance import runner
from rnnspec.conformance.check import equal, holds
from rnnspec.conformance.everything import cases
from rnnspec.conformance.variant import Variant
from rnnspec.reference import Net

PLAIN = "lstm-forward-ragged"


class _Handmade:
    """The reference behind no more than CONF-1 asks for; `answer` changes y and the states."""

    def __init__(self, net: Net, answer: Callable) -> None:
        self.net, self.answer = net, answer

    def __call__(self, x, lengths=None, mask=None, state=None, reset=None):
        return self.answer(*self.net(x, lengths, mask, state, reset))

    def step(self, x_t, state=None):
        return self.answer(*self.net.step(x_t, state))


def backend(answer: Callable = lambda y, state: (y, state)) -> ModuleType:
    """A backend without any option."""
    module = ModuleType("handmade")
    module.load = lambda checkpoint: _Handmade(Net(as_checkpoint(checkpoint)), answer)  # type: ignore[attr-defined]
    return module


def raising(error: Exception) -> ModuleType:
    """A backend that raises the error in each call."""

    def answer(y: Any, state: Any) -> None:
        raise error

    return backend(answer)


def answer_of(module: ModuleType, id: str, dtype: str = "float32") -> runner.Result:
    """What the runner makes of the backend's answer to a case on disk."""
    return runner.run(next(case for case in cases() if case.id == id), Variant(module, dtype))


def comes_out(what: str, module: ModuleType, id: str, outcome: str, says: str = "", dtype: str = "float32") -> None:
    """The backend's outcome in a case on disk, and a word of its detail."""
    result = answer_of(module, id, dtype)
    equal(f"{what}, {id} ({result.detail})", result.outcome, outcome)
    holds(f"{what}, {id}: the result does not say {says!r}: {result.detail}", says in result.detail)


@contextmanager
def declared(module: ModuleType, package: bool = False, **entries: Any) -> Iterator[ModuleType]:
    """The module with a declaration beside it."""
    with tempfile.TemporaryDirectory() as folder:
        file, beside = ("__init__.py", "conformance.json") if package else ("own.py", "own.conformance.json")
        module.__file__ = str(Path(folder) / file)
        (Path(folder) / beside).write_text(json.dumps(entries), encoding="utf-8")
        yield module
