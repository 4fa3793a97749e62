"""State dicts in safetensors: what is read from them, in which order, and what is refused. No torch is needed."""

import json
import re

import numpy as np
import pytest
import safetensors.numpy

from rnnspec import GRU, LSTM, RNN, Dense, Dropout, Embedding, Model, Recurrent, SpecError, Stack, UnsupportedError
from rnnspec.cells import LayerNorm, Zoneout
from rnnspec.convert import convert, parts
from rnnspec.convert.torch.write import write
from rnnspec.reference import Net

from ..conftest import random_checkpoint
from .command import refused

GATES = {"rnn": 1, "gru": 3, "lstm": 4}


def recurrent(kind, inputs, units, prefix="", suffix="_l0"):
    """The shapes of one layer."""
    rows = GATES[kind] * units
    shapes = {"weight_ih": (rows, inputs), "weight_hh": (rows, units), "bias_ih": (rows,), "bias_hh": (rows,)}
    return {f"{prefix}{name}{suffix}": shape for name, shape in shapes.items()}


def linear(inputs, units, prefix):
    return {f"{prefix}weight": (units, inputs), f"{prefix}bias": (units,)}


def saved(path, shapes, **more):
    rng = np.random.default_rng(len(shapes))
    arrays = {name: (rng.standard_normal(shape) / 2).astype("float32") for name, shape in shapes.items()}
    safetensors.numpy.save_file(arrays | more, path)
    return path


@pytest.fixture
def source(tmp_path):
    return tmp_path / "source.safetensors"


CHAR_RNN = {"emb.weight": (11, 5)} | recurrent("lstm", 5, 6, "lstm.") | recurrent("lstm", 6, 6, "lstm.", "_l1")
CHAR_RNN |= linear(6, 11, "fc.")


def names(checkpoint):
    return [layer.name for layer in checkpoint.model.layers]


def test_the_chain_is_read_off_the_features(source):
    checkpoint = convert(saved(source, CHAR_RNN))
    assert checkpoint.model == Model(
        layers=(
            Embedding(name="emb", vocabulary=11, units=5),
            Recurrent(name="lstm_0", cell=LSTM(units=6)),
            Recurrent(name="lstm_1", cell=LSTM(units=6)),
            Dense(name="fc", units=11),
        )
    )
    assert checkpoint.metadata["conversion"]["notes"] == [
        "taken as a chain: emb → lstm → fc",
        "lstm: bias_ih and bias_hh are added up",
        "lstm_0, lstm_1: forward in time and without a residual connection, it is assumed; "
        "--set NAME.direction=backward, NAME.residual=true otherwise",
        "every step goes on to fc, it is assumed; --set lstm_1.return_sequences=false for the last alone",
        "fc: no activation is in the file; --set NAME.activation=… if there was one",
        "time is the second axis, it is assumed; load it with time_major=True otherwise",
        "what is between the layers is not in the file: no dropout, no masks, no pooling are assumed",
    ]


def test_every_number_is_where_it_belongs(source):
    arrays = {
        name: np.arange(np.prod(shape), dtype="f").reshape(shape) for name, shape in recurrent("gru", 2, 3).items()
    }
    arrays["bias_hh_l0"] += 100
    safetensors.numpy.save_file(arrays, source)
    weights = convert(source).weights
    np.testing.assert_array_equal(weights["rnn.kernel"], np.arange(18).reshape(3, 3, 2))
    np.testing.assert_array_equal(weights["rnn.recurrent_kernel"], np.arange(27).reshape(3, 3, 3))
    np.testing.assert_array_equal(weights["rnn.bias"], [[100, 102, 104], [106, 108, 110], [6, 7, 8]])
    np.testing.assert_array_equal(weights["rnn.recurrent_bias"], [106, 107, 108])


@pytest.mark.parametrize(
    ("prefixes", "ours"),
    [
        (("", "fc."), ["rnn", "fc"]),
        (("module.rnn.", "module.fc."), ["rnn", "fc"]),
        (("_orig_mod.module.a.rnn.", "_orig_mod.module.b.fc."), ["a_rnn", "b_fc"]),
        (("net.0.", "net.2."), ["layer_0", "layer_2"]),
        (("zz._orig_mod.", "aa."), ["zz", "aa"]),
    ],
)
def test_names_of_ours(source, prefixes, ours):
    shapes = recurrent("gru", 4, 3, prefixes[0]) | linear(3, 2, prefixes[1])
    assert names(convert(saved(source, shapes))) == ours


def test_a_cell_alone_and_cells_in_a_list(source):
    assert names(convert(saved(source, recurrent("lstm", 4, 3, suffix="")))) == ["rnn"]
    shapes = {k: v for n in range(11) for k, v in recurrent("gru", 3, 3, f"cells.{n}.", "").items()}
    checkpoint = convert(saved(source, shapes))
    assert names(checkpoint) == [f"layer_{n}" for n in range(11)]
    expected = safetensors.numpy.load_file(source)["cells.10.weight_ih"]
    np.testing.assert_array_equal(checkpoint.weights["layer_10.kernel"].reshape(9, 3), expected)


