"""Graphs of layers against the reference and its gradients: every new layer, several inputs and outputs, each path."""

import numpy as np
import pytest
import tensorflow as tf

import rnnspec.backends.tensorflow as backend
from rnnspec import (
    GRU,
    LSTM,
    RNN,
    Activation,
    Attention,
    Convolution,
    Dense,
    Embedding,
    Input,
    Merge,
    Model,
    Norm,
    Pool,
    Recurrent,
    Repeat,
    Scale,
    Summary,
)
from rnnspec.backends.tensorflow.program import FEW
from rnnspec.conformance.oracle import vjp
from rnnspec.reference import Net as Reference

from .cases import BATCH, INPUTS, TIME, draw, random_checkpoint

X = draw(BATCH, TIME, INPUTS)
LENGTHS = np.array([TIME, 2, 0, 1])
MASK = np.array([[1, 1, 1, 1, 1, 1], [0, 1, 0, 0, 1, 0], [0, 0, 0, 0, 0, 0], [1, 0, 1, 1, 1, 1]], bool)
IDS = np.arange(BATCH * 4).reshape(BATCH, 4) % 5


def chain(*layers, **options) -> Model:
    return Model(inputs=INPUTS, layers=layers, **options)


def window(kind, **options) -> Model:
    name = "w" if kind is Pool else "c"
    return chain(kind(name=name, **options), Recurrent(name="r", cell=GRU(units=4, reset_after=True)))


CHAINS = {
    "same": window(Convolution, units=4, width=3, padding="same", activation="tanh"),
    "stride": window(Convolution, units=4, width=3, padding="same", stride=2, before=0),
    "causal": window(Convolution, units=4, width=2, padding="causal", dilation=2, bias=False),
    "valid": window(Convolution, units=4, width=3, padding="valid"),
    "valid_far": window(Convolution, units=4, width=3, padding="valid", stride=2, dilation=2),
    "too_wide": window(Convolution, units=4, width=8, padding="valid"),
    "too_wide_groups": window(Convolution, units=6, width=8, padding="valid", groups=3),
    "groups": window(Convolution, units=6, width=3, padding="same", groups=3, stride=2),
    "pool_max": window(Pool, width=2, padding="valid", how="max"),
    "pool_mean": window(Pool, width=3, padding="same", how="mean", stride=1),
    **{
        how: chain(Summary(name="s", how=how), Dense(name="d", units=2))
        for how in ("last", "first", "mean", "max", "sum")
    },
    "ties": chain(Activation(name="a", function="relu"), Summary(name="s", how="max")),
    "norms": chain(
        Norm(name="n", kind="layer", epsilon=1e-3),
        Norm(name="b", kind="batch", epsilon=0.5),
        Scale(name="s"),
        Activation(name="a", function="softsign"),
    ),
    "autoencoder": chain(
        Recurrent(name="e", cell=LSTM(units=4), return_sequences=False),
        Repeat(name="r", steps=5),
        Recurrent(name="d", cell=LSTM(units=4), start={"h": "e.h", "c": "e.c"}),
        Attention(name="look", of=("d", "x"), score="general"),
    ),
    "pair": chain(
        Convolution(name="c", units=4, width=3, padding="valid"),
        Recurrent(name="p", cell=RNN(units=3), direction="bidirectional", merge="none", reverse_output=True),
        outputs=["p", "c"],
    ),
}


def translator(score: str, heads: int = 1, **options) -> Model:
    """An encoder, and a decoder that starts where it ends and looks back at it."""
    layers = [
        Embedding(name="words", of="source", vocabulary=5, units=4),
        Recurrent(name="encoder", cell=LSTM(units=4), direction="bidirectional"),
        Merge(name="end", of=["encoder.forward.c", "encoder.backward.c", "voice"], how="maximum"),
        Recurrent(name="decoder", of="target", cell=LSTM(units=4), start={"c": "end", "h": "encoder.forward.h"}),
        Dense(name="keys", of="encoder", units=4),
        Attention(name="look", of=["decoder", "keys", "encoder"], score=score, heads=heads),
        Attention(name="glance", of=["encoder.forward.h", "keys"], score=score, heads=heads),
        Repeat(name="glances", of=["glance", "target"]),
        Merge(name="both", of=["look", "decoder", "glances"], how="concat"),
        Dense(name="logits", units=3),
    ]
    inputs = {"source": Input(), "target": Input(features=INPUTS), "voice": Input(features=4, sequence=False)}
    return Model(inputs=inputs, layers=layers, outputs=["logits", "encoder", "glance"], **options)


NAMED = {"source": IDS, "target": X, "voice": draw(BATCH, 4)}
MEMORY = {"source": np.array([4, 0, 2, 1]), "target": LENGTHS}
TRANSLATORS = {
    "dot": translator("dot"),
    "scaled": translator("scaled", 2),
    "general": translator("general", 2),
    "additive": translator("additive"),
}


def pulled(model: Model, results) -> dict[str, np.ndarray]:
    return {name: draw(*np.shape(value), 1)[..., 0] for name, value in results.items()}


def assert_near(found, expected, tolerance=1e-9):
    assert sorted(found) == sorted(expected)
    for name, value in expected.items():
        np.testing.assert_allclose(np.asarray(found[name]), value, rtol=0, atol=tolerance, err_msg=name)


