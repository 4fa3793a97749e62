"""The exported graph of a model with inputs by name (EXPORT-1, EXPORT-4, EXPORT-7, EXPORT-8)."""

from typing import Any

import numpy as np

from rnnspec import accuracy
from rnnspec.cells import GRU, LSTM
from rnnspec.conformance.check import Check, equal, holds
from rnnspec.conformance.selfchecks.exported import ONNX, RUNTIME, checkpoint_of, exporter, results_of, types_of
from rnnspec.graph import Input
from rnnspec.inputs import as_call
from rnnspec.layers import Attention, Embedding, Merge, Recurrent
from rnnspec.model import Model
from rnnspec.reference import Net

MODEL = Model(
    inputs={"x": Input(features=5), "memory": 3, "ids": Input(like="x")},
    layers=(
        Recurrent(name="encoder", of="memory", cell=LSTM(units=4)),
        Embedding(name="word", of="ids", vocabulary=7, units=2),
        Merge(name="both", of=("x", "word"), how="concat"),
        Recurrent(name="under", cell=GRU(units=6, reset_after=True)),
        Recurrent(name="decoder", cell=LSTM(units=4), start={"h": "encoder.c"}),
        Attention(name="look", of=("decoder", "encoder"), score="scaled"),
    ),
    outputs=("look", "decoder"),
)
_STATES: dict[str, tuple] = {
    **{name: ("float32", "batch", size) for name, size in MODEL.states().items()},
    "decoder.h": ("float32", "decoder.h.rows", 4),
}
_X = ("float32", "batch", "x.time", 5)


def _boundary() -> None:
    plain = exporter().build(checkpoint_of(MODEL)).graph
    memory, ids = ("float32", "batch", "memory.time", 3), ("int64", "batch", "x.time")
    given = {"memory": memory, "x": _X, "ids": ids, **_STATES}
    counts = {f"{name}.lengths": ("int32", "batch") for name in ("x", "memory")}
    equal("the inputs", types_of(plain.input), given | counts)
    outputs = dict.fromkeys(("look", "decoder"), ("float32", "batch", "x.time", 4))
    finals = {f"{name}.out": ("float32", "batch", size) for name, size in MODEL.states().items()}
    equal("the outputs", types_of(plain.output), outputs | finals)
    turned = types_of(exporter().build(checkpoint_of(MODEL), time_major=True).graph.output)
    equal(
        "the outputs, time first",
        {n: turned[n] for n in outputs},
        dict.fromkeys(outputs, ("float32", "x.time", "batch", 4)),
    )


def _masks_and_resets() -> None:
    alone = Model(inputs={"x": 5, "memory": 3}, layers=(*MODEL.layers[:1], _BESIDE), outputs=("encoder", "beside"))
    whole = Model(inputs={"x": 5, "memory": 3}, layers=(*alone.layers, _LOOK), outputs=("look",))
    for model, names in ((alone, ("x", "memory")), (whole, ("x",))):
        inputs = types_of(exporter().build(checkpoint_of(model), mask=True, reset=True).graph.input)
        found = {name for name in inputs if name.endswith((".lengths", ".mask", ".reset"))}
        equal("the inputs", found, {"x.mask", "memory.mask", *(f"{name}.reset" for name in names)})


_BESIDE = Recurrent(name="beside", of="x", cell=LSTM(units=4))
_LOOK = Attention(name="look", of=("beside", "encoder"), score="dot")


def _calls() -> None:
    """Rows and steps, of each time, may be none; states with a start may be left out."""
    checkpoint = checkpoint_of(MODEL)
    graph, net = exporter().build(checkpoint), Net(checkpoint, "float64")
    rng = np.random.default_rng(3)
    for rows, steps, memory in ((3, 4, 6), (3, 4, 0), (3, 0, 6), (2, 0, 0), (0, 4, 6)):
        feeds: dict[str, Any] = {
            "x": rng.standard_normal((rows, steps, 5)).astype("float32"),
            "memory": rng.standard_normal((rows, memory, 3)).astype("float32"),
            "ids": rng.integers(0, 7, (rows, steps)),
            "x.lengths": rng.integers(0, steps + 1, rows).astype("int32"),
            "memory.lengths": rng.integers(0, memory + 1, rows).astype("int32"),
        }
        states = {n: rng.standard_normal((rows, size)).astype("float32") for n, size in MODEL.states().items()}
        for what, given in (("given", states), ("left out", {n: s for n, s in states.items() if n != "decoder.h"})):
            found = results_of(graph, feeds | given)
            start = states if what == "given" else None
            if start is None:  # all are left out, or none
                found = results_of(graph, feeds | {n: 0 * s for n, s in given.items()})
            y, new = net(**as_call(MODEL, feeds), state=start)
            expected = net.model.named(y) | {f"{name}.out": value for name, value in new.items()}
            name, error = accuracy.worst(found, expected)
            words = f"{rows} rows, {steps} and {memory} steps, a start {what}"
            holds(f"{words}: {name} is off by {error:.1e}", error < 1e-5)


CHECKS = (
    Check("export-graph-boundary", ("EXPORT-1",), _boundary, ONNX),
    Check("export-graph-masks-and-resets", ("EXPORT-7",), _masks_and_resets, ONNX),
    Check("export-graph-calls", ("EXPORT-1", "EXPORT-8"), _calls, RUNTIME),
)
