"""What torch saves, in all its ways, converted and compared with torch itself; and what is never loaded."""

import argparse
import collections
import contextlib
import datetime
import decimal
import functools
import io
import itertools
import os
import pathlib
import pickle
import struct
import zipfile
from collections import OrderedDict

import numpy as np
import pytest
import safetensors.torch
import torch
from torch import nn

from rnnspec import SpecError, limits
from rnnspec.accuracy import error
from rnnspec.convert import convert
from rnnspec.convert.request import Request
from rnnspec.convert.torch.saved import read_pickled
from rnnspec.convert.torch.write import write
from rnnspec.reference import Net

from ...convert.command import refused

BATCH, TIME = 3, 6

pytestmark = pytest.mark.filterwarnings("ignore:LSTM with projections is not supported with oneDNN")


def randomised(module, dtype=torch.float32):
    """Distinct numbers in every parameter, biases included."""
    generator = torch.Generator().manual_seed(len(list(module.parameters())))
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.copy_(torch.randn(parameter.shape, generator=generator) / 2)
    return module.to(dtype).eval()


def run(module, *inputs):
    with torch.no_grad():
        return module(*inputs)


def compared(checkpoint, x, y, states):
    """Our output and final states are torch's: h or (h, c), (layers · directions, batch, size)."""
    ours, final = Net(checkpoint, "float64")(x.numpy())
    assert error(y.numpy(), ours) < 1e-5  # relative above 1: a ReLU's numbers grow
    theirs = dict(zip("hc", (states,) if isinstance(states, torch.Tensor) else states, strict=False))
    assert {name[-1] for name in final} == set(theirs)
    for leaf, value in theirs.items():
        found = np.stack([state for name, state in final.items() if name.endswith(f".{leaf}")])
        assert error(value.numpy(), found) < 1e-5


def grid():
    for kind, layers, bidirectional, bias in itertools.product(("RNN", "LSTM", "GRU"), (1, 2, 4), (0, 1), (0, 1)):
        yield kind, {"num_layers": layers, "bidirectional": bool(bidirectional), "bias": bool(bias)}
        if kind == "LSTM":
            options = {"num_layers": layers, "bidirectional": bool(bidirectional), "bias": bool(bias), "proj_size": 3}
            yield kind, options
        if kind == "RNN" and bias:
            options = {"num_layers": layers, "bidirectional": bool(bidirectional), "nonlinearity": "relu"}
            yield kind, options


GRID = list(grid())


def case(number):
    """A module of other sizes for each number, in either precision, and the prefix of its names."""
    kind, options = GRID[number]
    dtype = torch.float64 if number % 4 == 3 else torch.float32
    inputs, units = 2 + number % 5, 4 + number % 3
    module = getattr(nn, kind)(inputs, units, batch_first=True, dtype=dtype, **options)
    return randomised(module), ("", "rnn.", "module.net.rnn.", "_orig_mod.")[number % 4]


IDS = [f"{kind}-{'-'.join(map(str, options.values()))}" for kind, options in GRID]
each = pytest.mark.parametrize("number", range(len(GRID)), ids=IDS)


@each
def test_a_module_from_each_kind_of_file(number, tmp_path):
    module, prefix = case(number)
    state = OrderedDict((prefix + name, tensor) for name, tensor in module.state_dict().items())
    torch.save(state, tmp_path / "a.pt")
    torch.save({"model": state, "epoch": 3}, tmp_path / "b.pth", _use_new_zipfile_serialization=False)
    safetensors.torch.save_file(state, tmp_path / "c.safetensors")
    settings = {"nonlinearity": module.nonlinearity} if isinstance(module, nn.RNN) else {}
    x = torch.randn(BATCH, TIME, module.input_size, dtype=module.weight_ih_l0.dtype)
    y, states = run(module, x)
    for file in ("a.pt", "b.pth", "c.safetensors"):
        checkpoint = convert(tmp_path / file, settings=settings)
        names = [f"rnn_{k}" for k in range(module.num_layers)]
        assert [layer.name for layer in checkpoint.model.layers] == (names if len(names) > 1 else ["rnn"])
        assert checkpoint.dtype == str(x.dtype).removeprefix("torch.")
        compared(checkpoint, x, y, states)


