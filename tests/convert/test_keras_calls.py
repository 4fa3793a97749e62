"""What Keras's layers are called with, and masks: used, or refused by name. No Keras is needed."""

import numpy as np
import pytest

from rnnspec import UnsupportedError
from rnnspec.convert import convert
from rnnspec.reference import Net

from .test_keras import (
    INPUTS,
    UNITS,
    dense,
    functional,
    head,
    keras_file,
    layer,
    lstm,
    refused,
    sequential,
    source,
    weights,
    write,
)

X = np.random.default_rng(0).standard_normal((4, 7, INPUTS))
PADDED = X.copy()
PADDED[0, 4:] = PADDED[1, :2] = PADDED[2, 3] = PADDED[3] = -1


@pytest.fixture
def path(tmp_path):
    return tmp_path / "model.h5"


def called(item, **kwargs):
    """The layer, called with keyword arguments as Keras 2 writes them."""
    (node,) = item["inbound_nodes"]
    return {**item, "inbound_nodes": [[[*node[0][:3], kwargs], *node[1:]]]}


def tensor(name, number=0):
    return {"class_name": "__keras_tensor__", "config": {"keras_history": [name, 0, number]}}


def node(item, *args, **kwargs):
    """The layer, called as Keras 3 writes it."""
    return {**item, "inbound_nodes": [{"args": list(args), "kwargs": kwargs}]}


def cell_paths(place="lstm", **sizes):
    return {f"layers/{place}/cell/vars/{k}": array for k, array in enumerate(weights(**sizes).values())}


MASKING = layer("Masking", "masking", "x", mask_value=-1.0)


@pytest.mark.parametrize(
    ("rnn", "word"),
    [
        (called(lstm("rnn", "x", dropout=0.2), training=True), "training=True"),
        (called(lstm("rnn", "x"), constants=["c", 0, 0]), "constants"),
        (called(lstm("rnn", "x"), initial_state=[[0.0], [1.0]]), "initial_state in numbers"),
        (called(lstm("rnn", "x"), training=["x", 0, 0]), "training that is computed"),
        (lstm("rnn", "x", ["_CONSTANT_VALUE", -1, 0.5]), "0.5"),
    ],
)
def test_arguments_that_have_no_equal(path, rnn, word):
    refused(write(path, functional(source(), rnn, outputs=["rnn"]), {"rnn": weights()}), "'rnn'", word)


def test_dropout_at_inference(path):
    for told, rate in ((True, 0.0), (False, 0.3)):
        drop = called(layer("Dropout", "drop", "rnn", rate=rate), training=told)
        convert(write(path, functional(source(), lstm("rnn", "x"), drop, outputs=["drop"]), {"rnn": weights()}))
    drop = called(layer("Dropout", "drop", "rnn", rate=0.3), training=True)
    write(path, functional(source(), lstm("rnn", "x"), drop, outputs=["drop"]), {"rnn": weights()})
    refused(path, "'drop'", "training=True", error=UnsupportedError)
    inner = {**functional(source(), lstm("rnn", "x", recurrent_dropout=0.1), outputs=["rnn"]), "name": "inner"}
    inner["config"]["name"] = "inner"
    inner = called({**inner, "inbound_nodes": [[["x", 0, 0, {}]]]}, training=True)
    write(path, functional(source(), inner, outputs=["inner"]), {"inner": weights()})
    refused(path, "'rnn'", "training=True", error=UnsupportedError)


def test_arguments_by_their_places(tmp_path):
    """Keras 3: sequences, initial_state, mask."""
    given = [{**source("h", UNITS), "name": "h"}, {**source("c", UNITS), "name": "c"}, source("m", 1)]
    rnn = node(lstm(), tensor("x"), None, tensor("m"))
    path = keras_file(tmp_path / "m.keras", functional(source(), *given, rnn, outputs=["rnn"]), cell_paths())
    notes = convert(path).metadata["conversion"]["notes"]
    assert notes == ["rnn: its mask comes from elsewhere; give it as `mask`", "nothing reads the input h, c: left out"]
    rnn = node(lstm(), tensor("x"), [tensor("h"), tensor("c")])
    path = keras_file(tmp_path / "m.keras", functional(source(), *given, rnn, outputs=["rnn"]), cell_paths())
    notes = convert(path).metadata["conversion"]["notes"]
    starts = "starts from states that are given: rnn.h by 'h', rnn.c by 'c'"
    assert notes == [starts, "nothing reads the input m: left out"]
    number = {"class_name": "__tensor__", "config": {"value": [[1.0] * UNITS] * 4, "dtype": "float32"}}
    rnn = node(lstm(), tensor("x"), initial_state=[number, number])
    path = keras_file(tmp_path / "m.keras", functional(source(), *given, rnn, outputs=["rnn"]), cell_paths())
    refused(path, "initial_state in numbers", error=UnsupportedError)


