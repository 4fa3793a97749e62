"""Random modules of torch: saved in a random way, converted, and compared with torch's own numbers.

python -m tests.convert.generate.torch --seed 0 --count 40
"""

import argparse
import json
import random
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import safetensors.torch
import torch
from torch import Tensor, nn
from torch.nn.utils import parametrizations, prune, spectral_norm, weight_norm

from rnnspec.convert import convert
from rnnspec.errors import SpecError, UnsupportedError
from rnnspec.reference import Net

from . import compared, run

ACTIVATIONS: dict[str, Callable[[Tensor], Tensor]] = {
    "linear": lambda x: x, "tanh": torch.tanh, "relu": torch.relu, "sigmoid": torch.sigmoid,
    "softmax": lambda x: x.softmax(-1),
}  # fmt: skip
NAMES = {
    "table": ["emb", "embedding", "word_embeddings", "embed"],
    "front": ["proj", "fc_in", "front", "linear1"],
    "rnn": ["rnn", "lstm", "gru", "encoder", "layer"],
    "head": ["fc", "out", "classifier", "linear2", "head"],
}


class Made(nn.Module):
    """A chain: modules by name in order, and what is done with what each gives. `settings`: what no file says of it;
    `layers`, `inputs`: all of it in our words, for what no state dict can be read without (`described`)."""

    def __init__(self, described: bool) -> None:
        super().__init__()
        self.described = described
        self.steps: list[tuple[str, Callable[[Any], Any]]] = []
        self.settings: dict[str, Any] = {}
        self.layers: list[dict[str, Any]] = []
        self.inputs: int | None = None

    def add(self, name: str, module: nn.Module, step: Callable[[Any], Any], *layers: dict[str, Any]) -> None:
        self.add_module(name, module)
        self.steps.append((name, step))
        self.layers += layers

    def forward(self, x: Tensor) -> Tensor:
        for _, step in self.steps:
            x = step(x)
        return x


def made(rng: random.Random) -> Made:
    """A random one."""
    net = Made(rng.random() < 0.3)
    name = {role: rng.choice(names) for role, names in NAMES.items()}
    size = rng.randint(2, 6)
    if rng.random() < 0.5:
        table = nn.Embedding(rng.randint(4, 9), size)
        layer = {"type": "embedding", "name": name["table"], "vocabulary": table.num_embeddings, "units": size}
        net.add(name["table"], table, table, layer)
    else:
        net.inputs = size
    if net.described:
        size = windows(net, size, rng)
    elif rng.random() < 0.3:
        size = linear(net, name["front"], size, rng)
    count = rng.choice([1, 1, 2, 3])
    for k in range(count):
        here = name["rnn"] if count == 1 else f"{name['rnn']}{k}"
        size, last, module = recurrent(net, here, size, rng)
        if net.described and k < count - 1 and rng.random() < 0.5:
            norm(net, f"norm{k}", size, rng)
    summarised(net, last, module, rng)
    for k in range(rng.choice([0, 1, 1, 2])):
        size = linear(net, f"{name['head']}{k or ''}", size, rng)
    return net


def recurrent(net: Made, name: str, size: int, rng: random.Random) -> tuple[int, str, nn.Module]:
    """A recurrent module; how much it gives, the name of its last layer with us, itself."""
    kind, units, layers = rng.choice(["RNN", "LSTM", "GRU"]), rng.randint(2, 6), rng.choice([1, 1, 2, 3])
    options: dict[str, Any] = {"bidirectional": rng.random() < 0.4, "bias": rng.random() < 0.8}
    cell: dict[str, Any] = {"type": kind.lower(), "units": units, "bias": options["bias"]}
    if kind == "LSTM" and rng.random() < 0.3:
        options["proj_size"] = cell["projection"] = rng.randint(1, units - 1)
    if kind == "RNN":
        options["nonlinearity"] = cell["activation"] = rng.choice(["tanh", "relu"])
    if kind == "GRU":
        cell["reset_after"] = True
    module = getattr(nn, kind)(size, units, layers, batch_first=True, dropout=0.3 if layers > 1 else 0.0, **options)
    names = [f"{name}_{k}" for k in range(layers)] if layers > 1 else [name]
    if kind == "RNN":
        net.settings |= {f"{each}.activation": options["nonlinearity"] for each in names}
    direction = "bidirectional" if options["bidirectional"] else "forward"
    each = [{"type": "recurrent", "name": n, "cell": cell, "direction": direction} for n in names]
    if not options.get("proj_size"):  # torch cannot rewrite the weights of such a module
        module = rewritten(module, rng.choice([f"weight_{s}h_l{layers - 1}" for s in "ih"]), rng)
    net.add(name, module, lambda x: module(x)[0], *each)
    return (options.get("proj_size") or units) * (2 if options["bidirectional"] else 1), names[-1], module


def rewritten(module: nn.Module, weight: str, rng: random.Random) -> nn.Module:
    """The module, perhaps with that weight in pieces."""
    how = rng.choice(["", "", "", "", "g", "G", "s", "S", "p"])
    if how == "g":
        return weight_norm(module, weight, rng.choice([0, 1, None]))
    if how == "G":
        return parametrizations.weight_norm(module, weight, rng.choice([0, 1, None]))
    if how in ("s", "S"):
        return (spectral_norm if how == "s" else parametrizations.spectral_norm)(module, weight)
    return prune.random_unstructured(module, weight, 0.5) if how == "p" else module


