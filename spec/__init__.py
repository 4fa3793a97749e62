"""rnnspec: one recurrent model, one file, every runtime, the same numbers.

`import rnnspec` needs NumPy, msgspec and safetensors only; each framework is imported by its backend. The names below
are imported when first used (PEP 562), so that the command line answers before NumPy has loaded.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from rnnspec.version import __version__

if TYPE_CHECKING:
    from rnnspec.cells import GRU, LSTM, RNN, Cell, Stack
    from rnnspec.checkpoint import SPEC_VERSION, Checkpoint, load
    from rnnspec.errors import SpecError, UnsupportedError
    from rnnspec.layers import Dense, Dropout, Embedding, Layer, Recurrent
    from rnnspec.model import Model

_HOME = {
    "rnnspec.cells": ("GRU", "LSTM", "RNN", "Cell", "Stack"),
    "rnnspec.checkpoint": ("SPEC_VERSION", "Checkpoint", "load"),
    "rnnspec.errors": ("SpecError", "UnsupportedError"),
    "rnnspec.layers": ("Dense", "Dropout", "Embedding", "Layer", "Recurrent"),
    "rnnspec.model": ("Model",),
}
_MODULE = {name: module for module, names in _HOME.items() for name in names}

__all__ = [
    "GRU",
    "LSTM",
    "RNN",
    "SPEC_VERSION",
    "Cell",
    "Checkpoint",
    "Dense",
    "Dropout",
    "Embedding",
    "Layer",
    "Model",
    "Recurrent",
    "SpecError",
    "Stack",
    "UnsupportedError",
    "__version__",
    "load",
]


def __getattr__(name: str) -> Any:
    if name not in _MODULE:
        raise AttributeError(f"module 'rnnspec' has no attribute {name!r}")
    value = globals()[name] = getattr(import_module(_MODULE[name]), name)
    return value


def __dir__() -> list[str]:
    return __all__
