"""A graph, or a chain with a layer of version 2, is not written for Flax, and that is said in one line."""

import importlib
from collections import Counter

import pytest

from rnnspec import LSTM, Checkpoint, Model, Recurrent, UnsupportedError
from rnnspec.conformance import cases
from rnnspec.layers import Convolution, Norm

RNN = Recurrent(name="rnn", cell=LSTM(units=3))
MODELS = {
    "here is layer 'norm'": Model(inputs=4, layers=[Norm(name="norm", kind="layer", epsilon=1e-3), RNN]),
    "here is layer 'front'": Model(
        inputs=4, layers=[Convolution(name="front", units=3, width=2, padding="causal"), RNN]
    ),
    "here are inputs, outputs or a start by name": Model(inputs={"sound": 4}, layers=[RNN]),
}


@pytest.mark.parametrize("found", MODELS)
def test_what_flax_does_not_take(call, tmp_path, found):
    Checkpoint.initialize(MODELS[found], seed=0).save(source := tmp_path / "ours.safetensors")
    code, out, error = call("convert", source, "--to", "flax", "-o", tmp_path / "m.npz")
    assert (code, out) == (2, "")
    takes = "the writer of linen's parameters takes chains of layers of version 1 of the specification"
    assert error == f"rnnspec: {takes}; {found}\n"
    assert not (tmp_path / "m.npz").exists()


def every_model():
    """Those of the suite, each once."""
    models = {case.model.to_json(): case for case in cases() if isinstance(getattr(case, "model", None), Model)}
    return list(models.values())


@pytest.mark.parametrize("to", ["torch", "flax", "arrays"])
def test_every_model_is_written_or_refused(tmp_path, to):
    write = importlib.import_module(f"rnnspec.convert.{to}.write").write
    name = {"torch": "m.safetensors", "flax": "m.npz", "arrays": "m.json"}[to]
    results = Counter()
    for case in every_model():
        try:
            write(case.checkpoint, tmp_path / name)
            results["written"] += 1
        except UnsupportedError:  # and nothing else
            results["refused"] += 1
    assert results["written"] >= {"torch": 200, "flax": 120, "arrays": 10}[to]
    assert results["refused"]
