"""ONNX files converted: of single nodes against ONNX Runtime on the same file, of live PyTorch models against those."""

import importlib.util
import warnings

import numpy as np
import onnxruntime
import pytest
import torch
from torch import nn

from rnnspec.convert import convert
from rnnspec.convert.onnx import read_model
from rnnspec.errors import UnsupportedError
from rnnspec.reference import Net

from ..convert import onnx_equations as equations

INPUTS, UNITS, TIME, BATCH = 3, 4, 6, 5


def random(*shape, seed=9):
    return np.random.default_rng(seed).standard_normal(shape).astype("float32")


NODES = {
    "RNN": [{"activations": ["Relu"]}, {"activations": ["Softsign"]}, {}],
    "GRU": [
        {"linear_before_reset": 1}, {"activations": ["Sigmoid", "Relu"]}, {"clip": 0.4},
        {"activations": ["HardSigmoid", "ScaledTanh"], "activation_alpha": [0.3, 1.1], "activation_beta": [0.4, 0.7]},
    ],
    "LSTM": [
        {}, {"peephole": True}, {"clip": 0.4}, {"activations": ["Sigmoid", "Softsign", "Softplus"]},
        {"peephole": True, "activations": ["HardSigmoid", "Elu", "Affine"], "activation_alpha": [0.3, 1.4, 1.2],
         "activation_beta": [0.4, -0.1]},
    ],
}  # fmt: skip


@pytest.mark.parametrize("direction", equations.REVERSE)
@pytest.mark.parametrize(
    ("kind", "options"), [(kind, options) for kind, each in NODES.items() for options in each], ids=str
)
def test_nodes_against_onnx_runtime(kind, options, direction):
    directions = len(equations.REVERSE[direction])
    options = {k: v * directions if isinstance(v, list) else v for k, v in options.items()}
    tensors = equations.weights(kind, INPUTS, UNITS, directions, peephole=options.pop("peephole", False))
    model = equations.model(kind, tensors, lengths=True, states=True, direction=direction, **options)
    feeds = {"X": 2 * random(TIME, BATCH, INPUTS), "sequence_lens": np.array([6, 1, 4, 2, 3], "int32")}
    for leaf in equations.STATES[kind]:
        feeds[f"initial_{leaf}"] = random(directions, BATCH, UNITS, seed=ord(leaf)) / 2
    expected, *finals = onnxruntime.InferenceSession(model.SerializeToString()).run(None, feeds)
    checkpoint = read_model(model)
    rows = {leaf: list(feeds[f"initial_{leaf}"]) for leaf in equations.STATES[kind]}
    state = {name: rows[name[-1]].pop(0) for name in checkpoint.model.states()}
    y, new = Net(checkpoint, "float64", time_major=True)(feeds["X"], lengths=feeds["sequence_lens"], state=state)
    y = y.reshape(TIME, BATCH, directions, UNITS).swapaxes(1, 2)
    np.testing.assert_allclose(y, expected, rtol=0, atol=1e-5)
    for leaf, final in zip("hc", finals, strict=False):
        found = np.stack([value for name, value in new.items() if name.endswith(leaf)])
        np.testing.assert_allclose(found, final, rtol=0, atol=1e-5)


class Returning(nn.Module):
    """A recurrent layer of torch: outputs and final states; initial states if they are given."""

    def __init__(self, rnn):
        super().__init__()
        self.rnn = rnn

    def forward(self, x, *states):
        y, new = self.rnn(x, *([states if len(states) > 1 else states[0]] if states else []))
        return y, *(new if isinstance(new, tuple) else (new,))


class Tagger(nn.Module):
    """Ids → embedding → recurrent layers → dense layer, on every step, on the last output or on the final states."""

    def __init__(self, kind, layers, bidirectional, last="", activation=None, bias=True):
        super().__init__()
        self.embedding = nn.Embedding(13, 4, padding_idx=0)
        self.rnn = kind(4, 6, layers, batch_first=True, bidirectional=bidirectional, dropout=0.3 if layers > 1 else 0)
        self.dropout = nn.Dropout(0.4)
        self.out = nn.Linear(12 if bidirectional else 6, 5, bias=bias)
        self.last, self.activation = last, activation or nn.Identity()

    def forward(self, ids):
        y, h = self.rnn(self.dropout(self.embedding(ids)))
        h = h[0] if isinstance(h, tuple) else h
        if self.last == "output":
            y = y[:, -1]
        elif self.last == "state":
            y = torch.cat([h[-2], h[-1]], 1) if self.rnn.bidirectional else h[-1]
        return self.activation(self.out(self.dropout(y)))


