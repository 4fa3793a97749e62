"""Cases that must be refused: architectures, weights, files and calls that break a clause."""

import io
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from rnnspec.cells import GRU, LSTM, RNN
from rnnspec.checkpoint import Checkpoint
from rnnspec.conformance.case import BATCH, INPUTS, RAGGED, TIME, Arrays, draw
from rnnspec.layers import Dense, Embedding, Recurrent
from rnnspec.model import Model


@dataclass(frozen=True)
class Invalid:
    """What must raise `error`, with all of `says` in its one line: the field, and what is wrong with it.

    `model` is plain JSON; `weights` and `inputs` are as they are; `file` holds the bytes of a model file where that is
    what is wrong. `step`: the call is `net.step`.
    """

    id: str
    clauses: tuple[str, ...]
    says: tuple[str, ...]
    model: Any = None
    weights: Arrays = field(default_factory=dict)
    inputs: Arrays = field(default_factory=dict)
    file: bytes | None = None
    step: bool = False
    error: str = "SpecError"

    @property
    def comment(self) -> str:
        """What is wrong with it, in words."""
        return f"to be refused: {self.id.removeprefix('invalid-').replace('-', ' ')}"


_RNN = Recurrent(name="rnn", cell=LSTM(units=7))
_MODEL = Model(inputs=INPUTS, layers=(_RNN, Dense(name="dense", units=8)))
_IDS = Model(layers=(Embedding(name="embedding", vocabulary=11, units=INPUTS), _RNN))


def invalid() -> Iterator[Invalid]:
    """All of them, in a fixed order."""
    yield from _architectures()
    yield from _weights()
    yield from _files()
    yield from _calls()


def _architectures() -> Iterator[Invalid]:
    def case(id: str, clause: str, says: str, change: Callable[[dict], Any], model: Model = _MODEL) -> Invalid:
        plain = model.to_builtins()
        change(plain)
        return Invalid(f"invalid-{id}", (clause,), tuple(says.split("|")), plain)

    gru = Model(inputs=INPUTS, layers=(Recurrent(name="rnn", cell=GRU(units=7, reset_after=True)),))
    last = Recurrent(name="rnn", cell=RNN(units=7), return_sequences=False).to_builtins()
    none = Recurrent(name="rnn", cell=RNN(units=7), direction="bidirectional", merge="none").to_builtins()

    yield case("unknown-key", "CONFIG-1", "cell|forget_bias", lambda m: m["layers"][0]["cell"].update(forget_bias=1))
    yield case("missing-key", "CONFIG-1", "cell|units", lambda m: m["layers"][0]["cell"].pop("units"))
    yield case("wrong-type", "CONFIG-1", "units", lambda m: m["layers"][0]["cell"].update(units="7"))
    yield case("out-of-range", "CONFIG-1", "units", lambda m: m["layers"][0]["cell"].update(units=0))
    yield case("unknown-cell", "CONFIG-1", "cell|'ltsm'", lambda m: m["layers"][0]["cell"].update(type="ltsm"))
    yield case("unknown-activation", "CONFIG-1", "activation", lambda m: m["layers"][1].update(activation="tanhh"))
    yield case("activation-without-parameters", "ACT-2", "hard_sigmoid|alpha",
               lambda m: m["layers"][1].update(activation="hard_sigmoid"))  # fmt: skip
    yield case("norm-without-epsilon", "NORM-1", "epsilon",
               lambda m: m["layers"][0]["cell"].update(layer_norm={"gates": "joint", "over": "gate"}))  # fmt: skip
    yield case("no-reset_after", "GRU-6", "reset_after", lambda m: m["layers"][0]["cell"].pop("reset_after"), gru)
    yield case("no-inputs", "MODEL-1", "inputs", lambda m: m.pop("inputs"))
    yield case("inputs-and-ids", "MODEL-1", "embedding|inputs", lambda m: m.update(inputs=INPUTS), _IDS)
    yield case("embedding-second", "EMBED-1", "embedding", lambda m: m.update(layers=m["layers"][::-1]), _IDS)
    yield case("after-the-last-output", "MODEL-3", "rnn2|sequence",
               lambda m: m.update(layers=[last, {**last, "name": "rnn2"}]))  # fmt: skip
    yield case("after-two-outputs", "MODEL-4", "rnn|merge", lambda m: m["layers"].__setitem__(0, none))
    yield case("name-of-two", "NAME-1", "'rnn'", lambda m: m["layers"][1].update(name="rnn"))
    yield case("name-with-a-dot", "NAME-1", "'a.b'", lambda m: m["layers"][1].update(name="a.b"))
    yield case("name-begins-with-a-digit", "NAME-1", "'2nd'", lambda m: m["layers"][1].update(name="2nd"))
    yield case("name-with-a-space", "NAME-1", "'the rnn'", lambda m: m["layers"][0].update(name="the rnn"))
    yield case("padding-between-ids", "MODEL-5", "padding", lambda m: m.update(padding=0.5), _IDS)


