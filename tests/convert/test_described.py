"""An architecture of ours beside weights of others: how layers are found, and what is refused."""

import json

import numpy as np
import pytest
import safetensors.numpy

from rnnspec import GRU, LSTM, Dense, Model, Recurrent, Stack
from rnnspec.cells import Residual
from rnnspec.convert import convert
from rnnspec.reference import Net

from ..conftest import random_checkpoint
from .command import refused
from .test_torch import linear, recurrent, saved

X = np.random.default_rng(3).standard_normal((2, 6, 4))
LAYERS = [Recurrent(name="rnn", cell=GRU(units=3, reset_after=True)), Dense(name="head", units=2)]
MODEL = Model(inputs=4, layers=LAYERS)
SHAPES = recurrent("gru", 4, 3, "model.rnn.") | linear(3, 2, "model.head.")


@pytest.fixture
def source(tmp_path):
    return tmp_path / "source.safetensors"


def described(source, model=MODEL, **places):
    """The config, with places where there are some."""
    config = source.with_name("config.json")
    data = json.loads(model.to_json())
    config.write_text(json.dumps({"model": data, "places": places} if places else data))
    return config


def test_layers_are_found_by_their_names(source):
    expected = convert(saved(source, SHAPES)).weights
    for named in (MODEL, Model(inputs=4, layers=[Recurrent(name="model_rnn", cell=LAYERS[0].cell), LAYERS[1]])):
        checkpoint = convert(source, config=described(source, named))
        assert checkpoint.model == named
        for ours, array in zip(checkpoint.weights.values(), expected.values(), strict=True):
            np.testing.assert_array_equal(ours, array)
    renamed = Model(inputs=4, layers=[Recurrent(name="a", cell=LAYERS[0].cell), Dense(name="b", units=2)])
    assert "layer 'a': no scope is called so; there are model, model.head, model.rnn" in refused(
        source, "--config", described(source, renamed)
    )
    convert(source, config=described(source, renamed, a="model.rnn", b="model.head"))


def test_a_state_dict_of_ours(source):
    """What `rnnspec.backends.torch` modules save, both directions and cells in a stack."""
    cells = Stack(cells=(LSTM(units=3), Residual(cell=LSTM(units=3))))
    layers = [Recurrent(name="a", cell=cells, direction="bidirectional"), Dense(name="b", units=6)]  # square
    checkpoint = random_checkpoint(Model(inputs=4, layers=layers))
    safetensors.numpy.save_file(checkpoint.weights, source)
    again = convert(source, config=described(source, checkpoint.model))
    for name, array in checkpoint.weights.items():
        np.testing.assert_array_equal(again.weights[name], array)


def test_layers_of_one_module_and_directions_of_their_own(source):
    shapes = recurrent("lstm", 4, 3, "r.") | recurrent("lstm", 3, 3, "r.", "_l1")
    shapes |= recurrent("gru", 3, 2, "fw.", "") | recurrent("gru", 3, 2, "bw.", "")
    saved(source, shapes)
    arrays = safetensors.numpy.load_file(source)
    layers = [Recurrent(name="r_0", cell=LSTM(units=3)), Recurrent(name="r_1", cell=LSTM(units=3))]
    stacked = [Recurrent(name="r", cell=Stack(cells=(LSTM(units=3), LSTM(units=3))))]
    both = Recurrent(name="both", cell=GRU(units=2, reset_after=True), direction="bidirectional")
    outputs = []
    for front in (layers, stacked):
        model = Model(inputs=4, layers=[*front, both])
        config = described(source, model, **{"both.forward": "fw", "both.backward": "bw"})
        outputs.append(Net(convert(source, config=config), "float64")(X)[0])
    np.testing.assert_allclose(outputs[0], outputs[1], atol=1e-12)
    checkpoint = convert(source, config=config)
    np.testing.assert_array_equal(checkpoint.weights["both.backward.kernel"].reshape(6, 3), arrays["bw.weight_ih"])
    config = described(source, model, **{"both.forward": "fw"})
    assert "layer 'both.backward': no scope is called so" in refused(source, "--config", config)


