"""What is changed, and what reads it.

A format more is one entry in `TARGETS`: real files to begin with, what reads one of them, and, where there is one, a
strategy of `mutations.py` that changes a file and keeps its structure.
"""

import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any, NamedTuple

from hypothesis import strategies as st

import rnnspec
from rnnspec import Model, SpecError, UnsupportedError, limits, strict_json
from rnnspec.archives import arrays
from rnnspec.backends import numpy as reference
from rnnspec.cli.info import tensors
from rnnspec.conformance import vectors
from rnnspec.conformance.declaration import declaration
from rnnspec.conformance.everything import check_expected
from rnnspec.diagnosis.hints import hints
from tests.files import FOLDER
from tests.fuzz.mutations import Strategy, changed_archive, changed_json, changed_model


class Target(NamedTuple):
    """`ending`: of the file's name. `read` may raise SpecError, UnsupportedError, or an OSError that names its file."""

    seeds: Callable[[], list[bytes]]
    read: Callable[[Path], Any]
    ending: str
    structured: Strategy | None = None


def _valid(kind: str, pattern: str = "*") -> list[bytes]:
    return [path.read_bytes() for path in sorted((FOLDER / "valid" / kind).glob(pattern))]


def _model(path: Path) -> None:
    checkpoint = rnnspec.load(path, allow_nonfinite=True)
    tensors(checkpoint)
    hints(checkpoint)
    checkpoint.to_bytes()
    reference.load(checkpoint)


def _json(data: bytes) -> st.SearchStrategy[bytes]:
    return changed_json(data.decode()).map(str.encode)


def _declaration(path: Path) -> None:
    module = ModuleType("backend")
    module.__file__ = str(path.with_name("backend.py"))
    shutil.copy(path, path.with_name("backend.conformance.json"))
    check_expected(declaration(module))


def _backends() -> list[bytes]:
    return [path.read_bytes() for path in sorted(Path(reference.__file__).parents[1].glob("*/conformance.json"))]


def _of_vectors(ending: str) -> list[bytes]:
    return [path.read_bytes() for path in sorted(vectors.FOLDER.glob(f"lstm-[p-s]*{ending}"))[:8]]


def _vector(path: Path) -> None:
    vectors._read(path)


def _numbers(path: Path) -> None:
    shutil.copy(vectors.FOLDER / "lstm-steps.json", path.with_suffix(".json"))
    _vector(path.with_suffix(".json"))


TARGETS = {
    "model": Target(lambda: _valid("model"), _model, ".safetensors", changed_model),
    "architecture": Target(
        lambda: [rnnspec.load(path).model.to_json().encode() for path in sorted((FOLDER / "valid/model").iterdir())],
        lambda path: Model.from_json(path.read_bytes(), str(path)),
        ".json",
        _json,
    ),
    "npz": Target(lambda: _valid("input"), arrays, ".npz", changed_archive),
    "config": Target(lambda: [b'["rnn", "fc"]', b'{"first": "rnn"}'], strict_json.load, ".json", _json),
    "declaration": Target(_backends, _declaration, ".json", _json),
    "vector": Target(lambda: _of_vectors(".json"), _vector, ".json", _json),
    "numbers of a vector": Target(lambda: _of_vectors(".safetensors"), _numbers, ".safetensors"),
}


def attempt(target: Target, data: bytes) -> str:
    """Read the bytes as a file; returns what a refusal says, after a look at it.

    Raises:
        AssertionError: the refusal does not name the file, or does not print.
        Exception: what is no refusal.
    """
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / f"file{target.ending}"
        path.write_bytes(data)
        try:
            target.read(path)
        except (SpecError, UnsupportedError) as refusal:
            text = str(refusal)
            assert "file" in text or "backend.conformance.json" in text, text
        except OSError as error:
            if error.filename is None:
                raise
            text = error.strerror or ""
        else:
            return ""
        assert text.isprintable(), text
        assert len(text) <= limits.MESSAGE + 100, text
        return text
