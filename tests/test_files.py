"""Every file in `data/files`: the valid are read, the invalid are refused in one line with the file's name, and nothing
is left behind."""

import json
import os
import shutil
import sys
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
import safetensors.numpy

import rnnspec
from rnnspec import SpecError
from rnnspec.archives import arrays
from rnnspec.cli import main
from tests.files import FOLDER, KINDS, files, paths

WORDS = json.loads((FOLDER / "words.json").read_text(encoding="utf-8"))
MODEL = FOLDER / "valid" / "model" / "dense.safetensors"
INPUT = FOLDER / "valid" / "input" / "stored.npz"

# What is done with a file of each kind; TARGET is what must not be there afterwards, SOURCE a state dict.
COMMANDS = {
    "model": (
        "info FILE",
        "info FILE --json",
        f"run FILE --input {INPUT} -o TARGET",
        "verify FILE --backend numpy",
        f"diff FILE {MODEL}",
        f"diff {MODEL} FILE",
        "convert FILE -o TARGET --to torch",
    ),
    "input": (
        f"run {MODEL} --input FILE -o TARGET",
        f"diff {MODEL} {MODEL} --input FILE",
    ),
    "config": ("convert SOURCE -o TARGET --config FILE",),
    "cells": (f"--import FILE info {MODEL}",),
}


def invalid(kind: str) -> list:
    return [
        pytest.param(command, path, id=f"{command.split()[0]}-{path.name}")
        for command in COMMANDS[kind]
        for path in paths("invalid", kind)
    ]


def valid(kind: str) -> list:
    return [pytest.param(path, id=path.name) for path in paths("valid", kind)]


@pytest.fixture
def source(tmp_path):
    rng = np.random.default_rng(1)
    shapes = {
        "rnn.weight_ih_l0": (12, 3),
        "rnn.weight_hh_l0": (12, 4),
        "rnn.bias_ih_l0": (12,),
        "rnn.bias_hh_l0": (12,),
    }
    shapes |= {"fc.weight": (2, 4), "fc.bias": (2,)}
    weights = {name: rng.standard_normal(shape).astype("float32") for name, shape in shapes.items()}
    path = tmp_path / "source.safetensors"
    safetensors.numpy.save_file(weights, path)
    return path


@pytest.fixture
def call(monkeypatch, capsys, tmp_path, source):
    """Run a command; returns exit code, standard output and standard error."""

    def run(command: str, path: str | Path = ""):
        words = {"FILE": str(path), "TARGET": str(tmp_path / "target"), "SOURCE": str(source)}
        monkeypatch.setattr(sys, "argv", ["rnnspec", *(words.get(word, word) for word in command.split())])
        with pytest.raises(SystemExit) as end:
            main()
        return (end.value.code or 0, *capsys.readouterr())

    return run


def assert_refused(answer, path, says: str = "") -> None:
    code, out, error = answer
    assert (code, out) == (2, ""), error
    assert error.startswith("rnnspec: ")
    assert error.endswith("\n")
    assert error[:-1].isprintable(), error
    assert len(error) < 2_100
    assert Path(path).name in error
    assert says in error


@pytest.mark.parametrize(("command", "path"), [case for kind in KINDS for case in invalid(kind)])
def test_invalid(command, path, call, tmp_path, source):
    before = sorted(tmp_path.rglob("*"))
    assert_refused(call(command, path), path, WORDS[f"{path.parent.name}/{path.name}"])
    assert sorted(tmp_path.rglob("*")) == before


@pytest.mark.parametrize("path", valid("model"))
def test_valid_models(path, call):
    for command in ("info FILE", "info FILE --json"):
        code, out, error = call(command, path)
        assert (code, error) == (0, "")
        assert out.replace("\n", "").isprintable()
    checkpoint = rnnspec.load(path)
    saved = Path(path).read_bytes()
    if path.stem not in ("no-metadata", "free-metadata", "own-notes"):  # which were not written by us
        assert checkpoint.to_bytes() == saved


@pytest.mark.parametrize("path", valid("input"))
def test_valid_inputs(path, call, tmp_path):
    code, _, error = call(f"run {MODEL} --input FILE -o TARGET", path)
    assert (code, error) == (0, "")
    with np.load(path) as expected:
        found = arrays(path)
        assert list(found) == list(expected)
        for name, array in expected.items():
            np.testing.assert_array_equal(found[name], array)
            assert found[name].dtype == array.dtype
    assert arrays(tmp_path / "target")["y"].shape == (*found["x"].shape[:2], 2)


@pytest.mark.parametrize("path", valid("config"))
def test_valid_configs(path, call):
    code, _, error = call("convert SOURCE -o TARGET --config FILE", path)
    assert (code, error) == (0, "")


@pytest.mark.parametrize("path", valid("cells"))
def test_valid_cells(path, call):
    assert call(f"--import FILE info {MODEL}", path)[0] == 0


@pytest.mark.parametrize("kind", KINDS)
def test_the_recipe_gives_these_files(kind):
    recipe = {("invalid" if file.says else "valid", file.name): file for file in files(kind)}
    assert len(recipe) == len(files(kind))
    for folder in ("valid", "invalid"):
        found = [path.name for path in paths(folder, kind)]
        assert found == sorted(name for where, name in recipe if where == folder)
    assert {f"{kind}/{name}": file.says for (_, name), file in recipe.items() if file.says} == {
        name: says for name, says in WORDS.items() if name.startswith(f"{kind}/")
    }


