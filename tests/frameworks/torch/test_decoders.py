"""Cells that read a memory, against decoders as they are written by hand in torch: values and gradients."""

import pytest
import torch
from torch import nn
from torch.func import functional_call

from rnnspec import GRU, LSTM, Attending, Recurrent

from ..agreement import solved
from .own import assert_agree, tensors

FEATURES, MEMORY, TIME = 3, 8, 6
LENGTHS = {"memory": [5, 2, 3]}
DTYPES = pytest.mark.parametrize("dtype", ["float32", "float64"])


def gru(p, x, h):
    own = nn.GRUCell(x.shape[1], h.shape[1])
    idle = torch.zeros_like(p["cell.bias"][:2])
    weights = {
        "weight_ih": p["cell.kernel"].flatten(0, 1),
        "weight_hh": p["cell.recurrent_kernel"].flatten(0, 1),
        "bias_ih": p["cell.bias"].flatten(),
        "bias_hh": torch.cat([idle, p["cell.recurrent_bias"][None]]).flatten(),
    }
    return functional_call(own, weights, (x, h))


def lstm(p, x, state):
    own = nn.LSTMCell(x.shape[1], state[0].shape[1])
    weights = {
        "weight_ih": p["cell.kernel"].flatten(0, 1),
        "weight_hh": p["cell.recurrent_kernel"].flatten(0, 1),
        "bias_ih": p["cell.bias"].flatten(),
        "bias_hh": torch.zeros_like(p["cell.bias"].flatten()),
    }
    return functional_call(own, weights, (x, state))


def attend(scores, memory, kept):
    """(batch, steps), (batch, steps, features) → (batch, features)."""
    return torch.einsum("bu,buf->bf", scores.masked_fill(~kept, -torch.inf).softmax(-1), memory)


def bahdanau(p, x, memory, kept):
    """As in torch's tutorial on translation: scores `Va(tanh(Wa(query) + Ua(keys)))`, input [embedded, context]."""
    h, outputs = memory.new_zeros(len(x), 9), []
    for step in x.unbind(1):
        query = (h @ p["query_kernel"].T)[:, None]
        scores = (query + memory @ p["memory_kernel"].T + p["score_bias"]).tanh() @ p["scale"]
        context = attend(scores, memory, kept)
        h = gru(p, torch.cat([step, context], 1), h)
        outputs.append(torch.cat([h, context], 1))
    return torch.stack(outputs, 1)


def luong(p, x, memory, kept):
    """With input feeding, as OpenNMT has it: the attentional vector goes into the next step."""
    state, fed, outputs = (memory.new_zeros(len(x), 9),) * 2, memory.new_zeros(len(x), 7), []
    for step in x.unbind(1):
        state = lstm(p, torch.cat([step, fed], 1), state)
        scores = torch.einsum("bh,hf,buf->bu", state[0], p["memory_kernel"], memory)
        pair = torch.cat([state[0], attend(scores, memory, kept)], 1)
        fed = torch.tanh(pair @ p["attention_kernel"].T + p["attention_bias"])
        outputs.append(fed)
    return torch.stack(outputs, 1)


def unfed(p, x, memory, kept):
    """An LSTM, and after it attention over all of its steps at once."""
    state, outputs = (memory.new_zeros(len(x), MEMORY),) * 2, []
    for step in x.unbind(1):
        state = lstm(p, step, state)
        outputs.append(state[0])
    y = torch.stack(outputs, 1)
    return nn.functional.scaled_dot_product_attention(y, memory, memory, kept[:, None])


CELLS = {
    bahdanau: Attending(
        cell=GRU(units=9, reset_after=True), memory=MEMORY, score="additive", units=7, feeding="context", output="both"
    ),
    luong: Attending(cell=LSTM(units=9), memory=MEMORY, score="general", feeding="attention", attention_units=7),
    unfed: Attending(cell=LSTM(units=MEMORY), memory=MEMORY, score="scaled", feeding="none"),
}


@DTYPES
@pytest.mark.parametrize("theirs", CELLS, ids=lambda function: function.__name__)
def test_a_decoder_by_hand(theirs, dtype):
    layers = [Recurrent(name="l", of=["x", "memory"], cell=CELLS[theirs])]
    inputs = {"x": FEATURES, "memory": MEMORY}
    case = solved(theirs.__name__, inputs, layers, time={"x": TIME, "memory": 5}, lengths=LENGTHS, pulled=["y"])
    arguments, p, x = tensors(case, dtype)
    kept = torch.arange(5) < torch.tensor(LENGTHS["memory"])[:, None]
    assert_agree(case, dtype, theirs(p, x["x"], x["memory"], kept), arguments)