def test_nonlinearity_is_asked_for(source):
    saved(source, recurrent("rnn", 4, 3, "a.") | recurrent("rnn", 3, 5, "b."))

    def activations(**settings):
        return [layer.cell.activation for layer in convert(source, settings=settings).model.layers]

    assert activations() == ["tanh", "tanh"]
    assert activations(activation="relu") == ["relu", "relu"]
    assert activations(**{"b.nonlinearity": "relu"}) == ["tanh", "relu"]
    notes = convert(source, settings={"a.activation": "relu"}).metadata["conversion"]["notes"]
    assert [note for note in notes if "nonlinearity" in note] == [
        "b: nn.RNN's nonlinearity is not in the file; tanh; --set b.activation=relu for relu"
    ]
    assert "nn.RNN has tanh and relu, found 'gelu'" in refused(source, "--set", "activation=gelu")


def test_the_activation_of_a_linear_layer_is_its_own(source):
    saved(source, recurrent("rnn", 4, 3, "rnn.") | linear(3, 6, "a.") | linear(6, 2, "b."))
    checkpoint = convert(source, settings={"activation": "relu"})
    assert [getattr(layer, "activation", None) for layer in checkpoint.model.layers] == [None, "linear", "linear"]
    notes = checkpoint.metadata["conversion"]["notes"]
    assert "a, b: no activation is in the file; --set NAME.activation=… if there was one" in notes
    settings = {"a.activation": "relu", "b.activation": {"type": "leaky_relu", "alpha": 0.1}, "activation": "relu"}
    _, a, b = convert(source, settings=settings).model.layers
    assert (a.activation, b.activation.alpha) == ("relu", 0.1)
    line = refused(source, "--set", "a.activation=rely")
    assert re.fullmatch(
        "--set a.activation: expected one of linear, tanh, .*, or an object with a type, found 'rely'", line
    )


def test_a_weight_without_a_bias_may_be_an_embedding_or_not(source):
    shapes = {"table.weight": (8, 5)} | recurrent("gru", 5, 3, "rnn.")
    assert isinstance(convert(saved(source, shapes)).model.layers[0], Embedding)
    shapes["table.weight"] = (5, 8)
    assert convert(saved(source, shapes)).model.layers[0] == Dense(name="table", units=5, bias=False)
    shapes["table.weight"] = (5, 5)
    checkpoint = convert(saved(source, shapes))
    assert checkpoint.model.layers[0] == Embedding(name="table", vocabulary=5, units=5)
    assert (
        "table: read as an embedding; --set table.type=dense for a dense layer"
        in (checkpoint.metadata["conversion"]["notes"])
    )
    named = convert(saved(source, {"fc_in.weight": (5, 5)} | recurrent("gru", 5, 3, "rnn.")))
    assert named.model.layers[0] == Dense(name="fc_in", units=5, bias=False)
    note = "fc_in: read as a dense layer; --set fc_in.type=embedding for an embedding"
    assert note in named.metadata["conversion"]["notes"]
    assert isinstance(convert(source, settings={"fc_in.type": "embedding"}).model.layers[0], Embedding)
    saved(source, shapes)
    dense = convert(source, settings={"table.type": "dense"}).model.layers[0]
    assert dense == Dense(name="table", units=5, bias=False)


def test_an_embedding_beside_a_recurrence_of_its_size_is_known_by_its_name(source):
    """As a dense layer it would fit behind the recurrence too."""
    for name, kind in (("emb", Embedding), ("net.word_embeddings", Embedding), ("table", None)):
        shapes = {f"{name}.weight": (9, 6)} | recurrent("gru", 6, 6, "net.rnn.")
        saved(source, shapes)
        if kind is None:
            assert "the order of the layers cannot be read off: net.rnn (6 → 6), table (ids → 6)" in refused(source)
            continue
        checkpoint = convert(source)
        assert [type(layer) for layer in checkpoint.model.layers] == [Embedding, Recurrent]
        note = f"order of the layers with {name} as an embedding (--set NAME.type=dense otherwise), as it is called; "
        assert f"{note}--config gives another" in checkpoint.metadata["conversion"]["notes"]
        ours = checkpoint.model.layers[0].name
        dense = convert(source, settings={f"{ours}.type": "dense"}).model.layers
        assert [type(layer) for layer in dense] == [Recurrent, Dense]


