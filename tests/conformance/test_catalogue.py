"""What the catalogue covers, counted: fields, options with cells, extreme numbers, kinks."""

from collections import defaultdict
from itertools import product

import msgspec
import numpy as np
import pytest

from rnnspec import cells as cells_
from rnnspec import layers as layers_
from rnnspec.activations import NAMES, Function, activate
from rnnspec.cells import GRU, Cell, LayerNorm
from rnnspec.config import Config
from rnnspec.conformance.case import Case
from rnnspec.conformance.vectors import valid
from rnnspec.layers import Layer, Place, Recurrent
from rnnspec.reference import Net
from rnnspec.reference.ops import NumpyOps

ALL = {case.id: case for case in valid()}
CELLS = {getattr(cells_, name) for name in cells_.__all__} - {Cell, LayerNorm}
LAYERS = {getattr(layers_, name) for name in layers_.__all__} - {Layer, Place}


def configs(config: Config):
    """It, and all that is inside."""
    yield config
    for field in msgspec.structs.fields(type(config)):
        value = getattr(config, field.name)
        for inner in value if isinstance(value, tuple) else (value,):
            if isinstance(inner, Config):
                yield from configs(inner)


def kind(config: Config) -> str:
    """The class, and for a GRU its reading."""
    return f"{type(config).__name__}{config.reset_after if isinstance(config, GRU) else ''}"


EVERY = [(case, config) for case in ALL.values() for config in configs(case.model)]


def kinds(classes) -> set[str]:
    return {kind(config) for _, config in EVERY if type(config) in classes}


def test_every_cell_layer_and_activation_is_tried():
    seen = {type(config) for _, config in EVERY}
    assert seen >= CELLS | LAYERS | set(Function.__subclasses__())
    named = {value for _, config in EVERY for value in msgspec.structs.astuple(config) if isinstance(value, str)}
    assert named >= set(NAMES)


def test_every_field_has_another_value_than_its_default_somewhere():
    values = defaultdict(set)
    for _, config in EVERY:
        for field in msgspec.structs.fields(type(config)):
            values[kind(config), field.name].add(repr(getattr(config, field.name)))
    assert {who for who, _ in values} >= kinds(CELLS | LAYERS)
    # These are what a kind is, and where a layer stands and how it is called is not for each kind to try.
    kinds_, places = {("GRUTrue", "reset_after"), ("GRUFalse", "reset_after")}, {"name", "of"}
    assert not {key for key, seen in values.items() if len(seen) < 2 and key not in kinds_ and key[1] not in places}


@pytest.mark.parametrize("who", sorted(kinds(CELLS)))
def test_activations_of_cells_are_names_and_functions_and_one_is_not_the_default(who):
    found = defaultdict(set)
    for _, config in EVERY:
        if isinstance(config, Cell) and kind(config) == who:
            for field in msgspec.structs.fields(type(config)):
                if "activation" in field.name:
                    found[field.name].add(getattr(config, field.name))
    for values in found.values():
        assert len(values) >= 3
        assert any(isinstance(value, Function) for value in values)


@pytest.mark.parametrize("field", ["gates", "over", "cell", "beta"])
def test_every_kind_of_layer_norm_is_in_every_cell_that_can_have_it(field):
    found = defaultdict(set)
    for _, config in EVERY:
        if isinstance(getattr(config, "layer_norm", None), LayerNorm):
            found[kind(config)].add(getattr(config.layer_norm, field))
    choices = {"gates": 2, "over": 2, "cell": 1, "beta": 2}[field]
    assert set(found) == {"RNN", "LSTM", "UGRNN", "GRUTrue", "GRUFalse"}
    for who, values in found.items():  # a GRU that resets before has no norm over all gates
        assert len(values) >= (1 if (who, field) == ("GRUFalse", "over") else choices)
    assert field != "cell" or found["LSTM"] == {None, "output", "carry"}


def asked(case: Case, layer: Recurrent) -> set[str]:
    """What a cell is tried with, in words."""
    words = {layer.direction, layer.merge, layer.padded_output, case.split}
    words |= {name for name in ("reverse_output", "learned_state") if getattr(layer, name)}
    words |= {"last"} if not layer.return_sequences else set()
    words |= {name.rpartition(".")[2] for name in case.inputs} & {"lengths", "mask", "reset"}
    words |= {name for name in ("time_major", "training") if getattr(case, name)}
    words |= {"gradients"} if case.gradients else set()
    words |= {"given"} if set(case.model.states()) & set(case.inputs) else set()
    return words


