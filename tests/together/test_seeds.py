"""The systems that are trained, rows A6, B3, C4, D2 and D5 of the systems that the project grew from."""

import numpy as np
import pytest
import tensorflow as tf
import torch
from sklearn.datasets import load_digits

from rnnspec import (
    GRU,
    LSTM,
    RNN,
    Checkpoint,
    Dense,
    Embedding,
    LayerNorm,
    Model,
    Recurrent,
    Stack,
    WaveNet,
    backends,
)

FRAMEWORKS = ("torch", "tensorflow")


def train(name, checkpoint, batches, rate):
    """Adam on the cross-entropy of (x, classes) batches → the trained checkpoint, and the losses."""
    backend = backends.get(name)
    losses = []
    if name == "torch":
        net = backend.load(checkpoint, return_state=False).train()
        optimiser = torch.optim.Adam(net.parameters(), lr=rate, eps=1e-7)
        for x, classes in batches:
            logits = net(torch.as_tensor(x)).flatten(0, -2)
            loss = torch.nn.functional.cross_entropy(logits, torch.as_tensor(classes).flatten())
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
            losses.append(loss.item())
        return backend.checkpoint(net), losses
    import keras

    net = backend.load(checkpoint, return_state=False)
    optimiser = keras.optimizers.Adam(rate)

    @tf.function
    def step(x, classes):
        with tf.GradientTape() as tape:
            logits = net(x)
            loss = tf.reduce_mean(tf.nn.sparse_softmax_cross_entropy_with_logits(classes, logits))
        optimiser.apply_gradients(
            zip(tape.gradient(loss, net.trainable_variables), net.trainable_variables, strict=True)
        )
        return loss

    optimiser.build(net.trainable_variables)
    for x, classes in batches:
        losses.append(float(step(tf.convert_to_tensor(x), tf.convert_to_tensor(classes))))
    return backend.checkpoint(net), losses


@pytest.mark.parametrize("name", FRAMEWORKS)
def test_a6_images_row_by_row(name):
    """Dense, LSTM, dense on the last output: over 95 % on digits that were held back."""
    digits = load_digits()
    x, y = (digits.images / 16).astype("f4"), digits.target.astype("i8")
    order = np.random.default_rng(0).permutation(len(x))
    train_, test = order[:1400], order[1400:]
    model = Model(
        inputs=8,
        layers=(
            Dense(name="hidden_in", units=32),
            Recurrent(name="rnn", cell=LSTM(units=48), return_sequences=False),
            Dense(name="out", units=10),
        ),
    )
    rng = np.random.default_rng(1)
    rows = [rng.choice(train_, 128) for _ in range(250)]
    checkpoint, losses = train(name, Checkpoint.initialize(model, 0), [(x[i], y[i]) for i in rows], 0.01)
    logits, _ = backends.get("numpy").load(checkpoint)(x[test])
    assert losses[-1] < 0.2
    assert (logits.argmax(-1) == y[test]).mean() > 0.95


@pytest.mark.parametrize("name", FRAMEWORKS)
def test_b3_hello(name):
    """One-hot of 4 characters, hidden size 4: "hello" becomes "ohlol"."""
    characters = "ehlo"
    source, target = "hello", "ohlol"
    x = np.eye(4, dtype="f4")[[characters.index(c) for c in source]][None]
    y = np.array([[characters.index(c) for c in target]])
    model = Model(inputs=4, layers=(Recurrent(name="rnn", cell=RNN(units=4)),))
    checkpoint, _ = train(name, Checkpoint.initialize(model, 1, scheme="torch"), [(x, y)] * 60, 0.1)
    logits, _ = backends.get("numpy").load(checkpoint)(x)
    assert "".join(characters[i] for i in logits[0].argmax(-1)) == target


CELLS = {
    "rnn": lambda: RNN(units=24),
    "gru": lambda: GRU(units=24, reset_after=False),
    "lstm": lambda: LSTM(units=24),
    "layer_norm_lstm": lambda: LSTM.preset("char_rnn", 24),
    "d2_layer_norm_rnn": lambda: RNN(units=24, layer_norm=LayerNorm(gates="joint", over="all", epsilon=1e-3)),
    "d5_wavenet": lambda: WaveNet(residual=16, skip=24, dilations=(1, 2, 4)),
}


@pytest.mark.parametrize("cell", CELLS)
def test_c4_characters(cell):
    """Embedding, a stack of cells chosen by name, dense: the loss falls."""
    text = "the quick brown fox jumps over the lazy dog. " * 8
    characters = sorted(set(text))
    ids = np.array([characters.index(c) for c in text])
    windows = np.stack([ids[i : i + 21] for i in range(0, 300, 10)])
    stack = CELLS[cell]() if cell == "d5_wavenet" else Stack(cells=(CELLS[cell](), CELLS[cell]()))
    model = Model(
        layers=(
            Embedding(name="embedding", vocabulary=len(characters), units=16),
            Recurrent(name="rnn", cell=stack),
            Dense(name="softmax", units=len(characters)),
        )
    )
    start = Checkpoint.initialize(model, 0)
    batches = [(windows[:, :-1], windows[:, 1:])] * 20
    losses = {name: train(name, start, batches, 0.02)[1] for name in FRAMEWORKS}
    np.testing.assert_allclose(losses["torch"][0], losses["tensorflow"][0], rtol=1e-5)
    for fallen in losses.values():  # the frameworks' Adams differ in where they add epsilon
        assert fallen[-1] < 0.8 * fallen[0]
