"""What is taken, in which form, in which order; what is refused."""

import numpy as np

from rnnspec.conformance import differentiable
from rnnspec.errors import SpecError, UnsupportedError
from tests.conformance.wrong.backend import Wrong


def _on(name, change, step=True):
    """The argument is changed before the call."""

    def call(net, memory, x, given):
        if name == "x":
            return net(change(x, net), **given)
        return net(x, **(given | ({name: change(given[name], net)} if name in given else {})))

    def stepped(net, memory, x, state):
        if name == "x":
            return net.step(change(x, net), state)
        return net.step(x, change(state, net) if name == "state" and state is not None else state)

    return Wrong(call=call, step=stepped) if step else Wrong(call=call)


def _of_states(change, step=True):
    return _on("state", lambda state, net: change(state, net) if isinstance(state, dict) else state, step)


def _only(name, good, message="no"):
    def change(value, net):
        if not good(value, net):
            raise SpecError(f"{name}: {message}")
        return value

    return _on(name, change)


def _unsupported(name, good):
    def change(value, net):
        if not good(value, net):
            raise TypeError(f"{name}: {type(value)}")
        return value

    return _on(name, change)


def _floating(value):
    return isinstance(value, np.ndarray) and value.dtype.kind == "f"


def _full_where_zero(lengths, net):
    """`lengths - 1` is the last step: in an unsigned type, that of no steps is the last of all."""
    a = np.asarray(lengths)
    return np.where(a == 0, 6, a).astype("int64") if a.dtype.kind == "u" else lengths


def _swap_order(order):
    """Arguments by position come in another order."""

    def module(base=differentiable):
        made = Wrong().module()
        right = made.load

        def load(source, dtype="float32", seed=0, time_major=False):
            net = right(source, dtype, seed, time_major)
            kind = type(net)

            class Other(kind):
                def __call__(self, *positional, **given):
                    return kind.__call__(self, **dict(zip(order, positional, strict=False)), **given)

            other = Other.__new__(Other)
            other.__dict__ = net.__dict__
            return other

        made.load = load
        return made

    return module


def _any_keyword(step):
    def module():
        made = Wrong().module()
        right = made.load

        def load(source, dtype="float32", seed=0, time_major=False):
            net = right(source, dtype, seed, time_major)
            kind = type(net)

            class Other(kind):
                def __call__(self, x, lengths=None, mask=None, state=None, reset=None, **others):
                    if others and step:
                        raise TypeError("unknown")
                    return kind.__call__(self, x, lengths, mask, state, reset)

                def step(self, x_t, state=None, **others):
                    if others and not step:
                        raise TypeError("unknown")
                    return kind.step(self, x_t, state)

            other = Other.__new__(Other)
            other.__dict__ = net.__dict__
            return other

        made.load = load
        return made

    return module


def _keep_first(net, memory, x, given):
    try:
        answer = net(x, **given)
    except SpecError:
        if "good" in memory:
            x, given = memory["good"]
            return net(x, **given)
        raise
    memory["good"] = x, given
    return answer


def _broken_after(net, memory, x, given):
    """A refusal leaves the network in another state."""
    try:
        y, new = net(x, **given)
    except SpecError:
        memory["broken"] = True
        raise
    return (y if isinstance(y, tuple) or "broken" not in memory else y * 2), new


def _other_errors(kind):
    def call(net, memory, x, given):
        try:
            return net(x, **given)
        except SpecError as error:
            raise kind(str(error)) from None

    return Wrong(call=call)


def _step_errors(net, memory, x, state):
    try:
        return net.step(x, state)
    except SpecError as error:
        raise ValueError(str(error)) from None


def _last_step(net, memory, x, state):
    x = np.asarray(x)
    rank = 1 if net.model.inputs is None else 2
    return net.step(x[:, -1] if x.ndim > rank and x.dtype.kind in "fi" else x, state)


