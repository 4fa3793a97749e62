"""What a user of ONNX Runtime alone may ask of an exported file: no rows, no steps, no learned states, half precision,
and more weights than one file holds."""

import json

import numpy as np
import onnx
import onnxruntime
import pytest
from click.testing import CliRunner
from onnx import TensorProto, helper, numpy_helper

import rnnspec.backends.onnxruntime as backend
from rnnspec import GRU, LSTM, RNN, Dense, Embedding, Model, Recurrent, SpecError, accuracy
from rnnspec.cells import LayerNorm
from rnnspec.cli.command import rnnspec as command
from rnnspec.convert import convert
from rnnspec.export import build, export_onnx, start
from rnnspec.export import model as exporter
from rnnspec.export.start import initial_states
from rnnspec.reference import Net

from ...conftest import random_checkpoint

RNG = np.random.default_rng(4)
CELLS = {
    "lstm": LSTM(units=4),
    "gru": GRU(units=4, reset_after=True),
    "rnn": RNN(units=4),
    "scan": LSTM(units=4, layer_norm=LayerNorm(gates="split", over="all", epsilon=1e-3)),
}
OPTIONS = [{}, {"lengths": False}, {"lengths": False, "time_major": True}, {"mask": True}, {"reset": True}]


def session(data):
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    return onnxruntime.InferenceSession(data, options, providers=["CPUExecutionProvider"])


def run(plain, feeds):
    names = [node.name.removesuffix(".out") for node in plain.get_outputs()]
    return dict(zip(names, plain.run(None, feeds), strict=True))


def same(results, net, y, new):
    expected = net.model.named(y) | new
    for name, value in expected.items():
        assert results[name].shape == value.shape
        if value.size:
            assert accuracy.worst({name: results[name]}, {name: value})[1] < 1e-5


@pytest.mark.parametrize("options", OPTIONS, ids=str)
@pytest.mark.parametrize("last", [False, True], ids=["sequences", "last"])
@pytest.mark.parametrize("name", CELLS)
def test_no_rows_and_no_steps(name, last, options):
    """The states of no steps are those given; the output of a dense layer after none is that of zeros."""
    layers = [Recurrent(name="a", cell=CELLS[name], direction="bidirectional"),
              Recurrent(name="b", cell=CELLS[name], return_sequences=not last),
              Dense(name="c", units=2, activation="tanh")]  # fmt: skip
    checkpoint = random_checkpoint(Model(inputs=3, layers=layers))
    plain = session(build(checkpoint, **options).SerializeToString())
    net = Net(checkpoint, "float64", bool(options.get("time_major")))
    for batch, time in ((0, 3), (2, 0), (0, 0), (1, 1), (3, 5)):
        axes = (time, batch) if options.get("time_major") else (batch, time)
        x = RNG.standard_normal((*axes, 3)).astype("float32")
        state = {k: RNG.standard_normal((batch, n)).astype("float32") for k, n in checkpoint.model.states().items()}
        steps = {"lengths": RNG.integers(0, time + 1, batch).astype("int32")}
        steps |= {k: RNG.random((batch, time)) < 0.5 for k in ("mask", "reset")}
        steps = {node.name: steps[node.name] for node in plain.get_inputs() if node.name in steps}
        same(run(plain, {"x": x, **steps, **state}), net, *net(x, **steps, state=state))


@pytest.mark.parametrize("kind", ["features", "ids"])
def test_no_steps_with_a_value_for_padding(kind):
    """A step that is added, where there is none, is padding."""
    first = [Embedding(name="e", vocabulary=5, units=3)] if kind == "ids" else []
    layers = [*first, Recurrent(name="r", cell=GRU(units=4, reset_after=True), return_sequences=False)]
    checkpoint = random_checkpoint(Model(inputs=None if first else 3, layers=layers, padding=2))
    plain = session(build(checkpoint, lengths=False).SerializeToString())
    net = Net(checkpoint)
    for batch, time in ((2, 0), (0, 4), (2, 4)):
        x = RNG.integers(1, 4, (batch, time)) if first else RNG.standard_normal((batch, time, 3)).astype("float32")
        state = {"r.h": RNG.standard_normal((batch, 4)).astype("float32")}
        same(run(plain, {"x": x, **state}), net, *net(x, state=state))


