"""ONNX's own tests of its RNN, GRU and LSTM nodes, and which of our mutants they would catch.

They come with the `onnx` package, and are what backends of ONNX are tested with. Most of their weights are all equal.
"""

import importlib
from copy import deepcopy
from functools import cache
from typing import Any, NamedTuple

import numpy as np

from rnnspec.checkpoint import Checkpoint
from rnnspec.conformance.case import Arrays
from rnnspec.conformance.mutants.mutant import Mutant
from rnnspec.reference import Net

_RELATIVE, _ABSOLUTE = 1e-3, 1e-7  # what ONNX's runner allows


class NodeTest(NamedTuple):
    """One of them as a model of ours, its call, and what it asserts: y, final states, or only some of these."""

    name: str
    checkpoint: Checkpoint
    call: dict[str, Any]
    asserted: Arrays


@cache
def node_tests() -> tuple[NodeTest, ...]:
    """All of them; what they assert is what the reference answers."""
    from onnx.backend.test.case.node import _NodeTestCases as registered

    for kind in ("rnn", "gru", "lstm"):  # each is built, and registered, when its module is imported
        importlib.import_module(f"onnx.backend.test.case.node.{kind}")
    kinds = ("test_rnn_", "test_simple_rnn_", "test_gru_", "test_lstm_")
    return tuple(_read(test) for test in registered if test.name.startswith(kinds))


def _read(test: Any) -> NodeTest:
    """One of ONNX's `TestCase`s."""
    from rnnspec.convert.onnx import read_model

    model = test.model
    ((inputs, _),) = test.data_sets
    given: Arrays = {node.name: array for node, array in zip(model.graph.input, inputs, strict=True)}
    (node,) = model.graph.node
    places = dict(zip(("X", "W", "R", "B", "sequence_lens", "initial_h", "initial_c", "P"), node.input, strict=False))
    weights = {name: given[name] for key, name in places.items() if key in "WRBP" and name}
    checkpoint = read_model(model, weights)
    batch_first = any(attribute.name == "layout" and attribute.i for attribute in node.attribute)
    x = given[places["X"]]
    call: dict[str, Any] = {"x": x if batch_first else x.swapaxes(0, 1)}
    if places.get("sequence_lens"):
        call["lengths"] = given[places["sequence_lens"]]
    state = {}
    for name in checkpoint.model.states():
        initial = places.get(f"initial_{name[-1]}")
        if initial:
            rows = given[initial] if not batch_first else given[initial].swapaxes(0, 1)
            state[name] = rows[int("backward" in name)]
    call |= {"state": state} if state else {}
    y, final = Net(checkpoint, "float64")(**call)
    outputs = dict(zip(("Y", "Y_h", "Y_c"), node.output, strict=False))
    asserted = {"y": y} if outputs.get("Y") else {}
    asserted |= {name: value for name, value in final.items() if outputs.get(f"Y_{name[-1]}")}
    return NodeTest(test.name, checkpoint, call, asserted)


def node_killer(mutant: Mutant) -> str | None:
    """The first of ONNX's tests that the mutant fails; None where it passes them all."""
    tests = node_tests()  # read while nothing is wrong
    with mutant.alive() as module:
        for test in tests:
            try:
                # Copies: a mutant may write into what it is given.
                y, state = module.load(test.checkpoint.copy(), dtype="float64")(**deepcopy(test.call))
            except Exception:
                return test.name
            found = {"y": y, **state}
            for name, expected in test.asserted.items():
                array = np.asarray(found.get(name))
                if array.shape != expected.shape or not np.allclose(array, expected, _RELATIVE, _ABSOLUTE):
                    return test.name
    return None
