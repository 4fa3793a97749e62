"""Live modules of torch in, stock modules out, with torch's own numbers."""

import itertools

import numpy as np
import pytest
import torch
from torch import nn

import rnnspec.backends.torch as backend
from rnnspec import GRU, LSTM, RNN, Dense, Dropout, Embedding, Model, Recurrent, SpecError, Stack, UnsupportedError
from rnnspec.activations import HardSigmoid, LeakyRelu
from rnnspec.convert import convert
from rnnspec.convert.torch.write import write
from rnnspec.reference import Net

from ...conftest import random_checkpoint

pytestmark = pytest.mark.filterwarnings("ignore:LSTM with projections is not supported with oneDNN")

X = np.random.default_rng(4).standard_normal((3, 6, 5)).astype("float32")


def randomised(module):
    """Distinct numbers in every parameter, biases included."""
    generator = torch.Generator().manual_seed(len(list(module.parameters())))
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.copy_(torch.randn(parameter.shape, generator=generator) / 2)
    return module.eval()


def output(checkpoint, x):
    return Net(checkpoint, "float64")(x)[0]


GRID = list(itertools.product(("RNN", "LSTM", "GRU"), (1, 3), (False, True), (True, False), (0.0, 0.25)))


@pytest.mark.parametrize(("kind", "layers", "bidirectional", "bias", "dropout"), GRID)
def test_there_and_back(kind, layers, bidirectional, bias, dropout):
    options = (
        {"proj_size": 3} if kind == "LSTM" and bias else {"nonlinearity": "relu"} if kind == "RNN" and bias else {}
    )
    dropout = dropout if layers > 1 else 0.0
    options |= {"bidirectional": bidirectional, "bias": bias, "dropout": dropout, "batch_first": True}
    module = randomised(getattr(nn, kind)(5, 4, layers, **options))
    checkpoint = backend.from_native(module)
    dropouts = [layer.rate for layer in checkpoint.model.layers if isinstance(layer, Dropout)]
    assert dropouts == [dropout] * ((layers - 1) if dropout else 0)
    with torch.no_grad():
        y, final = module(torch.tensor(X))
    ours, state = Net(checkpoint, "float64")(X)
    np.testing.assert_allclose(ours, y, atol=1e-5)
    h = np.stack([value for name, value in state.items() if name.endswith(".h")])
    np.testing.assert_allclose(h, final[0] if kind == "LSTM" else final, atol=1e-5)
    native = backend.to_native(checkpoint)
    assert repr(native) == repr(module)
    assert not native.training
    with torch.no_grad():
        torch.testing.assert_close(native(torch.tensor(X))[0], y, rtol=0, atol=1e-5)
    again = backend.from_native(native)
    assert again.model == checkpoint.model
    for name, value in checkpoint.weights.items():
        np.testing.assert_array_equal(again.weights[name], value)


class Tagger(nn.Module):
    """Children of every kind, some of them inside others."""

    def __init__(self):
        super().__init__()
        self.emb = nn.Embedding(9, 5, padding_idx=0)
        self.drop = nn.Dropout(0.3)
        self.lower = nn.GRU(5, 4, batch_first=True, bidirectional=True)
        self.middle = nn.ModuleList([nn.LSTMCell(8, 6), nn.LSTMCell(6, 3)])
        self.head = nn.Sequential(
            nn.Linear(3, 7), nn.ReLU(), nn.Identity(), nn.Linear(7, 2, bias=False), nn.Softmax(-1)
        )

    def forward(self, ids):
        x, _ = self.lower(self.drop(self.emb(ids)))
        for cell in self.middle:
            state, outputs = None, []
            for x_t in x.unbind(1):
                state = cell(x_t, state)
                outputs.append(state[0])
            x = torch.stack(outputs, 1)
        return self.head(x)


def test_a_custom_module():
    module = randomised(Tagger())
    checkpoint = backend.from_native(module)
    assert checkpoint.model == Model(
        layers=(
            Embedding(name="emb", vocabulary=9, units=5),
            Dropout(name="drop", rate=0.3),
            Recurrent(name="lower", cell=GRU(units=4, reset_after=True), direction="bidirectional"),
            Recurrent(name="middle_0", cell=LSTM(units=6)),
            Recurrent(name="middle_1", cell=LSTM(units=3)),
            Dense(name="head_0", units=7, activation="relu"),
            Dense(name="head_3", units=2, activation="softmax", bias=False),
        )
    )
    ids = np.random.default_rng(0).integers(0, 9, (3, 6))
    with torch.no_grad():
        np.testing.assert_allclose(output(checkpoint, ids), module(torch.tensor(ids)), atol=1e-5)
    assert checkpoint.metadata["conversion"]["source"] == "Tagger"
    wrapped = backend.from_native(nn.DataParallel(module))
    assert wrapped.model == checkpoint.model


