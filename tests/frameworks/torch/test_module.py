"""What is particular to PyTorch: modules, state dicts, training, gradients, dtypes, arrays and tensors."""

import copy
import io

import numpy as np
import pytest
import torch

import rnnspec.backends.torch as backend
from rnnspec import (
    GRU,
    LSTM,
    RNN,
    UGRNN,
    Dense,
    Dropout,
    Embedding,
    Model,
    Recurrent,
    SpecError,
    Stack,
    UnsupportedError,
)
from rnnspec.backends.torch import fused, kernels
from rnnspec.backends.torch.ops import TorchOps
from rnnspec.cells import CellDropout, LayerNorm, Zoneout
from rnnspec.reference import Net
from rnnspec.reference.ops import NumpyOps

from ...conftest import random_checkpoint

RNG = np.random.default_rng(9)
X = RNG.standard_normal((4, 6, 3)).astype("float32")


def one_layer(cell, **options):
    return random_checkpoint(Model(inputs=3, layers=(Recurrent(name="r", cell=cell, **options),)))


def test_the_state_dict_has_the_names_and_shapes_of_the_specification():
    checkpoint = one_layer(Stack(cells=(LSTM(units=4), GRU(units=5, reset_after=True))), direction="bidirectional")
    net = backend.load(checkpoint)
    assert {name: tuple(value.shape) for name, value in net.state_dict().items()} == checkpoint.model.parameters()
    assert [name for name, _ in net.named()] == list(checkpoint.model.parameters())
    other = backend.load(random_checkpoint(checkpoint.model, seed=1))
    other.load_state_dict(net.state_dict())
    torch.testing.assert_close(other(X)[0], net(X)[0], rtol=0, atol=0)
    with pytest.raises(RuntimeError, match="Unexpected key"):
        other.load_state_dict(net.state_dict() | {"r.forward.more": torch.ones(2)})


def test_checkpoint_after_training_is_what_the_reference_runs():
    checkpoint = one_layer(LSTM(units=4))
    net = backend.load(checkpoint).train()
    optimizer = torch.optim.Adam(net.parameters(), lr=0.05)
    target = torch.ones(4, 6, 4) / 2
    losses = []
    for _ in range(20):
        loss = (net(torch.tensor(X))[0] - target).square().mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert losses[-1] < 0.5 * losses[0]
    trained = backend.checkpoint(net)
    assert all(not np.array_equal(trained.weights[name], checkpoint.weights[name]) for name in trained.weights)
    y, _ = Net(trained, "float64")(X)
    np.testing.assert_allclose(net.eval()(X)[0], y, atol=1e-5)


def test_paths_say_what_runs_and_why():
    layers = (
        Recurrent(name="a", cell=LSTM(units=3)),
        Recurrent(name="b", cell=GRU(units=3, reset_after=False)),
        Recurrent(name="c", cell=RNN(units=3, activation="sigmoid")),
        Recurrent(name="d", cell=Stack(cells=(LSTM(units=3), RNN(units=2)))),
        Recurrent(name="e", cell=Stack(cells=(UGRNN(units=3), RNN(units=2)))),
    )
    checkpoint = random_checkpoint(Model(inputs=3, layers=layers))
    assert backend.load(checkpoint).paths() == {
        "a": "native: torch.lstm",
        "b": "fused: torch's GRU resets after the product",
        "c": "fused: torch has no RNN with activation sigmoid",
        "d": "native: torch.lstm + torch.rnn_tanh",
        "e": "native: torch.rnn_tanh; fused: torch has no UGRNN",
    }
    assert set(backend.load(checkpoint, path="fused").paths().values()) >= {"fused: asked for"}
    assert set(backend.load(checkpoint, path="generic").paths().values()) == {"generic: asked for"}
    with pytest.raises(UnsupportedError, match="layer 'b': no native path: torch's GRU resets after the product"):
        backend.load(checkpoint, path="native")
    with pytest.raises(SpecError, match="path: expected 'auto' or one of native, fused, generic, found 'fast'"):
        backend.load(checkpoint, path="fast")


@pytest.mark.parametrize("path", backend.PATHS)
def test_the_path_that_runs_is_the_one_that_was_chosen(path, monkeypatch):
    calls = []
    lstm = torch.lstm
    monkeypatch.setitem(kernels._FUNCTIONS, "torch.lstm", lambda *args: calls.append("lstm") or lstm(*args))
    backend.load(one_layer(LSTM(units=4)), path=path)(X, lengths=[6, 0, 3, 2])
    assert calls == (["lstm"] if path == "native" else [])


