"""Variables as TensorFlow 0.12 to 1.15 name them → the model, whatever the sizes, depths and scopes."""

import numpy as np
import pytest

from rnnspec import LSTM, NAS, SpecError, UnsupportedError
from rnnspec.convert import assemble
from rnnspec.convert.request import Request
from rnnspec.convert.settings import Settings
from rnnspec.convert.tf1 import network
from rnnspec.reference import Net

RNG = np.random.default_rng(3)
Arrays = dict[str, np.ndarray]


def made(**shapes: tuple[int, ...]) -> Arrays:
    return {name: RNG.normal(size=shape).astype(np.float32) for name, shape in shapes.items()}


def under(scope: str, arrays: Arrays) -> Arrays:
    return {f"{scope}/{name}" if scope else name: array for name, array in arrays.items()}


def lstm(inputs: int, units: int, kernel="kernel", bias="bias") -> Arrays:
    return made(**{kernel: (inputs + units, 4 * units), bias: (4 * units,)})


def gru(inputs: int, units: int) -> Arrays:
    gates = {"gates/kernel": (inputs + units, 2 * units), "gates/bias": (2 * units,)}
    return made(**gates, **{"candidate/kernel": (inputs + units, units), "candidate/bias": (units,)})


def dense(inputs: int, units: int, kernel="kernel", bias="bias") -> Arrays:
    return made(**{kernel: (inputs, units), bias: (units,)})


def converted(arrays: Arrays, part=None, ema=False, config=None, **settings):
    request = Request(Settings(settings), config=config, ema=ema, part=part)
    checkpoint = assemble(network(arrays, request, "model.ckpt"), request, "tf1", "model.ckpt")
    request.settings.finish()
    return checkpoint


def chain(checkpoint) -> str:
    """The layers with the features between them."""
    steps = [f"{'ids' if inputs is None else inputs} {layer.name}" for layer, inputs in checkpoint.model.chain()]
    return " ".join([*steps, str(checkpoint.model.results["y"].features)])


def stack(scope: str, *cells: Arrays) -> Arrays:
    return {name: a for k, cell in enumerate(cells) for name, a in under(scope.format(k), cell).items()}