WORDS = [
    *("forward", "backward", "bidirectional", "concat", "sum", "mul", "ave", "none", "zero", "hold"),
    *("whole", "chunks", "steps", "reverse_output", "learned_state", "last", "lengths", "mask", "reset"),
    *("time_major", "training", "gradients", "given"),
]
TRIED = [
    (kind(cell), asked(case, layer))
    for case in ALL.values()
    for layer in case.model.layers
    if isinstance(layer, Recurrent)
    for outer, _ in layer.directions.values()
    for cell in configs(outer)
    if isinstance(cell, Cell)
]


@pytest.mark.parametrize("word", WORDS)
def test_every_cell_is_tried_with_every_option(word):
    assert {who for who, words in TRIED if word in words} == kinds(CELLS)


IMPOSSIBLE = {
    frozenset(pair)
    for group in (
        "forward backward bidirectional",
        "concat sum mul ave none",
        "zero hold",
        "whole chunks steps",
        "lengths mask",
    )
    for pair in product(group.split(), repeat=2)
}
IMPOSSIBLE |= {frozenset(pair) for pair in product(("sum", "mul", "ave", "none"), ("forward", "backward"))}
# A step has no mask and no time, and is none of what looks at other steps.
IN_STEPS = {"forward", "concat", "zero", "whole", "chunks", "steps", "learned_state", "given"}
IMPOSSIBLE |= {frozenset(pair) for pair in product(("chunks", "steps"), set(WORDS) - IN_STEPS)}
IMPOSSIBLE |= {frozenset(("last", "reverse_output"))}  # there is nothing to flip


@pytest.mark.parametrize("pair", sorted(tuple(sorted((a, b))) for a in WORDS for b in WORDS if a < b), ids="-".join)
def test_every_two_options_are_tried_together(pair):
    if frozenset(pair) not in IMPOSSIBLE:
        assert any(set(pair) <= words for _, words in TRIED)


def test_nothing_that_may_be_read_is_nan():
    """Where x or a state is NaN, the case says that it is about that; results, gradients and weights are all finite."""
    for id, case in ALL.items():
        bad = any(not np.isfinite(array).all() for array in case.inputs.values())
        assert bad == (id.startswith(("padding-nan", "reset-nan")) or id.endswith("-unread")), id
        for group in (case.expected, case.gradients, case.weights):
            assert all(np.isfinite(array).all() for array in group.values()), id


def test_padding_and_states_are_nan_and_infinite():
    found = np.concatenate([ALL[id].inputs["x"].ravel() for id in ALL if id.startswith("padding-nan")])
    assert np.isnan(found).any()
    assert np.isposinf(found).any()
    assert np.isneginf(found).any()
    state = np.concatenate([v.ravel() for k, v in ALL["reset-nan-state"].inputs.items() if "." in k])
    assert not np.isfinite(state).any()


ARGUMENTS = [activation for activation in NAMES if activation not in ("linear", "exponential")]


def test_every_activation_is_tried_far_out_on_both_sides():
    """And every one with parameters, but for the line."""
    reach = defaultdict(list)

    class Ops(NumpyOps):
        pass

    def looked_at(ops, activation, x):
        name = activation if isinstance(activation, str) else type(activation).__name__
        reach[name].append(float(x.min()))
        reach[name].append(float(x.max()))
        return activate(ops, activation, x)

    import rnnspec.cells.rnn
    import rnnspec.layers.dense

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(rnnspec.cells.rnn, "activate", looked_at)
        patch.setattr(rnnspec.layers.dense, "activate", looked_at)
        for id, case in ALL.items():
            if id.startswith("saturated-"):
                Net(case.checkpoint, "float64")(**case.call)
    wanted = {*ARGUMENTS, *(f.__name__ for f in Function.__subclasses__())} - {"Affine"}
    assert {name for name in wanted if not reach[name]} == set()
    assert {name for name in wanted if max(reach[name]) < 9 or min(reach[name]) > -3} == set()


def test_kinks_are_hit():
    """Each kind of kink, many times, and in float32 at the same places."""
    hits: dict[str, dict[str, int]] = {"float32": defaultdict(int), "float64": defaultdict(int)}
    for dtype, found in hits.items():

        class Ops(NumpyOps):
            def relu(self, x, found=found):
                found["relu"] += (x == 0).sum()
                return super().relu(x)

            def clip(self, x, low, high, found=found):
                found[f"clip {low} {high} low"] += (x == low).sum()
                found[f"clip {low} {high} high"] += (x == high).sum()
                return super().clip(x, low, high)

            def greater(self, x, threshold, found=found):
                found[f"greater {threshold}"] += (x == threshold).sum()
                return super().greater(x, threshold)

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr("rnnspec.reference.net.NumpyOps", Ops)
            for id, case in ALL.items():
                if id.startswith("kink-"):
                    Net(case.checkpoint, dtype)(**case.call)
    assert hits["float32"] == hits["float64"]
    assert {name for name, count in hits["float64"].items() if not count} == set()
    assert hits["float64"]["relu"] > 50
