"""Keras files written by hand: what is read from them, and what is refused. No Keras is needed."""

import json
import zipfile
import zlib

import h5py
import numpy as np
import pytest

from rnnspec import Checkpoint, Dense, Model, Recurrent, SpecError, UnsupportedError
from rnnspec.activations import HardSigmoid
from rnnspec.conventions.keras import Version
from rnnspec.convert import convert, parts
from rnnspec.convert.keras.activations import activation
from rnnspec.reference import Net

INPUTS, UNITS = 5, 3


def layer(kind, name, *inputs, **config):
    """A layer's JSON as Keras 2 writes it."""
    nodes = [[[source, 0, 0, {}] if isinstance(source, str) else [*source, {}] for source in inputs]]
    return {
        "class_name": kind,
        "name": name,
        "config": {"name": name, **config},
        "inbound_nodes": nodes if inputs else [],
    }


def lstm(name="rnn", *inputs, **config):
    config = {"units": UNITS, "activation": "tanh", "recurrent_activation": "sigmoid", **config}
    return layer("LSTM", name, *inputs, **config)


def dense(name="head", *inputs, **config):
    return layer("Dense", name, *inputs, **{"units": 2, "activation": "linear", **config})


def source(name="x", *shape):
    return layer("InputLayer", name, batch_input_shape=[None, 7, *(shape or (INPUTS,))])


def sequential(*layers):
    first = {**layers[0], "config": {**layers[0]["config"], "batch_input_shape": [None, 7, INPUTS]}}
    return {"class_name": "Sequential", "config": {"name": "model", "layers": [first, *layers[1:]]}}


def functional(*layers, outputs):
    return {"class_name": "Model", "config": {"layers": list(layers), "output_layers": [[n, 0, 0] for n in outputs]}}


def weights(inputs=INPUTS, units=UNITS, gates=4, bias=None):
    """kernel, recurrent_kernel and bias of a cell."""
    rng = np.random.default_rng(inputs + 7 * units + 31 * gates)
    shapes = {
        "kernel": (inputs, gates * units),
        "recurrent_kernel": (units, gates * units),
        "bias": bias or (gates * units,),
    }
    return {name: rng.standard_normal(shape).astype("float32") for name, shape in shapes.items()}


def head(inputs=UNITS, units=2):
    rng = np.random.default_rng(inputs)
    return {"kernel": rng.standard_normal((inputs, units)).astype("float32"), "bias": np.arange(units, dtype="float32")}


def write(path, config, layers, version="2.2.4", idle=()):
    """A whole model in HDF5, or a file of weights where `config` is None; `layers`: name → leaf → array."""
    with h5py.File(path, "w") as file:
        file.attrs["keras_version"] = version
        if config is not None:
            file.attrs["model_config"] = json.dumps(config)
        group = file if config is None else file.create_group("model_weights")
        group.attrs["layer_names"] = [*idle, *layers]
        for name in idle:
            group.create_group(name).attrs["weight_names"] = []
        for name, leaves in layers.items():
            inside = group.create_group(name)
            inside.attrs["weight_names"] = [f"{name}/{leaf}:0" for leaf in leaves]
            for leaf, array in leaves.items():
                inside[f"{name}/{leaf}:0"] = array
    return path


@pytest.fixture
def path(tmp_path):
    return tmp_path / "model.h5"


def refused(source, *words, error=(SpecError, UnsupportedError), **options):
    with pytest.raises(error) as caught:
        convert(source, **options)
    message = str(caught.value)
    assert "\n" not in message
    for word in words:
        assert word in message


def test_a_model_by_hand(path):
    rnn, last = weights(), head()
    checkpoint = convert(write(path, sequential(lstm(), dense()), {"rnn": rnn, "head": last}))
    x = np.random.default_rng(0).standard_normal((2, 7, INPUTS))
    h = c = np.zeros((2, UNITS))
    for t in range(7):
        a = x[:, t] @ rnn["kernel"] + h @ rnn["recurrent_kernel"] + rnn["bias"]
        i, f, g, o = np.split(a, 4, axis=1)
        sigmoid = [1 / (1 + np.exp(-gate)) for gate in (i, f, o)]
        c = sigmoid[1] * c + sigmoid[0] * np.tanh(g)
        h = sigmoid[2] * np.tanh(c)
    y, state = Net(checkpoint, "float64")(x)
    np.testing.assert_allclose(y, h @ last["kernel"] + last["bias"], atol=1e-12)
    np.testing.assert_allclose(state["rnn.c"], c, atol=1e-12)
    assert checkpoint.metadata["conversion"] == {"format": "keras", "source": "model.h5", "notes": [], "ignored": {}}


