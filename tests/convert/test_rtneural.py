"""RTNeural's JSON, in and out."""

import json

import numpy as np
import pytest

from rnnspec import GRU, LSTM, RNN, Activation, Dense, Embedding, Model, Recurrent, UnsupportedError
from rnnspec.convert import convert
from rnnspec.convert.arrays.write import write
from rnnspec.errors import SpecError
from rnnspec.reference import Net

from ..golden.case import DATA
from .test_arrays import filled

RNG = np.random.default_rng(0)
OWN = DATA / "own" / "arrays"


def test_rtneural_both_ways(tmp_path):
    source = convert(OWN / "rtneural" / "model.json")
    assert write(source, tmp_path / "back.json") == []
    back = convert(tmp_path / "back.json")
    x = RNG.standard_normal((2, 9, 2))
    np.testing.assert_allclose(Net(back, "float64")(x)[0], Net(source, "float64")(x)[0], atol=1e-6)


@pytest.mark.parametrize(
    ("model", "message"),
    [
        (Model(layers=[Embedding(name="e", vocabulary=3, units=2)]), "one input of features"),
        (Model(inputs=3, layers=[Recurrent(name="r", cell=RNN(units=2))]), "layer 'r': RTNeural has no RNN"),
        (Model(inputs=3, layers=[Recurrent(name="r", cell=GRU(units=2, reset_after=False))]), "reset_after=False"),
        (Model(inputs=3, layers=[Recurrent(name="r", cell=LSTM(units=2), direction="backward")]), "direction="),
        (Model(inputs=3, layers=[Dense(name="d", units=2, activation="softplus")]), "no activation 'softplus'"),
        (Model(inputs=3, layers=[Activation(name="a", function="linear")]), "this one is the identity"),
    ],
)
def test_what_rtneural_has_not_is_refused(tmp_path, model, message):
    with pytest.raises(UnsupportedError, match=message):
        write(filled(model), tmp_path / "m.json")


def entry(**changes):
    return {"type": "dense", "activation": "", "shape": [None, None, 1], "weights": [[[1.0], [2.0]], [0.5]]} | changes


@pytest.mark.parametrize(
    ("layer", "message"),
    [
        (entry(type="conv2d"), "type 'conv2d': no equal"),
        (entry(activation="prelu"), "activation 'prelu'"),
        (entry(weights=[[[1.0]], [0.5]]), "weights for 2 features"),
        (entry(type="lstm"), "expected arrays of"),
        (entry(type="lstm", weights=[[[1.0] * 4] * 3, [[1.0] * 4], [1.0] * 4]), "for 2 features: expected .* found"),
        (entry(type="gru", weights=[[[1.0] * 3] * 2, [[1.0] * 3], [[1.0] * 3]]), "for 2 features: expected .* found"),
        (entry(weights=3.5), "expected a list of arrays, found 3.5"),
        (entry(type="prelu", weights=[[[1.0, 2.0, 3.0]]]), "expected one number, or 2, found 3"),
        (entry(type="conv1d", kernel_size=[2], weights=[[[[1.0], [2.0]]], [0.5]]), "kernel_size: .* are of 1"),
        (entry(weights=[[[1.0], [2.0, 3.0]], [0.5]]), "rows of one length"),
        (entry(shape=[None, None, 4]), "are of 1 features"),
    ],
)
def test_other_json_of_rtneural_is_refused(tmp_path, layer, message):
    (tmp_path / "m.json").write_text(json.dumps({"in_shape": [None, None, 2], "layers": [layer]}))
    with pytest.raises((SpecError, UnsupportedError), match=message):
        convert(tmp_path / "m.json")
    (tmp_path / "m.json").write_text(json.dumps({"in_shape": [None, None, 2], "layers": [entry()]}))
    assert convert(tmp_path / "m.json").weights["dense.kernel"].tolist() == [[1.0, 2.0]]
    alone = entry(type="activation", weights=[], shape=[2])
    (tmp_path / "m.json").write_text(json.dumps({"in_shape": [2], "layers": [alone], "in_gain": 1.0}))
    with pytest.raises(SpecError, match="in_gain: of 2 features, and the layers have no weights"):
        convert(tmp_path / "m.json")