SCOPE = "rnn/multi_rnn_cell/cell_{}/lstm_cell"
OLD = "RNN/MultiRNNCell/Cell{}/LSTMCell"
CHAINS = {
    "dynamic": (under("rnn/lstm_cell", lstm(3, 5)), "3 rnn 5"),
    "raw": (under("basic_lstm_cell", lstm(3, 5)), "3 rnn 5"),
    "outer scopes": (under("a/b/rnn/gru_cell", gru(3, 5)), "3 rnn 5"),
    "named by the user, wide": (under("tagger/rnn/my_cell", lstm(2, 5)), "2 rnn 5"),
    "named by the user": (under("my_lstm", lstm(7, 5)), "7 rnn 5"),
    "eleven cells": (stack(SCOPE, *(lstm(4, 4) for _ in range(11))), "4 rnn 4"),
    "stack of other widths": (stack(SCOPE, lstm(3, 5), lstm(5, 2), lstm(2, 6)), "3 rnn 6"),
    "stack of one": (stack(SCOPE, lstm(3, 5)), "3 rnn 5"),
    "0.12": (stack(OLD, lstm(3, 5, "W_0", "B"), lstm(5, 2, "W_0", "B")), "3 rnn 2"),
    "1.0": (stack(SCOPE, lstm(3, 5, "weights", "biases"), lstm(5, 2, "weights", "biases")), "3 rnn 2"),
    "stack of kinds": (
        under("rnn/multi_rnn_cell/cell_0/gru_cell", gru(3, 5))
        | under("rnn/multi_rnn_cell/cell_1/basic_lstm_cell", lstm(5, 2)),
        "3 rnn 2",
    ),
    "wrapped": (
        under("rnn/multi_rnn_cell/cell_0/dropout_wrapper/gru_cell", gru(3, 5))
        | under("rnn/multi_rnn_cell/cell_1/residual_wrapper/gru_cell", gru(5, 5)),
        "3 rnn 5",
    ),
    "layers by their numbers": (
        under("layer_10/rnn/lstm_cell", lstm(4, 4))
        | under("layer_9/rnn/lstm_cell", lstm(4, 4))
        | under("layer_2/rnn/gru_cell", gru(4, 4)),
        "4 rnn_0 4 rnn_1 4 rnn_2 4",
    ),
    "beside each other in a scope": (
        under("m/lstm_cell", lstm(3, 5)) | under("m/gru_cell", gru(5, 4)) | under("m/out", dense(4, 2)),
        "3 rnn_1 5 rnn_0 4 out 2",
    ),
    "one direction after both": (
        under("bidirectional_rnn/fw/lstm_cell", lstm(3, 5))
        | under("bidirectional_rnn/bw/lstm_cell", lstm(3, 2))
        | under("rnn/lstm_cell", lstm(7, 4)),
        "3 rnn_0 7 rnn_1 4",
    ),
    "BiRNN of 0.12": (
        under("BiRNN_FW/BasicLSTMCell", lstm(3, 5, "Linear/Matrix", "Linear/Bias"))
        | under("BiRNN_BW/BasicLSTMCell", lstm(3, 2, "Linear/Matrix", "Linear/Bias")),
        "3 rnn 7",
    ),
    "bidirectional stacks": (
        stack("bidirectional_rnn/fw/multi_rnn_cell/cell_{}/lstm_cell", lstm(3, 5), lstm(5, 2))
        | stack("bidirectional_rnn/bw/multi_rnn_cell/cell_{}/gru_cell", gru(3, 4), gru(4, 6)),
        "3 rnn 8",
    ),
    "stacked bidirectional": (
        {
            name: a
            for k, (i, u) in enumerate([(3, 4), (8, 5), (10, 2)])
            for d in ("fw", "bw")
            for name, a in under(f"stack_bidirectional_rnn/cell_{k}/bidirectional_rnn/{d}/gru_cell", gru(i, u)).items()
        },
        "3 rnn_0 8 rnn_1 10 rnn_2 4",
    ),
    "language model": (
        made(**{"Model/embedding": (9, 5), "Model/softmax_w": (5, 9), "Model/softmax_b": (9,)})
        | stack("Model/RNN/multi_rnn_cell/cell_{}/basic_lstm_cell", lstm(5, 5), lstm(5, 5)),
        "ids embedding 5 rnn 5 softmax 9",
    ),
    "unnamed": (
        made(Variable=(9, 5), Variable_1=(4, 2), Variable_2=(2,)) | under("rnn/gru_cell", gru(5, 4)),
        "ids embedding 5 rnn 4 dense 2",
    ),
    "tutorial": (
        made(Variable=(6, 7), Variable_1=(5, 2), Variable_2=(7,), Variable_3=(2,))
        | under("rnn/basic_lstm_cell", lstm(7, 5)),
        "6 dense 7 rnn 5 dense_1 2",
    ),
    "dense layers by numbers": (
        under("rnn/gru_cell", gru(3, 4)) | under("dense", dense(4, 4)) | under("dense_1", dense(4, 4)),
        "3 rnn 4 dense 4 dense_1 4",
    ),
    "kernel without bias": (
        under("rnn/gru_cell", gru(3, 4)) | made(**{"out/W": (4, 6)}),
        "3 rnn 4 out 6",
    ),
    "sampled softmax": (
        made(embeddings=(9, 3), nce_weights=(9, 4), nce_biases=(9,)) | under("rnn/gru_cell", gru(3, 4)),
        "ids embedding 3 rnn 4 nce 9",
    ),
    "projections around": (
        under("rnn/output_projection_wrapper", dense(4, 4))
        | under("rnn/output_projection_wrapper/input_projection_wrapper", dense(4, 4))
        | under("rnn/output_projection_wrapper/input_projection_wrapper/gru_cell", gru(4, 4)),
        "4 input_projection 4 rnn 4 output_projection 4",
    ),
}