LEARNED = Model(
    inputs=3,
    layers=[
        Recurrent(name="a", cell=LSTM(units=4), direction="bidirectional", learned_state=True),
        Recurrent(name="b", cell=CELLS["scan"], learned_state=True),
        Recurrent(name="c", cell=GRU(units=2, reset_after=True)),
    ],
)
STREAM = Model(inputs=3, layers=[Recurrent(name="b", cell=CELLS["scan"], learned_state=True)])


@pytest.mark.parametrize("options", [*OPTIONS, {"step": True}], ids=str)
def test_learned_states_start_by_themselves(options):
    """One given for all rows, or one for each, takes their place."""
    checkpoint = random_checkpoint(STREAM if "step" in options else LEARNED)
    model = checkpoint.model
    plain = session(build(checkpoint, **options).SerializeToString())
    optional = {node.name for node in plain.get_overridable_initializers()}
    assert optional == {name for name in model.states() if not name.startswith("c.")}
    net = Net(checkpoint, "float64", bool(options.get("time_major")))
    x = RNG.standard_normal((2, 5, 3)).astype("float32")
    state = {name: RNG.standard_normal((2, n)).astype("float32") for name, n in model.states().items()}
    steps = {"lengths": np.array([0, 5], "int32"), "mask": RNG.random((2, 5)) < 0.5, "reset": RNG.random((2, 5)) < 0.5}
    steps = {node.name: steps[node.name] for node in plain.get_inputs() if node.name in steps}
    zeros = {name: state[name] for name in state if name not in optional}
    one = {name: value[:1] for name, value in state.items() if name in optional}
    start = {name: np.tile(value, (2, 1)) for name, value in initial_states(checkpoint).items()}
    for given, meant in (
        (state, state), (zeros, start | zeros),
        (zeros | one, zeros | {name: np.tile(value, (2, 1)) for name, value in one.items()}),
    ):  # fmt: skip
        if "step" in options:
            y, new = net.step(x[:, 0], meant)
            same(run(plain, {"x": x[:, 0], **given}), net, y, new)
            continue
        turned = x.swapaxes(0, 1) if options.get("time_major") else x
        same(run(plain, {"x": turned, **steps, **given}), net, *net(turned, **steps, state=meant))


def test_the_command_says_which_states_may_be_left_out(tmp_path):
    random_checkpoint(LEARNED).save(tmp_path / "m.safetensors")
    result = CliRunner().invoke(command, ["export", str(tmp_path / "m.safetensors"), "-o", str(tmp_path / "m.onnx")])
    assert result.exit_code == 0, result.output
    assert (
        "may be left out, and then start from what was learned: a.forward.h, a.forward.c, a.backward.h" in result.output
    )


def test_a_wrong_default_is_noticed(tmp_path, monkeypatch):
    right = start.initial_states
    monkeypatch.setattr(start, "initial_states", lambda c: {k: v + np.float32(0.1) for k, v in right(c).items()})
    with pytest.raises(SpecError, match="differs from the reference"):
        export_onnx(random_checkpoint(LEARNED), tmp_path / "m.onnx")
    assert not list(tmp_path.iterdir())


