"""The hand-written gradient of LSTM variants against the one that works for every cell."""

import numpy as np
import pytest

import rnnspec.backends.tensorflow as backend
from rnnspec import LSTM, Checkpoint
from rnnspec.cells import LayerNorm

from .cases import layer, random_checkpoint
from .test_numbers import trained

# Keras reads its variables with np.array, which TensorFlow's `__array__` does not support fully yet.
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")


def norm(gates, over, cell, **options):
    return {"layer_norm": LayerNorm(gates=gates, over=over, cell=cell, epsilon=1e-3, **options)}


OPTIONS = {
    "peephole": {"peephole": True},
    "clipped": {"clip_cell": 0.5, "bias": False},
    "both": {"peephole": True, "clip_cell": 0.5},
    "joint": norm("joint", "gate", None),
    "split": norm("split", "gate", "output", beta=False),
    "all": norm("joint", "all", "carry") | {"peephole": True},
    "everything": norm("split", "all", "carry") | {"peephole": True, "clip_cell": 0.6},
    "output": norm("split", "gate", "output") | {"peephole": True, "clip_cell": 0.6, "bias": False},
}


@pytest.mark.parametrize("valid", ["all", "mask"])
@pytest.mark.parametrize("units", [5, 257])
@pytest.mark.parametrize("name", OPTIONS)
def test_gradients(name, units, valid):
    checkpoint = random_checkpoint(layer(LSTM(units=units, **OPTIONS[name]), direction="backward"))
    scale = 1 if units == 5 else 0.1
    checkpoint = Checkpoint(checkpoint.model, {key: w * scale for key, w in checkpoint.weights.items()})
    nets = [backend.load(checkpoint, dtype="float64", path=path) for path in ("fused", "generic")]
    (one, ones), (other, others) = (trained(net, valid) for net in nets)
    np.testing.assert_allclose(one[0], other[0], rtol=0, atol=1e-10)
    for d, expected in zip(ones, others, strict=True):
        np.testing.assert_allclose(d, expected, rtol=0, atol=1e-10 * max(1, np.abs(expected).max()))