def test_both_directions_added(source):
    """As DeepSpeech 2 does behind each of its modules; inside a module they are joined."""
    both = {end: recurrent("gru", inputs, 3, "rnn.", end) for inputs, ends in ((4, "l0"), (6, "l1"))
            for end in (f"_{ends}", f"_{ends}_reverse")}  # fmt: skip
    shapes = {name: shape for each in both.values() for name, shape in each.items()}
    x = np.random.default_rng(1).standard_normal((2, 5, 4))
    y = Net(convert(saved(source, shapes)), "float64")(x)[0]
    for how, value in (("sum", y[..., :3] + y[..., 3:]), ("ave", (y[..., :3] + y[..., 3:]) / 2), ("concat", y)):
        np.testing.assert_allclose(Net(convert(source, settings={"merge": how}), "float64")(x)[0], value, atol=1e-12)
    saved(source, shapes | linear(3, 2, "fc."))
    assert "the layers are not a chain: fc (3 → 2), rnn (4 → 6)" in refused(source)
    assert names(convert(source, settings={"rnn.merge": "sum"})) == ["rnn_0", "rnn_1", "fc"]
    assert "--set merge at rnn: expected concat, sum, mul, ave, found 'max'" in refused(source, "--set", "merge=max")


def test_what_is_called_an_output_comes_last_where_features_do_not_tell(source):
    for name, head in (("out", True), ("logits.0", True), ("fc", False), ("map", False)):
        shapes = recurrent("gru", 4, 4, "a_rnn.") | linear(4, 4, f"{name}.")
        if not head:
            assert "the order of the layers cannot be read off" in refused(saved(source, shapes))
            continue
        checkpoint = convert(saved(source, {f"net.{place}": shape for place, shape in shapes.items()}))
        assert [type(layer) for layer in checkpoint.model.layers] == [Recurrent, Dense]
        note = f"order of the layers with net.{name} last, as it is called; --config gives another"
        assert note in checkpoint.metadata["conversion"]["notes"]
    shapes = {"emb.weight": (9, 4)} | recurrent("gru", 4, 4, "a.") | linear(4, 4, "out.") | linear(4, 4, "out1.")
    assert names(convert(saved(source, shapes))) == ["emb", "a", "out", "out1"]


def test_what_is_made_of_the_last_layers_output(source):
    shapes = recurrent("lstm", 4, 3, "rnn.") | recurrent("lstm", 4, 3, "rnn.", "_l0_reverse") | linear(6, 2, "fc.")
    saved(source, shapes)
    x = np.random.default_rng(1).standard_normal((2, 5, 4))

    def run(**settings):
        return Net(convert(source, settings={f"rnn.{key}": value for key, value in settings.items()}), "float64")(x)[0]

    y = Net(convert(source, part="rnn"), "float64")(x)[0]
    kernel, bias = (convert(source).weights[f"fc.{name}"].astype("float64") for name in ("kernel", "bias"))
    both = np.concatenate([y[:, -1, :3], y[:, 0, 3:]], -1)
    expected = {"last": y[:, -1], "first": y[:, 0], "mean": y.mean(1), "max": y.max(1), "sum": y.sum(1)}
    for how, value in expected.items():
        np.testing.assert_allclose(run(summary=how), value @ kernel.T + bias, atol=1e-12, err_msg=how)
    np.testing.assert_allclose(run(return_sequences=False), both @ kernel.T + bias, atol=1e-12)
    assert names(convert(source, settings={"rnn.summary": "last"})) == ["rnn", "rnn_last", "fc"]
    notes = convert(source).metadata["conversion"]["notes"]
    note = (
        "every step goes on to fc, it is assumed; --set rnn.return_sequences=false for each direction's last output, "
    )
    assert f"{note}joined, rnn.summary=last for the last step of both, mean or max for those" in notes
    assert not any(
        "every step" in n for n in convert(source, settings={"summary": "max"}).metadata["conversion"]["notes"]
    )
    assert "expected last, first, mean, max, sum, found 'min'" in refused(source, "--set", "summary=min")
    line = refused(source, "--set", "summary=last", "--set", "return_sequences=false")
    assert "--set rnn.summary: with return_sequences=false there is one step; leave one out" in line


def test_config_gives_the_order_and_the_names(source, tmp_path):
    saved(source, recurrent("lstm", 4, 4, "up.") | recurrent("gru", 4, 4, "down."))
    assert re.search(r"down \(4 → 4\), up \(4 → 4\); give it with --config", refused(source))
    config = tmp_path / "order.json"
    config.write_text('["up", "down"]')
    assert names(convert(source, config=config)) == ["up", "down"]
    config.write_text('{"first": "down", "second": "up"}')
    checkpoint = convert(source, config=config)
    assert checkpoint.model.layers[0] == Recurrent(name="first", cell=GRU(units=4, reset_after=True))
    for text, message in (
        ("{", "not JSON"),
        ('[["up"]]', "expected the places of the source in order"),
        ('["up"]', "expected each of down, up once, found up"),
        ('["up", "down", "down"]', "expected each of down, up once"),
        ('["up", "side"]', "expected each of down, up once"),
    ):
        config.write_text(text)
        assert message in refused(source, "--config", config)
    saved(source, recurrent("lstm", 4, 3, "up.") | recurrent("gru", 3, 2, "down."))
    config.write_text('["down", "up"]')
    assert "do not fit in this order: down (3 → 2), up (4 → 3)" in refused(source, "--config", config)


