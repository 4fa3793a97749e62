"""What other frameworks' modules do not have, and need not have where no step is padded and nothing trains."""

import numpy as np
import pytest

from rnnspec import GRU, LSTM, RNN, CellDropout, Dense, Model, Recurrent, Stack
from rnnspec.convert import convert
from rnnspec.convert.outward import at_inference
from rnnspec.reference import Net

from ..conftest import random_checkpoint

LSTM_, GRU_ = LSTM(units=4), GRU(units=5, reset_after=True)
MODEL = Model(
    inputs=3,
    layers=[
        Recurrent(
            name="both",
            cell=CellDropout(cell=LSTM_, input=0.4, state=0.2),
            backward_cell=CellDropout(cell=LSTM_, output=0.3),
            direction="bidirectional",
            padded_output="hold",
        ),
        Recurrent(name="stack", cell=Stack(cells=[CellDropout(cell=GRU_, input=0.1), GRU_])),
        Recurrent(name="last", cell=LSTM_, return_sequences=False, padded_output="hold"),
        Dense(name="out", units=2),
    ],
)
HELD = "at padded steps its output is the last valid one; {} gives 0 there; where no step is padded it is the same"
LINES = [
    "note: both: its dropout is left out: outside training it is the identity",
    f"note: both: {HELD}",
    "note: stack: its dropout is left out: outside training it is the identity",
]
X = np.random.default_rng(0).standard_normal((2, 6, 3))


def test_without_lengths_it_is_the_same():
    checkpoint = random_checkpoint(MODEL)
    plain, notes = at_inference(checkpoint, "torch")
    assert [f"note: {line}" for line in notes] == [line.format("torch") for line in LINES]
    assert plain.weights == checkpoint.weights
    assert [layer.cell for layer in plain.model.layers[:3]] == [LSTM_, Stack(cells=(GRU_, GRU_)), LSTM_]
    (y, state), (same, states) = (Net(each, "float64")(X) for each in (checkpoint, plain))
    np.testing.assert_array_equal(y, same)
    for name in state:
        np.testing.assert_array_equal(state[name], states[name])


@pytest.mark.parametrize(("to", "name"), [("torch", "out.safetensors"), ("flax", "out.msgpack")])
def test_the_command_says_what_is_left_out(to, name, call, tmp_path):
    checkpoint = random_checkpoint(MODEL)
    checkpoint.save(source := tmp_path / "model.safetensors")
    code, out, error = call("convert", source, "--to", to, "-o", tmp_path / name)
    whose = {"torch": "torch", "flax": "linen"}[to]
    assert (code, error) == (0, "")
    assert out.splitlines()[:4] == [f"{tmp_path / name}: for {to}", *(line.format(whose) for line in LINES)]
    more = {
        "torch": ["note: out.py beside it says how the modules are called: load() gives the model"],
        "flax": [
            "note: not in the tree, for you to say where its modules are called: both.direction=bidirectional, "
            "last.return_sequences=false",
            "note: names in the tree, and for the places of a --config: both.forward LSTMCell_0, both.backward "
            "LSTMCell_1, stack_0 GRUCell_0, stack_1 GRUCell_1, last LSTMCell_2, out Dense_0",
        ],
    }
    assert out.splitlines()[4:] == more[to]


def test_a_layer_for_torch_and_back(tmp_path):
    model = Model(inputs=3, layers=[Recurrent(name="r", cell=CellDropout(cell=GRU_, input=0.2), padded_output="hold")])
    checkpoint = random_checkpoint(model)
    from rnnspec.convert.torch.write import write

    assert len(write(checkpoint, tmp_path / "out.safetensors")) == 3
    back = convert(tmp_path / "out.safetensors", "torch")
    y, state = Net(checkpoint, "float64")(X)
    found, states = Net(back, "float64")(X)
    np.testing.assert_array_equal(found, y)
    np.testing.assert_array_equal([*states.values()], [*state.values()])


def test_nothing_to_leave_out():
    model = Model(inputs=3, layers=[Recurrent(name="r", cell=RNN(units=4), return_sequences=False)])
    checkpoint = random_checkpoint(model)
    plain, notes = at_inference(checkpoint, "torch")
    assert (plain.model, notes) == (model, [])
