"""Cells that Keras has not, against the nearest of its layers, and against keras.layers.RNN of a cell of one's own."""

from collections.abc import Iterator

import keras
import tensorflow as tf
from timing import Comparison, Rival
from variants import incomparable, others, variants

import rnnspec.backends.tensorflow as backend

TARGETS = {"ours": 1.0}
NEAREST = {"LSTM": "LSTM", "GRU": "GRU", "RNN": "SimpleRNN"}  # as `others` calls them → as Keras does


def versions() -> dict[str, str]:
    """Package → version."""
    return {"tensorflow": tf.__version__, "keras": keras.__version__}


def comparisons(quick: bool, threads: int | None) -> Iterator[Comparison]:
    """Forward and training; the peer is the plain keras.layers.LSTM."""
    if threads:
        tf.config.threading.set_intra_op_parallelism_threads(threads)
        tf.config.threading.set_inter_op_parallelism_threads(threads)
    for name, case in variants(quick):
        units = case.cell.units
        models = {
            "keras LSTM": keras.layers.LSTM(units, return_sequences=True),
            "ours": backend.load(case.checkpoint, return_state=False),
            "keras RNN(layer-norm cell)": keras.layers.RNN(LayerNormCell(units), return_sequences=True),
        }
        yield from _comparisons("", name, case, models)
    for name, kind, case in others(quick):
        kind = NEAREST[kind]
        models = {
            "nearest layer": getattr(keras.layers, kind)(case.cell.units, return_sequences=True),
            "ours": backend.load(case.checkpoint, return_state=False),
        }
        yield from _comparisons(" of other cells", f"{name}; {kind}", case, models)


def _comparisons(of: str, name: str, case, models) -> Iterator[Comparison]:
    x = tf.constant(case.x)
    forward = {label: _rival(_forward(case, model), x) for label, model in models.items()}
    yield Comparison(f"forward{of}", name, case.size, forward)
    training = {label: _rival(_training(model, x), x) for label, model in models.items()}
    yield Comparison(f"training{of}", name, case.size, training)


def _rival(graph, *given) -> Rival:
    return Rival(lambda: graph(*given), incomparable)


def _forward(case, model):
    model(tf.constant(case.x))  # builds it
    return tf.function(lambda x: model(x), input_signature=[tf.TensorSpec([None, None, case.inputs])], autograph=False)


def _training(model, x):
    dy = tf.random.stateless_normal(model(x).shape, (3, 0), stddev=0.5)  # as wide as its outputs

    def gradients(x):
        with tf.GradientTape() as tape:
            tape.watch(x)
            y = model(x)
        return tape.gradient(y, [x, *model.trainable_variables], output_gradients=dy)

    return tf.function(gradients, input_signature=[tf.TensorSpec([None, None, x.shape[-1]])], autograph=False)


class LayerNormCell(keras.layers.Layer):
    """A layer-norm LSTM cell as people write it for keras.layers.RNN."""

    def __init__(self, units: int) -> None:
        super().__init__()
        self.units, self.state_size, self.output_size = units, [units, units], units
        self.norms = [keras.layers.LayerNormalization(epsilon=1e-5) for _ in range(3)]

    def build(self, shape) -> None:
        self.kernel = self.add_weight(shape=(shape[-1], 4 * self.units), initializer="glorot_uniform", name="kernel")
        self.recurrent = self.add_weight(shape=(self.units, 4 * self.units), initializer="orthogonal", name="recurrent")
        for norm, size in zip(self.norms, (4, 4, 1), strict=True):
            norm.build((None, size * self.units))

    def call(self, x, states):
        h, c = states
        gates = self.norms[0](tf.matmul(x, self.kernel)) + self.norms[1](tf.matmul(h, self.recurrent))
        i, f, g, o = tf.split(gates, 4, 1)
        c = self.norms[2](tf.sigmoid(f) * c + tf.sigmoid(i) * tf.tanh(g))
        h = tf.sigmoid(o) * tf.tanh(c)
        return h, [h, c]
