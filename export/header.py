"""What an exported model says about itself, in its metadata (EXPORT-5)."""

import json
from typing import Any

import onnx

from rnnspec.checkpoint import Checkpoint, read_header
from rnnspec.export.start import initial_states
from rnnspec.layers import Recurrent
from rnnspec.ops import scope

METADATA_KEY = "rnnspec"


def paths(model: onnx.ModelProto, where: str = "model") -> dict[str, str]:
    """Recurrent layer → how it was written: a native node, or a `Scan` and why."""
    texts = [entry.value for entry in model.metadata_props if entry.key == METADATA_KEY]
    return describe(texts[0], where)["paths"]


def describe(text: str, where: str) -> dict[str, Any]:
    """The header that `build` put into the model's metadata (EXPORT-5)."""
    return read_header(text, where)


def written(checkpoint: Checkpoint, step: bool, time_major: bool, paths: dict[str, str]) -> str:
    """The header; `paths`: place in the model → how its cell was written."""
    model, initial = checkpoint.model, initial_states(checkpoint)
    header = {
        "version": model.version,
        "step": step,
        "time_major": time_major,
        "model": model.to_builtins(),
        "metadata": checkpoint.metadata,
        "paths": {layer.name: _path(paths, layer.name) for layer in model.layers if isinstance(layer, Recurrent)},
        "state": [
            {"name": name, "input": name, "output": f"{name}.out", "shape": ["batch", size]}
            | ({"initial": initial[name].tolist()} if name in initial and initial[name].any() else {})
            for name, size in model.states().items()
        ],
    } | ({"dtype": checkpoint.dtype} if checkpoint.dtype != "float32" else {})
    return json.dumps(header, sort_keys=True, separators=(",", ":"), ensure_ascii=False)


def _path(paths: dict[str, str], layer: str) -> str:
    """How a layer was written, its parts apart where they differ."""
    parts = {name: text for name, text in paths.items() if name == layer or name.startswith(f"{layer}.")}
    if len(set(parts.values())) == 1:
        return next(iter(parts.values()))
    return "; ".join(f"{name}: {text}" for name, text in scope(parts, layer).items())
