"""Cases of the layers of version 2 that read one place, or look along one."""

from collections.abc import Iterator
from itertools import product
from typing import Any

import numpy as np

from rnnspec.activations import ScaledTanh
from rnnspec.cells import GRU, LSTM, RNN, CellDropout
from rnnspec.conformance.case import MASK, RAGGED, RESET, ZERO, Arrays, Case
from rnnspec.conformance.chains import case
from rnnspec.conformance.kinks import coarse
from rnnspec.layers import (
    Activation,
    Attention,
    Convolution,
    Dense,
    Dropout,
    Layer,
    Merge,
    Norm,
    Pool,
    Recurrent,
    Scale,
    Summary,
)

_GRU, _LSTM, _RNN = GRU(units=9, reset_after=True), LSTM(units=7), RNN(units=8)
HOLES = ([0, 1, 1, 0, 1], [1] * 5, [0] * 5, [0, 0, 0, 1, 1])  # of a memory of 5 steps
MEMORY = (5, 2, 0, 3)
TIMES = {"x": 6, "memory": 5}


def layers() -> Iterator[Case]:
    """All of them, in a fixed order."""
    yield from _alone()
    yield from _windows()
    yield from _attention()


def _kept(id: str, clauses: str, *layers: Layer, **call: Any) -> Case:
    """Layers between a recurrent one, whose gradients reach them, and one that reads which steps count."""
    below = Recurrent(name="below", cell=_LSTM)
    above = Recurrent(name="above", cell=_GRU, direction="backward")
    return case(f"graph-{id}", clauses, below, *layers, above, **call)


def _alone() -> Iterator[Case]:
    """Each layer that reads one place."""
    batch, layer = Norm(name="norm", kind="batch", epsilon=0.3), Norm(name="norm", kind="layer", epsilon=0.2)
    yield _kept("norm-batch", "NORMALISE-2", batch, mask=MASK, state=True)
    yield _kept(
        "norm-batch-no-beta", "NORMALISE-2", Norm(name="norm", kind="batch", epsilon=1e-3, beta=False), lengths=ZERO
    )
    yield _kept("norm-layer", "NORMALISE-1", layer, mask=MASK, state=True)
    yield _kept(
        "norm-layer-no-beta", "NORMALISE-1", Norm(name="norm", kind="layer", epsilon=1e-5, beta=False), lengths=ZERO
    )
    functions = Activation(name="function", function="softsign"), Scale(name="less", beta=False)
    yield _kept("scale", "", Scale(name="scale"), *functions, mask=MASK, state=True)
    scaled = Activation(name="function", function=ScaledTanh(alpha=1.3, beta=0.7))
    yield _kept("activation", "ACTIVATION-1", scaled, lengths=ZERO)
    noisy = Recurrent(name="rnn", cell=CellDropout(cell=_GRU, input=0.3))
    chain = batch, Dropout(name="drop", rate=0.3), Norm(name="after", kind="layer", epsilon=0.2), noisy
    yield case("graph-norm-training", "NORMALISE-2", *chain, training=True, lengths=RAGGED)
    below = Recurrent(name="below", cell=_LSTM)
    for how in ("last", "first", "mean", "max", "sum"):
        summary, dense = Summary(name="summary", how=how), Dense(name="dense", units=8, activation="tanh")
        yield case(f"graph-summary-{how}", "", below, summary, dense, lengths=ZERO)
        yield case(f"graph-summary-{how}-holes", "", summary, dense, mask=MASK, edit=_below)
    yield case("graph-summary-unread", "SUMMARY-2", Summary(name="summary", how="mean"), mask=MASK, edit=unread)
    yield case("graph-summary-ties", "SUMMARY-3", Dense(name="dense", units=7),
               Summary(name="summary", how="max"), lengths=ZERO, edit=_again)  # fmt: skip
    yield case("size-graph-summary-no-step", "", below, Summary(name="summary", how="max"), time=0, lengths=(0,) * 4)
    yield case(
        "graph-norm-reset", "UNROLL-12", below, layer, Recurrent(name="rnn", cell=_GRU), reset=RESET, lengths=ZERO
    )
    yield case("graph-norm-steps", "GRAPH-8", below, batch, Scale(name="scale"), Recurrent(name="rnn", cell=_GRU),
               split="steps", state=True)  # fmt: skip