@pytest.mark.parametrize("name", CHAINS)
def test_chain(name):
    arrays, expected = CHAINS[name]
    checkpoint = converted(dict(sorted(arrays.items())))
    assert chain(checkpoint) == expected
    assert sum(w.size for w in checkpoint.weights.values()) == sum(a.size for a in arrays.values())


ALIASES = {
    "LSTMCell, 1.0": (
        "rnn/lstm_cell",
        {"kernel": "weights", "bias": "biases", "projection/kernel": "projection/weights"},
    ),
    "LSTMCell, 0.12": (
        "RNN/LSTMCell",
        {"kernel": "W_0", "bias": "B", "projection/kernel": "W_P_0"}
        | {f"w_{gate}_diag": f"W_{gate.upper()}_diag" for gate in "ifo"},
    ),
    "LSTMBlockCell, 0.12": (
        "RNN/LSTMBlockCell",
        {"kernel": "W", "bias": "b", "projection/kernel": "W_P_0"} | {f"w_{gate}_diag": f"wc{gate}" for gate in "ifo"},
    ),
    "its class name in another scope": ("x/lstm_cell_2", {}),
}


@pytest.mark.parametrize("name", ALIASES)
def test_old_names_mean_the_same(name):
    scope, names = ALIASES[name]
    arrays = lstm(3, 6)
    arrays["kernel"] = made(kernel=(3 + 4, 24))["kernel"]
    arrays |= made(**{"projection/kernel": (6, 4)}, w_i_diag=(6,), w_f_diag=(6,), w_o_diag=(6,))
    expected = converted(under("rnn/lstm_cell", arrays))
    found = converted(under(scope, {names.get(name, name): array for name, array in arrays.items()}))
    assert found.model == expected.model
    assert found.weights.keys() == expected.weights.keys()
    for key, weight in found.weights.items():
        np.testing.assert_array_equal(weight, expected.weights[key])


def test_shards_of_0_12_lie_along_the_rows():
    arrays = lstm(3, 6)
    halves = {"W_0": arrays["kernel"][:5], "W_1": arrays["kernel"][5:], "B": arrays["bias"]}
    found, expected = converted(under("RNN/LSTMCell", halves)), converted(under("rnn/lstm_cell", arrays))
    np.testing.assert_array_equal(found.weights["rnn.kernel"], expected.weights["rnn.kernel"])


GRUS = {
    "1.0": {"gates/kernel": "gates/weights", "gates/bias": "gates/biases"},
    "0.12": {
        "gates/kernel": "Gates/Linear/Matrix",
        "gates/bias": "Gates/Linear/Bias",
        "candidate/kernel": "Candidate/Linear/Matrix",
        "candidate/bias": "Candidate/Linear/Bias",
    },
    "block": {"gates/kernel": "w_ru", "gates/bias": "b_ru", "candidate/kernel": "w_c", "candidate/bias": "b_c"},
}


@pytest.mark.parametrize("name", GRUS)
def test_old_names_of_a_gru(name):
    arrays = gru(3, 5)
    found = converted(under("any/thing", {GRUS[name].get(key, key): array for key, array in arrays.items()}))
    expected = converted(under("rnn/gru_cell", arrays))
    assert found.model == expected.model
    np.testing.assert_array_equal(found.weights["rnn.kernel"], expected.weights["rnn.kernel"])


def run(checkpoint, inputs: int, steps=4):
    x = np.random.default_rng(5).normal(size=(2, steps, inputs))
    return x, np.asarray(Net(checkpoint, dtype="float64")(x)[0])


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def norm(x, gamma, beta, epsilon):
    return gamma * (x - x.mean(-1, keepdims=True)) / np.sqrt(x.var(-1, keepdims=True) + epsilon) + beta


