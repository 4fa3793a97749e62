"""A graph at the command line: drawn, run, verified and compared."""

import io
import json

import numpy as np
import pytest
from rich.console import Console

from rnnspec import LSTM, RNN, Checkpoint, Dense, Embedding, Model, Recurrent
from rnnspec.cli.graph import places, table
from rnnspec.cli.verify import times
from rnnspec.graph import Input
from rnnspec.layers import Attention, Convolution, Merge, Norm, Pool, Repeat, Summary
from rnnspec.reference import Net

MODEL = Model(
    inputs={
        "audio": Input(features=3, padding=-1),
        "energy": Input(features=1, like="audio"),
        "speaker": Input(features=2, sequence=False),
        "words": None,
    },
    layers=[
        Merge(name="sound", of=("audio", "energy"), how="concat"),
        Convolution(name="front", units=4, width=3, stride=2, padding="same", activation="relu"),
        Norm(name="norm", kind="batch", epsilon=1e-3),
        Recurrent(name="encoder", cell=LSTM(units=4)),
        Embedding(name="text", of="words", vocabulary=7, units=3),
        Repeat(name="voice", of=("speaker", "text")),
        Merge(name="spoken", of=("text", "voice"), how="concat"),
        Recurrent(name="decoder", cell=LSTM(units=4), start={"h": "encoder.h", "c": "encoder.c"}),
        Attention(name="look", of=("decoder", "encoder"), score="dot"),
        Merge(name="both", of=("decoder", "look"), how="concat"),
        Dense(name="logits", units=7),
        Repeat(name="again", of="encoder.h", steps=4),
        Pool(name="halves", how="max", width=2, padding="valid"),
        Summary(name="end", how="last"),
    ],
    outputs=("logits", "encoder", "end"),
)

# Regenerate by printing `drawn(MODEL)`.
DRAWN = """
place    type         reads               gives                    steps that count
────────────────────────────────────────────────────────────────────────────────────────────────────
audio    input                            (batch, audio.time, 3)   those given, but where every
                                                                   feature is -1
energy   input                            (batch, audio.time, 1)   those of audio
speaker  input                            (batch, 2)
words    input                            ids (batch, words.time)  those given
sound    merge        ← audio, energy     (batch, audio.time, 4)   those of audio
front    convolution  ← sound             (batch, front.time, 4)   windows of audio by front
norm     norm         ← front             (batch, front.time, 4)   windows of audio by front
encoder  recurrent    ← norm              (batch, front.time, 4)   windows of audio by front
                                          → encoder
text     embedding    ← words             (batch, words.time, 3)   those of words
voice    repeat       ← speaker, text     (batch, words.time, 2)   those of words
spoken   merge        ← text, voice       (batch, words.time, 5)   those of words
decoder  recurrent    ← spoken            (batch, words.time, 4)   those of words
                      c ← encoder.c
                      h ← encoder.h
look     attention    ← decoder, encoder  (batch, words.time, 4)   those of words
both     merge        ← decoder, look     (batch, words.time, 8)   those of words
logits   dense        ← both              (batch, words.time, 7)   those of words
                                          → logits
again    repeat       ← encoder.h         (batch, 4, 4)            all
halves   pool         ← again             (batch, halves.time, 4)  windows of again by halves
end      summary      ← halves            (batch, 4)
                                          → end
"""


def drawn(model: Model) -> str:
    """The graph in 100 columns."""
    text = io.StringIO()
    Console(file=text, width=100).print(table(places(model)))
    return "\n".join(line.rstrip() for line in text.getvalue().splitlines())


def test_the_graph_is_drawn():
    assert drawn(MODEL).strip() == DRAWN.strip()


def test_a_layer_with_two_outputs_is_drawn_with_both():
    layer = Recurrent(name="rnn", cell=RNN(units=3), direction="bidirectional", merge="none")
    row = places(Model(inputs=4, layers=[Norm(name="norm", kind="layer", epsilon=1e-3), layer]))[-1]
    assert row["shape"] == "(batch, x.time, 3) and (batch, x.time, 3)"
    assert row["outputs"] == ["y.forward", "y.backward"]


@pytest.fixture
def model(tmp_path):
    """The model in a file."""
    checkpoint = Checkpoint.initialize(MODEL, seed=0)
    checkpoint.save(tmp_path / "a.safetensors")
    return tmp_path / "a.safetensors"


def test_info(call, model, monkeypatch):
    monkeypatch.setenv("COLUMNS", "100")
    code, out, error = call("info", model)
    assert (code, error) == (0, "")
    assert DRAWN.strip() in "\n".join(line.rstrip() for line in out.splitlines())
    report = json.loads(call("info", model, "--json")[1])
    rows = {row["place"]: row for row in report["graph"]}
    assert list(rows) == [*MODEL.given, *(layer.name for layer in MODEL.layers)]
    assert rows["decoder"] == {
        "place": "decoder",
        "type": "recurrent",
        "reads": ["spoken"],
        "start": {"h": "encoder.h", "c": "encoder.c"},
        "shape": "(batch, words.time, 4)",
        "steps": "those of words",
        "outputs": [],
    }
    assert rows["end"]["outputs"] == ["end"]
    assert {row["tensor"] for row in report["tensors"]} == set(MODEL.parameters())


def test_a_chain_of_version_1_is_not_drawn(call, checkpoint, tmp_path):
    checkpoint.save(tmp_path / "m.safetensors")
    assert "graph" not in json.loads(call("info", tmp_path / "m.safetensors", "--json")[1])
    assert "steps that count" not in call("info", tmp_path / "m.safetensors")[1]


