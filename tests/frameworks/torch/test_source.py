"""The module of Python beside a state dict: the suite's models in it, and in a process that has torch alone."""

import subprocess
import sys
import types

import numpy as np
import pytest
import torch

from rnnspec import GRU, LSTM, RNN, Checkpoint, HardSigmoid, Model, Recurrent, SpecError, Stack, UnsupportedError
from rnnspec.conformance import Case, cases
from rnnspec.conventions.torch import ATTRIBUTES
from rnnspec.convert import convert
from rnnspec.convert.torch.write import write
from rnnspec.layers import Attention, Convolution, Dense, Embedding, Merge, Norm, Summary
from rnnspec.reference import Net

from ...conftest import random_checkpoint

pytestmark = pytest.mark.filterwarnings("ignore:LSTM with projections is not supported with oneDNN")


def module_of(path):
    module = types.ModuleType(path.stem)  # not by the import system, which may keep what stood there a moment before
    module.__file__ = str(path)
    exec(compile(path.read_text(encoding="utf-8"), path, "exec"), module.__dict__)
    return module


def called(net, model, x, lengths):
    """The outputs, in order; x and lengths by input."""
    timed = [name for name, given in model.given.items() if given.sequence and given.like is None]
    more = {f"{name}_lengths" if len(timed) > 1 else "lengths": many for name, many in lengths.items()}
    with torch.no_grad():
        y = net(*(torch.tensor(x[name]) for name in model.given), **more)
    return y if isinstance(y, tuple) else (y,)


def fits(case):
    """Whether it is a call that the module has: no masks, no given states."""
    states = set(case.model.states()) & set(case.inputs)
    others = [name for name in case.inputs if name.rpartition(".")[2] in ("mask", "reset")]
    return case.split == "whole" and not case.training and not states and not others


def test_the_suite_in_torch(tmp_path):
    exact = 0
    for case in [case for case in cases() if isinstance(case, Case) and fits(case)]:
        weights = {name: array.astype("float64") for name, array in case.weights.items()}
        try:
            write(Checkpoint(case.model, weights), tmp_path / "y.pt")
        except UnsupportedError:
            continue
        net, x = module_of(tmp_path / "y.py").load(), {name: case.inputs[name] for name in case.model.given}
        x = {name: array.astype("float64" if array.dtype.kind == "f" else "int64") for name, array in x.items()}
        ends = {name: name.rpartition(".") for name in case.inputs}
        lengths = {end[0] or "x": case.inputs[name] for name, end in ends.items() if end[2] == "lengths"}
        if case.id.startswith("size-") and case.id.endswith(("no-query", "no-step", "too-wide", "no-row")):
            with pytest.raises(RuntimeError):  # torch's own modules take no empty batch, and no empty sequence
                called(net, case.model, x, lengths)
            continue
        for mine, name in zip(called(net, case.model, x, lengths), case.model.results, strict=True):
            assert mine.shape == case.expected[name].shape, case.id
            np.testing.assert_allclose(mine, case.expected[name], rtol=1e-9, atol=1e-9, err_msg=case.id)
        exact += 1
    assert exact > 100


SPEECH = Model(
    inputs={"audio": 6, "speaker": None},
    layers=[
        Convolution(name="front", of="audio", units=8, width=5, stride=2, padding="same", activation="relu"),
        Norm(name="norm", kind="batch", epsilon=1e-3),
        Recurrent(name="encoder", cell=LSTM(units=4), direction="bidirectional"),
        Embedding(name="who", of="speaker", vocabulary=10, units=5),
        Recurrent(
            name="decoder", of="who", cell=LSTM(units=4), start={"h": "encoder.forward.h", "c": "encoder.backward.c"}
        ),
        Dense(name="wide", units=8),
        Attention(name="look", of=("wide", "encoder"), score="scaled", heads=2),
        Merge(name="both", of=("decoder", "look"), how="concat"),
        Dense(name="logits", units=9, activation="softsign"),
        Summary(name="voice", of="encoder", how="max"),
    ],
    outputs=("logits", "voice"),
)
GRU_ = GRU(units=4, reset_after=True)
NAMED = Model(  # with names that mean something in Python or in torch, behind a padding that is found
    padding=0,
    layers=[
        Embedding(name="type", vocabulary=7, units=3),
        Recurrent(name="rnn_0", cell=GRU_, padded_output="hold"),
        Recurrent(name="rnn_1", cell=GRU_, padded_output="hold"),
        Recurrent(name="class", cell=GRU_, direction="backward", reverse_output=True, padded_output="hold"),
        Recurrent(name="last", cell=GRU_, direction="bidirectional", merge="ave", learned_state=True),
        Dense(name="o-k", units=2),
    ],
)
HARD = HardSigmoid(alpha=0.2, beta=0.5)
OLD = GRU(units=3, reset_after=False, gate_activation=HARD)
LOOPS = Model(  # cells that torch has not, as older Keras's are
    padding=0,
    layers=[
        Embedding(name="words", vocabulary=7, units=3),
        Recurrent(name="both", cell=LSTM(units=4, gate_activation=HARD), direction="bidirectional", learned_state=True),
        Recurrent(name="stack", cell=Stack(cells=(OLD, GRU(units=3, reset_after=True, bias=False, activation="relu")))),
        Recurrent(name="back", cell=OLD, direction="backward", padded_output="hold"),
        Recurrent(name="last", cell=RNN(units=2, activation="softsign", bias=False), return_sequences=False),
    ],
)
BARE = Model(inputs=3, layers=[Recurrent(name=f"rnn_{k}", cell=LSTM(units=4, projection=2)) for k in range(2)])
RNG = np.random.default_rng(7)
IDS = RNG.integers(1, 7, (3, 6))
IDS[0, :2] = IDS[0, 4] = IDS[1] = 0
CALLS = {  # x and lengths by input
    "speech": (SPEECH, {"audio": RNG.standard_normal((3, 9, 6)), "speaker": RNG.integers(0, 10, (3, 7))},
               {"audio": [9, 3, 1], "speaker": [2, 7, 0]}),
    "named": (NAMED, {"x": IDS}, {"x": [6, 6, 3]}),
    "loops": (LOOPS, {"x": IDS}, {"x": [6, 6, 3]}),
    "bare": (BARE, {"x": RNG.standard_normal((3, 6, 3))}, {"x": [4, 6, 1]}),
}  # fmt: skip
ALONE = """
import sys
sys.modules["rnnspec"] = sys.modules["numpy"] = None  # which import then refuses
sys.path.insert(0, ".")
import torch
import {names}
for net in ({names}):
    x, lengths, expected = torch.load(net.__name__ + ".data")
    with torch.no_grad():
        y = net.load()(*x, *lengths)
    for mine, other in zip(y if isinstance(y, tuple) else [y], expected, strict=True):
        print(mine.shape == other.shape and float((mine - other).abs().max()) < 1e-5)
"""