def test_a_part_of_what_is_no_chain(source):
    encoder = {"encoder.emb.weight": (9, 5)} | recurrent("gru", 5, 6, "encoder.rnn.")
    decoder = {"decoder.emb.weight": (7, 4)} | recurrent("gru", 4, 6, "decoder.rnn.") | linear(6, 7, "decoder.out.")
    saved(source, encoder | decoder)
    line = refused(source)
    assert "not a chain, by their names: decoder.rnn, encoder.rnn; --part takes one of decoder, encoder, " in line
    checkpoint = convert(source, part="decoder")
    assert names(checkpoint) == ["emb", "rnn", "out"]
    assert checkpoint.metadata["conversion"]["ignored"] == dict.fromkeys(sorted(encoder), "not in decoder")
    assert "--part middle: nothing begins with 'middle.'; it has decoder, encoder" in refused(
        source, "--part", "middle"
    )


def test_several_parts_are_a_chain_of_their_own(source):
    shapes = recurrent("gru", 4, 6, "rnn.") | linear(6, 5, "tags.") | linear(6, 2, "spans.") | linear(6, 6, "attn.")
    saved(source, shapes)
    assert "the layers are not a chain, by their names: attn; --part takes one of " in refused(source)
    checkpoint = convert(source, part="rnn,tags")
    assert names(checkpoint) == ["rnn", "tags"]
    assert set(checkpoint.metadata["conversion"]["ignored"].values()) == {"not in rnn,tags"}
    assert names(convert(source, part="rnn,attn,spans")) == ["rnn", "attn", "spans"]
    assert "--part tag: nothing begins with 'tag.'" in refused(source, "--part", "rnn,tag")


def test_settings_of_recurrent_layers(source):
    shapes = {"emb.weight": (11, 6)} | recurrent("gru", 6, 6, "rnn.") | recurrent("gru", 6, 6, "rnn.", "_l1")
    saved(source, shapes | linear(6, 3, "fc."))
    ids = np.random.default_rng(1).integers(0, 11, (3, 7))

    def run(ids, lengths=None, **settings):
        return np.asarray(Net(convert(source, settings=settings), "float64")(ids, lengths=lengths)[0])

    every = run(ids, [7, 4, 1])
    last = run(ids, [7, 4, 1], return_sequences=False)
    np.testing.assert_array_equal(last, np.stack([every[0, 6], every[1, 3], every[2, 0]]))
    weights = convert(source).weights
    assert convert(source, settings={"rnn_1.return_sequences": False}).model.layers[2].return_sequences is False
    notes = convert(source, settings={"return_sequences": False}).metadata["conversion"]["notes"]
    assert not any("every step" in note for note in notes)
    for name, array in convert(source, settings={"rnn_0.residual": True, "direction": "backward"}).weights.items():
        np.testing.assert_array_equal(array, weights[name])  # nothing but the architecture changes
    np.testing.assert_allclose(run(ids, direction="backward")[:, ::-1], run(ids[:, ::-1]), atol=1e-12)
    np.testing.assert_allclose(run(ids, **{"rnn_1.reverse_output": True}), run(ids)[:, ::-1], atol=1e-12)
    assert "nothing in this source takes it" in refused(source, "--set", "rnn_0.return_sequences=false")
    assert "expected true or false, found 'no'" in refused(source, "--set", "return_sequences=no")


def test_a_residual_connection(source):
    saved(source, recurrent("lstm", 4, 4, "rnn.") | linear(4, 2, "fc."))
    x = np.random.default_rng(1).standard_normal((2, 5, 4))
    plain = Net(convert(source, part="rnn"), "float64")(x)[0]
    kernel, bias = (convert(source).weights[f"fc.{name}"].astype("float64") for name in ("kernel", "bias"))
    found = Net(convert(source, settings={"rnn.residual": True}), "float64")(x)[0]
    np.testing.assert_allclose(found, (x + plain) @ kernel.T + bias, atol=1e-12)