class Deep(nn.Module):
    """Dense layers before and after, rows flattened, different recurrent layers, one output squeezed."""

    def __init__(self, flat):
        super().__init__()
        self.before, self.first = nn.Linear(5, 7), nn.GRU(7, 6, batch_first=True)
        self.second, self.after = nn.LSTM(6, 4, batch_first=True, bidirectional=True), nn.Linear(8, 3)
        self.out, self.flat = nn.Linear(3, 1), flat

    def forward(self, x):
        y, _ = self.first(torch.relu(self.before(x)))
        y, _ = self.second(nn.functional.leaky_relu(y, 0.2))
        y = torch.tanh(self.after(y.reshape(-1, 8) if self.flat else y))
        return torch.sigmoid(self.out(y).squeeze(-1))


class Merged(nn.Module):
    def __init__(self, how):
        super().__init__()
        self.rnn, self.how = nn.LSTM(5, 4, bidirectional=True, batch_first=True), how

    def forward(self, x):
        y, _ = self.rnn(x)
        forward, backward = y[..., :4], y[..., 4:]
        if self.how == "view":
            return y.view(y.shape[0], y.shape[1], 2, 4).sum(2)
        return {"sum": forward + backward, "mul": forward * backward, "ave": (forward + backward) / 2}[self.how]


class Flipped(nn.Module):
    """Backward by hand: alone, or beside a forward layer."""

    def __init__(self, pair):
        super().__init__()
        self.f, self.b, self.pair = nn.GRU(5, 3, batch_first=True), nn.GRU(5, 4, batch_first=True), pair

    def forward(self, x):
        y, _ = self.b(x.flip(1))
        return torch.cat([self.f(x)[0], y.flip(1)], -1) if self.pair else y


class Learned(nn.Module):
    def __init__(self):
        super().__init__()
        self.rnn, self.h = nn.GRU(5, 4, batch_first=True), nn.Parameter(torch.randn(1, 1, 4))

    def forward(self, x):
        return self.rnn(x, self.h.expand(1, x.shape[0], 4).contiguous())[0]


def x(*shape):
    return torch.from_numpy(random(*shape))


BATCH_FIRST, TIME_FIRST, IDS = x(3, 5, 5), x(6, 2, 5), torch.arange(15).reshape(3, 5) % 13
# name → the module and its arguments
MODELS = {
    "rnn relu": (Returning(nn.RNN(5, 6, 3, nonlinearity="relu")), [TIME_FIRST]),
    "rnn bidirectional without bias": (Returning(nn.RNN(5, 4, 2, bidirectional=True, bias=False)), [TIME_FIRST]),
    "lstm": (Returning(nn.LSTM(5, 7)), [TIME_FIRST]),
    "lstm without bias": (Returning(nn.LSTM(5, 6, bias=False, batch_first=True)), [BATCH_FIRST]),
    "lstm of four layers": (Returning(nn.LSTM(5, 3, 4, batch_first=True, dropout=0.2)), [BATCH_FIRST]),
    "gru of three layers": (Returning(nn.GRU(5, 3, 3, bidirectional=True)), [TIME_FIRST]),
    "gru with states": (Returning(nn.GRU(5, 4, 2, bidirectional=True)), [TIME_FIRST, x(4, 2, 4)]),
    "lstm with states": (Returning(nn.LSTM(5, 4, 3, batch_first=True)), [BATCH_FIRST, x(3, 3, 4), 2 * x(3, 3, 4)]),
    "unbatched": (Returning(nn.LSTM(5, 4, 2)), [x(6, 5)]),
    "fixed": (Returning(nn.GRU(5, 4, 2, batch_first=True)), [x(1, 4, 5)]),
    "double": (Returning(nn.GRU(5, 4).double()), [TIME_FIRST.double()]),
    "tagger": (Tagger(nn.LSTM, 3, False), [IDS]),
    "tagger bidirectional": (Tagger(nn.GRU, 2, True, activation=nn.Softmax(-1)), [IDS]),
    "last output": (Tagger(nn.LSTM, 1, False, "output", nn.ReLU()), [IDS]),
    "last state": (Tagger(nn.LSTM, 2, False, "state", nn.Hardswish(), bias=False), [IDS]),
    "last states of both": (Tagger(nn.GRU, 2, True, "state", nn.LogSoftmax(1)), [IDS]),
    "rnn, last states": (Tagger(nn.RNN, 2, True, "state", nn.ELU(1.5)), [IDS]),
    "deep": (Deep(False), [BATCH_FIRST]),
    "deep and flat": (Deep(True), [BATCH_FIRST]),
    **{f"merged {how}": (Merged(how), [BATCH_FIRST]) for how in ("sum", "mul", "ave", "view")},
    "flipped": (Flipped(False), [BATCH_FIRST]),
    "flipped pair": (Flipped(True), [BATCH_FIRST]),
    "learned state": (Learned(), [BATCH_FIRST]),
}
EXPORTERS = [False, True] if importlib.util.find_spec("onnxscript") else [False]  # what torch's newer one needs


