"""Which outputs of its layers a live Keras model returns, and with which masks, in every format that Keras writes."""

import keras
import numpy as np
import pytest

import rnnspec.backends.tensorflow as backend
from rnnspec import UnsupportedError
from rnnspec.convert import convert
from rnnspec.reference import Net

# Keras reads its variables with np.array, which TensorFlow's `__array__` does not support fully yet.
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")
L = keras.layers
TIME, INPUTS = 7, 3
FORMATS = ("live", "m.keras", "m.h5", "m")


def both(kind=L.LSTM, **options):
    inner = kind(4, return_sequences=options.pop("return_sequences", True), return_state=True)
    return L.Bidirectional(inner, **options)


def picked(layer, *numbers):
    """The model that returns these outputs of the layer."""

    def build(x):
        outputs = layer(x)
        return [outputs[number] for number in numbers] if len(numbers) > 1 else outputs[numbers[0]]

    return build


def joined(layer, one, two, join=L.Concatenate):
    def build(x):
        outputs = layer(x)
        return join()([outputs[one], outputs[two]])

    return build


def inside(build):
    """A model inside of the model."""
    z = keras.Input((TIME, INPUTS))
    return keras.Model(z, build(z))


def lstm(**options):
    return L.LSTM(5, return_state=True, **options)


EXACT = {  # the model, and our names of its outputs
    "h": (picked(lstm(return_sequences=True), 1), ["y"]),
    "h_and_c": (picked(lstm(), 1, 2), ["y", "c"]),
    "sequence_and_c": (picked(lstm(return_sequences=True), 0, 2), ["y", "c"]),
    "backward_h": (picked(both(L.GRU), 2), ["y"]),
    "backward_half": (picked(both(merge_mode=None), 1), ["y"]),
    "joined_states": (joined(both(), 1, 3), ["y"]),
    "joined_halves": (joined(both(merge_mode=None), 0, 1, L.Average), ["y"]),
    "h_of_a_stack": (picked(L.RNN([L.LSTMCell(4), L.GRUCell(3)], return_state=True), 2), ["y"]),
    "h_into_dense_and_beside": (lambda x: [L.Dense(2)((y := lstm()(x))[1]), y[2], y[1]], ["y", "c", "h"]),
    "h_into_dense": (lambda x: L.Dense(2)(lstm(return_sequences=True)(x)[1]), ["y"]),
    "h_of_a_model_inside": (lambda x: inside(picked(lstm(), 0, 1))(x)[1], ["y"]),
    "h_of_zeros": (lambda x: lstm(zero_output_for_mask=True)(L.Masking(-1.0)(x))[1], ["y"]),
}
GRAPHS = {  # no chains, of which ours has the outputs by name, in the order of Keras's
    "c": picked(lstm(), 2),
    "c_first": picked(lstm(), 2, 1),
    "h_before_the_sequence": picked(lstm(return_sequences=True), 1, 0),
    "joined_cell_states": joined(both(), 2, 4),
    "joined_the_other_way": joined(both(), 3, 1),
    "two_layers": lambda x: [L.Dense(2)(y := L.GRU(3)(x)), y],
}
REFUSED = {
    "the_input": lambda x: [L.GRU(3)(x), x],
    "last_of_zeros": lambda x: L.LSTM(3, zero_output_for_mask=True)(L.Masking(-1.0)(x)),
}


def random_model(build):
    x = keras.Input((TIME, INPUTS), name="x")
    model = keras.Model(x, build(x))
    rng = np.random.default_rng(0)
    for array in model.weights:
        array.assign(rng.standard_normal(array.shape) * 0.7)
    return model


def converted(model, form, folder):
    if form == "live":
        return backend.from_native(model)
    if form == "m":
        model.export(folder / form, verbose=False)
    else:
        model.save(folder / form)
    return convert(folder / form)