def arrays() -> dict[str, np.ndarray]:
    """What IN.npz holds."""
    rng = np.random.default_rng(0)
    sizes = {"audio": (2, 7, 3), "energy": (2, 7, 1), "speaker": (2, 2)}
    given = {name: rng.standard_normal(shape) for name, shape in sizes.items()}
    return given | {
        "words": rng.integers(0, 7, (2, 5)),
        "audio.lengths": np.array([7, 4]),
        "words.lengths": np.array([2, 5]),
    }


def test_run(call, model, tmp_path):
    given = arrays()
    np.savez(tmp_path / "in.npz", **given)
    code, _, error = call("run", model, "--input", tmp_path / "in.npz", "-o", tmp_path / "out.npz")
    assert (code, error) == (0, "")
    x = {name: given[name] for name in MODEL.given}
    lengths = {"audio": given["audio.lengths"], "words": given["words.lengths"]}
    y, final = Net(Checkpoint.initialize(MODEL, seed=0))(x, lengths)
    with np.load(tmp_path / "out.npz") as written:
        assert set(written) == {"logits", "encoder", "end", *MODEL.states()}
        for name, array in {**y, **final}.items():
            np.testing.assert_array_equal(written[name], array, strict=True)


def test_states_are_given_by_name(call, model, tmp_path):
    states = {name: np.full((2, size), 0.5) for name, size in MODEL.states().items()}
    np.savez(tmp_path / "in.npz", **arrays(), **states)
    assert call("run", model, "--input", tmp_path / "in.npz", "-o", tmp_path / "out.npz")[0] == 0
    given = {name: array for name, array in arrays().items() if "." not in name}
    lengths = {name: arrays()[f"{name}.lengths"] for name in ("audio", "words")}
    y, _ = Net(Checkpoint.initialize(MODEL, seed=0))(given, lengths, state=states)
    with np.load(tmp_path / "out.npz") as written:
        np.testing.assert_array_equal(written["logits"], y["logits"])


STATES = ", ".join(MODEL.states())
STEPS = ", ".join(f"{name}.{key}" for name in ("audio", "words") for key in ("lengths", "mask", "reset"))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            {"audio.length": np.array([7, 4])},
            "unknown array 'audio.length'; expected some of audio, energy, speaker, words, {STEPS}, {STATES}",
        ),
        ({"energy.lengths": np.array([7, 4])}, "unknown array 'energy.lengths'; expected some of audio, energy, {…}"),
        ({"speaker": None}, "no array 'speaker'; found audio, energy, words, audio.lengths, words.lengths"),
        ({"energy": np.ones((2, 6, 1))}, "energy: expected the 7 steps of 'audio', found 6"),
        ({"speaker": np.ones((3, 2))}, "speaker: expected 2 rows as in the inputs before it, found 3"),
        (
            {"audio.lengths": np.array([8, 4])},
            "audio: lengths: row 0 is 8, beyond the 7 steps of x; shorten it or pad x",
        ),
        ({"decoder.h": np.ones((2, 4))}, "state: 'encoder.h' is missing; give all states, or none for zeros"),
    ],
)
def test_what_does_not_fit_is_one_line(call, model, tmp_path, change, message):
    given = {name: array for name, array in (arrays() | change).items() if array is not None}
    np.savez(tmp_path / "in.npz", **given)
    code, out, error = call("run", model, "--input", tmp_path / "in.npz", "-o", tmp_path / "out.npz")
    expected = message.replace("{STEPS}", STEPS).replace("{STATES}", STATES)
    assert (code, out, error.count("\n")) == (2, "", 1)
    assert error.startswith(f"rnnspec: {tmp_path / 'in.npz'}: {expected.removesuffix('{…}')}")
    assert expected.endswith("{…}") or error.rstrip().endswith(expected)
    assert not (tmp_path / "out.npz").exists()


def test_verify(call, model):
    code, out, _ = call("verify", model, "--backend", "numpy")
    assert code == 0
    rows = [line.split("│")[1:4] for line in out.splitlines() if line.startswith("│ numpy")]
    assert [[cell.strip() for cell in row] for row in rows] == [
        ["numpy float32", "2", "0"],
        ["numpy float64", "2", "0"],
    ]


def test_verify_steps_a_graph_that_has_a_step(call, tmp_path):
    layers = (
        Recurrent(name="rnn", of="x", cell=RNN(units=3)),
        Merge(name="both", of=("rnn", "x"), how="add"),
        Attention(name="look", of=("both", "memory"), score="scaled"),
    )
    graph = Model(inputs={"x": 3, "memory": 3}, layers=layers)
    Checkpoint.initialize(graph, seed=0).save(tmp_path / "m.safetensors")
    code, out, _ = call("verify", tmp_path / "m.safetensors", "--backend", "numpy")
    assert code == 0
    assert [line.split("│")[2].strip() for line in out.splitlines() if line.startswith("│ numpy")] == ["3", "3"]


def test_inputs_are_long_enough_for_wide_windows(call, tmp_path):
    layers = [
        Convolution(name="wide", units=3, width=9, dilation=2, stride=3, padding="valid"),
        Pool(name="pool", how="mean", width=2, padding="same"),
        Recurrent(name="rnn", cell=RNN(units=3)),
    ]
    graph = Model(inputs={"sound": Input(features=2, padding=0)}, layers=layers)
    assert times(graph) == {"sound": (6 - 1) * 3 + 2 * 8 + 1}
    for seed, name in enumerate("ab"):
        Checkpoint.initialize(graph, seed).save(tmp_path / name)
    code, out, _ = call("diff", tmp_path / "a", tmp_path / "b")
    assert code == 1
    assert "first in layer wide: wide, step 0" in out
    assert call("verify", tmp_path / "a", "--backend", "numpy")[0] == 0
