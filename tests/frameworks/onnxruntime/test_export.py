"""The exported file (EXPORT), and ONNX Runtime behind the common interface."""

import json

import numpy as np
import onnx
import onnxruntime
import pytest
from click.testing import CliRunner

import rnnspec.backends.onnxruntime as backend
from rnnspec import GRU, LSTM, RNN, Dense, Embedding, Model, Recurrent, SpecError, Stack, UnsupportedError, accuracy
from rnnspec.activations import Elu, HardSigmoid, LeakyRelu, ScaledTanh
from rnnspec.cells import LayerNorm, Residual, Zoneout
from rnnspec.cli.command import rnnspec as command
from rnnspec.conventions import onnx as conventions
from rnnspec.conventions.gates import rows
from rnnspec.export import build, export_onnx, paths
from rnnspec.reference import Net

from ...conftest import random_checkpoint

RNG = np.random.default_rng(2)
MODEL = Model(
    inputs=3,
    layers=(
        Recurrent(name="a", cell=LSTM(units=5), direction="bidirectional"),
        Recurrent(name="b", cell=Stack(cells=(GRU(units=4, reset_after=False), RNN(units=6)))),
        Dense(name="c", units=2),
    ),
)
STREAM = Model(
    inputs=3,
    layers=(
        Recurrent(name="a", cell=LSTM(units=5)),
        Recurrent(name="b", cell=Stack(cells=(GRU(units=4, reset_after=False), GRU(units=3, reset_after=True)))),
        Recurrent(name="c", cell=RNN(units=6, activation="relu", bias=False)),
        Dense(name="d", units=2),
    ),
)


def call(path, checkpoint, batch, time, lengths=None, time_major=False):
    """Run the file with ONNX Runtime alone, and the reference; both as y and states by name."""
    x = RNG.standard_normal((time, batch, 3) if time_major else (batch, time, 3)).astype("float32")
    state = {k: RNG.standard_normal((batch, n)).astype("float32") for k, n in checkpoint.model.states().items()}
    feeds = {"x": x, **state} | ({} if lengths is None else {"lengths": np.array(lengths, "int32")})
    session = onnxruntime.InferenceSession(path)
    names = [node.name for node in session.get_outputs()]
    results = dict(zip(names, session.run(None, feeds), strict=True))
    y, final = Net(checkpoint, "float64", time_major)(x, lengths=lengths, state=state)
    return results, {"y": y} | {f"{name}.out": value for name, value in final.items()}


def check(checkpoint, net, x, **steps):
    """Compare with the reference, from random states and from none."""
    model = checkpoint.model
    state = {name: RNG.standard_normal((len(x), size)).astype("float32") for name, size in model.states().items()}
    for given in (state, None):
        y, final = net(x, state=given, **steps)
        expected, states = Net(checkpoint, "float64")(x, state=given, **steps)
        assert accuracy.worst(model.named(y) | final, model.named(expected) | states)[1] < 1e-5


def test_a_plain_session_gives_the_numbers_at_any_size(tmp_path):
    checkpoint = random_checkpoint(MODEL)
    path = tmp_path / "model.onnx"
    assert export_onnx(checkpoint, path) < 1e-5
    for batch, time, lengths in ((1, 1, [1]), (4, 9, [9, 0, 3, 7]), (2, 30, [0, 0])):
        results, expected = call(path, checkpoint, batch, time, lengths)
        assert accuracy.worst(results, expected)[1] < 1e-5


@pytest.mark.parametrize("opset", [14, 17, 18, 22])
def test_opsets(tmp_path, opset):
    checkpoint = random_checkpoint(MODEL)
    path = tmp_path / "model.onnx"
    export_onnx(checkpoint, path, opset=opset)
    assert onnx.load(path).opset_import[0].version == opset
    results, expected = call(path, checkpoint, 3, 6, [2, 6, 0])
    assert accuracy.worst(results, expected)[1] < 1e-5


def test_without_lengths_and_time_major(tmp_path):
    checkpoint = random_checkpoint(MODEL)
    path = tmp_path / "model.onnx"
    export_onnx(checkpoint, path, lengths=False, time_major=True)
    assert "lengths" not in [node.name for node in onnx.load(path).graph.input]
    results, expected = call(path, checkpoint, 3, 6, time_major=True)
    assert accuracy.worst(results, expected)[1] < 1e-5


