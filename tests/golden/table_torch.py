"""The cases of PyTorch: state dicts, pickled and in safetensors, one row each."""

from functools import partial

from .case import Case


def both(path: str, **options) -> list[Case]:
    """A row for each file of the same state dict."""
    return [Case(f"torch/{path}", file, states="torch", **options) for file in ("state_dict.pt", "model.safetensors")]


time_first = partial(both, time_major=True)
RELU = {"activation": "relu"}

# fmt: off
ROWS = [
    *both("bigru_tagger", outputs={"output": "rnn_1", "logits": "out"}),
    *both("char_rnn", outputs={"output": "lstm_1", "logits": "fc"}),
    *time_first("gru"),
    *time_first("gru_2layer_bidirectional"),
    # pad_packed_sequence cuts the output to the longest length
    *both("gru_2layer_bidirectional_packed", view=lambda y: y[:, :5]),
    *time_first("gru_bfloat16_weights"),
    *time_first("gru_cell", stepwise=True),
    *both("gru_nobias"),
    *time_first("gru_views_pt"),
    *time_first("lstm"),
    *both("lstm_2layer_bidirectional"),
    *time_first("lstm_2layer_bidirectional_packed"),
    *time_first("lstm_cell", stepwise=True),
    *time_first("lstm_float64"),
    *time_first("lstm_legacy_pt"),
    *both("lstm_packed"),
    *time_first("lstm_proj"),
    *time_first("lstm_unbatched", view=lambda y: y[:, 0]),
    *both("rnn_bidirectional_nobias"),
    *time_first("rnn_cell", stepwise=True),
    *time_first("rnn_cell_relu_nobias", settings=RELU, stepwise=True),
    *time_first("rnn_tanh"),
]
