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


class Spotter(nn.Module):
    """A front end over time, a recurrence from learned states, attention, a head on the mean."""

    def __init__(self):
        super().__init__()
        self.front = nn.ModuleDict({"bn": nn.BatchNorm1d(3), "conv": nn.Conv1d(3, 8, 4, stride=2, groups=1)})
        self.point = nn.Conv1d(8, 8, 1)
        self.norm = nn.LayerNorm(8)
        self.plain = nn.LayerNorm(8, elementwise_affine=False)
        self.rnn = nn.LSTM(8, 4, 2, batch_first=True, bidirectional=True)
        self.h0 = nn.Parameter(torch.zeros(4, 1, 4))
        self.c0 = nn.Parameter(torch.zeros(4, 1, 4))
        self.look = nn.MultiheadAttention(8, 2, batch_first=True)
        self.head = nn.Linear(8, 2)

    def forward(self, x):
        x = self.front["conv"](self.front["bn"](x.mT)).relu()
        x = self.norm(self.point(x).mT)
        start = (each.expand(-1, len(x), -1).contiguous() for each in (self.h0, self.c0))
        y, _ = self.rnn(x, tuple(start))
        y = self.plain(y + self.look(y, y, y)[0])
        return self.head(y.mean(1))


def recurrent(name, of, k):
    """A layer of `rnn`, from learned states."""
    cell = {"type": "lstm", "units": 4}
    layer = {"type": "recurrent", "name": name, "cell": cell, "direction": "bidirectional", "learned_state": True}
    starts = {
        f"{name}.initial.{d}.{s}": f"{s}0[{2 * k + j}]" for j, d in enumerate(("forward", "backward")) for s in "hc"
    }
    return layer | {"of": of}, starts


def spotter():
    """The same in our words."""
    layers = [
        {"type": "norm", "name": "front_bn", "kind": "batch", "epsilon": 1e-5},
        {"type": "convolution", "name": "front_conv", "units": 8, "width": 4, "stride": 2, "padding": "valid",
         "activation": "relu"},
        {"type": "dense", "name": "point", "units": 8},
        {"type": "norm", "name": "norm", "kind": "layer", "epsilon": 1e-5},
    ]  # fmt: skip
    places = {}
    for k in range(2):
        layer, starts = recurrent(f"rnn_{k}", ("norm", "rnn_0")[k], k)
        layers.append(layer)
        places |= starts
    for k, name in enumerate(("q", "k", "v")):
        layers.append({"type": "dense", "name": name, "units": 8, "of": "rnn_1"})
        rows = f"[{8 * k}:{8 * k + 8}]"
        places |= {f"{name}.kernel": f"look.in_proj_weight{rows}", f"{name}.bias": f"look.in_proj_bias{rows}"}
    layers += [
        {"type": "attention", "name": "attend", "of": ["q", "k", "v"], "score": "scaled", "heads": 2},
        {"type": "dense", "name": "look_out_proj", "units": 8},
        {"type": "merge", "name": "sum", "of": ["rnn_1", "look_out_proj"], "how": "add"},
        {"type": "norm", "name": "plain", "kind": "layer", "epsilon": 1e-5},
        {"type": "summary", "name": "mean", "how": "mean"},
        {"type": "dense", "name": "head", "units": 2},
    ]
    return {"model": {"inputs": 3, "layers": layers}, "places": places}


class Translator(nn.Module):
    """A decoder that starts from an encoder's last states, both read from one file."""

    def __init__(self):
        super().__init__()
        self.encoder = nn.ModuleDict({"emb": nn.Embedding(9, 3), "rnn": nn.GRU(3, 4, batch_first=True)})
        self.decoder = nn.ModuleDict({"emb": nn.Embedding(7, 5), "rnn": nn.GRU(5, 4, batch_first=True)})
        self.out = nn.Linear(4, 7)

    def forward(self, words, before):
        _, h = self.encoder["rnn"](self.encoder["emb"](words))
        y, last = self.decoder["rnn"](self.decoder["emb"](before), h)
        return {"y": self.out(y), "encoder_rnn.h": h[0], "decoder_rnn.h": last[0]}