@pytest.mark.parametrize(("kind", "command"), [(kind, command) for kind in KINDS for command in COMMANDS[kind]])
def test_what_is_no_file(kind, command, call, tmp_path):
    """Nothing is read from it: a device may never end, a pipe may never begin."""
    pipe, folder, device = tmp_path / "pipe.py", tmp_path / "folder.py", Path("/dev/zero")
    os.mkfifo(pipe)
    folder.mkdir()
    for path in (pipe, folder, tmp_path / "nowhere.py", *([] if kind == "cells" else [device])):
        assert_refused(call(command, path), path)
    assert_refused(call(command, "a\0\x1b[31m.py"), "a\\x00\\x1b[31m.py")
    for path in ("n" * 300 + ".py", f"{tmp_path}/" + "n/" * 3000 + ".py"):
        assert_refused(call(command, path), "n.py" if path.endswith("n.py") else ".py")


def test_targets_that_cannot_be(call, tmp_path):
    for target in ("a\0b", str(tmp_path), str(tmp_path / "nowhere" / "file"), str(tmp_path / ("n" * 300))):
        code, out, error = call(f"run {MODEL} --input {INPUT} -o FILE", target)
        assert (code, out) == (2, "")
        assert error[:-1].isprintable()
        assert Path(target).name.replace("\0", "\\x00") in error or str(Path(target).parent) in error


def test_settings(call):
    for setting, says in (
        ("forget_bias=" + "[" * 100_000, "nested more than"),
        ('forget_bias={"a":1,"a":2}', "twice"),
        ("forget_bias=[NaN]", "NaN is no number"),
        ("=1", "expected KEY=VALUE"),
        ("x" * 100_000, "expected KEY=VALUE"),
        ("\x1b[31m=1", "nothing in this source takes it"),
    ):
        code, out, error = call("convert SOURCE -o TARGET --set FILE", setting)
        assert (code, out) == (2, "")
        assert error[:-1].isprintable()
        assert len(error) < 2_100
        assert says in error


def test_modules_that_cannot_be_imported(call):
    for name in ("", ".", "..", "a..b", "no_such_module", "json.no_such", "sys.x", "__main__.x", "a\0b", "x" * 9000):
        for command in ("--import FILE demo", f"run {MODEL} --input {INPUT} -o TARGET --backend FILE"):
            code, out, error = call(command, name)
            assert (code, out) == (2, ""), name
            assert error[:-1].isprintable()
            assert len(error) < 2_100


DECLARATIONS = (
    ("[" * 10_000, "nested more than"),
    ('{"looseness": "exact", "looseness": "loose"}', "twice"),
    ('{"looseness": 3}', "looseness"),
    ('{"looseness": "\x1b[31m"}', "not JSON"),
    ('{"looseness": "\\u001b[31m"}', "looseness: expected one of"),
    ('{"unsupported": [{"variant": "*"}]}', "reason"),
    ('{"unsupported": {}}', "array"),
    ('{"expected_failures": [{"variant": "*", "case": "\\u001b", "reason": "", "link": ""}]}', "there is no case"),
    ('{"other": 1}', "other"),
    ('{"strict": NaN}', "NaN"),
    ("[]", "object"),
    ("", "not JSON"),
)


@pytest.mark.parametrize(("text", "says"), DECLARATIONS)
def test_damaged_declarations(text, says, tmp_path):
    from rnnspec.conformance.declaration import declaration
    from rnnspec.conformance.everything import check_expected

    module = ModuleType("backend")
    module.__file__ = str(tmp_path / "backend.py")
    (tmp_path / "backend.conformance.json").write_text(text)
    with pytest.raises(SpecError, match=says) as refusal:
        check_expected(declaration(module))
    assert str(refusal.value).isprintable()
    assert "backend.conformance.json" in str(refusal.value)


@pytest.mark.parametrize(
    ("end", "change", "says"),
    [
        (".json", lambda data: b"[" * 10_000, "nested more than"),
        (".json", lambda data: data[: len(data) // 2], "not JSON"),
        (".json", lambda data: b"[1]", "a damaged vector"),
        (".json", lambda data: data.replace(b'"clauses"', b'"klauses"'), "'clauses'"),
        (".json", lambda data: data.replace(b'"units": 7', b'"units": "7"'), "units: expected `int`"),
        (".json", lambda data: b"\xff" + data, "Unicode"),
        (".safetensors", lambda data: data[:-4], "truncated or damaged"),
        (".safetensors", lambda data: b"", "truncated or damaged"),
        (".safetensors", lambda data: data.replace(b'"F32"', b'"F99"', 1), "truncated or damaged"),
    ],
)
def test_damaged_vectors(end, change, says, tmp_path):
    from rnnspec.conformance import vectors

    for path in vectors.FOLDER.glob("lstm-steps.*"):
        shutil.copy(path, tmp_path)
    path = tmp_path / f"lstm-steps{end}"
    path.write_bytes(change(path.read_bytes()))
    with pytest.raises(SpecError, match=says) as refusal:
        vectors._read(tmp_path / "lstm-steps.json")
    assert str(refusal.value).isprintable()
    assert path.name in str(refusal.value)
