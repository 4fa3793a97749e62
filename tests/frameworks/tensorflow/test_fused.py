"""The derived gradient against TensorFlow's own, what ran, and what is left of it."""

import gc
from unittest import mock

import numpy as np
import pytest
import tensorflow as tf
from tensorflow.python.framework.func_graph import FuncGraph

import rnnspec.backends.tensorflow as backend
from rnnspec import LSTM, SRU, UGRNN, Checkpoint
from rnnspec.backends.tensorflow import fused
from rnnspec.backends.tensorflow.arguments import specs
from rnnspec.backends.tensorflow.compute import FEATURES_FIRST_FROM
from rnnspec.backends.tensorflow.ops import TensorFlowOps
from rnnspec.cells import LayerNorm

from .cases import (
    BATCH,
    CELLS,
    INPUTS,
    TIME,
    VALID,
    VARIANTS,
    assert_same,
    draw,
    layer,
    random_checkpoint,
    random_state,
)
from .test_numbers import trained

# Keras reads its variables with np.array, which TensorFlow's `__array__` does not support fully yet.
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")
MANY = FEATURES_FIRST_FROM + 1


def norm(gates, over, cell, **options):
    return {"layer_norm": LayerNorm(gates=gates, over=over, cell=cell, epsilon=1e-3, **options)}


OPTIONS = {
    "peephole": {"peephole": True},
    "clipped": {"clip_cell": 0.5, "bias": False},
    "both": {"peephole": True, "clip_cell": 0.5, "projection": 4},
    "joint": norm("joint", "gate", None),
    "split": norm("split", "gate", "output", beta=False),
    "all": norm("joint", "all", "carry") | {"peephole": True},
    "everything": norm("split", "all", "carry") | {"peephole": True, "clip_cell": 0.6},
}
WIDE = {
    **{name: LSTM(units=MANY, **options) for name, options in OPTIONS.items()},
    "ugrnn": UGRNN(units=MANY),
    "sru": SRU(units=MANY),
}
NARROW = {**CELLS, **VARIANTS, **{f"lstm-{name}": LSTM(units=5, **options) for name, options in OPTIONS.items()}}


def compare(checkpoint, valid, call=trained):
    nets = [backend.load(checkpoint, dtype="float64", path=path) for path in ("fused", "generic")]
    (one, ones), (other, others) = call(nets[0], valid), trained(nets[1], valid)
    assert_same(one, other)
    for d, expected in zip(ones, others, strict=True):
        np.testing.assert_allclose(d, expected, rtol=0, atol=1e-10 * max(1, np.abs(expected).max()))


@pytest.mark.parametrize("valid", ["all", "reset_and_lengths"])
@pytest.mark.parametrize("name", NARROW)
def test_gradients(name, valid):
    compare(random_checkpoint(layer(NARROW[name], direction="backward")), valid)


@pytest.mark.parametrize("valid", ["all", "mask"])
@pytest.mark.parametrize("name", WIDE)
def test_gradients_features_first(name, valid):
    checkpoint = random_checkpoint(layer(WIDE[name], direction="backward"))
    compare(Checkpoint(checkpoint.model, {key: w * 0.1 for key, w in checkpoint.weights.items()}), valid)


def loss(net, given):
    y, final = net(given)
    return (y, final), sum(tf.reduce_sum(tf.sin(3 * value)) for value in (y, *final.values()))


def in_a_graph(net, valid, inside: bool):
    """As `trained`, in a graph with free batch and time; the tape is in it, or around it."""
    state = random_state(net.model)
    arrays = {"x": draw(BATCH, TIME, INPUTS), **state, "mask": VALID[valid]["mask"]}
    given = {name: tf.constant(array) for name, array in arrays.items()}
    graph = tf.function(input_signature=[specs(net.model, "float64", given)], autograph=False)
    weights = [v.value for v in net.weights]

    def gradients(given, run):
        floating = [given[name] for name in ("x", *state)]
        with tf.GradientTape() as tape:
            tape.watch(floating)
            results, value = run(given)
        return results, tape.gradient(value, [*floating, *weights])

    def run(given):
        return loss(net, given)

    if inside:
        return graph(lambda given: gradients(given, run))(given)
    return gradients(given, graph(run))


@pytest.mark.parametrize("inside", [True, False])
@pytest.mark.parametrize("name", ["lstm", "gru_before", "everything", "ugrnn"])
def test_gradients_in_a_graph(name, inside):
    """The loop is one of TensorFlow's there."""
    checkpoint = random_checkpoint(layer((CELLS | WIDE)[name]))
    checkpoint = Checkpoint(checkpoint.model, {key: w * 0.1 for key, w in checkpoint.weights.items()})
    compare(checkpoint, "mask", lambda net, valid: in_a_graph(net, valid, inside))


def test_nothing_remains():
    """TensorFlow has a table of gradients by name, which it never forgets."""
    checkpoint = random_checkpoint(layer(LSTM(units=5)))

    def graphs():
        gc.collect()
        return sum(issubclass(type(x), FuncGraph) for x in gc.get_objects())

    def train():
        net = backend.load(checkpoint, dtype="float64")
        in_a_graph(net, "mask", True)
        in_a_graph(net, "mask", False)
        with tf.GradientTape() as tape:
            y, _ = net(draw(2, 120, INPUTS))
        tape.gradient(y, net.trainable_variables)
        assert net.program._graphs

    train()
    before = graphs()
    train()
    assert graphs() <= before


@pytest.mark.parametrize(("path", "times"), [("fused", 0), ("generic", TIME), ("native", 0)])
def test_what_ran(path, times):
    """`step` is run by tensors on the generic path alone; a plan is made of it on the fused one, and only there."""
    checkpoint = random_checkpoint(layer(LSTM(units=5)))
    net = backend.load(checkpoint, path=path)
    with (
        mock.patch.object(LSTM, "step", autospec=True, side_effect=LSTM.step) as step,
        mock.patch.object(fused, "unroll", side_effect=fused.unroll) as loop,
    ):
        net(draw(BATCH, TIME, INPUTS))
    assert sum(isinstance(call.args[1], TensorFlowOps) for call in step.call_args_list) == times
    assert loop.called == (path == "fused")
    assert net.paths()["r"].startswith(path)
