"""Parameter trees made by hand: read, compared with Flax's equations, refused; and written. No Flax is needed."""

import json

import msgspec
import numpy as np
import pytest
import safetensors.numpy

from rnnspec import GRU, LSTM, RNN, Dense, Dropout, Embedding, Model, Recurrent, SpecError, Stack
from rnnspec.activations import HardSigmoid
from rnnspec.cells import MGU, UGRNN
from rnnspec.convert import convert, parts
from rnnspec.convert.flax.write import placed, write
from rnnspec.convert.outward import unstacked
from rnnspec.reference import Net

from ..conftest import random_checkpoint
from .command import refused

# linen's modules for x and for h in each cell, and those that have a bias
LINEN = {
    "SimpleCell": ("i", "h", "i"),
    "LSTMCell": ("ii if ig io", "hi hf hg ho", "hi hf hg ho"),
    "GRUCell": ("ir iz in", "hr hz hn", "ir iz in hn"),
    "MGUCell": ("if in", "hf hn", "if in hn"),
    "MGUCell without reset": ("if in", "hf hn", "if in"),
    "nnx.LSTMCell": ("ii if_ ig io", "hi hf hg ho", "hi hf hg ho"),
}
NNX = {"nnx.SimpleCell": (1, "i"), "nnx.GRUCell": (3, "i"), "nnx.OptimizedLSTMCell": (4, "h")}


def variables(shapes, seed=0):
    rng = np.random.default_rng(seed)
    return {name: (rng.standard_normal(shape) / 2).astype("float32") for name, shape in shapes.items()}


def cell(kind, inputs, units, scope=""):
    """The shapes of a cell's variables."""
    if kind in NNX:
        gates, biased = NNX[kind]
        shapes = {"dense_i/kernel": (inputs, gates * units), "dense_h/kernel": (units, gates * units)}
        shapes[f"dense_{biased}/bias"] = (gates * units,)
    else:
        i, h, biased = (modules.split() for modules in LINEN[kind])
        shapes = {f"{module}/kernel": (inputs, units) for module in i} | {
            f"{module}/kernel": (units, units) for module in h
        }
        shapes |= {f"{module}/bias": (units,) for module in biased}
    return {scope + name: shape for name, shape in shapes.items()}


def dense(inputs, units, scope):
    return {f"{scope}kernel": (inputs, units), f"{scope}bias": (units,)}


def sigmoid(a):
    return 1 / (1 + np.exp(-a))


def unrolled(kind, p, x, activation=np.tanh, residual=False, reverse=False):
    """Flax's equations as its docstrings have them, over x (batch, time, inputs)."""
    p = {name: value.astype("float64") for name, value in p.items()}
    units = next(value.shape[0] for name, value in p.items() if name.startswith("h") or name == "dense_h/kernel")
    fused = "dense_i/kernel" in p

    def apply(module, value):
        if not fused:
            return value @ p[f"{module}/kernel"] + p.get(f"{module}/bias", 0)
        order = {"nnx.SimpleCell": [""], "nnx.GRUCell": list("rzn"), "nnx.OptimizedLSTMCell": list("ifgo")}[kind]
        k = order.index(module[1:])
        columns = slice(k * units, (k + 1) * units)
        bias = p.get(f"dense_{module[0]}/bias", np.zeros(len(order) * units))
        return value @ p[f"dense_{module[0]}/kernel"][:, columns] + bias[columns]

    h = c = np.zeros((len(x), units))
    outputs = []
    for x_t in np.moveaxis(x, 1, 0)[:: -1 if reverse else 1]:
        if "SimpleCell" in kind:
            h = activation(apply("i", x_t) + apply("h", h) + (h if residual else 0))
        elif "LSTM" in kind:
            i, g, o = (apply(f"i{gate}", x_t) + apply(f"h{gate}", h) for gate in "igo")
            f = apply("if_" if kind == "nnx.LSTMCell" else "if", x_t) + apply("hf", h)
            c = sigmoid(f) * c + sigmoid(i) * activation(g)
            h = sigmoid(o) * activation(c)
        elif "GRU" in kind:
            r, z = (sigmoid(apply(f"i{gate}", x_t) + apply(f"h{gate}", h)) for gate in "rz")
            h = (1 - z) * activation(apply("in", x_t) + r * apply("hn", h)) + z * h
        else:
            f = sigmoid(apply("if", x_t) + apply("hf", h))
            n = activation(apply("in", x_t) + (1 if "without" in kind else f) * apply("hn", h))
            h = (1 - f) * n + f * h
        outputs.append(h)
    return np.stack(outputs[:: -1 if reverse else 1], axis=1)


def packed(array):
    name = "bfloat16" if array.dtype == np.uint16 else array.dtype.name
    return msgspec.msgpack.Ext(1, msgspec.msgpack.encode((array.shape, name, array.tobytes())))


