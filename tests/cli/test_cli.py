"""The command: what it prints, what it writes, and one line for every mistake (exit code 2)."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from rnnspec import Checkpoint, Embedding, Model, Recurrent, cells
from rnnspec.reference import Net
from tests.conftest import random_checkpoint


@pytest.fixture
def model(checkpoint, tmp_path):
    path = tmp_path / "model.safetensors"
    Checkpoint(checkpoint.model, checkpoint.weights, {"note": "[hello]"}).save(path)
    return path


def test_info(call, model):
    code, out, _ = call("info", model)
    assert code == 0
    for word in ("gru(units=4", "lstm.recurrent_", "forget", "update", "lstm.c (5)", "[hello]"):
        assert word in out


def test_info_as_json(call, model, checkpoint):
    code, out, _ = call("info", model, "--json")
    report = json.loads(out)
    assert code == 0
    assert report["model"] == checkpoint.model.to_builtins()
    assert report["states"] == {"lstm.h": 5, "lstm.c": 5, "gru.h": 4}
    forget = next(row for row in report["tensors"] if (row["tensor"], row["gate"]) == ("lstm.bias", "forget"))
    assert forget["mean"] == pytest.approx(checkpoint.weights["lstm.bias"][1].mean())


def test_info_of_cells_inside_cells(call, tmp_path):
    cell = cells.Stack(cells=(cells.LSTM(units=3), cells.RNN(units=4)))
    layer = Recurrent(name="r", cell=cell, direction="bidirectional")
    random_checkpoint(Model(inputs=2, layers=(layer,))).save(tmp_path / "m.safetensors")
    rows = json.loads(call("info", tmp_path / "m.safetensors", "--json")[1])["tensors"]
    gates = [row["gate"] for row in rows if row["tensor"] == "r.backward.cells.0.kernel"]
    assert gates == ["input", "forget", "cell", "output"]


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_run(call, model, checkpoint, tmp_path, dtype):
    rng = np.random.default_rng(1)
    given = {"x": rng.standard_normal((3, 6, 3)), "lengths": np.array([6, 0, 4])}
    state = {name: rng.standard_normal((3, size)) for name, size in checkpoint.model.states().items()}
    np.savez(tmp_path / "in.npz", **given, **state)
    code, _, error = call("run", model, "--input", tmp_path / "in.npz", "-o", tmp_path / "out.npz", "--dtype", dtype)
    assert (code, error) == (0, "")
    y, final = Net(checkpoint, dtype)(given["x"], lengths=given["lengths"], state=state)
    with np.load(tmp_path / "out.npz") as written:
        assert set(written) == {"y", *final}
        np.testing.assert_array_equal(written["y"], y, strict=True)
        for name in final:
            np.testing.assert_array_equal(written[name], final[name], strict=True)


def test_verify_the_reference_against_itself(call, model):
    code, out, _ = call("verify", model, "--backend", "numpy")
    assert code == 0
    assert "numpy float32" in out
    assert "numpy float64" in out


WRONG = """
import rnnspec.backends.numpy as backend

def load(checkpoint):
    net = backend.load(checkpoint)
    class Wrong:
        step = net.step
        def __call__(self, x, lengths=None, mask=None, state=None):
            return net(x, state=state)
    return Wrong()
