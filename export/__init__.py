"""Export to ONNX: the graph is written directly, with symbolic batch and time and the states as inputs and outputs."""

import importlib.util

from rnnspec.errors import UnsupportedError

if importlib.util.find_spec("onnx") is None:
    raise UnsupportedError("export needs onnx: pip install 'rnnspec[onnx]'")

from rnnspec.export.header import describe, paths
from rnnspec.export.model import DEFAULT_OPSET, build, export_onnx

__all__ = ["DEFAULT_OPSET", "build", "describe", "export_onnx", "paths"]
