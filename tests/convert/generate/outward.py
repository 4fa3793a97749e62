"""Random Keras models of layers in a row, as most people's are: converted, written for torch and Flax, run there or
here, and read again; each time the numbers are compared with Keras's own.

python -m tests.convert.generate.outward --seed 0 --count 40
"""

import importlib.util
import json
import random
import sys
import tempfile
from pathlib import Path
from typing import Any

import keras
import numpy as np
import torch
from keras import layers

import rnnspec
from rnnspec.convert import convert
from rnnspec.convert.flax.write import placed
from rnnspec.convert.flax.write import write as write_flax
from rnnspec.convert.outward import at_inference
from rnnspec.convert.torch.write import write as write_torch
from rnnspec.errors import SpecError, UnsupportedError
from rnnspec.reference import Net

from . import compared, run

CELLS = (layers.LSTM, layers.GRU, layers.SimpleRNN)
ACTIVATIONS = ("linear", "relu", "tanh", "sigmoid", "softmax", "elu", "gelu")
BATCH, STEPS, IDS = 3, 7, 11
WRITERS = {"torch": ("out.pt", write_torch), "flax": ("out.msgpack", write_flax)}


def made(rng: random.Random) -> keras.Sequential:
    """Layers in a row, with defaults mostly."""
    steps = rng.choice([None, STEPS])
    if rng.random() < 0.5:
        masked = rng.random() < 0.3
        start = [keras.Input((steps,), dtype="int32"), layers.Embedding(IDS, rng.randint(2, 6), mask_zero=masked)]
    else:
        masked = rng.random() < 0.3
        start = [keras.Input((steps, rng.randint(2, 6)))] + ([layers.Masking(0.0)] if masked else [])
    found: list[Any] = start
    if rng.random() < 0.2:
        found.append(layers.Dropout(0.2) if rng.random() < 0.5 else layers.SpatialDropout1D(0.2))
    count = rng.choice([1, 1, 2, 3])
    cell = rng.choice(CELLS)
    sequences = rng.random() < 0.4
    for k in range(count):
        found.append(recurrent(rng, cell, sequences or k < count - 1, masked))
        if rng.random() < 0.3:
            found.append(layers.Dropout(0.5))
    if sequences and rng.random() < 0.5:
        found.append(layers.TimeDistributed(layers.Dense(rng.randint(2, 5), activation=rng.choice(ACTIVATIONS))))
    for _ in range(rng.choice([0, 1, 1, 2])):
        found.append(layers.Dense(rng.randint(2, 5), activation=rng.choice(ACTIVATIONS)))
        if rng.random() < 0.2:
            found.append(layers.Dropout(0.3))
    return keras.Sequential(found)


def recurrent(rng: random.Random, cell: type, sequences: bool, masked: bool) -> Any:
    units, options = rng.randint(2, 6), {"return_sequences": sequences}
    if rng.random() < 0.2:
        options |= {"dropout": 0.2, "recurrent_dropout": rng.choice([0.0, 0.2])}
    if cell is layers.SimpleRNN and rng.random() < 0.3:
        options["activation"] = "relu"
    if rng.random() < 0.3:
        merge = rng.choice(["concat", "concat", "sum", "ave", "mul"])
        return layers.Bidirectional(cell(units, **options), merge_mode=merge)
    return cell(units, go_backwards=not masked and rng.random() < 0.1, **options)


def tried(seed: int) -> dict[str, tuple[str, str]]:
    """What became of one model in each framework: exact, refused or WRONG, with the reason or the difference."""
    keras.backend.clear_session()
    rng, numbers = random.Random(seed), np.random.default_rng(seed)
    model = made(rng)
    for weight in model.weights:
        if weight.dtype == "float32":
            weight.assign(numbers.standard_normal(weight.shape) / 2)
    shape = model.input_shape
    ids = len(shape) == 2
    x = numbers.integers(1, IDS, (BATCH, STEPS)) if ids else numbers.standard_normal((BATCH, STEPS, shape[2]))
    if any(isinstance(layer, layers.Masking) or getattr(layer, "mask_zero", False) for layer in model.layers):
        x[0, 4:], x[1, :2] = 0, 0
    x = x.astype("int32" if ids else "float32")
    expected = model(x, training=False).numpy()
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        model.save(folder / "model.keras")
        try:
            convert(folder / "model.keras").save(folder / "model.rnn")
        except (SpecError, UnsupportedError) as error:
            return dict.fromkeys(WRITERS, ("refused", f"in: {error}".replace(place, "")))
        return {to: _written(to, folder, x, expected) for to in WRITERS}


def _written(to: str, folder: Path, x: np.ndarray, expected: np.ndarray) -> tuple[str, str]:
    checkpoint = rnnspec.load(folder / "model.rnn")
    name, write = WRITERS[to]
    found = {}
    try:
        write(checkpoint, folder / name)
        places = placed(at_inference(checkpoint, to)[0])[1] if to == "flax" else {}
        architecture = {"model": checkpoint.model.to_builtins(), "places": places}
        (folder / "model.json").write_text(json.dumps(architecture))
        if to == "torch":
            with torch.no_grad():
                found["there"] = loaded(folder / "out.py").load()(torch.tensor(x)).numpy()
        again = convert(folder / name, config=folder / "model.json")
    except (SpecError, UnsupportedError) as error:
        return "refused", str(error).replace(str(folder), "")
    found["again"] = Net(again, "float64")(x)[0]
    return compared([*found.values()], [expected] * len(found))


def loaded(path: Path) -> Any:
    """The module of a file."""
    spec = importlib.util.spec_from_file_location(path.stem, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


if __name__ == "__main__":
    sys.exit(run(tried, __doc__))
