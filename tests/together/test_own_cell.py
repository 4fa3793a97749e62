"""examples/own_cell.py: a cell from outside the package runs, trains, exports and streams everywhere."""

import importlib.util
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf
import torch
from click.testing import CliRunner

import rnnspec
from rnnspec import backends
from rnnspec.accuracy import error
from rnnspec.cli.command import rnnspec as command
from rnnspec.export import export_onnx

EXAMPLE = Path(__file__).parents[2] / "examples" / "own_cell.py"


@pytest.fixture(scope="module")
def checkpoint():
    spec = importlib.util.spec_from_file_location("own_cell", EXAMPLE)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    cell = module.Leaky(units=6, rate=0.4)
    model = rnnspec.Model(
        inputs=5, layers=(rnnspec.Recurrent(name="r", cell=cell), rnnspec.Dense(name="d", units=3, activation="tanh"))
    )
    rng = np.random.default_rng(0)
    return rnnspec.Checkpoint(model, {k: rng.standard_normal(s).astype("f4") for k, s in model.parameters().items()})


def test_the_class_is_short():
    text = EXAMPLE.read_text(encoding="utf-8")
    assert len(text[text.index("class Leaky") :].strip().splitlines()) <= 25


@pytest.mark.parametrize("name", ["torch", "tensorflow", "onnxruntime"])
def test_it_runs_and_steps(checkpoint, name):
    x = np.random.default_rng(1).standard_normal((4, 7, 5)).astype("f4")
    lengths, state = np.array([7, 0, 3, 5]), {"r.h": np.random.default_rng(2).standard_normal((4, 6)).astype("f4")}
    expected, final = backends.get("numpy").load(checkpoint, dtype="float64")(x, lengths=lengths, state=state)
    net = backends.get(name).load(checkpoint)
    y, new = net(x, lengths=lengths, state=state)
    assert error(np.asarray(y), expected) < 1e-5
    assert error(np.asarray(new["r.h"]), final["r.h"]) < 1e-5
    y_t, _ = net.step(x[:, 0], state)
    assert error(np.asarray(y_t)[0], expected[0, 0]) < 1e-5


def test_it_trains_the_same_in_both_frameworks(checkpoint):
    x = np.random.default_rng(1).standard_normal((4, 7, 5))
    net = backends.get("torch").load(checkpoint, dtype="float64").train()
    net(torch.tensor(x))[0].square().sum().backward()
    expected = {name: p.grad.numpy() for name, p in net.named_parameters()}
    other = backends.get("tensorflow").load(checkpoint, dtype="float64")
    with tf.GradientTape() as tape:
        loss = tf.reduce_sum(other(x)[0] ** 2)
    for name, gradient in zip(other.model.parameters(), tape.gradient(loss, other.trainable_variables), strict=True):
        np.testing.assert_allclose(tf.convert_to_tensor(gradient), expected[name], atol=1e-10)


def test_it_exports_and_verifies_from_the_command(checkpoint, tmp_path):
    checkpoint.save(tmp_path / "mine.safetensors")
    for step in (False, True):
        assert export_onnx(checkpoint, tmp_path / "mine.onnx", step=step) < 1e-5
    arguments = ["--import", str(EXAMPLE), "verify", str(tmp_path / "mine.safetensors"), "--backend", "torch"]
    result = CliRunner().invoke(command, arguments)
    assert result.exit_code == 0, result.output