@pytest.mark.parametrize(
    ("shapes", "layers"),
    [
        (
            {"encoder.weight": (9, 6)} | recurrent("lstm", 6, 6, "rnn.") | linear(6, 9, "decoder."),
            "encoder rnn decoder",
        ),
        (recurrent("gru", 4, 6, "encoder.") | linear(6, 9, "decoder."), "encoder decoder"),
        (linear(4, 8, "inp.") | recurrent("lstm", 8, 8, "rnn.") | linear(8, 1, "out."), "inp rnn out"),
        (recurrent("gru", 4, 8, "rnn.") | linear(8, 5, "tags.") | linear(5, 2, "spans."), "rnn tags spans"),
        ({"e.weight": (9, 6)} | recurrent("lstm", 6, 8, "lstm1.") | recurrent("lstm", 8, 8, "lstm2."), "e lstm1 lstm2"),
    ],
)
def test_what_is_common_is_a_chain_and_said_to_be_taken_as_one(shapes, layers, source):
    checkpoint = convert(saved(source, shapes))
    assert names(checkpoint) == layers.split()
    assert f"taken as a chain: {' → '.join(layers.split())}" in checkpoint.metadata["conversion"]["notes"]


def test_what_is_beside_the_weights_is_left_over(source):
    shapes = recurrent("lstm", 4, 6, "rnn.") | linear(6, 2, "fc.")
    for name, shape in (("h0", (1, 6)), ("rnn.c0", (1, 1, 6)), ("pos", (50, 4)), ("odd.scale", (3,))):
        assert f"no layer uses {name} {shape}" in refused(saved(source, shapes | {name: shape}))


def test_what_is_beside_the_weights_is_called_by_its_kind(source):
    shapes = recurrent("lstm", 4, 6, "rnn.") | linear(6, 2, "fc.")
    norm = {"weight": (6,), "bias": (6,), "running_mean": (6,), "running_var": (6,), "num_batches_tracked": (1,)}
    for leaves, kind in (
        (norm, "BatchNorm"),
        ({"running_mean": (6,), "running_var": (6,)}, "BatchNorm"),
        ({"weight": (6,), "bias": (6,)}, "LayerNorm, or GroupNorm"),
        ({"weight": (1,)}, "PReLU"),
        ({"weight": (5, 4, 3)}, "Conv1d"),
        ({"weight": (5, 4, 3, 3), "bias": (5,)}, "Conv2d"),
        ({"in_proj_weight": (18, 6), "in_proj_bias": (18,)}, "MultiheadAttention"),
        ({"transitions": (2, 2), "start_transitions": (2,)}, "CRF"),
    ):
        more = {f"some.place.{leaf}": shape for leaf, shape in leaves.items()}
        assert f"no layer uses some.place ({kind}): a state dict" in refused(saved(source, shapes | more))
        assert names(convert(source, ignore=["some.place"])) == ["rnn", "fc"]


NAMES = {
    "digits": "1" * 100_000 + "x",
    "weights": "weight" * 20_000 + "x",
    "weights and underscores": "weight_" * 20_000 + "gx",
    "numbers": "_1" * 50_000 + "x",
    "depth": "a." * 50_000 + "x",
    "capitals": "AB" * 50_000 + "x",
    "kinds": "lstm_" * 20_000 + "attn" * 2,
}


@pytest.mark.parametrize("name", NAMES)
def test_long_names_are_read_at_once(name, source):
    """Each took minutes where a pattern was tried at every letter, or a part taken off at a time."""
    name = NAMES[name]
    shapes = recurrent("gru", 4, 4, f"{name}_1.") | recurrent("gru", 4, 4, f"{name}_2.") | linear(4, 4, f"{name}_3.")
    checkpoint = convert(saved(source, shapes))
    assert [layer.name[-1] for layer in checkpoint.model.layers] == ["1", "2", "3"]
    assert "weight_g" in refused(saved(source, shapes | {f"{name}.weight_g": (3,)}))[-500:]


def test_many_layers_that_fit_in_any_order_are_refused_at_once(source):
    shapes = {k: v for name in "abcdefghijklmnop" for k, v in recurrent("gru", 4, 4, f"{name}.").items()}
    assert "not a chain, by their names: a, b;" in refused(saved(source, shapes))
    shapes = {k: v for name in "abcdefghijklmnop" for k, v in linear(4, 4, f"{name}.").items()}
    shapes |= recurrent("gru", 4, 4, "rnn.")
    assert "cannot be read off" in refused(saved(source, shapes))
    assert "not a chain" in refused(saved(source, shapes | linear(7, 2, "x.") | linear(8, 3, "y.")))


@pytest.mark.parametrize("dtype", ["float64", "float16", "bfloat16"])
def test_dtypes(source, dtype):
    values = np.float32([[0.5, -3.0], [1.25, 7.0], [-0.0625, 2.0]])
    shapes = {"weight_ih_l0": (3, 2), "weight_hh_l0": (3, 3)}
    if dtype == "bfloat16":
        header, data = {}, b""
        for name, shape in shapes.items():
            bits = (np.resize(values, shape).astype("<f4").view("<u4") >> 16).astype("<u2").tobytes()
            header[name] = {"dtype": "BF16", "shape": shape, "data_offsets": [len(data), len(data) + len(bits)]}
            data += bits
        text = json.dumps(header).encode()
        source.write_bytes(len(text).to_bytes(8, "little") + text + data)
    else:
        safetensors.numpy.save_file(
            {name: np.resize(values, shape).astype(dtype) for name, shape in shapes.items()}, source
        )
    checkpoint = convert(source)
    assert checkpoint.dtype == ("float64" if dtype == "float64" else "float32")
    np.testing.assert_array_equal(checkpoint.weights["rnn.kernel"][0], values)


