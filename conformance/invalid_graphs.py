"""Graphs that must be refused, and calls of graphs."""

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from rnnspec.cells import LSTM, RNN
from rnnspec.conformance.case import draw
from rnnspec.conformance.invalid import Invalid
from rnnspec.graph import Input
from rnnspec.layers import Attention, Convolution, Dense, Embedding, Merge, Pool, Recurrent, Repeat, Summary
from rnnspec.model import Model

Plain = dict[str, Any]

_MODEL = Model(
    inputs={"x": 5, "memory": 6, "tags": Input(features=3, like="x"), "voice": Input(features=3, sequence=False)},
    layers=(
        Recurrent(name="encoder", of="memory", cell=LSTM(units=6)),
        Merge(name="words", of=("x", "tags"), how="concat"),
        Recurrent(name="decoder", cell=LSTM(units=6), start={"h": "encoder.h"}),
        Attention(name="look", of=("decoder", "encoder"), score="dot"),
        Repeat(name="along", of=("voice", "x")),
        Merge(name="join", of=("decoder", "look", "along"), how="concat"),
        Dense(name="out", units=4),
    ),
)
_X = {
    "x": np.ones((4, 6, 5), "f4"),
    "memory": np.ones((4, 5, 6), "f4"),
    "tags": np.ones((4, 6, 3), "f4"),
    "voice": np.ones((4, 3), "f4"),
}


def invalid_graphs() -> Iterator[Invalid]:
    """All of them, in a fixed order."""
    yield from _architectures()
    yield from _layers()
    yield from _calls()


def _architectures() -> Iterator[Invalid]:
    def case(id: str, clause: str, says: str, change: Callable[[Plain], Any]) -> Invalid:
        plain = _MODEL.to_builtins()
        change(plain)
        return Invalid(f"invalid-graph-{id}", (clause,), tuple(says.split("|")), plain)

    def layer(k: int, **fields: Any) -> Callable[[Plain], Any]:
        return lambda model: model["layers"][k].update(fields)

    def inputs(**fields: Any) -> Callable[[Plain], Any]:
        return lambda model: model["inputs"].update(fields)

    yield case("no-inputs", "GRAPH-1", "inputs", lambda m: m.update(inputs={}))
    yield case("input-of-nothing", "GRAPH-1", "inputs.x", inputs(x=0))
    yield case("input-key", "GRAPH-1", "inputs.x|'feature'", inputs(x={"feature": 5}))
    yield case("like-unknown", "GRAPH-1", "tags|'y'", inputs(tags={"features": 3, "like": "y"}))
    yield case("like-a-vector", "GRAPH-1", "tags|'voice'", inputs(tags={"features": 3, "like": "voice"}))
    yield case("vector-padding", "GRAPH-1", "voice|padding",
               inputs(voice={"features": 3, "sequence": False, "padding": 0.0}))  # fmt: skip
    yield case("vector-like", "GRAPH-1", "voice|like", inputs(voice={"features": 3, "sequence": False, "like": "x"}))
    yield case("padding-of-all", "GRAPH-1", "padding", lambda m: m.update(padding=0.5))
    yield case("input-and-layer", "GRAPH-6", "'memory'|unique", layer(6, name="memory"))
    yield case("first-of-several", "GRAPH-2", "encoder|of", layer(0, of=None))
    yield case("of-unknown", "GRAPH-6", "look|'decoderr'", layer(3, of=["decoderr", "encoder"]))
    yield case("of-later", "GRAPH-6", "words|'out'|later", layer(1, of=["x", "out"]))
    yield case("of-itself", "GRAPH-6", "words|'words'", layer(1, of=["x", "words"]))
    yield case("of-two", "GRAPH-2", "encoder|of", layer(0, of=["memory", "x"]))
    yield case("of-nothing", "GRAPH-2", "look|of", layer(3, of=[]))
    yield case("merge-of-one", "GRAPH-6", "words|two", layer(1, of="x"))
    yield case("merge-of-two-times", "GRAPH-6", "words|time", layer(1, of=["x", "memory"]))
    yield case("merge-of-a-vector", "GRAPH-6", "join|time", layer(5, of=["decoder", "voice"]))
    yield case("merge-of-sizes", "GRAPH-6", "words|[5, 3]", layer(1, how="add"))
    yield case("start-later", "GRAPH-6", "encoder|decoder.h|later", layer(0, start={"h": "decoder.h"}))
    yield case("start-size", "GRAPH-6", "decoder|6|voice", layer(2, start={"h": "voice"}))
    yield case("start-sequence", "GRAPH-6", "decoder|'encoder'", layer(2, start={"h": "encoder"}))
    yield case("start-state", "GRAPH-6", "decoder|'k'", layer(2, start={"k": "encoder.h"}))
    yield case("unread-layer", "GRAPH-6", "'look'", layer(5, of=["decoder", "along"]))
    yield case("unread-input", "GRAPH-6", "'more'", inputs(more=3))
    yield case("output-unknown", "GRAPH-3", "outputs|'y'", lambda m: m.update(outputs=["y"]))
    yield case("output-twice", "GRAPH-3", "outputs|'out'", lambda m: m.update(outputs=["out", "out"]))
    yield case("no-output", "GRAPH-3", "outputs", lambda m: m.update(outputs=[]))
    yield case("attention-sizes", "GRAPH-6", "look|6|3", layer(3, of=["decoder", "tags"]))
    yield case("attention-of-a-vector", "GRAPH-6", "look|memory", layer(3, of=["decoder", "voice"]))
    yield case("attention-of-two-times", "GRAPH-6", "look|time", layer(3, of=["decoder", "encoder", "x"]))
    yield case("attention-of-one", "GRAPH-6", "look|memory", layer(3, of="decoder"))
    yield case("attention-heads", "GRAPH-6", "look|heads", layer(3, heads=4))
    yield case("repeat-a-sequence", "GRAPH-6", "along|vector", layer(4, of=["tags", "x"]))
    yield case("repeat-both", "REPEAT-1", "along|steps", layer(4, steps=3))
    yield case("repeat-neither", "REPEAT-1", "along|steps", layer(4, of="voice"))
    yield case("repeat-along-a-vector", "GRAPH-6", "along|sequence", layer(4, of=["voice", "encoder.h"]))