TRANSLATOR = {
    "inputs": {"words": None, "before": None},
    "layers": [
        {"type": "embedding", "name": "encoder_emb", "of": "words", "vocabulary": 9, "units": 3},
        {"type": "recurrent", "name": "encoder_rnn", "cell": {"type": "gru", "units": 4, "reset_after": True}},
        {"type": "embedding", "name": "decoder_emb", "of": "before", "vocabulary": 7, "units": 5},
        {"type": "recurrent", "name": "decoder_rnn", "cell": {"type": "gru", "units": 4, "reset_after": True},
         "start": {"h": "encoder_rnn.h"}},
        {"type": "dense", "name": "out", "units": 7},
    ],
}  # fmt: skip


def described():
    """Graphs, whose architecture is ours."""
    net = randomised(Spotter())
    config = spotter()
    state = net.state_dict()

    def save(path):
        torch.save({"model": state}, path)
        path.with_name("config.json").write_text(json.dumps(config, indent=1) + "\n", encoding="utf-8")

    x = floats(2, 9, 3)
    with torch.no_grad():
        y = net(torch.tensor(x)).numpy()
    of = f"{OF}: batch norm, convolution, learned states, attention and pooling, by an architecture of ours"
    write("torch/spotter", "model.pt", save, of, {"x": x}, {"y": y}, config="config.json")
    net = randomised(Translator())
    words, before = RNG.integers(0, 9, (2, 5)).astype("i4"), RNG.integers(0, 7, (2, 3)).astype("i4")
    with torch.no_grad():
        expected = {k: v.numpy() for k, v in net(torch.tensor(words), torch.tensor(before)).items()}

    def save_translator(path):
        safetensors.torch.save_file(net.state_dict(), path)
        path.with_name("config.json").write_text(json.dumps(TRANSLATOR, indent=1) + "\n", encoding="utf-8")

    of = f"{OF}: an encoder and a decoder, by an architecture of ours"
    write("torch/translator", "model.safetensors", save_translator, of, {"words": words, "before": before}, expected,
          config="config.json")  # fmt: skip


class Looked(nn.Module):
    """An embedding of the size of what reads it."""

    def __init__(self):
        super().__init__()
        self.emb, self.gru = nn.Embedding(9, 6), nn.GRU(6, 6, batch_first=True)

    def forward(self, ids):
        return self.gru(self.emb(ids))[0]


def heads():
    """Which of the outputs go on, as settings say."""
    for head, settings in {
        "step": {"summary": "last"},
        "states": {"return_sequences": False},
        "mean": {"lstm_1.summary": "mean"},
        "max": {"summary": "max", "fc.activation": "linear"},
    }.items():
        of = f"a head on the {head} of a bidirectional LSTM"
        case(f"head_{head}", randomised(Tagger(head, bidirectional=True)), IDS, of, settings=settings)
    case(
        "embedding_by_name", randomised(Looked()), IDS % 9, "emb.weight may be dense too", artefact="model.safetensors"
    )
    case("part", randomised(Looked()), IDS % 9, "several parts", part="emb,gru", beside=lambda net: net.state_dict() | {
        "cnn.weight": torch.ones(2, 1, 3, 3), "bn.num_batches_tracked": torch.tensor(3)})  # fmt: skip
    refused("batch_norm", lambda path: torch.save({**Looked().state_dict(), **nn.ModuleDict(
        {"bn": nn.BatchNorm1d(6)}).state_dict()}, path), "a batch norm, somewhere",
        r"no layer uses bn \(BatchNorm\): a state dict does not say where they stand; --config")  # fmt: skip


if __name__ == "__main__":
    checkpoints()
    heads()
    pieces()
    described()