@pytest.mark.parametrize("cell", [LSTM(units=4, peephole=True), UGRNN(units=4)], ids=repr)
def test_the_generic_path_is_step_and_the_fused_one_is_traced_once(cell, monkeypatch):
    calls, step = [], type(cell).step
    monkeypatch.setattr(type(cell), "step", lambda *args: calls.append(type(args[1]).__name__) or step(*args))
    fused.plan.cache_clear()
    checkpoint = one_layer(cell)
    for path, expected in (("generic", ["TorchOps"] * 12), ("fused", ["Tracer"]), ("auto", [])):
        calls.clear()
        net = backend.load(checkpoint, path=path).train()
        for _ in range(2):
            net(torch.tensor(X))[0].sum().backward()
        assert calls == expected, path
        assert net.paths()["r"].startswith(path if path != "auto" else "fused")


MASK = np.array([[1, 0, 1, 1, 0, 1], [0] * 6, [1] * 6, [0, 1, 1, 0, 0, 0]], bool)
RESET = np.array([[0, 0, 1, 0, 0, 1], [0, 1, 0, 0, 0, 0], [1, 0, 0, 0, 1, 0], [0] * 6], bool)
GIVEN = {
    "lengths": {"lengths": np.array([6, 0, 3, 2])},
    "mask": {"mask": MASK},
    "reset": {"reset": RESET},
    "both": {"mask": MASK, "reset": RESET},
}
FUSED = (
    LSTM(units=4, peephole=True),
    LSTM.preset("torch", units=4),
    LSTM.preset("char_rnn", units=4, peephole=True),
    LSTM(units=4, peephole=True, layer_norm=LayerNorm(gates="split", over="gate", epsilon=1e-3, cell="carry")),
    LSTM(units=4, bias=False, layer_norm=LayerNorm(gates="joint", over="all", epsilon=1e-3, beta=False)),
)


def both(model, y, state):
    return {name: np.asarray(value.detach()) for name, value in {**model.named(y), **state}.items()}


def assert_equals_reference(checkpoint, **given):
    expected = Net(checkpoint, "float64")(X, **given)
    expected = {**checkpoint.model.named(expected[0]), **expected[1]}
    for path in ("auto", "fused", "generic"):
        found = both(checkpoint.model, *backend.load(checkpoint, dtype="float64", path=path)(X, **given))
        assert found.keys() == expected.keys()
        for name in expected:
            np.testing.assert_allclose(found[name], expected[name], atol=1e-10, err_msg=f"{path} {name}")


@pytest.mark.parametrize("given", GIVEN)
@pytest.mark.parametrize(
    "options",
    [
        {},
        {"direction": "backward", "padded_output": "hold", "learned_state": True},
        {"direction": "bidirectional", "merge": "none", "reverse_output": True},
        {"direction": "bidirectional", "merge": "mul", "backward_cell": LSTM(units=4, peephole=True)},
        {"direction": "bidirectional", "merge": "ave", "return_sequences": False},
    ],
    ids=lambda options: " ".join(options) or "plain",
)
def test_sequences_with_holes_and_resets(options, given):
    for cell in (LSTM(units=4), LSTM(units=5, projection=4), GRU(units=4, reset_after=True), *FUSED):
        assert_equals_reference(one_layer(cell, **options), **GIVEN[given])


@pytest.mark.parametrize("given", [{}, *GIVEN.values()], ids=["all", *GIVEN])
def test_inference_takes_some_steps_after_the_others(given, monkeypatch):
    """As a long sequence does: what is there for each step is taken apart with it, noise included."""
    cell = CellDropout(cell=LSTM(units=4, peephole=True), input=0.3, state=0.4, output=0.2)
    checkpoint = one_layer(Stack(cells=(Zoneout(cell=cell.cell, h=0.2), cell)), direction="bidirectional")
    assert_equals_reference(checkpoint, **given)
    monkeypatch.setattr(fused, "_AT_ONCE", 4 * 16 * 4)  # rows, features, steps
    assert_equals_reference(checkpoint, **given)
    net = backend.load(checkpoint, dtype="float64", path="fused", seed=3).train()
    with torch.no_grad():
        y, state = net(torch.tensor(X, dtype=torch.float64), **given)
    expected, final = Net(checkpoint, "float64", training=True, seed=3)(X, **given)
    np.testing.assert_allclose(y, expected, atol=1e-10)
    for name in state:
        np.testing.assert_allclose(state[name], final[name], atol=1e-10)


def test_holes_take_the_native_path_and_resets_do_not():
    net = backend.load(one_layer(LSTM(units=4), direction="bidirectional"), path="native")
    net(X, mask=MASK)
    with pytest.raises(UnsupportedError, match="layer 'r': no native path: torch's layers never begin anew"):
        net(X, reset=RESET)


