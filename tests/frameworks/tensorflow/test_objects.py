"""`tf.train.Checkpoint` of the installed Keras's models, converted, against their own predictions."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from rnnspec.convert import convert
from rnnspec.reference import Net

L = keras.layers


@pytest.mark.parametrize(
    "layers",
    [
        lambda: [L.LSTM(5, return_sequences=True), L.Dropout(0.5), L.Dense(2, activation="tanh")],
        lambda: [L.Bidirectional(L.GRU(4, return_sequences=True)), L.SimpleRNN(3)],
    ],
    ids=["lstm", "bidirectional"],
)
def test_a_model_a_step_and_an_optimizer(layers, tmp_path):
    rng = np.random.default_rng(1)
    model = keras.Sequential([keras.Input((6, 3)), *layers()])
    for weight in model.weights:
        if "seed" not in weight.path:
            weight.assign(rng.standard_normal(weight.shape))
    (tmp_path / "config.json").write_text(model.to_json())
    objects = tf.train.Checkpoint(model=model, step=tf.Variable(3), optimizer=keras.optimizers.Adam())
    found = convert(objects.save(str(tmp_path / "ckpt")), config=tmp_path / "config.json")
    x = rng.standard_normal((2, 6, 3)).astype("float32")
    np.testing.assert_allclose(Net(found, "float64")(x)[0], model.predict(x, verbose=0), atol=1e-5)
    assert "step" in found.metadata["conversion"]["ignored"]