@each
@pytest.mark.parametrize("target", ["out.pt", "out.safetensors"])
def test_what_is_written_loads_into_the_module(number, target, tmp_path):
    module, prefix = case(number)
    torch.save({f"{prefix}{name}": tensor for name, tensor in module.state_dict().items()}, tmp_path / "in.pt")
    write(convert(tmp_path / "in.pt"), tmp_path / target)
    written = torch.load(tmp_path / target) if target.endswith("pt") else safetensors.torch.load_file(tmp_path / target)
    expected = {name: tensor.clone() for name, tensor in module.state_dict().items()}
    for name in [name for name in expected if name.startswith("bias_ih")]:
        other = name.replace("_ih", "_hh")
        kept = 2 * module.hidden_size if isinstance(module, nn.GRU) else None  # the rows of n are not added up
        expected[name][:kept] += expected[other][:kept]
        expected[other][:kept] = 0
    module.load_state_dict(written, strict=True)
    for name, tensor in expected.items():
        torch.testing.assert_close(module.state_dict()[name], tensor, rtol=0, atol=0)


@pytest.mark.parametrize("kind", ["RNN", "LSTM", "GRU"])
def test_a_state_dict_with_one_bias_comes_back_bit_for_bit(kind, tmp_path):
    module = randomised(getattr(nn, kind)(5, 4, 3, bidirectional=True))
    for name, parameter in module.named_parameters():
        if name.startswith("bias_hh"):
            parameter.data[: 8 if kind == "GRU" else None] = 0
    torch.save(module.state_dict(), tmp_path / "in.pt")
    write(convert(tmp_path / "in.pt"), tmp_path / "out.pt")
    again = torch.load(tmp_path / "out.pt")
    assert list(again) == list(module.state_dict())
    for name, tensor in module.state_dict().items():
        torch.testing.assert_close(again[name], tensor, rtol=0, atol=0)


class Model(nn.Module):
    """Embedding, layers and a head under other names, registered in the order of `names`."""

    def __init__(self, names, rnns, inputs=7, vocabulary=13, outputs=4):
        super().__init__()
        width = rnns[-1].hidden_size * (2 if getattr(rnns[-1], "bidirectional", False) else 1)
        parts = {"emb": nn.Embedding(vocabulary, inputs, padding_idx=0), "head": nn.Linear(width, outputs)}
        parts |= {f"rnn{k}": rnn for k, rnn in enumerate(rnns)}
        self.names, self.count = names, len(rnns)
        for part, name in names.items():
            self.add_module(name, parts[part])

    def forward(self, ids):
        states = []
        x = getattr(self, self.names["emb"])(ids)
        for k in range(self.count):
            x, state = getattr(self, self.names[f"rnn{k}"])(x)
            states.append(state)
        return getattr(self, self.names["head"])(x), *states


@pytest.mark.parametrize("file", ["model.pt", "model.safetensors"])
@pytest.mark.parametrize(
    "names",
    [
        {"emb": "emb", "rnn0": "first", "rnn1": "second", "head": "head"},
        {"head": "a", "rnn1": "b", "rnn0": "c", "emb": "d"},
        {"rnn0": "lower", "emb": "table", "head": "logits", "rnn1": "upper"},
    ],
    ids=lambda names: "-".join(names),
)
def test_models_in_any_order(names, file, tmp_path):
    rnns = [nn.LSTM(7, 5, 2, batch_first=True, bidirectional=True), nn.GRU(10, 6, batch_first=True)]
    model = randomised(Model(names, rnns))
    state = {f"module.{name}": tensor for name, tensor in model.state_dict().items()}
    if file.endswith("pt"):
        torch.save(state, tmp_path / file)
    else:
        safetensors.torch.save_file(state, tmp_path / file)
    checkpoint = convert(tmp_path / file)
    lower, upper = names["rnn0"], names["rnn1"]
    assert [layer.name for layer in checkpoint.model.layers] == [
        names["emb"], f"{lower}_0", f"{lower}_1", upper, names["head"],
    ]  # fmt: skip
    ids = torch.randint(0, 13, (BATCH, TIME))
    y, (h, c), g = run(model, ids)
    ours, final = Net(checkpoint, "float64")(ids.numpy())
    np.testing.assert_allclose(ours, y, atol=1e-5)
    for leaf, expected in (("h", h), ("c", c)):
        found = [value for name, value in final.items() if name.startswith(f"{lower}_") and name.endswith(f".{leaf}")]
        np.testing.assert_allclose(np.stack(found), expected, atol=1e-5)
    np.testing.assert_allclose(final[f"{upper}.h"], g[0], atol=1e-5)
    write(checkpoint, tmp_path / "out.pt")  # the names are the model's own
    again = Model(names, [nn.LSTM(7, 5, 2, batch_first=True, bidirectional=True), nn.GRU(10, 6, batch_first=True)])
    again.load_state_dict(torch.load(tmp_path / "out.pt"), strict=True)
    torch.testing.assert_close(run(again.eval(), ids)[0], y, rtol=0, atol=1e-6)


