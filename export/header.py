"""What an exported model says about itself, in its metadata (EXPORT-5)."""

from typing import Any

import onnx

from rnnspec.checkpoint import read_header

METADATA_KEY = "rnnspec"


def paths(model: onnx.ModelProto, where: str = "model") -> dict[str, str]:
    """Recurrent layer → how it was written: a native node, or a `Scan` and why."""
    texts = [entry.value for entry in model.metadata_props if entry.key == METADATA_KEY]
    return describe(texts[0], where)["paths"]


def describe(text: str, where: str) -> dict[str, Any]:
    """The header that `build` put into the model's metadata (EXPORT-5)."""
    return read_header(text, where)
