"""The TensorFlow backend against the reference."""

import numpy as np
import pytest
import tensorflow as tf

import rnnspec.backends.tensorflow as backend
from rnnspec import GRU, LSTM, Checkpoint, Stack, UnsupportedError
from rnnspec.reference import Net as Reference

from .cases import BATCH, CELLS, INPUTS, TIME, VALID, assert_same, draw, layer, random_checkpoint, random_state

# Keras reads its variables with np.array, which TensorFlow's `__array__` does not support fully yet.
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")


@pytest.mark.parametrize("valid", ["all", "mask"])
@pytest.mark.parametrize("name", CELLS)
def test_all_paths_are_the_reference_and_have_the_same_gradients(name, valid):
    checkpoint = random_checkpoint(layer(CELLS[name], direction="backward" if valid == "all" else "forward"))
    state = random_state(checkpoint.model)
    expected = Reference(checkpoint, "float64")(draw(BATCH, TIME, INPUTS), state=state, **VALID[valid])
    found = [trained(backend.load(checkpoint, dtype="float64", path=path), valid) for path in backend.PATHS]
    for result, _ in found:
        assert_same(result, expected)
    for one, *others in zip(*(gradients for _, gradients in found), strict=True):
        for other in others:
            np.testing.assert_allclose(one, other, rtol=0, atol=1e-10)


def trained(net, valid: str):
    """Results, and gradients for x, initial states and weights of a loss over outputs and final states."""
    state = random_state(net.model)
    inputs = [tf.constant(value) for value in (draw(BATCH, TIME, INPUTS), *state.values())]
    with tf.GradientTape() as tape:
        tape.watch(inputs)
        y, final = net(inputs[0], state=dict(zip(state, inputs[1:], strict=True)), **VALID[valid])
        loss = sum(tf.reduce_sum(tf.sin(3 * value)) for value in (y, *final.values()))
    return (y, final), [np.asarray(g) for g in tape.gradient(loss, [*inputs, *(v.value for v in net.weights)])]


@pytest.mark.parametrize("path", backend.PATHS)
@pytest.mark.parametrize("name", CELLS)
def test_last_outputs_of_both_directions(name, path):
    checkpoint = random_checkpoint(layer(CELLS[name], direction="bidirectional", return_sequences=False))
    net, reference = backend.load(checkpoint, dtype="float64", path=path), Reference(checkpoint, "float64")
    x = draw(BATCH, TIME, INPUTS)
    assert_same(net(x, **VALID["lengths"]), reference(x, **VALID["lengths"]))


@pytest.mark.parametrize("path", backend.PATHS)
@pytest.mark.parametrize("sequences", [True, False])
@pytest.mark.parametrize("direction", ["forward", "backward", "bidirectional"])
def test_unrolling_does_not_depend_on_the_cell(direction, sequences, path):
    checkpoint = random_checkpoint(layer(CELLS["rnn"], direction=direction, return_sequences=sequences))
    net, reference = backend.load(checkpoint, dtype="float64", path=path), Reference(checkpoint, "float64")
    x, state = draw(BATCH, TIME, INPUTS), random_state(checkpoint.model)
    assert_same(net(x), reference(x))
    for valid in VALID.values():
        if "reset" in valid and path == "native":
            with pytest.raises(UnsupportedError, match="the native path never begins anew"):
                net(x, state=state, **valid)
        else:
            assert_same(net(x, state=state, **valid), reference(x, state=state, **valid))


class Foreign(GRU, tag="foreign_gru"):
    """A cell that the backend does not know: a GRU by another name."""


@pytest.mark.parametrize("valid", ["all", "mask"])
@pytest.mark.parametrize("reset_after", [True, False])
def test_any_cell(reset_after, valid):
    cell = Foreign(units=5, reset_after=reset_after)
    checkpoint = random_checkpoint(layer(cell, direction="backward"))
    net = backend.load(checkpoint, dtype="float64")
    assert net.paths() == {"r": "fused: a loop with a gradient of its own"}
    x, state = draw(BATCH, TIME, INPUTS), random_state(net.model)
    assert_same(net(x, state=state, **VALID[valid]), Reference(checkpoint, "float64")(x, state=state, **VALID[valid]))
    known = Checkpoint(layer(GRU(units=5, reset_after=reset_after), direction="backward"), checkpoint.weights)
    both = trained(net, valid), trained(backend.load(known, dtype="float64"), valid)
    for one, other in zip(*(gradients for _, gradients in both), strict=True):
        np.testing.assert_allclose(one, other, rtol=0, atol=1e-10)
    with pytest.raises(UnsupportedError, match="layer 'r': no native path: there is none for Foreign; use path='auto'"):
        backend.load(checkpoint, path="native")


