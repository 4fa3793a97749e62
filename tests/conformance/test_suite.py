"""The conformance suite itself: it is on disk as it should be, fit to find mistakes, and finds them."""

import hashlib
import json
import re
from importlib.resources import files

import jsonschema
import numpy as np
import pytest

from rnnspec import Embedding, Recurrent
from rnnspec.cells.wrapper import Residual
from rnnspec.conformance import Case, cases, vectors
from rnnspec.conformance.case import SEED
from rnnspec.conformance.mutants import mutants
from rnnspec.conformance.selfchecks import checks
from rnnspec.conformance.vectors import DIGESTS, FOLDER, valid
from rnnspec.conformance.write import catalogued, changed
from rnnspec.philox import philox, place_key
from rnnspec.reference.ops import NumpyOps

CASES = {case.id: case for case in cases()}
DISK = {case.id: case for case in vectors.cases()}
# Cases that are extreme on purpose: the smallest calls, equal sizes, coarse numbers.
EDGES = [case.id for case in valid() if case.id.startswith(("edge-", "size-", "kink-"))]
VALID = {case.id: case for case in valid() if case.id not in EDGES}
CHECKS = {check.id: check for check in checks()}
WHOLE = [id for id, case in VALID.items() if case.split == "whole" and "recurrent" in str(case.features)]


def clauses() -> set[str]:
    return set(re.findall(r"\*\*([A-Z]+-\d+)\*\*", files("rnnspec").joinpath("SPEC.md").read_text(encoding="utf-8")))


# What is on disk


@pytest.mark.parametrize("case", list(catalogued()), ids=lambda case: case.id)
def test_cases_come_out_the_same_byte_for_byte(case):
    assert changed(case) == []


def test_the_disk_has_the_catalogue_and_nothing_else():
    assert set(DISK) == {case.id for case in catalogued()}
    names = {path.stem for path in FOLDER.iterdir()}
    assert names == set(DISK)


def test_what_was_published_stays_as_it_was():
    """Every line of the digests holds, and every file has one: a change to a vector is a change to a line."""
    lines = [line.split("  ") for line in DIGESTS.read_text(encoding="utf-8").splitlines()]
    found = {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in FOLDER.iterdir()}
    assert {name: digest for digest, name in lines} == found
    assert len(lines) == len(found)


