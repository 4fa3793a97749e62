"""A call is a function of its arguments and the weights, whatever was called before (CALL-1 to CALL-4)."""

from dataclasses import replace
from types import MappingProxyType
from typing import Any

import numpy as np

from rnnspec.conformance.case import Case, solved
from rnnspec.conformance.exchange import Exchange
from rnnspec.conformance.protocol.protocol import Protocol

_BACKWARDS = slice(None, None, -1)


def resized(case: Case, seed: int, batch: int, time: int) -> Case:
    """The same weights with other inputs, in another number of rows and steps."""
    rng = np.random.default_rng(seed)
    given: dict[str, Any] = {"lengths": rng.integers(0, time + 1, batch)}
    given |= {name: rng.random((batch, time)) < 0.6 for name in ("mask", "reset")}
    changes = {name: value for name, value in given.items() if name in case.inputs}
    return case.fresh(seed, weights=case.weights, batch=batch, time=time, **changes)


def _other_sizes(exchange: Exchange) -> None:
    case, net = exchange.case, exchange.load()
    exchange.call(net)
    for k, (batch, time) in enumerate([(2, 6), (4, 9), (1, 1), (7, 3), (3, 40)]):
        exchange.call(net, resized(case, k, batch, time), f"after other sizes, {batch} rows and {time} steps: ")
        exchange.call(net, what=f"after {batch} rows and {time} steps: ")
    exchange.watch.check()


def _one_argument(exchange: Exchange) -> None:
    """Each argument alone is another one, in its values and not in its shape, and is left out."""
    case, net = exchange.case, exchange.load()
    exchange.call(net)
    for name in case.inputs:
        changed = replace(case, inputs=case.inputs | {name: case.inputs[name][_BACKWARDS]})
        exchange.call(net, solved(changed), f"with another {name} alone: ")
        exchange.call(net, what=f"after a call with another {name}: ")
    states = set(case.model.states()) & set(case.inputs)
    for what, names in [*((name, {name}) for name in ("lengths", "mask", "reset")), ("states", states)]:
        if names & set(case.inputs):
            without = {name: array for name, array in case.inputs.items() if name not in names}
            exchange.call(net, solved(replace(case, inputs=without)), f"without {what}: ")
            exchange.call(net, what=f"after a call without {what}: ")
    exchange.watch.check()


def _many(exchange: Exchange) -> None:
    net = exchange.load()
    for k in range(12):
        order = np.roll(np.arange(4), k)
        exchange.call(net, exchange.case.rows(order), f"call {k + 1}: ")
    exchange.watch.check()


def _two_networks(exchange: Exchange) -> None:
    """Of one architecture and of two, loaded before and after, called in turn, and when one is gone."""
    case = exchange.case
    other, later = case.fresh(1), case.fresh(2)
    first, second = exchange.load(), exchange.load(other)
    for k in range(2):
        exchange.call(first, what=f"beside a second network, call {k + 1}: ")
        exchange.call(second, other, f"of a second network, call {k + 1}: ")
    third = exchange.load(later)
    if exchange.variant.dtype == "float64":
        exchange.variant.load(later.checkpoint.copy(), dtype="float32")(**later.rows(_BACKWARDS).call)
    exchange.call(first, what="after another network was loaded: ")
    exchange.call(third, later, "of a third network: ")
    exchange.watch.spoil()
    del first, third
    exchange.call(second, other, "after other networks were given up: ")
    exchange.watch.check()


def _same_buffers(exchange: Exchange) -> None:
    """The caller fills the same arrays again as soon as a call has returned, and may hand in its results."""
    case, net = exchange.case, exchange.load()
    buffers, state = {k: np.array(v) for k, v in case.call.items() if k != "state"}, dict(case.call.get("state", {}))
    state = {name: np.array(array) for name, array in state.items()}
    for k, now in enumerate([case, case.rows(_BACKWARDS), case]):
        for name, array in (buffers | state).items():
            array[...] = now.inputs[name]
        y, new = net(**buffers, **({"state": state} if state else {}))
        for array in (buffers | state).values():
            array[...] = 0
        exchange.answered(f"from arrays that are filled anew, call {k + 1}: ", now, y, new)
    exchange.watch.check()


def _interleaved(exchange: Exchange) -> None:
    """Two streams and whole sequences in turn, step by step on one network."""
    case, net = exchange.case, exchange.load()
    streams = [case, resized(case, 1, 3, case.inputs["x"].shape[1])]
    states: list[Any] = [stream.call["state"] for stream in streams]
    outputs: list[list[np.ndarray]] = [[], []]
    whole = replace(case, split="whole")
    for t in range(case.inputs["x"].shape[1]):
        for k, stream in enumerate(streams):
            x, given = exchange.watch.given("x", stream.inputs["x"][:, t].copy()), states[k]
            y, states[k] = net.step(x, exchange.watch.given("state", dict(given)))
            outputs[k].append(exchange.watch.answered(f"step {t}, ", {"y": y, **states[k]})["y"])
        if t % 2:
            exchange.call(net, whole, f"between steps, after step {t}: ")
    for k, stream in enumerate(streams):
        found = {name: np.asarray(value) for name, value in states[k].items()}
        exchange.compare(f"stream {k + 1} of two: ", found | {"y": np.stack(outputs[k], 1)}, stream)
    exchange.watch.check()


