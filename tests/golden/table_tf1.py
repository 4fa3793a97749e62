"""The cases of TensorFlow 0.12, 1.0 and 1.15, one row each."""

from .case import Case

HALVES = {"outputs_fw": "rnn.forward", "outputs_bw": "rnn.backward"}
NONE = {"merge": "none"}
LAST = {"return_sequences": False}
CLIPS = {"cell_clip": 0.6, "proj_clip": 0.3}
TIMEFREQ = {"feature_size": 3, "frequency_skip": 2, "inputs": 7, "cell_clip": 0.8}


def row(path: str, artefact: str = "model.ckpt", states: str = "final_state", **options) -> Case:
    return Case(path, artefact, states=states, **options)


def logits(layer: str) -> dict[str, str]:
    return {"outputs": "rnn", "logits": layer}


# fmt: off
ROWS = [
    row("tf1/basic_lstm_fb1"),
    row("tf1/basic_rnn"),
    row("tf1/bidirectional_gru_lstm_time_major", settings=NONE, outputs=HALVES, time_major=True),
    row("tf1/bidirectional_lstm_lengths", settings=NONE, outputs=HALVES),
    row("tf1/bigru_tagger", outputs=logits("dense")),
    row("tf1/char_rnn", ".", outputs=logits("softmax")),
    row("tf1/char_rnn", "model.ckpt-4", outputs=logits("softmax")),
    row("tf1/char_rnn", "model.ckpt-4.index", settings={"softmax.activation": "softmax"},
        outputs={"probabilities": "softmax"}),
    row("tf1/cifg_lstm"),
    row("tf1/ckpt_ema_gru"),
    row("tf1/ckpt_old_names_lstm"),
    row("tf1/ckpt_sharded_lstm"),
    row("tf1/ckpt_v1_format_lstm"),
    row("tf1/cudnn_compatible_gru"),
    row("tf1/cudnn_compatible_lstm"),
    row("tf1/custom_ln_lstm"),
    row("tf1/custom_ln_lstm2_lengths", settings={"forget_bias": 0.5}),
    row("tf1/gru"),
    row("tf1/gru_block_v1"),
    row("tf1/gru_float16"),
    row("tf1/gru_lengths"),
    row("tf1/indrnn"),
    row("tf1/indrnn_relu2", settings={"activation": "relu"}),
    row("tf1/indy_gru"),
    row("tf1/indy_lstm"),
    row("tf1/intersection_rnn"),
    row("tf1/layernorm_basic_lstm"),
    row("tf1/layernorm_basic_lstm_off", settings={"forget_bias": 0}),
    row("tf1/lstm_block"),
    row("tf1/lstm_block_fused_lengths", settings={"forget_bias": 0}, time_major=True),
    row("tf1/lstm_block_fused_peephole", time_major=True),
    row("tf1/lstm_block_peephole_clip", settings={"rnn.forget_bias": 0.3, "clip_cell": 0.6}),
    row("tf1/lstm_float64"),
    row("tf1/lstm_lengths"),
    row("tf1/lstm_peephole"),
    row("tf1/lstm_peephole_proj", settings={"forget_bias": 0.7}),
    row("tf1/lstm_plain"),
    row("tf1/lstm_proj"),
    row("tf1/lstm_proj_clip", settings={"cell_clip": 0.5, "proj_clip": 0.3}),
    row("tf1/mnist_classifier", "model.ckpt-3", settings=LAST, outputs=logits("out")),
    row("tf1/mnist_classifier_unnamed", settings=LAST, outputs=logits("dense")),
    row("tf1/multi_concat_state", states="concat"),
    row("tf1/multi_lstm3"),
    row("tf1/multi_lstm_lengths"),
    row("tf1/nas_bias"),
    row("tf1/scan_lstm", stepwise=True),
    row("tf1/sru"),
    row("tf1/stack_bidirectional_lstm"),
    row("tf1/static_gru_lengths"),
    row("tf1/timefreq_lstm", settings=TIMEFREQ, states="concat"),
    row("tf1/ugrnn"),
    row("tf10/basic_lstm"),
    row("tf10/char_rnn", outputs=logits("softmax")),
    row("tf10/cifg", states="concat"),
    row("tf10/gru"),
    row("tf10/gru_block"),
    row("tf10/lstm"),
    row("tf10/lstm_peephole_proj", settings=CLIPS),
    row("tf10/lstm_sharded"),
    row("tf10/multi_lstm2"),
    row("tf012/basic_lstm"),
    row("tf012/basic_lstm_v1"),
    row("tf012/bidirectional_lstm_lengths", settings=NONE, outputs=HALVES),
    row("tf012/char_rnn", outputs=logits("softmax")),
    row("tf012/cifg", states="concat"),
    row("tf012/gru"),
    row("tf012/gru_block"),
    row("tf012/lstm"),
    row("tf012/lstm_peephole_proj", settings=CLIPS),
    row("tf012/multi_lstm2"),
]
