"""Shared fixtures."""

import os
import sys

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

import numpy as np
import pytest

from rnnspec import GRU, LSTM, Checkpoint, Dense, Model, Recurrent
from rnnspec.cli import main
from rnnspec.config import passing


@pytest.fixture(autouse=True)
def _kinds_are_taken_back():
    """A cell that a test defines is known in that test only."""
    with passing():
        yield


def random_checkpoint(model: Model, seed: int = 0, dtype: str = "float32") -> Checkpoint:
    """Random weights, biases included; no two alike."""
    rng = np.random.default_rng(seed)
    return Checkpoint(model, {k: (rng.standard_normal(s) / 2).astype(dtype) for k, s in model.parameters().items()})


@pytest.fixture
def checkpoint() -> Checkpoint:
    """A small model with both kinds of recurrent layer."""
    return random_checkpoint(
        Model(
            inputs=3,
            layers=(
                Recurrent(name="lstm", cell=LSTM(units=5)),
                Recurrent(name="gru", cell=GRU(units=4, reset_after=True)),
                Dense(name="dense", units=2),
            ),
        )
    )


@pytest.fixture
def call(monkeypatch, capsys):
    """Run the command; returns exit code, standard output and standard error."""

    def run(*arguments):
        monkeypatch.setattr(sys, "argv", ["rnnspec", *map(str, arguments)])
        with pytest.raises(SystemExit) as end:
            main()
        return (end.value.code or 0, *capsys.readouterr())

    return run
