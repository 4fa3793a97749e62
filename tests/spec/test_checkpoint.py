"""The file (FILE, INIT)."""

import json

import numpy as np
import pytest
import safetensors.numpy

from rnnspec import GRU, LSTM, Checkpoint, Dense, Embedding, Model, Recurrent, SpecError, load


def test_save_and_load(checkpoint, tmp_path):
    path = tmp_path / "model.safetensors"
    saved = Checkpoint(checkpoint.model, checkpoint.weights, {"vocabulary": "abc\n€", "loss": 1.5})
    saved.save(path)
    loaded = load(path)
    assert loaded.model == saved.model
    assert loaded.metadata == saved.metadata
    assert loaded.weights.keys() == saved.weights.keys()
    for name, array in saved.weights.items():
        np.testing.assert_array_equal(loaded.weights[name], array, strict=True)
        assert loaded.weights[name].flags.writeable


def test_the_same_content_gives_the_same_bytes(checkpoint):
    shuffled = dict(reversed(checkpoint.weights.items()))
    one = Checkpoint(checkpoint.model, checkpoint.weights, {"a": 1, "b": 2})
    two = Checkpoint(checkpoint.model, shuffled, {"b": 2, "a": 1})
    assert one.to_bytes() == two.to_bytes()


def test_saving_is_atomic(checkpoint, tmp_path):
    path = tmp_path / "model.safetensors"
    path.write_bytes(b"before")
    with pytest.raises(SpecError, match=r"metadata\.a: expected what JSON holds, found set"):
        Checkpoint(checkpoint.model, checkpoint.weights, {"a": {1}}).save(path)
    assert path.read_bytes() == b"before"
    checkpoint.save(path)
    assert [file.name for file in tmp_path.iterdir()] == ["model.safetensors"]


def test_a_failed_rename_leaves_nothing(checkpoint, tmp_path):
    (tmp_path / "folder").mkdir()
    with pytest.raises(OSError, match="folder"):
        checkpoint.save(tmp_path / "folder")
    assert [file.name for file in tmp_path.iterdir()] == ["folder"]


def test_tensors_are_held_to_the_architecture(checkpoint):
    weights = checkpoint.weights

    def refuse(changed, message):
        with pytest.raises(SpecError, match=message):
            Checkpoint(checkpoint.model, changed)

    refuse({k: v for k, v in weights.items() if k != "gru.bias"}, "tensor 'gru.bias' is missing; expected shape")
    refuse(weights | {"gru.gamma": np.ones(3, "f4")}, "tensor 'gru.gamma' is not part of the architecture")
    refuse(weights | {"gru.bias": np.ones((4, 3), "f4")}, r"expected shape \(3, 4\), found \(4, 3\)")
    refuse(weights | {"gru.bias": np.ones((3, 4), "f8")}, "'gru.bias'|float32, float64")
    refuse({k: v.astype("f2") for k, v in weights.items()}, "found float16")
    for wrong in (np.nan, np.inf):
        bad = weights["gru.bias"].copy()
        bad[1, 2] = wrong
        refuse(weights | {"gru.bias": bad}, "tensor 'gru.bias' holds NaN or infinity")
        assert Checkpoint(checkpoint.model, weights | {"gru.bias": bad}, allow_nonfinite=True)


def test_nonfinite_weights_load_only_when_allowed(checkpoint, tmp_path):
    path = tmp_path / "model.safetensors"
    bad = checkpoint.weights["gru.bias"] * np.nan
    Checkpoint(checkpoint.model, checkpoint.weights | {"gru.bias": bad}, allow_nonfinite=True).save(path)
    with pytest.raises(SpecError, match=r"model\.safetensors: tensor 'gru.bias' holds NaN"):
        load(path)
    assert np.isnan(load(path, allow_nonfinite=True).weights["gru.bias"]).all()


