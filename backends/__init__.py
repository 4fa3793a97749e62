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
    if not importable(name):
        raise SpecError(f"backend {name!r}: unknown; expected {', '.join(REQUIRES)} or an importable module")
    module = importlib.import_module(name)
    if not hasattr(module, "load"):
        raise SpecError(f"backend {name!r}: module {module.__name__} has no load(checkpoint)")
    return module


def importable(name: str) -> bool:
    """Whether there is a module of this name; its packages are imported to know."""
    parts = name.split(".")
    names = [".".join(parts[: k + 1]) for k in range(len(parts))]
    return all(map(str.isidentifier, parts)) and all(map(importlib.util.find_spec, names))


def require(name: str) -> None:
    """Raise UnsupportedError, with the command that installs them, where packages of a backend are missing."""
    if lacking := missing(name):
        extra = REQUIRES[name][1]
        raise UnsupportedError(f"backend {name!r} needs {', '.join(lacking)}: pip install 'rnnspec[{extra}]'")