# fmt: off
BAD = {
    "leftover": (CHAR_RNN | {"norm.weight": (6,)}, "no layer uses norm (LayerNorm, or GroupNorm)"),
    "missing": ({k: v for k, v in CHAR_RNN.items() if k != "lstm.weight_ih_l1"}, "'lstm.weight_ih_l1' is missing"),
    "missing bias": ({k: v for k, v in CHAR_RNN.items() if k != "lstm.bias_hh_l0"}, "'lstm.bias_hh_l0' is missing"),
    "missing layer": (recurrent("gru", 4, 3) | recurrent("gru", 3, 3, suffix="_l2"), "'weight_ih_l1' is missing"),
    "missing direction": (
        recurrent("gru", 4, 3) | recurrent("gru", 4, 3, suffix="_l0_reverse") | recurrent("gru", 6, 3, suffix="_l1"),
        "'weight_ih_l1_reverse' is missing",
    ),
    "gates": (recurrent("gru", 4, 3) | {"weight_hh_l0": (6, 3)}, "expected rows for 1, 3 or 4 gates of 3 units"),
    "odd rows": (recurrent("gru", 4, 3) | {"weight_hh_l0": (10, 3)}, "found shape (10, 3)"),
    "rows": (recurrent("gru", 4, 3) | {"weight_ih_l0": (6, 4)}, "expected shape (9, any), found (6, 4)"),
    "columns": (recurrent("gru", 4, 3) | recurrent("gru", 5, 3, suffix="_l1"), "expected shape (9, 3), found (9, 5)"),
    "axes": (recurrent("gru", 4, 3) | {"bias_hh_l0": (9, 1)}, "expected shape (9), found (9, 1)"),
    "projection": (recurrent("gru", 4, 3) | {"weight_hr_l0": (2, 3)}, "'weight_hh_l0': expected rows for 4 gates"),
    "features": (recurrent("gru", 4, 3, "rnn.") | linear(5, 2, "fc."), "not a chain: fc (5 → 2), rnn (4 → 3)"),
    "two heads": (recurrent("gru", 4, 3, "r.") | linear(3, 2, "a.") | linear(3, 5, "b."), "not a chain"),
    "no recurrence": (linear(3, 2, "a.") | linear(2, 5, "b."), "nothing recurrent (weight_ih_l0, …) in it; found a."),
    "nothing": ({}, "nothing recurrent"),
    "weight_norm": (recurrent("gru", 4, 3) | {"weight_hh_l0_g": (9, 1)}, "'weight_hh_l0_g': a parametrised weight"),
    "parametrizations": (
        recurrent("gru", 4, 3, "r.") | {"r.parametrizations.weight_hh_l0.original0": (9, 1)}, "a parametrised weight",
    ),
    "pruning": (recurrent("gru", 4, 3, "r.") | {"fc.weight_orig": (9, 1)}, "'fc.weight_orig': a parametrised weight"),
}
# fmt: on


@pytest.mark.parametrize("bad", BAD)
def test_bad_sources(source, bad):
    shapes, message = BAD[bad]
    line = refused(saved(source, shapes))
    assert message in line
    assert line.startswith(str(source))


def test_bad_numbers_and_damaged_files(source):
    kernel = np.full((9, 4), np.nan, "float32")
    assert "'rnn.kernel' holds NaN or infinity" in refused(saved(source, recurrent("gru", 4, 3), weight_ih_l0=kernel))
    counts = np.zeros((), "int64")
    line = refused(saved(source, recurrent("gru", 4, 3), **{"bn.num_batches_tracked": counts}))
    assert "no layer uses bn (BatchNorm): a state dict does not say where they stand; --config gives the whole" in line
    line = refused(saved(source, recurrent("gru", 4, 3, "rnn."), **{"rnn.steps": counts}))
    assert "no layer uses rnn.steps (), int64: a state dict" in line
    whole = source.read_bytes()
    for end in (12, 100, len(whole) - 1):
        source.write_bytes(whole[:end])
        assert "truncated or damaged" in refused(source, "--from", "torch")


def test_settings_that_mean_nothing(source):
    saved(source, CHAR_RNN)
    assert "--set batch_first: nothing in this source takes it" in refused(source, "--set", "batch_first=true")
    assert "--ema: means nothing" in refused(source, "--ema")