def _windows() -> Iterator[Case]:
    """Convolutions and pools: paddings, strides, dilations, groups, with every kind of validity."""
    upper = Recurrent(name="upper", cell=_GRU, direction="backward")
    shapes: dict[str, dict[str, Any]] = {
        "causal": {"width": 3, "padding": "causal"},
        "same": {"width": 3, "padding": "same"},
        "same-even": {"width": 4, "padding": "same", "dilation": 1},
        "valid": {"width": 2, "padding": "valid"},
        "stride": {"width": 3, "padding": "same", "stride": 2},
        "stride-causal": {"width": 2, "padding": "causal", "stride": 3},
        "stride-valid": {"width": 2, "padding": "valid", "stride": 2},
        "dilated": {"width": 3, "padding": "causal", "dilation": 2},
        "dilated-valid": {"width": 3, "padding": "valid", "dilation": 2},
        "before": {"width": 4, "padding": "same", "before": 3, "stride": 2},
        "one": {"width": 1, "padding": "valid", "activation": "tanh"},
    }
    for name, options in shapes.items():
        convolution = Convolution(name="front", units=7, **options)
        yield case(f"graph-convolution-{name}", "", convolution, upper, lengths=ZERO)
        if name in ("same", "stride-causal", "dilated-valid"):
            yield case(f"graph-convolution-{name}-holes", "", convolution, upper, mask=MASK, state=True)
    groups = Convolution(name="front", units=8, width=3, padding="same", groups=2, activation="relu", bias=False)
    below = Recurrent(name="below", cell=LSTM(units=10))
    yield case("graph-convolution-groups", "CONVOLUTION-1", below, groups, upper, lengths=ZERO, state=True)
    deep = Convolution(name="deep", units=8, width=3, padding="causal", groups=8, stride=2)
    yield case("graph-convolution-depthwise", "CONVOLUTION-1", Recurrent(name="below", cell=LSTM(units=8)), deep, upper,
               lengths=RAGGED)  # fmt: skip
    yield case("graph-convolution-unread", "CONVOLUTION-2", Convolution(name="front", units=7, width=3, padding="same"),
               upper, mask=MASK, edit=unread)  # fmt: skip
    same = Convolution(name="front", units=7, width=3, padding="same", stride=2)
    for id, size in (("one-step", (1, (1, 0, 1, 1))), ("no-step", (0, (0,) * 4))):
        yield case(f"size-graph-convolution-{id}", "MODEL-6", same, upper, time=size[0], lengths=size[1])
    wide = Convolution(name="front", units=7, width=9, padding="valid")
    yield case("size-graph-convolution-too-wide", "CONVOLUTION-3", wide, upper, lengths=RAGGED)
    yield case("graph-convolution-time-major", "LAYOUT-1", same, upper, lengths=ZERO, time_major=True)
    pools: dict[str, dict[str, Any]] = {
        "half": {"width": 2, "padding": "valid"},
        "overlap": {"width": 3, "padding": "same", "stride": 1},
        "causal": {"width": 3, "padding": "causal", "stride": 2},
    }
    for how, (name, options) in product(("max", "mean"), pools.items()):
        pool = Pool(name="pool", how=how, **options)
        yield case(f"graph-pool-{how}-{name}", "", below, pool, upper, lengths=ZERO)
        if name == "overlap":
            yield case(f"graph-pool-{how}-{name}-holes", "", pool, upper, mask=MASK)
    before = Pool(name="pool", how="mean", width=4, padding="same", before=3)
    yield case("graph-pool-before", "POOL-1", before, upper, lengths=ZERO)
    yield case("graph-pool-ties", "POOL-2", Dense(name="dense", units=7),
               Pool(name="pool", how="max", width=2, padding="same", stride=1),
               inputs=1, lengths=ZERO, edit=coarse)  # fmt: skip
    spotter = (
        Convolution(name="front", units=8, width=3, padding="same", stride=2, activation="relu"),
        Norm(name="norm", kind="batch", epsilon=1e-3),
        Pool(name="pool", how="max", width=2, padding="same", stride=1),
        Recurrent(name="rnn", cell=_GRU, direction="bidirectional"),
        Summary(name="whole", how="mean"),
        Dense(name="word", units=4),
    )
    yield case("graph-spotter", "MODEL-2", *spotter, lengths=ZERO, state=True)
    yield case("graph-spotter-mask", "MODEL-2", *spotter, mask=MASK)


