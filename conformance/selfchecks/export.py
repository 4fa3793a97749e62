"""The exported graph, and that it is tried before it is written (EXPORT-1 to EXPORT-4, EXPORT-6 to EXPORT-8)."""

import importlib
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import product
from pathlib import Path
from typing import Any
from unittest import mock

import msgspec
import numpy as np

from rnnspec import accuracy
from rnnspec.cells import GRU
from rnnspec.conformance.check import Check, equal, holds, refused
from rnnspec.conformance.selfchecks.exported import (
    BOTH,
    LEARNED,
    LEARNED_PAIR,
    LOOPS,
    MODEL,
    ONNX,
    PLAIN,
    RUNTIME,
    STREAM,
    agrees,
    attributes_of,
    checkpoint_of,
    expected_of,
    exporter,
    inputs_of,
    results_of,
    types_of,
)
from rnnspec.errors import SpecError
from rnnspec.layers import Embedding, Recurrent
from rnnspec.model import Model


def _boundary() -> None:
    graph = exporter().build(checkpoint_of(MODEL)).graph
    states = {name: ("float32", "batch", size) for name, size in MODEL.states().items()}
    inputs = states | {"norm.h": ("float32", "norm.h.rows", 7)}  # learned: one row for all, or one for each
    equal("the inputs", types_of(graph.input),
          {"x": ("float32", "batch", "time", 3), "lengths": ("int32", "batch"), **inputs})  # fmt: skip
    equal("the outputs", types_of(graph.output),
          {"y": ("float32", "batch", "time", 2), **{f"{name}.out": kind for name, kind in states.items()}})  # fmt: skip
    pair = Recurrent(name="pair", cell=GRU(units=4, reset_after=True), direction="bidirectional", merge="none")
    ids = Model(layers=(Embedding(name="embedding", vocabulary=9, units=3), pair))
    graph = exporter().build(checkpoint_of(ids)).graph
    equal("ids", types_of(graph.input)["x"], ("int64", "batch", "time"))
    outputs = {name: kind for name, kind in types_of(graph.output).items() if name.startswith("y")}
    equal("two outputs", outputs, dict.fromkeys(("y.forward", "y.backward"), ("float32", "batch", "time", 4)))


def _learned() -> None:
    for model in (Model(inputs=3, layers=(LEARNED,)), Model(inputs=3, layers=(LEARNED_PAIR,))):
        checkpoint = checkpoint_of(model)
        feeds = {"x": inputs_of(model, 3, 6)["x"], "lengths": np.array([6, 0, 4], "int32")}
        graph = exporter().build(checkpoint)
        agrees("without its states", checkpoint, graph, feeds)
        one = {name: value[:1] for name, value in inputs_of(model, 3, 6).items() if name != "x"}
        alike = {name: value.repeat(3, 0) for name, value in one.items()}
        found, expected = results_of(graph, feeds | one), expected_of(checkpoint, feeds | alike)
        name, error = accuracy.worst(found, expected)
        holds(f"from one state for all rows: {name} is off by {error:.1e}", error < 1e-5)


def _nothing() -> None:
    last = msgspec.structs.replace(PLAIN, return_sequences=False)
    layers = (BOTH, LEARNED, last)
    ids = (Embedding(name="embedding", vocabulary=3, units=3), *layers)
    models = [Model(inputs=3, layers=layers, padding=padding) for padding in (None, 0.5)]
    models += [Model(layers=ids, padding=padding) for padding in (None, 2)]
    for model, lengths in product(models, (True, False)):
        checkpoint = checkpoint_of(model)
        graph = exporter().build(checkpoint, lengths=lengths)
        for batch, time in ((0, 4), (3, 0), (0, 0)):
            feeds = inputs_of(model, batch, time) | ({"lengths": np.zeros(batch, "int32")} if lengths else {})
            found, expected = results_of(graph, feeds), expected_of(checkpoint, feeds)
            for name, value in expected.items():
                what = f"{name} of batch {batch}, time {time}, padding {model.padding}"
                equal(what, found[name].shape, value.shape)
                equal(what, found[name], value.astype("float32"))


def _nodes() -> None:
    checkpoint = checkpoint_of(MODEL)
    model = exporter().build(checkpoint)
    kinds = [node.op_type for node in model.graph.node if node.op_type in LOOPS]
    equal("the recurrent nodes", kinds, ["LSTM", "GRU", "Scan", "RNN", "Scan"])
    by_kind = {node.op_type: attributes_of(node) for node in model.graph.node if node.op_type in LOOPS - {"Scan"}}
    lstm = {"activations": [b"Sigmoid", b"Tanh", b"Tanh"] * 2, "direction": b"bidirectional", "hidden_size": 5}
    equal("LSTM", by_kind["LSTM"], lstm | {"input_forget": 0, "layout": 0})
    gru = {"activations": [b"Sigmoid", b"Tanh"], "direction": b"forward", "hidden_size": 4, "layout": 0}
    equal("GRU", by_kind["GRU"], gru | {"linear_before_reset": 0})
    rnn = {"activations": [b"Relu"], "direction": b"forward", "hidden_size": 7, "layout": 0}
    equal("RNN", by_kind["RNN"], rnn)
    for batch, time, lengths in ((4, 6, [6, 0, 4, 5]), (1, 2, [2])):
        feeds = inputs_of(MODEL, batch, time) | {"lengths": np.array(lengths, "int32")}
        agrees(f"batch {batch}, time {time}", checkpoint, model, feeds)