"""


def test_a_wrong_backend_fails(call, model, tmp_path, monkeypatch):
    (tmp_path / "wrong_backend.py").write_text(WRONG)
    monkeypatch.syspath_prepend(tmp_path)
    code, out, _ = call("verify", model, "--backend", "wrong_backend")
    assert code == 1
    assert "FAIL wrong_backend float32: lengths, one row empty" in out
    code, out, _ = call("conformance", "--backend", "wrong_backend", "--json", tmp_path / "report.json")
    assert code == 1
    rows = json.loads((tmp_path / "report.json").read_text())["results"]
    assert {row["outcome"] for row in rows} == {"pass", "fail", "unsupported"}  # it does not train
    full = {row["case"]: row for row in rows if row["case"].endswith("-full")}
    dtype = full.pop("handed-on-lstm-forward-full")
    assert (dtype["outcome"], dtype["detail"]) == ("unsupported", "`load` takes no `dtype`")
    assert all(row["outcome"] == "pass" for row in full.values())


def test_a_backend_that_refuses_everything_does_not_conform(call, tmp_path, monkeypatch):
    code = "import rnnspec\n\n\ndef load(checkpoint):\n    raise rnnspec.UnsupportedError('not today')\n"
    (tmp_path / "refusing_backend.py").write_text(code)
    monkeypatch.syspath_prepend(tmp_path)
    code, _, err = call("conformance", "--backend", "refusing_backend", "-j", "1")
    assert code == 1
    assert "refusing_backend answered no case" in err


def test_help_names_every_command(call):
    _, out, _ = call("--help")
    for command in ("info", "convert", "run", "verify", "diff", "export", "conformance", "demo"):
        assert command in out


def mistakes(model: Path, folder: Path) -> dict[str, tuple[tuple, str]]:
    """Mistake → arguments, and what the one line must say."""
    out = folder / "out.npz"

    def arrays(name, **values):
        np.savez(folder / name, **values)
        return ("run", model, "--input", folder / f"{name}.npz", "-o", out)

    def file(name, data):
        (folder / name).write_bytes(data)
        return ("info", folder / name)

    x = np.ones((2, 5, 3))
    good = model.read_bytes()
    (folder / "text.npz").write_text("hello")
    return {
        "wrong rank": (arrays("a", x=x[0]), "x: expected shape (batch, time, 3), found (5, 3)"),
        "wrong size": (arrays("b", x=x[..., :2]), "the model takes 3 features"),
        "length beyond": (arrays("c", x=x, lengths=[5, 6]), "lengths: row 1 is 6, beyond the 5 steps of x"),
        "negative length": (arrays("d", x=x, lengths=[-1, 5]), "lengths: row 0 is -1, expected 0 to 5"),
        "unknown array": (arrays("e", x=x, length=[1, 5]), "unknown array 'length'; expected some of x, lengths, mask"),
        "no x": (arrays("f", y=x), "no array 'x'; found y"),
        "pickled": (arrays("g", x=np.array([{}])), "save plain arrays only"),
        "not npz": (("run", model, "--input", folder / "text.npz", "-o", out), "text.npz: not an .npz file"),
        "no input": (("run", model, "--input", folder / "none.npz", "-o", out), "none.npz: No such file"),
        "no folder": ((*arrays("h", x=x)[:-1], folder / "none" / "out.npz"), "none: there is no such folder"),
        "no file": (("info", folder / "nothing"), "nothing: No such file or directory"),
        "truncated": (file("i", good[:-5]), "truncated or damaged"),
        "foreign": (file("j", b"hello"), "not a safetensors file"),
        "misspelled": (
            file("k", good.replace(b"reset_after", b"reset_aftre")),
            "unknown key 'reset_aftre'; did you mean",
        ),
        "missing tensor": (file("l", good.replace(b'"gru.bias"', b'"gru.bisa"')), "tensor 'gru.bias' is missing"),
        "backend": (("verify", model, "--backend", "tensorfow"), "backend 'tensorfow': unknown; expected numpy, torch"),
        "module": (("verify", model, "--backend", "json.decoder"), "has no load(checkpoint)"),
        "command": (("inof", model), "No such command 'inof'"),
        "option": (("info", model, "--jsno"), "No such option"),
    }


def test_every_mistake_is_answered_in_one_line(call, model, tmp_path):
    for mistake, (arguments, message) in mistakes(model, tmp_path).items():
        code, out, error = call(*arguments)
        assert (code, out) == (2, ""), mistake
        assert error.startswith("rnnspec: "), mistake
        assert error.count("\n") == 1, mistake
        assert message in error, mistake
        assert not (tmp_path / "out.npz").exists()


def test_a_framework_that_is_not_installed(call, model, monkeypatch):
    monkeypatch.setattr("rnnspec.backends.missing", lambda name: ["torch"] if name == "torch" else [])
    code, _, error = call("verify", model, "--backend", "torch")
    assert code == 2
    assert error == "rnnspec: backend 'torch' needs torch: pip install 'rnnspec[torch]'\n"


def test_the_installed_command_runs():
    done = subprocess.run(
        [Path(sys.executable).with_name("rnnspec"), "--version"], capture_output=True, text=True, check=True
    )
    assert done.stdout.startswith("rnnspec, version ")


def test_ids_beyond_the_vocabulary(call, tmp_path):
    path = tmp_path / "m.safetensors"
    random_checkpoint(Model(layers=(Embedding(name="e", vocabulary=5, units=2),))).save(path)
    np.savez(tmp_path / "in.npz", x=np.array([[0, 7]]))
    code, _, error = call("run", path, "--input", tmp_path / "in.npz", "-o", tmp_path / "out.npz")
    assert (code, error) == (2, f"rnnspec: {tmp_path / 'in.npz'}: ids: found 7, expected 0 to 4\n")


def warnings_of(call, path, model, weights, metadata=None) -> list[str]:
    """The warnings of `rnnspec info --json`, which the table shows too."""
    Checkpoint(model, weights, metadata or {}, allow_nonfinite=True).save(path)
    found = json.loads(call("info", path, "--json")[1])["warnings"]
    shown = call("info", path)[1]
    assert [line.removeprefix("warning: ") for line in shown.splitlines() if line.startswith("warning: ")] == found
    return found


def conversion(format: str) -> dict:
    """The metadata of a conversion."""
    return {"conversion": {"format": format, "source": "m.ckpt", "notes": [], "ignored": {}}}


@pytest.mark.parametrize(
    ("mean", "origin", "words"),
    [
        (0.1, "tf1", "--set forget_bias=1"),
        (0.1, None, "--set forget_bias=1"),
        (1.1, "tf1", None),
        (1.1, None, None),
        (0.1, "torch", None),
        (0.1, "keras", None),
        (2.1, "tf1", "--set forget_bias=0"),
        (2.1, "keras", "--set forget_bias=0"),
    ],
)
def test_info_warns_of_a_forget_bias(call, tmp_path, mean, origin, words):
    model = Model(inputs=3, layers=(Recurrent(name="rnn", cell=cells.LSTM(units=40)),))
    weights = random_checkpoint(model).weights
    weights["rnn.bias"] *= 0.1
    weights["rnn.bias"][1] += mean
    found = warnings_of(call, tmp_path / "m.safetensors", model, weights, conversion(origin) if origin else None)
    assert len(found) == (words is not None)
    if words:
        assert found[0].startswith(f"rnn.bias: the forget gate's mean is {weights['rnn.bias'][1].mean():.2f}, ")
        assert words in found[0]


def test_info_warns_of_dead_gates(call, tmp_path):
    path, model = (
        tmp_path / "m.safetensors",
        Model(inputs=3, layers=(Recurrent(name="rnn", cell=cells.UGRNN(units=4)),)),
    )
    sound = Checkpoint.initialize(model, seed=0).weights
    assert warnings_of(call, path, model, sound) == []
    kernel = sound["rnn.kernel"]
    for name, array, words in (
        ("kernel", kernel[[0, 0]], "rnn.kernel: the gates update and new have the same weights"),
        ("kernel", kernel * [[[1]], [[0]]], "rnn.kernel: all weights of the gate new are 0"),
        ("kernel", np.where(kernel == kernel[0, 0, 0], np.nan, kernel), "rnn.kernel: holds NaN or infinity"),
    ):
        changed = sound | {f"rnn.{name}": array.astype("float32")}
        assert warnings_of(call, path, model, changed) == [words]


def test_info_warns_of_a_recurrent_bias_of_zeros(call, tmp_path):
    path = tmp_path / "m.safetensors"
    model = Model(inputs=3, layers=(Recurrent(name="rnn", cell=cells.GRU(units=4, reset_after=True)),))
    assert warnings_of(call, path, model, Checkpoint.initialize(model, seed=0).weights) == []
    weights = random_checkpoint(model).weights
    assert warnings_of(call, path, model, weights) == []
    weights["rnn.recurrent_bias"][:] = 0
    assert ["recurrent_bias: all 0" in line for line in warnings_of(call, path, model, weights)] == [True]
    assert warnings_of(call, path, model, weights, conversion("flax")) == []


def test_info_shows_what_was_converted(call, model, checkpoint):
    notes = {"notes": ["lstm: two biases are added up"], "ignored": {"global_step": "[counts steps]"}}
    Checkpoint(
        checkpoint.model, checkpoint.weights, {"conversion": {"format": "tf1", "source": "m.ckpt"} | notes}
    ).save(model)
    out = call("info", model)[1]
    for line in (
        "converted from m.ckpt (tf1)",
        "note: lstm: two biases are added up",
        "ignored: global_step: [counts steps]",
    ):
        assert line in out.splitlines()
    Checkpoint(checkpoint.model, checkpoint.weights, {"conversion": "my own word"}).save(model)
    assert "conversion: 'my own word'" in call("info", model)[1]