def test_the_weights_are_copies():
    module = randomised(nn.LSTM(5, 4, bias=False))
    checkpoint = backend.from_native(module)
    before = {name: value.copy() for name, value in checkpoint.weights.items()}
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.zero_()
    for name, value in checkpoint.weights.items():
        np.testing.assert_array_equal(value, before[name])


@pytest.mark.parametrize("dtype", [torch.float64, torch.float16, torch.bfloat16])
def test_dtypes(dtype):
    module = randomised(nn.GRU(5, 4, bias=False)).to(dtype)
    checkpoint = backend.from_native(module)
    assert checkpoint.dtype == ("float64" if dtype == torch.float64 else "float32")
    native = backend.to_native(checkpoint)
    assert native.weight_ih_l0.dtype == (dtype if dtype == torch.float64 else torch.float32)
    torch.testing.assert_close(native.weight_hh_l0, module.weight_hh_l0.to(native.weight_hh_l0.dtype), rtol=0, atol=0)


ACTIVATIONS = [
    nn.Tanh(), nn.Sigmoid(), nn.ReLU(), nn.ReLU6(), nn.Softplus(), nn.Softsign(), nn.ELU(0.7), nn.SELU(), nn.CELU(1.3),
    nn.GELU(), nn.GELU("tanh"), nn.SiLU(), nn.Hardswish(), nn.Mish(), nn.Hardtanh(), nn.Hardsigmoid(),
    nn.LeakyReLU(0.2), nn.Hardshrink(0.4), nn.Softshrink(0.3), nn.Tanhshrink(), nn.LogSigmoid(), nn.Softmax(-1),
    nn.LogSoftmax(-1),
]  # fmt: skip


@pytest.mark.parametrize("activation", ACTIVATIONS, ids=repr)
def test_activations(activation):
    module = randomised(nn.Sequential(nn.Linear(5, 4), activation))
    module[0].weight.data *= 6  # far enough for every bend
    checkpoint = backend.from_native(module)
    with torch.no_grad():
        np.testing.assert_allclose(output(checkpoint, X), module(torch.tensor(X)), atol=2e-5)
        native = backend.to_native(checkpoint)(torch.tensor(X))[0]
        np.testing.assert_allclose(native, module(torch.tensor(X)), atol=2e-5)


class Parametrised(nn.Module):
    def __init__(self):
        super().__init__()
        self.rnn = nn.GRU(5, 4)
        self.scale = nn.Parameter(torch.ones(4))


class Functional(nn.Module):
    pass


# fmt: off
REFUSED = [
    (nn.Sequential(nn.GRU(5, 4), nn.BatchNorm1d(4)), UnsupportedError,
     "Sequential: module 1: BatchNorm1d is no layer of ours; part takes one of 0, or several as 'a,b'"),
    (nn.Sequential(nn.GRU(5, 4), nn.LayerNorm((3, 4))), UnsupportedError, "module 1: LayerNorm over (3, 4), not one"),
    (nn.Sequential(nn.GRU(5, 4), nn.MultiheadAttention(4, 2)), UnsupportedError, "1: MultiheadAttention is no layer"),
    (nn.Sequential(nn.GRU(5, 4), Functional()), UnsupportedError, "module 1: Functional is no layer of ours"),
    (nn.Sequential(nn.ReLU(), nn.GRU(5, 4)), UnsupportedError, "0: ReLU() comes first; put it behind a layer"),
    (nn.Sequential(nn.Linear(5, 4), nn.Softmax(1)), UnsupportedError, "1: Softmax(dim=1) is no activation of ours"),
    (nn.Sequential(nn.Linear(5, 4), nn.Hardtanh(-2, 2)), UnsupportedError, "is no activation of ours"),
    (nn.Sequential(nn.Embedding(5, 4, max_norm=1.0)), UnsupportedError, "module 0: Embedding with max_norm"),
    (nn.Sequential(nn.Identity()), UnsupportedError, "no module in it has a layer of ours"),
    (nn.Sequential(nn.GRU(5, 4), nn.Linear(5, 2)), SpecError, "'layer_1.kernel': expected shape (2, 4), found (2, 5)"),
    (nn.Sequential(nn.GRU(5, 4), nn.Embedding(5, 2)), SpecError, "an embedding must be the first layer"),
    (Parametrised(), SpecError, "no layer uses scale (4,)"),
    (nn.Sequential(nn.GRU(5, 4, dropout=1.0, num_layers=2)), SpecError, "Dropout.rate"),
    (nn.utils.parametrizations.orthogonal(nn.Linear(5, 4)), UnsupportedError,
     "module itself: its weight is parametrised; make it plain with torch.nn.utils.parametrize.remove_"),
    (nn.Sequential(nn.Dropout(0.5), nn.Identity()), UnsupportedError, "no module in it has a layer of ours"),
]
# fmt: on


