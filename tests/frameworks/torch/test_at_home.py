"""What people do with a module of torch's own, done with ours."""

import pickle
import warnings
from copy import deepcopy

import numpy as np
import pytest
import torch
from torch import nn
from torch.func import functional_call, grad, vmap
from torch.nn.utils import parametrizations, prune
from torch.nn.utils.rnn import PackedSequence, pack_padded_sequence, pad_packed_sequence

import rnnspec.backends.torch as backend
from rnnspec import GRU, LSTM, Dense, Dropout, Embedding, Model, Norm, Recurrent
from rnnspec.errors import SpecError

from ...conftest import random_checkpoint

pytestmark = pytest.mark.filterwarnings(
    "ignore:.torch.jit.*:DeprecationWarning", "ignore:The .grad attribute of a Tensor"
)
RNG = np.random.default_rng(7)
X = torch.tensor(RNG.standard_normal((4, 6, 3)), dtype=torch.float32)
LENGTHS = torch.tensor([6, 4, 1, 2])
BOTH = Model(
    inputs=3, layers=[Recurrent(name="rnn", cell=LSTM(units=5), direction="bidirectional"), Dense(name="out", units=2)]
)
ONE = Model(
    inputs=3,
    layers=[
        Recurrent(name="rnn", cell=LSTM(units=5)),
        Dropout(name="drop", rate=0.5),
        Norm(name="norm", kind="layer", epsilon=1e-3),
        Dense(name="out", units=2),
    ],
)


def _traced(net, **options):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of sizes that are checked
        return torch.jit.trace(net, (X,), **options)(X)


def _net(model=ONE, seed=1, **options):
    return backend.load(random_checkpoint(model, seed), **options)


@pytest.mark.parametrize("model", [ONE, BOTH], ids=["one", "both"])
def test_torch_transforms_and_saves_it(model):
    net = _net(model, return_state=False)
    expected = net(X)
    for found in (
        functional_call(net, dict(net.named_parameters()), (X,)),
        functional_call(net, {name.replace("forward_", "forward"): p for name, p in net.named_parameters()}, (X,)),
        _traced(net, check_trace=False),
        torch.export.export(net, (X,)).module()(X),
        deepcopy(net)(X),
        pickle.loads(pickle.dumps(net))(X),
        nn.DataParallel(net)(X),
    ):
        torch.testing.assert_close(found, expected, rtol=0, atol=1e-6)


def test_a_trace_is_the_same_whoever_traces():
    net = _net(return_state=False)
    torch.testing.assert_close(_traced(net), net(X))  # torch's own check records without a gradient


@pytest.mark.parametrize("training", [False, True])
@pytest.mark.parametrize("model", [ONE, BOTH], ids=["one", "both"])
def test_compiled_it_trains_as_it_does(model, training):
    net = _net(model, return_state=False, path="auto").train(training)
    if training and model is ONE:
        net.model.layers  # noqa: B018
        net = _net(
            Model(inputs=3, layers=[layer for layer in ONE.layers if layer.name != "drop"]), return_state=False
        ).train()
    torch._dynamo.reset()
    compiled = torch.compile(net, backend="eager")
    for call in (net, compiled):
        net.zero_grad()
        call(X).square().sum().backward()
        found = {name: p.grad.clone() for name, p in net.named_parameters()}
        if call is net:
            expected = found
    assert found.keys() == expected.keys()
    for name, value in expected.items():
        torch.testing.assert_close(found[name], value, rtol=1e-4, atol=1e-6)
        assert value.abs().max() > 0


def test_a_direction_called_forward_is_an_attribute():
    net = _net(BOTH)
    assert net.rnn.forward.kernel is net.get_parameter("rnn.forward.kernel")
    assert net.rnn.forward.kernel is dict(net.named_parameters())["rnn.forward_.kernel"]
    assert set(net.state_dict()) == set(BOTH.parameters())


NAMES = ("model", "path", "seed", "train", "forward", "step", "_layers", "places", "forward_")


def test_layers_may_be_called_as_what_the_module_has():
    model = Model(inputs=3, layers=[Recurrent(name=name, cell=GRU(units=3, reset_after=True)) for name in NAMES])
    net, other = _net(model, return_state=False), _net(model, seed=2, return_state=False)
    assert list(net.state_dict()) == list(model.parameters())
    y = net(X)
    torch.testing.assert_close(functional_call(other, dict(net.named_parameters()), (X,)), y)
    assert (other(X) - y).abs().max() > 0.01
    other.load_state_dict(net.state_dict())
    torch.testing.assert_close(other(X), y, rtol=0, atol=0)
    outer = nn.ModuleDict({"a": _net(model, seed=3), "b": net})
    assert list(outer.state_dict()) == [f"{place}.{name}" for place in "ab" for name in model.parameters()]
    outer.load_state_dict({key: value * 2 for key, value in outer.state_dict().items()})
    torch.testing.assert_close(
        backend.checkpoint(net).weights["model.kernel"], 2 * other.model_.kernel.detach().numpy()
    )
    with pytest.raises(RuntimeError, match="Missing key"):
        net.load_state_dict({})


def test_pruned_and_parametrized_it_is_what_it_is_then():
    net = _net(return_state=False)
    prune.l1_unstructured(net.out, "kernel", 0.5)
    parametrizations.weight_norm(net.rnn, "recurrent_kernel")
    with torch.no_grad():
        net.rnn.parametrizations.recurrent_kernel.original0.mul_(1.5)
        net.out.kernel_orig.mul_(3)
    found = backend.checkpoint(net)
    assert (found.weights["out.kernel"] == 0).sum() == 5
    torch.testing.assert_close(backend.load(found, return_state=False)(X), net(X))
    before = random_checkpoint(ONE, 1).weights
    np.testing.assert_allclose(found.weights["rnn.recurrent_kernel"], 1.5 * before["rnn.recurrent_kernel"], rtol=1e-5)
    kept = found.weights["out.kernel"] != 0
    np.testing.assert_allclose(found.weights["out.kernel"][kept], 3 * before["out.kernel"][kept], rtol=1e-6)


