"""Between calls: what is written into, given out twice, kept, forgotten or shared."""

import numpy as np

from tests.conformance.wrong.backend import Wrong


def _into(name, change):
    """An argument that is written into after the call."""

    def call(net, memory, x, given):
        answer = net(x, **given)
        value = x if name == "x" else given.get(name)
        if isinstance(value, np.ndarray) and value.flags.writeable:
            change(value)
        return answer

    return Wrong(call=call)


def _into_states(change):
    def call(net, memory, x, given):
        y, new = net(x, **given)
        change(given.get("state") or {}, new)
        return y, new

    return Wrong(call=call)


def _fill(a, value):
    if a.flags.writeable:
        a[...] = value


def _states_from(new, given):
    for name, array in given.items():
        _fill(array, new[name])


def _fill_mask(a):
    a[...] = np.logical_or.accumulate(a[:, ::-1], 1)[:, ::-1]


def _buffers(memory, results, place="buffers"):
    """The results in arrays that are used again."""
    kept = memory.setdefault(place, {})
    found = {}
    for name, value in results.items():
        found[name] = kept.setdefault((name, np.shape(value), str(value.dtype)), np.empty_like(value))
        found[name][...] = value
    return found


def _buffered(y=False, states=False, shared=False, step=False):
    def answer(memory, y_, new):
        memory = memory["shared"] if shared else memory
        if y and not isinstance(y_, tuple):
            y_ = _buffers(memory, {"y": y_})["y"]
        return y_, _buffers(memory, new) if states else new

    def call(net, memory, x, given):
        return answer(memory, *net(x, **given))

    def stepped(net, memory, x, state):
        return answer(memory, *net.step(x, state))

    return Wrong(step=stepped) if step else Wrong(call=call)


def _same_mapping(net, memory, x, given):
    y, new = net(x, **given)
    kept = memory.setdefault("states", {})
    kept.update(new)
    return y, kept


def _same_mapping_step(net, memory, x, state):
    y, new = net.step(x, dict(state) if state else None)
    kept = memory.setdefault("states", {})
    kept.update(new)
    return y, kept


def _later(after, change=lambda y: y * 1.01, step=False):
    """Calls are wrong from some number on, or at some numbers."""

    def answer(memory, y, new):
        memory["calls"] = memory.get("calls", 0) + 1
        if after(memory["calls"]):
            y = tuple(map(change, y)) if isinstance(y, tuple) else change(y)
        return y.astype(next(iter(new.values())).dtype) if new and not isinstance(y, tuple) else y, new

    def call(net, memory, x, given):
        return answer(memory, *net(x, **given))

    def stepped(net, memory, x, state):
        return answer(memory, *net.step(x, state))

    return Wrong(step=stepped) if step else Wrong(call=call)


def _stateful(net, memory, x, given):
    """States that are not given are those of the last call."""
    rows = len(np.asarray(x))
    if "state" not in given and memory.get("rows") == rows and net.model.states():
        given = given | {"state": memory["state"]}
    y, new = net(x, **given)
    memory |= {"rows": rows, "state": {k: np.array(v) for k, v in new.items()}}
    return y, new


def _stateful_step(net, memory, x, state):
    rows = len(np.asarray(x))
    if state is None and memory.get("rows") == rows:
        state = memory["state"]
    y, new = net.step(x, state)
    memory |= {"rows": rows, "state": {k: np.array(v) for k, v in new.items()}}
    return y, new


def _step_after_call():
    """A step without states goes on after the last whole call."""

    def call(net, memory, x, given):
        y, new = net(x, **given)
        memory["state"] = {k: np.array(v) for k, v in new.items()}
        return y, new

    def step(net, memory, x, state):
        old = memory.get("state")
        if state is None and old and len(next(iter(old.values()))) == len(np.asarray(x)):
            state = old
        return net.step(x, state)

    return Wrong(call=call, step=step)


def _fixed_rows(net, memory, x, given):
    """The rows of the first call are all that there is room for."""
    rows = memory.setdefault("rows", np.shape(x)[0])
    y, new = net(x, **given)
    if isinstance(y, tuple):
        return y, new
    return y[: max(rows, 0)], {name: a[:rows] for name, a in new.items()}


