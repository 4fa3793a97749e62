"""Models that are graphs, and with which options they cannot be exported."""

from rnnspec import GRU, LSTM, RNN, Dense, Embedding, Input, Model, Recurrent
from rnnspec.cells import LayerNorm
from rnnspec.layers import Activation, Attention, Convolution, Merge, Norm, Pool, Repeat, Scale, Summary

SCAN = LSTM(units=4, layer_norm=LayerNorm(gates="split", over="all", epsilon=1e-3))


def recurrent(name, of=None, cell=None, **more):
    return Recurrent(name=name, of=of, cell=cell or GRU(units=4, reset_after=True), **more)


def windows(**more):
    """Several convolutions and pools in a row: some windows are too wide for short sequences."""
    layers = [
        Convolution(name="front", of="a", units=6, width=3, groups=3, **more),
        Pool(name="pool", how="max", width=2, padding="same"),
        recurrent("both", cell=LSTM(units=4), direction="bidirectional"),
        Convolution(name="wide", units=5, width=2, dilation=3, padding="valid", activation="tanh"),
        recurrent("hold", cell=SCAN, padded_output="hold", reverse_output=True),
        Pool(name="mean", how="mean", width=3, stride=1, padding="valid"),
        recurrent("end", return_sequences=False),
    ]
    return Model(inputs={"a": 3}, layers=layers, outputs=["end", "front", "hold", "both", "mean"])


SEQ2SEQ = Model(
    inputs={"source": None, "target": Input(features=3), "speaker": Input(features=2, sequence=False)},
    layers=[
        Embedding(name="words", of="source", vocabulary=7, units=5),
        recurrent("encoder", cell=LSTM(units=3), direction="bidirectional", learned_state=True),
        Merge(name="last", of=["encoder.forward.h", "encoder.backward.h"], how="concat"),
        Dense(name="voice", of="speaker", units=6, activation="tanh"),
        recurrent("decoder", "target", LSTM(units=6), start={"h": "last", "c": "voice"}),
        Attention(name="look", of=["decoder", "encoder"], score="general", heads=2),
        Repeat(name="again", of=["voice", "target"]),
        Merge(name="all", of=["decoder", "look", "again"], how="concat"),
        Dense(name="logits", units=4, activation="log_softmax"),
    ],
    outputs=["logits", "encoder"],
)
MODELS = {
    "seq2seq": SEQ2SEQ,
    "windows-same": windows(padding="same", stride=2),
    "windows-valid": windows(padding="valid", stride=3, dilation=2),
    "windows-causal": windows(padding="causal", dilation=2),
    "like": Model(
        inputs={"a": Input(features=3, like="b"), "b": Input(features=2, padding=0.5), "c": Input(features=2)},
        layers=[
            Merge(name="ab", of=["a", "b"], how="concat"),
            Norm(name="batch", kind="batch", epsilon=1e-3),
            recurrent("pair", cell=RNN(units=3), direction="bidirectional", merge="none"),
            Norm(name="layer", of="c", kind="layer", epsilon=1e-3, beta=False),
            Scale(name="scale"),
            Activation(name="softsign", function="softsign"),
            Summary(name="mean", how="mean"),
            Summary(name="max", of="softsign", how="max"),
            Summary(name="sum", of="ab", how="sum"),
            Merge(name="two", of=["mean", "max"], how="maximum"),
        ],
        outputs=["pair", "two", "sum"],
    ),
    "vectors": Model(
        inputs={"a": Input(features=4, sequence=False), "id": Input(sequence=False)},
        layers=[
            Embedding(name="which", of="id", vocabulary=5, units=4),
            Merge(name="sum", of=["a", "which"], how="average"),
            Repeat(name="code", steps=7),
            Convolution(name="wide", units=4, width=3, padding="valid", stride=2),
            recurrent("decoder", start={"h": "a"}),
            Convolution(name="wider", units=3, width=4, padding="valid"),
            recurrent("none"),
            Summary(name="last", how="last"),
        ],
        outputs=["none", "decoder", "last"],
    ),
    "names": Model(
        inputs={"gemm_0": 3, "transpose_1": Input(features=2)},
        layers=[
            recurrent("gru_0", "gemm_0"),
            recurrent("scan_0", "transpose_1", SCAN),
            Attention(name="where_0", of=["gru_0", "scan_0"], score="scaled"),
        ],
        outputs=["where_0", "scan_0", "gru_0"],
    ),
    "ids-along": Model(
        inputs={"words": None, "a": Input(features=4, sequence=False)},
        layers=[Repeat(name="along", of=["a", "words"]), Embedding(name="e", of="words", vocabulary=5, units=4),
                Merge(name="m", of=["along", "e"], how="multiply"), recurrent("r", start={"h": "a"})],
    ),
}  # fmt: skip
REFUSED = [  # model, options that it has not, why
    ("seq2seq", {"reset"}, "layer 'look' reads a sequence whole"),
    ("windows-same", {"reset"}, "layer 'front' reads a sequence whole"),
    ("windows-valid", {"reset"}, "layer 'front' reads a sequence whole"),
    ("windows-causal", {"reset"}, "layer 'front' reads a sequence whole"),
    ("like", {"reset"}, "layer 'sum' reads a sequence whole"),
    ("ids-along", {"reset"}, "layer 'r' starts from another place"),
    ("vectors", {"reset"}, "reset: no input is a sequence"),
    ("windows-same", {"step"}, "layer 'front' has a time of its own"),
    ("windows-valid", {"step"}, "layer 'front' has a time of its own"),
    ("windows-causal", {"step"}, "layer 'front' reads a sequence whole"),
    ("like", {"step"}, "layer 'sum' reads a sequence whole"),
    ("vectors", {"step"}, "layer 'wider' has a time of its own"),
    ("ids-along", {"step", "mask"}, "mask: a single step has none"),
    ("vectors", {"mask"}, "mask: no input is a sequence"),
]
