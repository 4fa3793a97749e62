"""Networks that several tests share."""

import pytest

import rnnspec.backends.tensorflow as backend
from rnnspec import GRU, LSTM, RNN, Checkpoint, Dense, Dropout, Model, Recurrent

from .cases import INPUTS, layer, random_checkpoint


@pytest.fixture(scope="package")
def classifier() -> Checkpoint:
    """Forward only, so it has a step; float32."""
    layers = [
        Recurrent(name="r", cell=LSTM(units=5)),
        Dropout(name="drop", rate=0.4),
        Recurrent(name="s", cell=GRU(units=4, reset_after=True)),
        Dense(name="logits", units=2),
    ]
    return Checkpoint.initialize(Model(inputs=INPUTS, layers=layers), seed=1, metadata={"note": "x"})


@pytest.fixture(scope="package")
def net(classifier):
    return backend.load(classifier, dtype="float64")


@pytest.fixture(scope="package")
def last(classifier):
    """A net for errors: its inputs are (batch, time, 3)."""
    return backend.load(random_checkpoint(layer(RNN(units=2))), dtype="float64")
