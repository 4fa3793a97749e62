"""What is wrong is refused at any time, and leaves no trace (CALL-8)."""

from collections.abc import Callable
from typing import Any

import numpy as np

from rnnspec.conformance.exchange import Exchange
from rnnspec.conformance.protocol.protocol import Protocol


def _ragged(array: np.ndarray) -> list:
    """Rows of several lengths."""
    return [row if k else row[:-1] for k, row in enumerate(np.atleast_2d(array).tolist() * 2)]


Change = Callable[[np.ndarray], Any]

_COUNTS: dict[str, Change] = {
    "a ragged list": _ragged,
    "booleans": lambda a: a > 0,
    "a list of booleans": lambda a: (a > 0).tolist(),
    "floating": lambda a: a.astype("float64"),
    "words": lambda a: a.astype(str),
    "too large": lambda a: a + 100,
    "negative": lambda a: -a - 1,
    "one too many": lambda a: np.append(a, 1),
    "one alone": lambda a: a[:1],
    "a number": lambda a: int(a[0]),
    "two axes": lambda a: a[:, None],
}
_STEPS: dict[str, Change] = {
    "a ragged list": _ragged,
    "uint8": lambda a: a.astype("uint8"),
    "int64": lambda a: a.astype("int64"),
    "a list of integers": lambda a: a.astype(int).tolist(),
    "floating": lambda a: a.astype("float32"),
    "the axes swapped": lambda a: a.T.copy(),
    "one row for all": lambda a: a[:1],
    "one step for all": lambda a: a[:, :1],
    "a third axis": lambda a: a[..., None],
    "one axis": lambda a: a[0],
}
_NUMBERS: dict[str, Change] = {
    "a ragged list": _ragged,
    "complex": lambda a: a + 1j,
    "words": lambda a: a.astype(str),
    "objects": lambda a: a.astype(object),
    "one axis too few": lambda a: a[0],
    "one axis too many": lambda a: a[..., None],
    "one feature too few": lambda a: a[..., :-1],
    "one feature for all": lambda a: a[..., :1],
}
_ROWS: dict[str, Change] = {
    "a row too few": lambda a: a[:-1],
    "a row for all": lambda a: a[:1],
    "a row too many": lambda a: np.concatenate([a, a[:1]]),
}
_IDS: dict[str, Change] = {
    "a ragged list": _ragged,
    "floating": lambda a: a.astype("float32"),
    "booleans": lambda a: a > 0,
    "words": lambda a: a.astype(str),
    "beyond": lambda a: a + 11,
    "far beyond": lambda a: a + 2**40,
    "negative": lambda a: -a - 1,
    "one axis too few": lambda a: a[0],
    "one axis too many": lambda a: a[..., None],
}


def _calls(exchange: Exchange) -> None:
    """After a good call every bad one is refused, and the next good call is as good."""
    case, net = exchange.case, exchange.load()
    step = case.split == "steps"
    good = case.call | ({"x": case.inputs["x"][:, 0]} if step else {})

    def refused(what: str, says: str, *others: type[Exception], **wrong: Any) -> None:
        call = good | wrong
        if not step:
            exchange.refused(what, says, lambda: net(**call), *others)
        else:
            exchange.refused(what, says, lambda: net.step(call.pop("x"), call.pop("state"), **call), *others)

    exchange.call(net)
    for name, value in good.items():
        if name == "state":
            _states(value, refused)
            continue
        tables = {"lengths": _COUNTS, "mask": _STEPS, "reset": _STEPS}
        for form, change in tables.get(name, _IDS if case.model.inputs is None else _NUMBERS).items():
            refused(f"{name}, {form}", "" if name == "x" else name, **{name: change(value)})
    if "lengths" in good:
        refused("lengths with a mask", "mask", mask=np.ones(good["x"].shape[:2], bool))
    for name in ("length", "masks", "lengths" if step else "states"):
        refused(f"an argument {name!r}", "", TypeError, **{name: np.ones(len(good["x"]), int)})
    exchange.call(net, what="after what was refused: ")
    exchange.watch.check()


def _states(state: dict[str, np.ndarray], refused: Callable[..., None]) -> None:
    first, *_, last = state
    for form, change in (_NUMBERS | _ROWS).items():
        refused(f"state {last!r}, {form}", "state", state=state | {last: change(state[last])})
    refused("an unknown state", "'other'", state=state | {"other": state[first]})
    refused("a state left out", first, state={name: a for name, a in state.items() if name != first})
    refused("no states by name", "state", state={})
    refused("states in a tuple", "state", state=tuple(state.values()))


PROTOCOLS = tuple(
    Protocol(f"refusals-{id}", ("CALL-5", "CALL-8"), id, _calls)
    for id in (
        "lstm-bidirectional-empty",
        "gru_after-bidirectional-mask",
        "characters",
        "restarts-forward-last",
        "lstm-steps",
        "characters-steps",
    )
)
