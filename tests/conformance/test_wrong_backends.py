"""Backends that go wrong without a word are caught."""

import functools
from types import ModuleType

import numpy as np
import pytest

import rnnspec.backends.numpy as backend
from rnnspec.conformance import cases, run, variants
from rnnspec.conformance.vectors import valid
from rnnspec.errors import UnsupportedError


def module(change, answer=None) -> ModuleType:
    """The reference, wrong in one way: `change` receives the net and the arguments of a call."""

    class Net:
        def __init__(self, net):
            self.net = net

        def __call__(self, x, lengths=None, mask=None, state=None, reset=None):
            return change(functools.partial(self.net, reset=reset), x, lengths, mask, state)

        def step(self, x_t, state=None, **memory):
            return self.net.step(x_t, state, **memory)

    found = ModuleType("wrong")
    found.load = answer or (lambda checkpoint: Net(backend.load(checkpoint)))
    return found


def fails(wrong: ModuleType) -> bool:
    """Whether it fails anywhere: then the others need not be run."""
    (variant,) = variants(wrong)
    return any(run(case, variant).outcome == "fail" for case in cases())


def each(change):
    """A change to every result."""

    def changed(net, *arguments):
        y, state = net(*arguments)
        return (tuple(map(change, y)) if isinstance(y, tuple) else change(y)), state

    return changed


def swapped(net, *arguments):
    y, state = net(*arguments)
    return y, dict(zip(state, reversed(list(state.values())), strict=True))


WRONG = {
    "ignores lengths": lambda net, x, lengths, mask, state: net(x, None, mask, state),
    "ignores masks": lambda net, x, lengths, mask, state: net(x, lengths, None, state),
    "lengths off by one": lambda net, x, lengths, mask, state: net(
        x, None if lengths is None else np.minimum(lengths + 1, x.shape[1]), mask, state
    ),
    "drops the initial state": lambda net, x, lengths, mask, state: net(x, lengths, mask, None),
    "drops the final state": lambda net, *arguments: (
        net(*arguments)[0],
        {name: value * 0 for name, value in net(*arguments)[1].items()},
    ),
    "exchanges final states": swapped,
    "leaves a state out": lambda net, *arguments: (net(*arguments)[0], dict(list(net(*arguments)[1].items())[:-1])),
    "NaN past the end": lambda net, x, lengths, mask, state: each(
        lambda y: np.where(
            (np.arange(y.shape[1]) < lengths[:, None])[..., None] if lengths is not None and y.ndim == 3 else True,
            y,
            np.nan,
        )
    )(net, x, lengths, mask, state),
    "float64 for float32": each(lambda y: y.astype("float64")),
    "half precision inside": each(lambda y: y.astype("float16").astype("float32")),
    "outputs transposed": each(lambda y: y.swapaxes(0, 1)),
    "raises the wrong error": lambda net, *arguments: {}["no such key"],
    "answers nothing": lambda net, *arguments: (None, {}),
    "off by 1e-4": each(lambda y: y + np.float32(1e-4)),
}


@pytest.mark.parametrize("name", WRONG)
def test_a_silent_backend_is_caught(name):
    assert fails(module(WRONG[name]))


def test_the_same_wrapper_unchanged_passes():
    (variant,) = variants(module(lambda net, *arguments: net(*arguments)))
    assert {run(case, variant).outcome for case in cases()} == {"pass", "unsupported"}  # it does not train


def test_returning_the_expected_file_is_caught():
    """A backend that looks its weights up on the disk knows every answer that is there, and no other."""

    def key(weights):
        return b"".join(weights[name].tobytes() for name in sorted(weights))

    by_weights = {key(case.weights): case for case in valid()}

    class Cheat:
        def __init__(self, checkpoint):
            self.case = by_weights.get(key(checkpoint.weights))
            self.net = backend.load(checkpoint)  # for what must be refused

        def __call__(self, x, **call):
            y, state = self.net(x, **call)
            if self.case is None or self.case.split != "whole":
                return y, {name: value * 0 for name, value in state.items()}
            rows = [row.tobytes() for row in self.case.inputs["x"]]
            order = [rows.index(row.tobytes()) if row.tobytes() in rows else 0 for row in x]  # however they are given
            found = {name: value[order].astype("float32") for name, value in self.case.expected.items()}
            y = (found.pop("y.forward"), found.pop("y.backward")) if "y.forward" in found else found.pop("y")
            return y, found

        def step(self, x_t, state=None):
            return self.net.step(x_t, state)

    (variant,) = variants(module(None, Cheat))
    results = [run(case, variant) for case in valid() if case.split == "whole" and not case.time_major]
    passed = [result for result in results if result.outcome == "pass"]
    failed = [result for result in results if result.outcome == "fail"]
    assert len(passed) > 100
    assert len(failed) > 10


def test_refusing_everything_passes_nothing():
    def load(checkpoint):
        raise UnsupportedError("not today")

    (variant,) = variants(module(None, load))
    assert {run(case, variant).outcome for case in valid()} == {"unsupported"}