def test_masks_are_those_of_the_generator():
    """At one place of one case, each element by Philox4x32-10 as DROP-3 has it."""
    case = VALID["training-gru_after-all"]
    for kind, rate in (("input", 0.2), ("state", 0.3), ("output", 0.4)):
        mask = case.masks[f"rnn.{kind}"]
        for t, row, unit in ((0, 0, 0), (3, 1, 2), (5, 3, mask.shape[2] - 1)):
            words = philox((unit // 4, row, t, 0), (SEED & 0xFFFFFFFF, place_key(f".rnn.{kind}")))
            assert mask[t, row, unit] == (words[unit % 4] >= round(rate * 2**32)), (kind, t, row, unit)
        assert 0 < mask.mean() < 1


@pytest.mark.parametrize("path", sorted(FOLDER.glob("*.json")), ids=lambda path: path.stem)
def test_headers_follow_the_schema(path):
    schema = json.loads((FOLDER.parent / "vector.schema.json").read_text(encoding="utf-8"))
    jsonschema.Draft202012Validator(schema).validate(json.loads(path.read_text(encoding="utf-8")))


# Hygiene: symmetry hides mistakes


@pytest.mark.parametrize("id", VALID)
def test_no_two_gates_units_or_rows_are_alike_and_nothing_is_zero(id):
    case = VALID[id]
    for name, array in case.weights.items():
        rows = array.reshape(-1, array.shape[-1])
        assert len({row.tobytes() for row in rows}) == len(rows), name
        assert len({column.tobytes() for column in rows.T}) == rows.shape[1] or len(rows) == 1, name
        assert (array != 0).all(), name
    assert all(np.isfinite(array).all() for array in case.weights.values())
    flat = [array.tobytes() for array in case.weights.values()]
    assert len(set(flat)) == len(flat)  # directions and layers
    states = [case.inputs[name] for name in case.model.states() if name in case.inputs]
    if case.id.startswith("reset-nan"):
        return
    for state in states:
        assert (state != 0).all()
        assert len({row.tobytes() for row in state}) == len(state)
    assert len({state.tobytes() for state in states}) == len(states)


@pytest.mark.parametrize("id", VALID)
def test_sizes_are_distinct(id):
    """Batch, steps and features: an axis taken for another has the wrong size."""
    case = VALID[id]
    batch = case.size[0]
    times = {case.inputs[name].shape[1] for name, x in case.model.given.items() if x.sequence}
    assert batch >= 2
    assert all(time >= 3 for time in times)
    features = {place.features for node in case.model.graph.nodes for place in node.reads} - {None}
    for layer in case.model.layers:
        if isinstance(layer, Recurrent):
            features |= {size for name, size in layer.states(layer_inputs(case, layer)).items() if "queue" not in name}
    assert not features & {batch, *times}
    if not any(isinstance(inner, Residual) for inner in inner_cells(case)) and not id.endswith(("residual", "alike")):
        given = case.model.given.keys() - {layer.name for layer in case.model.layers}
        for node in case.model.graph.nodes:
            if isinstance(node.layer, Recurrent) and node.one in given:
                assert node.features not in node.states.values()


def layer_inputs(case: Case, wanted):
    return next(inputs for layer, inputs in case.model.chain() if layer is wanted)


def inner_cells(case: Case):
    return [layer.cell for layer in case.model.layers if isinstance(layer, Recurrent)]


def padded(model) -> bool:
    return any(given.padding is not None for given in model.given.values())


def test_most_calls_are_ragged():
    ragged = [id for id in WHOLE if {"call.lengths", "call.mask"} & VALID[id].features or padded(VALID[id].model)]
    assert len(ragged) > 0.85 * len(WHOLE)
    for id in ragged:
        model, inputs = VALID[id].model, VALID[id].inputs
        for name in {f"{name}.lengths" for name in model.given} if model.by_name else {"lengths"}:
            lengths = inputs[name].tolist() if name in inputs else []
            assert len(set(lengths)) == len(lengths)


@pytest.mark.parametrize("id", WHOLE)
def test_outputs_at_padded_steps_and_all_states_are_asserted(id):
    case = VALID[id]
    assert set(case.expected) == set(case.model.results) | set(case.model.states())
    for array in case.expected.values():
        assert np.isfinite(array).all()


@pytest.mark.parametrize("id", [id for id in WHOLE if id.endswith(("-both", "-full", "-ragged"))])
def test_few_gates_are_saturated(id, monkeypatch):
    gates = []
    sigmoid = NumpyOps.sigmoid
    monkeypatch.setattr(NumpyOps, "sigmoid", lambda self, x: gates.append(sigmoid(self, x)) or gates[-1])
    from rnnspec.reference import Net

    Net(VALID[id].checkpoint, "float64")(**VALID[id].call)
    if gates:
        values = np.concatenate([gate.ravel() for gate in gates])
        assert ((values < 0.01) | (values > 0.99)).mean() < 0.1


def test_ids_reach_the_first_and_the_last_row_of_the_table():
    for case in VALID.values():
        if isinstance(case.model.layers[0], Embedding):
            assert len(np.unique(case.inputs["x"])) > case.model.layers[0].vocabulary / 2


# Clauses


def test_every_clause_has_a_case_and_a_mutant():
    tried = (*CASES.values(), *CHECKS.values())
    assert {clause for case in tried for clause in case.clauses} == clauses()
    assert {mutant.clause for mutant in mutants()} == clauses()


def test_clauses_cited_in_the_code_exist():
    root = files("rnnspec")
    cited = set()
    for folder in ("", "cells", "layers", "reference"):
        for file in root.joinpath(folder).iterdir():
            if file.name.endswith(".py"):
                cited |= set(re.findall(r"\b(?:[A-Z]{3,}-\d+)\b", file.read_text(encoding="utf-8")))
    assert {clause for clause in cited if not clause.startswith("UTF")} <= clauses()