def test_foreign_files_are_named(checkpoint, tmp_path):
    good = checkpoint.to_bytes()
    header = {"rnnspec": json.dumps({"version": 99, "model": {}})}
    cases = {
        "not a safetensors file": b"hello",
        "a zip archive": b"PK\x03\x04" + bytes(100),
        "a pickle, which is never loaded": b"\x80\x04\x95" + bytes(100),
        "an HDF5 file": b"\x89HDF\r\n\x1a\n" + bytes(100),
        "truncated or damaged": good[: len(good) - 7],
        "without an rnnspec architecture": safetensors.numpy.save({"a": np.ones(2)}),
        "written for spec version 99, this is 2": safetensors.numpy.save({"a": np.ones(2)}, header),
        "found F16": safetensors.numpy.save(
            {k: v.astype("f2") for k, v in checkpoint.weights.items()},
            {"rnnspec": json.dumps({"version": 1, "model": checkpoint.model.to_builtins()})},
        ),
    }
    for message, data in cases.items():
        path = tmp_path / "file.bin"
        path.write_bytes(data)
        with pytest.raises(SpecError, match=message) as caught:
            load(path)
        assert str(caught.value).startswith(str(path))
        assert "\n" not in str(caught.value)


@pytest.mark.parametrize("cut", [0, 1, 8, 9, 200, -1])
def test_no_truncation_goes_unnoticed(checkpoint, tmp_path, cut):
    path = tmp_path / "model.safetensors"
    path.write_bytes(checkpoint.to_bytes()[:cut])
    with pytest.raises(SpecError, match=r"model\.safetensors: "):
        load(path)


def test_initialize():
    model = Model(
        layers=(
            Embedding(name="e", vocabulary=7, units=3),
            Recurrent(name="r", cell=LSTM(units=4), direction="bidirectional"),
            Recurrent(name="g", cell=GRU(units=5, reset_after=True)),
            Dense(name="d", units=2),
        )
    )
    first, again, other = (Checkpoint.initialize(model, seed) for seed in (3, 3, 4))
    assert first.to_bytes() == again.to_bytes()
    for name, array in first.weights.items():
        if name.endswith(("kernel", "embeddings")):
            assert not np.array_equal(array, other.weights[name])
    assert not np.array_equal(first.weights["r.forward.kernel"], first.weights["r.backward.kernel"])
    np.testing.assert_array_equal(first.weights["r.forward.bias"], np.repeat([[0], [1], [0], [0]], 4, 1))
    np.testing.assert_array_equal(first.weights["g.bias"], np.zeros((3, 5)))
    recurrent = first.weights["r.backward.recurrent_kernel"].reshape(16, 4)
    np.testing.assert_allclose(recurrent.T @ recurrent, np.eye(4), atol=1e-6)
    limit = np.sqrt(6 / (3 + 16))
    kernel = first.weights["r.forward.kernel"]
    assert np.abs(kernel).max() <= limit
    assert np.abs(kernel).max() > 0.8 * limit


def test_a_tensor_does_not_depend_on_the_rest_of_the_model():
    one = Model(inputs=3, layers=(Recurrent(name="r", cell=LSTM(units=4)),))
    two = Model(inputs=3, layers=(Recurrent(name="r", cell=LSTM(units=4)), Dense(name="d", units=2)))
    a, b = (Checkpoint.initialize(model, 0).weights["r.kernel"] for model in (one, two))
    np.testing.assert_array_equal(a, b)


def test_torch_starting_values():
    """U(±1/√units) for a cell, biases too, U(±1/√inputs) for a dense layer, N(0, 1) for embeddings (INIT-3)."""
    model = Model(
        layers=(
            Embedding(name="e", vocabulary=300, units=50),
            Recurrent(name="r", cell=LSTM(units=64, projection=16), learned_state=True),
            Dense(name="d", units=400),
        )
    )
    weights = Checkpoint.initialize(model, 0, scheme="torch").weights
    bounds = {f"r.{name}": 1 / 8 for name in ("kernel", "recurrent_kernel", "bias", "projection")}
    for name, bound in (bounds | {"d.kernel": 1 / 4, "d.bias": 1 / 4}).items():
        largest = np.abs(weights[name]).max()
        assert 0.95 * bound < largest <= bound, name
        assert abs(weights[name].mean()) < 0.1 * bound, name
    assert abs(weights["e.embeddings"].std() - 1) < 0.05
    assert (weights["r.initial.c"] == 0).all()
    with pytest.raises(SpecError, match="scheme: expected 'keras' or 'torch', found 'jax'"):
        Checkpoint.initialize(model, 0, scheme="jax")


def test_layer_norms_start_at_one_and_the_forget_bias_moves_to_their_beta():
    model = Model(inputs=3, layers=(Recurrent(name="r", cell=LSTM.preset("tf1", 4)),))
    weights = Checkpoint.initialize(model, 0).weights
    assert (weights["r.gates_gamma"] == 1).all()
    assert (weights["r.gates_beta"] == np.array([[0], [1], [0], [0]])).all()
