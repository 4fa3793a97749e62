"""PyTorch: checkpoints of trainers, weights in pieces, heads, parts, architectures of ours.

python -m tests.golden.recipes.torch        (needs torch, lightning and omegaconf)
"""

import argparse
import enum
import functools
import json
import pathlib
from collections import defaultdict

import numpy as np
import safetensors.torch
import torch
from torch import nn
from torch.nn.utils import parametrizations, prune, spectral_norm, weight_norm

from . import write

OF = f"torch {torch.__version__.partition('+')[0]}"
RNG = np.random.default_rng(13)


def randomised(module: nn.Module) -> nn.Module:
    """Distinct numbers everywhere, statistics included."""
    generator = torch.Generator().manual_seed(len(list(module.parameters())))
    with torch.no_grad():
        for name, tensor in [*module.named_parameters(), *module.named_buffers()]:
            if tensor.is_floating_point() and not name.endswith(("_u", "_v", "_mask")):
                tensor.copy_(torch.randn(tensor.shape, generator=generator) / 2)
                if name.endswith("running_var"):
                    tensor.copy_(tensor.abs() + 0.5)
    return module.eval()


def case(name, net, x, of, beside=None, artefact="model.pt", **options):
    """A module whose call gives `y`, or a mapping by our names."""
    with torch.no_grad():
        given = net(torch.tensor(x))
    given = given if isinstance(given, dict) else {"y": given}
    expected = {key: np.asarray(value) for key, value in given.items()}

    def save(path):
        if artefact.endswith("safetensors"):
            safetensors.torch.save_file(net.state_dict(), path)
        else:
            torch.save(beside(net) if beside else net.state_dict(), path)
        if isinstance(options.get("config"), dict):
            path.with_name("config.json").write_text(json.dumps(options["config"], indent=1) + "\n", encoding="utf-8")

    shown = {**options, "config": "config.json"} if isinstance(options.get("config"), dict) else options
    write(f"torch/{name}", artefact, save, f"{OF}: {of}", {"x": x}, expected, **shown)


def refused(name, save, of, message, artefact="model.pt", **options):
    write(f"torch/{name}", artefact, save, f"{OF}: {of}", refused=message, **options)


def floats(*shape):
    return RNG.standard_normal(shape).astype("f")


class Tagger(nn.Module):
    """What most code is: an embedding, layers, a head on some of what they give."""

    def __init__(self, head="all", bidirectional=False):
        super().__init__()
        self.emb = nn.Embedding(11, 5)
        self.lstm = nn.LSTM(5, 4, 2, batch_first=True, bidirectional=bidirectional)
        self.fc = nn.Linear(8 if bidirectional else 4, 3)
        self.head = head

    def forward(self, ids):
        y, (h, _) = self.lstm(self.emb(ids))
        if self.head == "step":
            y = y[:, -1]
        elif self.head == "states":
            y = torch.cat([h[-2], h[-1]], 1)
        elif self.head in ("mean", "max"):
            y = y.mean(1) if self.head == "mean" else y.amax(1)
        return self.fc(y)


IDS = RNG.integers(0, 11, (3, 6)).astype("i4")


class Choice(enum.Enum):
    """A setting of somebody's own."""

    GREEDY = "greedy"


def trainer(net):
    """A checkpoint of a training loop, with whatever stood around."""
    optimizer = torch.optim.Adam(net.parameters())
    return {
        "epoch": 3,
        "args": argparse.Namespace(lr=1e-3, hidden=4, path=pathlib.PurePosixPath("runs")),
        "best": np.float64(0.25),
        "losses": np.arange(4.0),
        "counts": defaultdict(int, a=1),
        "decoding": Choice.GREEDY,
        "activation": functools.partial(torch.add, alpha=2),
        "vocabulary": {"a", "b"},
        "optimizer": optimizer.state_dict(),
        "state_dict": {f"module.{name}": tensor for name, tensor in net.state_dict().items()},
    }


def lightning():
    """A checkpoint that Lightning's trainer wrote, with OmegaConf's settings among the hyperparameters."""
    import lightning.pytorch as pl
    from omegaconf import OmegaConf

    class Lit(pl.LightningModule):
        def __init__(self, cfg, args):
            super().__init__()
            self.save_hyperparameters()
            self.model = Tagger()

        def forward(self, ids):
            return self.model(ids)

        def training_step(self, batch, _):
            return self(batch[0]).square().mean()

        def configure_optimizers(self):
            return torch.optim.Adam(self.parameters(), lr=1e-3)

    net = randomised(Lit(OmegaConf.create({"hidden": 4, "layers": [1, 2]}), argparse.Namespace(lr=1e-3)))
    data = torch.utils.data.DataLoader(torch.utils.data.TensorDataset(torch.tensor(IDS)), 3)
    fit = pl.Trainer(max_epochs=1, logger=False, enable_checkpointing=False, accelerator="cpu", barebones=False,
                     enable_progress_bar=False, enable_model_summary=False)  # fmt: skip
    fit.fit(net, data)
    net.eval()
    with torch.no_grad():
        y = net(torch.tensor(IDS)).numpy()
    import lightning

    of = f"Lightning {lightning.__version__}: hyperparameters of argparse and OmegaConf, an optimiser, loops"
    write("torch/lightning", "model.ckpt", fit.save_checkpoint, of, {"x": IDS}, {"y": y})