def test_inputs_outputs_and_metadata():
    model = build(random_checkpoint(MODEL))
    shapes = {
        node.name: [d.dim_param or d.dim_value for d in node.type.tensor_type.shape.dim]
        for node in (*model.graph.input, *model.graph.output)
    }
    assert shapes["x"] == ["batch", "time", 3]
    assert shapes["lengths"] == ["batch"]
    assert shapes["y"] == ["batch", "time", 2]
    for name, size in MODEL.states().items():
        assert shapes[name] == shapes[f"{name}.out"] == ["batch", size]
    header = json.loads(model.metadata_props[0].value)
    assert Model.from_builtins(header["model"]) == MODEL
    assert header["state"][2] == {
        "name": "a.backward.h",
        "input": "a.backward.h",
        "output": "a.backward.h.out",
        "shape": ["batch", 5],
    }


def test_recurrent_layers_are_native_nodes_with_every_attribute():
    nodes = {node.op_type: node for node in build(random_checkpoint(MODEL)).graph.node}
    assert {"LSTM", "GRU", "RNN"} <= set(nodes)
    assert not {"Loop", "Scan", "If"} & set(nodes)
    attributes = {kind: {a.name: onnx.helper.get_attribute_value(a) for a in nodes[kind].attribute} for kind in nodes}
    assert attributes["LSTM"] == {
        "activations": [b"Sigmoid", b"Tanh", b"Tanh"] * 2,
        "direction": b"bidirectional",
        "hidden_size": 5,
        "input_forget": 0,
        "layout": 0,
    }
    assert attributes["GRU"]["linear_before_reset"] == 0


def test_the_step_has_no_loop_and_no_empty_input(tmp_path):
    checkpoint = random_checkpoint(STREAM)
    path = tmp_path / "step.onnx"
    export_onnx(checkpoint, path, step=True)
    graph = onnx.load(path).graph
    kinds = {node.op_type for node in graph.node}
    assert kinds <= {"Gemm", "Add", "Sub", "Mul", "Sigmoid", "Tanh", "Relu", "Split", "Identity"}
    assert all(name for node in graph.node for name in node.input)
    session = onnxruntime.InferenceSession(path)
    x = RNG.standard_normal((2, 7, 3)).astype("float32")
    expected, final = Net(checkpoint, "float64")(x)
    state = {name: np.zeros((2, size), "float32") for name, size in STREAM.states().items()}
    for t in range(7):
        y, *new = session.run(["y", *(f"{name}.out" for name in state)], {"x": x[:, t], **state})
        state = dict(zip(state, new, strict=True))
        np.testing.assert_allclose(y, expected[:, t], atol=1e-5)
    for name in state:
        np.testing.assert_allclose(state[name], final[name], atol=1e-5)


def test_a_bidirectional_model_refuses_a_step(tmp_path):
    with pytest.raises(UnsupportedError, match="layer 'a' is bidirectional"):
        export_onnx(random_checkpoint(MODEL), tmp_path / "step.onnx", step=True)
    assert not list(tmp_path.iterdir())


def test_a_wrong_opset_is_refused(tmp_path):
    for opset in (13, 999):
        with pytest.raises(SpecError, match=f"opset: expected 14 to .*, found {opset}"):
            export_onnx(random_checkpoint(MODEL), tmp_path / "model.onnx", opset=opset)


@pytest.mark.parametrize("wrong", ["input forget cell output", "cell forget input output"])
def test_a_wrong_export_is_noticed_and_not_written(tmp_path, monkeypatch, wrong):
    monkeypatch.setattr(
        conventions.LSTM, "gates", rows(conventions.LSTM.gates.ours, **{gate: gate for gate in wrong.split()})
    )
    with pytest.raises(SpecError, match="differs from the reference by"):
        export_onnx(random_checkpoint(MODEL), tmp_path / "model.onnx")
    assert not list(tmp_path.iterdir())


