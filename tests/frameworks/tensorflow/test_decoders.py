"""Cells that read a memory, against cells written by hand in Keras's own RNN: values and gradients."""

import keras
import pytest
import tensorflow as tf

from rnnspec import GRU, LSTM, Attending, Recurrent

from ..agreement import solved
from .own import assert_agree

TIME, STEPS, MEMORY = 6, 5, 8
LENGTHS = {"x": [6, 2, 4], "memory": [5, 2, 3]}


class Cell(keras.layers.Layer):
    """A function of x and the states; Keras 2 gave it the memory as `constants`, which Keras 3 has no more."""

    def __init__(self, step, sizes, units, dtype):
        super().__init__(dtype=dtype)
        self.step, self.state_size, self.output_size = step, sizes, units

    def call(self, x, states, training=False):
        return self.step(x, states)


def lstm(p, x, h, c):
    kernel, recurrent = (tf.reshape(p[f"cell.{name}"], (4 * 9, -1)) for name in ("kernel", "recurrent_kernel"))
    z = tf.matmul(x, kernel, transpose_b=True) + tf.matmul(h, recurrent, transpose_b=True)
    i, f, g, o = tf.split(z + tf.reshape(p["cell.bias"], [-1]), 4, -1)
    c = tf.sigmoid(f) * c + tf.sigmoid(i) * tf.tanh(g)
    return tf.sigmoid(o) * tf.tanh(c), c


def gru(p, x, h):
    kernel, recurrent, bias = (p[f"cell.{name}"] for name in ("kernel", "recurrent_kernel", "bias"))
    z = [tf.matmul(x, k, transpose_b=True) + b for k, b in zip(tf.unstack(kernel), tf.unstack(bias), strict=True)]
    r, u = (tf.sigmoid(z[k] + tf.matmul(h, recurrent[k], transpose_b=True)) for k in range(2))
    n = tf.tanh(z[2] + r * (tf.matmul(h, recurrent[2], transpose_b=True) + p["cell.recurrent_bias"]))
    return u * h + (1 - u) * n


def context(scores, memory):
    kept = tf.sequence_mask(LENGTHS["memory"], STEPS)
    scores = tf.where(kept, scores, tf.constant(-1e9, scores.dtype))
    return tf.einsum("bu,buf->bf", tf.nn.softmax(scores), memory)


def bahdanau(p, memory):
    def step(x, states):
        query = tf.matmul(states[0], p["query_kernel"], transpose_b=True)[:, None]
        keys = tf.einsum("buf,kf->buk", memory, p["memory_kernel"])
        c = context(tf.einsum("buk,k->bu", tf.tanh(query + keys + p["score_bias"]), p["scale"]), memory)
        h = gru(p, tf.concat([x, c], -1), states[0])
        return h, [h]

    return Cell(step, [9], 9, memory.dtype.name)


def wrapped(p, memory):
    """TensorFlow 1's AttentionWrapper: `attention_layer_size=7`, `output_attention=True`."""

    def step(x, states):
        h, c, attention = states
        h, c = lstm(p, tf.concat([x, attention], -1), h, c)
        keys = tf.einsum("buf,kf->buk", memory, p["memory_kernel"])  # the memory layer of LuongAttention
        pair = tf.concat([h, context(tf.einsum("bk,buk->bu", h, keys), memory)], -1)
        attention = tf.matmul(pair, p["attention_kernel"], transpose_b=True)  # which has no bias
        return attention, [h, c, attention]

    return Cell(step, [9, 9, 7], 7, memory.dtype.name)


LUONG = {"memory": MEMORY, "score": "general", "feeding": "attention", "bias": False, "attention_units": 7}
CELLS = {
    bahdanau: Attending(
        cell=GRU(units=9, reset_after=True), memory=MEMORY, score="additive", units=7, feeding="context", output="cell"
    ),
    wrapped: Attending(cell=LSTM(units=9), activation="linear", **LUONG),
}


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("build", CELLS, ids=lambda function: function.__name__)
def test_a_decoder_by_hand(build, dtype):
    layers = [Recurrent(name="l", of=["x", "memory"], cell=CELLS[build])]
    time = {"x": TIME, "memory": STEPS}
    case = solved(build.__name__, {"x": 3, "memory": MEMORY}, layers, time=time, lengths=LENGTHS, pulled=["y"])

    def theirs(p, x):
        own = keras.layers.RNN(build(p, x["memory"]), return_sequences=True, zero_output_for_mask=True, dtype=dtype)
        state = [tf.zeros((3, size), dtype) for size in own.cell.state_size]
        return own(x["x"], initial_state=state, mask=tf.sequence_mask(LENGTHS["x"], TIME))

    assert_agree(case, dtype, theirs)
