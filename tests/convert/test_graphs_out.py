"""A graph, or a chain with a layer of version 2, is written for no other framework, and that is said in one line."""

import pytest

from rnnspec import LSTM, Checkpoint, Model, Recurrent
from rnnspec.layers import Convolution, Norm

RNN = Recurrent(name="rnn", cell=LSTM(units=3))
MODELS = {
    "here is layer 'norm'": Model(inputs=4, layers=[Norm(name="norm", kind="layer", epsilon=1e-3), RNN]),
    "here is layer 'front'": Model(
        inputs=4, layers=[Convolution(name="front", units=3, width=2, padding="causal"), RNN]
    ),
    "here are inputs, outputs or a start by name": Model(inputs={"sound": 4}, layers=[RNN]),
}
WRITERS = {
    "flax": ("m.npz", "the writer of linen's parameters"),
}


@pytest.mark.parametrize("to", WRITERS)
def test_what_no_writer_takes(call, tmp_path, to):
    name, writer = WRITERS[to]
    for found, model in MODELS.items():
        Checkpoint.initialize(model, seed=0).save(source := tmp_path / "ours.safetensors")
        code, out, error = call("convert", source, "--to", to, "-o", tmp_path / name)
        assert (code, out) == (2, "")
        assert error == f"rnnspec: {writer} takes chains of layers of version 1 of the specification; {found}\n"
        assert not (tmp_path / name).exists()
