"""Checkpoints of objects, as `tf.train.Checkpoint(model=…, step=…)` writes them: the model, by a configuration."""

import numpy as np
import pytest

from rnnspec import SpecError
from rnnspec.convert import assemble
from rnnspec.convert.formats.tensorflow.checkpoint import read_checkpoint
from rnnspec.convert.keras.objects import is_of_objects, read
from rnnspec.convert.request import Request
from rnnspec.convert.settings import Settings

from ..golden.case import DATA

CASE = DATA / "keras2_tf215" / "lstm_timedistributed"
ENDING = "/.ATTRIBUTES/VARIABLE_VALUE"


def saved(prefix="", shift=0.0):
    """The variables of the golden case, as if the model had been given to the checkpoint by a name."""
    arrays = {name: array for name, array in read_checkpoint(CASE / "tf_weights").items() if name.endswith(ENDING)}
    return {prefix + name: array + np.float32(shift) for name, array in arrays.items()}


def converted(arrays, part=None):
    assert is_of_objects(arrays)
    request = Request(Settings({"keras_version": "2.15"}), config=CASE / "model.keras", part=part)
    return assemble(read(arrays, CASE / "ckpt", request), request, "tf1", "ckpt")


BESIDE = {
    "step": np.int64(3),
    "epoch": np.float32(2.5),
    "save_counter": np.int64(1),
    "seen": np.arange(3),
    "optimizer/iter": np.int64(3),
    "model/optimizer/learning_rate": np.float32(1e-3),
    "model/keras_api/metrics/0/total": np.float32(0),
    "model/layer_with_weights-0/cell/kernel/.OPTIMIZER_SLOT/optimizer/m": np.zeros((5, 24), np.float32),
}


def test_what_is_beside_the_model_is_left_out_with_a_reason():
    expected = converted(saved())
    found = converted(saved("model/") | {name + ENDING: array for name, array in BESIDE.items()})
    assert found.model == expected.model
    for name, array in expected.weights.items():
        np.testing.assert_array_equal(found.weights[name], array)
    assert set(found.metadata["conversion"]["ignored"]) == set(BESIDE)
    with pytest.raises(SpecError, match=r"no layer uses more \(3, 2\)"):
        converted(saved("model/") | {"more" + ENDING: np.zeros((3, 2), np.float32)})


def test_one_of_several_models():
    arrays = saved("actor/") | saved("critic/", shift=1)
    with pytest.raises(SpecError, match="several models; --part takes one of actor, critic"):
        converted(arrays)
    found, expected = converted(arrays, part="critic"), converted(saved(shift=1))
    for name, array in expected.weights.items():
        np.testing.assert_array_equal(found.weights[name], array)
    assert set(found.metadata["conversion"]["ignored"].values()) == {"not in critic"}


def test_the_names_of_keras_3():
    places = {"layer_with_weights-": "net/_functional/_operations/", "layer/kernel": "layer/_kernel"}
    arrays = saved()
    for theirs, newer in places.items():
        arrays = {name.replace(theirs, newer): array for name, array in arrays.items()}
    assert any("/_kernel" in name for name in arrays)
    found, expected = converted(arrays), converted(saved())
    for name, array in expected.weights.items():
        np.testing.assert_array_equal(found.weights[name], array)