def _attention() -> Iterator[Case]:
    """Queries that read a memory."""
    inputs = {"x": 3, "memory": 8}
    query = Recurrent(name="query", of="x", cell=LSTM(units=8))
    given: dict[str, Any] = {"inputs": inputs, "time": TIMES}
    for score in ("dot", "scaled", "general", "additive"):
        look = Attention(name="look", of=("query", "memory"), score=score)
        after = Recurrent(name="after", cell=_GRU)
        yield case(f"graph-attention-{score}", "ATTENTION-4", query, look, after, **given,
                   lengths={"x": RAGGED, "memory": MEMORY}, state=True)  # fmt: skip
        yield case(f"graph-attention-{score}-holes", "ATTENTION-4", query, look, **given,
                   mask={"memory": HOLES, "x": MASK})  # fmt: skip
        heads = Attention(name="look", of=("query", "keys", "memory"), score=score, heads=2)
        keys = Dense(name="keys", of="memory", units=8, activation="tanh")
        yield case(f"graph-attention-{score}-heads", "ATTENTION-3", query, keys, heads, **given,
                   lengths={"memory": MEMORY})  # fmt: skip
    look = Attention(name="look", of=("query", "memory"), score="dot")
    join = Merge(name="join", of=("query", "look"), how="concat")
    plain = query, look, join, Dense(name="out", units=3)
    yield case("graph-attention-unread", "ATTENTION-5", *plain, **given, mask={"memory": HOLES}, edit=unread)
    yield case("graph-attention-full", "", *plain, **given)
    yield case("graph-attention-steps", "GRAPH-8", *plain, **given, lengths={"memory": MEMORY}, split="steps")
    yield case("graph-attention-steps-mask", "GRAPH-8", *plain, **given, mask={"memory": HOLES}, state=True,
               split="steps")  # fmt: skip
    yield case("graph-attention-time-major", "LAYOUT-1", *plain, **given, time_major=True,
               lengths={"x": ZERO, "memory": MEMORY})  # fmt: skip
    yield case("size-graph-attention-no-memory", "ATTENTION-4", *plain, inputs=inputs, time={"x": 6, "memory": 0})
    yield case("size-graph-attention-no-query", "ATTENTION-6", *plain, inputs=inputs, time={"x": 0, "memory": 5})
    yield case("size-graph-attention-equal", "MODEL-6", query, look, inputs={"x": 4, "memory": 8}, batch=4,
               time={"x": 4, "memory": 4}, lengths={"x": (4, 1, 0, 3), "memory": (2, 0, 4, 1)})  # fmt: skip
    self_ = Attention(name="self", of=("query", "query"), score="scaled", heads=4)
    yield case("graph-attention-self", "", query, self_, Recurrent(name="after", cell=_GRU, direction="backward"),
               inputs={"x": 3}, time={"x": 6}, lengths={"x": ZERO})  # fmt: skip
    last = Recurrent(name="query", of="x", cell=LSTM(units=8), return_sequences=False)
    yield case("graph-attention-vector", "ATTENTION-6", last, look, **given, lengths={"x": ZERO, "memory": MEMORY})
    general = Attention(name="look", of=("query", "memory"), score="general")
    yield case("graph-attention-sizes", "ATTENTION-1", Recurrent(name="query", of="x", cell=_LSTM), general, **given,
               lengths={"memory": MEMORY})  # fmt: skip


def unread(weights: Arrays, inputs: Arrays) -> None:
    """NaN, and infinity, where steps are not valid."""
    mask = inputs["mask"] if "mask" in inputs else inputs["memory.mask"]
    x = inputs["x"] if "mask" in inputs else inputs["memory"]
    x[~mask] = np.resize(np.array([np.nan, np.inf, -np.inf], "float32"), x[~mask].shape)


def _again(weights: Arrays, inputs: Arrays) -> None:
    """The first three steps are the same."""
    inputs["x"][:, 1:3] = inputs["x"][:, :1]


def _below(weights: Arrays, inputs: Arrays) -> None:
    """Most of x is negative: a maximum too."""
    inputs["x"] -= 1
