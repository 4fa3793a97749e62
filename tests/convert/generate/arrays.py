"""Random models of ours as plain arrays with a map, in any framework's convention, transposed, parted and joined; and,
where RTNeural has their layers, as its JSON. Read again, each is to have the same weights, or give the same numbers.

python -m tests.convert.generate.arrays --seed 0 --count 60
"""

import json
import random
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np

from rnnspec import GRU, LSTM, RNN, Activation, Checkpoint, Dense, Model, Recurrent, Stack
from rnnspec.activations import LeakyRelu
from rnnspec.convert import convert
from rnnspec.convert.arrays.maps import CONVENTIONS
from rnnspec.convert.arrays.write import write
from rnnspec.errors import UnsupportedError
from rnnspec.layers import Convolution, Layer, Norm
from rnnspec.ops import scope
from rnnspec.reference import Net

from . import Result, compared, run

ACTIVATIONS = ("linear", "tanh", "relu", "sigmoid", "softmax", "elu")


def made(rng: random.Random, numbers: np.random.Generator) -> Checkpoint:
    """Layers in a row."""
    features = inputs = rng.randint(1, 4)
    found: list[Layer] = []
    for k in range(rng.randint(1, 5)):
        found.append(layer(rng, f"l{k}", features))
        features = int(found[-1].outputs(features))
    found.append(Dense(name="head", units=rng.randint(1, 3)))
    model = Model(inputs=inputs, layers=found)
    weights = {name: numbers.standard_normal(shape).astype("f") for name, shape in model.parameters().items()}
    return Checkpoint(model, {n: abs(w) + 0.1 if n.endswith("variance") else w for n, w in weights.items()})


def layer(rng: random.Random, name: str, features: int) -> Layer:
    """One of any kind."""
    units, activation, bias = rng.randint(1, 5), rng.choice(ACTIVATIONS), rng.random() < 0.7
    kind = rng.randrange(8)
    if kind < 4:
        cells = (LSTM(units=units, bias=bias), GRU(units=units, reset_after=rng.random() < 0.8, bias=bias),
                 RNN(units=units, activation=rng.choice(("tanh", "relu")), bias=bias))  # fmt: skip
        cell = cells[kind % 3]
        if rng.random() < 0.2:
            return Recurrent(name=name, cell=Stack(cells=(cell, cell)))
        return Recurrent(name=name, cell=cell, direction=rng.choice(("forward", "forward", "bidirectional")))
    if kind == 4:
        width, dilation = rng.randint(1, 3), rng.randint(1, 2)
        options: dict[str, Any] = {"width": width, "dilation": dilation, "activation": activation, "bias": bias}
        return Convolution(name=name, units=units, padding="causal", **options)
    if kind == 5:
        return Norm(name=name, kind="batch", epsilon=1e-3, beta=bias)
    if kind == 6:
        return Activation(name=name, function=rng.choice((activation, LeakyRelu(alpha=0.25))))
    return Dense(name=name, units=units, activation=activation, bias=bias)


def mapped(checkpoint: Checkpoint, rng: random.Random) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
    """Arrays, and the map that says what they are."""
    arrays: dict[str, np.ndarray] = {}
    entries: dict[str, Any] = {}
    for each in checkpoint.model.layers:
        weights = scope(checkpoint.weights, each.name)
        cells = {}
        if isinstance(each, Recurrent):
            inside = [f".cells.{k}" for k in range(2)] if isinstance(each.cell, Stack) else [""]
            cells = {f"{way}{end}".strip("."): each.cell for way in each.directions for end in inside}
        for place, cell in (cells or {"": None}).items():
            found, entry = scope(weights, place) if place else weights, {}
            plain = cell.cells[0] if isinstance(cell, Stack) else cell
            convention = rng.choice([None, *CONVENTIONS])
            if convention and (theirs := _theirs(convention, plain, found)) is not None:
                found, entry = theirs, {"convention": convention}
                if convention == "onnx" and isinstance(plain, GRU):
                    entry["options"] = {"linear_before_reset": plain.reset_after}
            where = f"{each.name}.{place}".strip(".")
            entries[where] = entry | {n: _piece(f"{where}/{n}", np.asarray(a), arrays, rng) for n, a in found.items()}
    return arrays, {"model": checkpoint.model.to_builtins(), "layers": {k: v for k, v in entries.items() if v}}


def _theirs(convention: str, cell: Any, weights: Any) -> dict[str, np.ndarray] | None:
    """The arrays of a cell in a convention; None where it has no such cell."""
    kind = CONVENTIONS[convention].get(type(cell))
    if kind is None or (convention in ("cudnn", "tf1", "haiku", "flax") and not cell.bias):
        return None
    if isinstance(cell, GRU) and convention != "onnx":
        after = {"torch": True, "paddle": True, "cudnn": True, "flax": True, "tf1": False, "haiku": False}
        if after.get(convention, cell.reset_after) != cell.reset_after:
            return None
    if convention == "haiku" and isinstance(cell, RNN) and cell.activation != "relu":
        return None
    return kind.to_theirs(dict(weights))


def _piece(name: str, array: np.ndarray, arrays: dict[str, np.ndarray], rng: random.Random) -> Any:
    """Put an array among the others in some way, and say which."""
    way = rng.randrange(4)
    if way == 0 and array.ndim > 1:
        axes = rng.sample(range(array.ndim), array.ndim)
        arrays[name] = array.transpose(axes)
        return {"array": name, "transpose": [axes.index(k) for k in range(array.ndim)]}
    if way == 1 and array.ndim and array.shape[-1] > 1:
        at, axis = rng.randint(1, array.shape[-1] - 1), array.ndim - 1
        arrays[f"{name}/0"], arrays[f"{name}/1"] = np.split(array, [at], axis)
        return {"join": [f"{name}/0", f"{name}/1"], "axis": axis}
    if way == 2 and array.ndim:
        arrays[name] = array.reshape(-1)
        return {"array": name, "shape": list(array.shape)}
    arrays[name] = array
    return name


def tried(seed: int) -> dict[str, Result]:
    """What became of one model, by way."""
    rng, numbers = random.Random(seed), np.random.default_rng(seed)
    checkpoint = made(rng, numbers)
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        arrays, said = mapped(checkpoint, rng)
        np.savez(folder / "a.npz", **arrays)
        (folder / "map.json").write_text(json.dumps(said), encoding="utf-8")
        back = convert(folder / "a.npz", arrays=folder / "map.json", format="arrays")
        same = all(np.allclose(back.weights[name], array, atol=1e-6) for name, array in checkpoint.weights.items())
        found = {"map": ("exact", "") if same and back.model == checkpoint.model else ("WRONG", "another model")}
        try:
            write(checkpoint, folder / "m.json")
        except UnsupportedError as error:
            return found | {"rtneural": ("refused", str(error))}
        x = numbers.standard_normal((2, 6, checkpoint.model.inputs))
        y, again = (Net(each, "float64")(x)[0] for each in (checkpoint, convert(folder / "m.json")))
        return found | {"rtneural": compared([again], [y])}


if __name__ == "__main__":
    sys.exit(run(tried, __doc__))
