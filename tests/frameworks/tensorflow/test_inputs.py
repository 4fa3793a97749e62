"""Wrong inputs and options."""

import subprocess
import sys

import numpy as np
import pytest
import tensorflow as tf

import rnnspec.backends.tensorflow as backend
from rnnspec import (
    SpecError,
)

from .cases import INPUTS

X = np.zeros((2, 3, INPUTS))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"x": X[0]}, "x: expected shape"),
        ({"x": X[..., :2]}, "3 features"),
        ({"x": [[["a"]]]}, "x: expected numbers"),
        ({"x": tf.zeros((2, 3, INPUTS))}, "x: expected float64, found float32"),
        ({"x": tf.RaggedTensor.from_tensor(tf.constant(X))}, "x: expected a dense tensor"),
        ({"x": X, "lengths": [3]}, "lengths: expected shape"),
        ({"x": X, "lengths": [3, 4]}, "row 1 is 4, beyond the 3 steps"),
        ({"x": X, "lengths": [-1, 3]}, "row 0 is -1"),
        ({"x": X, "lengths": [1.0, 2.0]}, "lengths: expected integers"),
        ({"x": X, "mask": np.ones((2, 3))}, "mask: expected booleans"),
        ({"x": X, "mask": np.ones((3, 2), bool)}, "mask: expected shape"),
        ({"x": X, "mask": np.ones((2, 3), bool), "lengths": [1, 1]}, "mask: given together"),
        ({"x": X, "state": {"r.h": np.zeros((1, 2))}}, "state: 'r.h': expected shape"),
        ({"x": X, "state": {"h": np.zeros((2, 2))}}, "state: unknown 'h'"),
        ({"x": X, "state": {}}, "state: 'r.h' is missing"),
        ({"x": X, "state": np.zeros((2, 2))}, "state: expected a mapping"),
        ({"x": {"x": X, "length": [1, 1]}}, "unknown key 'length'"),
        ({"x": {"lengths": [1, 1]}}, "no key 'x'"),
        ({"x": {"x": X}, "lengths": [1, 1]}, "a mapping holds lengths"),
    ],
)
def test_wrong_inputs_are_refused(last, arguments, message):
    with pytest.raises(SpecError, match=message):
        last(**arguments)


@pytest.mark.parametrize("options", [{"path": "fast"}, {"dtype": "float16"}])
def test_wrong_options_are_refused(classifier, options):
    with pytest.raises(SpecError, match=next(iter(options))):
        backend.load(classifier, **options)


def test_keras_on_another_framework_is_refused():
    code = "import keras; keras.backend.backend = lambda: 'jax'; import rnnspec.backends.tensorflow"
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert "set KERAS_BACKEND=tensorflow" in result.stderr.splitlines()[-1]
