"""Plain arrays: what a map says of them, what files may hold, RTNeural's JSON in and out."""

import json
import pickle

import numpy as np
import pytest

from rnnspec import GRU, LSTM, RNN, Checkpoint, Model, Recurrent, Stack, UnsupportedError
from rnnspec.activations import HardSigmoid
from rnnspec.convert import convert
from rnnspec.convert.arrays.files import flat, read_nest
from rnnspec.convert.arrays.maps import CONVENTIONS
from rnnspec.errors import SpecError
from rnnspec.ops import scope

from ..golden.case import DATA
from .generate.arrays import tried

RNG = np.random.default_rng(0)
OWN = DATA / "own" / "arrays"
MODEL = {"inputs": 3, "layers": [{"type": "recurrent", "name": "rnn", "cell": {"type": "rnn", "units": 2}}]}
ARRAYS = {"w": np.ones((2, 3), "f"), "u": np.ones((1, 2, 2), "f"), "b": np.ones(4, "f")}
RIGHT = {
    "kernel": {"array": "w", "shape": [1, 2, 3]},
    "recurrent_kernel": "u",
    "bias": {"array": "b", "part": [0, 2], "shape": [1, 2]},
}


def filled(model, seed=0):
    rng = np.random.default_rng(seed)
    return Checkpoint(model, {n: rng.standard_normal(s).astype("f") for n, s in model.parameters().items()})


def mapped(folder, arrays, layers, model=MODEL, **more):
    np.savez(folder / "a.npz", **arrays)
    (folder / "map.json").write_text(json.dumps({"model": model, "layers": layers} | more), encoding="utf-8")
    return convert(folder / "a.npz", arrays=folder / "map.json")


def theirs(kind, convention, cell, weights):
    """The arrays of a cell in a convention, and the options that say what they do not."""
    found = kind.to_theirs(dict(weights))
    options = {"reset_after": cell.reset_after} if convention in ("keras", "cudnn") and isinstance(cell, GRU) else {}
    return {name: np.asarray(array) for name, array in found.items()}, options


@pytest.mark.parametrize(
    ("convention", "cell"),
    [(name, cell) for name, kinds in CONVENTIONS.items() for cell in kinds if cell in (RNN, LSTM, GRU)],
)
def test_every_convention_both_ways(tmp_path, convention, cell):
    if cell is GRU:
        cell = GRU(units=4, reset_after=convention not in ("tf1", "haiku"))
    else:
        cell = cell(units=4, activation="relu") if (convention, cell) == ("haiku", RNN) else cell(units=4)
    model = Model(inputs=3, layers=[Recurrent(name="rnn", cell=Stack(cells=(cell,)), direction="bidirectional")])
    checkpoint = filled(model)
    arrays, layers = {}, {}
    for way in ("forward", "backward"):
        weights = scope(checkpoint.weights, f"rnn.{way}.cells.0")
        found, options = theirs(CONVENTIONS[convention][type(cell)], convention, cell, weights)
        layers[f"rnn.{way}.cells.0"] = {"convention": convention, **{name: f"{way}/{name}" for name in found}}
        if options and "bias" not in found:
            layers[f"rnn.{way}.cells.0"]["options"] = options
        if convention == "onnx" and isinstance(cell, GRU):
            layers[f"rnn.{way}.cells.0"]["options"] = {"linear_before_reset": True}
        arrays |= {f"{way}/{name}": array for name, array in found.items()}
    back = mapped(tmp_path, arrays, layers, json.loads(model.to_json()))
    for name, array in checkpoint.weights.items():
        np.testing.assert_allclose(back.weights[name], array, atol=1e-6, err_msg=name)


@pytest.mark.parametrize(
    ("convention", "cell", "message"),
    [
        ("haiku", RNN(units=4), "activation='tanh', and haiku's RNN has activation='relu'"),
        ("torch", RNN(units=3), "units=3, and torch's RNN has units=4"),
        ("torch", LSTM(units=4, coupled_input_forget=True), "coupled_input_forget=True, and torch's LSTM"),
        ("torch", LSTM(units=4, gate_activation="relu"), "gate_activation='relu', and torch's LSTM"),
        ("tf1", LSTM(units=4, output_activation="relu"), "output_activation='relu', and tf1's LSTM"),
        ("onnx", GRU(units=4, reset_after=True, bias=False), "reset_after=True, and onnx's GRU"),
        ("keras", LSTM(units=4, clip_cell=1.0), "clip_cell=1.0, and keras's LSTM has clip_cell=None"),
    ],
)
def test_a_cell_that_a_convention_has_not_is_refused(tmp_path, convention, cell, message):
    plain = type(cell)(units=4, **({"reset_after": False, "bias": False} if isinstance(cell, GRU) else {}))
    of_plain = filled(Model(inputs=3, layers=[Recurrent(name="rnn", cell=plain)]))
    arrays, _ = theirs(CONVENTIONS[convention][type(cell)], convention, plain, scope(of_plain.weights, "rnn"))
    model = json.loads(Model(inputs=3, layers=[Recurrent(name="rnn", cell=cell)]).to_json())
    with pytest.raises(UnsupportedError, match=message):
        mapped(tmp_path, arrays, {"rnn": {"convention": convention} | {name: name for name in arrays}}, model)