def _fixed_steps(net, memory, x, given):
    steps = memory.setdefault("steps", np.shape(x)[1])
    y, new = net(x, **given)
    if not isinstance(y, tuple) and y.ndim == 3:
        y = np.array(y)
        y[:, steps:] = 0
    return y, new


def _cached(*names, shared=False, step=False):
    """Answers are kept by some of what they depend on."""

    def key(x, given):
        parts = {"shape": str(np.shape(x)), "x": np.asarray(x).tobytes(), "id": id(x), "keys": str(sorted(given))}
        parts |= {k: str(v) for k, v in given.items()}
        parts.setdefault("lengths", "")
        return tuple(parts.get(name, "") for name in names)

    def call(net, memory, x, given):
        kept = (memory["shared"] if shared else memory).setdefault("answers", {})
        k = key(x, given)
        if k not in kept:
            kept[k] = net(x, **given)
        y, new = kept[k]
        copied = tuple(map(np.array, y)) if isinstance(y, tuple) else np.array(y)
        return copied, {name: np.array(value) for name, value in new.items()}

    def stepped(net, memory, x, state):
        kept = (memory["shared"] if shared else memory).setdefault("answers", {})
        k = key(x, {"state": state} if state else {})
        if k not in kept:
            kept[k] = net.step(x, state)
        y, new = kept[k]
        return np.array(y), {name: np.array(value) for name, value in new.items()}

    return Wrong(step=stepped) if step else Wrong(call=call)


def _remembers(name, by_shape=True):
    """An argument is that of the first call with x of the same shape, or goes on where it is not given."""

    def call(net, memory, x, given):
        kept = memory.setdefault("kept", {})
        k = np.shape(x)
        if by_shape and name in given:
            given = given | {name: kept.setdefault(k, _copied(given[name]))}
        elif not by_shape:
            if name in given:
                kept[k] = _copied(given[name])
            elif k in kept and not (name in ("lengths", "mask") and {"lengths", "mask"} & set(given)):
                given = given | {name: kept[k]}
        return net(x, **given)

    return Wrong(call=call)


def _copied(value):
    return {k: np.array(v) for k, v in value.items()} if isinstance(value, dict) else np.array(value)


def _running_mean(net, memory, x, given):
    y, new = net(x, **given)
    x = np.asarray(x)
    memory["mean"] = 0.9 * memory.get("mean", 0.0) + 0.1 * float(np.mean(x)) if x.size else memory.get("mean", 0.0)
    memory["calls"] = memory.get("calls", 0) + 1
    shift = np.asarray(memory["mean"] if memory["calls"] > 1 else 0.0)
    return (y if isinstance(y, tuple) else (y + shift).astype(np.asarray(y).dtype)), new


def _call_after_step():
    def step(net, memory, x, state):
        memory["stepped"] = True
        return net.step(x, state)

    def call(net, memory, x, given):
        y, new = net(x, **given)
        return (y if isinstance(y, tuple) or "stepped" not in memory else y * 2), new

    return Wrong(call=call, step=step)


def _shared_weights(first):
    """All networks, or all of one architecture, have the weights of the first or the last that was loaded."""
    kept = {}

    def load(checkpoint):
        key = checkpoint.model.to_json()
        if first:
            return kept.setdefault(key, checkpoint.copy())
        return checkpoint

    def call(net, memory, x, given):
        return net(x, **given)

    return Wrong(load=load, call=call)


def _last_net():
    """Calls go to the network that was loaded last, where it has the same architecture."""
    nets = {}

    def call(net, memory, x, given):
        if "seen" not in memory:
            memory["seen"] = True
            nets[net.model.to_json(), net.dtype, net.time_major] = net
        return nets[net.model.to_json(), net.dtype, net.time_major](x, **given)

    return Wrong(call=call)


def _shared_states(net, memory, x, state):
    """Steps without states go on where any network was."""
    kept, rows = memory["shared"], len(np.asarray(x))
    key = net.model.to_json(), rows, net.dtype
    y, new = net.step(x, kept.get(key) if state is None else state)
    kept[key] = {k: np.array(v) for k, v in new.items()}
    return y, new