@pytest.mark.parametrize("normed", [False, True])
def test_coupled_gates_with_everything(normed):
    """`CoupledInputForgetGateLSTMCell.call`: peepholes, projection, clip; with layer norm B is not used."""
    units, projected, inputs = 5, 4, 3
    v = made(W_0=(inputs + projected, 3 * units), B=(3 * units,), W_P_0=(units, projected))
    v |= made(W_F_diag=(units,), W_O_diag=(units,))
    if normed:
        places = ("transform", "forget", "output", "state")
        v |= made(**{f"{place}/{kind}": (units,) for place in places for kind in ("gamma", "beta")})
    scope = "rnn/coupled_input_forget_gate_lstm_cell"
    options = {"forget_bias": 0.7, "proj_clip": 0.4, "activation": "softsign", "variance_epsilon": 1e-3}
    found = converted(under(scope, v), **{k: o for k, o in options.items() if normed or k != "variance_epsilon"})
    assert (f"{scope}/B" in found.metadata["conversion"]["ignored"]) == normed
    x, y = run(found, inputs)
    v = {name: array.astype(np.float64) for name, array in v.items()}
    c, m = np.zeros((2, units)), np.zeros((2, projected))
    for t in range(x.shape[1]):
        a = np.concatenate([x[:, t], m], 1) @ v["W_0"]
        j, f, o = np.split(a if normed else a + v["B"], 3, axis=1)
        if normed:
            j, f, o = (
                norm(a, v[f"{place}/gamma"], v[f"{place}/beta"], 1e-3)
                for a, place in ((j, "transform"), (f, "forget"), (o, "output"))
            )
        f = sigmoid(f + 0.7 + v["W_F_diag"] * c)
        c = f * c + (1 - f) * (j / (1 + abs(j)))
        if normed:
            c = norm(c, v["state/gamma"], v["state/beta"], 1e-3)
        m = sigmoid(o + v["W_O_diag"] * c) * (c / (1 + abs(c))) @ v["W_P_0"]
        m = np.clip(m, -0.4, 0.4)
        np.testing.assert_allclose(y[:, t], m, atol=1e-6)


def test_nas_with_projection_and_without_bias():
    """`NASCell.call`."""
    units, projected, inputs = 5, 3, 2
    v = made(kernel=(inputs, 8 * units), recurrent_kernel=(projected, 8 * units), projection_weights=(units, projected))
    found = converted(under("rnn/nas_cell", v))
    assert found.model.layers[0].cell == NAS(units=units, projection=projected, bias=False)
    x, y = run(found, inputs)
    c, m = np.zeros((2, units)), np.zeros((2, projected))
    for t in range(x.shape[1]):
        a, h = np.split(x[:, t] @ v["kernel"], 8, axis=1), np.split(m @ v["recurrent_kernel"], 8, axis=1)
        first = np.tanh(sigmoid(a[0] + h[0]) * np.maximum(a[1] + h[1], 0))
        second = np.tanh(sigmoid(a[2] + h[2]) + np.maximum(a[3] * h[3], 0))
        third = np.tanh(np.tanh(a[4] + h[4]) * sigmoid(a[5] + h[5]))
        fourth = sigmoid(np.tanh(a[6] + h[6]) + sigmoid(a[7] + h[7]))
        c = np.tanh(first + c) * second
        m = np.tanh(c * np.tanh(third + fourth)) @ v["projection_weights"]
        np.testing.assert_allclose(y[:, t], m, atol=1e-6)


def test_layer_norm_lstm_of_contrib_saves_a_bias_that_it_does_not_use():
    """`LayerNormLSTMCell.call`: as `LSTMCell`, the four gates and then c normalised."""
    units, inputs = 5, 3
    places = ("input", "transform", "forget", "output", "state")
    v = lstm(inputs, units) | made(**{f"{place}/{kind}": (units,) for place in places for kind in ("gamma", "beta")})
    found = converted(under("rnn/layer_norm_lstm_cell", v), epsilon=1e-4, clip_cell=0.8)
    assert "rnn/layer_norm_lstm_cell/bias" in found.metadata["conversion"]["ignored"]
    x, y = run(found, inputs)
    c, m = np.zeros((2, units)), np.zeros((2, units))
    for t in range(x.shape[1]):
        columns = np.split(np.concatenate([x[:, t], m], 1) @ v["kernel"], 4, axis=1)
        i, j, f, o = (
            norm(a, v[f"{place}/gamma"], v[f"{place}/beta"], 1e-4) for a, place in zip(columns, places[:4], strict=True)
        )
        c = sigmoid(f + 1) * c + sigmoid(i) * np.tanh(j)
        c = np.clip(norm(c, v["state/gamma"], v["state/beta"], 1e-4), -0.8, 0.8)
        m = sigmoid(o) * np.tanh(c)
        np.testing.assert_allclose(y[:, t], m, atol=1e-6)