def nested(arrays, leaf=packed):
    tree = {}
    for name, array in arrays.items():
        *path, last = name.split("/")
        inner = tree
        for part in path:
            inner = inner.setdefault(part, {})
        inner[last] = leaf(array)
    return tree


def saved(path, arrays):
    if path.suffix == ".npz":
        np.savez(path, **arrays)
    else:
        path.write_bytes(msgspec.msgpack.encode(nested(arrays)))
    return path


def within(arrays, scope):
    return {name.removeprefix(scope): value for name, value in arrays.items() if name.startswith(scope)}


def names(checkpoint):
    return [layer.name for layer in checkpoint.model.layers]


X = np.random.default_rng(2).standard_normal((3, 6, 5))
KINDS = [*LINEN, *NNX]


@pytest.fixture(params=[".msgpack", ".npz"])
def source(request, tmp_path):
    return tmp_path / f"params{request.param}"


@pytest.fixture
def packed_source(tmp_path):
    return tmp_path / "params.msgpack"


@pytest.mark.parametrize("scope", ["", "cell/", "params/cell/", "params/a/b/cell/", "params/LSTMCell_0/"])
@pytest.mark.parametrize("kind", KINDS)
def test_a_cell_alone(kind, scope, source):
    arrays = variables(cell(kind, 5, 4, scope))
    checkpoint = convert(saved(source, arrays))
    np.testing.assert_allclose(Net(checkpoint, "float64")(X)[0], unrolled(kind, within(arrays, scope), X), atol=1e-12)
    assert names(checkpoint) == [{"params/a/b/cell/": "b", "params/LSTMCell_0/": "LSTMCell_0"}.get(scope, "rnn")]


@pytest.mark.parametrize("kind", KINDS)
def test_a_chain_with_both_directions(kind, source):
    shapes = {"params/table/embedding": (7, 5)} | cell(kind, 5, 3, "params/deep/forward_rnn/cell/")
    shapes |= cell(kind, 5, 3, "params/deep/backward_rnn/cell/") | cell(kind, 6, 4, "params/above/cell/")
    shapes |= dense(4, 9, "params/hidden/") | {"params/head/kernel": (9, 2)}
    arrays = variables(shapes)
    checkpoint = convert(saved(source, arrays), settings={"hidden.activation": "relu"})
    assert names(checkpoint) == ["table", "deep", "above", "hidden", "head"]
    ids = np.random.default_rng(1).integers(0, 7, (3, 6))
    x = arrays["params/table/embedding"][ids]
    both = [
        unrolled(kind, within(arrays, f"params/deep/{way}_rnn/cell/"), x, reverse=way == "backward")
        for way in ("forward", "backward")
    ]
    y = unrolled(kind, within(arrays, "params/above/cell/"), np.concatenate(both, -1))
    y = np.maximum(y @ arrays["params/hidden/kernel"].astype("float64") + arrays["params/hidden/bias"], 0)
    y = y @ arrays["params/head/kernel"]
    np.testing.assert_allclose(Net(checkpoint, "float64")(ids)[0], y, atol=1e-12)


def test_compact_modules_go_by_numbers(source):
    shapes = {"Embed_0/embedding": (9, 4)} | dense(4, 2, "Dense_1/") | dense(4, 4, "Dense_0/")
    for k in range(11):
        shapes |= cell("LSTMCell", 4, 4, f"LSTMCell_{k}/")
    line = refused(saved(source, variables(shapes)))  # Dense_0 fits anywhere
    assert "the order of the layers cannot be read off" in line
    del shapes["Dense_0/kernel"], shapes["Dense_0/bias"]
    checkpoint = convert(saved(source, variables(shapes)))
    assert names(checkpoint) == ["Embed_0", *(f"LSTMCell_{k}" for k in range(11)), "Dense_1"]


def test_a_bidirectional_in_a_compact_module(source):
    shapes = {f"{kind}_{k}/{n}": s for kind, i, u in (("GRUCell", 5, 3), ("LSTMCell", 6, 4)) for k in range(2)
              for n, s in cell(kind, i, u).items()}  # fmt: skip
    arrays = variables(shapes | dense(8, 2, "Dense_0/"))
    checkpoint = convert(saved(source, arrays))
    assert [getattr(layer, "direction", None) for layer in checkpoint.model.layers] == ["bidirectional"] * 2 + [None]
    y = X
    for kind in ("GRUCell", "LSTMCell"):
        y = [unrolled(kind, within(arrays, f"{kind}_{k}/"), y, reverse=k == 1) for k in range(2)]
        y = np.concatenate(y, -1)
    y = y @ arrays["Dense_0/kernel"].astype("float64") + arrays["Dense_0/bias"]
    np.testing.assert_allclose(Net(checkpoint, "float64")(X)[0], y, atol=1e-12)
    notes = checkpoint.metadata["conversion"]["notes"]
    assert any(note.startswith("read as forward and backward of a Bidirectional: ") for note in notes)