def test_layers_of_one_size_come_in_the_order_of_the_state_dict(tmp_path):
    names = {"emb": "e", "rnn0": "z", "rnn1": "y", "head": "h"}
    model = randomised(Model(names, [nn.GRU(7, 7, batch_first=True), nn.LSTM(7, 7, batch_first=True)]))
    torch.save(model.state_dict(), tmp_path / "model.pt")
    checkpoint = convert(tmp_path / "model.pt")
    assert [layer.name for layer in checkpoint.model.layers] == ["e", "z", "y", "h"]
    notes = checkpoint.metadata["conversion"]["notes"]
    assert "taken as a chain: e → z → y → h" in notes
    assert "order of the layers as in the file; others fit too: --config gives another" in notes
    ids = torch.randint(0, 13, (BATCH, TIME))
    np.testing.assert_allclose(Net(checkpoint, "float64")(ids.numpy())[0], run(model, ids)[0], atol=1e-5)


@pytest.mark.parametrize("kind", ["RNNCell", "LSTMCell", "GRUCell"])
def test_cells(kind, tmp_path):
    cells = nn.ModuleList(randomised(getattr(nn, kind)(size, 4)) for size in (3, 4, 4))
    torch.save({"net": cells.state_dict(), "optimizer": {"state": {}, "lr": 0.1}}, tmp_path / "cells.pt")
    checkpoint = convert(tmp_path / "cells.pt")
    assert checkpoint.metadata["conversion"]["ignored"] == {"optimizer": "not weights: the optimizer's state"}
    x = torch.randn(BATCH, TIME, 3)
    states, outputs = [None] * 3, []
    for x_t in x.unbind(1):
        for k, cell in enumerate(cells):
            states[k] = run(cell, x_t, states[k])
            x_t = states[k][0] if kind == "LSTMCell" else states[k]
        outputs.append(x_t)
    lstm = kind == "LSTMCell"
    final = tuple(torch.stack(leaf) for leaf in zip(*states, strict=True)) if lstm else torch.stack(states)
    compared(checkpoint, x, torch.stack(outputs, 1), final)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
@pytest.mark.parametrize("zipped", [True, False])
def test_half_precision_is_widened(dtype, zipped, tmp_path):
    module = randomised(nn.LSTM(3, 4, batch_first=True), dtype)
    torch.save(module.state_dict(), tmp_path / "half.pt", _use_new_zipfile_serialization=zipped)
    safetensors.torch.save_file(module.state_dict(), tmp_path / "half.safetensors")
    x = torch.randn(BATCH, TIME, 3)
    y, states = run(module.float(), x)
    for file in ("half.pt", "half.safetensors"):
        checkpoint = convert(tmp_path / file)
        assert checkpoint.dtype == "float32"
        compared(checkpoint, x, y, states)


@pytest.mark.parametrize("zipped", [True, False])
def test_views_of_one_storage(zipped, tmp_path):
    module = randomised(nn.GRU(3, 4, batch_first=True))
    storage = torch.randn(200)
    state = {
        "weight_ih_l0": storage[:36].view(3, 12).t(),
        "weight_hh_l0": storage[36:132:2].view(12, 4),
        "bias_ih_l0": storage[140:152],
        "bias_hh_l0": storage[1:2].expand(12),
    }
    torch.save(state, tmp_path / "views.pt", _use_new_zipfile_serialization=zipped)
    module.load_state_dict(state)
    x = torch.randn(BATCH, TIME, 3)
    compared(convert(tmp_path / "views.pt"), x, *run(module, x))


