"""rnnspec: one recurrent model, one file, every runtime, the same numbers.

`import rnnspec` needs NumPy, msgspec and safetensors only; each framework is imported by its backend. The names below,
and every cell of `rnnspec.cells`, are imported when first used (PEP 562), so that the command line answers before NumPy
has loaded.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from rnnspec.version import __version__ as __version__

if TYPE_CHECKING:  # `as`: type checkers take them for public
    from rnnspec.activations import Affine as Affine
    from rnnspec.activations import Celu as Celu
    from rnnspec.activations import Elu as Elu
    from rnnspec.activations import Function as Function
    from rnnspec.activations import HardShrink as HardShrink
    from rnnspec.activations import HardSigmoid as HardSigmoid
    from rnnspec.activations import LeakyRelu as LeakyRelu
    from rnnspec.activations import ScaledTanh as ScaledTanh
    from rnnspec.activations import SoftShrink as SoftShrink
    from rnnspec.activations import ThresholdedRelu as ThresholdedRelu
    from rnnspec.cells import *  # noqa: F403
    from rnnspec.checkpoint import SPEC_VERSION as SPEC_VERSION
    from rnnspec.checkpoint import Checkpoint as Checkpoint
    from rnnspec.checkpoint import load as load
    from rnnspec.errors import SpecError as SpecError
    from rnnspec.errors import UnsupportedError as UnsupportedError
    from rnnspec.graph import Input as Input
    from rnnspec.layers import Activation as Activation
    from rnnspec.layers import Attention as Attention
    from rnnspec.layers import Convolution as Convolution
    from rnnspec.layers import Dense as Dense
    from rnnspec.layers import Dropout as Dropout
    from rnnspec.layers import Embedding as Embedding
    from rnnspec.layers import Layer as Layer
    from rnnspec.layers import Merge as Merge
    from rnnspec.layers import Norm as Norm
    from rnnspec.layers import Pool as Pool
    from rnnspec.layers import Recurrent as Recurrent
    from rnnspec.layers import Repeat as Repeat
    from rnnspec.layers import Scale as Scale
    from rnnspec.layers import Summary as Summary
    from rnnspec.model import Model as Model

_HOME = {
    "activations": "Affine Celu Elu Function HardShrink HardSigmoid LeakyRelu ScaledTanh SoftShrink ThresholdedRelu",
    "checkpoint": "SPEC_VERSION Checkpoint load",
    "errors": "SpecError UnsupportedError",
    "graph": "Input",
    "layers": "Activation Attention Convolution Dense Dropout Embedding Layer Merge Norm Pool Recurrent Repeat Scale "
    "Summary",
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