def test_half_precision_has_another_epsilon():
    places = ("input", "transform", "forget", "output", "state")
    v = made(kernel=(8, 20)) | made(**{f"{place}/{kind}": (5,) for place in places for kind in ("gamma", "beta")})
    for dtype, epsilon in ((np.float16, 1e-3), (np.float64, 1e-12)):
        found = converted(under("rnn/layer_norm_basic_lstm_cell", {k: a.astype(dtype) for k, a in v.items()}))
        assert found.model.layers[0].cell.layer_norm.epsilon == epsilon


def test_timefreq_without_peepholes():
    """`TimeFreqLSTMCell.call`, over windows of the features."""
    units, size, skip, inputs = 3, 4, 3, 10
    v = made(W_0=(size + 2 * units, 4 * units), B=(4 * units,))
    arrays = under("tf_lstm/time_freq_lstm_cell", v)
    settings = {"feature_size": size, "frequency_skip": skip, "inputs": inputs}
    for name in settings:
        with pytest.raises(SpecError, match=rf"TimeFreqLSTMCell holds neither .* --set {name}="):
            converted(arrays, **{key: value for key, value in settings.items() if key != name})
    x, y = run(converted(arrays, **settings, forget_bias=0.5), inputs)
    windows = 3
    c, m = np.zeros((windows, 2, units)), np.zeros((windows, 2, units))
    for t in range(x.shape[1]):
        below = np.zeros((2, units))
        for k in range(windows):
            row = np.concatenate([x[:, t, k * skip : k * skip + size], m[k], below], 1)
            i, j, f, o = np.split(row @ v["W_0"] + v["B"], 4, axis=1)
            c[k] = sigmoid(f + 0.5) * c[k] + sigmoid(i) * np.tanh(j)
            m[k] = below = sigmoid(o) * np.tanh(c[k])
        np.testing.assert_allclose(y[:, t], np.concatenate(list(m), 1), atol=1e-6)


def test_settings_reach_the_cell_that_they_name():
    arrays = stack(SCOPE, lstm(3, 5), lstm(5, 5))
    settings = {"forget_bias": 0, "rnn.cells.1.forget_bias": 0.25, "rnn.cells.0.activation": "relu"}
    found = converted(arrays, **settings, **{"rnn.cells.1.residual": True})
    first, second = found.model.layers[0].cell.cells
    assert (first.cell_activation, first.output_activation) == ("relu", "relu")
    assert second.cell == LSTM(units=5)
    for k, added in enumerate((0, 0.25)):
        bias = arrays[f"{SCOPE.format(k)}/bias"].reshape(4, 5)[[0, 2, 1, 3]]
        bias[1] += added
        np.testing.assert_array_equal(found.weights[f"rnn.cells.{k}.bias"], bias)
    (note,) = [note for note in found.metadata["conversion"]["notes"] if "rnn.cells.1" in note]
    assert "forget_bias 0.25" in note


def test_what_training_leaves_behind_is_ignored_with_a_reason():
    arrays = under("m/rnn/gru_cell", gru(3, 4))
    kernel = "m/rnn/gru_cell/gates/kernel"
    left = {
        f"{kernel}/{slot}": arrays[kernel] for slot in ("Adam", "Adam_1", "Momentum", "RMSProp_1", "Adadelta", "Ftrl")
    }
    left |= {f"train/{kernel}/Adagrad": arrays[kernel], f"{kernel}/ExponentialMovingAverage": arrays[kernel] + 1}
    left |= {name: np.array(1) for name in ("global_step", "train/beta1_power", "learning_rate", "save_counter")}
    found = converted(arrays | left)
    assert set(found.metadata["conversion"]["ignored"]) == set(left)
    np.testing.assert_array_equal(found.weights["rnn.kernel"][0], arrays[kernel][:3, :4].T)


