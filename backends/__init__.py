"""The runtimes: the same interface in each, so that only the import line differs.

import rnnspec.backends.torch as backend      # or numpy, tensorflow, onnxruntime, jax
net = backend.load("model.safetensors")
y, state = net(x, lengths=None, mask=None, state=None)
y_t, state = net.step(x_t, state)
checkpoint = backend.checkpoint(net)
"""

import importlib
import importlib.util
from types import ModuleType

from rnnspec.errors import SpecError, UnsupportedError

# Backend → the packages it needs, and the extra that installs them.
REQUIRES = {
    "numpy": ((), ""),
    "torch": (("torch",), "torch"),
    "tensorflow": (("tensorflow", "keras"), "tensorflow"),
    "onnxruntime": (("onnx", "onnxruntime"), "onnx"),
    "jax": (("jax",), "jax"),
}


def missing(name: str) -> list[str]:
    """The packages that the backend `name` needs and this environment lacks."""
    return [package for package in REQUIRES[name][0] if importlib.util.find_spec(package) is None]


def installed() -> list[str]:
    """The backends whose packages are installed."""
    return [name for name in REQUIRES if not missing(name)]


def get(name: str) -> ModuleType:
    """A backend by its short name, or any importable module that has the same interface (CONF-1).

    Raises:
        SpecError: there is no such backend or module.
        UnsupportedError: its framework is not installed.
    """
    if name in REQUIRES:
        require(name)
        return importlib.import_module(f"rnnspec.backends.{name}")
    parents = [name.rsplit(".", i)[0] for i in range(name.count("."), -1, -1)]
    if not all(importlib.util.find_spec(parent) for parent in parents):
        raise SpecError(f"backend {name!r}: unknown; expected {', '.join(REQUIRES)} or an importable module")
    module = importlib.import_module(name)
    if not hasattr(module, "load"):
        raise SpecError(f"backend {name!r}: module {module.__name__} has no load(checkpoint)")
    return module


def require(name: str) -> None:
    """Raise UnsupportedError, with the command that installs them, where packages of a backend are missing."""
    if lacking := missing(name):
        extra = REQUIRES[name][1]
        raise UnsupportedError(f"backend {name!r} needs {', '.join(lacking)}: pip install 'rnnspec[{extra}]'")