def _empty_rows() -> None:
    plain = Recurrent(name="gru", cell=GRU(units=4, reset_after=True), direction="backward")
    model = Model(inputs=3, layers=(BOTH, plain, PLAIN))
    feeds = inputs_of(model, 3, 6) | {"lengths": np.array([6, 0, 4], "int32")}
    graph = exporter().build(checkpoint_of(model))
    kinds = [node.op_type for node in graph.graph.node if node.op_type in LOOPS]
    equal("the recurrent nodes", kinds, ["LSTM", "GRU", "RNN"])
    results = results_of(graph, feeds)
    for name in model.states():
        equal(f"{name} of a row of length 0", results[f"{name}.out"][1], feeds[name][1])
    equal("its outputs", results["y"][1], np.zeros((6, 7), "float32"))
    agrees("a row of length 0", checkpoint_of(model), graph, feeds)


def _step() -> None:
    checkpoint = checkpoint_of(STREAM)
    model = exporter().build(checkpoint, step=True)
    states = {name: ("float32", "batch", size) for name, size in STREAM.states().items()}
    inputs = states | {"norm.h": ("float32", "norm.h.rows", 7)}
    equal("the inputs", types_of(model.graph.input), {"x": ("float32", "batch", 3), **inputs})
    kinds = {node.op_type for node in model.graph.node}
    equal("the loops", sorted(kinds & LOOPS), [])
    empty = [node.name for node in model.graph.node if not all(node.input)]
    equal("nodes with an input left empty", empty, [])
    feeds = inputs_of(STREAM, 2, 5)
    expected = expected_of(checkpoint, feeds)
    state = {name: feeds[name] for name in states}
    outputs = []
    for t in range(5):
        results = results_of(model, {"x": feeds["x"][:, t], **state})
        state = {name: results[f"{name}.out"] for name in states}
        outputs.append(results["y"])
    found = {"y": np.stack(outputs, 1)} | {f"{name}.out": value for name, value in state.items()}
    name, error = accuracy.worst(found, expected)
    holds(f"five steps: {name} is off by {error:.1e}", error < 1e-5)


@contextmanager
def _watched(change: Any = lambda call, results: results) -> Iterator[list[dict]]:
    """What the exporter runs its graph on; `change` makes ONNX Runtime's answers wrong."""
    session = importlib.import_module("rnnspec.backends.onnxruntime").Session
    right, seen = session.run, []

    def run(self: Any, feeds: dict) -> dict:
        seen.append(feeds)
        return change(len(seen), right(self, feeds))

    with mock.patch.object(session, "run", run):
        yield seen


def _tried_before_it_is_written() -> None:
    checkpoint = checkpoint_of(MODEL)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model.onnx"
        for call in (1, 2):
            for name in ("y", "norm.h"):

                def wrong(k: int, results: dict, call: int = call, name: str = name) -> dict:
                    return results | ({name: results[name] + np.float32(1e-3)} if k == call else {})

                with _watched(wrong), refused(f"{name} wrong in run {call}", SpecError, repr(name)):
                    exporter().export_onnx(checkpoint, path)
                holds(f"a file was written whose {name} is wrong", not path.exists())
        with _watched() as seen:
            error = exporter().export_onnx(checkpoint, path)
        holds(f"the error that it returns: {error:.1e}", 0 < error < 1e-5)
        equal(
            "the graph that was tried and the file",
            path.read_bytes(),
            exporter().build(checkpoint).SerializeToString(),
        )
    sizes = [feeds["x"].shape[:2] for feeds in seen]
    holds(f"expected two batch sizes, found {sizes}", len({batch for batch, _ in sizes}) == 2)
    holds(f"expected two numbers of steps, found {sizes}", len({time for _, time in sizes}) == 2)
    for feeds in seen:
        lengths = feeds["lengths"].tolist()
        holds(f"expected ragged lengths, one of them 0, found {lengths}", len(set(lengths)) > 1 and 0 in lengths)
        for name in set(MODEL.states()) & set(feeds):
            holds(f"the state {name} is not random", len(np.unique(feeds[name])) == feeds[name].size)
    without = [set(MODEL.states()) - set(feeds) for feeds in seen]
    holds(f"expected a run without the learned state, found {without}", without == [set(), set(), {"norm.h"}])


def _mask_and_reset() -> None:
    checkpoint = checkpoint_of(MODEL)
    rng = np.random.default_rng(9)
    mask, reset = rng.random((4, 6)) < 0.6, rng.random((4, 6)) < 0.3
    mask[1] = False
    states = set(MODEL.states())
    for what, given in (
        ("mask", {"mask": mask}),
        ("reset", {"reset": reset}),
        ("both", {"mask": mask, "reset": reset}),
    ):
        model = exporter().build(checkpoint, **dict.fromkeys(given, True))
        lengths = {} if "mask" in given else {"lengths": ("int32", "batch")}
        inputs = {name: kind for name, kind in types_of(model.graph.input).items() if name not in {"x", *states}}
        equal(f"{what}: the inputs", inputs, lengths | dict.fromkeys(given, ("bool", "batch", "time")))
        feeds = inputs_of(MODEL, 4, 6) | given | {name: np.array([6, 0, 4, 5], "int32") for name in lengths}
        agrees(what, checkpoint, model, feeds)


CHECKS = (
    Check("export-boundary", ("EXPORT-1",), _boundary, ONNX),
    Check("export-learned-states", ("EXPORT-1",), _learned, RUNTIME),
    Check("export-nodes", ("EXPORT-2",), _nodes, RUNTIME),
    Check("export-empty-rows", ("EXPORT-3",), _empty_rows, RUNTIME),
    Check("export-step", ("EXPORT-4",), _step, RUNTIME),
    Check("export-tried-before-it-is-written", ("EXPORT-6",), _tried_before_it_is_written, RUNTIME),
    Check("export-mask-and-reset", ("EXPORT-7",), _mask_and_reset, RUNTIME),
    Check("export-no-rows-and-no-steps", ("EXPORT-8",), _nothing, RUNTIME),
)
