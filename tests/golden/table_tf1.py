"""The cases of TensorFlow 0.12, 1.0 and 1.15, one row each."""

from collections.abc import Callable
from functools import partial

from .case import Case
from .layers import Variables, WithWeights, bidirectional, dense, embedding, recurrent, stack
from .variables_tf1 import (
    CellIn,
    cifg,
    cudnn_compatible_gru,
    custom_layer_norm,
    gru,
    indrnn,
    indrnn_relu,
    indy_gru,
    indy_lstm,
    intersection,
    layer_norm,
    lstm,
    lstm_0,
    lstm_clip,
    nas,
    rnn,
    sru,
    timefreq,
    ugrnn,
)


def one(cell: CellIn, scope: str, **options) -> Callable[[Variables], list[WithWeights]]:
    """`dynamic_rnn` and the other unrolls of one cell."""
    return lambda v: [recurrent(cell(v, scope), **options)]


def multi(scope: str, *cells: CellIn) -> Callable[[Variables], list[WithWeights]]:
    """`MultiRNNCell`; `scope` with the number of the cell as {}."""
    return lambda v: [recurrent(stack(*(cell(v, scope.format(k)) for k, cell in enumerate(cells))))]


def both(cell: CellIn, scope: str, fw="fw", bw="bw", **options) -> Callable[[Variables], list[WithWeights]]:
    """`bidirectional_dynamic_rnn`; `scope` with the direction as {}."""
    return lambda v: [bidirectional(cell(v, scope.format(fw)), cell(v, scope.format(bw)), **options)]


def gru_and_lstm(v: Variables) -> list[WithWeights]:
    forward, backward = gru(v, "bidirectional_rnn/fw/gru_cell"), lstm(v, "bidirectional_rnn/bw/basic_lstm_cell")
    return [bidirectional(forward, backward, merge="none")]


def char_rnn(scope: str, activation="linear") -> Callable[[Variables], list[WithWeights]]:
    """r2rt's character model: embedding, three LSTMs, softmax."""
    rnn_in = multi(scope, lstm, lstm, lstm)

    def layers(v: Variables) -> list[WithWeights]:
        head = dense(v["softmax/W"], v["softmax/b"], activation=activation)
        return [embedding(v["embedding_matrix"]), *rnn_in(v), head]

    return layers


def bigru_tagger(v: Variables) -> list[WithWeights]:
    rnn_in = both(gru, "bidirectional_rnn/{}/gru_cell")
    return [embedding(v["embeddings"]), *rnn_in(v), dense(v["dense/kernel"], v["dense/bias"])]


def mnist_classifier(v: Variables) -> list[WithWeights]:
    hidden = dense(v["hidden_in/weights"], v["hidden_in/biases"], "hidden_in")
    return [hidden, *one(lstm, "rnn/basic_lstm_cell", last=True)(v), dense(v["out/weights"], v["out/biases"])]


def mnist_classifier_unnamed(v: Variables) -> list[WithWeights]:
    return [*one(lstm, "rnn/basic_lstm_cell", last=True)(v), dense(v["Variable"], v["Variable_1"])]


def stack_bidirectional(v: Variables) -> list[WithWeights]:
    scope = "stack_bidirectional_rnn/cell_{}/bidirectional_rnn/{}/lstm_cell"
    return [bidirectional(*(lstm(v, scope.format(k, d)) for d in ("fw", "bw")), f"rnn_{k}") for k in range(2)]


HALVES = {"outputs_fw": "rnn.forward", "outputs_bw": "rnn.backward"}
LOGITS = {"outputs": "rnn", "logits": "head"}
row = partial(Case, states="final_state")