def test_the_same_checkpoint_gives_the_same_file():
    one, two = (build(random_checkpoint(MODEL)).SerializeToString() for _ in range(2))
    assert one == two


def test_a_file_is_loaded_without_its_checkpoint(tmp_path):
    checkpoint = random_checkpoint(STREAM)
    x = RNG.standard_normal((2, 5, 3))
    expected, final = Net(checkpoint, "float64")(x)
    export_onnx(checkpoint, tmp_path / "model.onnx", time_major=True)
    export_onnx(checkpoint, tmp_path / "step.onnx", step=True)
    whole, step = (backend.load(tmp_path / name) for name in ("model.onnx", "step.onnx"))
    y, state = whole(x)
    np.testing.assert_allclose(y, expected, atol=1e-5)
    for net in (whole, step, backend.load(checkpoint)):
        state = None
        for t in range(5):
            y_t, state = net.step(x[:, t], state)
            np.testing.assert_allclose(y_t, expected[:, t], atol=1e-5)
        for name in final:
            np.testing.assert_allclose(state[name], final[name], atol=1e-5)
    with pytest.raises(UnsupportedError, match="the file is a single step"):
        step(x)
    with pytest.raises(UnsupportedError, match=r"loaded from an \.onnx file"):
        backend.checkpoint(whole)


def test_a_file_of_somebody_else(tmp_path):
    model = build(random_checkpoint(MODEL))
    del model.metadata_props[:]
    (tmp_path / "plain.onnx").write_bytes(model.SerializeToString())
    with pytest.raises(SpecError, match=r"plain\.onnx: an ONNX model that rnnspec did not export"):
        backend.load(tmp_path / "plain.onnx")
    (tmp_path / "not.onnx").write_bytes(b"hello")
    with pytest.raises(SpecError, match=r"not\.onnx: ONNX Runtime cannot load it") as caught:
        backend.load(tmp_path / "not.onnx")
    assert "\n" not in str(caught.value)


def test_masks(tmp_path):
    checkpoint = random_checkpoint(MODEL)
    net = backend.load(checkpoint)
    x = RNG.standard_normal((2, 5, 3))
    mask = np.array([[1, 1, 0, 0, 0], [1, 1, 1, 1, 0]], bool)
    np.testing.assert_array_equal(net(x, mask=mask)[0], net(x, lengths=[2, 4])[0])
    check(checkpoint, net, x, mask=mask[:, ::-1])
    export_onnx(checkpoint, tmp_path / "mask.onnx", mask=True, reset=True)
    loaded = backend.load(tmp_path / "mask.onnx")
    for steps in ({}, {"lengths": [5, 0]}, {"mask": mask[:, ::-1]}, {"reset": mask}):
        check(checkpoint, loaded, x, **steps)
    export_onnx(checkpoint, tmp_path / "model.onnx", lengths=False)
    loaded = backend.load(tmp_path / "model.onnx")
    for name, steps in (("lengths", [2, 4]), ("mask", mask[:, ::-1]), ("reset", mask)):
        with pytest.raises(UnsupportedError, match=f"{name}: .*the file was exported without"):
            loaded(x, **{name: steps})
    for name in ("mask", "reset"):
        with pytest.raises(SpecError, match=f"{name}: a single step has none"):
            build(random_checkpoint(STREAM), step=True, **{name: True})


def test_no_steps_at_all():
    net = backend.load(random_checkpoint(MODEL))
    state = {name: RNG.standard_normal((2, size)).astype("float32") for name, size in MODEL.states().items()}
    y, final = net(np.zeros((2, 0, 3)), state=state)
    assert y.shape == (2, 0, 2)
    for name in state:
        np.testing.assert_array_equal(final[name], state[name])


def test_ids():
    layers = (Embedding(name="e", vocabulary=6, units=3), Recurrent(name="r", cell=LSTM(units=4)))
    checkpoint = random_checkpoint(Model(layers=layers))
    ids = RNG.integers(0, 6, (2, 5))
    net = backend.load(checkpoint)
    np.testing.assert_allclose(net(ids)[0], Net(checkpoint)(ids)[0], atol=1e-6)
    for wrong in (-1, 6):
        with pytest.raises(SpecError, match=f"ids: found {wrong}"):
            net(np.full((1, 2), wrong))