def export(module, arguments, path, dynamo=False, free=True):
    """The model in a file; batch and time are free if asked for, but for the newer exporter, which often refuses."""
    module.eval()
    names = [f"in{i}" for i in range(len(arguments))]
    leading = range(arguments[0].ndim - arguments[0].is_floating_point())
    axes = {"in0": {k: f"axis{k}" for k in leading}}
    axes |= {name: {1: "axis0" if module.rnn.batch_first else "axis1"} for name in names[1:]}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the older exporter says that it is the older one
        torch.onnx.export(
            module, tuple(arguments), str(path), dynamo=dynamo, input_names=names,
            dynamic_axes=axes if free and not dynamo else None,
        )  # fmt: skip


@pytest.mark.parametrize("dynamo", EXPORTERS)
@pytest.mark.parametrize("name", MODELS)
def test_live_models_of_torch(name, dynamo, tmp_path):
    module, arguments = MODELS[name]
    export(module, arguments, tmp_path / "model.onnx", dynamo, name != "fixed")
    if dynamo and any(isinstance(part, nn.RNN) for part in module.modules()):
        with pytest.raises(UnsupportedError, match="unrolled into its steps"):
            convert(tmp_path / "model.onnx")
        return
    checkpoint = convert(tmp_path / "model.onnx")
    with torch.no_grad():
        expected = module(*arguments)
    y, *finals = expected if isinstance(expected, tuple) else (expected,)
    given = dict(zip("hc", (list(argument.numpy()) for argument in arguments[1:]), strict=False))
    state = {key: given[key[-1]].pop(0) for key in checkpoint.model.states()} if given else None
    time_major = isinstance(module, Returning) and not module.rnn.batch_first
    value = arguments[0].numpy()
    value = value[:, None] if name == "unbatched" else value
    found, new = Net(checkpoint, "float64", time_major=time_major)(value, state=state)
    np.testing.assert_allclose(found.reshape(y.shape), y, rtol=0, atol=1e-6)
    for leaf, final in zip("hc", finals, strict=False):
        actual = np.stack([array for key, array in new.items() if key.endswith(f".{leaf}")])
        np.testing.assert_allclose(actual.reshape(final.shape), final, rtol=0, atol=1e-6)


class Packed(nn.Module):
    def __init__(self, rnn):
        super().__init__()
        self.rnn, self.out = rnn, nn.Linear(8, 2)

    def forward(self, x, lengths):
        packed = nn.utils.rnn.pack_padded_sequence(x, lengths, self.rnn.batch_first, enforce_sorted=False)
        y, new = self.rnn(packed)
        y, _ = nn.utils.rnn.pad_packed_sequence(y, self.rnn.batch_first)
        return self.out(y), new[0] if isinstance(new, tuple) else new


@pytest.mark.parametrize("kind", [nn.GRU, nn.LSTM, nn.RNN])
@pytest.mark.parametrize("batch_first", [False, True])
def test_packed_sequences_of_torch(kind, batch_first, tmp_path):
    module = Packed(kind(5, 4, 2, bidirectional=True, batch_first=batch_first))
    lengths = torch.tensor([2, 5, 1])
    values = x(3, 5, 5) if batch_first else x(5, 3, 5)
    export(module, [values, lengths], tmp_path / "model.onnx", free=False)
    with torch.no_grad():
        y, h = module(values, lengths)
    net = Net(convert(tmp_path / "model.onnx"), "float64", time_major=not batch_first)
    found, new = net(values.numpy(), lengths=lengths.numpy())
    np.testing.assert_allclose(found, y, rtol=0, atol=1e-6)
    np.testing.assert_allclose(np.stack([v for k, v in new.items() if k.endswith(".h")]), h, rtol=0, atol=1e-6)
