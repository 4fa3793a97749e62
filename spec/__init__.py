"""rnnspec: one recurrent model, one file, every runtime, the same numbers.

`import rnnspec` needs NumPy, msgspec and safetensors only; each framework is imported by its backend. The names below,
and every cell of `rnnspec.cells`, are imported when first used (PEP 562), so that the command line answers before NumPy
has loaded.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from rnnspec.version import __version__

if TYPE_CHECKING:
    from rnnspec import cells
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
    from rnnspec.cells import *  # noqa: F403 (what `__all__` says there, for type checkers)
    from rnnspec.checkpoint import SPEC_VERSION, Checkpoint, load
    from rnnspec.errors import SpecError, UnsupportedError
    from rnnspec.layers import Dense, Dropout, Embedding, Layer, Recurrent
    from rnnspec.model import Model

    __all__ = [
        "SPEC_VERSION",
        "Affine",
        "Celu",
        "Checkpoint",
        "Dense",
        "Dropout",
        "Elu",
        "Embedding",
        "Function",
        "HardShrink",
        "HardSigmoid",
        "Layer",
        "LeakyRelu",
        "Model",
        "Recurrent",
        "ScaledTanh",
        "SoftShrink",
        "SpecError",
        "ThresholdedRelu",
        "UnsupportedError",
        "__version__",
        "load",
    ]
    __all__ += cells.__all__

_HOME = {
    "activations": "Affine Celu Elu Function HardShrink HardSigmoid LeakyRelu ScaledTanh SoftShrink ThresholdedRelu",
    "checkpoint": "SPEC_VERSION Checkpoint load",
    "errors": "SpecError UnsupportedError",
    "layers": "Dense Dropout Embedding Layer Recurrent",
    "model": "Model",
}
_MODULE = {name: module for module, names in _HOME.items() for name in names.split()}


def __getattr__(name: str) -> Any:
    if name == "__all__":
        return __dir__()
    if name not in _MODULE and not (name[:1].isupper() and name in _cells()):  # a module asks too, while it is imported
        raise AttributeError(f"module 'rnnspec' has no attribute {name!r}")
    value = globals()[name] = getattr(import_module(f"rnnspec.{_MODULE.get(name, 'cells')}"), name)
    return value


def __dir__() -> list[str]:
    return sorted([*_MODULE, *_cells(), "__version__"])


def _cells() -> list[str]:
    return import_module("rnnspec.cells").__all__