def test_many_units():
    """They lie features first in the loop."""
    checkpoint = random_checkpoint(layer(Stack(cells=(LSTM(units=256), GRU(units=257, reset_after=True)))))
    checkpoint = Checkpoint(checkpoint.model, {name: w / 10 for name, w in checkpoint.weights.items()})
    nets = [backend.load(checkpoint, dtype="float64", path=path) for path in backend.PATHS]
    for one, *others in zip(*(trained(net, "mask")[1] for net in nets), strict=True):
        for other in others:
            np.testing.assert_allclose(one, other, rtol=0, atol=1e-9)


@pytest.mark.parametrize("path", backend.PATHS)
@pytest.mark.parametrize("shape", [(BATCH, 0, INPUTS), (0, TIME, INPUTS)])
def test_nothing_to_do(path, shape):
    checkpoint = random_checkpoint(layer(LSTM(units=5), direction="bidirectional"))
    expected = Reference(checkpoint, "float64")(np.zeros(shape))
    net = backend.load(checkpoint, dtype="float64", path=path)
    assert_same(net(np.zeros(shape)), expected)
    graph = tf.function(net, input_signature=[tf.TensorSpec([None, None, INPUTS], tf.float64)])
    x = tf.zeros(shape, tf.float64)
    with tf.GradientTape() as tape:
        tape.watch(x)
        y, state = graph(x)
        loss = tf.reduce_sum(y)
    assert_same((y, state), expected)
    gradients = tape.gradient(loss, [x, *(weight.value for weight in net.weights)])
    assert [gradient.shape for gradient in gradients] == [shape, *(weight.shape for weight in net.weights)]
    assert not any(np.any(gradient) for gradient in gradients)


def test_whole_is_chunks_is_steps(net):
    x = draw(BATCH, TIME, INPUTS)
    whole = net(x)
    first, state = net(x[:, :2])
    second, state = net(x[:, 2:], state=state)
    assert_same((np.concatenate([first, second], 1), state), whole)
    ys, state = [], None
    for t in range(TIME):
        y, state = net.step(x[:, t], state)
        ys.append(y)
    assert_same((np.stack(ys, 1), state), whole)


def test_lists_and_tensors_and_arrays(net):
    x = draw(BATCH, TIME, INPUTS)
    expected = net(x)
    assert_same(net(x.tolist(), lengths=[TIME] * BATCH), expected)
    assert_same(net(tf.constant(x), mask=tf.ones((BATCH, TIME), tf.bool)), expected)
    assert_same(net({"x": x, "lengths": np.full(BATCH, TIME)} | {k: v * 0 for k, v in expected[1].items()}), expected)


def test_time_major(classifier, net):
    x = draw(BATCH, TIME, INPUTS)
    y, state = net(x, **VALID["lengths"])
    turned = backend.load(classifier, dtype="float64", time_major=True)
    assert_same(turned(x.swapaxes(0, 1), **VALID["lengths"]), (np.asarray(y).swapaxes(0, 1), state))
    assert_same(turned.step(x[:, 0]), net.step(x[:, 0]))


def test_inside_a_graph(net):
    x, lengths = draw(BATCH, TIME, INPUTS), np.array([TIME, 2, 0, 1])
    graph = tf.function(
        lambda x, lengths: net(x, lengths=lengths),
        input_signature=[tf.TensorSpec([None, None, INPUTS], tf.float64), tf.TensorSpec([None], tf.int64)],
    )
    assert_same(graph(x, lengths), net(x, lengths=lengths))
    step = tf.function(lambda x, state: net.step(x, state))
    state = net(x)[1]
    assert_same(step(tf.constant(x[:, 0]), state), net.step(x[:, 0], state))
    for wrong in ([TIME + 1, 0, 0, 0], [-1, 0, 0, 0], [1]):
        with pytest.raises(tf.errors.InvalidArgumentError, match="lengths"):
            graph(x, np.array(wrong))


def test_one_trace_for_all_sizes(net):
    first = net(draw(2, 60, INPUTS))
    assert not net.program._graphs  # a hundred steps are run before a graph is worth its cost
    second = net(draw(2, 60, INPUTS))
    assert_same(first, second)
    traced = len(net.program._graphs)
    assert traced == 1
    net(draw(1, 5, INPUTS))
    net(draw(3, 1, INPUTS))
    assert len(net.program._graphs) == traced


def test_a_shape_known_too_late_does_not_broadcast(last):
    free = [tf.TensorSpec([None, None, INPUTS], tf.float64), tf.TensorSpec([None, 2], tf.float64)]
    graph = tf.function(lambda x, h: last(x, state={"r.h": h}), input_signature=free)
    graph(draw(2, 3, INPUTS), np.zeros((2, 2)))
    with pytest.raises(tf.errors.InvalidArgumentError, match="does not fit"):
        graph(draw(2, 3, INPUTS), np.zeros((1, 2)))


def test_paths(classifier):
    assert backend.load(classifier, path="native").paths() == {
        "r": "native: keras.layers.LSTM",
        "s": "native: keras.layers.GRU",
    }
    assert backend.load(classifier, path="fused").paths()["r"] == "fused: a loop with a gradient of its own"
    assert backend.load(classifier, path="generic").paths()["r"] == "generic: asked for"