def one(layer, inputs=4):
    return random_checkpoint(Model(inputs=inputs, layers=(layer,)))


def models():
    for cell in (
        RNN(units=3),
        RNN(units=3, activation="relu", bias=False),
        LSTM(units=5),
        LSTM(units=5, projection=2),
        LSTM(units=5, bias=False),
        GRU(units=3, reset_after=True),
        GRU(units=3, reset_after=True, bias=False),
    ):
        for direction in ("forward", "bidirectional"):
            layer = Recurrent(name="r", cell=cell, direction=direction)
            chain = [Recurrent(name=f"r_{k}", cell=cell, direction=direction) for k in range(3)]
            label = f"{type(cell).__name__}-{cell.bias}-{getattr(cell, 'projection', None)}-{direction}"
            yield pytest.param(Model(inputs=4, layers=(layer,)), id=label)
            yield pytest.param(Model(inputs=4, layers=chain), id=f"{label}-3")
            layers = [Embedding(name="e", vocabulary=9, units=4), *chain, Dense(name="d", units=2)]
            yield pytest.param(Model(layers=layers), id=f"{label}-chain")


@pytest.mark.parametrize("model", list(models()))
def test_what_is_written_is_read_again(model, source):
    checkpoint = random_checkpoint(model, dtype="float64")
    write(checkpoint, source)
    settings = {"activation": "relu"} if "relu" in model.to_json() else {}
    again = convert(source, settings=settings)
    assert len(again.model.layers) == len(model.layers)
    assert list(again.weights) != []
    for ours, expected in zip(again.weights.values(), checkpoint.weights.values(), strict=True):
        np.testing.assert_array_equal(ours, expected)
    first = source.read_bytes()
    write(again, source)
    assert source.read_bytes() == first


def test_names_that_are_written(source):
    def keys(*layers, inputs=4):
        write(random_checkpoint(Model(inputs=inputs, layers=layers)), source)
        return sorted(
            {name.rsplit("_", 1)[0] if "_l" in name else name for name in safetensors.numpy.load_file(source)}
        )

    bare = ["bias_hh", "bias_ih", "weight_hh", "weight_ih"]
    gru, lstm = GRU(units=4, reset_after=True), LSTM(units=4)
    assert keys(Recurrent(name="a", cell=gru), Recurrent(name="b", cell=gru)) == bare
    assert keys(Recurrent(name="a", cell=Stack(cells=(lstm, lstm)))) == bare
    assert keys(Recurrent(name="a", cell=gru, return_sequences=False)) == [f"a.{name}" for name in bare]
    both = [f"{place}.{name}" for place in "ab" for name in bare]
    assert keys(Recurrent(name="a", cell=gru), Recurrent(name="b", cell=lstm)) == both
    numbered = Recurrent(name="a_0", cell=gru), Dropout(name="x", rate=0.5), Recurrent(name="a_1", cell=gru)
    assert keys(*numbered, Dense(name="d", units=2)) == [f"a.{name}" for name in bare] + ["d.bias", "d.weight"]
    rates = [Dropout(name=f"x{k}", rate=rate) for k, rate in enumerate((0.5, 0.5, 0.25, 0.25))]
    layers = [Recurrent(name=f"a_{k}", cell=gru) for k in range(5)]
    mixed = [each for pair in zip(layers, rates, strict=False) for each in pair] + [layers[4], Dense(name="d", units=2)]
    written = [name for name in keys(*mixed) if name.endswith("weight_ih")]
    assert written == ["a.weight_ih", "a_3.weight_ih", "a_4.weight_ih"]
    apart = Recurrent(name="a_0", cell=gru), Recurrent(name="a_1", cell=gru), Dense(name="a", units=2)
    assert keys(*apart) == ["a.bias", "a.weight"] + [f"a_{k}.{name}" for k in range(2) for name in bare]


def test_stacks_of_cells_are_written_as_layers(source):
    cells = (LSTM(units=3), LSTM(units=3))
    checkpoint = one(Recurrent(name="r", cell=Stack(cells=cells)))
    write(checkpoint, source)
    x = np.random.default_rng(0).standard_normal((2, 5, 4))
    np.testing.assert_array_equal(Net(convert(source), "float64")(x)[0], Net(checkpoint, "float64")(x)[0])


