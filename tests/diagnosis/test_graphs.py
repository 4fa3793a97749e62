"""`rnnspec diff` for graphs: where two of them part."""

import json

import msgspec
import numpy as np
import pytest

from rnnspec import Checkpoint, Model
from rnnspec.graph import Input
from rnnspec.layers import Merge
from tests.cli.test_graph import MODEL, arrays


@pytest.fixture
def model(tmp_path):
    """The model in a file: A."""
    Checkpoint.initialize(MODEL, seed=0).save(tmp_path / "a.safetensors")
    return tmp_path / "a.safetensors"


def changed(tmp_path, model: Model = MODEL, **weights) -> None:
    """B: another model, or the same with other weights, whose dots are double underscores here."""
    found = dict(Checkpoint.initialize(MODEL, seed=0).weights)
    for name, by in weights.items():
        found[name.replace("__", ".")] = found[name.replace("__", ".")] + by
    Checkpoint(model, found).save(tmp_path / "b.safetensors")


def in_place_of(name: str, **fields) -> Model:
    """The model with other fields in one layer."""
    layers = [msgspec.structs.replace(each, **fields) if each.name == name else each for each in MODEL.layers]
    return msgspec.structs.replace(MODEL, layers=layers)


def compared(call, model) -> dict:
    """What `diff --json` says."""
    code, out, error = call("diff", model, model.with_name("b.safetensors"), "--json")
    assert (code, error) == (1, "")
    return json.loads(out)


FOR_CHAINS = "the usual mistakes are not tried: they are of chains of the layers of version 1"


def test_two_graphs_part_where_weights_differ(call, model, tmp_path):
    changed(tmp_path, decoder__bias=np.float32(0.5), norm__mean=np.float32(1))
    report = compared(call, model)
    assert [row["tensor"] for row in report["weights"]][-1] == "norm.mean"
    assert report["first"] | {"row": 0, "step": 0} == {"layer": "norm", "name": "norm", "row": 0, "step": 0}
    differing = {each["first"]["layer"]: each["differing"] for each in report["places"]}
    assert differing == {
        "norm": [],
        "encoder": ["norm"],
        "decoder": ["encoder.c", "encoder.h"],
        "look": ["decoder", "encoder"],
        "both": ["decoder", "look"],
        "logits": ["both"],
        "again": ["encoder.h"],
        "halves": ["again"],
        "end": ["halves"],
    }
    code, out, _ = call("diff", model, tmp_path / "b.safetensors")
    assert code == 1
    lines = out.splitlines()
    assert next(line for line in lines if line.startswith("first in layer norm: norm, step 0, row "))
    assert "what it reads agrees: front" in lines
    assert FOR_CHAINS in lines


def test_graphs_that_part_twice(call, model, tmp_path):
    changed(tmp_path, text__embeddings=np.float32(0.5), norm__beta=np.float32(1))
    out = call("diff", model, tmp_path / "b.safetensors")[1]
    assert "first in layer norm: norm, step 0, row " in out
    assert "on its own in layer text too: text, step 0, row " in out


@pytest.mark.parametrize(
    ("name", "fields", "row", "first"),
    [
        ("look", {"score": "scaled"}, {"place": "look.score", "a": "dot", "b": "scaled"}, "look"),
        ("end", {"how": "sum"}, {"place": "end.how", "a": "last", "b": "sum"}, "end"),
        (
            "decoder",
            {"start": {"h": "encoder.c", "c": "encoder.h"}},
            {"place": "decoder.start.h", "a": "encoder.h", "b": "encoder.c"},
            "decoder",
        ),
        ("decoder", {"start": None}, {"place": "decoder.start.h", "a": "encoder.h", "b": None}, "decoder"),
        ("both", {"of": ("look", "decoder")}, {"place": "both.of", "a": "decoder, look", "b": "look, decoder"}, "both"),
    ],
)
def test_two_graphs_part_where_they_are_another(call, model, tmp_path, name, fields, row, first):
    changed(tmp_path, in_place_of(name, **fields))
    report = compared(call, model)
    assert row in report["configuration"]
    assert report["first"]["layer"] == first
    assert {each["place"].split(".")[0] for each in report["configuration"]} == {name}


def test_what_is_said_and_what_is_left_out_is_the_same(call, model, tmp_path):
    changed(tmp_path, in_place_of("norm", of="front"))
    code, out, _ = call("diff", model, tmp_path / "b.safetensors", "--json")
    assert (code, json.loads(out)["configuration"]) == (0, [])


def test_layers_of_other_names_are_compared_in_their_order(call, model, tmp_path):
    text = MODEL.to_json().replace('"encoder', '"listener').replace('"both"', '"joined"')
    weights = {
        name.replace("encoder", "listener"): a for name, a in Checkpoint.initialize(MODEL, seed=0).weights.items()
    }
    Checkpoint(Model.from_json(text), weights).save(tmp_path / "b.safetensors")
    code, out, _ = call("diff", model, tmp_path / "b.safetensors")
    assert code == 0
    assert "layer listener of B is compared with encoder of A" in out
    assert "layer joined of B is compared with both of A" in out


def test_a_graph_and_numbers(call, model, tmp_path):
    np.savez(tmp_path / "in.npz", **arrays())
    call("run", model, "--input", tmp_path / "in.npz", "-o", tmp_path / "right.npz")
    code, out, _ = call("diff", model, tmp_path / "right.npz", "--input", tmp_path / "in.npz")
    assert code == 0
    changed(tmp_path, decoder__bias=np.float32(0.5))
    call("run", tmp_path / "b.safetensors", "--input", tmp_path / "in.npz", "-o", tmp_path / "wrong.npz")
    code, out, _ = call("diff", model, tmp_path / "wrong.npz", "--input", tmp_path / "in.npz")
    assert code == 1
    assert "first in layer decoder: decoder.c, row " in out
    assert FOR_CHAINS in out.splitlines()
    with np.load(tmp_path / "right.npz") as right:
        both = {name + ".out" * (name in MODEL.states()): array for name, array in right.items()}
    np.savez(tmp_path / "all.npz", **arrays(), **both)
    assert call("diff", model, tmp_path / "all.npz")[0] == 0


def test_models_with_other_inputs_are_not_compared(call, model, tmp_path):
    layers = [Merge(name="both", of=("audio", "speaker"), how="add")]
    other = Model(inputs={"audio": 3, "speaker": Input(features=3, like="audio")}, layers=layers)
    Checkpoint(other, {}).save(tmp_path / "b.safetensors")
    a, b = model, tmp_path / "b.safetensors"
    takes = "audio (3 features), energy (1 features like audio), speaker (2 features a row), words (ids)"
    expected = f"{a} takes {takes}, {b} audio (3 features), speaker (3 features like audio)"
    code, _, error = call("diff", a, b)
    assert (code, error) == (2, f"rnnspec: {expected}: they cannot be given the same inputs\n")


def test_graphs_of_another_structure(call, model, tmp_path):
    layers = [layer for layer in MODEL.layers if layer.name not in ("norm", "again", "halves", "end")]
    other = msgspec.structs.replace(MODEL, layers=layers, outputs=("logits", "encoder"))
    names = other.parameters()
    weights = {name: a for name, a in Checkpoint.initialize(MODEL, seed=0).weights.items() if name in names}
    Checkpoint(other, weights).save(tmp_path / "b.safetensors")
    report = compared(call, model)
    assert {"place": "encoder.of", "a": "norm", "b": "front"} in report["configuration"]
    assert {"place": "norm.type", "a": "norm", "b": None} in report["configuration"]
    assert report["first"]["layer"] == "encoder"