@pytest.mark.parametrize(
    "cell",
    [
        CellDropout(cell=LSTM(units=4), input=0.3, output=0.2),
        CellDropout(cell=GRU(units=4, reset_after=False), input=0.3, state=0.4, output=0.2, per="sequence"),
        Zoneout(cell=LSTM(units=4), h=0.3, c=0.2),
    ],
    ids=["dropout", "per sequence", "zoneout"],
)
def test_seeded_noise_is_that_of_the_reference(cell):
    layers = (Dropout(name="d", rate=0.3), Recurrent(name="r", cell=cell, direction="bidirectional"))
    checkpoint = random_checkpoint(Model(inputs=3, layers=layers))
    reference = Net(checkpoint, "float64", training=True, seed=2**33 + 5)
    for path in ("auto", "fused", "generic"):
        reference._calls = 0
        net = backend.load(checkpoint, dtype="float64", path=path, seed=2**33 + 5)
        net(X)  # not in training: not counted
        net.train()
        for _ in range(2):
            y, state = reference(X, lengths=[6, 0, 3, 2])
            y_torch, state_torch = net(X, lengths=[6, 0, 3, 2])
            np.testing.assert_allclose(y_torch.detach(), y, atol=1e-10)
            for name in state:
                np.testing.assert_allclose(state_torch[name].detach(), state[name], atol=1e-10)


def test_noise_is_bit_for_bit_that_of_the_reference():
    for t, per in ((7, "step"), (7, "sequence"), (1, "step")):
        expected = NumpyOps(True, 3, 2).at("r").at("forward").noise(np.zeros((t, 5, 1)), 6, 0.4, "state", per)
        ops = TorchOps(True, "auto", 3, 2).at("r").at("forward")
        np.testing.assert_array_equal(ops.noise(torch.zeros(t, 5, 1), 6, 0.4, "state", per), expected)


@pytest.mark.parametrize("given", [{}, *GIVEN.values()], ids=["all", *GIVEN])
@pytest.mark.parametrize("cell", FUSED)
def test_the_gradients_by_hand_are_those_of_autograd(cell, given, monkeypatch):
    net = backend.load(one_layer(cell, direction="bidirectional", learned_state=True), dtype="float64").train()
    x = torch.tensor(X, dtype=torch.float64, requires_grad=True)
    state = {name: torch.randn(4, 4, dtype=torch.float64, requires_grad=True) for name in net.model.states()}
    variables = [x, *state.values(), *net.parameters()]
    weights = torch.randn(4, 6, 8, dtype=torch.float64)

    def gradients(**options):
        y, final = net(x, state=state, **given)
        loss = (y * weights).sum() + sum(value.sin().sum() for value in final.values())
        return torch.autograd.grad(loss, variables, allow_unused=True, materialize_grads=True, **options)

    def second():
        return torch.autograd.grad(sum(g.square().sum() for g in gradients(create_graph=True)), variables[:1])

    by_hand = *gradients(), *second()
    monkeypatch.setattr(fused, "fits", lambda x: False)
    for found, expected in zip(by_hand, (*gradients(), *second()), strict=True):
        torch.testing.assert_close(found, expected, rtol=1e-10, atol=1e-10)


def test_arrays_are_inference_and_tensors_record():
    net = backend.load(one_layer(LSTM(units=4)))
    assert not net.training
    y, state = net(X)
    assert not y.requires_grad
    np.asarray(state["r.h"])
    y, _ = net(torch.tensor(X))
    assert y.requires_grad
    assert net.train()(X)[0].requires_grad


def test_given_states_are_turned_into_the_dtype_of_the_network():
    net = backend.load(one_layer(LSTM(units=4)))
    state = {name: torch.tensor(RNG.standard_normal((4, size))) for name, size in net.model.states().items()}
    assert {value.dtype for value in state.values()} == {torch.float64}
    y, new = net(torch.tensor(X), state=state)
    expected, final = Net(backend.checkpoint(net), "float64")(X, state={k: v.numpy() for k, v in state.items()})
    assert {y.dtype, *(value.dtype for value in new.values())} == {torch.float32}
    np.testing.assert_allclose(y.detach(), expected, atol=1e-6)
    for name in final:
        np.testing.assert_allclose(new[name].detach(), final[name], atol=1e-6)
    whole = {name: torch.ones(4, size, dtype=torch.int32) for name, size in net.model.states().items()}
    torch.testing.assert_close(net(X, state=whole)[0], net(X, state={k: v.float() for k, v in whole.items()})[0])
    with pytest.raises(SpecError, match=r"state: 'r\.c': expected numbers"):
        net(torch.tensor(X), state=state | {"r.c": state["r.c"].to(torch.complex64)})


