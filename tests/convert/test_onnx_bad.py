"""ONNX files that are damaged, or dangerous: one line that names the file, and nothing is written."""

import os
import sys

import numpy as np
import onnx
import pytest

from rnnspec.cli import main
from rnnspec.convert import convert
from rnnspec.errors import SpecError

from . import onnx_equations as equations

GRU = equations.weights("GRU", 3, 4, 1)
WHOLE = equations.model("GRU", GRU).SerializeToString()


@pytest.fixture
def call(monkeypatch, capsys, tmp_path):
    """`rnnspec convert FILE -o …` that fails; what it says."""

    def run(path, *options):
        monkeypatch.setattr(sys, "argv", ["rnnspec", "convert", str(path), "-o", str(tmp_path / "out"), *options])
        with pytest.raises(SystemExit) as end:
            main()
        assert end.value.code == 2
        assert not (tmp_path / "out").exists()
        error = capsys.readouterr().err
        assert error.count("\n") == 1
        assert str(path) in error
        return error

    return run


def save(path, model):
    path.write_bytes(model.SerializeToString())
    return path


@pytest.mark.parametrize(
    "content",
    [b"", b"\x08", b"not a model", bytes(range(256)), b"\x80\x02}q\x00.", WHOLE[:-40]],
    ids=["empty", "a byte", "text", "bytes", "a pickle", "truncated"],
)  # fmt: skip
def test_what_is_no_onnx(call, tmp_path, content):
    path = tmp_path / "model.onnx"
    path.write_bytes(content)
    assert "not an ONNX model" in call(path, "--from", "onnx")


def test_a_model_without_nodes(call, tmp_path):
    model = equations.build([], {"x": (1, ["t", "b", 3])}, [], GRU)
    assert "it has no graph" in call(save(tmp_path / "model.onnx", model))


def test_names_that_are_no_text(call, tmp_path):
    path = tmp_path / "model.onnx"
    path.write_bytes(WHOLE.replace(b"Y_h", b"\xff_h"))
    assert "names that are not text" in call(path)


@pytest.mark.parametrize("opset", [0, -1, 99])
def test_opsets_that_are_none(call, tmp_path, opset):
    model = equations.model("GRU", GRU)
    model.opset_import[0].version = opset
    assert f"opset {opset}: expected 1 to" in call(save(tmp_path / "model.onnx", model))


@pytest.mark.parametrize(
    ("dims", "reason"),
    [
        ([1, 12, 10**12], "needs 12000000000000 numbers, found 36"),
        ([-1, 12, 3], "is impossible"),
        ([1, 12, 2], "needs 24 numbers, found 36"),
    ],
)
def test_shapes_that_are_not_the_data(call, tmp_path, dims, reason):
    model = equations.model("GRU", GRU)
    model.graph.initializer[0].dims[:] = dims
    assert f"tensor 'W': shape {tuple(dims)} {reason}" in call(save(tmp_path / "model.onnx", model))


@pytest.mark.parametrize("shape", [[10**9, 10**9, 3], [0, 5, 3], [-3, 5, 3]])
def test_declared_sizes_that_nothing_has(call, tmp_path, shape):
    model = equations.model("GRU", GRU)
    for dim, size in zip(model.graph.input[0].type.tensor_type.shape.dim, shape, strict=True):
        dim.dim_value = size
    call(save(tmp_path / "model.onnx", model))


def test_strings_and_sparse_tensors(call, tmp_path):
    model = equations.model("GRU", GRU)
    model.graph.initializer[0].CopyFrom(onnx.helper.make_tensor("W", onnx.TensorProto.STRING, [1], [b"w"]))
    assert "STRING holds no weights" in call(save(tmp_path / "model.onnx", model))
    model.graph.sparse_initializer.add()
    assert "sparse tensors" in call(save(tmp_path / "model.onnx", model))


def test_an_output_that_nothing_gives(call, tmp_path):
    model = equations.model("GRU", GRU)
    model.graph.output[0].name = "Z"
    assert "nothing gives the output 'Z'" in call(save(tmp_path / "model.onnx", model))


def test_an_input_of_unknown_shape(call, tmp_path):
    model = equations.model("GRU", GRU)
    model.graph.input[0].type.tensor_type.ClearField("shape")
    assert "input 'X': its shape, features at least, is not declared" in call(save(tmp_path / "model.onnx", model))


