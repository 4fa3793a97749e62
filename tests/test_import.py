"""What importing pulls in, and what happens where a framework is not installed."""

import subprocess
import sys

FRAMEWORKS = ("torch", "tensorflow", "keras", "onnx", "onnxruntime", "h5py", "jax")


def python(code: str, *options: str) -> str:
    done = subprocess.run([sys.executable, *options, "-c", code], capture_output=True, text=True, check=True)
    return done.stdout.strip()


def test_import_loads_no_framework():
    code = f"""
import sys, rnnspec
rnnspec.Model, rnnspec.load, rnnspec.Recurrent
import rnnspec.conformance, rnnspec.cli, rnnspec.backends.numpy
print([name for name in {FRAMEWORKS} if name in sys.modules])"""
    assert python(code) == "[]"


def test_import_does_not_load_numpy_random():
    code = "import sys, numpy; before = 'numpy.random' in sys.modules; import rnnspec; rnnspec.Model, rnnspec.load"
    assert python(f"{code}; print('numpy.random' in sys.modules and not before)") == "False"  # NumPy 1 loads it itself


def test_help_does_not_load_numpy():
    code = "import sys, rnnspec.cli; print('numpy' in sys.modules, 'rich' in sys.modules)"
    assert python(code) == "False False"


def test_every_public_name_is_there():
    code = "import rnnspec; print([name for name in rnnspec.__all__ if not hasattr(rnnspec, name)])"
    assert python(code) == "[]"
    assert python("import rnnspec; print(hasattr(rnnspec, 'nothing'))") == "False"


def test_only_rnnspec_is_installed():
    code = """
from importlib.metadata import packages_distributions
print(sorted(name for name, owners in packages_distributions().items() if "rnnspec" in owners))"""
    installed = python(code)
    assert "spec'" not in installed.replace("rnnspec'", "")
    assert "cli" not in installed


BLOCK = """
import importlib.util
real = importlib.util.find_spec
importlib.util.find_spec = lambda name, package=None: None if name in {blocked!r} else real(name, package)
import rnnspec
try:
    import {module}
except rnnspec.UnsupportedError as error:
    print(error)
"""


def test_a_missing_framework_says_how_to_get_it():
    for module, blocked, message in (
        ("rnnspec.backends.torch", ["torch"], "backend 'torch' needs torch: pip install 'rnnspec[torch]'"),
        ("rnnspec.backends.tensorflow", ["tensorflow", "keras"], "pip install 'rnnspec[tensorflow]'"),
        (
            "rnnspec.backends.onnxruntime",
            ["onnx", "onnxruntime"],
            "backend 'onnxruntime' needs onnx, onnxruntime: pip install",
        ),
        ("rnnspec.backends.jax", ["jax"], "backend 'jax' needs jax: pip install 'rnnspec[jax]'"),
        ("rnnspec.export", ["onnx"], "export needs onnx: pip install 'rnnspec[onnx]'"),
    ):
        answer = python(BLOCK.format(module=module, blocked=blocked))
        assert message in answer
        assert "\n" not in answer
