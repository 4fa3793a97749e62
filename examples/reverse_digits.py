"""An encoder and a decoder with attention learn to reverse digits; ONNX Runtime then writes them, one by one.

    python examples/reverse_digits.py [--backend tensorflow]

In training the decoder is given the right digit before each step (teacher forcing); afterwards its own. A step of the
exported file reads the digits whole and one step of what was written: its state starts from the encoder's final one.
"""

import argparse
import tempfile
from pathlib import Path

import numpy as np
from training import BACKENDS, Data, train

import rnnspec.backends.onnxruntime as runtime
from rnnspec import LSTM, Attention, Checkpoint, Dense, Embedding, Merge, Model, Recurrent
from rnnspec.export import export_onnx

SHORTEST, LONGEST = 3, 10
MARK = 10  # before the first digit and after the last


def architecture(units: int = 64) -> Model:
    return Model(
        inputs={"digits": None, "before": None},
        layers=[
            Embedding(name="read", of="digits", vocabulary=MARK, units=16),
            Recurrent(name="encoder", cell=LSTM(units=units)),
            Embedding(name="written", of="before", vocabulary=MARK + 1, units=16),
            Recurrent(name="decoder", cell=LSTM(units=units), start={"h": "encoder.h", "c": "encoder.c"}),
            Attention(name="look", of=["decoder", "encoder"], score="general"),
            Merge(name="both", of=["decoder", "look"], how="concat"),
            Dense(name="think", units=units, activation="tanh"),
            Dense(name="next", units=MARK + 1),
        ],
        outputs=["next"],
    )


def sequences(rows: int, seed: int) -> Data:
    """Digits of ragged length, padded with 0, and their reverse with a mark behind."""
    rng = np.random.default_rng(seed)
    lengths = rng.integers(SHORTEST, LONGEST + 1, rows)
    digits = rng.integers(10, size=(rows, LONGEST)) * (np.arange(LONGEST) < lengths[:, None])
    following = np.zeros((rows, LONGEST + 1), "int64")
    for row, length in enumerate(lengths):
        following[row, : length + 1] = [*digits[row, :length][::-1], MARK]
    before = np.concatenate([np.full((rows, 1), MARK), following[:, :-1]], 1)
    return Data({"digits": digits, "before": before}, {"digits": lengths, "before": lengths + 1}, {"next": following})


def write(net: runtime.Net, digits: np.ndarray, lengths: np.ndarray) -> list[list[int]]:
    """Greedily, step by step, what follows the mark, until all have written a mark again."""
    last, state = np.full(len(digits), MARK), None
    columns: list[np.ndarray] = []
    while len(columns) <= LONGEST and not (np.array(columns) == MARK).any(0).all():
        y, state = net.step({"digits": digits, "before": last}, state, lengths={"digits": lengths})
        last = y["next"].argmax(-1)
        columns.append(last)
    rows = np.array(columns).T.tolist()
    return [row[: row.index(MARK)] if MARK in row else row for row in rows]


def right(checkpoint: Checkpoint, data: Data, path: Path) -> float:
    """Export one step to `path`; the share of the sequences that it reverses without a mistake."""
    export_onnx(checkpoint, path, step=True)
    written = write(runtime.load(path), data.x["digits"], data.lengths["digits"])
    pairs = zip(written, data.x["digits"].tolist(), data.lengths["digits"], strict=True)
    return float(np.mean([found == digits[:n][::-1] for found, digits, n in pairs]))


def learn(backend: str, rows: int = 8000, epochs: int = 8) -> Checkpoint:
    start = Checkpoint.initialize(architecture(), seed=1)
    return train(backend, start, sequences(rows, seed=0), {"next": "classes"}, epochs=epochs, rate=1e-2)


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--backend", choices=BACKENDS, default="torch")
    options = parser.parse_args()
    checkpoint = learn(options.backend)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "reverse.onnx"
        share = right(checkpoint, sequences(1000, seed=1), path)
        print(f"trained in {options.backend}: {share:.1%} of 1000 new sequences entirely right, in ONNX Runtime")
        for digits in ([3, 1, 4, 1, 5, 9, 2], [2, 7, 1]):
            print(digits, "→", write(runtime.load(path), np.array([digits]), np.array([len(digits)]))[0])


if __name__ == "__main__":
    main()
