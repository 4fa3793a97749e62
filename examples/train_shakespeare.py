"""Train the character model that `rnnspec demo` shows, on tiny-shakespeare, with the torch backend.

    python examples/train_shakespeare.py cli/shakespeare.safetensors [--device cuda]

Truncated back-propagation: the text is cut into parallel streams, each batch is the next window of every stream, and
the state is carried from window to window. The last tenth of the text is held out; the epoch with the lowest loss on
it is kept. The vocabulary travels in the file's metadata.
"""

import argparse
import math
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F

import rnnspec
import rnnspec.backends.torch as backend
from rnnspec import GRU, LSTM, Dense, Dropout, Embedding, Model, Recurrent


def architecture(vocabulary: int, units: int, dropout: float) -> Model:
    return Model(
        layers=[
            Embedding(name="embed", vocabulary=vocabulary, units=32),
            Recurrent(name="lstm", cell=LSTM(units=units)),
            Dropout(name="drop_1", rate=dropout),
            Recurrent(name="gru", cell=GRU(units=units, reset_after=True)),
            Dropout(name="drop_2", rate=dropout),
            Dense(name="logits", units=vocabulary),
        ]
    )


def windows(ids: np.ndarray, streams: int, steps: int, offset: int = 0) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Yield (inputs, targets), each (streams, steps), from consecutive places of every stream.

    Raises:
        ValueError: the text is too short for one window.
    """
    length = (len(ids) - 1 - offset) // streams
    if length < steps:
        raise ValueError(
            f"{len(ids)} characters make no window of {streams} streams × {steps} steps; lower one of them"
        )
    x = ids[offset : offset + streams * length].reshape(streams, length)
    y = ids[offset + 1 : offset + 1 + streams * length].reshape(streams, length)
    for start in range(0, length - steps + 1, steps):
        yield x[:, start : start + steps], y[:, start : start + steps]


def mean_loss(net: backend.Net, ids: np.ndarray, device: str) -> float:
    """Nats per character."""
    net.eval()
    state, losses = None, []
    with torch.no_grad():
        for x, y in windows(ids, streams=8, steps=500):
            logits, state = net(torch.tensor(x, device=device), state=state)
            losses.append(F.cross_entropy(logits.flatten(0, 1), torch.tensor(y, device=device).flatten()).item())
    return float(np.mean(losses))


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("out", type=Path)
    parser.add_argument("--text", type=Path, default=Path(__file__).parent / "shakespeare.txt")
    parser.add_argument("--units", type=int, default=240)
    parser.add_argument("--dropout", type=float, default=0.25)
    parser.add_argument("--epochs", type=int, default=28)
    parser.add_argument("--streams", type=int, default=32)
    parser.add_argument("--steps", type=int, default=128)
    parser.add_argument("--rate", type=float, default=2e-3)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--device", default="cpu")
    options = parser.parse_args()

    text = options.text.read_text(encoding="utf-8")
    vocabulary = "".join(sorted(set(text)))
    ids = np.array([vocabulary.index(character) for character in text])
    split = len(ids) * 9 // 10
    torch.manual_seed(options.seed)
    rng = np.random.default_rng(options.seed)
    model = architecture(len(vocabulary), options.units, options.dropout)
    net = backend.load(rnnspec.Checkpoint.initialize(model, options.seed)).to(options.device)
    optimizer = torch.optim.AdamW(net.parameters(), lr=options.rate, weight_decay=0.01)
    total = max(1, options.epochs * (split // (options.streams * options.steps)))
    schedule = torch.optim.lr_scheduler.LambdaLR(
        optimizer, lambda k: min(1, (k + 1) / 100) * (0.02 + 0.98 * 0.5 * (1 + math.cos(math.pi * min(1, k / total))))
    )

    best = math.inf
    for epoch in range(1, options.epochs + 1):
        net.train()
        state, losses = None, []
        for x, y in windows(ids[:split], options.streams, options.steps, int(rng.integers(options.steps))):
            logits, state = net(torch.tensor(x, device=options.device), state=state)
            state = {name: value.detach() for name, value in state.items()}
            loss = F.cross_entropy(logits.flatten(0, 1), torch.tensor(y, device=options.device).flatten())
            optimizer.zero_grad()
            loss.backward()
            torch.nn.utils.clip_grad_norm_(net.parameters(), 1.0)
            optimizer.step()
            schedule.step()
            losses.append(loss.item())
        validation = mean_loss(net, ids[split:], options.device)
        print(
            f"epoch {epoch:2}  training {np.mean(losses):.4f}  validation {validation:.4f} nats/character", flush=True
        )
        if validation < best:
            best = validation
            trained = backend.checkpoint(net)
            metadata = {
                "vocabulary": vocabulary,
                "text": "tiny-shakespeare",
                "validation_nats_per_character": round(validation, 4),
                "epoch": epoch,
            }
            rnnspec.Checkpoint(trained.model, trained.weights, metadata).save(options.out)
    print(f"best validation {best:.4f} nats/character, saved to {options.out}")


if __name__ == "__main__":
    main()