def test_float64_is_refused():
    with pytest.raises(UnsupportedError, match="no float64 RNN, GRU or LSTM"):
        backend.load(random_checkpoint(MODEL), dtype="float64")


def test_time_major_only_turns_the_boundary(tmp_path):
    checkpoint = random_checkpoint(MODEL)
    export_onnx(checkpoint, tmp_path / "model.onnx", time_major=True)
    x = RNG.standard_normal((6, 3, 3))
    expected, final = Net(checkpoint, "float64", time_major=True)(x, lengths=[6, 0, 2])
    for source in (checkpoint, tmp_path / "model.onnx"):
        y, new = backend.load(source, time_major=True)(x, lengths=[6, 0, 2])
        np.testing.assert_allclose(y, expected, atol=1e-5)
        for name in final:
            np.testing.assert_allclose(new[name], final[name], atol=1e-5)
        np.testing.assert_allclose(backend.load(source)(x.swapaxes(0, 1), lengths=[6, 0, 2])[0], y.swapaxes(0, 1))


class Doubled(LSTM, tag="doubled_lstm", frozen=True, kw_only=True):
    """An LSTM whose output is doubled: nothing that has a node."""

    emits = None

    def step(self, ops, p, projected, state):
        y, new = super().step(ops, p, projected, state)
        return y + y, new


NORM = LayerNorm(gates="joint", over="gate", epsilon=1e-5)
NATIVE = {
    "activations": LSTM(
        units=4,
        gate_activation=HardSigmoid(alpha=0.25, beta=0.4),
        cell_activation=ScaledTanh(alpha=1.5, beta=0.6),
        output_activation=LeakyRelu(alpha=0.1),
    ),
    "softsign": LSTM(units=4, cell_activation="softsign", output_activation="elu"),
    "gru": GRU(units=4, reset_after=True, gate_activation="sparse_sigmoid", activation=Elu(alpha=0.4)),
    "rnn": RNN(units=4, activation="softsign", clip_gates=0.7),
    "peephole": LSTM(units=4, peephole=True, clip_gates=0.4),
    "coupled": LSTM(units=4, coupled_input_forget=True, peephole=True),
    "clip": GRU(units=4, reset_after=False, bias=False, clip_gates=0.3),
}
SCAN = {
    "layer norm in LSTM": LSTM(units=4, layer_norm=LayerNorm(gates="split", over="all", epsilon=1e-3, cell="carry")),
    "layer norm in GRU": GRU(units=4, reset_after=False, layer_norm=NORM),
    "diagonal recurrence in RNN": RNN(units=4, recurrence="diagonal"),
    "projection in LSTM": LSTM(units=4, projection=3, clip_projection=0.3),
    "clip_cell in LSTM": LSTM(units=4, clip_cell=0.2),
    "coupled tanh gates in LSTM": LSTM(units=4, coupled_input_forget=True, gate_activation="tanh"),
    "gelu in RNN": RNN(units=4, activation="gelu"),
    "softplus in RNN": RNN(units=4, activation="softplus", clip_gates=0.7),
    "Zoneout": Zoneout(cell=LSTM(units=4), h=0.1, c=0.3),
    "Doubled": Doubled(units=4),
}
MASK = np.array([[0, 1, 1, 0, 1, 0], [0, 0, 0, 0, 0, 0], [1, 1, 1, 1, 1, 1]], bool)
RESET = np.array([[1, 0, 0, 1, 1, 0], [0, 1, 0, 0, 0, 0], [0, 0, 1, 0, 0, 1]], bool)
STEPS = [{}, {"lengths": [6, 0, 2]}, {"mask": MASK}, {"reset": RESET}, {"mask": MASK, "reset": RESET}]