@pytest.mark.parametrize("around", [torch.compile, nn.DataParallel, lambda net: net.to(torch.bfloat16)])
def test_the_checkpoint_of_what_is_around_a_net(around):
    weights = backend.checkpoint(around(_net())).weights
    for name, value in random_checkpoint(ONE, 1).weights.items():
        assert weights[name].dtype == np.float32
        np.testing.assert_allclose(weights[name], value, rtol=2**-8)


def test_other_modules_have_no_checkpoint():
    with pytest.raises(SpecError, match="found LSTM; from_native"):
        backend.checkpoint(nn.LSTM(3, 4))


def test_hooks_fire_around_layers():
    net, got = _net(BOTH), {}
    for name in ("rnn", "out"):
        getattr(net, name).register_forward_hook(lambda _, given, y, name=name: got.update({name: (given[0], y)}))
    y, state = net(X, lengths=LENGTHS)
    assert set(got) == {"rnn", "out"}
    torch.testing.assert_close(got["rnn"][0], X)
    torch.testing.assert_close(got["out"][0], got["rnn"][1][0])
    torch.testing.assert_close(got["out"][1], y)
    torch.testing.assert_close(got["rnn"][1][1]["forward.h"], state["rnn.forward.h"])
    assert (y - _net(BOTH)(X, lengths=LENGTHS)[0]).abs().max() == 0
    net.out.register_forward_hook(lambda *_: torch.zeros(1))
    assert net(X)[0].tolist() == [0.0]
    one = _net()
    one.out.register_forward_pre_hook(lambda _, given: (given[0] * 2, *given[1:]))
    x, state = X[:, 0], {name: torch.randn(4, 5) for name in one.model.states()}
    expected = _net().out.kernel.view(2, 5) @ _net().norm(_net().rnn(x, state=_own(state), step=True)[0]).T * 2
    torch.testing.assert_close(one.step(x, state)[0], expected.T + one.out.bias)


def _own(state):
    return {name.removeprefix("rnn."): value for name, value in state.items()}


def test_a_layer_is_a_module_that_can_be_called():
    net = _net()
    y, state = net.rnn(X)
    torch.testing.assert_close(net.out(net.norm(net.drop(y))), net(X)[0])
    torch.testing.assert_close(state["c"], net(X)[1]["rnn.c"])
    assert "LSTM(units=5)" in repr(net)
    assert "(drop): Dropout(rate=0.5)" in repr(net)


@pytest.mark.parametrize("sorted_", [False, True])
@pytest.mark.parametrize("time_major", [False, True])
def test_packed_sequences_come_back_packed(sorted_, time_major):
    net, stock = _net(Model(inputs=3, layers=ONE.layers[:1]), time_major=time_major), nn.LSTM(3, 5)
    lengths = torch.tensor([6, 4, 2, 1]) if sorted_ else LENGTHS
    given = pack_padded_sequence(X, lengths, batch_first=True, enforce_sorted=sorted_)
    y, state = net(given)
    assert isinstance(y, PackedSequence)
    expected, expected_state = _net(Model(inputs=3, layers=ONE.layers[:1]))(X, lengths)
    torch.testing.assert_close(pad_packed_sequence(y, batch_first=True)[0], expected)
    torch.testing.assert_close(state["rnn.h"], expected_state["rnn.h"])
    own, _ = stock(given)
    for mine, theirs in zip(y[1:], own[1:], strict=True):
        assert (mine is None) is (theirs is None)
        assert mine is None or torch.equal(mine, theirs)
    with pytest.raises(SpecError, match="lengths: a PackedSequence has its own"):
        net(given, lengths=lengths)


def test_transforms_of_torch_func_take_lengths_and_ids():
    for cell in (LSTM(units=5), LSTM.preset("char_rnn", 5)):
        model = Model(layers=[Embedding(name="e", vocabulary=9, units=3), Recurrent(name="rnn", cell=cell)])
        net = _net(model, return_state=False)
        ids = torch.tensor(RNG.integers(0, 9, (4, 6)))

        def loss(p, net=net, ids=ids):
            return functional_call(net, p, (ids, LENGTHS)).square().sum()

        found = grad(loss)(dict(net.named_parameters()))
        net(ids, LENGTHS).square().sum().backward()
        for name, value in net.named_parameters():
            torch.testing.assert_close(found[name], value.grad, rtol=1e-4, atol=1e-6)
        with pytest.raises(SpecError, match="ids: found 9"):
            grad(lambda p, net=net: functional_call(net, p, (torch.full((1, 2), 9),)).sum())(
                dict(net.named_parameters())
            )


def test_vmap_over_ids():
    model = Model(
        layers=[Embedding(name="e", vocabulary=9, units=3), Recurrent(name="rnn", cell=GRU(units=4, reset_after=False))]
    )
    net = _net(model, return_state=False, path="generic")
    ids = torch.tensor(RNG.integers(0, 9, (3, 2, 6)))
    expected = torch.stack([net(each) for each in ids])
    torch.testing.assert_close(vmap(net)(ids), expected)
    with pytest.raises(SpecError, match="lengths: vmap"):
        vmap(net)(ids, torch.full((3, 2), 4))
