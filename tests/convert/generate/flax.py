"""Random linen modules: saved in a random way, converted, and compared with Flax's own numbers.

python -m tests.convert.generate.flax --seed 0 --count 40        (needs flax and optax)
"""

import random
import sys
import tempfile
from collections import Counter
from pathlib import Path
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import optax
import safetensors.numpy
from flax import serialization, traverse_util
from flax.training.train_state import TrainState

from rnnspec.convert import convert
from rnnspec.errors import SpecError, UnsupportedError
from rnnspec.reference import Net

from . import compared, run

CELLS = {"SimpleCell": nn.SimpleCell, "LSTMCell": nn.LSTMCell, "OptimizedLSTMCell": nn.OptimizedLSTMCell,
         "GRUCell": nn.GRUCell, "MGUCell": nn.MGUCell}  # fmt: skip
ACTIVATIONS = {"linear": lambda x: x, "tanh": nn.tanh, "relu": nn.relu, "softmax": nn.softmax}


class Made(nn.Module):
    """A chain by what `plan` says, under names or without."""

    plan: tuple[dict[str, Any], ...]

    @nn.compact
    def __call__(self, x):
        for each in self.plan:
            x = getattr(self, each["kind"])(x, **{key: value for key, value in each.items() if key != "kind"})
        return x

    def table(self, x, vocabulary, size):
        return nn.Embed(vocabulary, size)(x)

    def recurrent(self, x, cell, units, both, reverse, keep_order):
        if both:
            return nn.Bidirectional(nn.RNN(CELLS[cell](units)), nn.RNN(CELLS[cell](units)))(x)
        return nn.RNN(CELLS[cell](units), reverse=reverse, keep_order=keep_order)(x)

    def take(self, x, how):
        return {"last": x[:, -1], "mean": x.mean(1), "max": x.max(1)}[how]

    def dense(self, x, units, activation, bias):
        return ACTIVATIONS[activation](nn.Dense(units, use_bias=bias)(x))


def made(rng: random.Random) -> tuple[list[dict[str, Any]], int | None]:
    """A plan, and the features that it takes, None for ids."""
    plan: list[dict[str, Any]] = []
    size: int | None = rng.randint(2, 6)
    if rng.random() < 0.5:
        plan.append({"kind": "table", "vocabulary": 8, "size": rng.randint(2, 6)})
        size = None
    elif rng.random() < 0.3:
        plan.append(dense(rng))
    for _ in range(rng.choice([1, 1, 2])):
        reverse = rng.random() < 0.3
        kept = reverse and rng.random() < 0.5
        cell = {"cell": rng.choice(list(CELLS)), "units": rng.randint(2, 6), "both": rng.random() < 0.3}
        plan.append({"kind": "recurrent", **cell, "reverse": reverse, "keep_order": kept})
    if (how := rng.choice(["", "", "last", "mean", "max"])) != "":
        plan.append({"kind": "take", "how": how})
    return plan + [dense(rng) for _ in range(rng.choice([0, 1, 1, 2]))], size


def dense(rng: random.Random) -> dict[str, Any]:
    activation = rng.choice(list(ACTIVATIONS))
    return {"kind": "dense", "units": rng.randint(2, 6), "activation": activation, "bias": rng.random() < 0.8}


def settings(plan: list[dict[str, Any]]) -> dict[str, Any]:
    """What no tree says, by the names that linen gives."""
    found: dict[str, Any] = {}
    counts = Counter[str]()
    last = ""
    for each in plan:
        if each["kind"] == "recurrent":
            last = f"{each['cell']}_{counts[each['cell']]}"
            counts[each["cell"]] += 2 if each["both"] else 1
            if each["both"]:
                found[f"{last}.bidirectional"] = True
            else:
                found |= {f"{last}.{key}": each[key] for key in ("reverse", "keep_order")}
        elif each["kind"] == "take":
            found[f"{last}.summary"] = each["how"]
        elif each["kind"] == "dense":
            found[f"Dense_{counts['dense']}.activation"] = each["activation"]
            counts["dense"] += 1
    return found


def saved(variables: Any, folder: Path, rng: random.Random) -> Path:
    kind = rng.choice(["msgpack", "state", "npz", "safetensors"])
    flat = {sep: traverse_util.flatten_dict(variables["params"], sep=sep) for sep in ("/", ".")}
    path = folder / f"params.{'msgpack' if kind == 'state' else kind}"
    if kind == "npz":
        np.savez(path, **flat["/"])
    elif kind == "safetensors":
        safetensors.numpy.save_file({k: np.asarray(v) for k, v in flat[rng.choice("/.")].items()}, path)
    else:
        state = TrainState.create(apply_fn=None, params=variables["params"], tx=optax.adam(0.1))
        path.write_bytes(serialization.to_bytes(state if kind == "state" else variables))
    return path


def tried(seed: int) -> tuple[str, str]:
    """What became of one module: exact, refused or WRONG, with the reason or the difference."""
    rng, numbers = random.Random(seed), np.random.default_rng(seed)
    plan, size = made(rng)
    module = Made(tuple(plan))
    x = numbers.integers(0, 8, (3, 7)) if size is None else numbers.standard_normal((3, 7, size)).astype("f")
    variables = jax.tree.map(
        lambda leaf: (numbers.standard_normal(leaf.shape) / 2).astype("f"),
        module.init(jax.random.key(0), jnp.asarray(x)),
    )
    expected = np.asarray(module.apply(variables, x))
    with tempfile.TemporaryDirectory() as place:
        try:
            checkpoint = convert(saved(variables, Path(place), rng), settings=settings(plan))
        except (SpecError, UnsupportedError) as error:
            return "refused", str(error).replace(place, "")
    y = Net(checkpoint, dtype="float64")(x)[0]
    return compared([y], [expected])


if __name__ == "__main__":
    sys.exit(run(tried, __doc__))