def _weights() -> Iterator[Invalid]:
    def case(id: str, clause: str, says: str, change: Callable[[Arrays], Any]) -> Invalid:
        weights = dict(draw(f"invalid-{id}", (), _MODEL).weights)
        change(weights)
        return Invalid(f"invalid-{id}", (clause,), tuple(says.split("|")), _MODEL.to_builtins(), weights)

    yield case("tensor-missing", "FILE-4", "dense.bias|missing", lambda w: w.pop("dense.bias"))
    yield case(
        "tensor-left-over", "FILE-4", "rnn.peephole", lambda w: w.update({"rnn.peephole": np.ones((3, 7), "f4")})
    )
    yield case("tensor-transposed", "NAME-3", "rnn.kernel|(4, 7, 5)",
               lambda w: w.update({"rnn.kernel": np.ascontiguousarray(w["rnn.kernel"].swapaxes(1, 2))}))  # fmt: skip
    yield case("tensor-shape", "FILE-4", "rnn.bias|(4, 7)", lambda w: w.update({"rnn.bias": w["rnn.bias"].ravel()}))
    yield case("tensor-dtypes", "FILE-5", "float32", lambda w: w.update({"rnn.bias": w["rnn.bias"].astype("f8")}))
    yield case("tensor-half", "FILE-5", "float16", lambda w: w.update({k: a.astype("f2") for k, a in w.items()}))
    yield case("tensor-nan", "FILE-5", "rnn.bias|NaN", lambda w: w["rnn.bias"].__setitem__((1, 2), np.nan))
    yield case(
        "tensor-infinite", "FILE-5", "dense.kernel|infinity", lambda w: w["dense.kernel"].__setitem__((0, 3), np.inf)
    )


def _files() -> Iterator[Invalid]:
    checkpoint = Checkpoint(_MODEL, draw("invalid-files", (), _MODEL).weights)
    data = checkpoint.to_bytes()
    archive = io.BytesIO()
    np.savez(archive, x=np.zeros(3))

    def case(id: str, clause: str, says: str, file: bytes) -> Invalid:
        return Invalid(f"invalid-{id}", (clause,), tuple(says.split("|")), file=file)

    size = int.from_bytes(data[:8], "little")
    header = json.loads(data[8 : 8 + size])
    yield case("file-truncated", "FILE-6", "truncated", data[:-5])
    yield case("file-of-numpy", "FILE-6", "zip", archive.getvalue())
    yield case("file-empty", "FILE-6", "safetensors", b"")
    yield case("file-not-finite", "FILE-5", "NaN", data[:-4] + np.float32("nan").tobytes())
    yield case("file-version", "FILE-6", "version", _file(header, data[8 + size :], version=99))
    yield case("file-without-architecture", "FILE-1", "architecture", _file(header, data[8 + size :], drop=True))
    yield case("file-metadata", "FILE-6", "rnnspec|JSON", _file(header, data[8 + size :], text="{"))
    yield case("file-metadata-list", "FILE-6", "rnnspec|object", _file(header, data[8 + size :], text="[1]"))
    pickled = b"\x80\x04cbuiltins\nlen\n(V1\ntR."
    yield case("file-pickled", "FILE-7", "pickle", pickled)