GRU3 = GRU(units=3, reset_after=True)
NORM = LayerNorm(gates="joint", over="gate", epsilon=1e-3)
# fmt: off
UNSAID = [
    (Recurrent(name="r", cell=LSTM(units=3, peephole=True)), "torch's LSTM cannot say peephole=True"),
    (Recurrent(name="r", cell=LSTM(units=3, projection=3)), "torch's LSTM cannot say projection=3"),
    (Recurrent(name="r", cell=LSTM(units=3, clip_cell=1.0)), "torch's LSTM cannot say clip_cell=1.0"),
    (Recurrent(name="r", cell=LSTM(units=3, clip_gates=1.0)), "torch's LSTM cannot say clip_gates=1.0"),
    (Recurrent(name="r", cell=LSTM(units=3, coupled_input_forget=True)), "cannot say coupled_input_forget=True"),
    (Recurrent(name="r", cell=LSTM(units=3, projection=2, gate_activation="relu")), "LSTM cannot say projection=2"),
    (Recurrent(name="r", cell=GRU(units=3, reset_after=False, clip_gates=1.0)), "torch's GRU cannot say clip_gates=1"),
    (Recurrent(name="r", cell=LSTM(units=3, layer_norm=NORM)), "torch's LSTM cannot say layer_norm="),
    (Recurrent(name="r", cell=RNN(units=3, recurrence="diagonal")), "torch's RNN cannot say recurrence='diagonal'"),
    (Recurrent(name="r", cell=Zoneout(cell=GRU3, h=0.5)), "layer 'r': torch has no Zoneout"),
    (Recurrent(name="r", cell=Stack(cells=(GRU3, GRU3)), direction="bidirectional"), "torch has no Stack"),
    (Recurrent(name="r", cell=GRU3, direction="bidirectional", backward_cell=RNN(units=2)), "say backward_cell="),
    (Recurrent(name="r", cell=GRU3, direction="bidirectional", merge="none"), "torch cannot say merge='none'"),
]
# fmt: on


@pytest.mark.parametrize(("layer", "message"), UNSAID, ids=[message[-30:] for _, message in UNSAID])
def test_what_stock_modules_cannot_say(layer, message, tmp_path):
    one(layer).save(tmp_path / "model.safetensors")
    line = refused(tmp_path / "model.safetensors", "--to", "torch", target="out.safetensors")
    assert message in line
    with pytest.raises(UnsupportedError):
        write(one(layer), tmp_path / "out.safetensors")


def test_other_things_that_are_not_written(tmp_path):
    with pytest.raises(SpecError, match=r"out\.bin: expected a name in \.pt, \.pth or \.safetensors"):
        write(one(Recurrent(name="r", cell=GRU3)), tmp_path / "out.bin")
    assert not list(tmp_path.iterdir())


SEVERAL = {
    "heads": (
        {"emb.weight": (9, 4)} | recurrent("lstm", 4, 6, "rnn.") | linear(6, 5, "tags.") | linear(6, 2, "spans."),
        {"rnn": "rnn", "rnn,tags": "rnn tags", "rnn,spans": "rnn spans", "emb,rnn": "emb rnn"},
        {},
    ),
    "unknown": (
        {"cnn.0.weight": (4, 1, 3, 3)} | recurrent("lstm", 4, 3, "rnn.") | linear(3, 2, "fc.") | {"h0": (1, 3)},
        {"rnn": "rnn"},  # what stands between rnn and fc is not known, where nothing is in order
        {"cnn.0": "Conv2d", "h0": "a parameter (1, 3)"},
    ),
    "towers": (
        {f"{side}.{name}": shape for side in ("left", "right") for name, shape in CHAR_RNN.items()},
        {"left": "left.emb left.lstm left.fc", "right": "right.emb right.lstm right.fc", "left.lstm": "left.lstm",
         "right.lstm": "right.lstm"},
        {},
    ),
    "whole": (CHAR_RNN, {"lstm": "lstm"}, {}),
}  # fmt: skip


@pytest.mark.parametrize("name", SEVERAL)
def test_parts_are_listed_and_convert(name, source):
    shapes, expected, rest = SEVERAL[name]
    found = parts(saved(source, shapes))
    assert found.whole == (name == "whole")
    assert dict(found.rest) == rest
    listed = {part.name: " ".join(part.layers) for part in found.parts}
    assert expected.items() <= listed.items()
    assert set(listed) - set(expected) <= {"emb,lstm", "lstm,fc"}
    for part in found.parts:
        checkpoint = convert(source, part=part.name)
        assert checkpoint.model.inputs == part.reads[0].features
        assert checkpoint.model.layers[-1].outputs(checkpoint.model.graph.nodes[-1].features) == part.gives[0].features
        inside = tuple(f"{place}." for place in part.layers)
        sizes = [
            int(np.prod(shape))
            for place, shape in shapes.items()
            if place.startswith(inside) and "bias_hh" not in place
        ]
        assert sum(array.size for array in checkpoint.weights.values()) == sum(sizes)


def test_parts_of_a_damaged_file(source):
    shapes = CHAR_RNN | {"lstm.weight_ih_l1": (24, 7)}
    with pytest.raises(SpecError, match=r"variable 'lstm\.weight_ih_l1': expected shape \(24, 6\), found \(24, 7\)"):
        parts(saved(source, shapes))