def test_cells_that_could_be_a_chain_are_both_directions_if_said(source):
    arrays = variables({f"GRUCell_{k}/{n}": shape for k in range(2) for n, shape in cell("GRUCell", 5, 5).items()})
    saved(source, arrays)
    assert len(convert(source).model.layers) == 2
    checkpoint = convert(source, settings={"GRUCell_0.bidirectional": True})
    y = [unrolled("GRUCell", within(arrays, f"GRUCell_{k}/"), X, reverse=k == 1) for k in range(2)]
    np.testing.assert_allclose(Net(checkpoint, "float64")(X)[0], np.concatenate(y, -1), atol=1e-12)
    notes = convert(source, settings={"GRUCell_0.bidirectional": False}).metadata["conversion"]["notes"]
    assert not any("both directions" in note for note in notes)
    assert "nothing in this source takes it" in refused(source, "--set", "GRUCell_1.bidirectional=true")


def test_config_gives_the_order(source, tmp_path):
    saved(source, variables(cell("GRUCell", 4, 4, "up/cell/") | cell("LSTMCell", 4, 4, "down/cell/")))
    assert "up (4 → 4), down (4 → 4); give it with --config" in refused(source)
    config = tmp_path / "order.json"
    config.write_text(json.dumps({"first": "up", "second": "down"}))
    checkpoint = convert(source, config=config)
    assert [(layer.name, type(layer.cell)) for layer in checkpoint.model.layers] == [("first", GRU), ("second", LSTM)]


@pytest.mark.parametrize("kind", KINDS)
def test_activations(kind, source):
    arrays = variables(cell(kind, 5, 4, "cell/"))
    saved(source, arrays)
    expected = unrolled(kind, within(arrays, "cell/"), X, activation=lambda a: a / (1 + abs(a)))
    for name in ("activation", "activation_fn", "rnn.activation"):
        checkpoint = convert(source, settings={name: "softsign"})
        np.testing.assert_allclose(Net(checkpoint, "float64")(X)[0], expected, atol=1e-12)
    if "Simple" not in kind:
        settings = {"gate_fn": {"type": "hard_sigmoid", "alpha": 0.2, "beta": 0.5}}
        assert convert(source, settings=settings).model.layers[0].cell.gate_activation.alpha == 0.2
    assert "expected one of linear, tanh" in refused(source, "--set", "activation=reelu")


@pytest.mark.parametrize("kind", ["SimpleCell", "nnx.SimpleCell"])
def test_residual(kind, source):
    arrays = variables(cell(kind, 5, 4, "cell/"))
    saved(source, arrays)
    assert any("residual is not in the file" in note for note in convert(source).metadata["conversion"]["notes"])
    checkpoint = convert(source, settings={"residual": True})
    expected = unrolled(kind, within(arrays, "cell/"), X, residual=True)
    np.testing.assert_allclose(Net(checkpoint, "float64")(X)[0], expected, atol=1e-6)
    assert "residual: expected true or false, found 1" in refused(source, "--set", "residual=1")


def test_training_states_and_random_numbers(packed_source):
    arrays = variables(cell("GRUCell", 5, 4, "params/cell/"))
    tree = nested(arrays)
    tree |= {"step": 3, "opt_state": {"0": {"count": packed(np.int32(3)), "mu": nested(arrays)}, "1": {}}}
    packed_source.write_bytes(msgspec.msgpack.encode(tree))
    checkpoint = convert(packed_source)
    ignored = checkpoint.metadata["conversion"]["ignored"]
    assert ignored["step"] == "counts the training steps"
    assert ignored["opt_state/0/mu/params/cell/hn/bias"] == "the optimizer's state"
    np.testing.assert_array_equal(checkpoint.weights["rnn.recurrent_bias"], arrays["params/cell/hn/bias"])
    tree = nested({f"{name}/value": value for name, value in within(arrays, "params/").items()})
    tree["rngs"] = {"count": {"value": packed(np.uint32(1))}, "key": {"value": packed(np.arange(2, dtype="uint32"))}}
    packed_source.write_bytes(msgspec.msgpack.encode(tree))
    assert set(convert(packed_source).metadata["conversion"]["ignored"]) == {"rngs/count/value", "rngs/key/value"}


