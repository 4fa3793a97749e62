"""What `rnnspec export` wrote comes back bit for bit, whatever became of the weights in the graph."""

import json
import sys
from pathlib import Path

import msgspec
import numpy as np
import onnx
import pytest

import rnnspec
from rnnspec import GRU, LSTM, Checkpoint, Dense, Model, Recurrent, Stack
from rnnspec.cli import main
from rnnspec.conformance import Case, cases
from rnnspec.convert import convert
from rnnspec.convert.onnx import ours, read_model
from rnnspec.errors import SpecError, UnsupportedError
from rnnspec.export import build

from ..conftest import random_checkpoint

DATA = Path(__file__).parent.parent / "data"
LEARNED = Model(
    inputs=3,
    layers=[
        Recurrent(name="a", cell=LSTM(units=4, projection=2), learned_state=True),
        Recurrent(name="b", cell=GRU(units=3, reset_after=True)),
    ],
)
CASES = [case for case in cases() if isinstance(case, Case)]
OPTIONS = [
    {"time_major": True, "opset": 14},
    {"lengths": False, "opset": 21},
    {"mask": True},
    {"reset": True, "time_major": True},
    {"reset": True, "mask": True},
    {"step": True},
]


def test_the_suite_is_here():
    assert len(CASES) > 200


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.id)
def test_the_suite_comes_back_bit_for_bit(case):
    model = onnx.ModelProto.FromString(build(case.checkpoint).SerializeToString())
    assert read_model(model).to_bytes() == case.checkpoint.to_bytes()


@pytest.mark.parametrize("options", OPTIONS, ids=str)
def test_options_of_the_export_make_no_difference(options):
    written = 0
    for case in CASES[:: 8 if "step" not in options else 4]:
        model = built(case.checkpoint, options)
        if model is not None:
            assert read_model(model).to_bytes() == case.checkpoint.to_bytes(), case.id
            written += 1
    assert written > 20


def built(checkpoint, options):
    """The model; None if it has no single step, or no sequence can begin anew in it."""
    try:
        return build(checkpoint, **options)
    except UnsupportedError:
        unbroken = [checkpoint.model.graph.unbroken(time) for time in checkpoint.model.graph.times()]
        assert options.get("step") or (options.get("reset") and None not in unbroken)
        return None


def test_metadata_learned_states_and_coupled_gates():
    cell = Stack(cells=(LSTM(units=4, coupled_input_forget=True, peephole=True), GRU(units=3, reset_after=True)))
    layer = Recurrent(name="rnn", cell=cell, direction="bidirectional", learned_state=True)
    weights = random_checkpoint(Model(inputs=5, layers=[layer])).weights
    checkpoint = Checkpoint(Model(inputs=5, layers=[layer]), weights, {"author": "Ω", "steps": [1, 2.5, None]})
    assert read_model(build(checkpoint)).to_bytes() == checkpoint.to_bytes()


@pytest.mark.parametrize("most", [1, 7, 100])
def test_more_weights_than_float32_can_number(checkpoint, monkeypatch, most):
    """They are found in several goes; a weight is split between two of them."""
    monkeypatch.setattr(ours, "_MOST", most)
    monkeypatch.setattr(ours, "_PIECE", 3)
    assert read_model(build(checkpoint)).to_bytes() == checkpoint.to_bytes()


@pytest.mark.parametrize("options", [{}, {"step": True}], ids=str)
def test_a_file_of_the_first_release_is_read(options):
    """Its learned states are inputs that have to be given."""
    path = DATA / f"exported_0_1/{'step' if options else 'model'}.onnx"
    checkpoint = random_checkpoint(LEARNED)
    assert convert(path).to_bytes() == checkpoint.to_bytes()
    assert read_model(build(checkpoint, **options)).to_bytes() == checkpoint.to_bytes()


def test_a_file_that_was_changed_to_half_precision_says_so(model, checkpoint):
    for tensor in model.graph.initializer:
        if tensor.data_type == onnx.TensorProto.FLOAT:
            half = onnx.numpy_helper.to_array(tensor).astype("float16")
            tensor.CopyFrom(onnx.numpy_helper.from_array(half, tensor.name))
    found = read_model(model)
    for name, array in checkpoint.weights.items():
        np.testing.assert_array_equal(found.weights[name], array.astype("float16"))
    assert "the file was changed to another precision" in found.metadata["conversion"]["notes"][0]


def test_float64_comes_back_in_float32_and_says_so():
    model = Model(inputs=3, layers=[Recurrent(name="rnn", cell=GRU(units=4, reset_after=True))])
    checkpoint = random_checkpoint(model, dtype="float64")
    found = read_model(build(checkpoint))
    assert found.dtype == "float32"
    for name, array in checkpoint.weights.items():
        np.testing.assert_array_equal(found.weights[name], array.astype("float32"))
    assert found.metadata["conversion"]["notes"] == ["exported in float32 from float64 weights"]


@pytest.fixture
def model(checkpoint) -> onnx.ModelProto:
    return build(checkpoint)


def test_other_metadata_of_the_file_make_no_difference(model, checkpoint):
    model.metadata_props.add(key="author", value="someone")
    model.producer_name = "something else"
    assert read_model(model).to_bytes() == checkpoint.to_bytes()


def change(file, **entries):
    """The header with other entries."""
    (entry,) = file.metadata_props
    entry.value = json.dumps(json.loads(entry.value) | entries)


def test_changed_files_are_refused(model):
    texts = {"{": "not JSON", "[]": "expected an object", "[" * 100_000: "not JSON", "{}": "spec version None"}
    kept = model.metadata_props[0].value
    for text, reason in texts.items():
        model.metadata_props[0].value = text
        with pytest.raises(SpecError, match=reason):
            read_model(model)
    model.metadata_props[0].value = kept
    change(model, version=3)
    with pytest.raises(SpecError, match="written for spec version 3"):
        read_model(model)
    change(model, version=1, model={"layers": []})
    with pytest.raises(SpecError, match="at least one layer"):
        read_model(model)


def test_an_architecture_of_another_size_is_refused(model, checkpoint):
    layers = [msgspec.structs.replace(layer, units=10**9) if isinstance(layer, Dense) else layer
              for layer in checkpoint.model.layers]  # fmt: skip
    change(model, model=msgspec.structs.replace(checkpoint.model, layers=tuple(layers)).to_builtins())
    with pytest.raises(SpecError, match="fewer weights than the architecture has"):
        read_model(model)


def test_changed_tensors_are_refused(model):
    place = next(k for k, t in enumerate(model.graph.initializer) if t.data_type == onnx.TensorProto.FLOAT)
    del model.graph.initializer[place]
    with pytest.raises(SpecError, match="the tensors are not as rnnspec exports them"):
        read_model(model)


def test_the_command_line(model, checkpoint, tmp_path, monkeypatch, capsys):
    (tmp_path / "model.onnx").write_bytes(model.SerializeToString())
    arguments = ["convert", tmp_path / "model.onnx", "-o", tmp_path / "back"]
    monkeypatch.setattr(sys, "argv", ["rnnspec", *map(str, arguments)])
    with pytest.raises(SystemExit) as end:
        main()
    assert not end.value.code
    assert "9 tensors, float32" in capsys.readouterr().out
    assert rnnspec.load(tmp_path / "back").to_bytes() == checkpoint.to_bytes()
