"""The cases of PyTorch: what its state_dict calls the weights, and one row each."""

import re
from collections.abc import Callable
from functools import partial

from .case import Case
from .layers import Variables, WithWeights, bidirectional, dense, embedding, recurrent
from .layouts import Part, gru_from_torch, lstm_from_torch, rnn_from_torch


def rnn_layers(from_torch: Callable[..., Part], prefix="") -> Callable[[Variables], list[WithWeights]]:
    """`nn.RNN`, `nn.LSTM`, `nn.GRU`: weight_ih_l0, weight_ih_l0_reverse, weight_ih_l1, …; their cells: weight_ih, …"""
    names = [f"{prefix}{leaf}" for leaf in ("weight_ih", "weight_hh", "bias_ih", "bias_hh", "weight_hr")]

    def layers(v: Variables) -> list[WithWeights]:
        def part(suffix: str) -> Part:
            return from_torch(*(v[name + suffix] for name in names if name + suffix in v))

        suffixes = [name.removeprefix(names[0]) for name in v if re.fullmatch(rf"{re.escape(names[0])}(_l\d)?", name)]
        return [
            bidirectional(part(suffix), part(f"{suffix}_reverse"), f"rnn_{k}")
            if f"{names[0]}{suffix}_reverse" in v
            else recurrent(part(suffix), f"rnn_{k}")
            for k, suffix in enumerate(suffixes)
        ]

    return layers


def char_rnn(v: Variables) -> list[WithWeights]:
    lstm_in = rnn_layers(lstm_from_torch, "lstm.")
    return [embedding(v["embedding.weight"]), *lstm_in(v), dense(v["fc.weight"].T, v["fc.bias"])]


def bigru_tagger(v: Variables) -> list[WithWeights]:
    return [embedding(v["emb.weight"]), *rnn_layers(gru_from_torch, "rnn.")(v), dense(v["out.weight"].T, v["out.bias"])]


RNN, LSTM, GRU = rnn_layers(rnn_from_torch), rnn_layers(lstm_from_torch), rnn_layers(gru_from_torch)
RNN_RELU = rnn_layers(partial(rnn_from_torch, activation="relu"))
LOGITS = {"output": "rnn_1", "logits": "head"}
batch_first = partial(Case, states="torch")
time_first = partial(batch_first, time_major=True)

# fmt: off
ROWS = [
    batch_first("torch/bigru_tagger", bigru_tagger, LOGITS),
    batch_first("torch/char_rnn", char_rnn, LOGITS),
    time_first("torch/gru", GRU),
    time_first("torch/gru_2layer_bidirectional", GRU),
    # pad_packed_sequence cuts the output to the longest length
    batch_first("torch/gru_2layer_bidirectional_packed", GRU, view=lambda y: y[:, :5]),
    time_first("torch/gru_bfloat16_weights", GRU),
    time_first("torch/gru_cell", GRU, stepwise=True),
    batch_first("torch/gru_nobias", GRU),
    time_first("torch/gru_views_pt", GRU),
    time_first("torch/lstm", LSTM),
    batch_first("torch/lstm_2layer_bidirectional", LSTM),
    time_first("torch/lstm_2layer_bidirectional_packed", LSTM),
    time_first("torch/lstm_cell", LSTM, stepwise=True),
    time_first("torch/lstm_float64", LSTM),
    time_first("torch/lstm_legacy_pt", LSTM),
    batch_first("torch/lstm_packed", LSTM),
    time_first("torch/lstm_proj", LSTM),
    time_first("torch/lstm_unbatched", LSTM, view=lambda y: y[:, 0]),
    batch_first("torch/rnn_bidirectional_nobias", RNN),
    time_first("torch/rnn_cell", RNN, stepwise=True),
    time_first("torch/rnn_cell_relu_nobias", RNN_RELU, stepwise=True),
    time_first("torch/rnn_tanh", RNN),
]
