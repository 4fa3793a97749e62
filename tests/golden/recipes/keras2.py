"""Keras 2.15: a graph with operations of TensorFlow between its layers, as .h5 and .keras.

python -m tests.golden.recipes.keras2        (needs tensorflow 2.15)
"""

import numpy as np
import tensorflow as tf
from tensorflow import keras

from . import write

L = keras.layers
RNG = np.random.default_rng(18)


def model() -> keras.Model:
    x, ids = keras.Input((6, 5), name="x"), keras.Input((None,), name="ids")
    norm = L.Normalization(name="norm")
    norm.adapt(RNG.standard_normal((20, 5)) * 2 + 1)
    y = L.BatchNormalization(name="batch")(L.Conv1D(4, 2, padding="causal", name="conv")(norm(x)))
    y = L.LSTM(4, return_sequences=True, name="lstm")(y)
    look = L.MultiHeadAttention(2, 3, name="look")(y, y)
    mean, last = tf.reduce_mean(look, axis=1), y[:, -1, :]
    both = tf.concat([tf.nn.relu(mean) * 2.0 - last, 1.0 - tf.sigmoid(last)], -1)
    steps = keras.Input((None, 3))
    inside = keras.Model(steps, L.LayerNormalization(name="layer")(L.GRU(5, name="gru")(steps)), name="inside")
    words = inside(L.Embedding(9, 3, mask_zero=True, name="table")(ids))
    return keras.Model([x, ids], [L.Dense(3, name="out")(L.Concatenate(name="all")([both, words])), words])


def main() -> None:
    made = model()
    for weight in made.weights:
        if weight.name not in ("mean:0", "variance:0", "count:0"):
            value = (RNG.standard_normal(weight.shape) / 2).astype("f")
            weight.assign(np.abs(value) + 0.3 if "variance" in weight.name else value)
    inputs = {"x": RNG.standard_normal((3, 6, 5)).astype("f"), "ids": RNG.integers(1, 9, (3, 7))}
    inputs["ids"][0, 4:] = inputs["ids"][2, 2:] = 0
    expected = dict(zip(("out", "layer"), map(np.asarray, made([inputs["x"], inputs["ids"]])), strict=True))
    of = f"Keras {tf.__version__}: operations of TensorFlow, a model inside, a mask that goes into it"
    for suffix in ("h5", "keras"):
        write(f"keras2/operations_{suffix}", f"model.{suffix}", made.save, of, inputs, expected)


if __name__ == "__main__":
    main()
