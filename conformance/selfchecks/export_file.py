"""The exported file: its opset, its metadata, and the weights that lie beside it (EXPORT-2, EXPORT-5, EXPORT-9)."""

import importlib
import json
import tempfile
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np

from rnnspec.conformance.check import Check, equal, holds, refused
from rnnspec.conformance.selfchecks.exported import (
    BOTH,
    MODEL,
    ONNX,
    RUNTIME,
    STREAM,
    agrees,
    checkpoint_of,
    exporter,
    inputs_of,
)
from rnnspec.errors import SpecError
from rnnspec.layers import Dense
from rnnspec.model import Model
from rnnspec.version import __version__

_SCAN = "Scan: ONNX has no"


def _beside() -> None:
    onnx = importlib.import_module("onnx")
    holds("one file holds no more than protocol buffers do", 2**30 < exporter().LARGEST <= 2**31 - 2**26)
    reader = importlib.import_module("rnnspec.convert.onnx.files")
    checkpoint = checkpoint_of(Model(inputs=50, layers=(BOTH, Dense(name="dense", units=256))))
    with tempfile.TemporaryDirectory() as folder, mock.patch.object(exporter(), "LARGEST", 2000):
        path = Path(folder) / "inner" / "model.onnx"
        path.parent.mkdir()
        exporter().export_onnx(checkpoint, path)
        equal("the files", sorted(file.name for file in path.parent.iterdir()), ["model.onnx", "model.onnx.data"])
        model = onnx.load(path, load_external_data=False)
        beside = [tensor for tensor in model.graph.initializer if tensor.external_data]
        holds("large weights are in the model", all(len(t.raw_data) < 1024 for t in model.graph.initializer))
        end = 0
        for tensor in beside:
            said = {entry.key: entry.value for entry in tensor.external_data}
            equal(f"where {tensor.name} begins", said["offset"], str(end))
            equal(f"the file with {tensor.name}", said["location"], "model.onnx.data")
            end += int(said["length"])
        equal("the size of the file beside it", path.with_name("model.onnx.data").stat().st_size, end)
        (Path(folder) / "outside").write_bytes(bytes(end))
        for tensor in beside:
            tensor.external_data[0].value = "../outside"
        path.write_bytes(model.SerializeToString())
        with refused("weights outside the folder", SpecError, "outside"):
            reader.load(path)


def _metadata() -> None:
    checkpoint = checkpoint_of(MODEL)
    entries = exporter().build(checkpoint).metadata_props
    equal("the entries", [entry.key for entry in entries], ["rnnspec"])
    header = json.loads(entries[0].value)
    header.pop("paths")
    start = checkpoint.weights["norm.initial.h"].tolist()
    expected = {
        "version": 1,
        "model": MODEL.to_builtins(),
        "metadata": {"a": [1, "€"]},
        "step": False,
        "time_major": False,
        "state": [
            {"name": name, "input": name, "output": f"{name}.out", "shape": ["batch", size]}
            | ({"initial": start} if name == "norm.h" else {})
            for name, size in MODEL.states().items()
        ],
    }
    equal("the entry's keys", sorted(header), sorted(expected))
    for key, value in expected.items():
        equal(f"the entry's {key}", header[key], value)
    for options in ({"step": True}, {"time_major": True}):
        entries = exporter().build(checkpoint_of(STREAM), **options).metadata_props
        header = json.loads(entries[0].value)
        equal(f"the entry with {options}", {key: header[key] for key in options}, options)


def _said(info: Any) -> str:
    sizes = (size.dim_param or str(size.dim_value) for size in info.type.tensor_type.shape.dim)
    return f"{info.name} ({', '.join(sizes)})"


def _opsets() -> None:
    checkpoint = checkpoint_of(STREAM)
    model = exporter().build(checkpoint)
    equal("the opset", [(opset.domain, opset.version) for opset in model.opset_import], [("", 17)])
    equal("who wrote it", (model.producer_name, model.producer_version), ("rnnspec", __version__))
    layers = {node.name.partition("/")[0] for node in model.graph.node if "/" in node.name}
    holds("nodes bear the names of their layers", {layer.name for layer in STREAM.layers} <= layers)
    equal("what it says of itself", model.doc_string.partition(" → ")[0], ", ".join(map(_said, model.graph.input)))
    feeds = inputs_of(STREAM, 2, 5) | {"lengths": np.array([5, 3], "int32")}
    newest = importlib.import_module("onnx").defs.onnx_opset_version()
    for opset in (14, 16, 17, 18, newest):
        model = exporter().build(checkpoint, opset=opset)
        equal(f"opset {opset}", model.opset_import[0].version, opset)
        if opset <= 18:  # which every ONNX Runtime that is supported reads
            agrees(f"opset {opset}", checkpoint, model, feeds)
    for opset in (13, newest + 1):
        with refused(f"opset {opset}", SpecError, f"14 to {newest}"):
            exporter().build(checkpoint, opset=opset)


def _paths() -> None:
    entries = exporter().build(checkpoint_of(MODEL)).metadata_props
    found = json.loads(entries[0].value)["paths"]
    expected = {
        "both": "native LSTM",
        "stack": f"cells.0: native GRU; cells.1: {_SCAN} projection in LSTM",
        "plain": "native RNN",
        "norm": f"{_SCAN} layer norm in RNN",
    }
    equal("the paths", found, expected)


CHECKS = (
    Check("export-metadata", ("EXPORT-5",), _metadata, ONNX),
    Check("export-opsets", ("EXPORT-2",), _opsets, RUNTIME),
    Check("export-paths", ("EXPORT-2", "EXPORT-5"), _paths, ONNX),
    Check("export-weights-beside", ("EXPORT-9",), _beside, RUNTIME),
)