@pytest.mark.parametrize("direction", ["forward", "bidirectional"])
@pytest.mark.parametrize("name", [*NATIVE, *SCAN])
def test_every_cell_runs_natively_or_as_a_scan_that_says_why(name, direction):
    layer = Recurrent(name="r", cell=NATIVE.get(name) or SCAN[name], direction=direction)
    checkpoint = random_checkpoint(Model(inputs=3, layers=(layer,)))
    net = backend.load(checkpoint)
    path = net.paths()["r"]
    assert path == f"Scan: ONNX has no {name}" if name in SCAN else path.startswith("native ")
    x = RNG.standard_normal((3, 6, 3))
    for steps in STEPS:
        check(checkpoint, net, x, **steps)
    if direction == "forward":
        np.testing.assert_allclose(net.step(x[:, 0])[0], Net(checkpoint, "float64").step(x[:, 0])[0], atol=1e-5)


@pytest.mark.parametrize("cell", [LSTM(units=3), SCAN["Zoneout"]])
@pytest.mark.parametrize("merge", ["concat", "ave", "mul", "none"])
@pytest.mark.parametrize(
    "options",
    [
        {"padded_output": "hold"},
        {"padded_output": "hold", "reverse_output": True, "learned_state": True},
        {"return_sequences": False, "learned_state": True},
    ],
)
def test_what_a_layer_does_around_its_cell(cell, merge, options):
    layer = Recurrent(name="r", cell=cell, direction="bidirectional", merge=merge, **options)
    checkpoint = random_checkpoint(Model(inputs=3, layers=(layer,)))
    net = backend.load(checkpoint)
    for steps in STEPS:
        check(checkpoint, net, RNG.standard_normal((3, 6, 3)), **steps)
    check(checkpoint, net, np.zeros((2, 0, 3)))


MIXED = Model(
    layers=(
        Embedding(name="e", vocabulary=6, units=4),
        Recurrent(name="s", cell=Stack(cells=(GRU(units=4, reset_after=False), Residual(cell=SCAN["Zoneout"])))),
        Recurrent(
            name="l", cell=SCAN["layer norm in LSTM"], backward_cell=LSTM(units=3), direction="bidirectional",
            learned_state=True, merge="none",
        ),
    )
)  # fmt: skip


@pytest.mark.parametrize("opset", [14, 16, 17, 18, 22])
def test_a_mixed_model_at_every_opset(tmp_path, opset):
    checkpoint = random_checkpoint(MIXED)
    ids = RNG.integers(0, 6, (3, 6))
    for options in ({}, {"mask": True}, {"reset": True, "time_major": True}, {"mask": True, "reset": True}):
        export_onnx(checkpoint, tmp_path / "model.onnx", opset=opset, **options)
        check(checkpoint, backend.load(tmp_path / "model.onnx"), ids)
    kinds = {node.op_type for node in build(checkpoint, opset=opset).graph.node}
    assert {"Scan", "GRU", "LSTM"} <= kinds
    outputs = [node.name for node in onnx.load(tmp_path / "model.onnx").graph.output]
    assert outputs[:2] == ["y.forward", "y.backward"]
    assert paths(build(checkpoint)) == {
        "s": "cells.0: native GRU; cells.1: Scan: ONNX has no Zoneout",
        "l": "forward: Scan: ONNX has no layer norm in LSTM; backward: native LSTM",
    }


def test_every_cell_has_a_step_without_a_loop(tmp_path):
    cells = tuple(cell for cell in (NATIVE | SCAN).values())
    checkpoint = random_checkpoint(Model(inputs=3, layers=(Recurrent(name="r", cell=Stack(cells=cells)),)))
    for opset in (14, 17):
        export_onnx(checkpoint, tmp_path / "step.onnx", step=True, opset=opset)
        kinds = {node.op_type for node in onnx.load(tmp_path / "step.onnx").graph.node}
        assert not kinds & {"Scan", "Loop", "If", "LSTM", "GRU", "RNN"}


def test_the_command_says_which_way_each_layer_went(tmp_path):
    random_checkpoint(MIXED).save(tmp_path / "m.safetensors")
    arguments = ["export", str(tmp_path / "m.safetensors"), "-o", str(tmp_path / "m.onnx"), "--mask", "--reset"]
    result = CliRunner().invoke(command, arguments, catch_exceptions=False)
    assert result.exit_code == 0, result.output
    assert "s: cells.0: Scan: ONNX has no resets inside sequences" in result.output
    assert {"mask", "reset"} <= {node.name for node in onnx.load(tmp_path / "m.onnx").graph.input}
