"""What holds of every model: tried on random ones from the whole configuration space."""

import msgspec
import numpy as np
import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from rnnspec import Checkpoint, Model, Recurrent, Stack
from rnnspec.ops import scope, under
from rnnspec.reference import Net
from tests.strategies import models, random, recurrents, simple_cells

quick = settings(
    max_examples=60, deadline=None, derandomize=True, database=None, suppress_health_check=[HealthCheck.too_slow]
)
seeds = st.integers(0, 2**16)


def run(checkpoint: Checkpoint, call: dict) -> dict[str, np.ndarray]:
    y, state = Net(checkpoint, "float64")(**call)
    return {**checkpoint.model.named(y), **state}


def assert_same(found: dict, expected: dict) -> None:
    assert found.keys() == expected.keys()
    for name, value in expected.items():
        np.testing.assert_allclose(found[name], value, rtol=0, atol=1e-9, err_msg=name)


def flips(model: Model) -> bool:
    return any(isinstance(layer, Recurrent) and layer.reverse_output for layer in model.layers)


@quick
@given(models(direction="forward"), seeds, st.integers(0, 5))
def test_split_anywhere_is_the_whole(model, seed, at):
    checkpoint, call = random(model, seed)
    net, x, lengths = Net(checkpoint, "float64"), call["x"], call["lengths"]
    if any(isinstance(layer, Recurrent) and layer.padded_output == "hold" for layer in model.layers):
        lengths = np.full(3, 5)  # what is held is not a state
    expected = run(checkpoint, {"x": x, "lengths": lengths, "state": call["state"]})
    first, state = net(x[:, :at], lengths=np.minimum(lengths, at), state=call["state"])
    second, state = net(x[:, at:], lengths=np.maximum(lengths - at, 0), state=state)
    assert_same({"y": np.concatenate([first, second], 1), **state}, expected)


@quick
@given(models(direction="forward"), seeds)
def test_steps_are_the_whole(model, seed):
    checkpoint, call = random(model, seed)
    net, state, outputs = Net(checkpoint, "float64"), call["state"], []
    for x_t in np.moveaxis(call["x"], 1, 0):
        y, state = net.step(x_t, state)
        outputs.append(y)
    assert_same({"y": np.stack(outputs, 1), **state}, run(checkpoint, {"x": call["x"], "state": call["state"]}))


@quick
@given(models(), seeds, st.permutations(range(3)))
def test_permuting_rows_permutes_results(model, seed, order):
    checkpoint, call = random(model, seed)
    moved = {"x": call["x"][order], "lengths": call["lengths"][order],
             "state": {name: value[order] for name, value in call["state"].items()}}  # fmt: skip
    expected = {name: value[order] for name, value in run(checkpoint, call).items()}
    assert_same(run(checkpoint, moved), expected)


@quick
@given(models(), seeds, st.integers(1, 3))
def test_padding_changes_nothing(model, seed, more):
    assume(not flips(model))  # a flip moves the padding to the front of what the next layer reads
    checkpoint, call = random(model, seed)
    longer = np.concatenate([call["x"], call["x"][:, :more][:, ::-1]], 1)
    found = run(checkpoint, call | {"x": longer})
    expected = run(checkpoint, call)
    if "y" in model.sequences:
        found["y"] = found["y"][:, :5]
    assert_same(found, expected)


@quick
@given(recurrents("rnn", 4, "bidirectional", merge="concat", reverse_output=False), seeds)
def test_bidirectional_is_its_two_directions(layer, seed):
    checkpoint, call = random(Model(inputs=4, layers=[layer]), seed)
    whole, outputs, states = run(checkpoint, call), [], {}
    for prefix, (cell, reverse) in layer.directions.items():
        one = msgspec.structs.replace(layer, cell=cell, direction="backward" if reverse else "forward")
        weights = under("rnn", scope(checkpoint.weights, f"rnn.{prefix}"))
        initial = {f"rnn.initial.{k}": v for k, v in scope(checkpoint.weights, f"rnn.initial.{prefix}").items()}
        part = Checkpoint(Model(inputs=4, layers=[one]), weights | initial)
        state = under("rnn", scope(call["state"], f"rnn.{prefix}"))
        results = run(part, call | {"state": state})
        outputs.append(results.pop("y"))
        states |= {f"rnn.{prefix}.{name.removeprefix('rnn.')}": value for name, value in results.items()}
    assert_same({"y": np.concatenate(outputs, -1), **states}, whole)


@quick
@given(simple_cells(), simple_cells(), st.sampled_from(["forward", "backward"]), seeds)
def test_a_stack_is_the_composition(lower, upper, direction, seed):
    stack = Model(inputs=4, layers=[Recurrent(name="rnn", cell=Stack(cells=(lower, upper)), direction=direction)])
    checkpoint, call = random(stack, seed)
    names = ("lower", "upper")
    chain = Model(inputs=4, layers=[
        Recurrent(name=name, cell=cell, direction=direction) for name, cell in zip(names, (lower, upper), strict=True)
    ])  # fmt: skip

    def renamed(arrays: dict) -> dict:
        return {f"{names[int(name.split('.')[2])]}.{name.split('.', 3)[3]}": value for name, value in arrays.items()}

    apart = run(Checkpoint(chain, renamed(checkpoint.weights)), call | {"state": renamed(call["state"])})
    whole = run(checkpoint, call)
    assert_same(apart, {"y": whole.pop("y"), **renamed(whole)})


@quick
@given(models(), seeds)
def test_files_and_json_keep_everything(model, seed):
    checkpoint, _ = random(model, seed)
    assert Model.from_json(model.to_json()) == model
    assert Checkpoint(Model.from_json(model.to_json()), checkpoint.weights).to_bytes() == checkpoint.to_bytes()


def test_the_strategy_reaches_the_whole_space():
    """Every kind of cell, and every field of the recurrent layer off its default, within what the tests draw."""
    from rnnspec.cells import Cell
    from rnnspec.config import specified
    from rnnspec.conformance.features import features

    seen: set[str] = set()

    @settings(quick, max_examples=400)
    @given(models())
    def collect(model):
        seen.update(features(model))

    collect()
    assert {f"cell.{tag}" for tag in specified(Cell)} - {"cell.attending"} <= seen  # no chain has a memory
    for field in ("direction=backward", "direction=bidirectional", "padded_output=hold", "learned_state=true"):
        assert f"layer.recurrent.{field}" in seen


pytestmark = pytest.mark.filterwarnings("ignore:overflow:RuntimeWarning")
