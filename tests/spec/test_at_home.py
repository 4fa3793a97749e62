"""What people who come from elsewhere write, and what they are told."""

import subprocess
import sys

import numpy as np
import pytest

from rnnspec import GRU, LSTM, Checkpoint, Dense, Dropout, Model, Recurrent
from rnnspec.backends.numpy import load
from rnnspec.errors import SpecError

MODEL = Model(
    inputs=3,
    layers=[Recurrent(name="rnn", cell=LSTM(units=4)), Dropout(name="drop", rate=0.1), Dense(name="out", units=2)],
)


class Tensor:
    """As torch's."""


@pytest.mark.parametrize(
    ("call", "says"),
    [
        (lambda: LSTM(128), r"^LSTM\(128\): give each value its name: units=128$"),
        (lambda: LSTM(hidden_size=8), "^LSTM: unknown argument 'hidden_size'; here it is units$"),
        (lambda: LSTM(unit=8), "^LSTM: unknown argument 'unit'; did you mean 'units'[?]$"),
        (lambda: LSTM(units=8, num_layers=2), "several Recurrent layers, or Stack"),
        (lambda: Dense(name="d", units=3, kernel_size=1), "unknown argument 'kernel_size'"),
        (lambda: GRU(units=4), "^GRU: 'reset_after' is missing; add reset_after=…$"),
        (lambda: load(MODEL), "a Model has no weights; give Checkpoint.initialize"),
        (lambda: load(3), "found int"),
        (
            lambda: Checkpoint(MODEL, {"rnn.kernel": Tensor()}),
            "'rnn.kernel': expected a NumPy array, found .*Tensor; give its .numpy",
        ),
        (
            lambda: Checkpoint.initialize(MODEL, 0, metadata={"a": [np.float32(1)]}).to_bytes(),
            r"metadata.a\[0\]: .* found float32; give its .item",
        ),
        (
            lambda: Checkpoint.initialize(MODEL, 0, metadata={"a": {"b": np.ones(2)}}).to_bytes(),
            r"metadata.a.b: .* found ndarray; give its .tolist",
        ),
        (
            lambda: Checkpoint.initialize(MODEL, 0, metadata={"a": float("nan")}).to_bytes(),
            "metadata.a: expected a finite number",
        ),
        (
            lambda: Checkpoint.initialize(MODEL, 0, metadata={1: 2}).to_bytes(),
            "metadata: expected names as keys, found 1",
        ),
    ],
)
def test_the_fix_is_named(call, says):
    with pytest.raises(SpecError, match=says):
        call()


def test_numbers_of_numpy_are_numbers():
    assert LSTM(units=np.int64(8)) == LSTM(units=8)
    assert Dropout(name="d", rate=np.float32(0.5)) == Dropout(name="d", rate=0.5)
    assert type(LSTM(units=np.int64(8)).units) is int
    with pytest.raises(SpecError, match="units"):
        LSTM(units=np.float64(8.5))


def test_a_checkpoint_is_shown_in_a_line():
    checkpoint = Checkpoint.initialize(MODEL, 0)
    assert repr(checkpoint) == "<Checkpoint of 138 parameters, float32: rnn: LSTM(4), drop: Dropout, out: Dense(2)>"
    assert "<td>Recurrent(name=&#x27;rnn&#x27;, cell=LSTM(units=4))</td>" in checkpoint._repr_html_()
    assert eval(repr(MODEL.layers[0])) == MODEL.layers[0]


def _command(*arguments, **environment):
    return subprocess.run(
        [sys.executable, "-m", "rnnspec", *arguments], capture_output=True, check=False, env=environment
    )


def test_the_module_is_the_command_and_alone_it_says_what_there_is():
    assert _command("--version").stdout.startswith(b"rnnspec, version ")
    assert _command().stdout == _command("--help").stdout
    assert _command().stdout.count(b"\n") > 10


def test_terminals_without_unicode_get_what_they_have(tmp_path):
    Checkpoint.initialize(MODEL, 0).save(tmp_path / "m.safetensors")
    shown = _command("info", str(tmp_path / "m.safetensors"), PYTHONIOENCODING="ascii", COLUMNS="120")
    assert shown.returncode == 0
    assert b"| 4x3 " in shown.stdout
    assert shown.stderr == b""
