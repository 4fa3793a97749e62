"""A denoiser with the topology of RNNoise: three GRUs that read each other, gains of bands and whether someone speaks.

    python examples/denoiser.py [--backend tensorflow]

Speech and noise are made up, as energies in bands. Trained on whole recordings, the model runs frame by frame, with the
states of the three GRUs from one to the next, and says the same.
"""

import argparse

import numpy as np
from training import BACKENDS, Data, outputs, train

from rnnspec import GRU, Checkpoint, Dense, Merge, Model, Recurrent, backends

BANDS, FRAMES = 22, 60


def architecture() -> Model:
    def gru(units: int) -> GRU:
        return GRU(units=units, reset_after=True)

    return Model(
        inputs={"bands": BANDS},
        layers=[
            Dense(name="front", units=24, activation="tanh"),
            Recurrent(name="voice_gru", cell=gru(24)),
            Dense(name="voice", units=1, activation="sigmoid"),
            Merge(name="heard", of=["front", "voice_gru", "bands"], how="concat"),
            Recurrent(name="noise_gru", cell=gru(48)),
            Merge(name="all", of=["voice_gru", "noise_gru", "bands"], how="concat"),
            Recurrent(name="denoise_gru", cell=gru(96)),
            Dense(name="gains", units=BANDS, activation="sigmoid"),
        ],
        outputs=["gains", "voice"],
    )


def recordings(rows: int, seed: int) -> Data:
    """Logarithms of the energies of noisy speech; √(speech / all) of each band, and which frames have speech."""
    rng = np.random.default_rng(seed)
    on = np.repeat(rng.random((rows, FRAMES // 10)) < 0.5, 10, 1)[..., None]
    band = np.arange(BANDS)
    formant = rng.uniform(2, BANDS - 2, (rows, FRAMES // 5, 1)).repeat(5, 1)  # where a sound is loud
    speech = on * 10 * np.exp(-(((band - formant) / 3) ** 2)) * rng.exponential(1, (rows, FRAMES, BANDS))
    noise = np.exp(rng.uniform(-3, 1, (rows, 1, BANDS))) * rng.exponential(1, (rows, FRAMES, BANDS))
    gains = np.sqrt(speech / (speech + noise))
    return Data(
        {"bands": np.log(0.01 + speech + noise).astype("float32")},
        {},
        {"gains": gains.astype("float32"), "voice": on.astype("float32")},
    )


def learn(backend: str, rows: int = 512, epochs: int = 12) -> Checkpoint:
    start = Checkpoint.initialize(architecture(), seed=1)
    losses = {"gains": "numbers", "voice": "chances"}
    return train(backend, start, recordings(rows, seed=0), losses, epochs=epochs, batch=32, rate=5e-3)


def quality(checkpoint: Checkpoint, data: Data) -> tuple[float, float, float]:
    """How far off the gains are, how far the best constant ones would be, and the share of frames with voice known."""
    y = outputs(checkpoint, data)
    off = np.sqrt(((y["gains"] - data.y["gains"]) ** 2).mean())
    return float(off), float(data.y["gains"].std()), float(((y["voice"] > 0.5) == data.y["voice"]).mean())


def stream(checkpoint: Checkpoint, data: Data, backend: str) -> dict[str, np.ndarray]:
    """The outputs, frame by frame."""
    net, state = backends.get(backend).load(checkpoint), None
    frames = []
    for t in range(FRAMES):
        y, state = net.step({"bands": data.x["bands"][:, t]}, state)
        frames.append({name: np.asarray(value) for name, value in y.items()})
    return {name: np.stack([frame[name] for frame in frames], 1) for name in frames[0]}


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--backend", choices=BACKENDS, default="torch")
    options = parser.parse_args()
    checkpoint, data = learn(options.backend), recordings(100, seed=1)
    off, constant, known = quality(checkpoint, data)
    print(f"trained in {options.backend}: gains off by {off:.3f} (constant ones by {constant:.3f}), ", end="")
    print(f"voice known in {known:.1%} of the frames")
    whole = outputs(checkpoint, data)
    for name in (options.backend, "onnxruntime"):
        steps = stream(checkpoint, data, name)
        worst = max(float(np.abs(steps[name] - whole[name]).max()) for name in whole)
        print(f"frame by frame in {name}: at most {worst:.0e} from the whole recordings in ONNX Runtime")


if __name__ == "__main__":
    main()
