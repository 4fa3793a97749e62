"""Which output of a Keras layer goes on, or is the model's: read from files written by hand. No Keras is needed."""

import numpy as np
import pytest

from rnnspec import UnsupportedError
from rnnspec.convert import convert
from rnnspec.reference import Net

from .test_keras import INPUTS, dense, functional, head, layer, lstm, refused, source, weights, write

BATCH, TIME = 3, 7
X = np.random.default_rng(0).standard_normal((BATCH, TIME, INPUTS))
BOTH = {f"{way}/{leaf}": array for way, units in (("f", 3), ("b", 3)) for leaf, array in weights(units=units).items()}
BOTH = {name: array * (1 if name[0] == "f" else -0.5) for name, array in BOTH.items()}


def returning(*outputs):
    """What ends a functional model: (layer, number) each."""
    return {"output_layers": [[name, 0, number] for name, number in outputs]}


def model(*layers, outputs):
    found = functional(*layers, outputs=[])
    found["config"] |= returning(*outputs)
    return found


def of_lstm(*numbers, **config):
    rnn = lstm("rnn", "x", **{"return_state": True, "return_sequences": True, **config})
    return model(source(), rnn, outputs=[("rnn", number) for number in numbers])


def of_both(*numbers, join=None, axis=-1, **config):
    inner = lstm("inner", return_state=True, return_sequences=config.pop("return_sequences", True))
    both = layer("Bidirectional", "both", "x", layer=inner, **config)
    if join is None:
        return model(source(), both, outputs=[("both", number) for number in numbers])
    joined = layer(join, "join", *(["both", 0, number] for number in numbers), axis=axis)
    return model(source(), both, joined, outputs=[("join", 0)])


def run(path, config, arrays):
    checkpoint = convert(write(path, config, arrays))
    y, state = Net(checkpoint, "float64")(X)
    return y, state, checkpoint.metadata["conversion"]


@pytest.fixture
def path(tmp_path):
    return tmp_path / "model.h5"


def test_the_final_h_is_the_last_output(path):
    y, state, _ = run(path, of_lstm(0, 1, 2), {"rnn": weights()})
    assert y.shape == (BATCH, TIME, 3)
    h, _, conversion = run(path, of_lstm(1), {"rnn": weights()})
    np.testing.assert_array_equal(h, state["rnn.h"])
    assert conversion["notes"] == []
    h, found, conversion = run(path, of_lstm(1, 2), {"rnn": weights()})
    np.testing.assert_array_equal(h, state["rnn.h"])
    np.testing.assert_array_equal(found["rnn.c"], state["rnn.c"])
    assert conversion["notes"] == ["the outputs of the source are, in its order: y, rnn.c"]


def test_what_goes_on_is_the_final_h(path):
    rnn = lstm("rnn", "x", return_state=True, return_sequences=True)
    arrays = {"rnn": weights(), "head": head()}
    _, state, _ = run(path, of_lstm(0, 1, 2), {"rnn": weights()})
    config = model(source(), rnn, dense("head", ["rnn", 0, 1]), outputs=[("head", 0), ("rnn", 2)])
    y, found, conversion = run(path, config, arrays)
    np.testing.assert_allclose(y, state["rnn.h"] @ arrays["head"]["kernel"] + arrays["head"]["bias"], atol=1e-12)
    assert conversion["notes"] == ["the outputs of the source are, in its order: y, rnn.c"]
    np.testing.assert_array_equal(found["rnn.c"], state["rnn.c"])


@pytest.mark.parametrize("numbers", [(2,), (2, 1), (1, 0), (2, 0, 1)])
def test_any_outputs_in_any_order_are_a_graph(path, numbers):
    y, state, _ = run(path, of_lstm(0, 1, 2), {"rnn": weights()})
    every = y, state["rnn.h"], state["rnn.c"]
    found, _, conversion = run(path, of_lstm(*numbers), {"rnn": weights()})
    names = [("rnn", "rnn_h", "rnn_c")[number] for number in numbers]
    found = found if isinstance(found, dict) else {names[0]: found}
    assert list(found) == names
    for name, number in zip(names, numbers, strict=True):
        np.testing.assert_array_equal(found[name], every[number])
    assert "rnn_c: rnn.c, which the source returns" in conversion["notes"] or numbers == (1, 0)


def test_an_output_that_is_not_there(path):
    refused(write(path, of_lstm(0, 3), {"rnn": weights()}), "'rnn'", "output 3")


def joined(forward, backward):
    return {
        "Concatenate": np.concatenate([forward, backward], -1),
        "Add": forward + backward,
        "Multiply": forward * backward,
        "Average": (forward + backward) / 2,
    }


