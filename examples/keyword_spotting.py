"""Which of four calls is whistled: a convolution, a pool and a bidirectional GRU over recordings of ragged length.

    python examples/keyword_spotting.py [--backend tensorflow]

A batch norm holds statistics that are fixed, in training too: here they are measured once, over the frames that the
model is trained on, and travel in the file, so that no runtime has to be told how its input is scaled.
"""

import argparse

import numpy as np
from training import BACKENDS, Data, outputs, train

from rnnspec import GRU, Checkpoint, Convolution, Dense, Model, Norm, Pool, Recurrent, Summary

CALLS = ("rising", "falling", "steady", "warbling")
FRAME = 64  # samples
SHORTEST, LONGEST = 16, 40  # frames


def architecture() -> Model:
    return Model(
        inputs={"frames": FRAME // 2 + 1},
        layers=[
            Norm(name="norm", kind="batch", epsilon=1e-5),
            Convolution(name="bands", units=24, width=5, stride=2, padding="same", activation="relu"),
            Pool(name="pool", how="max", width=2, padding="same"),
            Recurrent(name="gru", cell=GRU(units=16, reset_after=True), direction="bidirectional"),
            Summary(name="mean", how="mean"),
            Dense(name="call", units=len(CALLS)),
        ],
        outputs=["call"],
    )


def recordings(rows: int, seed: int) -> Data:
    """Spectra of whistles in noise, (rows, frames, bands) with zeros behind the last frame, and which call it is."""
    rng = np.random.default_rng(seed)
    lengths = rng.integers(SHORTEST, LONGEST + 1, rows)
    calls = rng.integers(len(CALLS), size=rows)
    frames = np.zeros((rows, LONGEST, FRAME // 2 + 1), "float32")
    for row, (length, call) in enumerate(zip(lengths, calls, strict=True)):
        place = np.linspace(-1, 1, length * FRAME)
        bend = (place, -place, 0 * place, np.sin(12 * place))[call]
        pitch = rng.uniform(0.15, 0.35) + rng.uniform(0.03, 0.1) * bend  # cycles a sample
        wave = np.sin(2 * np.pi * np.cumsum(pitch)) + rng.uniform(0.2, 0.8) * rng.standard_normal(len(place))
        spectra = np.fft.rfft(wave.reshape(length, FRAME) * np.hanning(FRAME))
        frames[row, :length] = np.log(0.1 + np.abs(spectra))
    return Data({"frames": frames}, {"frames": lengths}, {"call": calls})


def measured(checkpoint: Checkpoint, data: Data) -> Checkpoint:
    """With the mean and the variance of the frames that count as the statistics of the norm."""
    frames = data.x["frames"][np.arange(LONGEST) < data.lengths["frames"][:, None]]
    statistics = {"norm.mean": frames.mean(0), "norm.variance": frames.var(0)}
    return Checkpoint(checkpoint.model, {**checkpoint.weights, **statistics}, checkpoint.metadata)


def learn(backend: str, rows: int = 1600, epochs: int = 8) -> Checkpoint:
    data = recordings(rows, seed=0)
    start = measured(Checkpoint.initialize(architecture(), seed=1), data)
    return train(backend, start, data, {"call": "classes"}, epochs=epochs)


def accuracy(checkpoint: Checkpoint, data: Data) -> float:
    return float((outputs(checkpoint, data)["call"].argmax(-1) == data.y["call"]).mean())


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--backend", choices=BACKENDS, default="torch")
    options = parser.parse_args()
    share = accuracy(learn(options.backend), recordings(500, seed=1))
    print(f"trained in {options.backend}: {share:.1%} of 500 new calls recognised, in ONNX Runtime")


if __name__ == "__main__":
    main()