def test_several_state_dicts_in_one_file(tmp_path):
    source = tmp_path / "two.pt"
    encoder, decoder = (randomised(nn.GRU(size, 4)).state_dict() for size in (3, 5))
    torch.save({"encoder": encoder, "decoder": decoder, "step": 7}, source)
    assert "several state dicts: encoder, decoder; take one with --part" in refused(source)
    checkpoint = convert(source, part="decoder")
    assert checkpoint.model.inputs == 5
    assert set(checkpoint.metadata["conversion"]["ignored"]) == {"step"} | {f"encoder.{name}" for name in encoder}
    torch.save({"model": encoder, "ema": decoder, "epoch": 1, "optimizer_states": []}, source)
    checkpoint = convert(source)
    assert checkpoint.model.inputs == 3
    assert checkpoint.metadata["conversion"]["ignored"] == {
        "ema": "another state dict; take it with --part",
        "epoch": "not weights: beside the state dict",
        "optimizer_states": "not weights: the optimizer's state",
    }
    assert convert(source, part="ema").model.inputs == 5


def test_state_dicts_inside_of_dicts(tmp_path):
    source = tmp_path / "nested.pt"
    state = randomised(nn.GRU(3, 4)).state_dict()
    nested = state
    for depth in range(1, 5):
        nested = {"a": nested, "step": 3, "optimizer": {"state": state}}
        torch.save(nested, source)
        if depth > limits.NESTED_STATES:
            assert "no state dict in it: a, step, optimizer; save module.state_dict()" in refused(source)
        else:
            checkpoint = convert(source)
            assert checkpoint.model.inputs == 3
            ignored = {f"{'a.' * k}{name}" for k in range(depth) for name in ("step", "optimizer")}
            assert set(checkpoint.metadata["conversion"]["ignored"]) == ignored
    torch.save({str(k): state for k in range(2000)}, source)  # one dict, which is read once
    assert convert(source).model.inputs == 3
    itself = {"step": 3}
    itself["itself"] = itself
    torch.save(itself, source)
    assert "no state dict in it: step, itself" in refused(source)


def test_objects_beside_the_weights_are_read_past(tmp_path):
    """Without being made: their classes are not even looked for."""
    state = randomised(nn.GRU(3, 4)).state_dict()
    beside = {
        "args": argparse.Namespace(lr=0.1), "best": np.float64(2), "path": pathlib.PurePosixPath("a/b"),
        "net": nn.Linear, "frozen": frozenset("ab"), "counts": collections.Counter("aab"), "range": range(3),
        "call": functools.partial(sorted, reverse=True), "default": collections.defaultdict(list, a=[1]),
        "complex": 3j, "array": np.arange(3), "when": datetime.datetime(2020, 1, 2), "whole": nn.GRU(3, 4),
        "decimal": decimal.Decimal("0.1"),
    }  # fmt: skip
    for protocol in (2, 4, 5):
        torch.save({"state_dict": state, **beside}, tmp_path / "a.pt", pickle_protocol=protocol)
        ignored = convert(tmp_path / "a.pt").metadata["conversion"]["ignored"]
        assert ignored == dict.fromkeys(beside, "not weights: beside the state dict")
    torch.save({"state_dict": state | {"rnn._extra_state": {"a": 1}}}, tmp_path / "a.pt")
    assert convert(tmp_path / "a.pt").metadata["conversion"]["ignored"] == {
        "rnn._extra_state": "not weights: no tensor"
    }
    torch.save({"state_dict": state | {"scale": 0.5}}, tmp_path / "a.pt")
    assert "no state dict in it: state_dict; save module.state_dict()" in refused(tmp_path / "a.pt")


TYPES = (torch.float64, torch.float32, torch.float16, torch.bfloat16, torch.int64, torch.int32, torch.int16)
TYPES += (torch.int8, torch.uint8, torch.bool)


