"""rnnspec: one recurrent model, one file, every runtime, the same numbers.

`import rnnspec` needs NumPy, msgspec and safetensors only; each framework is imported by its backend. The names below
are imported when first used (PEP 562), so that the command line answers before NumPy has loaded.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from rnnspec.version import __version__

if TYPE_CHECKING:
    from rnnspec.activations import (
        Affine,
        Celu,
        Elu,
        Function,
        HardShrink,
        HardSigmoid,
        LeakyRelu,
        ScaledTanh,
        SoftShrink,
        ThresholdedRelu,
    )
    from rnnspec.cells import (
        GRU,
        LSTM,
        MGU,
        NAS,
        RNN,
        SRU,
        UGRNN,
        CausalConvolution,
        Cell,
        CellDropout,
        IndRNN,
        Intersection,
        LayerNorm,
        Residual,
        Stack,
        TimeFreqLSTM,
        WaveNet,
        Zoneout,
    )
    from rnnspec.checkpoint import SPEC_VERSION, Checkpoint, load
    from rnnspec.errors import SpecError, UnsupportedError
    from rnnspec.layers import Dense, Dropout, Embedding, Layer, Recurrent
    from rnnspec.model import Model

_HOME = {
    "rnnspec.activations": (
        "Affine",
        "Celu",
        "Elu",
        "Function",
        "HardShrink",
        "HardSigmoid",
        "LeakyRelu",
        "ScaledTanh",
        "SoftShrink",
        "ThresholdedRelu",
    ),
    "rnnspec.cells": (
        "GRU",
        "LSTM",
        "MGU",
        "NAS",
        "RNN",
        "SRU",
        "UGRNN",
        "CausalConvolution",
        "Cell",
        "CellDropout",
        "IndRNN",
        "Intersection",
        "LayerNorm",
        "Residual",
        "Stack",
        "TimeFreqLSTM",
        "WaveNet",
        "Zoneout",
    ),
    "rnnspec.checkpoint": ("SPEC_VERSION", "Checkpoint", "load"),
    "rnnspec.errors": ("SpecError", "UnsupportedError"),
    "rnnspec.layers": ("Dense", "Dropout", "Embedding", "Layer", "Recurrent"),
    "rnnspec.model": ("Model",),
}
_MODULE = {name: module for module, names in _HOME.items() for name in names}

__all__ = [
    "GRU",
    "LSTM",
    "MGU",
    "NAS",
    "RNN",
    "SPEC_VERSION",
    "SRU",
    "UGRNN",
    "Affine",
    "CausalConvolution",
    "Cell",
    "CellDropout",
    "Celu",
    "Checkpoint",
    "Dense",
    "Dropout",
    "Elu",
    "Embedding",
    "Function",
    "HardShrink",
    "HardSigmoid",
    "IndRNN",
    "Intersection",
    "Layer",
    "LayerNorm",
    "LeakyRelu",
    "Model",
    "Recurrent",
    "Residual",
    "ScaledTanh",
    "SoftShrink",
    "SpecError",
    "Stack",
    "ThresholdedRelu",
    "TimeFreqLSTM",
    "UnsupportedError",
    "WaveNet",
    "Zoneout",
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