def test_return_state_false_gives_the_output_alone():
    checkpoint = one_layer(LSTM(units=4))
    alone = backend.load(checkpoint, return_state=False)(X)
    torch.testing.assert_close(alone, backend.load(checkpoint)(X)[0], rtol=0, atol=0)


def test_moving_to_another_dtype():
    checkpoint = one_layer(LSTM(units=4))
    net = backend.load(checkpoint).double()
    y, state = net(X)
    assert {y.dtype, *(value.dtype for value in state.values())} == {torch.float64}
    np.testing.assert_allclose(y, Net(checkpoint, "float64")(X)[0], atol=1e-10)
    with pytest.raises(SpecError, match=r"x: expected torch\.float64, found torch\.float32"):
        net(torch.tensor(X))
    assert backend.checkpoint(net).dtype == "float64"


@pytest.mark.parametrize("path", backend.PATHS)
def test_no_steps_at_all(path):
    for direction in ("forward", "bidirectional"):
        net = backend.load(one_layer(LSTM(units=4), direction=direction), path=path)
        state = {name: torch.randn(2, size) for name, size in net.model.states().items()}
        y, final = net(torch.zeros(2, 0, 3), state=state)
        assert y.shape == (2, 0, net.model.results["y"].features)
        for name in state:
            torch.testing.assert_close(final[name], state[name], rtol=0, atol=0)


def test_dropout_is_the_identity_until_training():
    model = Model(layers=(Embedding(name="e", vocabulary=7, units=50), Dropout(name="d", rate=0.4)))
    checkpoint = random_checkpoint(model)
    net = backend.load(checkpoint)
    ids = RNG.integers(0, 7, (8, 20))
    expected = checkpoint.weights["e.embeddings"][ids]
    np.testing.assert_array_equal(net(ids)[0], expected)
    torch.manual_seed(0)
    y = net.train()(ids)[0].detach().numpy()
    kept = y != 0
    assert 0.57 < kept.mean() < 0.63
    np.testing.assert_allclose(y[kept], expected[kept] / 0.6, rtol=1e-6)


def test_functional_call_and_deepcopy_use_their_own_weights():
    one, two = (random_checkpoint(one_layer(LSTM(units=4)).model, seed) for seed in (1, 2))
    net = backend.load(one)
    other = copy.deepcopy(net)
    weights = {name: torch.tensor(value) for name, value in two.weights.items()}
    y, _ = torch.func.functional_call(net, weights, (torch.tensor(X),))
    np.testing.assert_allclose(y, backend.load(two)(X)[0], atol=1e-6)
    other.load_state_dict(weights)
    np.testing.assert_allclose(net(X)[0], backend.load(one)(X)[0], atol=0)


def _exchanged(net, change):
    """The network after its weights were changed in one of the ways that torch has."""
    kernel = net.r.recurrent_kernel
    if change == "in place":
        for tensor in net.parameters():
            tensor.mul_(-1.5)
    if change == "past the version":  # which torch does not count
        for tensor in net.parameters():
            tensor.data.mul_(-1.5)
    if change == "memory":
        kernel.data = kernel.data * -1.5
    if change == "parameter":
        net.r.recurrent_kernel = torch.nn.Parameter(kernel * -1.5)
    if change == "dtype":
        return net.to(torch.float64)
    if change == "pickle":
        file = io.BytesIO()
        torch.save(net, file)
        net = torch.load(io.BytesIO(file.getvalue()), weights_only=False)
        net.r.recurrent_kernel.mul_(-1.5)
    return net


@pytest.mark.parametrize("mode", [torch.no_grad, torch.inference_mode])
@pytest.mark.parametrize("change", ["in place", "past the version", "memory", "parameter", "dtype", "pickle"])
@pytest.mark.parametrize("cell", [LSTM(units=4), GRU(units=4, reset_after=True), RNN(units=4, bias=False)], ids=repr)
def test_what_is_kept_of_weights_follows_them(cell, change, mode):
    net = backend.load(one_layer(cell))
    with mode():
        before, _ = net(X)
    with torch.no_grad():
        net.step(X[:, 0])
        net = _exchanged(net, change)
        after, _ = net(X)
        step, _ = net.step(X[:, 0])
    assert change == "dtype" or (after - before).abs().max() > 1e-2
    expected, _ = Net(backend.checkpoint(net))(X)
    np.testing.assert_allclose(after, expected, atol=1e-6)
    np.testing.assert_allclose(step, expected[:, 0], atol=1e-6)