def _one_state(exchange: Exchange) -> None:
    """Several steps from one state, which is there still; and from none, which is the start and not where it was."""
    case, net = exchange.case, exchange.load()
    steps = [solved(_part(case, t)) for t in (0, 3)]
    starts = [solved(replace(step, inputs={"x": step.inputs["x"]})) for step in steps]
    for k, step in enumerate([steps[0], steps[1], starts[0], steps[0], starts[1], starts[1], steps[1]]):
        if k == 2:
            exchange.call(net, replace(case, split="whole"), "whole sequences between steps: ")
        exchange.call(net, step, f"step {k + 1} of several from one state: ")
    state = exchange.arguments(case)["state"]
    x = case.inputs["x"]
    _, state = net.step(x[:, 0], state)
    exchange.watch.answered("a state that is passed on twice, ", state)
    passed = {name: np.asarray(value).copy() for name, value in state.items()}
    again = solved(replace(_part(case, 1), inputs={"x": x[:, 1:2], **passed}))
    for k in range(2):
        y, new = net.step(x[:, 1], state)
        found = exchange.watch.answered("from a state that was passed on before: ", {"y": y, **new})
        exchange.compare(f"from one returned state, time {k + 1}: ", found | {"y": found["y"][:, None]}, again)
    exchange.watch.check()


def _part(case: Case, t: int) -> Case:
    """One step from the case's own states."""
    return replace(case, inputs=case.inputs | {"x": case.inputs["x"][:, t : t + 1]})


def _orders(exchange: Exchange) -> None:
    """States are taken by their names: in any order, from any mapping."""
    net, state = exchange.load(), exchange.case.call["state"]
    reordered = dict(reversed(state.items()))
    exchange.call(net, what="states in reverse order: ", state=reordered)
    exchange.call(net, what="states in order: ")
    exchange.call(net, what="states in alphabetical order: ", state=dict(sorted(state.items())))
    exchange.call(net, what="states in a read-only mapping: ", state=MappingProxyType(reordered))
    if exchange.case.split != "whole":
        return
    _, new = net(**exchange.arguments(exchange.case))
    passed = {name: np.asarray(value).copy() for name, value in new.items()}
    again = solved(replace(exchange.case, inputs=exchange.case.inputs | passed))
    exchange.call(net, again, "from returned states in reverse order: ", state=dict(reversed(list(new.items()))))


def _positions(exchange: Exchange) -> None:
    """x, lengths, mask, state and reset by position, in this order."""
    case, net = exchange.case, exchange.load()
    call = exchange.arguments(case)
    given = [call.get(name) for name in ("x", "lengths", "mask", "state", "reset")]
    while given[-1] is None:
        given.pop()
    exchange.answered("arguments by position: ", case, *net(*given))


_SEQUENCES = ("lstm-forward-ragged", "gru_after-bidirectional-mask", "characters", "restarts-forward-last")
_STEPS = ("lstm-steps", "gru_before-steps", "characters-steps")

PROTOCOLS = (
    *(Protocol(f"other-sizes-{id}", ("CALL-1", "CALL-2", "CALL-3"), id, _other_sizes) for id in _SEQUENCES),
    *(Protocol(f"one-argument-{id}", ("CALL-1",), id, _one_argument) for id in (*_SEQUENCES, "stack-bidirectional")),
    *(Protocol(f"many-calls-{id}", ("CALL-1",), id, _many) for id in ("lstm-forward-full", "lstm-steps")),
    *(Protocol(f"two-networks-{id}", ("CALL-1",), id, _two_networks) for id in (*_SEQUENCES, "lstm-steps")),
    *(Protocol(f"same-buffers-{id}", ("CALL-2",), id, _same_buffers) for id in _SEQUENCES),
    *(Protocol(f"interleaved-{id}", ("CALL-1", "STEP-1"), id, _interleaved) for id in _STEPS),
    *(Protocol(f"one-state-{id}", ("CALL-1", "CALL-2", "STEP-1"), id, _one_state) for id in _STEPS),
    *(
        Protocol(f"state-order-{id}", ("CALL-4",), id, _orders)
        for id in ("lstm-forward-full", "lstm-bidirectional-empty", "stack-bidirectional", "characters", "lstm-steps")
    ),
    *(
        Protocol(f"positions-{id}", ("CALL-5",), id, _positions)
        for id in ("characters", "gru_after-bidirectional-mask", "restarts-forward-last")
    ),
)
