"""What a file can cost, and what SECURITY.md says about it."""

import runpy
import tracemalloc
from pathlib import Path

import numpy as np
import pytest

import rnnspec
from rnnspec import LSTM, Checkpoint, Dense, Model, Recurrent, Residual, SpecError, Stack, limits
from rnnspec.archives import open_zip
from rnnspec.config import Config
from rnnspec.shown import one_line, printable, quoted, shown
from tests.files import FOLDER
from tests.files.arrays import archive

ROOT = Path(__file__).parents[2]


def peak(call, *arguments) -> int:
    """Bytes that are held at once, beyond those before."""
    tracemalloc.start()
    try:
        call(*arguments)
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def test_security_shows_the_limits():
    table = runpy.run_path(str(ROOT / "docs" / "limits.py"))["table"]()
    assert f"python docs/limits.py -->\n```text\n{table}```\n" in (ROOT / "SECURITY.md").read_text(encoding="utf-8")
    assert all(f"  {name} " in table for name in vars(limits) if name.isupper())


def test_loading_takes_the_weights_once(tmp_path):
    model = Model(inputs=1000, layers=(Dense(name="d", units=2000), Dense(name="e", units=300)))
    checkpoint = Checkpoint.initialize(model, 5)
    checkpoint.save(path := tmp_path / "model.safetensors")
    rnnspec.load(path)  # what is imported on the way
    assert peak(rnnspec.load, path) < 1.05 * path.stat().st_size
    found = rnnspec.load(path)
    for name, array in checkpoint.weights.items():
        np.testing.assert_array_equal(found.weights[name], array)
        assert found.weights[name].flags.writeable


@pytest.mark.parametrize("path", sorted((FOLDER / "invalid").rglob("*.safetensors")), ids=lambda path: path.stem)
def test_a_small_file_takes_little_memory(path):
    def load() -> None:
        with pytest.raises(SpecError):
            rnnspec.load(path)

    assert peak(load) < 2**22


class Counted(LSTM, tag="counted", frozen=True, kw_only=True):
    def parameters(self, inputs):
        Counts.parameters += 1
        return super().parameters(inputs)


class Counts:
    parameters = 0


def test_each_layer_costs_the_same():
    counts = []
    for count in (50, 500):
        Counts.parameters = 0
        layers = tuple(Recurrent(name=f"r{k}", cell=Counted(units=2)) for k in range(count))
        checkpoint = Checkpoint.initialize(Model(inputs=2, layers=layers), 0)
        Checkpoint(Model.from_json(checkpoint.model.to_json()), checkpoint.weights)
        counts.append(Counts.parameters / count)
    assert counts[0] == counts[1]
    assert counts[1] <= 5


@pytest.mark.parametrize("depth", [limits.CONFIG_DEPTH, 10_000])
def test_deep_configurations_are_refused(depth):
    for wrap in (lambda cell: Residual(cell=cell), lambda cell: Stack(cells=(cell,))):
        cell: Config = LSTM(units=3)
        for _ in range(depth):
            cell = wrap(cell)
        with pytest.raises(SpecError, match="nested more than 100 deep"):
            Model(inputs=3, layers=(Recurrent(name="r", cell=cell),))


def test_a_deep_configuration_runs(tmp_path):
    cell: Config = LSTM(units=3)
    for _ in range(limits.CONFIG_DEPTH - 5):
        cell = Residual(cell=cell)
    Checkpoint.initialize(Model(inputs=3, layers=(Recurrent(name="r", cell=cell),)), 1).save(tmp_path / "m")
    from rnnspec.backends import numpy as backend

    net = backend.load(tmp_path / "m")
    x = np.random.default_rng(0).standard_normal((2, 4, 3)).astype("float32")
    y, _ = net(x)
    inner = Model(inputs=3, layers=(Recurrent(name="r", cell=LSTM(units=3)),))
    plain, _ = backend.load(Checkpoint(inner, rnnspec.load(tmp_path / "m").weights))(x)
    np.testing.assert_allclose(y, plain + (limits.CONFIG_DEPTH - 5) * x, rtol=1e-5)


def test_what_does_not_print_is_escaped():
    assert printable("a\x1b[31m\u202e\ud800\u00a0é\n") == "a\\x1b[31m\\u202e\\ud800\\xa0é\\n"
    assert quoted("a\n'") == '"a\\n\'"'
    assert one_line(" a\r\n  b\x85c ") == "a b c"
    assert shown("x" * 120) == "x" * 120
    assert shown("x" * 60 + "y" * 60 + "z" * 61) == "x" * 60 + " … (61 characters) … " + "z" * 60
    for error in (SpecError, rnnspec.UnsupportedError):
        text = str(error("place " + "n" * 10**6 + "\x1b\n fix"))
        assert text.isprintable()
        assert text.startswith("place ")
        assert text.endswith(" fix")
        assert len(text) < limits.MESSAGE + 50


@pytest.mark.parametrize("number", [float("nan"), float("inf"), -float("inf")])
def test_numbers_of_a_configuration_are_finite(number):
    dense = Dense(name="d", units=1)
    for make in (
        lambda: Model(inputs=3, layers=(dense,), padding=number),
        lambda: LSTM(units=3, clip_cell=number),
        lambda: rnnspec.LayerNorm(gates="joint", over="all", epsilon=number),
        lambda: rnnspec.Dropout(name="o", rate=number),
        lambda: rnnspec.Affine(alpha=1.0, beta=number),
        lambda: rnnspec.Zoneout(cell=LSTM(units=3), c=number),
    ):
        with pytest.raises(SpecError, match=r"finite number|expected `float`"):
            make()


def test_two_members_of_one_name(tmp_path):
    (path := tmp_path / "a.zip").write_bytes(archive([("a", b"1"), ("a", b"2")]))
    with pytest.raises(SpecError, match=r"a\.zip: a: twice in the archive"):
        open_zip(path)
