"""Each `vjp` is of its own call alone (CALL-1 to CALL-3, CONF-4, DROP-3)."""

from collections.abc import Iterable
from dataclasses import replace
from functools import partial

import numpy as np

from rnnspec.conformance import oracle
from rnnspec.conformance.case import SEED, Arrays, Case
from rnnspec.conformance.exchange import Exchange
from rnnspec.conformance.protocol.forms import FORMS
from rnnspec.conformance.protocol.protocol import Protocol
from rnnspec.conformance.tape import EXACT
from rnnspec.conformance.variant import Absent

_BACKWARDS = slice(None, None, -1)


def _pulled(case: Case, cotangents: Arrays, training: bool = False, seed: int = 0, calls: int = 0) -> Case:
    """The case with these cotangents, and what the oracle answers."""
    if not EXACT:
        raise Absent("np.longdouble has less than 64 bits here: no gradients that are not on disk")
    full = {name: cotangents.get(name, np.zeros(np.shape(array))) for name, array in case.expected.items()}
    expected, gradients = oracle.vjp(case.checkpoint, case.call, full, training=training, seed=seed, calls=calls)
    return replace(case, expected=expected, cotangents=cotangents, gradients=gradients, training=training)


def _turned(case: Case) -> Case:
    """With the rows from last to first: the gradients of the weights are the same."""
    turned = case.rows(_BACKWARDS)
    cotangents = {name: array[_BACKWARDS] for name, array in case.cotangents.items()}
    gradients = {name: a[_BACKWARDS] if name in case.inputs else a for name, a in case.gradients.items()}
    return replace(turned, cotangents=cotangents, gradients=gradients)


def _again(exchange: Exchange) -> None:
    """Nothing adds up from call to call, and a call after a `vjp` is a call."""
    case, net = exchange.case, exchange.load()
    exchange.call(net, what="before any gradient: ")
    for k, now in enumerate([case, case, _turned(case), case]):
        exchange.vjp(net, now, f"vjp {k + 1}: ")
    exchange.call(net, what="after gradients: ")
    exchange.watch.spoil()
    exchange.vjp(net, case, "after writing into gradients: ")
    other = exchange.load(case.fresh(1))
    exchange.vjp(net, case, "beside another network: ")
    exchange.call(other, case.fresh(1), "another network, after gradients of the first: ")


def _cotangents(exchange: Exchange) -> None:
    """A result without a cotangent counts as 0; their order does not matter, and no other may be given."""
    case, net = exchange.case, exchange.load()
    names = list(case.cotangents)
    subsets: dict[str, Iterable[str]] = {
        "of y alone": names[:1],
        "of the last state alone": names[-1:],
        "of states alone": names[1:],
        "of all, in reverse order": names[::-1],
        "of nothing": [],
    }
    for what, chosen in subsets.items():
        exchange.vjp(net, _pulled(case, {name: case.cotangents[name] for name in chosen}), f"cotangents {what}: ")
    y = case.cotangents["y"]
    for what, wrong, says in (
        ("of an unknown result", {"other": y}, "'other'"),
        ("of one row", {"y": y[:1]}, "'y'"),
        ("of one feature", {"y": y[..., :1]}, "'y'"),
    ):
        bad = partial(exchange.variant.module.vjp, net, case.cotangents | wrong, **case.call)
        exchange.refused(f"a cotangent {what}", says, bad)
    exchange.vjp(net, case, "after what was refused: ")


def _forms(exchange: Exchange) -> None:
    case, net = exchange.case, exchange.load()
    for form, change in FORMS["floating"].items():
        exchange.vjp(net, case, f"x as {form}: ", x=change(case.inputs["x"]))
    for form in ("a nested list", "uint8", "int64"):
        exchange.vjp(net, case, f"lengths as {form}: ", lengths=FORMS["integers"][form](case.inputs["lengths"]))
    for form in ("every second element of an array", "a read-only array", "float64"):
        cotangents = {name: FORMS["floating"][form](array) for name, array in case.cotangents.items()}
        exchange.vjp(net, case, f"cotangents as {form}: ", cotangents)
        if "state" in case.call:
            state = {name: FORMS["floating"][form](array) for name, array in reversed(case.call["state"].items())}
            exchange.vjp(net, case, f"states in reverse order as {form}: ", state=state)
    pulled = exchange.arguments(case)
    given = [pulled.get(name) for name in ("x", "lengths", "mask", "state", "reset")]
    results, gradients = exchange.variant.module.vjp(net, case.cotangents, *given, False)
    exchange.compare("arguments by position: ", exchange.watch.answered("", results), case)
    exchange.compare("arguments by position: ", exchange.watch.answered("", gradients), case, case.gradients)
    exchange.watch.check()


def _time_major(exchange: Exchange) -> None:
    case, net = replace(exchange.case, time_major=True), exchange.load(time_major=True)
    for k in range(2):
        exchange.vjp(net, case, f"time first, vjp {k + 1}: ")
    exchange.watch.check()


def _second_masks(exchange: Exchange) -> None:
    """Each call in training draws masks of its own, and only they count; a call outside training draws none."""
    case, net = exchange.case, exchange.load(seed=SEED)
    calm = _pulled(replace(case, training=False), case.cotangents)
    exchange.call(net, calm, "before training: ")
    for calls in range(2):
        now = _pulled(case, case.cotangents, training=True, seed=SEED, calls=calls)
        exchange.vjp(net, now, f"training call {calls}: ")
        exchange.call(net, calm, f"after training call {calls}: ")
    exchange.vjp(net, calm, "gradients outside training: ")
    exchange.watch.check()
    for seed in (SEED, 0):
        now = _pulled(case, case.cotangents, training=True, seed=seed)
        exchange.vjp(exchange.load(seed=seed), now, f"a network of seed {seed}: ")
    last = _pulled(case, case.cotangents, training=True, seed=SEED, calls=2)
    exchange.vjp(net, last, "training call 2, after those of other networks: ")


_ASKS = ("call.gradients",)
_AGAIN = ("CALL-1", "CALL-2", "CALL-3", "GRAD-1")
_TWO = "lstm-bidirectional-empty"
_TURNS = (*_ASKS, "call.time_major")

PROTOCOLS = (
    *(
        Protocol(f"gradients-again-{id}", _AGAIN, id, _again, _ASKS)
        for id in ("gru_after-bidirectional-mask", "characters")
    ),
    Protocol("gradients-cotangents", ("CALL-10", "GRAD-1"), _TWO, _cotangents, _ASKS),
    Protocol("gradients-forms", ("CALL-5", "CALL-6", "GRAD-1"), _TWO, _forms, _ASKS),
    Protocol("gradients-time-major", ("LAYOUT-1", "GRAD-1"), _TWO, _time_major, _TURNS),
    *(
        Protocol(f"gradients-second-masks-{id}", ("CALL-1", "DROP-3"), id, _second_masks)
        for id in ("training-layers", "training-gru_after-all")
    ),
)