def compare(
    model: Model, call, path: str = "auto", dtype: str = "float64", tolerance: float = 1e-9, times: int = 2
) -> None:
    """Results and gradients, and a second time as a graph with free sizes."""
    checkpoint = random_checkpoint(model)
    y, new = Reference(checkpoint, "float64")(**call)
    results = {**model.named(y), **new}
    cotangents = pulled(model, results)
    net = backend.load(checkpoint, dtype=dtype, path=path)
    _, expected = vjp(checkpoint, call, cotangents)
    for _ in range(times):
        found, gradients = backend.vjp(net, cotangents, **call)
        assert_near(found, results, tolerance)
        assert_near(gradients, expected, tolerance)
        for count in net.program._steps:
            net.program._steps[count] = FEW  # from here on as a graph


@pytest.mark.parametrize("name", CHAINS)
def test_chains(name):
    for call in ({"x": X, "lengths": LENGTHS}, {"x": X, "mask": MASK}):
        compare(CHAINS[name], call)
    compare(CHAINS[name], {"x": X[:, :0]}, times=1)
    compare(CHAINS[name], {"x": X[:0], "lengths": LENGTHS[:0]}, times=1)
    compare(CHAINS[name], {"x": X}, dtype="float32", tolerance=1e-3)


@pytest.mark.parametrize("name", TRANSLATORS)
def test_a_ragged_memory(name):
    model = TRANSLATORS[name]
    compare(model, {"x": NAMED}, times=1)
    compare(model, {"x": NAMED, "lengths": MEMORY})
    compare(model, {"x": NAMED | {"source": IDS[:, :0]}}, times=1)
    state = {name: draw(BATCH, size, 1)[..., 0] for name, size in model.states().items()}
    valid = {"lengths": {"source": MEMORY["source"]}, "mask": {"target": MASK}}
    compare(model, {"x": NAMED, "state": state, **valid}, times=1)


@pytest.mark.parametrize("path", ["generic", "native"])
def test_paths(path):
    compare(TRANSLATORS["dot"], {"x": NAMED, "lengths": MEMORY}, path)


@pytest.mark.parametrize("score", TRANSLATORS)
def test_nothing_of_padding_is_read(score):
    inputs = {"q": INPUTS, "memory": INPUTS}
    look = Attention(name="look", of=["q", "memory"], score=score)
    layers = [
        look,
        Summary(name="top", of="memory", how="max"),
        Convolution(name="c", of="memory", units=2, width=2, padding="same"),
    ]
    model = Model(inputs=inputs, layers=layers, outputs=["look", "top", "c"])
    net = backend.load(random_checkpoint(model), dtype="float64")
    far = {"q": X, "memory": np.where(MASK[..., None], X, np.nan)}
    zero = {"q": X, "memory": np.where(MASK[..., None], X, 0.0)}
    checkpoint = backend.checkpoint(net)
    results, _ = Reference(checkpoint, "float64")(far, mask={"memory": MASK})
    cotangents = pulled(model, results)
    found, gradients = backend.vjp(net, cotangents, far, mask={"memory": MASK})
    assert_near(found, results)
    assert_near(gradients, vjp(checkpoint, {"x": zero, "mask": {"memory": MASK}}, cotangents)[1])


def test_time_major_and_steps():
    checkpoint = random_checkpoint(TRANSLATORS["dot"])
    turned = {name: x.swapaxes(0, 1) if name != "voice" else x for name, x in NAMED.items()}
    for time_major, given in ((False, NAMED), (True, turned)):
        net = backend.load(checkpoint, dtype="float64", time_major=time_major)
        reference = Reference(checkpoint, "float64", time_major)
        (y, new), (expected, state) = (each(given, lengths=MEMORY) for each in (net, reference))
        assert_near(y | new, expected | state)
        found = expected = None
        for t in range(3):
            step = given | {"target": X[:, t]}
            lengths = {"source": MEMORY["source"]}
            y, found = net.step(step, found, lengths=lengths)
            also, expected = reference.step(step, expected, lengths=lengths)
            assert_near(y | found, also | expected)


def test_inputs_that_share_a_time():
    inputs = {
        "a": Input(features=3, padding=0.0),
        "b": Input(features=2, like="a"),
        "c": Input(features=1, sequence=False),
    }
    layers = [
        Repeat(name="voice", of=["c", "b"]),
        Merge(name="all", of=["a", "b", "voice"], how="concat"),
        Recurrent(name="r", cell=LSTM(units=3), learned_state=True),
    ]
    model = Model(inputs=inputs, layers=layers)
    given = {"a": X * MASK[..., None], "b": draw(BATCH, TIME, 2), "c": draw(BATCH, 1)}
    compare(model, {"x": given})
    compare(model, {"x": given, "reset": {"a": MASK[::-1]}})
    net = backend.load(random_checkpoint(model), dtype="float64")
    spec = {name: tf.TensorSpec([None] * value.ndim, tf.float64) for name, value in given.items()}
    graph = tf.function(
        lambda x: net({name: tf.ensure_shape(v, [*v.shape[:-1], given[name].shape[-1]]) for name, v in x.items()}),
        [spec],
    )
    assert_near(graph({n: tf.constant(v) for n, v in given.items()})[1], net(given)[1])
    for wrong in ({"b": given["b"][:, 1:]}, {"c": given["c"][1:]}):
        with pytest.raises(tf.errors.InvalidArgumentError, match="does not fit the rows or the steps"):
            graph({n: tf.constant(v) for n, v in (given | wrong).items()})