def test_learned_states_and_rows(source):
    rng = np.random.default_rng(1)
    h0 = rng.standard_normal((2, 1, 3)).astype("f")
    saved(source, SHAPES, h0=h0[:1], bias=h0[1, 0])
    layer = Recurrent(name="rnn", cell=GRU(units=3, reset_after=True), learned_state=True)
    model = Model(inputs=4, layers=[layer, Dense(name="head", units=2)])
    config = described(source, model, **{"rnn.initial.h": "h0"})
    assert "no layer uses bias (3,)" in refused(source, "--config", config)
    checkpoint = convert(source, config=config, ignore=["bias"])
    np.testing.assert_array_equal(checkpoint.weights["rnn.initial.h"], h0[0, 0])
    saved(source, SHAPES, h0=h0)
    config = described(source, model, **{"rnn.initial.h": "h0[1]"})
    assert "no layer uses h0[0]; nothing was converted" in refused(source, "--config", config)
    config = described(source, model, **{"rnn.initial.h": "h0"})
    assert "variable 'h0': expected shape (3,), found (2, 1, 3)" in refused(source, "--config", config)
    config = described(source, model)
    assert "layer 'rnn': its initial.h is not what its modules have; say where it stands" in refused(
        source, "--config", config
    )


def test_what_is_another_function_or_size_is_refused(source):
    saved(source, SHAPES)
    for cell, message in (
        (GRU(units=3, reset_after=False), "reset_after=False, and torch's GRU has reset_after=True"),
        (GRU(units=3, reset_after=True, activation="relu"), "activation='relu', and torch's GRU has activation='tanh'"),
        (GRU(units=4, reset_after=True), "expected shape (12, any), found (9, 4)"),
        (GRU(units=3, reset_after=True, bias=False), "no layer uses model.rnn.bias_hh_l0 (9,), model.rnn.bias_ih_l0"),
        (LSTM(units=3), "expected shape (12, any), found (9, 4)"),
        (LSTM(units=3, peephole=True), "expected shape (12, any), found (9, 4)"),
    ):
        model = Model(inputs=4, layers=[Recurrent(name="rnn", cell=cell), Dense(name="head", units=2)])
        assert message in refused(source, "--config", described(source, model))
    wider = Model(inputs=5, layers=LAYERS)
    assert "tensor 'rnn.kernel': expected shape (3, 3, 5), found (3, 3, 4)" in refused(
        source, "--config", described(source, wider)
    )
    config = described(source, MODEL, nothing="model.rnn")
    assert "places: 'nothing' is no layer or tensor; it has head, head.bias" in refused(source, "--config", config)
    config.write_text('{"model": {}, "places": {}, "more": 1}')
    assert "expected model and places, found more too" in refused(source, "--config", config)
    saved(source, {**SHAPES, "model.head.weight": (2, 3, 2)})
    assert "tensor 'head.kernel': expected shape (2, 3), found (2, 3, 2)" in refused(
        source, "--config", described(source)
    )
    counts = {"model.head.weight": np.ones((2, 3), "int64")}
    saved(source, SHAPES, **counts)
    assert "layer 'head': kernel: expected floating-point numbers, found int64" in refused(
        source, "--config", described(source)
    )


def test_a_tensor_has_one_place(source):
    saved(source, SHAPES, other=np.ones((3, 3, 4), "f"))
    config = described(source, MODEL, **{"rnn.kernel": "other"})
    assert "places: rnn.kernel stands at model.rnn with the rest; leave it out" in refused(source, "--config", config)
    saved(source, SHAPES, other=np.ones((2, 3), "f"))
    config = described(source, MODEL, **{"head.kernel": "other"})
    assert "no layer uses model.head.weight (2, 3)" in refused(source, "--config", config)


def test_of_two_scopes_one_has_to_be_chosen(source):
    saved(source, {f"{side}.{name}": shape for side in "ab" for name, shape in SHAPES.items()})
    config = described(source)
    assert "layer 'rnn': no scope is called so; there are a, a.model, a.model.head, a.model.rnn" in refused(
        source, "--config", config
    )
    assert convert(source, config=config, part="b").model == MODEL
    saved(source, recurrent("gru", 4, 3, "rnn.") | linear(3, 2, "a.b.") | linear(3, 2, "a_b."))
    model = Model(inputs=4, layers=[LAYERS[0], Dense(name="a_b", units=2)])
    assert "layer 'a_b' may be a.b or a_b; say which, in places" in refused(
        source, "--config", described(source, model)
    )
