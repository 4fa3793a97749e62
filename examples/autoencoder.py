"""An autoencoder of LSTMs finds waves that are none: what it was not trained on it cannot draw again.

    python examples/autoencoder.py [--backend tensorflow]

The encoder's last output goes through four numbers, which are repeated for every step of the decoder.
"""

import argparse

import numpy as np
from training import BACKENDS, Data, outputs, train

from rnnspec import LSTM, Checkpoint, Dense, Model, Recurrent, Repeat

STEPS = 24


def architecture() -> Model:
    return Model(
        inputs={"wave": 1},
        layers=[
            Recurrent(name="encoder", cell=LSTM(units=32), return_sequences=False),
            Dense(name="code", units=4, activation="tanh"),
            Repeat(name="everywhere", steps=STEPS),
            Recurrent(name="decoder", cell=LSTM(units=32)),
            Dense(name="again", units=1),
        ],
        outputs=["again"],
    )


def waves(rows: int, seed: int, broken: bool = False) -> Data:
    """Sines of some frequency and phase; broken ones have a third of their steps turned over."""
    rng = np.random.default_rng(seed)
    turns = rng.uniform(0.5, 1.5, (rows, 1)) * np.linspace(0, 1, STEPS) + rng.uniform(0, 1, (rows, 1))
    x = np.sin(2 * np.pi * turns)
    if broken:
        first = rng.integers(STEPS - STEPS // 3, size=(rows, 1))
        x = np.where((np.arange(STEPS) >= first) & (np.arange(STEPS) < first + STEPS // 3), -x, x)
    wave = x[..., None].astype("float32")
    return Data({"wave": wave}, {}, {"again": wave})


def learn(backend: str, rows: int = 2048, epochs: int = 30) -> Checkpoint:
    start = Checkpoint.initialize(architecture(), seed=1)
    return train(backend, start, waves(rows, seed=0), {"again": "numbers"}, epochs=epochs)


def mistakes(checkpoint: Checkpoint, data: Data) -> np.ndarray:
    """The root of the mean squared difference between each wave and what was drawn of it."""
    return np.sqrt(((outputs(checkpoint, data)["again"] - data.y["again"]) ** 2).mean((1, 2)))


def found(checkpoint: Checkpoint) -> tuple[float, float, float]:
    """The mean mistake with new waves, with broken ones, and the share of these above 99 % of the others."""
    sound, broken = mistakes(checkpoint, waves(500, seed=1)), mistakes(checkpoint, waves(500, seed=2, broken=True))
    return float(sound.mean()), float(broken.mean()), float((broken > np.quantile(sound, 0.99)).mean())


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--backend", choices=BACKENDS, default="torch")
    options = parser.parse_args()
    sound, broken, share = found(learn(options.backend))
    print(f"trained in {options.backend}: off by {sound:.3f} with new waves, in ONNX Runtime, ", end="")
    print(f"by {broken:.3f} with broken ones, of which {share:.1%} are found")


if __name__ == "__main__":
    main()