def test_the_part_is_taken_before_the_rest_is_looked_at(packed_source):
    gru, lstm = variables(cell("GRUCell", 5, 4, "cell/")), variables(cell("LSTMCell", 5, 3, "cell/"))
    state = {
        "step": packed(np.int32(7)),
        "dropout_rng": packed(np.arange(2, dtype="uint32")),
        "best": 0.25,
        "params": nested({f"encoder/{k}": v for k, v in gru.items()} | {f"decoder/{k}": v for k, v in lstm.items()}),
        "opt_state": {"0": {"count": packed(np.int32(3)), "mu": {"encoder": nested(gru)}}},
    }
    for part in ("encoder", "params/encoder"):
        packed_source.write_bytes(msgspec.msgpack.encode(state))
        checkpoint = convert(packed_source, part=part)
        np.testing.assert_array_equal(checkpoint.weights["encoder.recurrent_bias"], gru["cell/hn/bias"])
        assert checkpoint.metadata["conversion"]["ignored"].keys() >= {"step", "dropout_rng", "best"}
    del state["params"]["decoder"]
    nest = {"model": state, "epoch": 3}
    for whole, part in ((state, None), (nest, None), (nest, "model/params/encoder")):
        packed_source.write_bytes(msgspec.msgpack.encode(whole))
        checkpoint = convert(packed_source, part=part)
        np.testing.assert_array_equal(checkpoint.weights["encoder.recurrent_bias"], gru["cell/hn/bias"])
    ignored = convert(packed_source).metadata["conversion"]["ignored"]
    assert ignored["model/step"] == "counts the training steps"
    assert ignored["model/dropout_rng"] == "beside the parameters, and none: uint32"
    assert ignored["model/opt_state/0/mu/encoder/cell/hn/bias"] == "the optimizer's state"
    state["batch_stats"] = {"norm": {"mean": packed(np.ones(4, "float32"))}}
    packed_source.write_bytes(msgspec.msgpack.encode(state))
    assert "no layer uses norm/mean (4,)" in refused(packed_source)
    assert "--part middle: nothing begins with 'middle/'" in refused(packed_source, "--part", "middle")
    state["params"]["encoder"]["cell"]["hn"]["bias"] = packed(np.ones(4, "int32"))
    packed_source.write_bytes(msgspec.msgpack.encode(state))
    line = refused(packed_source)
    assert "variable 'params/encoder/cell/hn/bias': expected floating-point numbers, found int32" in line


def test_reverse_with_and_without_keep_order(source):
    """`RNN(reverse=True)`: the outputs come in the order of the steps, unless `keep_order`."""
    arrays = variables(cell("LSTMCell", 5, 4, "cell/"))
    saved(source, arrays)
    notes = convert(source).metadata["conversion"]["notes"]
    assert any("forward in time" in note and "NAME.direction=backward" in note for note in notes)
    kept = unrolled("LSTMCell", within(arrays, "cell/"), X, reverse=True)
    checkpoint = convert(source, settings={"rnn.direction": "backward"})
    np.testing.assert_allclose(Net(checkpoint, "float64")(X)[0], kept, atol=1e-12)
    assert not any("forward in time" in note for note in checkpoint.metadata["conversion"]["notes"])
    checkpoint = convert(source, settings={"direction": "backward", "reverse_output": True})
    np.testing.assert_allclose(Net(checkpoint, "float64")(X)[0], kept[:, ::-1], atol=1e-12)
    assert any("seq_lengths" in note for note in checkpoint.metadata["conversion"]["notes"])
    checkpoint = convert(source, settings={"direction": "backward", "return_sequences": False})
    np.testing.assert_allclose(Net(checkpoint, "float64")(X)[0], kept[:, 0], atol=1e-12)


def test_reverse_in_flax_s_own_words(source):
    arrays = variables(cell("LSTMCell", 5, 4, "cell/"))
    saved(source, arrays)
    kept = unrolled("LSTMCell", within(arrays, "cell/"), X, reverse=True)

    def run(**settings):
        return Net(convert(source, settings=settings), "float64")(X)[0]

    np.testing.assert_allclose(run(reverse=True, keep_order=True), kept, atol=1e-12)
    np.testing.assert_allclose(run(**{"rnn.reverse": True}), kept[:, ::-1], atol=1e-12)
    np.testing.assert_allclose(run(reverse=False), run(), atol=0)
    notes = convert(source, settings={"reverse": True}).metadata["conversion"]["notes"]
    assert "rnn: without a residual connection, it is assumed; --set NAME.residual=true otherwise" in notes
    assert any("seq_lengths" in note for note in notes)
    assert "rnn does not run in reverse; set reverse=true too" in refused(source, "--set", "keep_order=true")
    line = refused(source, "--set", "reverse=true", "--set", "direction=backward")
    assert "--set reverse: rnn has direction and reverse_output too" in line
    assert "--set reverse at rnn: expected true or false, found 1" in refused(source, "--set", "reverse=1")


def test_which_axis_is_time_is_said(source):
    saved(source, variables(cell("GRUCell", 5, 4, "cell/")))
    for settings, note in (
        ({}, "time is the second axis, it is assumed; load it with time_major=True otherwise"),
        ({"time_major": True}, "time was the first axis: load it with time_major=True"),
        ({"time_major": False}, None),
    ):
        notes = convert(source, settings=settings).metadata["conversion"]["notes"]
        assert [found for found in notes if found.startswith("time ")] == ([note] if note else [])


