"""Every file of other frameworks in `data/files`: the valid are converted, the invalid refused in one line with the
file's name, and none takes much memory."""

import json
import shutil
import subprocess
import sys

import numpy as np
import pytest

from rnnspec.convert import convert
from tests.convert.command import refused
from tests.files import FOLDER, FOREIGN, files, paths

WORDS = json.loads((FOLDER / "words.json").read_text(encoding="utf-8"))
INVALID = [path for kind in FOREIGN for path in paths("invalid", kind)]
VALID = [path for kind in FOREIGN for path in paths("valid", kind)]


def named(path):
    return f"{path.parent.name}/{path.name}"


@pytest.mark.parametrize("path", INVALID, ids=named)
def test_invalid(path, tmp_path):
    shutil.copy(path, tmp_path)
    options = ("--from", path.parent.name) if path.parent.name != "tf1" else ()
    line = refused(tmp_path / path.name, *options)
    assert line.isprintable()
    assert len(line) < 2_100
    assert path.name.removesuffix(".index") in line
    assert WORDS[named(path)] in line


@pytest.mark.parametrize("path", VALID, ids=named)
def test_valid(path):
    checkpoint = convert(path)
    assert sum(array.size for array in checkpoint.weights.values()) in (28, 32, 100)
    assert all(np.isfinite(array).all() for array in checkpoint.weights.values())


@pytest.mark.parametrize("kind", FOREIGN)
def test_the_recipe_gives_these_files(kind):
    recipe = files(kind)
    assert len({file.name for file in recipe}) == len(recipe)
    for folder in ("valid", "invalid"):
        found = [path.name for path in paths(folder, kind)]
        assert found == sorted(file.name for file in recipe if (folder == "invalid") == bool(file.says))
    assert {named: says for named, says in WORDS.items() if named.startswith(f"{kind}/")} == {
        f"{kind}/{file.name}": file.says for file in recipe if file.says
    }


GROWTH = """
import resource, sys
from pathlib import Path
from rnnspec.convert import convert
used = lambda: resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
valid, invalid = (sorted(Path(folder).glob("*/*")) for folder in sys.argv[1:])
kinds = "torch", "flax", "keras", "tf1", "onnx"
for path in valid:
    if path.parent.name in kinds:
        convert(path)
before = used()
for path in invalid:
    if path.parent.name in kinds:
        try:
            convert(path, path.parent.name)
        except (ValueError, NotImplementedError, OSError):
            pass
print(used() - before)
"""


def test_memory():
    """None of them makes a process, once it has imported what reads the formats, grow by more than 64 MB."""
    command = [sys.executable, "-c", GROWTH, str(FOLDER / "valid"), str(FOLDER / "invalid")]
    grown = int(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
    assert grown < 64 * 1024