def test_defaults_are_those_of_the_version(path):
    config = sequential(layer("GRU", "rnn", units=UNITS))
    hard = HardSigmoid(alpha=0.2, beta=0.5)
    for version, bias, gates, after in (
        ("2.2.4", (9,), hard, False),
        ("2.3.1", (9,), "sigmoid", False),
        ("2.4.0", (2, 9), "sigmoid", True),
        ("3.0.5", (2, 9), "sigmoid", True),
    ):
        checkpoint = convert(write(path, config, {"rnn": weights(gates=3, bias=bias)}, version))
        cell = checkpoint.model.layers[0].cell
        assert (cell.gate_activation, cell.reset_after) == (gates, after)
        assert any("reset_after" in note for note in checkpoint.metadata["conversion"]["notes"])


def test_hard_sigmoid_is_that_of_the_version():
    slopes = {text: activation("hard_sigmoid", Version.parse(text, ""), "").alpha for text in ("2.15.0", "3.1.0")}
    assert slopes == {"2.15.0": 0.2, "3.1.0": 1 / 6}


def test_the_names_of_the_other_version_are_refused(path):
    for version, name in (("2.15.0", "hard_tanh"), ("3.1.0", "glu"), ("3.1.0", "sparsemax"), ("3.1.0", "mine")):
        refused(write(path, sequential(lstm(activation=name)), {"rnn": weights()}, version), repr(name), "'rnn'")


def test_a_leftover_variable(path):
    extra = weights() | {"more": np.ones(3, "float32")}
    refused(write(path, sequential(lstm()), {"rnn": extra}), "no layer uses", "more")


def test_a_missing_variable(path):
    rnn = weights()
    del rnn["bias"]
    refused(write(path, sequential(lstm()), {"rnn": rnn}), "'rnn'", "'bias' is missing")


def test_a_missing_dataset(path):
    write(path, sequential(lstm()), {"rnn": weights()})
    with h5py.File(path, "a") as file:
        del file["model_weights/rnn/rnn/kernel:0"]
    refused(path, "kernel:0", "is missing")


@pytest.mark.parametrize(
    ("leaf", "shape"), [("kernel", (5, 13)), ("kernel", (4, 12)), ("bias", (11,)), ("bias", (2, 12))]
)
def test_an_impossible_shape(path, leaf, shape):
    rnn = weights() | {leaf: np.ones(shape, "float32")}
    refused(write(path, sequential(lstm()), {"rnn": rnn}), leaf, str(shape))


def test_variables_in_another_order(path):
    rnn = weights(UNITS)
    rnn = {"recurrent_kernel": rnn["recurrent_kernel"], "kernel": rnn["kernel"], "bias": rnn["bias"]}
    refused(write(path, sequential(lstm()), {"rnn": rnn}), "expected its variable 'kernel'")


def test_integers(path):
    rnn = {name: array.astype("int8") for name, array in weights().items()}
    refused(write(path, sequential(lstm()), {"rnn": rnn}), "quantised")


@pytest.mark.parametrize(
    "code",
    [
        layer("Lambda", "code", function=["gAAA", None, None]),
        layer("Activation", "code", activation={"class_name": "__lambda__", "config": {"value": "gAAA"}}),
        layer("Activation", "code", activation={"class_name": "function", "config": "f", "registered_name": "f"}),
        layer("TimeDistributed", "code", layer=layer("Lambda", "inner", function="gAAA")),
        layer("Bidirectional", "code", layer=layer("Lambda", "inner", function="gAAA")),
    ],
    ids=["Lambda", "lambda", "function", "TimeDistributed", "Bidirectional"],
)
def test_code_is_refused(path, code):
    layers = {"rnn": weights(), "head": head()}
    refused(write(path, sequential(lstm(), dense(), code), layers), "never run", error=UnsupportedError)


def test_links_are_not_followed(path, tmp_path):
    for link in (h5py.ExternalLink(str(tmp_path / "other.h5"), "/a"), h5py.SoftLink("/model_weights")):
        write(path, sequential(lstm()), {"rnn": weights()})
        with h5py.File(path, "a") as file:
            file["model_weights/rnn/more"] = link
        refused(path, "model_weights/rnn/more", "not followed", error=SpecError)


