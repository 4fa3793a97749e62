"""Flax: training states, safetensors, reversed layers, graphs by an architecture of ours, Orbax.

python -m tests.golden.recipes.flax        (needs flax, optax and orbax-checkpoint)
"""

import json
import shutil

import flax
import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import optax
import orbax.checkpoint
import safetensors.numpy
from flax import serialization, traverse_util
from flax.training.train_state import TrainState

from . import write

OF = f"Flax {flax.__version__}"
RNG = np.random.default_rng(17)


def floats(*shape):
    return RNG.standard_normal(shape).astype("f")


def randomised(tree):
    """Distinct numbers everywhere; variances are positive."""

    def of(path, leaf):
        found = floats(*leaf.shape) / 2
        return np.abs(found) + 0.5 if path[-1].key == "var" else found

    return jax.tree_util.tree_map_with_path(of, tree)


class Tagger(nn.Module):
    """A chain, as most are written."""

    reverse: bool = False
    keep_order: bool = False

    @nn.compact
    def __call__(self, ids):
        x = nn.Embed(9, 3)(ids)
        x = nn.RNN(nn.GRUCell(4), reverse=self.reverse, keep_order=self.keep_order)(x)
        return nn.Dense(2)(x)


class Spotter(nn.Module):
    """Batch norm, convolution, both directions, attention, layer norm, a mean."""

    @nn.compact
    def __call__(self, x):
        x = nn.BatchNorm(use_running_average=True, name="bn")(x)
        x = nn.relu(nn.Conv(6, (3,), strides=2, padding="VALID", name="conv")(x))
        x = nn.Bidirectional(nn.RNN(nn.LSTMCell(4)), nn.RNN(nn.LSTMCell(4)))(x)
        x = nn.LayerNorm(name="norm")(x + nn.MultiHeadDotProductAttention(2, name="look")(x, x))
        return nn.Dense(3, name="head")(x.mean(1))


SPOTTER = {
    "inputs": 3,
    "layers": [
        {"type": "norm", "name": "bn", "kind": "batch", "epsilon": 1e-5},
        {"type": "convolution", "name": "conv", "units": 6, "width": 3, "stride": 2, "padding": "valid",
         "activation": "relu"},
        {"type": "recurrent", "name": "rnn", "cell": {"type": "lstm", "units": 4}, "direction": "bidirectional"},
        {"type": "dense", "name": "look_query", "units": 8, "of": "rnn"},
        {"type": "dense", "name": "look_key", "units": 8, "of": "rnn"},
        {"type": "dense", "name": "look_value", "units": 8, "of": "rnn"},
        {"type": "attention", "name": "attend", "of": ["look_query", "look_key", "look_value"], "score": "scaled",
         "heads": 2},
        {"type": "dense", "name": "look_out", "units": 8},
        {"type": "merge", "name": "sum", "of": ["rnn", "look_out"], "how": "add"},
        {"type": "norm", "name": "norm", "kind": "layer", "epsilon": 1e-6},
        {"type": "summary", "name": "mean", "how": "mean"},
        {"type": "dense", "name": "head", "units": 3},
    ],
}  # fmt: skip


BOTH = {"rnn.forward": "LSTMCell_0", "rnn.backward": "LSTMCell_1"}


def case(name, module, x, of, artefact="params.msgpack", saved=None, **options):
    variables = randomised(module.init(jax.random.key(0), jnp.asarray(x)))
    y = np.asarray(module.apply(variables, x))

    def save(path):
        if path.suffix == ".safetensors":
            safetensors.numpy.save_file(traverse_util.flatten_dict(variables["params"], sep="."), path)
        else:
            path.write_bytes(serialization.to_bytes(saved(module, variables) if saved else variables))
        if isinstance(options.get("config"), dict):
            path.with_name("config.json").write_text(json.dumps(options["config"], indent=1) + "\n", encoding="utf-8")

    shown = options | ({"config": "config.json"} if "config" in options else {})
    write(f"flax/{name}", artefact, save, f"{OF}: {of}", {"x": x}, {"y": y}, **shown)


def trained(module, variables):
    return TrainState.create(apply_fn=module.apply, params=variables["params"], tx=optax.adam(1e-3))


def orbax_folder(path):
    params = {"params": randomised(Tagger().init(jax.random.key(0), jnp.zeros((1, 2), int))["params"])}
    orbax.checkpoint.PyTreeCheckpointer().save(path.resolve(), params)
    for large in ("ocdbt.process_0", "d", "array_metadatas"):  # that it is one, is all that is asked
        shutil.rmtree(path / large, ignore_errors=True)


if __name__ == "__main__":
    ids = RNG.integers(0, 9, (2, 5)).astype("i4")
    case("train_state", Tagger(), ids, "a TrainState with Adam's moments", saved=trained)
    case("safetensors", Tagger(), ids, "a tree in safetensors, its names joined by dots", "params.safetensors")
    case("reverse", Tagger(reverse=True), ids, "RNN(reverse=True)", settings={"reverse": True})
    kept = {"GRUCell_0.reverse": True, "keep_order": True}
    case("keep_order", Tagger(True, True), ids, "RNN(reverse=True, keep_order=True)", settings=kept)
    case(
        "spotter",
        Spotter(),
        floats(2, 9, 3),
        "a graph, by an architecture of ours",
        config={"model": SPOTTER, "places": BOTH},
    )
    message = r"a folder of Orbax, whose arrays are compressed; with it, write what is read: open\("
    write("flax/orbax", "checkpoint", orbax_folder, f"Orbax {orbax.checkpoint.__version__}", refused=message)
