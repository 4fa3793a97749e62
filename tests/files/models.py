"""Model files: the container, the JSON in it, the architecture in that."""

import json
import struct
from collections.abc import Iterator
from typing import Any

import numpy as np

from rnnspec import (
    GRU,
    LSTM,
    RNN,
    CausalConvolution,
    Cell,
    Checkpoint,
    Dense,
    Dropout,
    Embedding,
    LayerNorm,
    Model,
    Recurrent,
    Residual,
    Stack,
    TimeFreqLSTM,
)

ESCAPE = "\x1b[31m\x07\r\x9b"  # what a terminal obeys
DENSE = {"type": "dense", "name": "d", "units": 2}
TENSORS = {
    "d.bias": {"dtype": "F32", "shape": [2], "data_offsets": [0, 8]},
    "d.kernel": {"dtype": "F32", "shape": [2, 3], "data_offsets": [8, 32]},
}
NUMBERS = struct.pack("<8f", *range(8))


def container(header: str | bytes, numbers: bytes = NUMBERS) -> bytes:
    """A safetensors file."""
    text = header.encode("utf-8", "surrogatepass") if isinstance(header, str) else header
    text += b" " * (-len(text) % 8)
    return struct.pack("<Q", len(text)) + text + numbers


def saying(text: str, tensors: Any = TENSORS, numbers: bytes = NUMBERS) -> bytes:
    """A file whose entry `rnnspec` is this text."""
    return container(json.dumps({"__metadata__": {"rnnspec": text}} | tensors), numbers)


def holding(layers: Any, metadata: str = "{}", **fields: Any) -> bytes:
    """A file with this architecture in it, which no tensors need to fit: it is looked at first."""
    fields = {"inputs": 3} | fields
    model = ", ".join(f'"{key}": {as_json(value)}' for key, value in {"layers": layers, **fields}.items())
    return saying(f'{{"version": 1, "model": {{{model}}}, "metadata": {metadata}}}')


class Raw(str):
    """A piece of JSON, or of something like it."""


def as_json(value: Any) -> str:
    if isinstance(value, Raw):
        return value
    if isinstance(value, dict):
        return "{" + ", ".join(f"{json.dumps(key)}: {as_json(item)}" for key, item in value.items()) + "}"
    return "[" + ", ".join(map(as_json, value)) + "]" if isinstance(value, list) else json.dumps(value)


def recurrent(**cell: Any) -> list:
    return [{"type": "recurrent", "name": "r", "cell": {"type": "lstm", "units": 2} | cell}]


def nested(depth: int) -> str:
    cell = '{"type": "residual", "cell": ' * depth + '{"type": "rnn", "units": 3, "activation": "tanh"}' + "}" * depth
    return Raw(f'[{{"type": "recurrent", "name": "r", "cell": {cell}}}]')


def files() -> Iterator[tuple]:
    yield from _valid()
    for name, says, data in (*_containers(), *_texts(), *_architectures(), *_numbers(), *_too_much()):
        yield f"{name}.safetensors", data, says


def _valid() -> Iterator[tuple]:
    rng = np.random.default_rng(7)
    norm = LayerNorm(gates="split", over="gate", epsilon=1e-3, cell="carry")

    def one(cell: Cell, inputs: int = 3, **options: Any) -> Model:
        return Model(inputs=inputs, layers=(Recurrent(name="r", cell=cell, **options),))

    stack = Stack(cells=(Residual(cell=RNN(units=3, activation="relu")), LSTM(units=3)))
    dropped = (Dropout(name="o", rate=0.25), Recurrent(name="r", cell=stack))
    for name, model in {
        "dense": Model(inputs=3, layers=(Dense(name="d", units=2, activation="relu6"),)),
        "ids": Model(layers=(Embedding(name="e", vocabulary=5, units=3), Dense(name="d", units=2)), padding=0),
        "both": one(GRU(units=2, reset_after=True), direction="bidirectional"),
        "norm": one(LSTM(units=2, layer_norm=norm, clip_cell=3.0)),
        "wrapped": Model(inputs=3, layers=dropped),
        "queue": one(CausalConvolution(units=2, width=2, dilation=4)),
        "windows": one(TimeFreqLSTM(units=2, feature_size=3, frequency_skip=2), inputs=9),
    }.items():
        weights = {key: rng.standard_normal(shape).astype("float32") for key, shape in model.parameters().items()}
        yield f"{name}.safetensors", Checkpoint(model, weights, {"π": [1, None, "\n"]}).to_bytes()
    yield "deep.safetensors", _initialized(Model.from_json(as_json({"inputs": 3, "layers": nested(90)})))
    clean = holding([DENSE])
    yield "no-metadata.safetensors", clean.replace(b', \\"metadata\\": {}', b" " * 18)
    free = '{"conversion": {"format": 1, "notes": 5}, "\\u001b[31m": "\\u009b"}'
    yield "free-metadata.safetensors", holding([DENSE], free)
    other = '{"conversion": {"format": "\\u001b[31m", "source": "a", "notes": [{"a": "\\u001b"}], "ignored": {"b": 1}}}'
    yield "own-notes.safetensors", holding([DENSE], other)


