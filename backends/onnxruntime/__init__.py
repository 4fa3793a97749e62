"""ONNX Runtime: inference from a model file, exported on the way, or from an .onnx file that rnnspec exported."""

from rnnspec import backends

backends.require("onnxruntime")

from rnnspec.backends.onnxruntime.module import Net, checkpoint, load  # noqa: E402 (the check comes first)
from rnnspec.export.session import Session  # noqa: E402

__all__ = ["Net", "Session", "checkpoint", "load"]
