"""Graphs as exported files: what ONNX Runtime alone makes of them, at sizes that the exporter did not try, and behind
the common interface."""

import json
import re

import numpy as np
import onnx
import onnxruntime
import pytest

import rnnspec
import rnnspec.backends.onnxruntime as backend
from rnnspec import Model, SpecError, UnsupportedError, accuracy
from rnnspec.checkpoint import Checkpoint
from rnnspec.convert.onnx import ours
from rnnspec.export import build, export_onnx
from rnnspec.export.inputs import axes, called
from rnnspec.export.session import Session
from rnnspec.export.start import elsewhere
from rnnspec.export.verify import results
from rnnspec.inputs import Arguments
from rnnspec.reference import Net

from .graphs import MODELS, REFUSED, SEQ2SEQ, recurrent

RNG = np.random.default_rng(6)


OPTIONS = [
    {}, {"lengths": False}, {"mask": True, "opset": 14}, {"reset": True}, {"time_major": True, "opset": 18},
    {"step": True}, {"step": True, "mask": True, "time_major": True}, {"step": True, "lengths": False, "opset": 22},
]  # fmt: skip
SIZES = [  # rows, steps of each input
    (3, (5, 7, 4)), (2, (1, 1, 1)), (1, (12, 9, 3)), (0, (3, 2, 4)), (2, (0, 3, 2)), (2, (3, 0, 2)), (2, (0, 0, 0)),
]  # fmt: skip


def random_checkpoint(model):
    weights = {name: (RNG.standard_normal(shape) / 2).astype("float32") for name, shape in model.parameters().items()}
    weights |= {name: np.abs(array) + 0.3 for name, array in weights.items() if name.endswith("variance")}
    return Checkpoint(model, weights)


def feeds_of(session, batch, times):
    """Random inputs and states, whatever the graph takes."""
    model = session.model
    own = [name for name, given in model.given.items() if given.sequence and not given.like]
    feeds = {name: RNG.standard_normal((batch, n)).astype("float32") for name, n in model.states().items()}
    for name, given in model.given.items():
        time = times[own.index(given.like or name)] if given.sequence else 1
        shape = [batch if axis == "batch" else time for axis in axes(model, name, session.step, session.time_major)]
        if given.features is None:
            feeds[name] = RNG.integers(0, Arguments(model).vocabularies.get(name, 2), shape)
        else:
            feeds[name] = RNG.standard_normal((*shape, given.features)).astype("float32")
        steps = {"lengths": RNG.integers(0, time + 1, batch).astype("int32")}
        steps["lengths"][:1] = 0
        steps |= {key: RNG.random((batch, time)) < 0.6 for key in ("mask", "reset")}
        feeds |= {n: v for key, v in steps.items() if (n := called(model, name, key)) in session.takes}
    return feeds


def without_states(session, feeds):
    """As sequences start; what may be left out is."""
    left = {name: array for name, array in feeds.items() if name not in session.model.states()}
    rows = len(next(iter(feeds.values())))
    needed = session.takes & session.model.states().keys()
    return left | {name: np.tile(session.initial[name], (rows, 1)) for name in needed}


@pytest.mark.parametrize("options", OPTIONS, ids=str)
@pytest.mark.parametrize("name", MODELS)
def test_a_plain_session_gives_the_numbers_of_any_call(name, options):
    checkpoint = random_checkpoint(MODELS[name])
    for model, asked, why in REFUSED:
        if model == name and asked <= options.keys():
            with pytest.raises((SpecError, UnsupportedError), match=re.escape(why)):
                build(checkpoint, **options)
            return
    file = build(checkpoint, **options)
    back = ours.read(ours.written(file, "file"), "file")
    assert back.to_bytes() == checkpoint.to_bytes()
    session = Session(file.SerializeToString())
    exact, rough = (Net(checkpoint, dtype, session.time_major) for dtype in ("float64", "float32"))
    for batch, times in SIZES:
        feeds = feeds_of(session, batch, times)
        for given in (feeds, without_states(session, feeds)):
            expected = results(exact, given, session.step)
            allowed = accuracy.allowed_in(session.model, results(rough, given, session.step), expected, max(times))
            worst, error = accuracy.worst(session.run(given), expected)
            assert error <= allowed, (worst, batch, times)


def test_inputs_and_outputs_have_the_names_of_the_model():
    graph = build(random_checkpoint(SEQ2SEQ)).graph
    shapes = {
        value.name: [axis.dim_param or axis.dim_value for axis in value.type.tensor_type.shape.dim]
        for value in (*graph.input, *graph.output)
    }
    states = {f"encoder.{way}.{s}": [f"encoder.{way}.{s}.rows", 3] for way in ("forward", "backward") for s in "hc"}
    states |= {f"decoder.{s}": [f"decoder.{s}.rows", 6] for s in "hc"}
    assert shapes == {
        "source": ["batch", "source.time"], "source.lengths": ["batch"],
        "target": ["batch", "target.time", 3], "target.lengths": ["batch"], "speaker": ["batch", 2],
        "logits": ["batch", "target.time", 4], "encoder": ["batch", "source.time", 6],
        **states, **{f"{name}.out": ["batch", size] for name, (_, size) in states.items()},
    }  # fmt: skip


def test_native_nodes():
    """Convolutions are `Conv` with every attribute; nothing else loops."""
    graph = build(random_checkpoint(MODELS["windows-valid"])).graph
    front = next(node for node in graph.node if node.op_type == "Conv")
    attributes = {a.name: onnx.helper.get_attribute_value(a) for a in front.attribute}
    expected = {"dilations": [2], "group": 3, "kernel_shape": [3], "pads": [0, 0], "strides": [3]}
    assert attributes == expected | {"auto_pad": b"NOTSET"}
    loops = [node.op_type for node in graph.node if node.op_type in ("Scan", "Loop", "If", "LSTM", "GRU", "RNN")]
    assert loops == ["LSTM", "Scan", "GRU"]