def _fitted(size):
    """States are cut or filled up to their size."""

    def change(state, net):
        sizes, found = net.model.states(), {}
        for name, value in state.items():
            a = np.asarray(value)
            if name in sizes and a.ndim == 2 and a.dtype.kind == "f":
                if size and a.shape[1] < sizes[name]:
                    a = np.pad(a, ((0, 0), (0, sizes[name] - a.shape[1])))
                a = a[:, : sizes[name]]
            found[name] = a
        return found

    return _of_states(change)


def _filled(state, net):
    """States that are missing are zero."""
    if not state:
        return state
    rows = next(iter(state.values()))
    return {n: state.get(n, np.zeros((len(rows), s), "float32")) for n, s in net.model.states().items()} | state


def _known_only(state, net):
    return {name: value for name, value in state.items() if name in net.model.states()}


def _rows(change):
    def call(net, memory, x, given):
        if isinstance(given.get("state"), dict):
            rows = np.shape(x)[0]
            given = given | {"state": {n: change(np.asarray(v), rows) for n, v in given["state"].items()}}
        return net(x, **given)

    def step(net, memory, x, state):
        if isinstance(state, dict):
            state = {n: change(np.asarray(v), np.shape(x)[0]) for n, v in state.items()}
        return net.step(x, state)

    return Wrong(call=call, step=step)


def _one_for_all(value, rows):
    return np.repeat(value, rows, 0) if value.ndim == 2 and len(value) == 1 else value


def _cut_rows(value, rows):
    return value[:rows] if value.ndim == 2 else value


def _broadcast(name):
    def call(net, memory, x, given):
        if name in given:
            value = np.asarray(given[name])
            if value.dtype == bool and value.ndim == 2:
                given = given | {name: np.broadcast_to(value, np.broadcast_shapes(value.shape, np.shape(x)[:2]))}
        return net(x, **given)

    return Wrong(call=call)


def _both(net, memory, x, given):
    if {"lengths", "mask"} <= set(given):
        given = {name: value for name, value in given.items() if name != "lengths"}
    return net(x, **given)


def _by_position(state, net):
    names = list(net.model.states())
    return dict(zip(names, state.values(), strict=True)) if len(state) == len(names) else state


def _from_tuple(state, net):
    return dict(zip(net.model.states(), state, strict=True)) if isinstance(state, tuple) else state


def _raw(value, net):
    """The memory as it lies, whatever the strides say."""
    return value.ravel("K").reshape(value.shape) if isinstance(value, np.ndarray) else value


def _native(value, net):
    return value.view(value.dtype.newbyteorder("=")) if isinstance(value, np.ndarray) else value


def _real(value, net):
    return value.real if isinstance(value, np.ndarray) and value.dtype.kind == "c" else value


def _read_text(value, net):
    return value.astype("float64") if isinstance(value, np.ndarray) and value.dtype.kind in "UO" else value


def _integer(value, net):
    """Whatever looks like one is made an integer."""
    return np.asarray(value).astype("int64")


def _boolean(value, net):
    return np.asarray(value).astype(bool)


def _integral(value, net):
    a = np.asarray(value)
    return a.astype("int64") if a.dtype == bool else value


def _ids(change):
    return _on("x", lambda x, net: change(np.asarray(x), net) if net.model.inputs is None else x)


def _vocabulary(net):
    return net.model.layers[0].vocabulary


def _half(x, net):
    a = np.asarray(x)
    return np.round(a.astype("float64"), 2) if a.dtype == np.float16 else x


def _rounded(net, memory, x, given):
    x = np.asarray(x)
    return net(x.astype("float32") if x.dtype.kind == "f" else x, **given)


def _converted(dtype):
    def load(checkpoint):
        return checkpoint.copy(dtype)

    return load


def _float64_results(net, memory, x, given):
    """The results have the dtype of x."""
    y, new = net(x, **given)
    x = np.asarray(x)
    if x.dtype == np.float64 and not isinstance(y, tuple):
        y = y.astype(x.dtype)
    return y, new