@pytest.mark.parametrize("separator", ["/", "."])
def test_a_tree_in_safetensors(separator, tmp_path):
    shapes = cell("GRUCell", 5, 4, "rnn/cell/") | dense(4, 2, "head/") | {"Embed_0/embedding": (7, 5)}
    arrays = variables(shapes)
    source = tmp_path / "params.safetensors"
    safetensors.numpy.save_file({f"params/{name}".replace("/", separator): a for name, a in arrays.items()}, source)
    checkpoint = convert(source)
    assert [layer.name for layer in checkpoint.model.layers] == ["Embed_0", "rnn", "head"]
    saved(tmp_path / "params.npz", arrays)
    for name, array in convert(tmp_path / "params.npz").weights.items():
        np.testing.assert_array_equal(checkpoint.weights[name], array)


def test_parts_of_a_tree(source):
    shapes = dense(3, 5, "front/") | cell("GRUCell", 5, 4, "rnn/cell/") | dense(4, 2, "tags/") | dense(4, 6, "spans/")
    shapes |= {"Conv_0/kernel": (3, 2, 5, 1), "pos": (50, 4), "norm/scale": (4,), "norm/bias": (4,)}
    shapes |= {"look/query/kernel": (4, 2, 2), "look/query/bias": (2, 2), "look/out/kernel": (2, 2, 4)}
    saved(
        source,
        variables(shapes) | {f"batch_stats/{k}": v for k, v in variables({"bn/mean": (4,), "bn/var": (4,)}).items()},
    )
    found = parts(source)
    assert not found.whole
    assert {part.name: part.layers for part in found.parts} == {"rnn": ("rnn",)}
    assert (found.parts[0].reads[0].features, found.parts[0].gives[0].features) == (5, 4)
    assert dict(found.rest) == {
        "Conv_0": "Conv over two axes", "pos": "a parameter (50, 4)", "norm": "LayerNorm, or GroupNorm",
        "bn": "BatchNorm", "look": "MultiHeadDotProductAttention",
    }  # fmt: skip
    assert convert(source, part="rnn").model.inputs == 5
    assert [layer.name for layer in convert(source, part="front,rnn,spans").model.layers] == ["front", "rnn", "spans"]
    rest = ["Conv_0", "pos", "norm", "bn", "look", "tags"]
    assert len(convert(source, ignore=rest).model.layers) == 3


def test_a_folder_of_orbax_is_refused_with_what_to_run(tmp_path):
    (tmp_path / "run" / "default").mkdir(parents=True)
    (tmp_path / "run" / "default" / "_METADATA").write_text("{}")
    line = refused(tmp_path / "run")
    assert "a folder of Orbax, whose arrays are compressed; with it, write what is read: open('params.msgpack'" in line


def test_merge_of_a_bidirectional(source):
    arrays = variables(cell("GRUCell", 5, 4, "a/forward_rnn/cell/") | cell("GRUCell", 5, 4, "a/backward_rnn/cell/"))
    saved(source, arrays | variables(dense(4, 2, "head/"), seed=1))
    assert "the layers are not a chain: a (5 → 8), head (4 → 2)" in refused(source)
    checkpoint = convert(source, settings={"a.merge": "sum"})
    both = [
        unrolled("GRUCell", within(arrays, f"a/{d}_rnn/cell/"), X, reverse=d == "backward")
        for d in ("forward", "backward")
    ]
    weights = variables(dense(4, 2, "head/"), seed=1)
    expected = sum(both) @ weights["head/kernel"].astype("float64") + weights["head/bias"]
    np.testing.assert_allclose(Net(checkpoint, "float64")(X)[0], expected, atol=1e-12)
    notes = convert(saved(source, arrays)).metadata["conversion"]["notes"]
    assert "a: both directions' outputs are joined by concat; --set NAME.merge=… if otherwise" in notes


def test_what_is_assumed_is_said(source):
    shapes = {"Embed_0/embedding": (9, 4)} | dense(4, 2, "Dense_0/")
    for k in range(2):
        shapes |= cell("SimpleCell", 4, 4, f"SimpleCell_{k}/")
    shapes |= cell("GRUCell", 4, 4, "SimpleCell_2/")
    assert convert(saved(source, variables(shapes))).metadata["conversion"]["notes"] == [
        "SimpleCell_1 follows SimpleCell_0, it is assumed; --set SimpleCell_0.bidirectional=true if they are both "
        "directions of one",
        "taken as a chain: Embed_0 → SimpleCell_0 → SimpleCell_1 → SimpleCell_2 → Dense_0",
        "SimpleCell_0: residual is not in the file; false; --set SimpleCell_0.residual=true if it was",
        "activations are not in the file: Flax's own, tanh and sigmoid for gates, where nothing is set",
        "SimpleCell_1: residual is not in the file; false; --set SimpleCell_1.residual=true if it was",
        "SimpleCell_0, SimpleCell_1: forward in time, it is assumed; --set NAME.direction=backward otherwise",
        "SimpleCell_2: forward in time and without a residual connection, it is assumed; "
        "--set NAME.direction=backward, NAME.residual=true otherwise",
        "every step goes on to Dense_0, it is assumed; --set SimpleCell_2.return_sequences=false for the last alone",
        "Dense_0: no activation is in the file; --set NAME.activation=… if there was one",
        "time is the second axis, it is assumed; load it with time_major=True otherwise",
        "what is between the layers is not in the file: no dropout, no masks, no pooling are assumed",
    ]


