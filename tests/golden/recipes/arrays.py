"""Plain arrays with maps, RTNeural's JSON of both kinds, NeuralPi's.

python -m tests.golden.recipes.arrays        (needs torch and tensorflow)
"""

import json
from typing import Any

import keras
import numpy as np
import torch
from keras import layers
from torch import nn

from . import write

TORCH = f"torch {torch.__version__.partition('+')[0]}"
RNG = np.random.default_rng(15)


def floats(*shape: int) -> np.ndarray:
    return RNG.standard_normal(shape).astype("f")


def filled(module: nn.Module) -> dict[str, np.ndarray]:
    with torch.no_grad():
        for tensor in module.parameters():
            tensor.copy_(torch.tensor(floats(*tensor.shape) / 2))
    return {name: tensor.numpy() for name, tensor in module.state_dict().items()}


def described(folder: Any, said: dict[str, Any]) -> None:
    (folder / "map.json").write_text(json.dumps(said, indent=1) + "\n", encoding="utf-8")


def renamed() -> None:
    """Both directions of a GRU of torch, transposed, joined and parted, under other names; a linear layer."""
    gru, out = nn.GRU(3, 4, batch_first=True, bidirectional=True), nn.Linear(8, 2)
    w, head = filled(gru), filled(out)
    r, z, n = np.split(w["bias_ih_l0"], 3)
    both = np.concatenate([w["weight_hh_l0"], w["weight_hh_l0_reverse"]])
    arrays = {"Wf": w["weight_ih_l0"].T, "U": both, "br": r, "bz": z, "bn": n, "bh": w["bias_hh_l0"]}
    arrays |= {f"back/{leaf}": w[f"{leaf}_l0_reverse"] for leaf in ("weight_ih", "bias_ih", "bias_hh")}
    arrays |= {"head/w": head["weight"].T, "head/b": head["bias"], "epoch": np.array(7)}
    back = {leaf: f"back/{leaf}" for leaf in ("weight_ih", "bias_ih", "bias_hh")}
    said = {
        "model": {
            "inputs": 3,
            "layers": [
                {"type": "recurrent", "name": "gru", "direction": "bidirectional",
                 "cell": {"type": "gru", "units": 4, "reset_after": True}},
                {"type": "dense", "name": "out", "units": 2},
            ],
        },
        "layers": {
            "gru.forward": {
                "convention": "torch",
                "weight_ih": {"array": "Wf", "transpose": True},
                "weight_hh": {"array": "U", "part": [0, 2]},
                "bias_ih": {"join": ["br", "bz", "bn"]},
                "bias_hh": "bh",
            },
            "gru.backward": {"convention": "torch", "weight_hh": {"array": "U", "part": [1, 2]}, **back},
            "out": {"kernel": {"array": "head/w", "transpose": True}, "bias": "head/b"},
        },
        "ignore": {"epoch": "counts the epochs"},
    }  # fmt: skip
    x = floats(2, 6, 3)
    y = out(gru(torch.tensor(x))[0]).detach().numpy()

    def save(path):
        np.savez(path, **arrays)
        described(path.parent, said)

    write("arrays/renamed", "weights.npz", save, f"{TORCH}: other names", {"x": x}, {"y": y}, arrays="map.json")


def of_keras() -> None:
    """What `get_weights` gives, in JSON, without an equal bias."""
    model = keras.Sequential(
        [keras.Input((None, 3)), layers.LSTM(4, return_sequences=True), layers.GRU(5, use_bias=False)]
    )
    values = [floats(*weight.shape) / 2 for weight in model.weights]
    model.set_weights(values)
    names = ("kernel", "recurrent_kernel", "bias")
    said = {
        "model": {
            "inputs": 3,
            "layers": [
                {"type": "recurrent", "name": "lstm", "cell": {"type": "lstm", "units": 4}},
                {"type": "recurrent", "name": "gru", "return_sequences": False,
                 "cell": {"type": "gru", "units": 5, "reset_after": True, "bias": False}},
            ],
        },
        "layers": {
            "lstm": {"convention": "keras"} | {name: f"weights/{k}" for k, name in enumerate(names)},
            "gru": {"convention": "keras", "options": {"reset_after": True}, "kernel": "weights/3",
                    "recurrent_kernel": "weights/4"},
        },
    }  # fmt: skip

    def save(path):
        text = json.dumps({"weights": [value.tolist() for value in values]})
        path.write_text(text, encoding="utf-8")
        described(path.parent, said)

    x = floats(2, 6, 3)
    write("arrays/of_keras", "weights.json", save, f"Keras {keras.__version__}: get_weights() in JSON", {"x": x},
          {"y": np.asarray(model(x))}, arrays="map.json")  # fmt: skip