@pytest.mark.parametrize(("module", "error", "message"), REFUSED, ids=[message for *_, message in REFUSED])
def test_what_is_no_model_of_ours(module, error, message):
    with pytest.raises(error) as found:
        backend.from_native(module)
    assert message in str(found.value)


class Speech(nn.Module):
    """A front end that ours do not have, a recurrence, two heads, and a parameter of its own."""

    def __init__(self):
        super().__init__()
        self.front = nn.Sequential(nn.Conv2d(1, 2, 3), nn.BatchNorm2d(2))
        self.encoder = nn.ModuleDict({"drop": nn.Dropout(0.1), "lstm": nn.LSTM(5, 4, 2, bidirectional=True)})
        self.attention = nn.ModuleDict({"look": nn.MultiheadAttention(8, 2), "gru": nn.GRU(8, 3)})
        self.words, self.speaker = nn.Linear(8, 6), nn.Sequential(nn.Linear(8, 4), nn.ReLU(), nn.Linear(4, 2))
        self.start = nn.Parameter(torch.ones(4))


def test_a_part_of_what_is_no_chain_of_ours():
    module = randomised(Speech())
    fix = "part takes one of encoder, attention.gru, or several as 'a,b'"
    with pytest.raises(UnsupportedError, match=f"Speech: module front.0: Conv2d is no layer of ours; {fix}"):
        backend.from_native(module)
    with torch.no_grad():
        y = module.encoder["lstm"](torch.tensor(X).transpose(0, 1))[0].transpose(0, 1)
        expected = {
            "encoder": y,
            "encoder.lstm": y,
            "encoder,words": module.words(y),
            "encoder.lstm,speaker": module.speaker(y),
        }
    for part, value in expected.items():
        np.testing.assert_allclose(output(backend.from_native(module, part), X), value, atol=1e-5)
    last = backend.from_native(module, "encoder,words", {"summary": "mean", "words.activation": "tanh"})
    with torch.no_grad():
        np.testing.assert_allclose(output(last, X), module.words(y.mean(1)).tanh(), atol=1e-5)
    notes = backend.from_native(module, "encoder,words").metadata["conversion"]["notes"]
    assert any(note.startswith("every step goes on to words, it is assumed") for note in notes)
    with pytest.raises(SpecError, match=r"Speech: part 'decoder': no such module; it has front, front\.0"):
        backend.from_native(module, "decoder")
    with pytest.raises(UnsupportedError, match=r"module attention\.look: MultiheadAttention is no layer of ours$"):
        backend.from_native(module, "attention")
    with pytest.raises(SpecError, match=r"--set words\.activation: nothing in this source takes it"):
        backend.from_native(module, "encoder", {"words.activation": "tanh"})


SEQUENTIAL = {
    "norms": (nn.Linear(5, 4), nn.LayerNorm(4, eps=0.1), nn.Tanh(), nn.LayerNorm(4, elementwise_affine=False)),
    "no bias": (nn.LayerNorm(5, bias=False), nn.Linear(5, 2)),
    "activations": (nn.Linear(5, 4), nn.ReLU(), nn.GELU(), nn.Linear(4, 3), nn.Softmax(-1), nn.Tanh()),
    "weight_norm": (nn.utils.parametrizations.weight_norm(nn.Linear(5, 4)), nn.Tanh()),
    "spectral_norm": (nn.utils.parametrizations.spectral_norm(nn.Linear(5, 4)), nn.Tanh()),
    "pruned": (nn.utils.prune.random_unstructured(nn.Linear(5, 4), "weight", 0.5), nn.Tanh()),
}


@pytest.mark.parametrize("name", SEQUENTIAL)
def test_other_modules(name):
    module = randomised(nn.Sequential(*SEQUENTIAL[name]))
    with torch.no_grad():
        np.testing.assert_allclose(output(backend.from_native(module), X), module(torch.tensor(X)), atol=1e-5)