def _initialized(model: Model) -> bytes:
    return Checkpoint.initialize(model, 3).to_bytes()


def _containers() -> Iterator[tuple]:
    good = holding([DENSE])
    yield "empty", "not a safetensors file", b""
    yield "text", "not a safetensors file", b"hello\nworld"
    yield "pickle", "a pickle, which is never loaded", b"\x80\x04cos\nsystem\n(Vtrue\ntR."
    yield "hdf5", "an HDF5 file", b"\x89HDF\r\n\x1a\n" + bytes(90)
    yield "zip", "a zip archive", b"PK\x03\x04" + bytes(90)
    yield "cut", "truncated or damaged", good[:-3]
    yield "cut-header", "truncated or damaged", good[:60]
    yield "longer", "truncated or damaged", good + b"1234"
    yield "huge-header", "truncated or damaged", struct.pack("<Q", 2**62) + good[8:]
    yield "header-not-unicode", "truncated or damaged", container(b'{"\xff": 1}')
    yield "header-nested", "truncated or damaged", container(b'{"a":' * 10_000)
    entry = '"d": {"dtype": "F32", "shape": [2], "data_offsets": [0, 8]}'
    yield "tensor-twice", "'d' is there twice", container(f"{{{entry}, {entry}}}", NUMBERS[:8])
    yield (
        "tensor-extra-field",
        "truncated or damaged",
        container('{"d": {"dtype": "F32", "shape": [3], "shape": [2], "data_offsets": [0, 8]}}', NUMBERS[:8]),
    )
    for name, shape in {"axes": [1] * 70, "shape": [2**62, 0]}.items():
        size = 4 * int(np.prod([float(n) for n in shape]))
        tensors = {"d": {"dtype": "F32", "shape": shape, "data_offsets": [0, size]}}
        yield f"tensor-{name}", "more than", saying("{}", tensors, NUMBERS[:size])
    integers = {"d": {"dtype": "I64", "shape": [4], "data_offsets": [0, 32]}}
    yield "tensor-integers", "found I64", saying(_text([DENSE]), integers)
    strange = {f"{ESCAPE}{'x' * 9000}": TENSORS["d.bias"]}
    yield "tensor-name", "not part of the architecture", saying(_text([DENSE]), TENSORS | {
        key: entry | {"data_offsets": [32, 40]} for key, entry in strange.items()}, NUMBERS + bytes(8))  # fmt: skip
    yield "no-entry", "without an rnnspec architecture", container(json.dumps(TENSORS))
    yield "null-metadata", "without an rnnspec architecture", container(json.dumps({"__metadata__": None} | TENSORS))
    yield "number-metadata", "truncated or damaged", container(json.dumps({"__metadata__": {"rnnspec": 3}} | TENSORS))


def _text(layers: list) -> str:
    return json.dumps({"version": 1, "model": {"inputs": 3, "layers": layers}})


def _texts() -> Iterator[tuple]:
    yield "text-empty", "not JSON", saying("")
    yield "text-nested-lists", "nested more than", saying("[" * 10_000)
    yield "text-nested-objects", "nested more than", saying('{"a":' * 10_000)
    yield "text-nested-closed", "nested more than", saying("[" * 10_000 + "]" * 10_000)
    yield "text-quotes", "not JSON", saying('"\\"' * 5000)
    yield "text-list", "expected an object, found list", saying("[1]")
    yield "text-number", "expected an object, found int", saying("3")
    yield "text-escapes", "not JSON", saying(f'{{"{ESCAPE}": 1}}')
    yield "text-surrogate", "Unicode", saying('{"version": 1, "model": {}, "metadata": {"a": "\\ud800"}}')
    yield "text-surrogate-key", "Unicode", saying('{"version": 1, "\\udfff": 1}')
    yield "text-key-twice", "'version' is there twice", saying('{"version": 1, "version": 1}')
    yield "text-nan", "NaN is no number", saying('{"version": 1, "metadata": {"a": NaN}}')
    yield "text-infinity", "Infinity is no number", saying('{"version": 1, "metadata": {"a": [-Infinity]}}')
    yield "text-1e999", "1e999 is more than", saying('{"version": 1, "metadata": {"a": 1e999}}')
    yield "text-digits", "5000 digits", saying(f'{{"version": {"1" * 5000}}}')
    for name, version in {
        "true": "true",
        "float": "1.0",
        "3": "3",
        "string": '"1"',
        "list": "[1]",
        "null": "null",
    }.items():
        yield f"version-{name}", "written for spec version", saying(f'{{"version": {version}, "model": {{}}}}')
    yield "version-missing", "written for spec version None", saying('{"model": {}}')
    for name, metadata in {"list": "[]", "null": "null", "string": '"a"', "number": "0"}.items():
        yield f"metadata-{name}", "metadata: expected an object", holding([DENSE], metadata)


