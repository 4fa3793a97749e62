"""The cases of ONNX files: torch.onnx's two exporters and tf2onnx, one row per file."""

from functools import partial

from .case import Case


def each(path: str, *files: str, **options) -> list[Case]:
    """A row for each file of the same model; `ts` and `dynamo` are torch's exporters."""
    return [Case(f"onnx_torch/{path}", f"model_{file}.onnx", states="torch", **options) for file in files]


time_first = partial(each, time_major=True)


def tf2onnx(path: str) -> Case:
    return Case(f"onnx_tf2onnx/{path}", "model.onnx")


# fmt: off
ROWS = [
    *each("char_rnn", "ts", outputs={"logits": "fc"}),
    *each("char_rnn", "dynamo", outputs={"logits": "dense"}),
    *time_first("gru", "ts", "dynamo"),
    *each("gru_2layer_bidirectional", "ts", "dynamo"),
    *time_first("lstm", "ts", "dynamo"),
    *time_first("lstm_2layer_bidirectional", "ts", "dynamo"),
    *each("lstm_packed", "ts"),
    *time_first("rnn_tanh", "ts"),
    tf2onnx("bidirectional_gru_sum"),
    tf2onnx("bidirectional_lstm"),
    tf2onnx("gru_reset_after"),
    tf2onnx("lstm"),
    tf2onnx("lstm_last_dense"),
]
# fmt: on

# What no chain of layers can be read from → why.
REFUSED = {
    "onnx_torch/lstm_proj/invalid_model_dynamo.onnx": "initial_c: expected shape (1, batch, 3), found (1, 3, 7)",
    "onnx_torch/rnn_tanh/model_dynamo.onnx": "a recurrence unrolled into its steps",
    "onnx_tf2onnx/simple_rnn/model.onnx": "a recurrence left as a Loop",
}
