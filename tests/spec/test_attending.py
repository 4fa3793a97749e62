"""Cells that read a memory: what is wrong of one is said in one line, and what one has."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from rnnspec import GRU, LSTM, Attending, Checkpoint, Input, Model, Recurrent, Residual, SpecError, Stack, Zoneout

GRU_ = GRU(units=9, reset_after=True)


def attending(**fields: Any) -> Attending:
    return Attending(**{"cell": GRU_, "memory": 8, "score": "general", "feeding": "context", **fields})


def model(cell: Any, of: Any = ("x", "memory"), memory: Any = 8, **options: Any) -> Model:
    inputs = {"x": 3, "memory": memory}
    return Model(inputs=inputs, layers=[Recurrent(name="decoder", of=of, cell=cell, **options)])


EXPECTED = "layer 'decoder': of: expected a second place, the memory, a sequence of 8 features"
MISTAKES = [
    (lambda: attending(score="additive"), "Attending.units: score='additive' needs it"),
    (lambda: attending(units=7), "Attending.units: score='general' has none"),
    (lambda: attending(feeding="none", query="h"),
     "Attending.query: with feeding='none' the output of the cell asks; leave it out"),
    (lambda: attending(query="c"), "Attending.query: GRU has no state 'c'; expected one of h"),
    (lambda: attending(cell=Stack(cells=[GRU_, LSTM(units=7)])),
     "Attending.query: Stack gives no state as its output; expected one of cells.0.h, cells.1.h, cells.1.c"),
    (lambda: attending(score="dot"),
     "Attending.score: 'dot': queries of 9 and a memory of 8 features; take score='general'"),
    (lambda: attending(cell=attending()), "Attending.cell: reads a memory itself; one cell reads one memory"),
    (lambda: Stack(cells=[GRU_, attending()]), "Stack.cells[1]: reads a memory; put Attending around the stack"),
    (lambda: Zoneout(cell=attending(), h=0.1),
     "Zoneout.h: Attending has no such state of its own; put the wrapper around an inner cell"),
    (lambda: model(attending(), of="x"),
     f"{EXPECTED}, found one place"),
    (lambda: model(attending(), memory=7),
     f"{EXPECTED}, found a sequence of 7 features along the time of 'memory'"),
    (lambda: model(attending(), memory=Input(features=8, sequence=False)),
     f"{EXPECTED}, found a vector of 8 features"),
    (lambda: model(GRU_), "layer 'decoder': of: expected one place, found 2; put a Merge before it"),
    (lambda: model(attending(), direction="bidirectional", backward_cell=GRU_),
     "layer 'decoder': backward_cell: both cells read the same memory, or none"),
    (lambda: model(Residual(cell=attending())), "Residual.cell: expected 3 outputs, as many as its inputs, found 8"),
    (lambda: model(attending(), start={"h": "memory"}),
     "layer 'decoder': start['h']: unknown state; expected some of cell.h"),
]  # fmt: skip


@pytest.mark.parametrize(("build", "message"), MISTAKES, ids=[message[:50] for _, message in MISTAKES])
def test_mistakes(build: Callable[[], Any], message: str):
    with pytest.raises(SpecError) as caught:
        build()
    assert str(caught.value) == message


def test_what_it_has():
    cell = attending(score="additive", units=7, feeding="attention", attention_units=6, output="both")
    shapes = {
        "cell.kernel": (3, 9, 9), "cell.recurrent_kernel": (3, 9, 9), "cell.bias": (3, 9), "cell.recurrent_bias": (9,),
        "query_kernel": (7, 9), "memory_kernel": (7, 8), "scale": (7,), "score_bias": (7,),
        "attention_kernel": (6, 17), "attention_bias": (6,),
    }  # fmt: skip
    assert cell.parameters(3) == shapes
    assert cell.states(3) == {"cell.h": 9, "attention": 6}
    assert cell.outputs(3) == 15
    assert [attending(output=output).outputs(3) for output in ("attention", "cell", "both")] == [8, 9, 17]


@pytest.mark.parametrize("scheme", ["keras", "torch"])
def test_it_starts_as_dense_layers_do(scheme):
    cell = attending(score="additive", units=700, attention_units=600)
    weights = Checkpoint.initialize(model(cell), seed=3, scheme=scheme).weights
    keras = {"query_kernel": 6 / 709, "memory_kernel": 6 / 708, "attention_kernel": 6 / 617, "scale": 6 / 701}
    torch = {"query_kernel": 1 / 9, "memory_kernel": 1 / 8, "attention_kernel": 1 / 17, "scale": 1 / 700}
    for name, square in (keras if scheme == "keras" else torch).items():
        largest = np.abs(weights[f"decoder.{name}"]).max()
        assert 0.95 * square**0.5 < largest <= square**0.5
    for name in ("score_bias", "attention_bias"):
        assert weights[f"decoder.{name}"].any() == (scheme == "torch")
