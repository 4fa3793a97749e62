"""ONNX: parts between what has no equal.

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


if __name__ == "__main__":
    reader, image = filled(Reader()), floats(2, 1, 6, 14)
    steps = reader.steps(image)
    case("reader", reader, image, 3, steps, reader.letters(steps), "behind convolutions over an image", "/lstm/LSTM_1")
    detector, wave = filled(Detector()), floats(2, 1, 18)
    frames = detector.frames(wave)
    case("detector", detector, wave, 2, frames, detector.gru(frames)[0], "before two heads", "/gru/GRU")
