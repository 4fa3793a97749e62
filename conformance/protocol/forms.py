"""The same numbers in another form are the same arguments (CALL-6, CALL-7)."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np

from rnnspec.conformance.case import Case, solved
from rnnspec.conformance.check import holds
from rnnspec.conformance.exchange import Exchange
from rnnspec.conformance.protocol.protocol import Protocol
from rnnspec.errors import SpecError

Form = Callable[[np.ndarray], Any]


def _read_only(array: np.ndarray) -> np.ndarray:
    array = array.copy()
    array.flags.writeable = False
    return array


MEMORY: dict[str, Form] = {
    "a nested list": lambda a: a.tolist(),
    "a read-only array": _read_only,
    "a view from the last row to the first": lambda a: a[::-1].copy()[::-1],
    "a view from the last element to the first": lambda a: a[..., ::-1].copy()[..., ::-1],
    "every second element of an array": lambda a: np.repeat(a, 2, axis=-1)[..., ::2],
    "an array in Fortran's order": lambda a: np.asfortranarray(a),
    "an array of the other byte order": lambda a: a.astype(a.dtype.newbyteorder("S")),
}
_INTEGERS = ("int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64")
FORMS: dict[str, dict[str, Form]] = {
    "floating": MEMORY | {t: lambda a, t=t: a.astype(t) for t in ("float32", "float64")},
    "integers": MEMORY | {"a tuple": tuple} | {t: lambda a, t=t: a.astype(t) for t in _INTEGERS},
    "booleans": MEMORY,
}


def _forms(*names: str) -> Callable[[Exchange], None]:
    """Each of these arguments in each form that is its own."""

    def play(exchange: Exchange) -> None:
        case, net = exchange.case, exchange.load()
        for name in names:
            value = case.inputs["x" if name == "state" else name]
            kind = {"f": "floating", "b": "booleans"}.get("f" if name == "state" else value.dtype.kind, "integers")
            for form, change in FORMS[kind].items():
                if name == "x" and case.split != "whole" and isinstance(change(value), list | tuple):
                    continue  # the steps are cut from an array
                states = case.call.get("state", {})
                given: Any = {n: change(a) for n, a in states.items()} if name == "state" else change(value)
                exchange.call(net, case, f"{name} as {form}: ", **{name: given})
        exchange.watch.check()

    return play


def _coarse(case: Case, dtype: str) -> Case:
    """With x and states in another dtype, to which they are rounded."""
    scale = 1 if dtype.startswith("float") else 4
    floating = {name: a for name, a in case.inputs.items() if a.dtype.kind == "f"}
    other = {name: np.rint(a * scale) if scale > 1 else a for name, a in floating.items()}
    return solved(replace(case, inputs=case.inputs | {name: a.astype(dtype) for name, a in other.items()}))


def _dtypes(exchange: Exchange) -> None:
    """x and states of other dtypes are converted to the network's."""
    net = exchange.load()
    for dtype in ("float16", "int64", "int8"):
        exchange.call(net, _coarse(exchange.case, dtype), f"x and states in {dtype}: ")
    exchange.call(net, what="x and states in float32 again: ")


def _double(exchange: Exchange) -> None:
    """A float64 network takes weights, x and states with all their digits; a float32 one takes float64 weights."""
    case, digits = exchange.case, np.random.default_rng(7)

    def longer(arrays: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        return {
            name: a * (1 + 1e-8 * digits.standard_normal(a.shape)) if a.dtype.kind == "f" else a
            for name, a in arrays.items()
        }

    if exchange.variant.dtype == "float64":
        case = solved(replace(case, weights=longer(case.weights), inputs=longer(case.inputs)))
    else:
        case = replace(case, weights={name: a.astype("float64") for name, a in case.weights.items()})
    net = exchange.load(case)
    exchange.call(net, case, "weights in float64: ")
    exchange.watch.spoil()
    exchange.call(net, case, "weights in float64, again: ")


def _handed_on(exchange: Exchange) -> None:
    """What a network of the other dtype returned, in its own arrays: they are converted, or refused by name."""
    case, variant, net = exchange.case, exchange.variant, exchange.load()
    other = "float64" if variant.dtype == "float32" else "float32"
    first = variant.load(case.checkpoint.copy(), dtype=other)
    steps = case.split == "steps"
    y, state = first.step(case.inputs["x"][:, 0], case.call["state"]) if steps else first(**case.call)
    given = {"state": state} | ({} if steps else {"x": y[..., : case.model.inputs]})
    for name, value in given.items():
        numbers = {n: np.asarray(a).copy() for n, a in (value if name == "state" else {name: value}).items()}
        what = f"{name} in an array of {other} that a network returned"
        try:
            exchange.call(net, solved(replace(case, inputs=case.inputs | numbers)), f"{what}: ", **{name: value})
        except SpecError as refusal:
            holds(f"{what}, refused with {str(refusal)!r}", str(refusal).startswith(name))
    exchange.call(net, what="after arrays of the other dtype: ")
    exchange.watch.check()


PROTOCOLS = (
    *(
        Protocol(f"forms-{'-'.join(names)}-{id}", ("CALL-6",), id, _forms(*names))
        for id, names in (
            ("lstm-forward-full", ("x", "state")),
            ("lstm-forward-ragged", ("lengths",)),
            ("lstm-bidirectional-empty", ("x", "lengths")),
            ("gru_after-bidirectional-mask", ("mask", "state")),
            ("characters", ("x",)),
            ("restarts-forward-last", ("reset",)),
            ("lstm-steps", ("x", "state")),
            ("characters-steps", ("x",)),
        )
    ),
    *(
        Protocol(f"dtypes-{id}", ("CALL-7",), id, _dtypes)
        for id in ("lstm-forward-full", "gru_after-bidirectional-mask", "lstm-steps")
    ),
    *(
        Protocol(f"double-{id}", ("CALL-7",), id, _double)
        for id in ("lstm-forward-full", "gru_after-bidirectional-mask", "characters", "lstm-steps")
    ),
    *(
        Protocol(f"handed-on-{id}", ("CALL-7",), id, _handed_on, ("dtype.float64",))
        for id in ("lstm-forward-full", "gru_after-bidirectional-mask", "lstm-steps")
    ),
)