def test_the_step_compiles():
    net = backend.load(one_layer(LSTM(units=4)))
    step = torch.compile(net.step, backend="eager", fullgraph=True)
    x, state = torch.tensor(X[:, 0]), {name: torch.randn(4, 4) for name in net.model.states()}
    y, new = step(x, state)
    y_eager, new_eager = net.step(x, state)
    torch.testing.assert_close(y, y_eager)
    for name in new:
        torch.testing.assert_close(new[name], new_eager[name])


@pytest.mark.parametrize("path", backend.PATHS)
@pytest.mark.parametrize("cell", [LSTM(units=2), GRU(units=2, reset_after=True), RNN(units=2)], ids=repr)
def test_gradcheck(cell, path):
    net = backend.load(one_layer(cell, direction="bidirectional"), dtype="float64", path=path).train()
    x = torch.randn(3, 4, 3, dtype=torch.float64, requires_grad=True)
    state = [torch.randn(3, size, dtype=torch.float64, requires_grad=True) for size in net.model.states().values()]

    def call(x, *values):
        y, new = net(x, lengths=[4, 0, 2], state=dict(zip(net.model.states(), values, strict=True)))
        return y, *new.values()

    torch.autograd.gradcheck(call, (x, *state))


def test_cudnn_order_changes_no_weight():
    net = backend.load(one_layer(GRU(units=4, reset_after=True), direction="bidirectional"))
    p = net.r.tensors()
    weights = [
        w
        for prefix in ("forward", "backward")
        for w in kernels.weights(net.model.layers[0].cell, {k.split(".")[1]: v for k, v in p.items() if prefix in k})
    ]
    views = kernels._contiguous(weights, 2)
    base = views[0].untyped_storage().data_ptr()
    for view, weight in zip(views, weights, strict=True):
        torch.testing.assert_close(view, weight, rtol=0, atol=0)
        assert view.untyped_storage().data_ptr() == base
    offsets = [view.storage_offset() for view in views]
    assert sorted(range(8), key=offsets.__getitem__) == [0, 1, 4, 5, 2, 3, 6, 7]


def test_wrong_inputs_are_refused():
    net = backend.load(one_layer(LSTM(units=4)))
    for arguments, message in (
        ({"x": X[0]}, "3 axes needed, not 2"),
        ({"x": X, "lengths": torch.tensor([7, 1, 1, 1])}, "lengths: row 0 is 7, beyond the 6 steps"),
        ({"x": X.astype(str)}, "x: expected numbers"),
        ({"x": X, "state": (X[:, 0], X[:, 0])}, "state: expected a mapping"),
        ({"x": X, "mask": torch.ones(4, 6)}, "mask: expected booleans"),
        ({"x": X, "state": {"r.h": np.zeros((4, 4))}}, "state: 'r.c' is missing"),
    ):
        with pytest.raises(SpecError, match=message):
            net(**arguments)
    with pytest.raises(UnsupportedError, match="layer 'r' is backward"):
        backend.load(one_layer(LSTM(units=4), direction="backward")).step(X[:, 0])


def test_dense_before_and_after():
    layers = (
        Dense(name="a", units=5, activation="relu"),
        Recurrent(name="r", cell=GRU(units=4, reset_after=False), direction="backward", return_sequences=False),
        Dense(name="b", units=2, bias=False, activation="sigmoid"),
    )
    checkpoint = random_checkpoint(Model(inputs=3, layers=layers))
    expected, _ = Net(checkpoint, "float64")(X, lengths=[6, 0, 3, 2])
    np.testing.assert_allclose(backend.load(checkpoint)(X, lengths=[6, 0, 3, 2])[0], expected, atol=1e-6)


@pytest.mark.parametrize("path", backend.PATHS)
def test_time_major_only_turns_the_boundary(path):
    checkpoint = one_layer(LSTM(units=4), direction="bidirectional")
    state = {name: RNG.standard_normal((4, size)) for name, size in checkpoint.model.states().items()}
    expected, final = Net(checkpoint, "float64", time_major=True)(X.swapaxes(0, 1), lengths=[6, 0, 3, 2], state=state)
    net = backend.load(checkpoint, dtype="float64", path=path, time_major=True)
    y, new = net(X.swapaxes(0, 1), lengths=[6, 0, 3, 2], state=state)
    np.testing.assert_allclose(y, expected, atol=1e-10)
    for name in final:
        np.testing.assert_allclose(new[name], final[name], atol=1e-10)
