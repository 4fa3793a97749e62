"""The network as a SavedModel."""

import subprocess
import sys

import numpy as np
import pytest
import tensorflow as tf

import rnnspec.backends.tensorflow as backend
from rnnspec import (
    RNN,
    Embedding,
    Model,
    Recurrent,
    SpecError,
    UnsupportedError,
)
from rnnspec.reference import Net as Reference

from .cases import INPUTS, assert_same, draw, random_checkpoint, random_state

READER = """
import sys
import numpy as np
import tensorflow as tf

loaded = tf.saved_model.load(sys.argv[1])
given = dict(np.load(sys.argv[2]))
found = {}
for i in "01":
    x, lengths = given["x" + i], given["lengths" + i]
    state = {name[:-1]: value for name, value in given.items() if "." in name and name.endswith(i)}
    results = {"serve": loaded.serve(x), "sequence": loaded.sequence(x, lengths, state)}
    results["step"] = loaded.step(x[:, 0], state)
    found |= {f"{way} {name}{i}": value for way, result in results.items() for name, value in result.items()}
for wrong in (lengths + 99, lengths - 99):
    try:
        loaded.sequence(x, wrong, state)
        sys.exit("a wrong length passed")
    except tf.errors.InvalidArgumentError:
        pass
assert set(loaded.signatures) == {"serving_default", "sequence", "step"}
assert "rnnspec" not in sys.modules
np.savez(sys.argv[3], **found)
"""


def test_saved_model(classifier, tmp_path):
    backend.load(classifier).export(tmp_path / "saved")
    reference = Reference(classifier, "float64")
    given, expected = {}, {}
    for i, (batch, time) in enumerate([(2, 3), (5, 7)]):
        x, lengths = draw(batch, time, INPUTS).astype("float32"), np.arange(batch, dtype="int32") % (time + 1)
        state = {name: value.astype("float32") for name, value in random_state(classifier.model, batch).items()}
        given |= {f"x{i}": x, f"lengths{i}": lengths} | {f"{name}{i}": value for name, value in state.items()}
        for way, (y, new) in {
            "serve": reference(x),
            "sequence": reference(x, lengths=lengths, state=state),
            "step": reference.step(x[:, 0], state),
        }.items():
            expected |= {f"{way} {name}{i}": value for name, value in {"y": y, **new}.items()}
    np.savez(tmp_path / "in.npz", **given)
    command = [sys.executable, "-c", READER, tmp_path / "saved", tmp_path / "in.npz", tmp_path / "out.npz"]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr
    found = dict(np.load(tmp_path / "out.npz"))
    assert found.keys() == expected.keys()
    for name, value in expected.items():
        np.testing.assert_allclose(found[name], value, rtol=0, atol=1e-5, err_msg=name)


def test_saved_model_of_ids(tmp_path):
    layers = [
        Embedding(name="e", vocabulary=5, units=3),
        Recurrent(name="r", cell=RNN(units=2), direction="backward"),
    ]
    checkpoint = random_checkpoint(Model(layers=layers))
    net = backend.load(checkpoint, dtype="float64")
    ids = np.array([[0, 4, 2], [1, 1, 3]])
    assert_same(net(ids), Reference(checkpoint, "float64")(ids))
    net.export(tmp_path / "saved")
    loaded = tf.saved_model.load(tmp_path / "saved")
    assert not hasattr(loaded, "step")
    np.testing.assert_array_equal(loaded.serve(ids)["y"], net(ids)[0])
    for wrong in (5, -1):
        with pytest.raises(tf.errors.InvalidArgumentError, match="expected 0 to 4"):
            loaded.serve(np.array([[wrong]]))
        with pytest.raises(SpecError, match=f"found {wrong}, expected 0 to 4"):
            net([[wrong]])
    with pytest.raises(UnsupportedError, match="it has no step"):
        net.step([0])


def test_export_to_another_format_is_refused(net, tmp_path):
    with pytest.raises(UnsupportedError, match="tf_saved_model"):
        net.export(tmp_path / "m.onnx", format="onnx")