def rtneural() -> None:
    """A Keras model as RTNeural's script writes it: type, activation, shape, weights."""
    x = floats(2, 9, 2)
    model = keras.Sequential([
        keras.Input((None, 2)),
        layers.TimeDistributed(layers.Dense(4, activation="relu")),
        layers.Conv1D(3, 4, dilation_rate=2, padding="causal", activation="tanh"),
        layers.GRU(5, return_sequences=True),
        layers.LSTM(4, return_sequences=True),
        layers.Dense(1),
    ])  # fmt: skip
    model.set_weights([floats(*weight.shape) / 2 for weight in model.weights])
    kinds = ("time-distributed-dense", "conv1d", "gru", "lstm", "dense")
    entries = []
    for kind, layer in zip(kinds, model.layers, strict=True):
        inner = getattr(layer, "layer", layer)
        act = {"linear": ""}.get(inner.activation.__name__, inner.activation.__name__)
        entry = {"type": kind, "activation": act, "shape": [None, None, layer.output.shape[-1]]}
        entry |= {"kernel_size": [4], "dilation": [2], "groups": 1} if kind == "conv1d" else {}
        entries.append(entry | {"weights": [weight.tolist() for weight in layer.get_weights()]})
    text = json.dumps({"in_shape": [None, None, 2], "layers": entries})
    write("arrays/rtneural", "model.json", lambda path: path.write_text(text, encoding="utf-8"),
          f"Keras {keras.__version__}: as RTNeural's script writes it",
          {"x": x}, {"y": np.asarray(model(x))})  # fmt: skip


def of_torch() -> None:
    """A state dict in JSON, as RTNeural's torch_helpers read it."""
    lstm, out = nn.LSTM(2, 3, num_layers=2, batch_first=True), nn.Linear(3, 1)
    net = nn.ModuleDict({"lstm": lstm, "dense": out})
    text = json.dumps({name: array.tolist() for name, array in filled(net).items()})
    x = floats(2, 7, 2)
    y = out(lstm(torch.tensor(x))[0]).detach().numpy()
    write("arrays/of_torch", "model.json", lambda path: path.write_text(text, encoding="utf-8"),
          f"{TORCH}: a state dict in JSON", {"x": x}, {"y": y}, arrays="rtneural")  # fmt: skip


def neuralpi() -> None:
    """An amplifier with a knob: of two features in, the first is added to what comes out."""
    net = nn.ModuleDict({"rec": nn.LSTM(2, 4), "lin": nn.Linear(4, 1)})
    state = {name: array.tolist() for name, array in filled(net).items()}
    data = {"model": "SimpleRNN", "input_size": 2, "skip": 1, "output_size": 1, "unit_type": "LSTM", "num_layers": 1,
            "hidden_size": 4, "bias_fl": True}  # fmt: skip
    text = json.dumps({"model_data": data, "state_dict": state})
    x = floats(3, 8, 2)
    first = torch.tensor(x).transpose(0, 1)
    y = (net["lin"](net["rec"](first)[0]) + first[..., :1]).transpose(0, 1).detach().numpy()
    write("arrays/neuralpi", "model.json", lambda path: path.write_text(text, encoding="utf-8"),
          f"{TORCH}: CoreAudioML's SimpleRNN", {"x": x}, {"y": y})  # fmt: skip


def aida() -> None:
    """AIDA-X: gains around the model and the input added; of the layers those that the others have not."""
    model = keras.Sequential([
        keras.Input((None, 2)),
        layers.Dense(4, use_bias=False, activation="elu"),
        layers.PReLU(shared_axes=[1]),
        layers.BatchNormalization(),
        layers.Conv1D(6, 2, groups=2, padding="causal"),
        layers.BatchNormalization(scale=False, center=False),
        layers.Activation("softmax"),
        layers.GRU(3, return_sequences=True),
        layers.Dense(1),
    ])  # fmt: skip
    model.set_weights([abs(floats(*weight.shape)) / 2 + 0.1 for weight in model.weights])
    kinds = ("dense", "prelu", "batchnorm", "conv1d", "batchnorm", "activation", "gru", "dense")
    entries = []
    for kind, layer in zip(kinds, model.layers, strict=True):
        act = layer.activation.__name__.replace("linear", "") if hasattr(layer, "activation") else ""
        entry = {"type": kind, "activation": act, "shape": [None, None, layer.output.shape[-1]]}
        entry |= {"kernel_size": [2], "dilation": [1], "groups": 2} if kind == "conv1d" else {}
        entry |= {"epsilon": layer.epsilon} if kind == "batchnorm" else {}
        entries.append(entry | {"weights": [weight.tolist() for weight in layer.get_weights()]})
    around = {"in_skip": 1, "in_gain": 6.0, "out_gain": -3.5, "samplerate": 48000, "metadata": {"name": "an amplifier"}}
    text = json.dumps({"in_shape": [None, None, 2], "layers": entries, **around})
    x = floats(2, 7, 2)
    loud = x * np.float32(10 ** (6.0 / 20))
    y = (np.asarray(model(loud)) + loud[..., :1]) * np.float32(10 ** (-3.5 / 20))
    write("arrays/aida", "model.json", lambda path: path.write_text(text, encoding="utf-8"),
          f"Keras {keras.__version__}: RTNeural's JSON, with AIDA-X's gains", {"x": x}, {"y": y})  # fmt: skip


if __name__ == "__main__":
    for make in (renamed, of_keras, rtneural, of_torch, neuralpi, aida):
        make()