def checkpoints():
    lightning()
    case("trainer", randomised(Tagger()), IDS, "a checkpoint with settings, an enum, NumPy's numbers", trainer)
    nested = lambda net: {"checkpoint": {"net": net.state_dict(), "args": argparse.Namespace(a=1)}, "iter": 3}  # noqa: E731
    case("nested", randomised(Tagger()), IDS, "a state dict two dicts deep", nested)
    arrays = lambda net: {"weights": {k: v.numpy() for k, v in net.state_dict().items()}}  # noqa: E731
    case("arrays", randomised(Tagger()), IDS, "NumPy's arrays in place of tensors", arrays)
    net = randomised(Tagger())
    refused("whole_module", lambda path: torch.save(net, path), "torch.save(module)",
            r"a pickle with .*Tagger, code that is never run; save module.state_dict\(\): torch.save\(")  # fmt: skip
    refused("program", lambda path: torch.jit.save(torch.jit.trace(nn.Linear(3, 2), torch.zeros(1, 3)), path),
            "torch.jit.save", r"TorchScript program, which is never run; .*torch.jit.load\('model.pt'\)")  # fmt: skip
    program = torch.export.export(nn.Linear(3, 2), (torch.zeros(1, 3),))
    refused("exported", lambda path: torch.export.save(program, path), "torch.export.save",
            r"a program of torch.export, .*torch.export.load\('model.pt2'\)", "model.pt2")  # fmt: skip


class Dropped(nn.Module):
    """Weight drop as AWD-LSTM has it: the raw weight on the module around."""

    def __init__(self):
        super().__init__()
        self.module = nn.LSTM(3, 4, batch_first=True)
        self.weight_hh_l0_raw = nn.Parameter(torch.zeros(16, 4))

    def forward(self, x):
        self.module.weight_hh_l0.data = self.weight_hh_l0_raw.data
        return self.module(x)[0]


class Pieces(nn.Module):
    """A recurrent module and a head, some of whose weights are in pieces."""

    def __init__(self, rnn, head):
        super().__init__()
        self.rnn, self.head = rnn, head

    def forward(self, x):
        return self.head(self.rnn(x)[0])


def pieces():
    def lstm():
        return nn.LSTM(3, 4, batch_first=True)

    x = floats(2, 5, 3)
    old = Pieces(weight_norm(weight_norm(lstm(), "weight_hh_l0"), "weight_ih_l0", dim=1), weight_norm(nn.Linear(4, 2)))
    case("weight_norm", randomised(old), x, "torch.nn.utils.weight_norm, along each axis")
    new = Pieces(
        parametrizations.weight_norm(lstm(), "weight_hh_l0", dim=None), parametrizations.weight_norm(nn.Linear(4, 1))
    )
    case("weight_norm_parametrized", randomised(new), x, "parametrizations.weight_norm, over all, and of one unit")
    old = Pieces(spectral_norm(lstm(), "weight_hh_l0"), spectral_norm(nn.Linear(4, 2)))
    case("spectral_norm", randomised(old), x, "torch.nn.utils.spectral_norm")
    new = Pieces(
        parametrizations.spectral_norm(lstm(), "weight_ih_l0"), parametrizations.spectral_norm(nn.Linear(4, 2))
    )
    case("spectral_norm_parametrized", randomised(new), x, "parametrizations.spectral_norm")
    cut = Pieces(
        prune.random_unstructured(lstm(), "weight_hh_l0", 0.5), prune.random_unstructured(nn.Linear(4, 2), "weight", 3)
    )
    case("pruned", randomised(cut), x, "torch.nn.utils.prune")
    case("weight_drop", randomised(Dropped()), x, "weight drop: another weight_hh_l0 was left by training")
    orthogonal = parametrizations.orthogonal(nn.Linear(4, 4))
    refused("orthogonal", lambda path: torch.save(Pieces(lstm(), orthogonal).state_dict(), path), "orthogonal",
            "parametrizations.weight.original0?.: a parametrised weight, neither weight_norm")  # fmt: skip


if __name__ == "__main__":
    checkpoints()
    pieces()