def test_masks_of_some_layers_only(tmp_path):
    arrays = cell_paths() | cell_paths("lstm_1", inputs=UNITS)
    rnn = node(lstm(return_sequences=True), tensor("x"))

    def written(*layers):
        return keras_file(tmp_path / "m.keras", functional(source(), source("m", 1), *layers, outputs=["two"]), arrays)

    one = written(rnn, node(lstm("two"), tensor("rnn"), mask=tensor("m")))
    refused(one, "'rnn'", "'two'", "other masks", error=UnsupportedError)
    both = written(
        node(lstm(return_sequences=True), tensor("x"), mask=tensor("m")),
        node(lstm("two"), tensor("rnn"), mask=tensor("m")),
    )
    assert len(convert(both).metadata["conversion"]["notes"]) == 2


def test_a_mask_that_a_model_inside_is_given(tmp_path):
    inner = functional(source(), node(lstm(), tensor("x")), outputs=["rnn"])
    inner["config"]["name"] = "inner"
    outer = functional(source(), source("m", 1), node(inner, tensor("x"), mask=tensor("m")), outputs=["inner"])
    arrays = {f"layers/functional/{name}": array for name, array in cell_paths().items()}
    inner["class_name"] = "Functional"
    outer["config"]["layers"][-1]["class_name"] = "Functional"
    path = keras_file(tmp_path / "m.keras", outer, arrays)
    assert convert(path).metadata["conversion"]["notes"] == ["rnn: its mask comes from elsewhere; give it as `mask`"]


def test_zero_output_for_mask(path):
    """Exact where no mask is; with one the last step's 0 and unrolled zeros have no equal."""
    rnn = {"rnn": weights()}
    plain = convert(write(path, sequential(lstm(zero_output_for_mask=True)), rnn, "2.15.0"))
    np.testing.assert_array_equal(
        Net(plain, "float64")(X)[0], Net(convert(write(path, sequential(lstm()), rnn)), "float64")(X)[0]
    )
    masked = functional(
        source(), source("m", 1), called(lstm("rnn", "x", zero_output_for_mask=True), mask=["m", 0, 0]), outputs=["rnn"]
    )
    refused(write(path, masked, rnn, "2.15.0"), "zero_output_for_mask", error=UnsupportedError)
    options = {"zero_output_for_mask": True, "return_sequences": True, "unroll": True}
    convert(
        write(path, functional(source(), MASKING, lstm("rnn", "masking", **options), outputs=["rnn"]), rnn, "2.15.0")
    )
    options["go_backwards"] = True
    write(path, functional(source(), MASKING, lstm("rnn", "masking", **options), outputs=["rnn"]), rnn, "2.15.0")
    refused(path, "unrolled backwards", error=UnsupportedError)
    state = {**functional(source(), MASKING, outputs=[]), "class_name": "Model"}
    state["config"]["layers"].append(lstm("rnn", "masking", return_state=True, zero_output_for_mask=True))
    state["config"]["output_layers"] = [["rnn", 0, 1]]
    h = Net(convert(write(path, state, rnn, "2.15.0")), "float64")(PADDED)
    np.testing.assert_array_equal(h[0], h[1]["rnn.h"])