def _layers() -> Iterator[Invalid]:
    def case(id: str, clause: str, says: str, *layers: Any, of: Any = 5, **change: Any) -> Invalid:
        plain = [layer.to_builtins() for layer in layers]
        for layer in plain:
            layer.update({key: value for key, value in change.items() if key in layer})
        model = {"inputs": of, "layers": plain}
        return Invalid(f"invalid-graph-{id}", (clause,), tuple(says.split("|")), model)

    front = Convolution(name="front", units=4, width=3, padding="same", stride=2)
    yield case("groups", "CONVOLUTION-1", "front|groups", front, groups=2)
    yield case("before", "CONVOLUTION-3", "front|before", front, before=3)
    yield case("before-of-causal", "CONVOLUTION-3", "front|before", front, before=1, padding="causal")
    yield case("norm-epsilon", "NORMALISE-1", "epsilon", _Norm())
    join = Merge(name="join", of=("x", "front"), how="concat")
    yield case("stride-and-steps", "CONVOLUTION-4", "join|time", front, join)
    last = Recurrent(name="last", cell=RNN(units=7), return_sequences=False)
    for late in (front, Pool(name="front", how="max", width=2, padding="valid"), Summary(name="front", how="max")):
        kind = str(late.__struct_config__.tag)
        yield case(f"{kind}-of-a-vector", "GRAPH-6", "front|sequence", last, late)
    yield case("ids-into-a-convolution", "GRAPH-6", "front|ids", front, of={"x": None})
    ids = Embedding(name="ids", vocabulary=4, units=3)
    yield case("embedding-of-features", "EMBED-1", "ids|embedding", ids, of={"x": 5})


class _Norm:
    """A norm without its epsilon."""

    def to_builtins(self) -> Plain:
        """As JSON."""
        return {"type": "norm", "name": "norm", "kind": "layer"}


def _calls() -> Iterator[Invalid]:
    def case(
        id: str, clause: str, says: str, model: Model = _MODEL, step=False, error="SpecError", **inputs: Any
    ) -> Invalid:
        drawn = draw("invalid-graph", (), model, time={"x": 6, "memory": 5} if model is _MODEL else {"x": 6})
        given = (_X if model is _MODEL else {"x": _X["x"]}) | {k.replace("__", "."): v for k, v in inputs.items()}
        given = {key: np.asarray(value) for key, value in given.items() if value is not None}
        return Invalid(f"invalid-graph-{id}", (clause,), tuple(says.split("|")), model.to_builtins(), drawn.weights,
                       given, step=step, error=error)  # fmt: skip

    mask = np.ones((4, 6), bool)
    yield case("input-missing", "INPUT-7", "'memory'|missing", memory=None)
    yield case("input-rank", "INPUT-7", "voice|(4, 6, 3)", voice=_X["tags"])
    yield case("input-features", "INPUT-7", "memory|6", memory=_X["x"])
    yield case("input-rows", "INPUT-7", "rows|4|3", memory=_X["memory"][:3])
    yield case("input-steps", "GRAPH-1", "tags|6|5", tags=_X["tags"][:, :5])
    yield case("lengths-of-a-vector", "INPUT-7", "lengths|'voice'|vector", voice__lengths=[1, 1, 1, 1])
    yield case("lengths-of-another", "INPUT-7", "lengths|'tags'|'x'", tags__lengths=[1, 1, 1, 1])
    yield case("lengths-beyond", "INPUT-7", "memory|lengths|6", memory__lengths=[5, 6, 1, 1])
    yield case("mask-shape", "INPUT-7", "memory|mask", memory__mask=mask)
    yield case("state-unknown", "INPUT-4", "'decoder.k'", decoder__k=np.ones((4, 6), "f4"))
    yield case("reset-of-a-memory", "GRAPH-7", "memory|reset|look", memory__reset=mask[:, :5])
    yield case("reset-of-a-start", "GRAPH-7", "x|reset|decoder", x__reset=mask)
    step: Plain = {"x": _X["x"][:, 0], "tags": _X["tags"][:, 0]}
    yield case("step-of-a-sequence", "GRAPH-8", "tags|(4, 6, 3)", step=True)
    yield case("step-of-a-memory", "GRAPH-8", "memory|(4, 6)", step=True, **step, memory=_X["memory"][:, 0])
    yield case("step-lengths", "GRAPH-8", "lengths|'x'|step", step=True, **step, x__lengths=[1, 1, 1, 1])
    same = Convolution(name="front", units=4, width=3, padding="same")
    whole = Summary(name="whole", how="mean")
    for id, layers in (("same", (same,)), ("summary", (whole, Dense(name="out", units=3)))):
        model = Model(inputs={"x": 5}, layers=layers)
        yield case(f"step-{id}", "GRAPH-8", f"{layers[0].name}|step", model, step=True, error="UnsupportedError",
                   x=_X["x"][:, 0])  # fmt: skip