@pytest.mark.parametrize("name", EXACT)
def test_what_is_returned_is_given(name, tmp_path):
    build, names = EXACT[name]
    model = random_model(build)
    x = np.random.default_rng(1).standard_normal((4, TIME, INPUTS)).astype("float32")
    x[0, 4:] = x[1, :2] = x[2] = -1
    expected = keras.tree.flatten(model(x))
    for form in FORMATS:
        y, state = Net(converted(model, form, tmp_path), "float64")(x)
        found = [y, *(next(array for place, array in state.items() if place.endswith(f".{n}")) for n in names[1:])]
        for ours, theirs in zip(found, expected, strict=True):
            np.testing.assert_allclose(ours, theirs, rtol=0, atol=1e-5, err_msg=form)


@pytest.mark.parametrize("name", GRAPHS)
def test_what_is_no_chain_is_a_graph(name, tmp_path):
    model = random_model(GRAPHS[name])
    x = np.random.default_rng(1).standard_normal((4, TIME, INPUTS)).astype("float32")
    expected = keras.tree.flatten(model(x))
    for form in ("live", "m.keras", "m.h5"):
        y, _ = Net(converted(model, form, tmp_path), "float64")(x)
        for ours, theirs in zip(y.values() if isinstance(y, dict) else [y], expected, strict=True):
            np.testing.assert_allclose(ours, theirs, rtol=0, atol=1e-5, err_msg=form)
    with pytest.raises(UnsupportedError):  # without its configuration
        converted(model, "m", tmp_path)


@pytest.mark.parametrize("name", REFUSED)
def test_what_ours_does_not_give_is_refused(name, tmp_path):
    model = random_model(REFUSED[name])
    for form in FORMATS:
        with pytest.raises(UnsupportedError) as caught:
            converted(model, form, tmp_path)
        assert "\n" not in str(caught.value)
        assert "called 2 times" not in str(caught.value)


def test_the_mask_of_a_saved_model_is_named(tmp_path):
    x, one, two = keras.Input((TIME, INPUTS)), keras.Input((TIME,), dtype="bool"), keras.Input((TIME,), dtype="bool")
    model = keras.Model([x, one], L.LSTM(3)(x, mask=one))
    assert any("as `mask`" in note for note in converted(model, "m", tmp_path).metadata["conversion"]["notes"])
    h = L.LSTM(3, return_sequences=True)(x, mask=one)
    model = keras.Model([x, one, two], L.GRU(4)(h, mask=two))
    for form in FORMATS:
        with pytest.raises(UnsupportedError, match="mask"):
            converted(model, form, tmp_path)


def test_one_layer_by_itself_may_be_given_any_mask():
    x = np.ones((2, TIME, INPUTS), "float32")
    for options in ({}, {"unroll": True, "go_backwards": True, "return_sequences": True}):
        layer = L.LSTM(3, zero_output_for_mask=True, **options)
        layer(x)
        with pytest.raises(UnsupportedError, match="zero_output_for_mask"):
            backend.from_native(layer)
    layer = L.LSTM(3, zero_output_for_mask=True, return_sequences=True)
    mask = np.arange(TIME)[None] != [[2], [TIME - 1]]
    y = layer(x, mask=mask)
    np.testing.assert_allclose(Net(backend.from_native(layer))(x, mask=mask)[0], y, rtol=0, atol=1e-6)


def test_code_that_goes_by_a_name_of_keras():
    def relu(x):
        return 2 * x

    class GRU(L.GRU):
        pass

    for layer in (L.LSTM(3, activation=relu), GRU(3), L.RNN(LSTMCell(3))):
        model = keras.Sequential([keras.Input((TIME, INPUTS)), layer])
        for each in (model, layer):
            with pytest.raises(UnsupportedError, match="own"):
                backend.from_native(each)
    backend.from_native(keras.Sequential([keras.Input((TIME, INPUTS)), L.LSTM(3, activation=keras.activations.swish)]))


class LSTMCell(L.LSTMCell):
    pass


def test_what_a_sequential_returns_is_said():
    model = keras.Sequential([keras.Input((TIME, INPUTS)), L.LSTM(3, return_state=True, name="rnn")])
    notes = backend.from_native(model).metadata["conversion"]["notes"]
    assert notes == ["the outputs of the source are, in its order: y, rnn.h, rnn.c"]
