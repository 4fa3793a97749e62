"""The loop that the examples share: one model file, trained in torch or in TensorFlow, with inputs and outputs by name.

Padded steps count in no loss: Keras knows them by the mask that comes with each output, torch is told by hand.
"""

from typing import NamedTuple

import numpy as np

from rnnspec import Checkpoint, backends

BACKENDS = ("torch", "tensorflow")


class Data(NamedTuple):
    """Inputs, the lengths of those that have some, and what the outputs should be; each by name, a row an example."""

    x: dict[str, np.ndarray]
    lengths: dict[str, np.ndarray]
    y: dict[str, np.ndarray]

    def rows(self, which: np.ndarray | slice) -> "Data":
        """Some of the examples."""
        return Data(*({name: value[which] for name, value in part.items()} for part in self))


def train(
    backend: str,
    checkpoint: Checkpoint,
    data: Data,
    losses: dict[str, str],
    *,
    epochs: int,
    batch: int = 64,
    rate: float = 1e-2,
    seed: int = 0,
) -> Checkpoint:
    """The checkpoint after training with Adam, whose rate falls to 0 along a cosine.

    `losses`: of each output `classes` (logits against ids), `chances` (probabilities against 0 and 1) or `numbers`.
    """
    run = {"torch": in_torch, "tensorflow": in_tensorflow}[backend]
    return run(checkpoint, data, losses, epochs, batch, rate, seed)


def in_torch(
    checkpoint: Checkpoint, data: Data, losses: dict[str, str], epochs: int, batch: int, rate: float, seed: int
) -> Checkpoint:
    import torch  # here, since one framework is enough
    import torch.nn.functional as F

    import rnnspec.backends.torch as backend

    each = {
        "classes": lambda y, t: F.cross_entropy(y.flatten(0, -2), t.long().flatten(), reduction="none").view(t.shape),
        "chances": lambda y, t: F.binary_cross_entropy(y, t, reduction="none").mean(-1),
        "numbers": lambda y, t: F.mse_loss(y, t, reduction="none").mean(-1),
    }
    torch.manual_seed(seed)
    rng = np.random.default_rng(seed)
    net = backend.load(checkpoint).train()
    optimizer = torch.optim.Adam(net.parameters(), lr=rate)
    rows = len(next(iter(data.x.values())))
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, epochs * (rows // batch))
    for _ in range(epochs):
        for which in rng.permutation(rows)[: rows // batch * batch].reshape(-1, batch):
            part = data.rows(which)
            y, _ = net({name: torch.tensor(value) for name, value in part.x.items()}, lengths=part.lengths)
            loss = torch.zeros(())
            for name, kind in losses.items():
                found = each[kind](y[name], torch.tensor(part.y[name]))
                lengths = part.lengths.get(checkpoint.model.results[name].time or "")
                if lengths is not None:
                    found = found[torch.arange(found.shape[1]) < torch.tensor(lengths)[:, None]]
                loss = loss + found.mean()
            optimizer.zero_grad()
            loss.backward()
            torch.nn.utils.clip_grad_norm_(net.parameters(), 1.0)
            optimizer.step()
            schedule.step()
    return backend.checkpoint(net)


def in_tensorflow(
    checkpoint: Checkpoint, data: Data, losses: dict[str, str], epochs: int, batch: int, rate: float, seed: int
) -> Checkpoint:
    import keras  # type: ignore[import-untyped]

    import rnnspec.backends.tensorflow as backend

    each = {
        "classes": keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        "chances": keras.losses.BinaryCrossentropy(),
        "numbers": keras.losses.MeanSquaredError(),
    }
    keras.utils.set_random_seed(seed)
    net = backend.load(checkpoint, return_state=False)
    rows = len(next(iter(data.x.values())))
    schedule = keras.optimizers.schedules.CosineDecay(rate, epochs * -(-rows // batch))
    # Keras's annotations, guessed from defaults, know neither schedules nor verbose=0.
    optimizer = keras.optimizers.Adam(schedule, global_clipnorm=1.0)  # pyright: ignore[reportArgumentType]
    net.compile(optimizer, {name: each[kind] for name, kind in losses.items()})
    lengths = {f"{name}.lengths": value for name, value in data.lengths.items()}
    net.fit(
        data.x | lengths,
        data.y,
        epochs=epochs,
        batch_size=batch,
        verbose=0,  # pyright: ignore[reportArgumentType]
    )
    return backend.checkpoint(net)


def outputs(checkpoint: Checkpoint, data: Data, backend: str = "onnxruntime") -> dict[str, np.ndarray]:
    """What the trained model says in a runtime, ONNX Runtime if none is named, by the names of its outputs."""
    y, _ = backends.get(backend).load(checkpoint)(data.x, lengths=data.lengths)
    return {name: np.asarray(value) for name, value in y.items()}