def _by_identity():
    kept = {}

    def load(checkpoint):
        return kept.setdefault(id(checkpoint), (checkpoint, checkpoint.copy()))[1]

    return Wrong(load=load)


def _zeroed(checkpoint):
    own = checkpoint.copy()
    for array in checkpoint.weights.values():
        array *= 0
    return own


def _emptied(checkpoint):
    own = checkpoint.copy()
    checkpoint.weights.clear()
    return own


def _marked(checkpoint):
    own = checkpoint.copy()
    checkpoint.metadata["loaded"] = True
    return own


def _aliased(net, memory, x, given):
    """Final states are the caller's arrays where the numbers are the same."""
    y, new = net(x, **given)
    state = given.get("state") or {}
    return y, {k: state[k] if k in state and np.array_equal(state[k], a) else a for k, a in new.items()}


def _borrowed_weights():
    """The weights are the caller's arrays, and read in each call."""

    def load(checkpoint):
        kept.append(checkpoint)
        return checkpoint

    def call(net, memory, x, given):
        if "mine" not in memory:
            memory["mine"] = next((c for c in reversed(kept) if c.model is net.model), None)
        mine = memory["mine"]
        if mine is not None:
            weights = {name: np.asarray(a, net.dtype) for name, a in mine.weights.items()}
            net._weights = net.model.by_layer(weights)
        return net(x, **given)

    kept = []
    return Wrong(load=load, call=call)


def _step_counter(limit):
    """After so many steps on a network the states begin anew."""

    def step(net, memory, x, state):
        memory["steps"] = memory.get("steps", 0) + 1
        if memory["steps"] % limit == 0:
            state = None
        return net.step(x, state)

    return Wrong(step=step)


def _transient():
    """x is written into and put back, in another precision."""

    def change(a):
        if a.dtype.kind == "f":
            a[...] = a * a.dtype.type(1.1) / a.dtype.type(1.1)

    return _into("x", change)


def _first_call_rounds(net, memory, x, given):
    y, new = net(x, **given)
    memory["warm"] = memory.get("warm", 0) + 1
    if memory["warm"] > 1 and not isinstance(y, tuple):
        y = np.asarray(y).astype("float16").astype(np.asarray(y).dtype)
    return y, new


def _sorted_rows(net, memory, x, given):
    """Rows are sorted by length, and the order of the first call undoes it."""
    y, new = net(x, **given)
    if "lengths" not in given or isinstance(y, tuple):
        return y, new
    order = np.argsort(-np.asarray(given["lengths"]).astype(int), kind="stable")
    back = memory.setdefault(("order", len(order)), np.argsort(order))
    return y[order][back], {name: a[order][back] for name, a in new.items()}


