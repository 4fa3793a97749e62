"""Architectures: strict, and the same as their JSON (CONFIG, MODEL, NAME)."""

import json
import os
import subprocess
import sys
from importlib.resources import files
from pathlib import Path

import jsonschema
import pytest

from rnnspec import GRU, LSTM, RNN, Cell, Dense, Dropout, Embedding, Layer, Model, Recurrent, SpecError, Stack, schema
from rnnspec.config import known, passing, specified

MODEL = Model(
    layers=(
        Embedding(name="embed", vocabulary=11, units=3),
        Recurrent(
            name="rnn", cell=Stack(cells=(RNN(units=4, activation="relu"), LSTM(units=5))), direction="bidirectional"
        ),
        Dropout(name="drop", rate=0.25),
        Recurrent(name="gru", cell=GRU(units=6, reset_after=False, bias=False), return_sequences=False),
        Dense(name="dense", units=2, activation="tanh"),
    )
)


def test_json_and_back():
    assert Model.from_json(MODEL.to_json()) == MODEL
    assert Model.from_builtins(MODEL.to_builtins()) == MODEL
    assert hash(Model.from_json(MODEL.to_json())) == hash(MODEL)


def test_names_and_shapes():
    assert MODEL.parameters() == {
        "embed.embeddings": (11, 3),
        "rnn.forward.cells.0.kernel": (1, 4, 3),
        "rnn.forward.cells.0.recurrent_kernel": (1, 4, 4),
        "rnn.forward.cells.0.bias": (1, 4),
        "rnn.forward.cells.1.kernel": (4, 5, 4),
        "rnn.forward.cells.1.recurrent_kernel": (4, 5, 5),
        "rnn.forward.cells.1.bias": (4, 5),
        "rnn.backward.cells.0.kernel": (1, 4, 3),
        "rnn.backward.cells.0.recurrent_kernel": (1, 4, 4),
        "rnn.backward.cells.0.bias": (1, 4),
        "rnn.backward.cells.1.kernel": (4, 5, 4),
        "rnn.backward.cells.1.recurrent_kernel": (4, 5, 5),
        "rnn.backward.cells.1.bias": (4, 5),
        "gru.kernel": (3, 6, 10),
        "gru.recurrent_kernel": (3, 6, 6),
        "dense.kernel": (2, 6),
        "dense.bias": (2,),
    }
    assert MODEL.states() == {
        "rnn.forward.cells.0.h": 4,
        "rnn.forward.cells.1.h": 5,
        "rnn.forward.cells.1.c": 5,
        "rnn.backward.cells.0.h": 4,
        "rnn.backward.cells.1.h": 5,
        "rnn.backward.cells.1.c": 5,
        "gru.h": 6,
    }
    assert MODEL.results["y"].features == 2
    assert MODEL.results["y"].time is None


def test_parameters_of_a_gru_that_resets_after():
    assert GRU(units=4, reset_after=True).parameters(3) == {
        "kernel": (3, 4, 3),
        "recurrent_kernel": (3, 4, 4),
        "bias": (3, 4),
        "recurrent_bias": (4,),
    }


def test_reset_after_has_no_default():
    with pytest.raises(SpecError, match="GRU: 'reset_after' is missing"):
        GRU(units=4)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"layers": []}, "architecture.layers: expected at least one layer|Model.layers: expected at least one layer"),
        ({"inputs": 3}, "layer 'embed': an embedding must be the first layer of a model without `inputs`"),
        ({"input": 3}, "architecture: unknown key 'input'; did you mean 'inputs'?"),
        ({"layers": 3}, r"architecture\.layers: expected a list, got int"),
    ],
)
def test_a_wrong_model_is_refused(change, message):
    with pytest.raises(SpecError, match=message):
        Model.from_builtins(MODEL.to_builtins() | change)


@pytest.mark.parametrize(
    ("cell", "message"),
    [
        ({"type": "lstmm", "units": 3}, r"layers\[0\]\.cell\.type: unknown cell 'lstmm'; did you mean 'lstm'\?"),
        ({"units": 3}, r"cell\.type: unknown cell None; known: .*gru, .*lstm, .*rnn, .*stack"),
        ({"type": "lstm", "unitz": 3}, r"cell: unknown key 'unitz'; did you mean 'units'\?"),
        ({"type": "lstm"}, r"cell: missing key 'units'; add it"),
        ({"type": "lstm", "units": "3"}, r"cell\.units: expected `int`, got `str`, found '3'"),
        ({"type": "lstm", "units": 0}, r"cell\.units: expected `int` >= 1, found 0"),
        ({"type": "lstm", "units": True}, r"cell\.units: expected `int`, got `bool`, found True"),
        ({"type": "gru", "units": 3}, r"cell: missing key 'reset_after'"),
        ({"type": "rnn", "units": 3, "activation": "tahn"}, r"activation: expected one of .*, found 'tahn'"),
        ({"type": "stack", "cells": []}, r"expected at least one cell"),
        ({"type": "stack", "cells": [{"type": "rnn"}]}, r"cell\.cells\[0\]: missing key 'units'"),
        (3, r"cell: expected an object, got int"),
    ],
)
def test_a_wrong_cell_is_refused(cell, message):
    text = json.dumps({"inputs": 3, "layers": [{"type": "recurrent", "name": "rnn", "cell": cell}]})
    with pytest.raises(SpecError, match=message) as caught:
        Model.from_json(text)
    assert "\n" not in str(caught.value)