def test_data_outside_the_file(path, tmp_path):
    for make in (
        lambda file: file.create_dataset("more", (3,), "f4", external=[(str(tmp_path / "raw"), 0, 12)]),
        lambda file: file.create_virtual_dataset("more", virtual(tmp_path)),
    ):
        write(path, sequential(lstm()), {"rnn": weights()})
        with h5py.File(path, "a") as file:
            make(file)
        refused(path, "more", "another file", error=SpecError)


def virtual(folder):
    layout = h5py.VirtualLayout((3,), "f4")
    layout[:] = h5py.VirtualSource(folder / "other.h5", "a", (3,))
    return layout


def test_a_small_file_with_much_in_it(path):
    write(path, sequential(lstm()), {"rnn": weights()})
    with h5py.File(path, "a") as file:
        file.create_dataset("more", (1 << 34,), "f4", chunks=(1 << 20,), compression="gzip")
    refused(path, "unpack", error=SpecError)


def test_damaged_files(path, tmp_path):
    write(path, sequential(lstm()), {"rnn": weights()})
    content = path.read_bytes()
    for k, cut in enumerate((12, 200, len(content) // 2)):
        (tmp_path / f"{k}.h5").write_bytes(content[:cut])
        refused(tmp_path / f"{k}.h5", "damaged", error=SpecError)
    for text in (
        "{",
        "[1, 2]",
        '{"class_name": 3}',
        '{"class_name": "Sequential", "config": {"layers": 4}}',
        "[" * 99999,
    ):
        with h5py.File(path, "a") as file:
            file.attrs["model_config"] = text
        refused(path, error=SpecError)


def keras_file(path, config, arrays, version="3.4.1"):
    """A `.keras` file; `arrays`: path → array."""
    inside = path.with_suffix(".inside")
    with h5py.File(inside, "w") as file:
        for name, array in arrays.items():
            file[name] = array
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("config.json", json.dumps(config))
        archive.writestr("metadata.json", json.dumps({"keras_version": version}))
        archive.writestr("model.weights.h5", inside.read_bytes())
    return path


def test_paths_of_keras_3(tmp_path):
    rnns = [weights(), weights(UNITS, 4), weights(4, 3)]
    config = sequential(*(lstm(name, units=n, return_sequences=True) for name, n in (("b", 3), ("a", 4), ("c", 3))))
    for place, numbers in (("layers", ("", "_1", "_2")), ("_layer_checkpoint_dependencies", ("", "_2", "_10"))):
        arrays = {
            f"{place}/lstm{number}/cell/vars/{k}": array
            for number, rnn in zip(numbers, rnns, strict=True)
            for k, array in enumerate(rnn.values())
        }
        arrays |= {"optimizer/vars/0": np.ones(2), f"{place}/lstm/cell/seed_generator/vars/0": np.ones(2)}
        checkpoint = convert(keras_file(tmp_path / "model.keras", config, arrays))
        assert [layer.name for layer in checkpoint.model.layers] == ["b", "a", "c"]
        for name, rnn in zip("bac", rnns, strict=True):
            np.testing.assert_array_equal(
                checkpoint.weights[f"{name}.kernel"].reshape(-1, len(rnn["kernel"])).T, rnn["kernel"]
            )
        assert len(checkpoint.metadata["conversion"]["ignored"]) == 2
        arrays[f"{place}/dense/vars/0"] = np.ones((3, 2))
        refused(keras_file(tmp_path / "model.keras", config, arrays), "dense/vars/0", error=SpecError)
        del arrays[f"{place}/lstm/cell/vars/2"], arrays[f"{place}/dense/vars/0"]
        refused(keras_file(tmp_path / "model.keras", config, arrays), "lstm/cell/vars/2", "is missing", error=SpecError)


def test_bad_archives(tmp_path):
    path = tmp_path / "model.keras"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("config.json", "{}")
        archive.writestr("model.weights.h5", bytes(1 << 28))
    refused(path, "unpack", error=SpecError)
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("config.json", "{}")
    refused(path, "metadata.json", error=SpecError)
    keras_file(path, sequential(lstm()), {"layers/lstm/cell/vars/0": np.ones((5, 12))})
    content = bytearray(path.read_bytes())
    content[content.index(b"class_name")] ^= 1
    path.write_bytes(content)
    assert zlib.crc32(content)
    refused(path, "damaged", error=SpecError)


REFUSED = [  # the layer that the message names, and the model
    ("conv", [layer("ConvLSTM2D", "conv", filters=3)]),
    ("prelu", [layer("PReLU", "prelu"), lstm()]),
    ("attention", [lstm(), layer("Attention", "attention")]),
    ("capped", [dense(), layer("ReLU", "capped", max_value=2.0)]),
    ("mask", [lstm(return_sequences=True), layer("Masking", "mask", mask_value=0.0), lstm("two")]),
    ("rnn", [layer("RNN", "rnn", cell=layer("Peephole", "cell", units=3))]),
    ("each", [layer("TimeDistributed", "each", layer=lstm("inner"))]),
    ("rnn", [layer("Masking", "mask", mask_value=0.0), lstm(zero_output_for_mask=True)]),
    ("both", [layer("Bidirectional", "both", layer=lstm(go_backwards=True), merge_mode="concat")]),
]


@pytest.mark.parametrize(("culprit", "layers"), REFUSED, ids=[culprit for culprit, _ in REFUSED])
def test_what_has_no_equal_is_refused_by_name(path, culprit, layers):
    both = {f"{way}/{name}": array for way in "fb" for name, array in weights().items()}
    known = {"rnn": weights(), "two": weights(UNITS), "head": head(INPUTS), "each": weights(), "both": both}
    names = [layer["name"] for layer in layers if layer["name"] in known]
    write(path, sequential(*layers), {name: known[name] for name in names})
    refused(path, repr(culprit), error=UnsupportedError)


def two_parts():
    """An encoder whose states start a decoder."""
    encoder, decoder = (
        lstm("encoder", "enc", return_state=True),
        lstm("decoder", "dec", ["encoder", 0, 1], ["encoder", 0, 2]),
    )
    return functional(source("enc"), source("dec", 4), encoder, decoder, dense("head", "decoder"), outputs=["head"])


def test_parts(path):
    write(path, two_parts(), {"encoder": weights(), "decoder": weights(4), "head": head()})
    assert convert(path).model.graph.nodes[1].start == {"h": "encoder.h", "c": "encoder.c"}
    refused(path, "no such layer", "encoder, decoder, head", part="tail", error=SpecError)
    for part, names, inputs in (
        ("encoder", ["encoder"], 5),
        ("decoder", ["decoder", "head"], 4),
        ("head", ["decoder", "head"], 4),
    ):
        checkpoint = convert(path, part=part)
        assert [layer.name for layer in checkpoint.model.layers] == names
        assert checkpoint.model.inputs == inputs
        assert len(checkpoint.metadata["conversion"]["ignored"]) == 8 - len(checkpoint.weights)


def test_parts_are_listed(path):
    code = layer("Lambda", "code", "x", function="gAAA")
    rnn, end = lstm("rnn", "code", return_sequences=True), layer("PReLU", "end", "head")
    write(path, functional(source(), code, rnn, dense("head", "rnn"), end, outputs=["end"]),
          {"rnn": weights(), "head": head(UNITS, 2)})  # fmt: skip
    lines = list(parts(path).lines())
    assert lines[0].startswith("not whole: 'code' (Lambda): holds code")
    assert lines[1:] == [
        f"--part rnn: rnn → head: reads code ({INPUTS}), gives head (2)",
        "no equal: code (Lambda)",
        "no equal: end (PReLU)",
    ]
    assert [layer.name for layer in convert(path, part="rnn").model.layers] == ["rnn", "head"]
    write(path, two_parts(), {"encoder": weights(), "decoder": weights(4), "head": head()})
    assert [part.layers for part in parts(path).parts] == [("encoder",), ("decoder", "head")]
    assert parts(path).whole


def test_branches_and_shared_layers(path):
    rnn = lstm("rnn", "x", return_sequences=True)
    heads = functional(source(), rnn, dense("one", "rnn"), dense("two", "rnn", units=4), outputs=["one", "two"])
    write(path, heads, {"rnn": weights(), "one": head(), "two": head(UNITS, 4)})
    assert convert(path).model.outputs == ("one", "two")
    assert [layer.name for layer in convert(path, part="two").model.layers] == ["rnn", "two"]
    assert [layer.name for layer in convert(path, part="rnn").model.layers] == ["rnn"]
    shared = {**rnn, "inbound_nodes": [[["x", 0, 0, {}]], [["y", 0, 0, {}]]]}
    write(path, functional(source(), source("y"), shared, outputs=["rnn"]), {"rnn": weights()})
    assert [layer.name for layer in convert(path).model.layers] == ["rnn"]  # the other call leads to no output
    assert [layer.name for layer in convert(path, part="rnn").model.layers] == ["rnn"]
    loop = functional(lstm("a", "b"), lstm("b", "a"), outputs=["b"])
    write(path, loop, {"a": weights(), "b": weights()})
    refused(path)


def test_weights_beside_a_configuration(path, tmp_path):
    config = tmp_path / "model.json"
    whole = convert(write(path, sequential(lstm("one"), dense("two")), {"one": weights(), "two": head()}))
    write(path, None, {"rnn": weights(), "head": head()})
    config.write_text(json.dumps(sequential(lstm("one"), dense("two")) | {"keras_version": "2.2.4"}))
    checkpoint = convert(path, config=config)
    assert checkpoint.weights.keys() == whole.weights.keys()
    for name, array in whole.weights.items():
        np.testing.assert_array_equal(checkpoint.weights[name], array)
    assert any("rnn is one, head is two" in note for note in checkpoint.metadata["conversion"]["notes"])
    config.write_text(json.dumps(sequential(dense("head"), lstm("rnn")) | {"keras_version": "2.2.4"}))
    refused(path, "another order", config=config)
    config.write_text(json.dumps(sequential(lstm("one"))))
    refused(path, "--set keras_version", config=config)
    refused(path, "the configuration has 1", config=config, settings={"keras_version": "2.2.4"})


def test_weights_beside_our_architecture(path, tmp_path):
    whole = convert(write(path, sequential(lstm(), dense()), {"rnn": weights(), "head": head()}))
    write(path, None, {"rnn": weights(), "head": head()})
    (tmp_path / "ours.json").write_text(whole.model.to_json())
    checkpoint = convert(path, config=tmp_path / "ours.json")
    assert checkpoint.model == whole.model
    np.testing.assert_array_equal(checkpoint.weights["rnn.recurrent_kernel"], whole.weights["rnn.recurrent_kernel"])


def test_weights_alone_show_their_layers(path):
    checkpoint = convert(write(path, None, {"rnn": weights(), "head": head()}, idle=["x"]))
    rnn, last = checkpoint.model.layers
    assert isinstance(checkpoint, Checkpoint)
    assert isinstance(checkpoint.model, Model)
    assert isinstance(rnn, Recurrent)
    assert isinstance(last, Dense)
    assert rnn.cell.gate_activation == HardSigmoid(alpha=0.2, beta=0.5)
    said = "no configuration: taken as a chain: rnn → head, without masks, all steps returned, "
    assert any(note.startswith(said) for note in checkpoint.metadata["conversion"]["notes"])
    settings = {"rnn.recurrent_activation": "sigmoid", "head.activation": "softmax"}
    rnn, last = convert(path, settings=settings).model.layers
    assert (rnn.cell.gate_activation, last.activation) == ("sigmoid", "softmax")


def test_weights_alone_that_do_not_show_enough(path):
    write(path, None, {"rnn": weights()}, idle=["x", "masking_1"])
    refused(path, "masking_1", "--config", error=SpecError)
    write(path, None, {"rnn": weights(), "two": weights(7)})
    refused(path, "two takes 7, but rnn gives 3", "--config", error=SpecError)
    gru = weights(gates=3)
    del gru["bias"]
    write(path, None, {"rnn": gru})
    refused(path, "--set reset_after", error=SpecError)
    assert convert(path, settings={"reset_after": False}).model.layers[0].cell.reset_after is False


def test_cudnn_is_told_by_the_length_of_its_bias(path):
    turned = weights(bias=(8 * UNITS,))
    kernels = [
        np.hstack([block.ravel().reshape(UNITS, -1).T for block in np.split(turned[name], 4, axis=1)])
        for name in ("kernel", "recurrent_kernel")
    ]
    plain = dict(zip(("kernel", "recurrent_kernel"), kernels, strict=True)) | {
        "bias": turned["bias"].reshape(2, -1).sum(0)
    }
    expected = convert(write(path, sequential(lstm()), {"rnn": plain})).weights
    for config in (sequential(lstm()), sequential(layer("CuDNNLSTM", "rnn", units=UNITS)), None):
        found = convert(write(path, config, {"rnn": turned}))
        assert found.model.layers[0].cell.gate_activation == "sigmoid"
        for name, array in expected.items():
            np.testing.assert_array_equal(found.weights[name], array)