def test_moving_averages():
    arrays = under("rnn/gru_cell", gru(3, 4))
    averages = {f"{name}/ExponentialMovingAverage": array + 1 for name, array in arrays.items()}
    expected = converted({name: array + 1 for name, array in arrays.items()}).weights
    for given in (arrays | averages, averages):
        found = converted(given, ema=True).weights
        for name, weight in found.items():
            np.testing.assert_array_equal(weight, expected[name])
    with pytest.raises(SpecError, match="--ema takes them"):
        converted(averages)
    with pytest.raises(SpecError, match="--ema: it holds no moving averages"):
        converted(arrays, ema=True)
    averages.popitem()
    with pytest.raises(SpecError, match="--ema: rnn/gru_cell/candidate/bias has no moving average"):
        converted(arrays | averages, ema=True)


BOTH = under("encoder/rnn/gru_cell", gru(3, 4)) | under("decoder/rnn/gru_cell", gru(4, 4))


def test_an_encoder_and_a_decoder_one_at_a_time():
    with pytest.raises(UnsupportedError, match=r"not a chain, by their names: decoder/rnn, encoder/rnn; --part"):
        converted(BOTH)
    found = converted(BOTH, part="encoder")
    assert chain(found) == "3 rnn 4"
    assert set(found.metadata["conversion"]["ignored"]) == {name for name in BOTH if name.startswith("decoder")}


def test_two_models_in_one_checkpoint():
    def model(scope: str) -> Arrays:
        return under(scope, made(embedding=(9, 5)) | under("rnn/lstm_cell", lstm(5, 5)) | under("softmax", dense(5, 9)))

    def larger(scope: str) -> Arrays:
        return under(scope, made(table=(9, 7)) | under("rnn/lstm_cell", lstm(7, 7)) | under("softmax", dense(7, 9)))

    for one, two in (("lm", "lm_1"), ("english", "german"), ("fw_lm", "bw_lm"), ("model_a", "model_b")):
        with pytest.raises(UnsupportedError, match="not a chain, by their names") as error:
            converted(model(one) | model(two))
        with pytest.raises((SpecError, UnsupportedError), match=r"not a chain, by their names|cannot be read off"):
            converted(model(one) | larger(two))
        assert f"--part takes one of {one}, {two}" in str(error.value) or f"of {two}, {one}" in str(error.value)
        assert chain(converted(model(one) | model(two), part=two)) == "ids embedding 5 rnn 5 softmax 9"


def test_a_residual_wrapper_leaves_nothing_in_a_checkpoint_and_so_is_said():
    found = converted(under("rnn/gru_cell", gru(4, 4)) | under("out", dense(4, 2)))
    notes = found.metadata["conversion"]["notes"]
    assert notes == [
        "rnn: activation tanh (default); residual false (default): no checkpoint holds these; "
        "the defaults are TensorFlow's",
        "taken as a chain: rnn → out",
        "rnn: forward in time, it is assumed; --set NAME.direction=backward otherwise",
        "every step goes on to out, it is assumed; --set rnn.return_sequences=false for the last alone",
        "out: no activation is in the file; --set NAME.activation=… if there was one",
        "time is the second axis, it is assumed; load it with time_major=True otherwise",
        "what is between the layers is not in the file: no dropout, no masks, no pooling are assumed",
    ]
    arrays = under("rnn/gru_cell", gru(4, 4))
    x, plain = run(converted(arrays), 4)
    _, around = run(converted(arrays, residual=True), 4)
    np.testing.assert_allclose(around, x + plain, atol=1e-12)
    named = converted(under("rnn/residual_wrapper/gru_cell", gru(4, 4)) | under("out", dense(4, 2)))
    assert type(named.model.layers[0].cell).__name__ == "Residual"