def _architectures() -> Iterator[tuple]:
    for name, model in {
        "missing": "",
        "null": ', "model": null',
        "list": ', "model": []',
        "string": ', "model": "m"',
    }.items():
        yield f"model-{name}", "model: expected an object", saying(f'{{"version": 1{model}}}')
    for name, layers in {"object": {}, "string": "dense", "number": 3, "null": None}.items():
        yield f"layers-{name}", "model.layers: expected a list", holding(layers)
    yield "layers-none", "at least one layer", holding([])
    yield "layers-numbers", "model.layers[0]: expected an object", holding([3])
    yield "layers-alike", "two layers are named", holding([DENSE] * 9)
    for name, kind in {
        "list": ["dense"],
        "object": {},
        "null": None,
        "number": 1,
        "true": True,
        "long": "x" * 9000,
    }.items():
        yield f"type-{name}", "layers[0].type: unknown layer", holding([DENSE | {"type": kind}])
    yield "type-escapes", "layers[0].type: unknown layer", holding([DENSE | {"type": ESCAPE}])
    yield "cell-type-list", "cell.type: unknown cell", holding(recurrent(type=["lstm"]))
    yield "activation-type-list", "unknown function", holding([DENSE | {"activation": {"type": ["elu"], "alpha": 1}}])
    yield "activation-list", "expected one of", holding([DENSE | {"activation": ["tanh"]}])
    yield "key-escapes", "unknown key", holding([DENSE | {ESCAPE: 1}])
    yield "key-long", "unknown key", holding([DENSE | {"k" * 9000: 1}])
    yield "key-missing", "missing key 'units'", holding([{"type": "dense", "name": "d"}])
    for name, value in {"escapes": ESCAPE, "newline": "d\n", "empty": "", "long": "é" * 9000}.items():
        yield f"name-{name}", "name: expected letters", holding([DENSE | {"name": value}])
    yield "name-number", "name: expected `str`", holding([DENSE | {"name": 3}])
    yield "norm-list", "layer_norm", holding(recurrent(layer_norm=[]))
    yield "norm-number", "layer_norm", holding(recurrent(layer_norm=1))


def _numbers() -> Iterator[tuple]:
    for name, units in {
        "true": True,
        "float": 1.5,
        "string": "2",
        "list": [2],
        "zero": 0,
        "negative": -(10**30),
    }.items():
        yield f"units-{name}", "units: expected `int`", holding([DENSE | {"units": units}])
    yield "units-large", "units: expected `int` <= ", holding([DENSE | {"units": 2**31}])
    yield (
        "units-4000-digits",
        "units: expected a number that a float holds",
        holding([DENSE | {"units": Raw("9" * 4000)}]),
    )
    yield "units-5000-digits", "5000 digits", holding([DENSE | {"units": Raw("9" * 5000)}])
    yield "inputs-large", "inputs: expected `int` <= ", holding([DENSE], inputs=2**62)
    for name, number in {"nan": "NaN", "infinity": "-Infinity", "1e999": "1e999"}.items():
        yield f"padding-{name}", "not JSON", holding([DENSE], padding=Raw(number))
        yield f"clip-{name}", "not JSON", holding(recurrent(clip_cell=Raw(number)))
        yield f"rate-{name}", "not JSON", holding([{"type": "dropout", "name": "o", "rate": Raw(number)}])
        alpha = {"type": "elu", "alpha": Raw(number)}
        yield f"alpha-{name}", "not JSON", holding([DENSE | {"activation": alpha}])
        norm = {"gates": "joint", "over": "all", "epsilon": Raw(number)}
        yield f"epsilon-{name}", "not JSON", holding(recurrent(layer_norm=norm))
    for name, number in {"true": True, "string": "0", "list": [0], "large": 10**400}.items():
        yield f"padding-{name}", "model.padding: ", holding([DENSE], padding=number)


def _too_much() -> Iterator[tuple]:
    yield "deep-wrappers", "nested more than", holding(nested(190))
    yield "deep-too-deep", "nested more than", holding(nested(4000))
    windows = {"type": "timefreq_lstm", "units": 1, "feature_size": 1, "frequency_skip": 1}
    for inputs in (2**20, 2**31 - 1):
        yield (
            f"windows-{inputs}",
            "windows, more than",
            holding([{"type": "recurrent", "name": "r", "cell": windows}], inputs=inputs),
        )
    queue = {"type": "causal_convolution", "units": 1, "width": 2}
    for dilation in (2**21, 2**31 - 1):
        yield (
            f"queue-{dilation}",
            "numbers of state a row",
            holding([{"type": "recurrent", "name": "r", "cell": queue | {"dilation": dilation}}]),
        )
    blocks = {"type": "wavenet", "residual": 3, "skip": 1, "dilations": [2**19] * 300}
    yield "queues", "numbers of state a row", holding([{"type": "recurrent", "name": "r", "cell": blocks}])
    yield (
        "queue-beyond",
        "dilation: expected `int` <= ",
        holding([{"type": "recurrent", "name": "r", "cell": queue | {"dilation": 2**40}}]),
    )
    large = holding([DENSE | {"units": 2**31 - 1}], inputs=2**31 - 1)
    yield "tensor-small", "expected shape (2147483647,)", large
    yield "tensor-missing", "tensor 'e.kernel' is missing", holding([DENSE, DENSE | {"name": "e"}])