@pytest.mark.parametrize(
    ("convention", "cell"),
    [
        ("keras", LSTM(units=4, gate_activation=HardSigmoid(alpha=0.2, beta=0.5), output_activation="relu")),
        ("keras", GRU(units=4, reset_after=True, bias=False)),
        ("keras", GRU(units=4, reset_after=False, bias=False)),
        ("torch", RNN(units=4, activation="relu")),
        ("tf1", LSTM(units=4, cell_activation="relu", output_activation="relu")),
        ("flax", LSTM(units=4, gate_activation="relu")),
        ("onnx", GRU(units=4, reset_after=False, activation="relu")),
    ],
)
def test_what_no_array_says_is_as_the_model_has_it(tmp_path, convention, cell):
    model = Model(inputs=3, layers=[Recurrent(name="rnn", cell=cell)])
    checkpoint = filled(model)
    arrays, _ = theirs(CONVENTIONS[convention][type(cell)], convention, cell, scope(checkpoint.weights, "rnn"))
    layers = {"rnn": {"convention": convention} | {name: name for name in arrays}}
    back = mapped(tmp_path, arrays, layers, json.loads(model.to_json()))
    for name, array in checkpoint.weights.items():
        np.testing.assert_allclose(back.weights[name], array, atol=1e-6, err_msg=name)


def test_pieces(tmp_path):
    arrays = ARRAYS | {"b": RNG.standard_normal(4).astype("f"), "w": RNG.standard_normal((3, 2)).astype("f")}
    layers = {
        "rnn": RIGHT
        | {
            "kernel": {"array": "w", "transpose": True, "shape": [1, 2, 3]},
            "bias": {"join": [{"array": "b", "part": [1, 4]}, {"array": "b", "part": [3, 4]}], "shape": [1, 2]},
            "recurrent_kernel": {"zeros": [1, 2, 2]},
        }
    }
    with pytest.raises(SpecError, match=r"no layer uses part \[0, 4\] of 'b'"):
        mapped(tmp_path, arrays, layers)
    layers["rnn"]["bias"]["join"] = [{"array": "b", "part": [k, 4]} for k in (3, 1)]
    layers["rnn"]["recurrent_kernel"] = {
        "join": [{"array": "b", "part": [k, 4], "shape": [1, 1, 1]} for k in (0, 2)] * 2
    }
    layers["rnn"]["recurrent_kernel"] |= {"axis": 1, "shape": [1, 2, 2]}
    with pytest.raises(SpecError, match="no layer uses u"):
        mapped(tmp_path, arrays, layers)
    found = mapped(tmp_path, arrays, layers, ignore={"u": "of another model"})
    np.testing.assert_array_equal(found.weights["rnn.kernel"][0], arrays["w"].T)
    np.testing.assert_array_equal(found.weights["rnn.bias"][0], arrays["b"][[3, 1]])
    np.testing.assert_array_equal(found.weights["rnn.recurrent_kernel"].ravel(), arrays["b"][[0, 2, 0, 2]])
    assert found.metadata["conversion"]["ignored"] == {"u": "of another model"}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"kernel": "W"}, "no array 'W'; there are b, u, w"),
        ({"kernel": "w"}, r"kernel: expected shape \(1, 2, 3\), found \(2, 3\)"),
        ({"kernel": {"array": "w", "by": 2}}, "kernel: .*`by`"),
        ({"kernel": {"array": "w", "zeros": [2]}}, "expected one of array, join and zeros"),
        ({"kernel": {"array": "w", "transpose": [0, 0]}}, r"transpose: \[0, 0\] for 2 axes"),
        ({"kernel": {"array": "w", "shape": [7]}}, r"shape: \[7\] of \(2, 3\)"),
        ({"kernel": {"array": "w", "part": [2, 2]}}, r"part: \[2, 2\] of \(2, 3\) along axis 0"),
        ({"kernel": {"join": ["w", "b"]}}, "join: arrays of"),
        ({"kernel": {"zeros": [2**31 - 1] * 3}}, "numbers, and the source has 14: refused"),
        ({"kernel": {"join": ["w"] * 1000}}, "6,000 numbers, and the source has 14: refused"),
        ({"weight": "w"}, "weight: expected one of kernel, recurrent_kernel, bias"),
        ({"convention": "caffe"}, "convention: expected one of torch, keras"),
        ({"convention": "cudnn"}, "a RNN; cudnn has LSTM, GRU"),
        ({"convention": "torch"}, "'kernel': RNN takes weight_ih"),
        ({"options": {"forget_bias": 1}}, "options: only with a convention"),
    ],
)
def test_a_wrong_map_is_refused(tmp_path, change, message):
    with pytest.raises((SpecError, UnsupportedError), match=message):
        mapped(tmp_path, ARRAYS, {"rnn": RIGHT | change})