def halved(model, inputs):
    """The model in float16, as onnxconverter-common makes it; `inputs`: those of the graph too."""
    half = onnx.ModelProto()
    half.CopyFrom(model)

    def change(graph, boundary):
        for tensor in graph.initializer:
            if tensor.data_type == TensorProto.FLOAT:
                array = numpy_helper.to_array(tensor).astype("float16")
                tensor.CopyFrom(numpy_helper.from_array(array, tensor.name))
        for value in (*graph.input, *graph.output) if boundary else ():
            if value.type.tensor_type.elem_type == TensorProto.FLOAT:
                value.type.tensor_type.elem_type = TensorProto.FLOAT16
        for node in graph.node:
            for attribute in node.attribute:
                if attribute.HasField("g"):
                    change(attribute.g, True)

    change(half.graph, inputs)
    if not inputs:
        for value in half.graph.input:
            if value.type.tensor_type.elem_type == TensorProto.FLOAT:
                for node in half.graph.node:
                    node.input[:] = [f"{name}.half" if name == value.name else name for name in node.input]
                half.graph.node.insert(0, helper.make_node("Cast", [value.name], [f"{value.name}.half"], to=10))
        for value in half.graph.output:
            for node in half.graph.node:
                node.output[:] = [f"{name}.half" if name == value.name else name for name in node.output]
                node.input[:] = [f"{name}.half" if name == value.name else name for name in node.input]
            half.graph.node.append(helper.make_node("Cast", [f"{value.name}.half"], [value.name], to=1))
    return half


HALF = Model(inputs=3, layers=[Recurrent(name="r", cell=LSTM(units=4, projection=2)), Dense(name="d", units=2)])


@pytest.mark.parametrize("options", [{}, {"lengths": False}, {"time_major": True}, {"mask": True}], ids=str)
def test_a_scan_in_half_precision_is_loaded_and_right_to_half_precision(options):
    """A weight next to a transposed input would end the process, when ONNX Runtime 1.31 loads it."""
    checkpoint = random_checkpoint(HALF)
    plain = session(halved(build(checkpoint, **options), True).SerializeToString())
    x = (RNG.standard_normal((2, 5, 3)) / 2).astype("float16")
    state = {name: np.zeros((2, n), "float16") for name, n in HALF.states().items()}
    turned = x.swapaxes(0, 1) if options.get("time_major") else x
    steps = {"lengths": np.array([5, 5], "int32"), "mask": np.ones((2, 5), bool)}
    steps = {node.name: steps[node.name] for node in plain.get_inputs() if node.name in steps}
    results = run(plain, {"x": turned, **steps, **state})
    y, _ = Net(checkpoint, "float64", bool(options.get("time_major")))(turned)
    np.testing.assert_allclose(results["y"], y, atol=0.02)


def test_our_loader_takes_half_precision_inside_and_refuses_it_outside(tmp_path):
    checkpoint = random_checkpoint(HALF)
    (tmp_path / "in.onnx").write_bytes(halved(build(checkpoint), False).SerializeToString())
    x = RNG.standard_normal((2, 5, 3)) / 2
    np.testing.assert_allclose(backend.load(tmp_path / "in.onnx")(x)[0], Net(checkpoint, "float64")(x)[0], atol=0.02)
    (tmp_path / "out.onnx").write_bytes(halved(build(checkpoint), True).SerializeToString())
    with pytest.raises(SpecError, match=r"out\.onnx: input '.*' is float16"):
        backend.load(tmp_path / "out.onnx")


@pytest.fixture
def small(monkeypatch):
    """What one file may hold, lowered."""
    monkeypatch.setattr(exporter, "LARGEST", 5000)


LARGE = Model(layers=[Embedding(name="e", vocabulary=40, units=30), Recurrent(name="r", cell=LSTM(units=8))])


