"""The model file, byte for byte; how it is written, and what reading it does not do (FILE)."""

import json
import os
import pickle
import struct
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from unittest import mock

import numpy as np

from rnnspec import checkpoint
from rnnspec.checkpoint import Checkpoint
from rnnspec.conformance.check import Check, equal, holds, refused
from rnnspec.layers import Dense
from rnnspec.model import Model

_MODEL = Model(inputs=3, layers=(Dense(name="d", units=2),))
_WEIGHTS = {
    "d.kernel": np.array([[0.5, -1.25, 2.0], [3.5, 0.125, -4.0]], "float32"),
    "d.bias": np.array([0.75, -0.5], "float32"),
}
_HEADER = (
    '{"metadata":{"a":{"x":null,"y":[1,2.5]},"b":"€"},"model":{"inputs":3,"layers":[{"activation":"linear",'
    '"bias":true,"name":"d","type":"dense","units":2}],"padding":null},"version":1}'
)
_METADATA = {"b": "€", "a": {"y": [1, 2.5], "x": None}}


def _bytes(header: str = _HEADER) -> bytes:
    """The model file made by hand: the size of the header, the header, the numbers."""
    bias, kernel = struct.pack("<2f", 0.75, -0.5), struct.pack("<6f", 0.5, -1.25, 2.0, 3.5, 0.125, -4.0)
    tensors = {
        "d.bias": {"dtype": "F32", "shape": [2], "data_offsets": [0, 8]},
        "d.kernel": {"dtype": "F32", "shape": [2, 3], "data_offsets": [8, 32]},
    }
    about = json.dumps({"__metadata__": {"rnnspec": header}} | tensors, separators=(",", ":"), ensure_ascii=False)
    text = about.encode()
    text += b" " * (-len(text) % 8)
    return struct.pack("<Q", len(text)) + text + bias + kernel


@contextmanager
def _folder() -> Iterator[Path]:
    with tempfile.TemporaryDirectory() as folder:
        yield Path(folder)


def _format() -> None:
    equal("the file", Checkpoint(_MODEL, _WEIGHTS, _METADATA).to_bytes(), _bytes())
    with _folder() as folder:
        (folder / "model.safetensors").write_bytes(_bytes())
        found = checkpoint.load(folder / "model.safetensors")
    equal("the architecture that was read", found.model, _MODEL)
    equal("the metadata that was read", found.metadata, _METADATA)
    equal("the tensors that were read", sorted(found.weights), sorted(_WEIGHTS))
    for name, array in _WEIGHTS.items():
        equal(f"{name} as it was read", found.weights[name], array)


def _same_bytes() -> None:
    weights = dict(reversed(_WEIGHTS.items()))
    weights["d.kernel"] = np.asfortranarray(weights["d.kernel"])
    metadata = {key: _METADATA[key] for key in reversed(_METADATA)}
    equal("the file, all in another order", Checkpoint(_MODEL, weights, metadata).to_bytes(), _bytes())


def _whole_or_not_at_all() -> None:
    with _folder() as folder:
        path = folder / "model.safetensors"
        path.write_bytes(b"before")
        full = mock.patch("os.fsync", side_effect=OSError("no space left on device"))
        with full, refused("a full disk", OSError, "no space"):
            Checkpoint(_MODEL, _WEIGHTS).save(path)
        equal("the folder after a save that failed", [file.name for file in folder.iterdir()], [path.name])
        equal("the file after a save that failed", path.read_bytes(), b"before")
        seen: list[list[bytes]] = []
        replace = os.replace

        def watched(source: str, target: Path) -> None:
            seen.append([file.read_bytes() for file in (Path(target), Path(source)) if file.exists()])
            replace(source, target)

        with mock.patch("os.replace", watched):
            Checkpoint(_MODEL, _WEIGHTS, _METADATA).save(path)
        equal("the old file and the new one at the moment of the exchange", seen, [[b"before", _bytes()]])
        equal("the folder after a save", [file.name for file in folder.iterdir()], [path.name])
        equal("the file after a save", path.read_bytes(), _bytes())


class _Trap:
    """A pickle of it makes a folder when it is loaded."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple:
        return os.mkdir, (str(self.path),)


def _nothing_is_executed() -> None:
    with _folder() as folder:
        trap = folder / "trap"
        expression = f"__import__('os').mkdir({str(trap)!r})"
        for what, data in (
            ("a pickle", pickle.dumps(_Trap(trap))),
            ("a header in Python", _bytes(expression)),
            ("an architecture in Python", _bytes(_HEADER.replace('"linear"', json.dumps(expression)))),
        ):
            path = folder / "model.safetensors"
            path.write_bytes(data)
            with suppress(Exception):
                checkpoint.load(path)
            holds(f"{what} was executed", not trap.exists())
            with refused(what, ValueError):
                checkpoint.load(path)


CHECKS = (
    Check("file-format", ("FILE-1", "FILE-2"), _format),
    Check("file-same-bytes", ("FILE-2",), _same_bytes),
    Check("file-whole-or-not-at-all", ("FILE-3",), _whole_or_not_at_all),
    Check("file-nothing-is-executed", ("FILE-7",), _nothing_is_executed),
)