def _file(header: dict, tensors: bytes, version: int = 1, drop: bool = False, text: str = "") -> bytes:
    """A safetensors file with another header."""
    inner = text or json.dumps(json.loads(header["__metadata__"]["rnnspec"]) | {"version": version})
    header = header | {"__metadata__": {} if drop else {"rnnspec": inner}}
    data = json.dumps(header).encode()
    data += b" " * (-len(data) % 8)
    return len(data).to_bytes(8, "little") + data + tensors


def _calls() -> Iterator[Invalid]:
    def case(
        id: str, clause: str, says: str, model: Model = _MODEL, step=False, error="SpecError", **inputs
    ) -> Invalid:
        drawn = draw(f"invalid-{id}", (), model, state="state" in id)
        given = drawn.inputs | {key.replace("__", "."): value for key, value in inputs.items()}
        given = {key: np.asarray(value) for key, value in given.items() if value is not None}
        return Invalid(f"invalid-{id}", (clause,), tuple(says.split("|")), model.to_builtins(), drawn.weights, given,
                       step=step, error=error)  # fmt: skip

    x, ids = np.ones((BATCH, TIME, INPUTS), "f4"), np.ones((BATCH, TIME), "i8")
    mask = np.ones((BATCH, TIME), bool)
    yield case("x-rank", "INPUT-1", "x", x=x[0])
    yield case("x-features", "INPUT-1", "x|5", x=x[..., :3])
    yield case("x-step-rank", "INPUT-1", "x", x=x, step=True)
    yield case("ids-floating", "INPUT-1", "ids|float32", _IDS, x=ids.astype("f4"))
    yield case("ids-beyond", "EMBED-1", "ids|11", _IDS, x=ids * 11)
    yield case("ids-negative", "EMBED-1", "ids|-1", _IDS, x=-ids)
    yield case("lengths-negative", "INPUT-2", "lengths|-1", lengths=[6, -1, 2, 3])
    yield case("lengths-beyond", "INPUT-2", "lengths|7", lengths=[6, 1, 7, 3])
    yield case("lengths-floating", "INPUT-2", "lengths|float", lengths=np.array(RAGGED, "f4"))
    yield case("lengths-shape", "INPUT-2", "lengths|(3,)", lengths=[6, 1, 2])
    yield case("lengths-and-mask", "UNROLL-3", "mask|lengths", lengths=RAGGED, mask=mask)
    yield case("mask-integers", "INPUT-3", "mask", mask=mask.astype("i4"))
    yield case("mask-shape", "INPUT-3", "mask", mask=mask[:, :5])
    yield case("reset-integers", "INPUT-6", "reset", reset=mask.astype("i4"))
    yield case("reset-shape", "INPUT-6", "reset", reset=mask[:3])
    yield case("state-missing", "INPUT-4", "rnn.c", rnn__c=None)
    yield case("state-size", "INPUT-4", "rnn.h", rnn__h=np.ones((BATCH, 5), "f4"))
    yield case("state-rows", "INPUT-4", "rnn.h", rnn__h=np.ones((1, 7), "f4"))
    yield case("state-unknown", "INPUT-4", "rnn.k", rnn__k=np.ones((BATCH, 7), "f4"))
    for id, options in (("backward", {"direction": "backward"}), ("flip", {"reverse_output": True})):
        model = Model(inputs=INPUTS, layers=(Recurrent(name="rnn", cell=RNN(units=7), **options),))
        yield case(f"step-{id}", "STEP-2", "rnn|step", model, step=True, error="UnsupportedError", x=x[:, 0])