def test_the_scope_of_linear_in_a_cell_and_a_layer_of_that_name():
    arrays = under("RNN/BasicLSTMCell/linear", lstm(3, 5, "weights", "biases"))
    found, expected = converted(arrays), converted(under("rnn/basic_lstm_cell", lstm(3, 5)))
    assert found.model == expected.model
    kernel = arrays["RNN/BasicLSTMCell/linear/weights"]
    np.testing.assert_array_equal(found.weights["rnn.kernel"][0], kernel[:3, :5].T)
    gates = {"gates/kernel": "gates/linear/weights", "gates/bias": "gates/linear/biases"}
    arrays = {gates.get(name, name): array for name, array in gru(3, 5).items()}
    assert chain(converted(under("rnn/gru_cell", arrays))) == "3 rnn 5"
    head = under("linear", dense(5, 2, "weights", "biases"))
    for scope in ("", "lstm", "rnn"):
        cell = under("rnn/basic_lstm_cell", lstm(3, 5))
        assert chain(converted(under(scope, head) | cell)) == "3 rnn 5 linear 2"


def test_a_learned_state_is_no_layer():
    for name in ("h0", "rnn/c0", "initial_state", "decoder_init_state", "init_h"):
        with pytest.raises(SpecError, match=rf"no layer uses {name} \(1, 5\)"):
            converted(under("rnn/lstm_cell", lstm(5, 5)) | made(**{name: (1, 5)}))
    assert chain(converted(under("rnn/lstm_cell", lstm(5, 5)) | under("h", dense(1, 5)))) == "1 h 5 rnn 5"


NAMES = {
    "digits": "1" * 100_000 + "x",
    "attention": "attention" * 10_000 + "x",
    "conv": "conv_" * 20_000 + "x",
    "numbers": "_1" * 50_000 + "x",
    "depth": "a/" * 50_000 + "x",
    "capitals": "LSTMCell" * 10_000 + "x",
}


@pytest.mark.parametrize("name", NAMES)
def test_long_names_are_read_at_once(name):
    """Each took minutes where a pattern was tried at every letter."""
    name = NAMES[name]
    arrays = under(f"{name}/rnn/gru_cell", gru(4, 5)) | under(f"{name}/out", dense(5, 2))
    arrays |= {f"{key}/Adam": array for key, array in arrays.items()}
    found = converted(arrays)
    assert chain(found) == "4 rnn 5 out 2"
    assert len(found.metadata["conversion"]["ignored"]) == 6


def test_thousands_of_scopes_are_read_at_once():
    """The square of these numbers is out of reach."""
    count = 2000
    arrays = stack(SCOPE, *(gru(1, 1) for _ in range(count)))
    assert len(converted(arrays).model.layers[0].cell.cells) == count
    arrays = {f"v_{k}/w{'ab'[k % 2]}": np.ones((2, 2), np.float32) for k in range(20_000)}
    arrays |= {f"v_{k}/b": np.ones(2, np.float32) for k in range(20_000)} | under("rnn/gru_cell", gru(2, 2))
    with pytest.raises(SpecError, match=r"is the bias of|cannot be read off"):
        converted(arrays)


def test_the_order_can_be_given(tmp_path):
    arrays = under("rnn/gru_cell", gru(4, 4)) | under("a", dense(4, 4)) | under("b", dense(4, 4))
    with pytest.raises(SpecError, match="--config"):
        converted(arrays)
    config = tmp_path / "order.json"
    config.write_text('["b", "rnn", "a"]')
    found = converted(arrays, config=config)
    assert chain(found) == "4 b 4 rnn 4 a 4"


def test_options_of_the_layer():
    arrays = under("bidirectional_rnn/fw/gru_cell", gru(3, 4)) | under("bidirectional_rnn/bw/gru_cell", gru(3, 4))
    head = under("out", dense(4, 2))
    layer = converted(arrays | head, merge="sum", return_sequences=False).model.layers[0]
    assert (layer.merge, layer.return_sequences) == ("sum", False)
    assert converted(under("rnn/gru_cell", gru(3, 4)), direction="backward").model.layers[0].direction == "backward"