def test_configurations_made_in_python_are_checked_too():
    for wrong in (
        lambda: LSTM(units=0),
        lambda: LSTM(units="3"),
        lambda: Recurrent(name="rnn", cell="lstm"),
        lambda: Recurrent(name="rnn", cell=Dense(name="dense", units=2)),
        lambda: Stack(cells=(LSTM(units=3), "lstm")),
        lambda: Model(inputs=3, layers=3),
        lambda: Model(inputs=3, layers=[LSTM(units=3)]),
        lambda: Recurrent(name="rnn", cell=LSTM(units=3), direction="backwards"),
        lambda: Recurrent(name="a.b", cell=LSTM(units=3)),
        lambda: Dropout(name="drop", rate=1.0),
        lambda: Model(layers=(Recurrent(name="rnn", cell=LSTM(units=3)),)),
        lambda: Model(inputs=3, layers=(Dense(name="a", units=2), Dense(name="a", units=2))),
        lambda: Model(inputs=3, layers=(Dense(name="a", units=2), Embedding(name="b", vocabulary=3, units=2))),
    ):
        with pytest.raises(SpecError):
            wrong()


def test_no_sequence_is_left_after_the_last_output():
    last = Recurrent(name="a", cell=LSTM(units=3), return_sequences=False)
    with pytest.raises(SpecError, match="layer 'b': no sequence reaches it"):
        Model(inputs=3, layers=(last, Recurrent(name="b", cell=LSTM(units=3))))


def test_the_schema_in_the_repository_is_the_one_the_types_give():
    printed = subprocess.run(
        [sys.executable, "-m", "rnnspec.schema"], capture_output=True, text=True, check=True
    ).stdout
    assert files("rnnspec").joinpath("schema.json").read_text(encoding="utf-8") == printed


def test_the_schema_accepts_and_refuses_what_the_types_do():
    validator = jsonschema.Draft202012Validator(schema.schema())
    validator.validate(json.loads(MODEL.to_json()))
    for wrong in ({"layers": [{"type": "dense", "name": "d"}]}, {"layers": [], "input": 2}):
        assert not validator.is_valid(wrong)
        with pytest.raises(SpecError):
            Model.from_builtins(wrong)


def of_type(tag):
    cell = {"type": tag, "units": 3}
    return Model.from_builtins({"inputs": 2, "layers": [{"type": "recurrent", "name": "r", "cell": cell}]})


def test_a_cell_is_known_once_it_is_defined_and_no_longer_than_that():
    with passing():

        class Mine(RNN, tag="mine", frozen=True, kw_only=True):
            pass

        assert type(of_type("mine").layers[0].cell) is Mine
        assert known(Cell)["mine"] is Mine
        assert "mine" not in specified(Cell)
    assert "mine" not in known(Cell)
    with pytest.raises(SpecError, match="unknown cell 'mine'"):
        of_type("mine")


def test_a_tag_that_is_taken_is_an_error_that_names_both():
    with passing():

        class Mine(RNN, tag="lstm", frozen=True, kw_only=True):
            pass

        says = r"^tests\S+Mine: the tag 'lstm' is that of rnnspec\.cells\.lstm\.LSTM; give it another$"
        with pytest.raises(SpecError, match=says):
            Mine(units=3)
        with pytest.raises(SpecError, match=says.removeprefix("^")):
            of_type("gru")  # which is not in question: what a file means must not depend on luck
    assert of_type("lstm").states() == {"r.h": 3, "r.c": 3}


def test_a_class_that_is_defined_again_stands_for_the_first():
    """As in a notebook, whose cells are run again."""
    for units in (3, 4):

        class Again(RNN, tag="again", frozen=True, kw_only=True):
            extra: int = units

        assert of_type("again").layers[0].cell == Again(units=3, extra=units)


def test_cells_and_layers_may_have_one_tag():
    assert known(Cell)["dropout"] is not known(Layer)["dropout"]


def test_a_cell_is_found_by_its_entry_point(tmp_path):
    """An installed package offers its cells in the group `rnnspec.cells`: a file that names one can be read."""
    own = (Path(__file__).parents[2] / "examples" / "own_cell.py").read_text(encoding="utf-8")
    (tmp_path / "own_cells.py").write_text(own, encoding="utf-8")
    described = tmp_path / "own_cells-1.0.dist-info"
    described.mkdir()
    (described / "METADATA").write_text("Metadata-Version: 2.1\nName: own-cells\nVersion: 1.0\n")
    (described / "entry_points.txt").write_text("[rnnspec.cells]\nleaky = own_cells:Leaky\n")
    text = '{"inputs": 2, "layers": [{"type": "recurrent", "name": "r", "cell": {"type": "leaky", "units": 3}}]}'
    code = f"import rnnspec; print(rnnspec.Model.from_json('{text}').states())"
    done = subprocess.run(
        [sys.executable, "-c", code],
        env=os.environ | {"PYTHONPATH": str(tmp_path)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.strip() == "{'r.h': 3}"
