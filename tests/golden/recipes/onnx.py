"""ONNX: graphs, and parts between what has no equal.

python -m tests.golden.recipes.onnx        (needs torch and onnx)
"""

import warnings
from pathlib import Path

import numpy as np
import torch
from torch import nn

from . import write

RNG = np.random.default_rng(17)
OF = f"torch {torch.__version__.partition('+')[0]}"


def floats(*shape: int) -> torch.Tensor:
    return torch.tensor(RNG.standard_normal(shape).astype("f") / 2)


def filled(module: nn.Module) -> nn.Module:
    with torch.no_grad():
        for tensor in module.parameters():
            tensor.copy_(floats(*tensor.shape))
    return module.eval()


def case(name, module, given, axis, x, y, of, part):
    """A module that is exported, of which a part gives y for x."""

    def save(path: Path) -> None:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            axes = {"given": {0: "batch", axis: "steps"}}
            torch.onnx.export(module, (given,), str(path), input_names=["given"], dynamic_axes=axes, dynamo=False)

    arrays = {"x": x.detach().numpy()}, {"y": y.detach().numpy()}
    write(f"onnx/{name}", "model.onnx", save, f"{OF}: {of}", *arrays, part=part)


class Reader(nn.Module):
    """Text recognition: an image, both directions twice, letters; a convolution behind them."""

    def __init__(self) -> None:
        super().__init__()
        self.conv, self.pool = nn.Conv2d(1, 2, 3, padding=1), nn.MaxPool2d(2)
        self.lstm, self.out = nn.LSTM(6, 4, num_layers=2, bidirectional=True, batch_first=True), nn.Linear(8, 5)
        self.more = nn.Conv1d(5, 2, 3)

    def steps(self, image: torch.Tensor) -> torch.Tensor:
        y = self.pool(torch.relu(self.conv(image)))
        return y.permute(0, 3, 1, 2).flatten(2)

    def letters(self, steps: torch.Tensor) -> torch.Tensor:
        return torch.softmax(self.out(self.lstm(steps)[0]), -1)

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        return self.more(self.letters(self.steps(image)).transpose(1, 2))


class Detector(nn.Module):
    """Sound: a convolution over the wave, a GRU that starts from 0, two heads, one of them behind a norm."""

    def __init__(self) -> None:
        super().__init__()
        self.front, self.gru = nn.Conv1d(1, 5, 4, stride=2), nn.GRU(5, 4, batch_first=True)
        self.each, self.norm, self.last = nn.Linear(4, 2), nn.BatchNorm1d(4), nn.Linear(4, 3)

    def frames(self, wave: torch.Tensor) -> torch.Tensor:
        return torch.relu(self.front(wave)).transpose(1, 2)

    def forward(self, wave: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        frames = self.frames(wave)
        y, _ = self.gru(frames, torch.zeros(1, frames.shape[0], 4))
        return self.each(y), self.last(self.norm(y.transpose(1, 2))[:, :, -1])


class Spotter(nn.Module):
    """Words in sound: a convolution, a norm over the batch, both directions, a mean that is weighted; frames beside."""

    def __init__(self) -> None:
        super().__init__()
        self.front, self.norm = nn.Conv1d(3, 6, 3, padding=1), nn.BatchNorm1d(6)
        self.both, self.weigh = nn.GRU(6, 4, batch_first=True, bidirectional=True), nn.Linear(8, 1)
        self.word, self.frame = nn.Linear(8, 5), nn.Linear(8, 2)

    def forward(self, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        y = torch.relu(self.norm(self.front(x.transpose(1, 2)))).transpose(1, 2)
        y, _ = self.both(y)
        weights = torch.softmax(self.weigh(torch.tanh(y)), 1)
        return torch.softmax(self.word((weights * y).sum(1)), -1), self.frame(y)


class Translator(nn.Module):
    """An encoder whose states start a decoder, which looks back; a speaker beside its input."""

    def __init__(self) -> None:
        super().__init__()
        self.read, self.encoder = nn.Embedding(9, 5), nn.LSTM(5, 4, batch_first=True)
        self.decoder, self.out = nn.LSTM(5, 4, batch_first=True), nn.Linear(8, 3)

    def forward(self, words: torch.Tensor, before: torch.Tensor, speaker: torch.Tensor) -> torch.Tensor:
        memory, states = self.encoder(self.read(words))
        given = torch.cat([before, speaker[:, None].expand(-1, before.shape[1], -1)], -1)
        y, _ = self.decoder(given, states)
        weights = torch.softmax(y @ memory.transpose(1, 2) / 2, -1)
        return self.out(torch.cat([weights @ memory, y], -1))


def graph(name, module, given, axes, of, outputs=("y",)):
    """A module that is exported, and taken whole; the outputs by our names."""

    def save(path: Path) -> None:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            names = {"input_names": list(given), "dynamic_axes": axes}
            torch.onnx.export(module, tuple(given.values()), str(path), **names, dynamo=False)

    found = module(*given.values())
    found = found if isinstance(found, tuple) else (found,)
    arrays = (
        {key: x.numpy() for key, x in given.items()},
        dict(zip(outputs, (y.detach().numpy() for y in found), strict=True)),
    )
    write(f"onnx/{name}", "model.onnx", save, f"{OF}: {of}", *arrays)


if __name__ == "__main__":
    reader, image = filled(Reader()), floats(2, 1, 6, 14)
    steps = reader.steps(image)
    case("reader", reader, image, 3, steps, reader.letters(steps), "behind convolutions over an image", "/lstm/LSTM_1")
    detector, wave = filled(Detector()), floats(2, 1, 18)
    frames = detector.frames(wave)
    case("detector", detector, wave, 2, frames, detector.gru(frames)[0], "before two heads", "/gru/GRU")
    spotter = filled(Spotter())
    for buffer in spotter.buffers():
        if buffer.is_floating_point():
            buffer.copy_(floats(*buffer.shape).abs() + 0.3)
    graph("spotter", spotter, {"x": floats(2, 7, 3)}, {"x": {0: "batch", 1: "steps"}}, "a graph", ("word", "frame"))
    axes = {"words": {0: "batch", 1: "words"}, "before": {0: "batch", 1: "written"}, "speaker": {0: "batch"}}
    given = {"words": torch.tensor(RNG.integers(0, 9, (2, 7))), "before": floats(2, 4, 3), "speaker": floats(2, 2)}
    graph("translator", filled(Translator()), given, axes, "several inputs, states that start a decoder, attention")
