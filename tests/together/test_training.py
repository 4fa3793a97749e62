"""The same model trained in torch and in TensorFlow, from one file, with the same noise, ends with the same weights."""

import numpy as np
import pytest
import tensorflow as tf
import torch

import rnnspec.backends.tensorflow as tensorflow_backend
import rnnspec.backends.torch as torch_backend
from rnnspec import GRU, LSTM, CellDropout, Checkpoint, Dense, Dropout, Model, Recurrent, Residual, Stack, Zoneout
from rnnspec.reference import Net

STEPS, BATCH, TIME = 50, 6, 8
MODEL = Model(
    inputs=5,
    layers=(
        Recurrent(
            name="lower",
            cell=Stack(
                cells=(
                    CellDropout(cell=LSTM(units=6), input=0.2, state=0.3, per="sequence"),
                    Residual(cell=CellDropout(cell=GRU(units=6, reset_after=True), output=0.25)),
                )
            ),
        ),
        Dropout(name="between", rate=0.3),
        Recurrent(name="upper", cell=Zoneout(cell=LSTM.preset("torch", 7), h=0.1, c=0.2), learned_state=True),
        Dense(name="dense", units=4),
    ),
)


@pytest.fixture(scope="module")
def data():
    rng = np.random.default_rng(0)
    x, y = rng.standard_normal((BATCH, TIME, 5)), rng.standard_normal((BATCH, TIME, 4))
    return x.astype("f4"), y.astype("f4"), np.array([8, 3, 0, 5, 7, 1])


def in_torch(checkpoint, x, y, lengths):
    net = torch_backend.load(checkpoint, seed=11).train()
    optimiser = torch.optim.SGD(net.parameters(), lr=0.05, momentum=0.9)
    losses = []
    for _ in range(STEPS):
        optimiser.zero_grad()
        loss = (net(torch.tensor(x), lengths=lengths)[0] - torch.tensor(y)).square().mean()
        loss.backward()
        optimiser.step()
        losses.append(loss.item())
    return torch_backend.checkpoint(net).weights, losses


def in_tensorflow(checkpoint, x, y, lengths):
    net = tensorflow_backend.load(checkpoint, seed=11)
    velocity = [tf.zeros_like(v) for v in net.trainable_variables]
    losses = []
    for _ in range(STEPS):
        with tf.GradientTape() as tape:
            loss = tf.reduce_mean((net(x, lengths=lengths, training=True)[0] - y) ** 2)
        for i, gradient in enumerate(tape.gradient(loss, net.trainable_variables)):
            velocity[i] = 0.9 * velocity[i] + tf.convert_to_tensor(gradient)
            net.trainable_variables[i].assign_sub(0.05 * velocity[i])
        losses.append(float(loss))
    return tensorflow_backend.checkpoint(net).weights, losses


def test_fifty_steps_end_with_the_same_weights(data):
    checkpoint = Checkpoint.initialize(MODEL, seed=3)
    ours, losses = in_torch(checkpoint, *data)
    theirs, others = in_tensorflow(checkpoint, *data)
    assert losses[-1] < 0.9 * losses[0]
    np.testing.assert_allclose(losses, others, rtol=1e-4)
    for name, value in ours.items():
        moved = np.abs(value - checkpoint.weights[name]).max()
        assert moved > 1e-4, name
        assert np.abs(value - theirs[name]).max() <= 1e-4 * np.abs(value).max(), name


def test_the_noise_is_the_references(data):
    x, _, lengths = data
    checkpoint = Checkpoint.initialize(MODEL, seed=3, dtype="float64")
    reference = Net(checkpoint, "float64", training=True, seed=11)
    net = torch_backend.load(checkpoint, dtype="float64", seed=11).train()
    other = tensorflow_backend.load(checkpoint, dtype="float64", seed=11)
    before = None
    for _ in range(3):  # each call draws anew
        expected = reference(x, lengths=lengths)[0]
        actual = net(torch.tensor(x, dtype=torch.float64), lengths=lengths)[0].detach().numpy()
        np.testing.assert_allclose(actual, expected, atol=1e-12)
        np.testing.assert_allclose(other(x, lengths=lengths, training=True)[0], expected, atol=1e-12)
        assert before is None or np.abs(expected - before).max() > 0.01
        before = expected
