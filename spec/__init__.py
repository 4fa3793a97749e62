"""rnnspec: one recurrent model, one file, every runtime, the same numbers.

`import rnnspec` needs NumPy, msgspec and safetensors only; each framework is imported by its backend.
"""

from rnnspec.cells import GRU, LSTM, RNN, Cell, Stack
from rnnspec.checkpoint import SPEC_VERSION, Checkpoint, load
from rnnspec.errors import SpecError, UnsupportedError
from rnnspec.layers import Dense, Dropout, Embedding, Layer, Recurrent
from rnnspec.model import Model
from rnnspec.version import __version__

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