def test_weights_that_lead_to_no_output_are_listed(tmp_path):
    extra = {"more": np.ones((2, 2), "float32")}
    path = save(tmp_path / "model.onnx", equations.model("GRU", GRU | extra))
    assert convert(path).metadata["conversion"]["ignored"] == {"more": "leads to no output Y, Y_h"}


def outside(folder, location, **entries):
    """A model whose W lies in a file, written to `folder`; W itself to folder/data/w.bin, from byte 16 on."""
    model = equations.model("GRU", GRU)
    tensor = model.graph.initializer[0]
    (folder / "data").mkdir(parents=True, exist_ok=True)
    (folder / "data" / "w.bin").write_bytes(bytes(16) + tensor.raw_data)
    tensor.ClearField("raw_data")
    tensor.data_location = onnx.TensorProto.EXTERNAL
    entries = {"location": location, "offset": "16", "length": str(GRU["W"].nbytes)} | entries
    for key, value in entries.items():
        tensor.external_data.add(key=key, value=value)
    return save(folder / "model.onnx", model)


@pytest.mark.parametrize("location", ["data/w.bin", "./data/../data/w.bin"])
def test_tensors_beside_the_model(tmp_path, location):
    inside = convert(save(tmp_path / "plain.onnx", equations.model("GRU", GRU)))
    found = convert(outside(tmp_path / "there", location))
    assert all((found.weights[name] == array).all() for name, array in inside.weights.items())


def test_tensors_without_offset_and_length(tmp_path):
    path = outside(tmp_path, "data/w.bin")
    (tmp_path / "data" / "w.bin").write_bytes(GRU["W"].tobytes())
    model = onnx.ModelProto.FromString(path.read_bytes())
    del model.graph.initializer[0].external_data[1:]
    expected = convert(save(tmp_path / "plain.onnx", equations.model("GRU", GRU)))
    assert (convert(save(path, model)).weights["gru.kernel"] == expected.weights["gru.kernel"]).all()


@pytest.mark.parametrize(
    "location", ["../w.bin", "/etc/passwd", "data/../../w.bin", "", ".", "data/out.bin", "up/w.bin"]
)
def test_tensors_outside_the_folder_are_never_read(call, tmp_path, location):
    (tmp_path / "w.bin").write_bytes(bytes(16) + GRU["W"].tobytes())
    path = outside(tmp_path / "there", location)
    (tmp_path / "there" / "data" / "out.bin").symlink_to(tmp_path / "w.bin")
    (tmp_path / "there" / "up").symlink_to(tmp_path)
    assert f"tensor 'W': its data are in {location!r}, outside the model's folder" in call(path)


@pytest.mark.parametrize(
    ("entries", "reason"),
    [
        ({"offset": "x"}, "expected numbers"),
        ({"offset": "-16"}, "expected numbers"),
        ({"offset": "10000"}, "which has 160"),
        ({"length": "1000000000000"}, "which has 160"),
        ({"length": "140"}, "needs 36 numbers, found 35"),
    ],
)
def test_offsets_and_lengths_that_are_not_there(call, tmp_path, entries, reason):
    assert reason in call(outside(tmp_path / "there", "data/w.bin", **entries))


def test_tensors_in_a_file_that_is_not_there(tmp_path):
    path = outside(tmp_path, "data/w.bin")
    os.remove(tmp_path / "data" / "w.bin")
    with pytest.raises(FileNotFoundError, match=r"data of a tensor are not there.*w\.bin"):
        convert(path)
    os.mkfifo(tmp_path / "data" / "w.bin")
    with pytest.raises(FileNotFoundError):
        convert(path)


def test_options_that_mean_nothing(call, tmp_path):
    path = save(tmp_path / "model.onnx", equations.model("GRU", GRU))
    assert "no such output; found Y, Y_h" in call(path, "--part", "Z")
    assert "--ema: means nothing for" in call(path, "--ema")


def test_settings_that_mean_nothing(tmp_path):
    path = save(tmp_path / "model.onnx", equations.model("GRU", GRU))
    with pytest.raises(SpecError, match="--set forget_bias: nothing in this source takes it"):
        convert(path, settings={"forget_bias": 0})