@pytest.mark.parametrize("options", [{}, {"step": True}], ids=str)
def test_weights_that_one_file_cannot_hold_lie_beside_it(small, tmp_path, options):
    checkpoint = random_checkpoint(LARGE)
    path = tmp_path / "m.onnx"
    assert export_onnx(checkpoint, path, **options) < 1e-5
    assert {file.name for file in tmp_path.iterdir()} == {"m.onnx", "m.onnx.data"}
    assert path.stat().st_size < 5000 < path.with_name("m.onnx.data").stat().st_size
    onnx.checker.check_model(path, full_check=True)
    assert convert(path).to_bytes() == checkpoint.to_bytes()
    ids = RNG.integers(0, 40, (3, 6))
    expected, _ = Net(checkpoint, "float64")(ids)
    state = {name: np.zeros((3, n), "float32") for name, n in LARGE.states().items()}
    plain, net = onnxruntime.InferenceSession(path), backend.load(path)
    if options:
        np.testing.assert_allclose(run(plain, {"x": ids[:, 0], **state})["y"], expected[:, 0], atol=1e-5)
        np.testing.assert_allclose(net.step(ids[:, 0])[0], expected[:, 0], atol=1e-5)
    else:
        feeds = {"x": ids, "lengths": np.full(3, 6, "int32"), **state}
        np.testing.assert_allclose(run(plain, feeds)["y"], expected, atol=1e-5)
        np.testing.assert_allclose(net(ids)[0], expected, atol=1e-5)
    np.testing.assert_allclose(backend.load(checkpoint)(ids)[0], expected, atol=1e-5)


def test_an_old_file_never_stands_beside_new_weights(small, tmp_path, monkeypatch):
    path = tmp_path / "m.onnx"
    export_onnx(random_checkpoint(LARGE), path)
    write = exporter.write_atomically

    def killed(target, data):
        write(target, data)
        raise KeyboardInterrupt

    monkeypatch.setattr(exporter, "write_atomically", killed)
    with pytest.raises(KeyboardInterrupt):
        export_onnx(random_checkpoint(LARGE), path)
    assert not path.exists()


def test_what_is_too_large_for_one_piece_is_said(small):
    with pytest.raises(SpecError, match=r"bytes of weights, more than one ONNX file holds; export_onnx writes two"):
        build(random_checkpoint(LARGE))


def test_the_command_names_both_files(small, tmp_path):
    random_checkpoint(LARGE).save(tmp_path / "m.safetensors")
    result = CliRunner().invoke(command, ["export", str(tmp_path / "m.safetensors"), "-o", str(tmp_path / "m.onnx")])
    assert result.exit_code == 0, result.output
    size = (tmp_path / "m.onnx.data").stat().st_size
    assert f"m.onnx.data: {size:,} bytes of weights, to be kept beside it" in result.output


@pytest.mark.parametrize("location", ["../secret", "/etc/passwd", "a/../../secret"])
def test_weights_outside_the_folder_are_refused(small, tmp_path, location):
    folder = tmp_path / "folder"
    folder.mkdir()
    path = folder / "m.onnx"
    export_onnx(random_checkpoint(LARGE), path)
    (tmp_path / "secret").write_bytes((folder / "m.onnx.data").read_bytes())
    model = onnx.load(path, load_external_data=False)
    for tensor in model.graph.initializer:
        for entry in tensor.external_data:
            if entry.key == "location":
                entry.value = location
    path.write_bytes(model.SerializeToString())
    for read in (backend.load, convert):
        with pytest.raises(SpecError, match="outside the model's folder: refused"):
            read(path)


def test_weights_beside_that_are_gone_or_cut_are_named(small, tmp_path):
    path = tmp_path / "m.onnx"
    export_onnx(random_checkpoint(LARGE), path)
    beside = path.with_name("m.onnx.data")
    beside.write_bytes(beside.read_bytes()[:-1])
    for read in (backend.load, convert):
        with pytest.raises(SpecError, match=r"its data end at byte \d+ of 'm.onnx.data'"):
            read(path)
    beside.unlink()
    for read in (backend.load, convert):
        with pytest.raises(FileNotFoundError):
            read(path)


def test_the_metadata_are_as_before():
    """What streams a file by its metadata finds the learned states there, too."""
    model = build(random_checkpoint(LEARNED))
    entries = {entry["name"]: entry for entry in json.loads(model.metadata_props[0].value)["state"]}
    initial = initial_states(random_checkpoint(LEARNED))
    for name in ("a.forward.h", "b.c"):
        np.testing.assert_array_equal(np.array(entries[name]["initial"], "float32"), initial[name])
    assert "initial" not in entries["c.h"]