def summarised(net: Made, last: str, module: nn.Module, rng: random.Random) -> None:
    """What goes on of the last recurrent layer."""
    how = rng.choice(["all", "last", "states", "mean", "max"])
    directions = 2 if module.bidirectional else 1
    if how == "states":

        def states(x: Tensor) -> Tensor:
            final = module(x)[1]
            h = final[0] if isinstance(final, tuple) else final
            return torch.cat(list(h[-directions:]), -1)

        net.steps[-1] = (net.steps[-1][0], states)
        net.settings[f"{last}.return_sequences"] = net.layers[-1]["return_sequences"] = False
    elif how != "all":
        take = {"last": lambda x: x[:, -1], "mean": lambda x: x.mean(1), "max": lambda x: x.amax(1)}[how]
        net.steps.append(("", take))
        net.settings[f"{last}.summary"] = how
        net.layers.append({"type": "summary", "name": "pooled", "how": how})


def linear(net: Made, name: str, size: int, rng: random.Random) -> int:
    """A linear layer with what follows it."""
    units, activation = rng.randint(2, 6), rng.choice(list(ACTIVATIONS))
    module = rewritten(nn.Linear(size, units, bias=rng.random() < 0.8), "weight", rng)
    biased = module.bias is not None
    layer = {"type": "dense", "name": name, "units": units, "activation": activation, "bias": biased}
    net.add(name, module, lambda x: ACTIVATIONS[activation](module(x)), layer)
    net.settings[f"{name}.activation"] = activation
    if not biased and not any(step == name for step, _ in net.steps[:1]):
        net.settings[f"{name}.type"] = "dense"
    return units


def windows(net: Made, size: int, rng: random.Random) -> int:
    """A convolution over time, and a batch norm before or behind it."""
    if rng.random() < 0.5:
        norm(net, "bn", size, rng, "batch")
    units, width, stride, dilation = rng.randint(2, 5), rng.randint(1, 3), rng.randint(1, 2), rng.randint(1, 2)
    module = nn.Conv1d(size, units, width, stride, dilation=dilation, bias=rng.random() < 0.8)
    layer: dict[str, Any] = {"type": "convolution", "name": "conv", "units": units, "width": width, "padding": "valid"}
    layer |= {"stride": stride, "dilation": dilation, "activation": "relu", "bias": module.bias is not None}
    net.add("conv", module, lambda x: module(x.mT).mT.relu(), layer)
    return units


def norm(net: Made, name: str, size: int, rng: random.Random, kind: str = "layer") -> None:
    module = nn.LayerNorm(size) if kind == "layer" else nn.BatchNorm1d(size, affine=rng.random() < 0.7)
    step = module if kind == "layer" else lambda x: module(x.mT).mT
    net.add(name, module, step, {"type": "norm", "name": name, "kind": kind, "epsilon": 1e-5})


def saved(net: Made, folder: Path, rng: random.Random) -> Path:
    """The file of a random kind."""
    prefix = rng.choice(["", "", "module.", "model.", "_orig_mod.", "model.net."])
    state = {f"{prefix}{name}": tensor for name, tensor in net.state_dict().items()}
    kind = rng.choice(["pt", "legacy", "trainer", "safetensors"])
    if kind == "safetensors":
        safetensors.torch.save_file({n: t.contiguous() for n, t in state.items()}, folder / "a.safetensors")
        return folder / "a.safetensors"
    found: Any = state
    if kind == "trainer":
        optimizer = torch.optim.Adam(net.parameters()).state_dict()
        found = {"state_dict": state, "args": argparse.Namespace(lr=0.1), "best": np.float32(3), "optimizer": optimizer}
    torch.save(found, folder / "a.pt", _use_new_zipfile_serialization=kind != "legacy")
    return folder / "a.pt"


def tried(seed: int) -> tuple[str, str]:
    """What became of one module: exact, refused or WRONG, with the reason or the difference."""
    rng = random.Random(seed)
    torch.manual_seed(seed)
    net = made(rng)
    with torch.no_grad():
        for name, tensor in [*net.named_parameters(), *net.named_buffers()]:
            if tensor.is_floating_point() and not name.endswith(("_u", "_v", "_mask")):
                tensor.copy_(torch.randn(tensor.shape) / 2)
                tensor.copy_(tensor.abs() + 0.3 if name.endswith("running_var") else tensor)
    ids = net.inputs is None
    x = torch.randint(0, net.layers[0]["vocabulary"], (3, 11)) if ids else torch.randn(3, 11, net.inputs)
    with torch.no_grad():
        for _ in range(5):
            net.train()(x)  # so that spectral_norm knows the weight's norm
        expected = net.eval()(x).numpy()
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        options: dict[str, Any] = {"settings": net.settings}
        if net.described:
            architecture = {"layers": net.layers} | ({} if net.inputs is None else {"inputs": net.inputs})
            (folder / "model.json").write_text(json.dumps(architecture))
            options = {"config": folder / "model.json"}
        try:
            checkpoint = convert(saved(net, folder, rng), **options)
        except (SpecError, UnsupportedError) as error:
            return "refused", str(error).replace(place, "")
    y = Net(checkpoint, dtype="float64")(x.numpy())[0]
    return compared([y], [expected])


if __name__ == "__main__":
    sys.exit(run(tried, __doc__))