@pytest.mark.parametrize("zipped", [True, False])
def test_every_tensor_is_what_torch_reads(zipped, tmp_path):
    """Types, views of one storage, parameters, shapes without elements or axes; beside them what is no tensor."""
    source = tmp_path / "state.pt"
    whole = torch.randn(6, 8)
    state = {f"of {dtype}": (whole * 9).to(dtype) for dtype in TYPES}
    state |= {"rows": whole[1:4], "columns": whole[:, ::3], "turned": whole.T, "expanded": whole[0].expand(3, 8)}
    state |= {"parameter": nn.Parameter(whole + 1), "scalar": whole[2, 3], "none": whole[:0], "again": whole}
    if zipped:
        state |= {f"of {dtype}": torch.arange(5).to(dtype) for dtype in (torch.uint16, torch.uint32, torch.uint64)}
    beside = {"epoch": 3, "rate": 0.1, "tags": {"a", "b"}, "size": torch.Size([2, 3]), "device": torch.device("cpu")}
    beside |= {"merges": {("a", "b"): 1}, "type": torch.float16, "bytes": b"abc", "list": [None, True, -(2**40)]}
    torch.save({"model": state, **beside}, source, _use_new_zipfile_serialization=zipped)
    arrays, reasons = read_pickled(source, Request())
    assert arrays.keys() == state.keys()
    assert reasons == dict.fromkeys(beside, "not weights: beside the state dict")
    for name, tensor in torch.load(source)["model"].items():
        expected = (tensor.float() if tensor.dtype == torch.bfloat16 else tensor).detach().numpy()
        assert arrays[name].dtype == expected.dtype, name
        np.testing.assert_array_equal(arrays[name], expected, err_msg=name)


class Touch:
    """Creates a folder when it is unpickled."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return os.mkdir, (str(self.path),)


@pytest.mark.parametrize("zipped", [True, False])
def test_pickled_objects_are_never_loaded(zipped, tmp_path):
    trap = tmp_path / "touched"
    source = tmp_path / "model.pt"
    state = randomised(nn.GRU(3, 4)).state_dict()
    torch.save({"state_dict": state, "extra": Touch(trap)}, source, _use_new_zipfile_serialization=zipped)
    line = refused(source)
    assert "more than tensors" in line or "code that is never run" in line
    assert not trap.exists()
    torch.load(source, weights_only=False)
    assert trap.exists()  # it would have been


def test_bare_pickles_and_whole_modules_are_refused(tmp_path):
    source = tmp_path / "model.pt"
    trap = tmp_path / "touched"
    source.write_bytes(pickle.dumps(Touch(trap)))
    assert "model.pt: " in refused(source)
    assert not trap.exists()
    torch.save(nn.GRU(3, 4), source)
    assert "a pickle with torch.nn.modules.rnn.GRU, code that is never run; save module.state_dict()" in refused(source)
    with zipfile.ZipFile(source, "w") as archive:
        archive.writestr("model/data.pkl", b"")
        archive.writestr("model/constants.pkl", b"")
    assert "a TorchScript program, which is never run" in refused(source)
    torch.save(torch.ones(3), source)
    assert "expected a state dict, found Tensor" in refused(source)
    torch.save({"epoch": 3, "lr": 0.1}, source)
    assert "no state dict in it: epoch, lr" in refused(source)


def test_archives_out_of_proportion(tmp_path):
    source = tmp_path / "bomb.pt"
    with zipfile.ZipFile(source, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("bomb/data.pkl", pickle.dumps({}))
        archive.writestr("bomb/data/0", bytes(1 << 28))
    assert "that unpack to 268," in refused(source)
    torch.save({"weight_ih_l0": torch.ones(1).expand(1 << 20, 1 << 10), "weight_hh_l0": torch.ones(3)}, source)
    assert "that unpack to 4,294," in refused(source)


def test_damaged_files(tmp_path):
    source = tmp_path / "model.pt"
    for zipped in (True, False):
        buffer = io.BytesIO()
        torch.save(randomised(nn.GRU(3, 4)).state_dict(), buffer, _use_new_zipfile_serialization=zipped)
        whole = buffer.getvalue()
        for end in (30, 200, len(whole) // 2, len(whole) - 30):
            source.write_bytes(whole[:end])
            assert str(source) in refused(source)
        for place in range(0, len(whole), len(whole) // 40):
            source.write_bytes(whole[:place] + struct.pack("B", whole[place] ^ 0xFF) + whole[place + 1 :])
            with contextlib.suppress(SpecError):  # anything else fails; a bit of a weight may pass
                convert(source)