# fmt: off
ROWS = [
    row("tf1/basic_lstm_fb1", one(lstm, "rnn/basic_lstm_cell")),
    row("tf1/basic_rnn", one(rnn, "rnn/basic_rnn_cell")),
    row("tf1/bidirectional_gru_lstm_time_major", gru_and_lstm, HALVES, time_major=True),
    row("tf1/bidirectional_lstm_lengths", both(lstm, "bidirectional_rnn/{}/lstm_cell", merge="none"), HALVES),
    row("tf1/bigru_tagger", bigru_tagger, LOGITS),
    row("tf1/char_rnn", char_rnn("rnn/multi_rnn_cell/cell_{}/lstm_cell"), LOGITS),
    row("tf1/char_rnn", char_rnn("rnn/multi_rnn_cell/cell_{}/lstm_cell", "softmax"), {"probabilities": "head"}),
    row("tf1/cifg_lstm", one(cifg, "rnn/coupled_input_forget_gate_lstm_cell")),
    row("tf1/ckpt_ema_gru", one(gru, "rnn/gru_cell")),
    row("tf1/ckpt_old_names_lstm", multi("RNN/MultiRNNCell/Cell{}/BasicLSTMCell", lstm, lstm)),
    row("tf1/ckpt_sharded_lstm", one(lstm, "rnn/lstm_cell")),
    row("tf1/ckpt_v1_format_lstm", one(lstm, "rnn/basic_lstm_cell")),
    row("tf1/cudnn_compatible_gru", multi("cudnn_gru/rnn/multi_rnn_cell/cell_{}/cudnn_compatible_gru_cell",
        cudnn_compatible_gru, cudnn_compatible_gru)),
    row("tf1/cudnn_compatible_lstm", multi("cudnn_lstm/rnn/multi_rnn_cell/cell_{}/cudnn_compatible_lstm_cell",
        lstm_0, lstm_0)),
    row("tf1/custom_ln_lstm", one(custom_layer_norm, "rnn/LayerNormalizedLSTMCell")),
    row("tf1/custom_ln_lstm2_lengths", multi("rnn/multi_rnn_cell/cell_{}/LayerNormalizedLSTMCell",
        *[partial(custom_layer_norm, forget_bias=0.5)] * 2)),
    row("tf1/gru", one(gru, "rnn/gru_cell")),
    row("tf1/gru_block_v1", one(gru, "rnn/gru_cell")),
    row("tf1/gru_float16", one(gru, "rnn/gru_cell")),
    row("tf1/gru_lengths", one(gru, "rnn/gru_cell")),
    row("tf1/indrnn", one(indrnn, "rnn/ind_rnn_cell")),
    row("tf1/indrnn_relu2", multi("rnn/multi_rnn_cell/cell_{}/ind_rnn_cell", indrnn_relu, indrnn_relu)),
    row("tf1/indy_gru", one(indy_gru, "rnn/indy_gru_cell")),
    row("tf1/indy_lstm", one(indy_lstm, "rnn/indy_lstm_cell")),
    row("tf1/intersection_rnn", multi("rnn/multi_rnn_cell/cell_{}/intersection_rnn_cell", intersection, intersection)),
    row("tf1/layernorm_basic_lstm", one(layer_norm, "rnn/layer_norm_basic_lstm_cell")),
    row("tf1/layernorm_basic_lstm_off", one(lstm_0, "rnn/layer_norm_basic_lstm_cell")),
    row("tf1/lstm_block", one(lstm, "rnn/lstm_cell")),
    row("tf1/lstm_block_fused_lengths", one(lstm_0, "lstm_fused_cell"), time_major=True),
    row("tf1/lstm_block_fused_peephole", one(lstm, "lstm_fused_cell"), time_major=True),
    row("tf1/lstm_block_peephole_clip", one(partial(lstm, forget_bias=0.3, clip_cell=0.6), "rnn/lstm_cell")),
    row("tf1/lstm_float64", one(lstm, "rnn/lstm_cell")),
    row("tf1/lstm_lengths", one(lstm, "rnn/lstm_cell")),
    row("tf1/lstm_peephole", one(lstm, "rnn/lstm_cell")),
    row("tf1/lstm_peephole_proj", one(partial(lstm, forget_bias=0.7), "rnn/lstm_cell")),
    row("tf1/lstm_plain", one(lstm, "rnn/lstm_cell")),
    row("tf1/lstm_proj", one(lstm, "rnn/lstm_cell")),
    row("tf1/lstm_proj_clip", one(partial(lstm, clip_cell=0.5, clip_projection=0.3), "rnn/lstm_cell")),
    row("tf1/mnist_classifier", mnist_classifier, LOGITS),
    row("tf1/mnist_classifier_unnamed", mnist_classifier_unnamed, LOGITS),
    row("tf1/multi_concat_state", multi("rnn/multi_rnn_cell/cell_{}/basic_lstm_cell", lstm, lstm), states="concat"),
    row("tf1/multi_lstm3", multi("rnn/multi_rnn_cell/cell_{}/lstm_cell", lstm, lstm, lstm)),
    row("tf1/multi_lstm_lengths", multi("rnn/multi_rnn_cell/cell_{}/basic_lstm_cell", lstm, lstm)),
    row("tf1/nas_bias", one(nas, "rnn/nas_cell")),
    row("tf1/scan_lstm", multi("multi_rnn_cell/cell_{}/lstm_cell", lstm, lstm), stepwise=True),
    row("tf1/sru", one(sru, "rnn/sru_cell")),
    row("tf1/stack_bidirectional_lstm", stack_bidirectional),
    row("tf1/static_gru_lengths", one(gru, "rnn/gru_cell")),
    row("tf1/timefreq_lstm", one(timefreq, "tf_lstm/time_freq_lstm_cell"), states="concat"),
    row("tf1/ugrnn", one(ugrnn, "rnn/ugrnn_cell")),
    row("tf10/basic_lstm", one(lstm, "rnn/basic_lstm_cell")),
    row("tf10/char_rnn", char_rnn("rnn/multi_rnn_cell/cell_{}/lstm_cell"), LOGITS),
    row("tf10/cifg", one(cifg, "rnn/coupled_input_forget_gate_lstm_cell"), states="concat"),
    row("tf10/gru", one(gru, "rnn/gru_cell")),
    row("tf10/gru_block", one(gru, "rnn/GRUBlockCell")),
    row("tf10/lstm", one(lstm, "rnn/lstm_cell")),
    row("tf10/lstm_peephole_proj", one(lstm_clip, "rnn/lstm_cell")),
    row("tf10/lstm_sharded", one(lstm, "rnn/lstm_cell")),
    row("tf10/multi_lstm2", lambda v: [recurrent(stack(lstm(v, "rnn/multi_rnn_cell/cell_0/basic_lstm_cell"),
                                                       gru(v, "rnn/multi_rnn_cell/cell_1/gru_cell")))]),
    row("tf012/basic_lstm", one(lstm, "RNN/BasicLSTMCell")),
    row("tf012/basic_lstm_v1", one(lstm, "RNN/BasicLSTMCell")),
    row("tf012/bidirectional_lstm_lengths", both(lstm, "BiRNN/{}/LSTMCell", "FW", "BW", merge="none"), HALVES),
    row("tf012/char_rnn", char_rnn("RNN/MultiRNNCell/Cell{}/LSTMCell"), LOGITS),
    row("tf012/cifg", one(cifg, "RNN/CoupledInputForgetGateLSTMCell"), states="concat"),
    row("tf012/gru", one(gru, "RNN/GRUCell")),
    row("tf012/gru_block", one(gru, "RNN/GRUBlockCell")),
    row("tf012/lstm", one(lstm, "RNN/LSTMCell")),
    row("tf012/lstm_peephole_proj", one(lstm_clip, "RNN/LSTMCell")),
    row("tf012/multi_lstm2", lambda v: [recurrent(stack(lstm(v, "RNN/MultiRNNCell/Cell0/BasicLSTMCell"),
                                                        gru(v, "RNN/MultiRNNCell/Cell1/GRUCell")))]),
]