def test_a_residual_connection_around_a_cell(source):
    arrays = variables(cell("GRUCell", 5, 5, "cell/"))
    saved(source, arrays)
    checkpoint = convert(source, settings={"residual": True})
    expected = X + unrolled("GRUCell", within(arrays, "cell/"), X)
    np.testing.assert_allclose(Net(checkpoint, "float64")(X)[0], expected, atol=1e-12)
    assert "expected true or false, found 1" in refused(source, "--set", "residual=1")
    saved(source, variables(cell("GRUCell", 5, 4, "cell/")))
    assert "expected 5 outputs, as many as its inputs, found 4" in refused(source, "--set", "residual=true")


def test_dtypes_and_pieces(packed_source):
    shapes = cell("SimpleCell", 3, 2, "cell/")
    exact = {name: np.round(value * 8) / 8 for name, value in variables(shapes).items()}
    for dtype in ("float64", "float16"):
        saved(packed_source, {name: value.astype(dtype) for name, value in exact.items()})
        checkpoint = convert(packed_source)
        assert checkpoint.dtype == ("float64" if dtype == "float64" else "float32")
        np.testing.assert_array_equal(checkpoint.weights["rnn.kernel"][0].T, exact["cell/i/kernel"])
    saved(packed_source, {name: (value.view("uint32") >> 16).astype("uint16") for name, value in exact.items()})
    np.testing.assert_array_equal(convert(packed_source).weights["rnn.kernel"][0].T, exact["cell/i/kernel"])

    def in_pieces(array):
        flat = array.ravel()
        chunks = {str(k): packed(flat[4 * k : 4 * k + 4]) for k in range(-(-flat.size // 4))}
        shape = {str(k): size for k, size in enumerate(array.shape)}
        return {"__msgpack_chunked_array__": True, "shape": shape, "chunks": chunks}

    packed_source.write_bytes(msgspec.msgpack.encode(nested(exact, in_pieces)))
    np.testing.assert_array_equal(convert(packed_source).weights["rnn.kernel"][0].T, exact["cell/i/kernel"])
    broken = nested(exact, in_pieces)
    del broken["cell"]["i"]["kernel"]["chunks"]["0"]
    packed_source.write_bytes(msgspec.msgpack.encode(broken))
    assert "variable 'cell/i/kernel': a damaged array in pieces" in refused(packed_source)


GRU_CELL = cell("GRUCell", 5, 4, "cell/")
# fmt: off
BAD = {
    "leftover": (GRU_CELL | {"LayerNorm_0/scale": (4,)}, "no layer uses LayerNorm_0 (LayerNorm, or GroupNorm)"),
    "batch_stats": (GRU_CELL | {"batch_stats/BatchNorm_0/mean": (4,)}, "no layer uses BatchNorm_0/mean (4,)"),
    "missing": ({k: v for k, v in GRU_CELL.items() if k != "cell/hz/kernel"}, "'cell/hz/kernel' is missing"),
    "missing bias": ({k: v for k, v in GRU_CELL.items() if k != "cell/hn/bias"}, "'cell/hn/bias' is missing"),
    "shape": (GRU_CELL | {"cell/hz/kernel": (4, 3)}, "'cell/hz/kernel': expected shape (4, 4), found (4, 3)"),
    "bias": (GRU_CELL | {"cell/ir/bias": (5,)}, "'cell/ir/bias': expected shape (4), found (5,)"),
    "axes": ({k: (2, *v) for k, v in GRU_CELL.items()}, "expected shape (any, any), found (2, 5, 4)"),
    "gates": (cell("nnx.GRUCell", 5, 4) | {"dense_h/kernel": (4, 8)}, "expected columns for 1, 3 or 4 gates of 4"),
    "half": (cell("GRUCell", 5, 4, "a/forward_rnn/cell/"), "a has no backward_rnn"),
    "nothing": (dense(3, 2, "Dense_0/"), "nothing recurrent in it; found Dense_0/"),
    "features": (GRU_CELL | dense(5, 2, "out/"), "the layers are not a chain: cell (5 → 4), out (5 → 2)"),
    "two heads": (GRU_CELL | dense(4, 2, "a/") | dense(4, 3, "b/"), "the layers are not a chain"),
}
# fmt: on


@pytest.mark.parametrize("bad", BAD)
def test_bad_sources(source, bad):
    shapes, message = BAD[bad]
    line = refused(saved(source, variables(shapes)))
    if bad == "features":
        message = message.replace("cell (", "the root (")
    assert message in line
    assert line.startswith(str(source))


def test_bad_numbers_and_damaged_files(tmp_path):
    source = tmp_path / "params.msgpack"
    arrays = variables(GRU_CELL)
    saved(source, arrays | {"cell/hn/bias": np.full(4, np.inf, "float32")})
    assert "'rnn.recurrent_bias' holds NaN or infinity" in refused(source)
    saved(source, arrays | {"cell/hn/bias": np.ones(4, "int32")})
    assert "variable 'cell/hn/bias': expected floating-point numbers, found int32" in refused(source)
    saved(source, arrays | {"cell/hn/bias": np.ones(4, "complex64")})
    assert "found complex64" in refused(source)

    def with_leaf(leaf):
        tree = nested(arrays)
        tree["cell"]["hn"]["bias"] = leaf
        source.write_bytes(msgspec.msgpack.encode(tree))
        return refused(source)

    assert "expected arrays, found a complex number" in with_leaf(msgspec.msgpack.Ext(2, b""))
    assert "expected arrays, found extension 9" in with_leaf(msgspec.msgpack.Ext(9, b""))
    assert "a damaged array" in with_leaf(msgspec.msgpack.Ext(1, b"\x93"))
    assert "a damaged array" in with_leaf(msgspec.msgpack.Ext(1, msgspec.msgpack.encode(((3,), "float32", b"1234"))))
    assert "a damaged array" in with_leaf(msgspec.msgpack.Ext(1, msgspec.msgpack.encode(((1,), "object", b"12345678"))))
    assert "a damaged array" in with_leaf(msgspec.msgpack.Ext(1, msgspec.msgpack.encode(((1,), "floaty", b"1234"))))
    assert "found str" in with_leaf("text")
    whole = saved(source, arrays).read_bytes()
    for end in (1, 40, len(whole) - 1):
        source.write_bytes(whole[:end])
        assert "damaged: cut off" in refused(source)
    source.write_bytes(b"\x81\xa1a" * 100_000)
    assert "maps and lists more than 100 deep" in refused(source)


def test_npz_with_objects_or_out_of_proportion(tmp_path):
    source = tmp_path / "params.npz"
    np.savez(source, **variables(GRU_CELL), extra=np.array([{}], dtype=object))
    assert "not arrays of numbers" in refused(source)
    np.savez_compressed(source, bomb=np.zeros(1 << 25))
    assert "that unpack to 268," in refused(source)


def chain_models():
    for ours in (RNN(units=3), LSTM(units=3), GRU(units=3, reset_after=True), UGRNN(units=3)):
        for biased in (True, False):
            ours = type(ours).from_builtins(ours.to_builtins() | {"bias": biased})
            layer = Recurrent(name="r", cell=ours)
            both = Recurrent(name="both", cell=ours, direction="bidirectional")
            yield Model(inputs=4, layers=(layer,))
            yield Model(inputs=4, layers=(both,))
            embedding, head = Embedding(name="e", vocabulary=5, units=4), Dense(name="d", units=2, bias=biased)
            yield Model(layers=(embedding, layer, Dropout(name="x", rate=0.5), head))
            yield Model(inputs=4, layers=(both, head))


@pytest.mark.parametrize("model", list(chain_models()), ids=lambda model: model.to_json()[11:60])
def test_what_is_written_is_read_again(model, source):
    checkpoint = random_checkpoint(model, dtype="float64")
    write(checkpoint, source)
    again = convert(source)
    assert again.dtype == "float64"
    first = model.layers[0]
    x = np.arange(15).reshape(3, 5) % 5 if isinstance(first, Embedding) else X[..., :4]
    np.testing.assert_allclose(Net(again, "float64")(x)[0], Net(checkpoint, "float64")(x)[0], rtol=0, atol=1e-14)
    before = placed(checkpoint)[0]
    for name, value in placed(again)[0].items():
        np.testing.assert_array_equal(value, before.pop(name))
    assert before == {}


def test_names_that_are_written(packed_source):
    lstm, gru = LSTM(units=4), GRU(units=4, reset_after=True)

    def places(*layers, inputs=4):
        arrays, _ = placed(unstacked(random_checkpoint(Model(inputs=inputs, layers=layers)), "it"))
        return list(dict.fromkeys(name.rsplit("/", 2)[0] if name.count("/") > 1 else name for name in arrays))

    assert places(Recurrent(name="a", cell=lstm)) == ["cell"]
    assert places(Recurrent(name="a", cell=lstm, direction="bidirectional")) == [
        "forward_rnn/cell",
        "backward_rnn/cell",
    ]
    layers = (
        Embedding(name="e", vocabulary=9, units=4),
        Recurrent(name="a", cell=Stack(cells=(lstm, gru))),
        Recurrent(name="b", cell=lstm, backward_cell=gru, direction="bidirectional"),
        Recurrent(name="c", cell=RNN(units=4), return_sequences=False),
        Dense(name="d", units=3),
        Dense(name="f", units=2, bias=False),
    )
    assert places(*layers, inputs=None) == [
        "Embed_0/embedding", "LSTMCell_0", "GRUCell_0", "LSTMCell_1", "GRUCell_1", "SimpleCell_0", "Dense_0/kernel",
        "Dense_0/bias", "Dense_1/kernel",
    ]  # fmt: skip
    checkpoint = random_checkpoint(Model(inputs=4, layers=(Recurrent(name="a", cell=gru),)))
    write(checkpoint, packed_source)
    tree = msgspec.msgpack.decode(packed_source.read_bytes())
    leaf = tree["cell"]["hn"]["bias"]
    assert leaf.code == 1
    shape, dtype, data = msgspec.msgpack.decode(leaf.data)
    assert (shape, dtype) == ([4], "float32")
    assert data == checkpoint.weights["a.recurrent_bias"].tobytes()


# fmt: off
UNSAID = [
    (Recurrent(name="r", cell=GRU(units=3, reset_after=False)), "layer 'r': linen's cell cannot say reset_after=False"),
    (Recurrent(name="r", cell=LSTM(units=3, peephole=True)), "linen's cell cannot say peephole=True"),
    (Recurrent(name="r", cell=LSTM(units=3, projection=2)), "linen's cell cannot say projection=2"),
    (Recurrent(name="r", cell=LSTM(units=3, clip_cell=2.0)), "linen's cell cannot say clip_cell=2.0"),
    (Recurrent(name="r", cell=LSTM(units=3, output_activation="relu")), "cannot say output_activation='relu'"),
    (Recurrent(name="r", cell=RNN(units=3, recurrence="diagonal")), "linen's cell cannot say recurrence='diagonal'"),
    (Recurrent(name="r", cell=MGU(units=3)), "layer 'r': linen has no MGU"),
    (Recurrent(name="r", cell=RNN(units=3), reverse_output=True), "linen cannot say reverse_output=True of forward"),
    (Recurrent(name="r", cell=RNN(units=3), direction="bidirectional", merge="none"), "linen cannot say merge='none'"),
    (Recurrent(name="r", cell=RNN(units=3), learned_state=True), "linen cannot say learned_state=True"),
]
# fmt: on


@pytest.mark.parametrize(("layer", "message"), UNSAID, ids=[message[-30:] for _, message in UNSAID])
def test_what_linen_cannot_say(layer, message, tmp_path):
    random_checkpoint(Model(inputs=4, layers=(layer,))).save(tmp_path / "model.safetensors")
    assert message in refused(tmp_path / "model.safetensors", "--to", "flax", target="out.npz")


def test_other_things_that_are_not_written(tmp_path):
    layer = Recurrent(name="r", cell=RNN(units=3))
    with pytest.raises(SpecError, match=r"out\.bin: expected a name in \.msgpack or \.npz"):
        write(random_checkpoint(Model(inputs=4, layers=(layer,))), tmp_path / "out.bin")
    assert not list(tmp_path.iterdir())


def test_what_a_tree_does_not_say_is_said(tmp_path):
    lstm = LSTM(units=4, gate_activation=HardSigmoid(alpha=0.2, beta=0.5))
    model = Model(
        padding=0,
        layers=[
            Embedding(name="ids", vocabulary=9, units=3),
            Recurrent(name="both", cell=lstm, direction="bidirectional", merge="sum"),
            Recurrent(name="back", cell=RNN(units=3, activation="relu"), direction="backward", reverse_output=True),
            Recurrent(name="last", cell=lstm, return_sequences=False),
            Dense(name="head", units=2, activation="softmax"),
        ],
    )
    checkpoint = random_checkpoint(model)
    steps, told, named = write(checkpoint, tmp_path / "out.npz")
    assert steps == "steps that hold 0 alone do not count: linen's modules are told so by seq_lengths"
    gate = 'gate_activation={"type": "hard_sigmoid", "alpha": 0.2, "beta": 0.5}'
    assert told.partition(": ")[2] == (
        f"both.direction=bidirectional, both.merge=sum, both.{gate}, back.direction=backward, "
        f"back.reverse_output=true, back.activation=relu, last.return_sequences=false, last.{gate}, "
        "head.activation=softmax"
    )
    places = dict(each.split(" ") for each in named.partition(": ")[2].split(", "))
    config = tmp_path / "model.json"
    config.write_text(json.dumps({"model": model.to_builtins(), "places": places}))
    again = convert(tmp_path / "out.npz", config=config)
    assert again.model == model
    for name, array in checkpoint.weights.items():
        np.testing.assert_array_equal(again.weights[name], array)