def test_both_directions(path):
    """[y, forward h, forward c, backward h, backward c], or two outputs before the states."""
    y, state, _ = run(path, of_both(0), {"both": BOTH})
    h = state["both.forward.h"], state["both.backward.h"]
    for number, expected in ((1, h[0]), (3, h[1])):
        found, _, conversion = run(path, of_both(number), {"both": BOTH})
        np.testing.assert_array_equal(found, expected)
        assert len(conversion["ignored"]) == 3
        assert "one direction alone" in conversion["notes"][0]
    for found, expected in zip(run(path, of_both(1, 3), {"both": BOTH})[0], h, strict=True):
        np.testing.assert_array_equal(found, expected)
    halves = run(path, of_both(0, 1, merge_mode=None), {"both": BOTH})[0]
    np.testing.assert_array_equal(np.concatenate(halves, -1), y)
    for number in (0, 1):
        found = run(path, of_both(number, merge_mode=None), {"both": BOTH})[0]
        np.testing.assert_array_equal(found, halves[number])
    for join, expected in joined(*h).items():
        found = run(path, of_both(1, 3, join=join, axis=1), {"both": BOTH})[0]
        np.testing.assert_allclose(found, expected, atol=1e-14, err_msg=join)
    for join, expected in joined(*halves).items():
        found = run(path, of_both(0, 1, join=join, axis=2, merge_mode=None), {"both": BOTH})[0]
        np.testing.assert_allclose(found, expected, atol=1e-14, err_msg=join)
    np.testing.assert_array_equal(
        run(path, of_both(3, 1, join="Add"), {"both": BOTH})[0],
        run(path, of_both(1, 3, join="Add"), {"both": BOTH})[0],
    )


@pytest.mark.parametrize(
    ("numbers", "join"),
    [
        ((3, 1), "Concatenate"),
        ((2, 4), "Concatenate"),
        ((1, 2), "Add"),
        ((1, 2, 3, 4), None),
        ((3, 1), None),
        ((2,), None),
    ],
)
def test_states_of_both_directions_are_a_graph(path, numbers, join):
    _, state, _ = run(path, of_both(0), {"both": BOTH})
    names = ["both", *(f"both.{way}.{each}" for way in ("forward", "backward") for each in "hc")]
    expected = [state[names[number]] for number in numbers]
    found = run(path, of_both(*numbers, join=join), {"both": BOTH})[0]
    if join:
        expected = [joined(*expected)[join]]
    found = list(found.values()) if isinstance(found, dict) else [found]
    for one, other in zip(found, expected, strict=True):
        np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize(
    ("config", "word"),
    [
        (of_both(1, 3, join="Concatenate", axis=0), "axis 0"),
        (of_both(0, 1, join="Concatenate", axis=1, merge_mode=None), "axis 1"),
        (of_both(1, 0, merge_mode=None), "'both'"),
    ],
)
def test_what_of_both_directions_has_no_equal(path, config, word):
    refused(write(path, config, {"both": BOTH}), word, error=UnsupportedError)


def test_outputs_of_several_layers(path):
    rnn, arrays = lstm("rnn", "x", return_sequences=True), {"rnn": weights(), "head": head()}
    for outputs in ([("head", 0), ("rnn", 0)], [("rnn", 0), ("head", 0)]):
        y, _, _ = run(path, model(source(), rnn, dense("head", "rnn"), outputs=outputs), arrays)
        assert list(y) == [name for name, _ in outputs]
        np.testing.assert_allclose(y["head"], y["rnn"] @ arrays["head"]["kernel"] + arrays["head"]["bias"], atol=1e-12)
    two = lstm("two", ["rnn", 0, 0])
    rnn = lstm("rnn", "x", return_sequences=True, return_state=True)
    config = model(source(), rnn, two, outputs=[("rnn", 1), ("two", 0)])
    y, state, _ = run(path, config, {"rnn": weights(), "two": weights(3)})
    np.testing.assert_array_equal(y["rnn_h"], state["rnn.h"])
    config = model(source(), rnn, two, outputs=[("two", 0), ("rnn", 2)])
    _, _, conversion = run(path, config, {"rnn": weights(), "two": weights(3)})
    assert conversion["notes"] == ["the outputs of the source are, in its order: y, rnn.c"]


def test_an_output_of_a_model_inside(path):
    inner = of_lstm(1, 0, 2)
    for number, expected in ((0, (BATCH, 3)), (1, (BATCH, TIME, 3))):
        nested = {**inner, "name": "inner", "inbound_nodes": [[["x", 0, 0, {}]]]}
        nested["config"] = {**inner["config"], "name": "inner"}
        config = model(source(), nested, outputs=[("inner", number)])
        assert run(path, config, {"inner": weights()})[0].shape == expected
    config = model(source(), nested, outputs=[("inner", 2)])
    refused(write(path, config, {"inner": weights()}), "c is taken", error=UnsupportedError)
    config = {"class_name": "Sequential", "config": {"layers": [source(), {**nested, "inbound_nodes": []}]}}
    refused(write(path, config, {"inner": weights()}), "y is returned beside h", error=UnsupportedError)
