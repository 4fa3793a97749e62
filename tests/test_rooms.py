"""No arrow between rooms, folders and files turns around, and the contract that says so sees it where one does."""

from pathlib import Path

import pytest

from tests.rooms import broken, read

SOURCES = read(Path(__file__).parents[1])
TURNED = [
    ("spec/ops.py", "from rnnspec.export.graph import Graph", "imports export/graph.py, which it may not"),
    ("spec/ops.py", "def f():\n    import onnx", "imports onnx, which it may not"),
    ("conventions/gates.py", "from rnnspec.convert import request", "imports convert/request.py, which it may not"),
    ("export/verify.py", "from rnnspec.backends.onnxruntime import load", "imports backends/onnxruntime/__init__.py"),
    ("convert/keras/files.py", "import tensorflow", "imports tensorflow, which it may not"),
    ("backends/torch/ops.py", "import rnnspec.backends.jax.ops", "imports backends/jax/ops.py, which it may not"),
    ("diagnosis/trial.py", "from rnnspec.conformance import cases", "imports conformance/__init__.py, which it may"),
    ("conformance/runner.py", "import torch", "imports torch, which it may not"),
    ("conformance/runner.py", "importlib.import_module('rnnspec.backends.jax')", "imports backends/jax/__init__.py"),
    ("conformance/runner.py", "from rnnspec.report import page", "imports report/page.py, which it may not"),
    ("report/page.py", "from rnnspec.accuracy import _a", "imports _a, which is private to spec/accuracy.py"),
    ("spec/errors.py", "from rnnspec.model import Model", "spec: a circle: "),
    ("convert/request.py", "from rnnspec.convert.chain import chained", "convert: a circle: "),
    ("convert/saved_model/graph.py", "from rnnspec.convert.keras.files import decode", "convert: a circle: "),
]


def test_every_import_is_one_that_may_be():
    assert list(broken(SOURCES)) == []
    assert {"spec/ops.py", "export/graph.py", "conformance/runner.py", "report/page.py"} <= set(SOURCES)


@pytest.mark.parametrize(("path", "line", "says"), TURNED)
def test_an_import_that_is_turned_around_is_found(path, line, says):
    found = list(broken(SOURCES | {path: f"{SOURCES[path]}\n{line}\n"}))
    assert any(says in each for each in found), found
