"""Gradients of a loss through outputs and final states: torch, tensorflow, and finite differences of the reference."""

import numpy as np
import pytest
import tensorflow as tf
import torch

import rnnspec.backends.tensorflow
import rnnspec.backends.torch
from rnnspec import GRU, LSTM, RNN, Checkpoint, Dense, Model, Recurrent, Stack
from rnnspec.conformance.variations import CELLS as VARIATIONS
from rnnspec.reference import Net

from ..conftest import random_checkpoint

BATCH, TIME, INPUTS = 3, 5, 5
CELLS = {
    "rnn": RNN(units=3),
    "lstm": LSTM(units=3),
    "gru_before": GRU(units=3, reset_after=False),
    "gru_after": GRU(units=3, reset_after=True),
    "stack": Stack(cells=(GRU(units=2, reset_after=True), LSTM(units=3))),
}
LENGTHS = {"full": None, "zero": np.array([2, 0, 5], "int32")}
STEP = 1e-6


class Problem:
    """A model in float64, one call, and a loss with a random weight for every number that comes out."""

    def __init__(self, cell, lengths, **options):
        layers = (
            Recurrent(name="a", cell=cell, **options),
            Recurrent(name="b", cell=RNN(units=4), return_sequences=False),
            Dense(name="c", units=2),
        )
        self.reset = None
        self.checkpoint = random_checkpoint(Model(inputs=INPUTS, layers=layers), seed=3, dtype="float64")
        self.lengths = LENGTHS[lengths]
        rng = np.random.default_rng(4)
        sizes = self.checkpoint.model.states()
        self.variables = {
            "x": rng.standard_normal((BATCH, TIME, INPUTS)),
            **{name: rng.standard_normal((BATCH, size)) for name, size in sizes.items()},
            **self.checkpoint.weights,
        }
        self.slopes = {"y": rng.standard_normal((BATCH, 2))}
        self.slopes |= {name: rng.standard_normal((BATCH, size)) for name, size in sizes.items()}

    def state(self, variables):
        return {name: variables[name] for name in self.checkpoint.model.states()}

    def loss(self, variables):
        weights = {name: variables[name] for name in self.checkpoint.weights}
        net = Net(Checkpoint(self.checkpoint.model, weights), "float64")
        y, final = net(variables["x"], lengths=self.lengths, state=self.state(variables), reset=self.reset)
        return sum((self.slopes[name] * value).sum() for name, value in {"y": y, **final}.items())

    def finite_differences(self):
        """Central differences, element by element."""
        gradients = {}
        for name, array in self.variables.items():
            gradients[name] = np.zeros_like(array)
            for place in np.ndindex(*array.shape):
                ends = []
                for change in (STEP, -STEP):
                    moved = array.copy()
                    moved[place] += change
                    ends.append(self.loss(self.variables | {name: moved}))
                gradients[name][place] = (ends[0] - ends[1]) / (2 * STEP)
        return gradients

    def torch(self, path):
        net = rnnspec.backends.torch.load(self.checkpoint, dtype="float64", path=path)  # without noise
        given = {name: torch.tensor(self.variables[name], requires_grad=True) for name in ("x", *net.model.states())}
        y, final = net(given["x"], lengths=self.lengths, state=self.state(given), reset=self.reset)
        loss = sum((torch.tensor(self.slopes[name]) * value).sum() for name, value in {"y": y, **final}.items())
        loss.backward()
        return {name: value.grad.numpy() for name, value in {**given, **dict(net.named_parameters())}.items()}

    def tensorflow(self, path):
        net = rnnspec.backends.tensorflow.load(self.checkpoint, dtype="float64", path=path)
        given = {name: tf.constant(self.variables[name]) for name in ("x", *net.model.states())}
        variables = dict(zip(net.model.parameters(), (weight.value for weight in net.trainable_weights), strict=True))
        with tf.GradientTape() as tape:
            tape.watch(given)
            y, final = net(given["x"], lengths=self.lengths, state=self.state(given), reset=self.reset)
            loss = sum(tf.reduce_sum(self.slopes[name] * value) for name, value in {"y": y, **final}.items())
        gradients = tape.gradient(loss, {**given, **variables})
        return {name: tf.convert_to_tensor(value).numpy() for name, value in gradients.items()}


@pytest.mark.parametrize(
    ("direction", "lengths"), [("forward", "full"), ("backward", "zero"), ("bidirectional", "zero")]
)
@pytest.mark.parametrize("cell", CELLS)
def test_gradients_agree(cell, direction, lengths):
    problem = Problem(CELLS[cell], lengths, direction=direction)
    expected = problem.torch("generic")
    assert expected.keys() == problem.variables.keys()
    for name, gradient in problem.finite_differences().items():
        np.testing.assert_allclose(gradient, expected[name], rtol=1e-6, atol=1e-7, err_msg=name)
    others = {f"tensorflow {path}": problem.tensorflow(path) for path in rnnspec.backends.tensorflow.PATHS}
    if cell != "gru_before":
        others["torch native"] = problem.torch("native")
    for way, gradients in others.items():
        assert gradients.keys() == expected.keys(), way
        for name, gradient in gradients.items():
            np.testing.assert_allclose(gradient, expected[name], rtol=1e-10, atol=1e-10, err_msg=f"{way}: {name}")


class Twice(RNN, tag="twice", frozen=True, kw_only=True):
    """A cell that reads one parameter under two names."""

    def prepare(self, ops, p):
        return p | {"again": p["recurrent_kernel"]}

    def step(self, ops, p, projected, state):
        h = ops.linear(ops.tanh(projected + ops.linear(state["h"], p["recurrent_kernel"])), p["again"])
        return h, {"h": h}


def test_a_parameter_under_two_names_is_counted_once():
    problem = Problem(Twice(units=3), "zero")
    expected = problem.finite_differences()
    for gradients in (problem.torch("auto"), problem.tensorflow("auto")):
        for name, gradient in gradients.items():
            np.testing.assert_allclose(gradient, expected[name], rtol=1e-6, atol=1e-7, err_msg=name)


@pytest.mark.parametrize("cell", VARIATIONS)
def test_gradients_of_every_option_agree(cell):
    """Over ragged rows, restarts, learned states and held outputs, both ways; and along one random direction."""
    options = {"direction": "bidirectional", "learned_state": True, "padded_output": "hold"}
    problem = Problem(VARIATIONS[cell][0], "zero", **options)
    problem.reset = np.array([[0, 1, 0, 0, 1], [1, 0, 0, 0, 0], [0, 0, 0, 1, 0]], bool)
    expected = problem.torch("generic")
    for way, gradients in {
        "torch": problem.torch("auto"),
        **{f"tensorflow {path}": problem.tensorflow(path) for path in ("auto", "generic")},
    }.items():
        for name, gradient in gradients.items():
            np.testing.assert_allclose(gradient, expected[name], rtol=1e-10, atol=1e-10, err_msg=f"{way}: {name}")
    rng = np.random.default_rng(5)
    direction = {name: rng.standard_normal(array.shape) for name, array in problem.variables.items()}
    ends = [
        problem.loss({name: array + change * direction[name] for name, array in problem.variables.items()})
        for change in (STEP, -STEP)
    ]
    along = sum((expected[name] * direction[name]).sum() for name in direction)
    np.testing.assert_allclose((ends[0] - ends[1]) / (2 * STEP), along, rtol=1e-5, atol=1e-6)