def test_flags_are_no_weights(tmp_path):
    with pytest.raises(SpecError, match="array 'w': expected numbers, found bool"):
        mapped(tmp_path, ARRAYS | {"w": np.ones((2, 3), bool)}, {"rnn": RIGHT})


def test_a_map_of_other_layers_is_refused(tmp_path):
    with pytest.raises(SpecError, match="'lstm' is no layer of the model"):
        mapped(tmp_path, ARRAYS, {"rnn": RIGHT, "lstm": {}})
    with pytest.raises(SpecError, match="bias not said"):
        mapped(tmp_path, ARRAYS, {"rnn": {k: v for k, v in RIGHT.items() if k != "bias"}})
    with pytest.raises(SpecError, match="ignore: 'q'"):
        mapped(tmp_path, ARRAYS, {"rnn": RIGHT}, ignore={"q": ""})
    with pytest.raises(SpecError, match="found neither"):
        mapped(tmp_path, ARRAYS, {"rnn": RIGHT}, model=None)


def test_arrays_under_names_from_every_file(tmp_path):
    nest = {"a": {"w": [[1, 2.5]]}, "list": [[1.0, 2.0], [3.0]], "n": 3}
    found = flat(nest, "f")
    assert {name: array.shape for name, array in found.items()} == {
        "a/w": (1, 2),
        "list/0": (2,),
        "list/1": (1,),
        "n": (),
    }
    assert found["a/w"].dtype == np.float32
    assert flat({"x": [0.1]}, "f")["x"].dtype == np.float64
    for bad in ({"a": "text"}, {"a": []}, {"a": [[1], ["b"]]}, {"a": None}, {"a": [True]}):
        with pytest.raises(SpecError, match="expected arrays of numbers"):
            flat(bad, "f")
    with pytest.raises(SpecError, match="'a/b' is there twice"):
        flat({"a/b": [1.0], "a": {"b": [2.0]}}, "f")
    said = tmp_path / "map.json"
    said.write_text(json.dumps({"model": MODEL, "layers": {"rnn": {**RIGHT, "bias": {"array": "b", "shape": [1, 2]}}}}))
    arrays = ARRAYS | {"b": np.arange(2, dtype="f")}
    (tmp_path / "folder").mkdir()
    for name, array in arrays.items():
        np.save(tmp_path / "folder" / f"{name}.npy", array)
    (tmp_path / "a.json").write_text(json.dumps({name: array.tolist() for name, array in arrays.items()}))
    for protocol in (2, 5):
        (tmp_path / f"{protocol}.pkl").write_bytes(pickle.dumps(arrays, protocol))
    for name in ("folder", "a.json", "2.pkl", "5.pkl"):
        weights = convert(tmp_path / name, arrays=said).weights
        np.testing.assert_array_equal(weights["rnn.bias"], [[0, 1]])
        assert weights["rnn.kernel"].shape == (1, 2, 3)


def test_what_is_ignored_may_be_anything(tmp_path):
    arrays = {"w": [[1.0] * 3] * 2, "u": [[[1.0] * 2] * 2], "b": [0.0, 1.0], "format": "v1", "more": {"by": None}}
    (tmp_path / "a.json").write_text(json.dumps(arrays))
    layers = {"rnn": RIGHT | {"bias": {"array": "b", "shape": [1, 2]}}}
    said = {"model": MODEL, "layers": layers, "ignore": {"format": "a text", "more": "who made it"}}
    (tmp_path / "map.json").write_text(json.dumps(said))
    found = convert(tmp_path / "a.json", arrays=tmp_path / "map.json")
    assert found.metadata["conversion"]["ignored"] == said["ignore"]
    said["ignore"].pop("more")
    (tmp_path / "map.json").write_text(json.dumps(said))
    with pytest.raises(SpecError, match="'more/by': expected arrays"):
        convert(tmp_path / "a.json", arrays=tmp_path / "map.json")