@pytest.mark.parametrize("version", ["2.2.4", "2.3.1"])
def test_what_keras_2_2_gives_at_masked_steps(path, version):
    """`states[0]`: from zeros the output before; else a state that is no output."""

    def converted(rnn, *more, **leaves):
        config = functional(source(), MASKING, *more, rnn, outputs=["rnn"])
        return write(path, config, {"rnn": leaves or weights()}, version)

    assert convert(converted(lstm("rnn", "masking", return_sequences=True))).metadata["conversion"]["notes"] == []
    given = [source("h", UNITS), source("c", UNITS)]
    for rnn, more in (
        (lstm("rnn", "masking", "h", "c", return_sequences=True), given),
        (lstm("rnn", "masking", return_sequences=True, stateful=True), []),
    ):
        converted(rnn, *more)
        if version == "2.2.4":
            refused(path, "before the first valid one Keras 2.2 gives the initial state", error=UnsupportedError)
        else:
            convert(path)
    unrolled = lstm("rnn", "masking", "h", "c", return_sequences=True, unroll=True)
    convert(converted(unrolled, *given))
    cells = [lstm("a")["config"], lstm("b")["config"]]
    cells = [{"class_name": "LSTMCell", "config": config} for config in cells]
    stack = layer("RNN", "rnn", "masking", cell={"class_name": "StackedRNNCells", "config": {"cells": cells}})
    leaves = {f"a/{name}": array for name, array in weights().items()}
    leaves |= {f"b/{name}": array for name, array in weights(UNITS).items()}
    converted(stack, **leaves)
    if version == "2.2.4":
        refused(path, "the state of the first cell", error=UnsupportedError)
    else:
        convert(path)


def test_a_final_state_of_a_row_without_steps(path):
    """It is the initial state, which is no output."""
    config = functional(source(), source("h", UNITS), source("c", UNITS), MASKING, outputs=[])
    config["config"]["layers"].append(lstm("rnn", "masking", "h", "c", return_state=True))
    for number in (0, 1):
        config["config"]["output_layers"] = [["rnn", 0, number]]
        write(path, config, {"rnn": weights()}, "2.15.0")
        if number:
            refused(path, "without valid steps", error=UnsupportedError)
        else:
            convert(path)


def test_softmax_over_a_mask(tmp_path):
    layers = layer("Masking", "masking", mask_value=0.0), lstm(return_sequences=True), dense(), layer("Softmax", "soft")
    arrays = cell_paths() | {f"layers/dense/vars/{k}": array for k, array in enumerate(head().values())}
    refused(keras_file(tmp_path / "m.keras", sequential(*layers), arrays), "'soft'", error=UnsupportedError)
    layers = layers[0], lstm(), *layers[2:]
    assert (
        convert(keras_file(tmp_path / "m.keras", sequential(*layers), arrays)).model.layers[-1].activation == "softmax"
    )


@pytest.mark.parametrize("own", [{"class_name": "Mine>LSTM"}, {"module": "mine"}, {"module": "__main__"}])
def test_a_class_of_its_own_with_a_name_of_keras(path, own):
    write(path, sequential(lstm() | own), {"rnn": weights()})
    refused(path, "'rnn'", "has no equal here", error=UnsupportedError)
    write(path, sequential(lstm()) | {**own, "class_name": "Mine>Sequential"}, {"rnn": weights()})
    refused(path, "a model of its own class", error=UnsupportedError)
    theirs = lstm() | {"module": "keras.layers", "registered_name": None}
    convert(write(path, sequential(theirs), {"rnn": weights()}))


def test_variables_of_training(tmp_path):
    """What Keras 2.15 saves of a fitted model."""
    more = {
        "optimizer/vars/0": np.ones(()),
        "metrics/mean/vars/0": np.ones(()),
        "metrics/mean_metric_wrapper/vars/1": np.ones(2),
        "layers/lstm/cell/seed_generator/vars/0": np.ones(2),
    }
    path = keras_file(tmp_path / "m.keras", sequential(lstm()), cell_paths() | more, "2.15.0")
    assert sorted(convert(path).metadata["conversion"]["ignored"]) == sorted(more)
    del more["layers/lstm/cell/seed_generator/vars/0"]
    keras_file(path, sequential(lstm()), cell_paths() | more)
    alone = path.with_suffix(".inside").rename(tmp_path / "m.weights.h5")
    assert sorted(convert(alone).metadata["conversion"]["ignored"]) == sorted(more)
    refused(
        keras_file(tmp_path / "m.keras", sequential(lstm()), cell_paths() | {"layers/metrics/vars/0": np.ones(2)}),
        "layers/metrics/vars/0",
    )