@pytest.mark.filterwarnings("error")
def test_torch_is_all_that_is_needed(tmp_path):
    for name, (model, x, lengths) in CALLS.items():
        checkpoint = positive(random_checkpoint(model))
        write(checkpoint, tmp_path / f"{name}.pt")
        y = Net(checkpoint, "float64")(
            x if model.by_name else x["x"], lengths=lengths if model.by_name else lengths["x"]
        )[0]
        given = [torch.tensor(each, dtype=torch.float32 if each.dtype.kind == "f" else None) for each in x.values()]
        expected = [torch.tensor(each) for each in (y.values() if isinstance(y, dict) else [y])]
        torch.save((given, list(lengths.values()), expected), tmp_path / f"{name}.data")
    code = ALONE.format(names=", ".join(CALLS))
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True)
    assert (done.returncode, done.stdout.split()) == (0, ["True"] * 5), done.stderr


def positive(checkpoint):
    """With variances that are some."""
    weights = {n: abs(a) + 0.3 if n.endswith("variance") else a for n, a in checkpoint.weights.items()}
    return Checkpoint(checkpoint.model, weights)


@pytest.mark.parametrize("file", ["out.pt", "out.safetensors"])
def test_a_graph_comes_back_by_its_architecture(file, tmp_path):
    checkpoint = positive(random_checkpoint(SPEECH))
    (tmp_path / "model.json").write_text(SPEECH.to_json())
    write(checkpoint, tmp_path / file)
    again = convert(tmp_path / file, config=tmp_path / "model.json")
    assert again.model == SPEECH
    for name, array in checkpoint.weights.items():
        np.testing.assert_array_equal(again.weights[name], array)
    assert module_of(tmp_path / "out.py").load().logits.weight.shape == (9, 12)


def test_a_loop_is_taken_for_no_module_of_torch(tmp_path):
    model = Model(inputs=4, layers=[Recurrent(name="rnn", cell=OLD), Dense(name="head", units=2)])
    checkpoint = random_checkpoint(model)
    (tmp_path / "model.json").write_text(model.to_json())
    write(checkpoint, tmp_path / "out.pt")
    with pytest.raises(SpecError, match=r"rnn"):
        convert(tmp_path / "out.pt")
    again = convert(tmp_path / "out.pt", config=tmp_path / "model.json")
    assert again.model == model
    for name, array in checkpoint.weights.items():
        np.testing.assert_array_equal(again.weights[name], array)


def test_every_attribute_of_a_module_is_known():
    assert {name for name in dir(torch.nn.Module()) if not name.startswith("_")} <= ATTRIBUTES


def test_what_others_wrote_stays(tmp_path):
    (tmp_path / "out.py").write_text("import torch\n")
    with pytest.raises(SpecError, match=r"out\.py: is there, and rnnspec did not write it"):
        write(random_checkpoint(BARE), tmp_path / "out.pt")
    assert [path.name for path in tmp_path.iterdir()] == ["out.py"]
    (tmp_path / "out.py").unlink()
    write(random_checkpoint(BARE), tmp_path / "out.pt")
    write(random_checkpoint(BARE, seed=1), tmp_path / "out.pt")
