"""TensorFlow 1's graphs: a checkpoint with its `.meta` after training, and frozen `.pb` files.

python -m tests.golden.recipes.tf1_graphs        (needs tensorflow 2, whose `compat.v1` writes them)

The cell is written out under the names of `BasicLSTMCell`, which TensorFlow no longer has; its loop is `dynamic_rnn`.
"""

from pathlib import Path

import numpy as np
import tensorflow as tf

from . import write

v1 = tf.compat.v1
B, T, FEATURES, U = 3, 5, 4, 6
LENGTHS = np.array([3, 5, 2], np.int32)
OF = f"TensorFlow {tf.__version__}, compat.v1"


class Cell:
    """`BasicLSTMCell`, with dropout around it, whose rate is 0 unless it is fed."""

    output_size, state_size = U, (U, U)

    def __init__(self, rate, forget_bias=0.5, activation=tf.tanh):
        self.rate, self.forget_bias, self.activation = rate, forget_bias, activation

    def get_initial_state(self, inputs=None, batch_size=None, dtype=None):
        return (tf.zeros([batch_size, U], dtype),) * 2

    def __call__(self, x, state, scope=None):
        c, h = state
        gates = dense(tf.concat([tf.nn.dropout(x, rate=self.rate), h], 1), 4 * U, "basic_lstm_cell", tf.nn.bias_add)
        i, j, f, o = tf.split(gates, 4, 1)
        c = c * tf.sigmoid(f + self.forget_bias) + tf.sigmoid(i) * self.activation(j)
        h = self.activation(c) * tf.sigmoid(o)
        return tf.nn.dropout(h, rate=self.rate), (c, h)


def dense(x, units, name, add=tf.add):
    shapes = {"kernel": [int(x.shape[-1]), units], "bias": [units]}
    start = v1.random_normal_initializer(stddev=0.5)
    with v1.variable_scope(name, reuse=v1.AUTO_REUSE):
        kernel, bias = (v1.get_variable(key, shape, initializer=start) for key, shape in shapes.items())
    product = tf.tensordot(x, kernel, [[2], [0]]) if x.shape.rank == 3 else tf.matmul(x, kernel)
    return add(product, bias)


def graph(case, read, both=False, ragged=False, front=None, end=None, train=False, written_out=False, refused=None):
    """One graph. `read`: outputs, final h → what the head reads."""
    with v1.Graph().as_default(), v1.Session() as session:
        v1.set_random_seed(7)
        x = v1.placeholder(tf.float32, [None, None, FEATURES], "x")
        lengths = v1.placeholder(tf.int32, [None], "lengths") if ragged else None
        rate = v1.placeholder_with_default(0.0, [], "rate")
        z = x if front is None else tf.nn.dropout(front(dense(x, 5, "front")), rate=rate)
        options = {"dtype": tf.float32}
        if written_out:  # as `static_rnn` does
            with v1.variable_scope("rnn"):
                cell = Cell(rate, 0.0)
                state, outputs = cell.get_initial_state(batch_size=B, dtype=tf.float32), None
                for step in tf.unstack(tf.reshape(z, [B, T, FEATURES]), axis=1):
                    h, state = cell(step, state)
        elif both:
            with v1.variable_scope("bidirectional_rnn"):
                turned = tf.reverse_sequence(z, lengths, seq_axis=1) if ragged else tf.reverse(z, [1])
                with v1.variable_scope("fw") as scope:
                    forward, (_, h) = v1.nn.dynamic_rnn(Cell(rate), z, lengths, scope=scope, **options)
                with v1.variable_scope("bw") as scope:
                    backward, (_, g) = v1.nn.dynamic_rnn(Cell(rate, 1.0), turned, lengths, scope=scope, **options)
                backward = tf.reverse_sequence(backward, lengths, seq_axis=1) if ragged else tf.reverse(backward, [1])
            outputs, h = tf.concat([forward, backward], 2), tf.concat([h, g], 1)
        else:
            outputs, (_, h) = v1.nn.dynamic_rnn(Cell(rate, 0.0, tf.nn.relu), z, lengths, **options)
        logits = dense(read(outputs, h), 3, "logits")
        y = logits if end is None else end(logits)
        if train:
            labels = v1.placeholder(tf.float32, [None, 3], "labels")
            loss = tf.nn.softmax_cross_entropy_with_logits(labels=labels, logits=logits)
            v1.train.AdamOptimizer().minimize(tf.reduce_mean(loss))
        session.run(v1.global_variables_initializer())
        fed = np.random.default_rng(3).standard_normal((B, T, FEATURES)).astype(np.float32)
        feeds = {x: fed} | ({lengths: LENGTHS} if ragged else {})
        inputs = {"x": fed} | ({"lengths": LENGTHS} if ragged else {})

        def save(path: Path) -> None:
            if train:
                v1.train.Saver().save(session, str(path))
                return
            frozen = v1.graph_util.convert_variables_to_constants(session, session.graph.as_graph_def(), [y.op.name])
            path.write_bytes(frozen.SerializeToString())

        artefact = "model.ckpt" if train else "frozen.pb"
        expected = None if refused else {"y": session.run(logits if train else y, feeds)}
        write(f"tf1_graph/{case}", artefact, save, f"{OF}: {case}", inputs, expected, refused)


def functions():
    """What TensorFlow 2 freezes: loops that are functions."""

    def loop(x):
        return tf.while_loop(lambda k, _: k < 3, lambda k, h: (k + 1, tf.tanh(h)), (0, x))[1]

    v1.enable_control_flow_v2()
    with v1.Graph().as_default() as made:
        loop(v1.placeholder(tf.float32, [2]))
        data = made.as_graph_def().SerializeToString()
    v1.disable_control_flow_v2()
    refused = "a graph of functions, as TensorFlow 2 freezes them"
    write("tf1_graph/functions", "frozen.pb", lambda path: path.write_bytes(data), f"{OF}: while_v2", refused=refused)


if __name__ == "__main__":
    v1.disable_eager_execution()
    v1.disable_control_flow_v2()
    v1.disable_resource_variables()
    graph("last_step", lambda y, h: y[:, -1], front=tf.nn.relu, end=tf.nn.softmax)
    graph("trained_final", lambda y, h: h, ragged=True, end=tf.nn.softmax, train=True)
    graph("every_step", lambda y, h: y, both=True, ragged=True, end=tf.sigmoid)
    graph("joined_finals", lambda y, h: h, both=True)
    graph("mean", lambda y, h: tf.reduce_mean(y, 1))
    graph("written_out", lambda y, h: h, written_out=True)
    graph("padded_last", lambda y, h: y[:, -1], ragged=True, refused="last of all steps, which are 0 past the length")
    graph("first", lambda y, h: y[:, 0], refused=r"between rnn and logits the graph has strided_slice \(StridedSlice\)")
    graph("scaled", lambda y, h: 0.5 * h, refused=r"between rnn and logits the graph has mul \(Mul\)")
    functions()