MEMORY = {
    "x is scaled in place": _into("x", lambda a: np.multiply(a, 2, out=a) if a.dtype.kind == "f" else _fill(a, 0)),
    "x is set to zero after the call": _into("x", lambda a: _fill(a, 0)),
    "the last step of x is set to zero": _into("x", lambda a: a[:, -1:].fill(0)),
    "the rows of x are turned in place": _into("x", lambda a: _fill(a, a[::-1].copy())),
    "x is rescaled and put back": _transient(),
    "lengths are sorted in place": _into("lengths", lambda a: a.sort()),
    "lengths are at least 1 in place": _into("lengths", lambda a: np.maximum(a, 1, out=a)),
    "lengths are counted down in place": _into("lengths", lambda a: _fill(a, 0)),
    "the mask is filled up in place": _into("mask", _fill_mask),
    "the mask is inverted in place": _into("mask", lambda a: np.logical_not(a, out=a)),
    "resets are cleared in place": _into("reset", lambda a: _fill(a, False)),
    "final states are written into the given ones": _into_states(lambda given, new: _states_from(new, given)),
    "given states are set to zero": _into_states(lambda given, new: [_fill(a, 0) for a in given.values()]),
    "one given state is set to zero": _into_states(lambda given, new: [_fill(a, 0) for a in list(given.values())[-1:]]),
    "given states are popped": _into_states(lambda given, new: given.clear() if isinstance(given, dict) else None),
    "final states are put into the given mapping": _into_states(
        lambda given, new: given.update(new) if isinstance(given, dict) and given else None
    ),
    "a step writes into its states": Wrong(
        step=lambda net, memory, x, state: (lambda answer: (_states_from(answer[1], state or {}), answer)[1])(
            net.step(x, state)
        )
    ),
    "a step writes into x": Wrong(
        step=lambda net, memory, x, state: (lambda answer: (_fill(x, 0), answer)[1])(net.step(x, state))
    ),
    "weights that were given are set to zero": Wrong(load=_zeroed),
    "weights that were given are taken out": Wrong(load=_emptied),
    "metadata that were given are marked": Wrong(load=_marked),
    "weights are borrowed": _borrowed_weights(),
    "the output is a buffer": _buffered(y=True),
    "final states are buffers": _buffered(states=True),
    "output and states are buffers of all networks": _buffered(y=True, states=True, shared=True),
    "the output of a step is a buffer": _buffered(y=True, step=True),
    "the states of a step are buffers": _buffered(states=True, step=True),
    "final states come in one mapping": Wrong(call=_same_mapping),
    "the states of a step come in one mapping": Wrong(step=_same_mapping_step),
    "states that did not change are the caller's": Wrong(call=_aliased),
    "the second call is wrong": _later(lambda n: n == 2),
    "all calls but the first are wrong": _later(lambda n: n > 1),
    "every third call is wrong": _later(lambda n: n % 3 == 0),
    "the tenth call is wrong": _later(lambda n: n == 10),
    "calls drift": _later(lambda n: n > 4, lambda y: y + 1e-3),
    "all steps but the first are wrong": _later(lambda n: n > 1, step=True),
    "the twentieth step is wrong": _later(lambda n: n == 20, step=True),
    "calls after the first are in half precision": Wrong(call=_first_call_rounds),
    "states go on from call to call": Wrong(call=_stateful),
    "states go on from step to step": Wrong(step=_stateful_step),
    "steps go on after a call": _step_after_call(),
    "steps go on from network to network": Wrong(step=_shared_states),
    "rows are those of the first call": Wrong(call=_fixed_rows),
    "steps are those of the first call": Wrong(call=_fixed_steps),
    "answers are kept by shape": _cached("shape", "keys"),
    "answers are kept by x": _cached("x", "keys"),
    "answers are kept by the identity of x": _cached("id", "keys"),
    "answers are kept by x and states": _cached("x", "keys", "state"),
    "answers are kept by x and lengths": _cached("x", "keys", "lengths"),
    "answers are kept by x, lengths and mask": _cached("x", "keys", "lengths", "mask"),
    "answers are kept by all but resets": _cached("x", "keys", "lengths", "mask", "state"),
    "answers are kept by all but x": _cached("shape", "keys", "lengths", "mask", "state", "reset"),
    "answers are kept without what was left out": _cached("x", "state"),
    "answers are kept for all networks": _cached("x", "keys", "lengths", "mask", "state", "reset", shared=True),
    "steps are kept by x": _cached("x", "keys", step=True),
    "steps are kept by shape": _cached("shape", "keys", step=True),
    "steps are kept by states": _cached("shape", "keys", "state", step=True),
    "lengths are kept by shape": _remembers("lengths"),
    "masks are kept by shape": _remembers("mask"),
    "resets are kept by shape": _remembers("reset"),
    "states are kept by shape": _remembers("state"),
    "lengths go on": _remembers("lengths", by_shape=False),
    "masks go on": _remembers("mask", by_shape=False),
    "resets go on": _remembers("reset", by_shape=False),
    "a running mean is added": Wrong(call=_running_mean),
    "calls after a step are doubled": _call_after_step(),
    "the order of rows is that of the first call": Wrong(call=_sorted_rows),
    "steps begin anew after 30": _step_counter(30),
    "one architecture has the first weights": _shared_weights(True),
    "one architecture has one network": _last_net(),
    "checkpoints are known by identity": _by_identity(),
}