def manifest(folder, groups, **files):
    (folder / "model.json").write_text(json.dumps(groups))
    for name, data in files.items():
        (folder / name).write_bytes(data)
    return read_nest(folder / "model.json")


def test_manifests(tmp_path):
    w, u, k = np.arange(6, dtype="<f4").reshape(2, 3), np.array([1, 2], "<f2"), np.array([0, 7, 255], "u1")
    weights = [
        {"name": "a/w", "shape": [2, 3], "dtype": "float32"},
        {
            "name": "u",
            "shape": [2],
            "dtype": "float32",
            "quantization": {"dtype": "float16", "original_dtype": "float32"},
        },
        {"name": "k", "shape": [3], "dtype": "float32", "quantization": {"dtype": "uint8", "scale": 0.1, "min": -3.0}},
        {"name": "i", "shape": [], "dtype": "int32", "quantization": {"dtype": "uint16", "scale": 1.5, "min": -2.0}},
    ]
    groups = [{"paths": ["one", "two"], "weights": weights}]
    data = w.tobytes() + u.tobytes() + k.tobytes() + b"\x03\x00"
    for nest in (groups, {"modelTopology": {}, "weightsManifest": groups}):
        found = manifest(tmp_path, nest, one=data[:7], two=data[7:])
        np.testing.assert_array_equal(found["a/w"], w)
        np.testing.assert_array_equal(found["u"], [1, 2])
        np.testing.assert_array_equal(found["k"], (k * 0.1 - 3).astype("f"))
        assert (found["i"], found["i"].dtype) == (3, np.int32)  # 2.5, rounded up
    found = manifest(tmp_path, {"lstm/w": {"filename": "lstm_w", "shape": [2, 3]}}, lstm_w=w.tobytes())
    np.testing.assert_array_equal(found["lstm/w"], w)
    for change, message in (
        ({"paths": ["../one"]}, "'../one': expected the name of a file beside it"),
        ({"paths": ["one", "one"]}, "file 'one' is there twice"),
        ({"paths": ["one"]}, "'a/w' .2, 3.: 'one': 7 bytes"),
        ({"weights": weights[:2]}, "its arrays are 28 bytes; 'one', 'two': 33 bytes"),
        ({"weights": weights[:1] * 2}, "'a/w' is there twice"),
        ({"weights": [weights[0] | {"dtype": "string"}]}, "a manifest of arrays: .*dtype"),
        ({"weights": [weights[0] | {"shape": [-1]}]}, "a manifest of arrays: .*shape"),
    ):
        with pytest.raises(SpecError, match=message):
            manifest(tmp_path, [groups[0] | change], one=data[:7], two=data[7:])


@pytest.mark.parametrize("seed", range(25))
def test_random_models(seed):
    found = tried(seed)
    assert found["map"] == ("exact", "")
    assert found["rtneural"][0] in ("exact", "refused"), found["rtneural"]


def test_a_pickle_that_unfolds_is_refused(tmp_path):
    laughs, endless = [1.0] * 9, {}
    for _ in range(20):
        laughs = [laughs] * 9
    endless[""] = endless
    for nest in (laughs, endless):
        (tmp_path / "a.pkl").write_bytes(pickle.dumps(nest))
        with pytest.raises(SpecError, match="again and again"):
            convert(tmp_path / "a.pkl", arrays="haiku")
    big = np.zeros(100_000)
    (tmp_path / "a.pkl").write_bytes(pickle.dumps([big] * 10_000))
    with pytest.raises(SpecError, match="unpack"):
        convert(tmp_path / "a.pkl", arrays="haiku")


class Evil:
    def __reduce__(self):
        return print, ("executed",)


def test_nothing_of_a_pickle_is_executed(tmp_path, capsys):
    (tmp_path / "a.pkl").write_bytes(pickle.dumps({"w": Evil()}))
    with pytest.raises(SpecError, match="'w': expected arrays of numbers"):
        convert(tmp_path / "a.pkl", arrays="haiku")
    assert capsys.readouterr().out == ""
