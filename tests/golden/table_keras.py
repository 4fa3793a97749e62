"""The cases of Keras: its versions share cases, so a row is a model and the groups in which it is."""

from .case import DATA, Case

K3, TF215, TF115, K224 = "keras3", "keras2_tf215", "keras2_tf115", "keras224"
ALL = f"{K3} {TF215} {TF115} {K224}"
NEWER = f"{K3} {TF215} {TF115}"
CUDNN = f"{TF215} {TF115}"
WHOLE = ("model.keras", "model.h5", "saved_model")
WEIGHTS = ("model.weights.h5", "weights.h5", "tf_weights")
HALVES = {"outputs_fw": ".forward", "outputs_bw": ".backward"}
LOGITS, PROBABILITIES = {"logits": ""}, {"probabilities": ""}


def rows(case: str, groups: str, **options) -> list[Case]:
    """The case in every group, from whole models, and from weights with the configuration beside them."""
    found = []
    for group in groups.split():
        path = f"{group}/{case}"
        whole = [name for name in WHOLE if (DATA / path / name).exists()]
        weights = [name for name in WEIGHTS if (DATA / path / name).exists()]
        found += [Case(path, name, states="state", **options) for name in whole]
        found += [Case(path, name, states="state", config=whole[0], **options) for name in weights]
    return found


ROWS = [
    *rows("bidirectional_gru_masked_last", ALL),
    *rows("bidirectional_lstm_concat", ALL),
    *rows("bidirectional_lstm_mul", ALL),
    *rows("bidirectional_lstm_none", ALL, outputs=HALVES),
    *rows("bidirectional_lstm_sum", ALL),
    *rows("char_rnn_logits", ALL, outputs=LOGITS),
    *rows("cudnn_bidirectional_lstm", CUDNN),
    *rows("cudnn_gru", CUDNN),
    *rows("cudnn_lstm", CUDNN),
    *rows("embedding_masked_stack_softmax", ALL, outputs=PROBABILITIES),
    *rows("gru_defaults", ALL),
    *rows("gru_reset_after", ALL),
    *rows("gru_reset_after_nobias", ALL),
    *rows("gru_reset_before", ALL),
    *rows("gru_stack_stateful", ALL, stateful=True),
    *rows("ln_simple_rnn", NEWER),
    *rows("ln_simple_rnn_nobuild", NEWER),
    *rows("lstm", ALL),
    *rows("lstm_defaults_two", ALL),
    *rows("lstm_go_backwards", ALL),
    *rows("lstm_hardsigmoid", ALL),
    *rows("lstm_masked", ALL),
    *rows("lstm_masked_zero", NEWER),
    *rows("lstm_relu_hardsigmoid_nobias", ALL),
    *rows("lstm_seq_state_init", ALL),
    *rows("lstm_state", ALL),
    *rows("lstm_stateful", ALL, stateful=True),
    *rows("lstm_timedistributed", ALL),
    *rows("rnn_lstm_cells", ALL),
    *rows("rnn_mixed_cells", ALL),
    *rows("seq2seq_lstm", ALL, part="decoder", encoder="encoder", outputs={"outputs": "decoder", "probabilities": ""}),
    *rows("sequential_masked_stack", ALL),
    *rows("simple_rnn", ALL),
]
