"""The conformance suite itself: it is fit to find mistakes, and it finds some."""

import functools
import re
from importlib.resources import files
from types import ModuleType

import numpy as np
import pytest

import rnnspec.backends.numpy as backend
from rnnspec.conformance import cases, run, variants

CASES = list(cases())


def clauses() -> set[str]:
    return set(re.findall(r"\*\*([A-Z]+-\d+)\*\*", files("rnnspec").joinpath("SPEC.md").read_text(encoding="utf-8")))


def test_ids_are_unique():
    assert len({case.id for case in CASES}) == len(CASES)


def test_cases_cite_clauses_that_exist():
    assert {clause for case in CASES for clause in case.clauses} <= clauses()


def test_clauses_cited_in_the_code_exist():
    root = files("rnnspec")
    cited = set()
    for folder in ("", "cells", "layers", "reference"):
        for file in root.joinpath(folder).iterdir():
            if file.name.endswith(".py"):
                cited |= set(re.findall(r"\b(?:[A-Z]{3,}-\d+)\b", file.read_text(encoding="utf-8")))
    assert {clause for clause in cited if not clause.startswith("UTF")} <= clauses()


@pytest.mark.parametrize("case", CASES[::7], ids=lambda case: case.id)
def test_no_two_rows_of_weights_are_alike(case):
    for array in case.checkpoint.weights.values():
        rows = array.reshape(-1, array.shape[-1])
        assert len({row.tobytes() for row in rows}) == len(rows)
        assert (array != 0).all()


def mutant(change) -> ModuleType:
    """The reference, wrong in one way: `change` receives the arguments of a call and may answer itself."""

    class Net:
        def __init__(self, net):
            self.net = net

        def __call__(self, x, lengths=None, mask=None, state=None, reset=None):
            net = functools.partial(self.net, reset=reset)
            return change(net, x, lengths, mask, state)

        def step(self, x_t, state=None):
            return self.net.step(x_t, state)

    module = ModuleType("mutant")
    module.load = lambda checkpoint: Net(backend.load(checkpoint))
    return module


def swap_final(net, x, lengths, mask, state):
    y, new = net(x, lengths, mask, state)
    names = list(new)
    return y, dict(zip(names, [new[name] for name in reversed(names)], strict=True))


MUTANTS = {
    "ignores lengths": lambda net, x, lengths, mask, state: net(x, None, mask, state),
    "lengths off by one": lambda net, x, lengths, mask, state: net(
        x, None if lengths is None else np.minimum(lengths + 1, x.shape[1]), mask, state
    ),
    "ignores the initial state": lambda net, x, lengths, mask, state: net(x, lengths, mask, None),
    "forgets the final state": lambda net, x, lengths, mask, state: (
        net(x, lengths, mask, state)[0],
        {name: np.zeros_like(value) for name, value in net(x, lengths, mask, state)[1].items()},
    ),
    "final states exchanged": swap_final,
    "NaN past the end": lambda net, x, lengths, mask, state: (
        net(x, lengths, mask, state)[0] * (np.nan if lengths is not None else 1),
        net(x, lengths, mask, state)[1],
    ),
    "the wrong dtype": lambda net, x, lengths, mask, state: (
        net(x, lengths, mask, state)[0].astype("f8"),
        net(x, lengths, mask, state)[1],
    ),
    "a state too many": lambda net, x, lengths, mask, state: (
        net(x, lengths, mask, state)[0],
        net(x, lengths, mask, state)[1] | {"more": np.zeros(3, "f4")},
    ),
    "raises the wrong error": lambda net, x, lengths, mask, state: [][0],
}


@pytest.mark.parametrize("name", MUTANTS)
def test_a_wrong_backend_is_caught(name):
    (variant,) = variants(mutant(MUTANTS[name]))
    assert any(run(case, variant).outcome == "fail" for case in CASES)


def test_the_same_wrapper_unchanged_passes():
    (variant,) = variants(mutant(lambda net, *arguments: net(*arguments)))
    assert {run(case, variant).outcome for case in CASES} == {"pass"}