def _states_dtype(net, memory, x, given):
    y, new = net(x, **given)
    state = given.get("state") or {}
    dtypes = {n: np.asarray(v).dtype for n, v in state.items()} if isinstance(state, dict) else {}
    return y, {n: a.astype(dtypes[n]) if n in dtypes and dtypes[n].kind == "f" else a for n, a in new.items()}


def _no_lists(value, net):
    return isinstance(value, np.ndarray)


def _writeable(value, net):
    return not isinstance(value, np.ndarray) or value.flags.writeable


def _contiguous(value, net):
    return not isinstance(value, np.ndarray) or value.flags.c_contiguous


ARGUMENTS = {
    "lengths are arrays only": _unsupported("lengths", _no_lists),
    "lengths are no tuples": _unsupported("lengths", lambda v, net: not isinstance(v, tuple)),
    "lengths are int32 only": _unsupported("lengths", lambda v, net: np.asarray(v).dtype == np.int32),
    "lengths are int64 only": _only("lengths", lambda v, net: np.asarray(v).dtype == np.int64),
    "lengths are signed": _only("lengths", lambda v, net: np.asarray(v).dtype.kind != "u"),
    "lengths of 8 bits are refused": _only("lengths", lambda v, net: np.asarray(v).dtype.itemsize > 1),
    "unsigned lengths of zero are full": _on("lengths", _full_where_zero),
    "lengths are made integers": _on("lengths", _integer),
    "booleans are lengths": _on("lengths", _integral),
    "lengths are clipped": _on("lengths", lambda v, net: np.minimum(v, 6) if np.asarray(v).dtype.kind in "iu" else v),
    "negative lengths are zero": _on(
        "lengths", lambda v, net: np.maximum(v, 0) if np.asarray(v).dtype.kind == "i" else v
    ),
    "lengths are flattened": _on("lengths", lambda v, net: np.ravel(v) if isinstance(v, np.ndarray) else v),
    "lengths in the other byte order are misread": _on("lengths", _native),
    "masks are arrays only": _unsupported("mask", _no_lists),
    "masks are made boolean": _on("mask", _boolean),
    "masks of uint8 are taken": _on(
        "mask", lambda v, net: v.astype(bool) if getattr(v, "dtype", None) == np.uint8 else v
    ),
    "masks broadcast": _broadcast("mask"),
    "masks are squeezed": _on("mask", lambda v, net: np.asarray(v)[..., 0] if np.ndim(v) == 3 else v),
    "masks are turned": _on("mask", lambda v, net: v.T if getattr(v, "shape", (4,))[0] == 6 else v),
    "masks are read as they lie": _on("mask", _raw),
    "resets are made boolean": _on("reset", _boolean),
    "resets broadcast": _broadcast("reset"),
    "resets are arrays only": _unsupported("reset", _no_lists),
    "resets are read as they lie": _on("reset", _raw),
    "a mask goes before lengths": Wrong(call=_both),
    "x is an array only": _unsupported("x", _no_lists),
    "x is float32 only": _only("x", lambda v, net: np.asarray(v).dtype in (np.float32, np.int64)),
    "x of integers is refused": _only("x", lambda v, net: net.model.inputs is None or _floating(np.asarray(v))),
    "x of float16 is refused": _only("x", lambda v, net: np.asarray(v).dtype != np.float16),
    "x of float16 is rounded": _on("x", _half),
    "x is read as it lies": _on("x", _raw),
    "x in the other byte order is misread": _on("x", _native),
    "x must be contiguous": _unsupported("x", _contiguous),
    "x must be writeable": _unsupported("x", _writeable),
    "x loses its imaginary part": _on("x", _real),
    "x of text is read": _on("x", _read_text),
    "x of more axes is flattened": _on("x", lambda v, net: v[..., 0] if np.ndim(v) == 4 else v),
    "x of one row needs no axis": _on(
        "x", lambda v, net: np.asarray(v)[None] if np.ndim(v) == (2 if net.model.inputs else 1) else v, step=False
    ),
    "features are cut": _on("x", lambda v, net: v[..., : net.model.inputs] if net.model.inputs and np.ndim(v) else v),
    "features broadcast": _on(
        "x",
        lambda v, net: (
            np.repeat(v, net.model.inputs, -1)
            if net.model.inputs and np.shape(v)[-1:] == (1,) and np.ndim(v) in (2, 3)
            else v
        ),
    ),
    "ids are int64 only": _ids(lambda a, net: a if a.dtype == np.int64 else a.astype("float32")),
    "ids are signed": _ids(lambda a, net: a if a.dtype.kind != "u" else a.astype("float32")),
    "ids of 8 bits are masks": _ids(lambda a, net: (a > 0).astype("int64") if a.dtype == np.uint8 else a),
    "ids are made integers": _ids(lambda a, net: a.astype("int64") if a.dtype.kind == "f" else a),
    "booleans are ids": _ids(_integral),
    "ids wrap": _ids(lambda a, net: a % _vocabulary(net) if a.dtype.kind in "iu" else a),
    "ids are clamped": _ids(lambda a, net: np.clip(a, 0, _vocabulary(net) - 1) if a.dtype.kind == "i" else a),
    "ids are cut to 32 bits": _ids(lambda a, net: a.astype("int32") if a.dtype == np.int64 else a),
    "states are arrays only": _of_states(lambda s, net: {n: v if _no_lists(v, net) else None for n, v in s.items()}),
    "states are taken by position": _of_states(_by_position),
    "states are sorted by name": _of_states(lambda s, net: _by_position(dict(sorted(s.items())), net)),
    "states in a tuple are taken": _on("state", _from_tuple),
    "states are of the type dict": _unsupported("state", lambda v, net: isinstance(v, dict)),
    "missing states are zero": _of_states(_filled),
    "no states at all are zeros": _on("state", lambda v, net: None if isinstance(v, dict) and not v else v),
    "unknown states are left out": _of_states(_known_only),
    "states of one row are repeated": _rows(_one_for_all),
    "states of more rows are cut": _rows(_cut_rows),
    "states are cut to their size": _fitted(False),
    "states are filled up to their size": _fitted(True),
    "states lose their imaginary part": _of_states(lambda s, net: {n: _real(v, net) for n, v in s.items()}),
    "states of text are read": _of_states(lambda s, net: {n: _read_text(v, net) for n, v in s.items()}),
    "states of integers are refused": _of_states(
        lambda s, net: {n: v if np.asarray(v).dtype.kind == "f" else None for n, v in s.items()}
    ),
    "states are read as they lie": _of_states(lambda s, net: {n: _raw(v, net) for n, v in s.items()}),
    "states in the other byte order are misread": _of_states(lambda s, net: {n: _native(v, net) for n, v in s.items()}),
    "states keep the dtype that they had": Wrong(call=_states_dtype),
    "the output has the dtype of x": Wrong(call=_float64_results),
    "a step takes a sequence": Wrong(step=_last_step),
    "a step raises ValueError": Wrong(step=_step_errors),
    "a step takes any argument": _any_keyword(True),
    "a call takes any argument": _any_keyword(False),
    "the mask comes first": _swap_order(("x", "mask", "lengths", "state", "reset")),
    "states come second": _swap_order(("x", "state", "lengths", "mask", "reset")),
    "resets come before states": _swap_order(("x", "lengths", "mask", "reset", "state")),
    "checks are made at first": Wrong(call=_keep_first),
    "after a refusal the network is another": Wrong(call=_broken_after),
    "ValueError is raised": _other_errors(ValueError),
    "UnsupportedError is raised": _other_errors(UnsupportedError),
    "x is rounded to float32": Wrong(call=_rounded),
    "weights are rounded to float32": Wrong(load=_converted("float32")),
}
