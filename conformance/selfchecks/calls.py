"""The runner on backends made by hand that go wrong from one call to the next (CALL-2, CALL-3, CALL-8)."""

from collections.abc import Callable
from types import ModuleType
from typing import Any

import numpy as np

from rnnspec.checkpoint import as_checkpoint
from rnnspec.conformance.check import Check
from rnnspec.conformance.selfchecks.handmade import comes_out
from rnnspec.reference import Net

Call = Callable[..., tuple]


def _module(call: Callable[[Any, Call, np.ndarray, dict[str, Any]], tuple]) -> ModuleType:
    """A backend whose calls are `call(self, the reference's call, x, arguments)`; `self` keeps what it likes."""

    class Wrong:
        def __init__(self, checkpoint: Any) -> None:
            self.net = Net(as_checkpoint(checkpoint))
            self.kept: dict[Any, Any] = {}

        def __call__(self, x, lengths=None, mask=None, state=None, reset=None):
            given = {"lengths": lengths, "mask": mask, "state": state, "reset": reset}
            return call(self, self.net, x, given)

        def step(self, x_t, state=None):
            return self.net.step(x_t, state)

    module = ModuleType("wrong")
    module.load = Wrong  # type: ignore[attr-defined]
    return module


def _scaled(self: Any, net: Call, x: np.ndarray, given: dict[str, Any]) -> tuple:
    answer = net(x, **given)
    x *= 2
    return answer


def _emptied(self: Any, net: Call, x: np.ndarray, given: dict[str, Any]) -> tuple:
    answer = net(x, **given)
    (given["state"] or {}).clear()
    return answer


def _buffer(self: Any, net: Call, x: np.ndarray, given: dict[str, Any]) -> tuple:
    y, state = net(x, **given)
    self.kept.setdefault(y.shape, y)[...] = y
    return self.kept[y.shape], state


def _shared(self: Any, net: Call, x: np.ndarray, given: dict[str, Any]) -> tuple:
    y, state = net(x, **given)
    return y, {name: _like(array, given["state"], name) for name, array in state.items()}


def _like(array: np.ndarray, given: Any, name: str) -> np.ndarray:
    """A view into memory that the caller gave, where the numbers are the same."""
    return given[name] if given and np.array_equal(given[name], array) else array


def _kept(self: Any, net: Call, x: np.ndarray, given: dict[str, Any]) -> tuple:
    """The first answer is kept, and given out as it is by then."""
    key = x.tobytes(), str(given)
    if key not in self.kept:
        self.kept[key] = net(x, **given)
    return self.kept[key]


def _memory() -> None:
    comes_out("x that is scaled in place", _module(_scaled), "lstm-forward-full", "fail", "wrote into x")
    comes_out("states that are taken out", _module(_emptied), "lstm-forward-full", "fail", "changed the mapping state")
    comes_out("an output in a buffer", _module(_buffer), "lstm-forward-full", "fail", "a later call changed y")
    comes_out("given states given back", _module(_shared), "edge-no-step", "fail", "shares its memory with")
    comes_out("answers that are kept", _module(_kept), "lstm-forward-full", "fail", "after the caller wrote")
    right = _module(lambda self, net, x, given: net(x, **given))
    for id in ("lstm-forward-full", "edge-no-step", "refusals-lstm-bidirectional-empty"):
        comes_out("nothing", right, id, "pass")


def _accepted() -> None:
    anything = _module(lambda self, net, x, given: net(x.real if isinstance(x, np.ndarray) else x, **given))
    comes_out("complex numbers", anything, "refusals-lstm-bidirectional-empty", "fail", "x, complex: accepted")


CHECKS = (
    Check("backend-memory", ("CALL-2", "CALL-3"), _memory),
    Check("backend-accepts", ("CALL-8",), _accepted),
)
