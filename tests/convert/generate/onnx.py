"""Random graphs of torch, exported to ONNX, converted, and compared with torch's own numbers.

python -m tests.convert.generate.onnx --seed 0 --count 40
"""

import random
import sys
import tempfile
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import torch
from torch import nn

from rnnspec.convert import convert
from rnnspec.errors import SpecError, UnsupportedError
from rnnspec.reference import Net

from . import compared, run

CELLS = (nn.LSTM, nn.GRU, nn.RNN)
BATCH = 3
torch.backends.mha.set_fastpath_enabled(False)  # which torch does not export
FUNCTIONS = (torch.relu, torch.tanh, torch.sigmoid, lambda x: torch.softmax(x, -1), nn.functional.leaky_relu)


class Made(nn.Module):
    """A model that grows at random as it is first called; then it makes the same steps again."""

    def __init__(self, seed: int) -> None:
        super().__init__()
        self.rng, self.seed, self.fixed = random.Random(seed), seed + 1, False
        self.made = nn.ModuleList()

    def size(self) -> int:
        return self.rng.randint(2, 5)

    def forward(self, *given: torch.Tensor) -> Any:
        self.rng.seed(self.seed)
        self.place = 0
        self.sequences = [each for each in given if each.dim() == 3 and each.is_floating_point()]
        self.vectors = [each for each in given if each.dim() == 2 and each.is_floating_point()]
        for each in given:
            if not each.is_floating_point():
                self.sequences.append(self.of(lambda: nn.Embedding(9, self.wide))(each))
        kinds = [self.recurrent, self.dense, self.window, self.norm, self.function, self.merge, self.summary,
                 self.attend, self.start, self.series, self.factor]  # fmt: skip
        for _ in range(self.rng.randint(1, 5)):
            self.rng.choice(kinds)()
        self.recurrent()
        if self.rng.random() < 0.5:
            self.rng.choice(kinds)()
        ends = [(self.vectors or self.sequences)[-1] if self.rng.random() < 0.6 else self.sequences[-1]]
        if self.rng.random() < 0.6:
            ends[0] = self.linear(ends[0], self.size())
        if self.rng.random() < 0.3 and all(self.sequences[-1] is not each for each in (*ends, *given)):
            ends.append(self.sequences[-1])
        return ends[0] if len(ends) == 1 else tuple(ends)

    def of(self, make: Any) -> nn.Module:
        """The next layer: a new one in the first call, the same in those after."""
        self.wide = self.size()
        if self.place == len(self.made):
            self.made.append(make().eval())
        self.place += 1
        return self.made[self.place - 1]

    def pick(self, values: list[torch.Tensor]) -> torch.Tensor:
        return self.rng.choice(values[-3:])

    def linear(self, x: torch.Tensor, size: int) -> torch.Tensor:
        return self.of(lambda: nn.Linear(x.shape[-1], size))(x)

    def recurrent(self) -> None:
        x, both, kind = self.pick(self.sequences), self.rng.random() < 0.3, self.rng.choice(CELLS)
        deep = self.rng.choice([1, 1, 2])
        y, h = self.of(lambda: kind(x.shape[-1], self.wide, deep, batch_first=True, bidirectional=both))(x)
        self.sequences.append(y)
        h = h[0] if kind is nn.LSTM else h
        if self.rng.random() < 0.5:
            how = self.rng.choice(["last", "h", "both"])
            self.vectors.append(y[:, -1] if how == "last" else h[-1] if how == "h" else torch.cat([h[0], h[-1]], -1))

    def start(self) -> None:
        """A layer that starts where another ended, or from a vector."""
        x, kind = self.pick(self.sequences), self.rng.choice(CELLS[:2])
        size = self.size()
        if self.vectors and self.rng.random() < 0.5:
            h = self.linear(self.pick(self.vectors), size)[None]
            states: Any = (h, torch.tanh(h)) if kind is nn.LSTM else h
        else:
            before = self.pick(self.sequences)
            _, states = self.of(lambda: kind(before.shape[-1], size, batch_first=True))(before)
        y, _ = self.of(lambda: kind(x.shape[-1], size, batch_first=True))(x, states)
        self.sequences.append(y)

    def dense(self) -> None:
        values = self.rng.choice([self.sequences, self.vectors or self.sequences])
        y = self.linear(self.pick(values), self.size())
        values.append(self.rng.choice(FUNCTIONS)(y) if self.rng.random() < 0.6 else y)

    def window(self) -> None:
        x, rng = self.pick(self.sequences).transpose(1, 2), self.rng
        width = rng.choice([1, 3])
        how = rng.choice(["conv", "conv", "strided", "max", "mean", "causal", "grouped"])
        if how == "max":
            y = nn.functional.max_pool1d(x, 2, stride=rng.choice([1, 2]))
        elif how == "mean":
            y = nn.functional.avg_pool1d(x, 2, stride=rng.choice([1, 2]))
        elif how == "causal":
            y = self.of(lambda: nn.Conv1d(x.shape[1], self.wide, 3))(nn.functional.pad(x, (2, 0)))
        elif how == "grouped":
            y = self.of(lambda: nn.Conv1d(x.shape[1], x.shape[1], width, padding=width // 2, groups=x.shape[1]))(x)
        else:
            stride = 2 if how == "strided" else 1
            padding = width // 2 if rng.random() < 0.7 else 0
            y = self.of(lambda: nn.Conv1d(x.shape[1], self.wide, width, stride, padding, bias=stride == 1))(x)
        if rng.random() < 0.4:
            y = torch.relu(y)
        if rng.random() < 0.3:
            y = self.of(lambda: nn.BatchNorm1d(y.shape[1]))(y)
        self.sequences.append(y.transpose(1, 2))

    def norm(self) -> None:
        values = self.rng.choice([self.sequences, self.vectors or self.sequences])
        x = self.pick(values)
        values.append(self.of(lambda: nn.LayerNorm(x.shape[-1], elementwise_affine=True))(x))

    def function(self) -> None:
        values = self.rng.choice([self.sequences, self.vectors or self.sequences])
        values.append(self.rng.choice(FUNCTIONS)(self.pick(values)))

    def factor(self) -> None:
        values = self.rng.choice([self.sequences, self.vectors or self.sequences])
        x = self.pick(values)
        values.append(self.rng.choice([lambda: x * 0.5, lambda: 1 - x, lambda: x / 3 + 1, lambda: -x])())

    def merge(self) -> None:
        values = self.rng.choice([self.sequences, self.vectors or self.sequences])
        one = self.pick(values)
        other = self.pick([v for v in values if v.shape[:-1] == one.shape[:-1]])
        if self.vectors and one.dim() == 3 and self.rng.random() < 0.4:
            vector = self.pick(self.vectors)
            values.append(torch.cat([one, vector[:, None].expand(-1, one.shape[1], -1)], -1))
            return
        how = self.rng.choice(["cat", "add", "mul", "sub", "max"])
        if how == "cat" or one.shape != other.shape:
            values.append(torch.cat([one, other], -1))
        else:
            found = {"add": torch.add, "mul": torch.mul, "sub": torch.sub, "max": torch.maximum}[how]
            values.append(found(one, other))

    def summary(self) -> None:
        x = self.pick(self.sequences)
        how = self.rng.choice(["last", "first", "mean", "max", "sum", "pool"])
        found = {
            "last": lambda: x[:, -1], "first": lambda: x[:, 0], "mean": lambda: x.mean(1), "max": lambda: x.amax(1),
            "sum": lambda: x.sum(1),
            "pool": lambda: nn.functional.adaptive_avg_pool1d(x.transpose(1, 2), 1).squeeze(-1),
        }  # fmt: skip
        self.vectors.append(found[how]())

    def attend(self) -> None:
        memory, rng = self.pick(self.sequences), self.rng
        how = rng.choice(["pool", "pool", "dot", "heads", "vector"])
        if how == "pool":
            weights = torch.softmax(self.linear(torch.tanh(self.linear(memory, self.size())), 1), 1)
            if rng.random() < 0.5:
                self.vectors.append((weights * memory).sum(1))
            else:
                self.vectors.append(torch.bmm(weights.transpose(1, 2), memory).squeeze(1))
            return
        query = self.pick(self.sequences)
        if how == "heads":
            size = 4
            one = self.linear(query, size)
            memory = self.linear(memory, size)
            layer = self.of(lambda: nn.MultiheadAttention(size, 2, batch_first=True))
            self.sequences.append(layer(one, memory, memory)[0] if rng.random() < 0.5 else layer(one, one, one)[0])
        elif how == "dot":
            one = self.linear(query, memory.shape[-1])
            weights = torch.softmax(one @ memory.transpose(1, 2) / (2 if rng.random() < 0.5 else 1), -1)
            self.sequences.append(weights @ memory)
        elif self.vectors:
            one = self.linear(self.pick(self.vectors), memory.shape[-1])
            weights = torch.softmax(torch.bmm(memory, one[:, :, None]), 1)
            self.vectors.append(torch.bmm(weights.transpose(1, 2), memory)[:, 0])

    def series(self) -> None:
        if self.fixed:
            self.vectors.append(self.linear(self.pick(self.sequences).flatten(1), self.size()))


def tried(seed: int) -> tuple[str, str]:
    """What became of one model: exact, refused or WRONG, with the reason or the difference; "none" where torch itself
    does not run or export it."""
    rng, numbers = random.Random(seed), np.random.default_rng(seed)
    torch.manual_seed(seed)
    model = Made(seed).eval()
    model.fixed = rng.random() < 0.3
    given: dict[str, torch.Tensor] = {}
    axes: dict[str, dict[int, str]] = {}
    time = rng.randint(6, 9)
    for k in range(rng.choice([1, 1, 1, 2])):
        ids = rng.random() < 0.2
        steps = time + (2 if k and rng.random() < 0.5 else 0)
        size = rng.randint(2, 5)
        x = numbers.integers(0, 9, (BATCH, steps)) if ids else numbers.standard_normal((BATCH, steps, size)).astype("f")
        given[f"x{k}"], axes[f"x{k}"] = torch.tensor(x), {0: "batch", 1: f"time{steps - time}"}
    if rng.random() < 0.3:
        given["v"], axes["v"] = torch.tensor(numbers.standard_normal((BATCH, 3)).astype("f")), {0: "batch"}
    with torch.no_grad(), tempfile.TemporaryDirectory() as place, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        path = Path(place) / "model.onnx"
        try:
            model(*given.values())
            for name, tensor in (*model.named_parameters(), *model.named_buffers()):
                if tensor.is_floating_point():
                    tensor.copy_(torch.tensor(numbers.standard_normal(tensor.shape).astype("f") / 2))
                    tensor.copy_(tensor.abs() + 0.3 if "var" in name else tensor)
            found = model(*given.values())
            torch.onnx.export(
                model, tuple(given.values()), str(path), input_names=list(given), dynamo=False,
                dynamic_axes=None if model.fixed else axes, opset_version=rng.choice([13, 17, 17, 18]),
            )  # fmt: skip
        except Exception as error:  # what was made at random does not fit
            return "none", f"{type(error).__name__}: {error}"[:200]
        read, results = _read(path), [value.name for value in onnx.load(path).graph.output]
        expected = [each.numpy() for each in (found if isinstance(found, tuple) else [found])]
        try:
            checkpoint = convert(path)
        except (SpecError, UnsupportedError) as error:
            return "refused", str(error).replace(place, "")
    names = list(checkpoint.model.given)
    arrays = {name: tensor.numpy() for name, tensor in given.items()}
    if checkpoint.model.by_name:
        call: Any = {name: arrays[name] for name in names}
    else:
        call = next(arrays[name] for name in arrays if name in read and arrays[name].shape != (BATCH, 3))
    try:
        y = Net(checkpoint, dtype="float64")(call)[0]
    except SpecError as error:
        return "WRONG", f"does not run: {error}"
    outputs = list(y.values()) if isinstance(y, dict) else [y]
    for k, name in reversed([*enumerate(results)]):  # a final state, which comes beside y
        if any(f"the output {name!r} is left out" in note for note in checkpoint.metadata["conversion"]["notes"]):
            del expected[k]
    return compared(outputs, expected)


def _read(path: Path) -> set[str]:
    """The values that lead to the outputs."""
    graph = onnx.load(path).graph
    wanted = {value.name for value in graph.output}
    for node in reversed(graph.node):
        if wanted & set(node.output):
            wanted |= set(node.input)
    return wanted


if __name__ == "__main__":
    sys.exit(run(tried, __doc__))