@pytest.mark.parametrize(
    ("given", "kind"),
    [("rnn", "rnn"), ("ugrnn", "ugrnn"), ("lstm", "lstm"), (None, None)],
)
def test_a_cell_whose_kind_cannot_be_told(given, kind):
    columns = 8
    arrays = under("rnn/mine", made(kernel=(9 + columns, columns), bias=(columns,)))
    if given is None:
        with pytest.raises(SpecError, match=r"fit rnn and ugrnn and lstm.*--set 'cells="):
            converted(arrays)
        return
    layer = converted(arrays, cells={"rnn/mine": given}).model.to_builtins()["layers"][0]
    assert layer["cell"]["type"] == kind


def without(arrays: Arrays, name: str) -> Arrays:
    return {key: array for key, array in arrays.items() if key != name}


CELL = under("rnn/lstm_cell", lstm(3, 5))
BAD = {
    "leftover": (CELL | made(mystery=(3, 4, 5)), r"no layer uses mystery \(3, 4, 5\)"),
    "leftover vector": (CELL | made(**{"out/W": (5, 2), "scale": (2,)}), r"no layer uses scale \(2,\)"),
    "missing bias": (without(CELL, "rnn/lstm_cell/bias"), "variable 'rnn/lstm_cell/bias' is missing"),
    "missing kernel": (without(CELL, "rnn/lstm_cell/kernel"), "variable 'rnn/lstm_cell/kernel' is missing"),
    "missing peephole": (
        CELL | under("rnn/lstm_cell", made(w_i_diag=(5,), w_o_diag=(5,))),
        "variable 'rnn/lstm_cell/peephole_f' is missing",
    ),
    "odd kernel": (
        CELL | {"rnn/lstm_cell/kernel": np.zeros((8, 21))},
        "expected a matrix for 4 gates, .*found shape \\(8, 21\\)",
    ),
    "bias of another size": (CELL | {"rnn/lstm_cell/bias": np.zeros(16)}, r"expected shape \(20\), found \(16,\)"),
    "kernel of numbers": (CELL | {"rnn/lstm_cell/kernel": np.zeros((8, 20), int)}, "expected floats, not int64"),
    "kernel of one axis": (CELL | {"rnn/lstm_cell/kernel": np.zeros(20)}, r"expected a matrix for 4 gates, .*\(20,\)"),
    "kernel without axes": (CELL | {"rnn/lstm_cell/kernel": np.zeros(())}, r"expected shape \(any, any\), found \(\)"),
    "kernel too short": (CELL | {"rnn/lstm_cell/kernel": np.zeros((5, 20))}, "expected more than 5 rows"),
    "missing cell": (
        stack(SCOPE, lstm(3, 5)) | under(SCOPE.format(2), lstm(5, 5)),
        "cell 1 of a MultiRNNCell is missing",
    ),
    "cells that do not fit": (stack(SCOPE, lstm(3, 5), lstm(4, 5)), "cells.1: expected 5 inputs, .*found 4"),
    "one direction": (under("bidirectional_rnn/fw/gru_cell", gru(3, 4)), "'bw' is missing"),
    "one bias of two": (
        CELL | made(**{"a/W": (5, 2), "x/b1": (2,), "y/b2": (2,)}),
        "variable 'x/b1' is the bias of a/W: their names and shapes do not tell",
    ),
    "attention": (under("rnn/attention_wrapper/lstm_cell", lstm(3, 5)), "attention_wrapper has no counterpart"),
    "Keras": (
        under("lstm", made(kernel=(3, 20), recurrent_kernel=(5, 20), bias=(20,))),
        "lstm: a Keras layer; save the model as Keras does",
    ),
    "two towers": (
        under("left/rnn/gru_cell", gru(3, 4)) | under("right/rnn/gru_cell", gru(3, 4)),
        "not a chain, by their names: left/rnn, right/rnn; --part takes one of left, right",
    ),
    "no cell": (under("softmax", dense(3, 4)), "no variables of a recurrent cell"),
}


@pytest.mark.parametrize("name", BAD)
def test_bad_variables_in_one_line(name):
    arrays, message = BAD[name]
    with pytest.raises((SpecError, UnsupportedError), match=message) as error:
        converted(arrays)
    assert "\n" not in str(error.value)
    assert str(error.value).startswith(("model.ckpt", "rnn"))