def test_that_a_module_with_a_forward_of_its_own_is_a_chain_is_said():
    places = "emb → drop → lower → middle.0 → middle.1 → head.0 → head.1 → head.2 → head.3 → head.4"
    conversion = backend.from_native(randomised(Tagger())).metadata["conversion"]
    assert f"taken as a chain: {places}" in conversion["notes"]
    for module in (nn.GRU(5, 4), nn.Sequential(nn.Linear(5, 4), nn.Tanh(), nn.Sequential(nn.Linear(4, 3)))):
        assert not any("chain" in note for note in backend.from_native(module).metadata["conversion"]["notes"])


def test_a_module_that_is_registered_twice_counts_twice():
    relu = nn.ReLU()
    module = randomised(nn.Sequential(nn.Linear(5, 4), relu, nn.Linear(4, 3), relu))
    checkpoint = backend.from_native(module)
    assert [layer.activation for layer in checkpoint.model.layers] == ["relu", "relu"]
    shared = nn.Linear(5, 5)
    twice = randomised(nn.Sequential(shared, nn.Tanh(), shared))
    with torch.no_grad():
        np.testing.assert_allclose(output(backend.from_native(twice), X), twice(torch.tensor(X)), atol=1e-5)


CHAIN = (
    Recurrent(name="a_0", cell=LSTM(units=4), direction="bidirectional"),
    Dropout(name="x", rate=0.5),
    Recurrent(name="a_1", cell=LSTM(units=4), direction="bidirectional"),
    Recurrent(name="forward", cell=Stack(cells=(GRU(units=3, reset_after=True), RNN(units=2, activation="relu")))),
    Dense(name="d", units=3, activation=LeakyRelu(alpha=0.1)),
    Recurrent(
        name="b", cell=LSTM(units=6, projection=2, bias=False), direction="bidirectional", return_sequences=False
    ),
    Dense(name="e", units=2, bias=False, activation=HardSigmoid(alpha=0.2, beta=0.5)),
)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_a_chain_of_stock_modules(dtype, tmp_path):
    checkpoint = random_checkpoint(Model(layers=(Embedding(name="emb", vocabulary=7, units=5), *CHAIN)), dtype=dtype)
    native = backend.to_native(checkpoint)
    assert {name: type(child) for name, child in native.named_children()} == {
        "emb": nn.Embedding, "a": nn.LSTM, "forward_0": nn.GRU, "forward_1": nn.RNN, "d": nn.Linear, "b": nn.LSTM,
        "e": nn.Linear,
    }  # fmt: skip
    assert native.a.dropout == 0.5
    ids = np.random.default_rng(0).integers(0, 7, (3, 6))
    with torch.no_grad():
        y, a, gru, rnn, b = native(torch.tensor(ids))
        again, *_ = native(torch.tensor(ids), a, gru, rnn, b)
    ours, final = Net(checkpoint, "float64")(ids)
    np.testing.assert_allclose(y, ours, atol=1e-5)
    np.testing.assert_allclose(a[1].numpy()[3], final["a_1.backward.c"], atol=1e-5)
    np.testing.assert_allclose(gru.numpy()[0], final["forward.cells.0.h"], atol=1e-5)
    np.testing.assert_allclose(b[0].numpy()[1], final["b.backward.h"], atol=1e-5)
    np.testing.assert_allclose(again, Net(checkpoint, "float64")(ids, state=final)[0], atol=1e-5)
    write(checkpoint, tmp_path / "out.pt")
    state = torch.load(tmp_path / "out.pt")
    native.load_state_dict(state, strict=True)
    assert all(value.dtype == getattr(torch, dtype) for value in state.values())
    settings = {"activation": "relu", "d.activation": {"type": "leaky_relu", "alpha": 0.1}}
    assert list(convert(tmp_path / "out.pt", settings=settings).weights) != []


def test_gradients_reach_every_weight():
    native = backend.to_native(random_checkpoint(Model(inputs=5, layers=CHAIN))).train()
    native(torch.tensor(X))[0].sum().backward()
    missing = [name for name, parameter in native.named_parameters() if parameter.grad is None]
    assert missing == []


def test_what_stock_modules_cannot_say():
    layer = Recurrent(name="r", cell=GRU(units=4, reset_after=False))
    with pytest.raises(UnsupportedError, match="layer 'r': torch's GRU cannot say reset_after=False"):
        backend.to_native(random_checkpoint(Model(inputs=5, layers=(layer,))))