def test_a_state_that_starts_elsewhere_may_be_given():
    """For each row, or one for all; else it starts from that place."""
    checkpoint = random_checkpoint(SEQ2SEQ)
    session = Session(build(checkpoint).SerializeToString())
    assert session.optional == set(SEQ2SEQ.states())
    assert elsewhere(SEQ2SEQ) == ["decoder.h", "decoder.c"]
    feeds = feeds_of(session, 3, (4, 5))
    one = feeds | {"decoder.h": feeds["decoder.h"][:1]}
    alike = feeds | {"decoder.h": feeds["decoder.h"][:1].repeat(3, 0)}
    assert accuracy.worst(session.run(one), results(Net(checkpoint, "float64"), alike, False))[1] < 1e-5
    with pytest.raises(onnxruntime.capi.onnxruntime_pybind11_state.InvalidArgument):
        session.run(feeds | {"decoder.h": feeds["decoder.h"][:2]})


@pytest.mark.parametrize("time_major", [False, True])
@pytest.mark.parametrize("kind", ["lengths", "mask"])
def test_decoding_step_by_step_is_the_whole_run(kind, time_major, tmp_path):
    checkpoint = random_checkpoint(SEQ2SEQ)
    session = Session(build(checkpoint, time_major=time_major).SerializeToString())
    feeds = feeds_of(session, 3, (4, 5))
    x = {name: feeds[name] for name in SEQ2SEQ.given}
    mask = np.array([[True, False, True, True], [False] * 4, [True] * 4])
    counts = {"lengths": {"source": [2, 0, 4]}} if kind == "lengths" else {"mask": {"source": mask}}
    export_onnx(checkpoint, tmp_path / "step.onnx", step=True, mask=kind == "mask", time_major=not time_major)
    file = backend.load(tmp_path / "step.onnx", time_major=time_major)
    for net in (backend.load(checkpoint, time_major=time_major), file):
        reference = Net(checkpoint, time_major=time_major)
        y, final = reference(x, **counts)
        state = None
        for t in range(5):
            x_t = x | {"target": x["target"][t] if time_major else x["target"][:, t]}
            y_t, new = net.step(x_t, state, **counts)
            whole = {"logits": y["logits"][t] if time_major else y["logits"][:, t], "encoder": y["encoder"]}
            assert accuracy.worst(y_t, whole)[1] < 1e-5
            again, same = reference.step(x_t, state, **counts)
            assert accuracy.worst({**y_t, **new}, {**again, **same})[1] < 1e-5
            state = new
        assert accuracy.error(state["decoder.h"], final["decoder.h"]) < 1e-5


def test_a_loaded_file_gives_what_it_was_exported_with(tmp_path):
    checkpoint = random_checkpoint(SEQ2SEQ)
    assert export_onnx(checkpoint, tmp_path / "model.onnx", time_major=True) < 1e-5
    net = backend.load(tmp_path / "model.onnx")
    x = {"source": RNG.integers(0, 7, (2, 4)), "target": RNG.standard_normal((2, 3, 3)), "speaker": np.ones((2, 2))}
    y, state = net(x, lengths={"source": [0, 3]})
    expected, final = Net(checkpoint)(x, lengths={"source": [0, 3]})
    assert accuracy.worst({**y, **state}, {**expected, **final})[1] < 1e-5
    holes = {"target": np.array([[True, False, True], [False, True, True]])}
    with pytest.raises(UnsupportedError, match=r"target\.mask: with holes"):
        net(x, mask=holes)
    with pytest.raises(UnsupportedError, match="layer 'words' runs whole at every step"):
        net.step(x | {"target": x["target"][:, 0]})


def test_the_command_line_writes_it_and_reads_it_back(tmp_path, call):
    checkpoint = random_checkpoint(SEQ2SEQ)
    checkpoint.save(tmp_path / "model.safetensors")
    code, out, _ = call("export", tmp_path / "model.safetensors", "-o", tmp_path / "model.onnx")
    assert not code
    assert "may be left out, and then start from another place: decoder.h, decoder.c" in out
    assert "encoder: native LSTM" in out
    assert not call("convert", tmp_path / "model.onnx", "-o", tmp_path / "back")[0]
    assert rnnspec.load(tmp_path / "back").to_bytes() == checkpoint.to_bytes()


def test_a_header_of_version_2(tmp_path):
    file = build(random_checkpoint(SEQ2SEQ))
    header = json.loads(file.metadata_props[0].value)
    assert header["version"] == 2
    file.metadata_props[0].value = json.dumps(header | {"version": 1})
    with pytest.raises(SpecError, match="version 1"):
        Session(file.SerializeToString())


@pytest.mark.parametrize(
    ("layers", "outputs", "inputs", "says"),
    [
        ([recurrent("r")], None, {"y": 3}, "input 'y'"),
        ([recurrent("r")], None, {"no": 3}, "input 'no'"),
        ([recurrent("lengths")], ["lengths"], 3, "output 'lengths'"),
    ],
    ids=["output", "constant", "lengths"],
)
def test_one_name_for_two_things_is_refused(layers, outputs, inputs, says):
    checkpoint = random_checkpoint(Model(inputs=inputs, layers=layers, outputs=outputs))
    with pytest.raises(UnsupportedError, match=says):
        build(checkpoint)
