"""Small files that must be read, and small files that must be refused, each for one reason.

`tests/data/files/valid/KIND/…` and `tests/data/files/invalid/KIND/…`; `words.json` has what the refusal of each says.
`python -m tests.files` writes them again. A kind is a function that yields files, a line in `KINDS`, and what is done
with them in `COMMANDS` of `tests/test_files.py`.
"""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

from tests.files import arrays, cells, checkpoints, configs, graphs, hdf5, models, packed, pickles

FOLDER = Path(__file__).parents[1] / "data" / "files"


class File(NamedTuple):
    """Its name, its bytes, and what the refusal says; nothing where it is valid."""

    name: str
    data: bytes
    says: str = ""


KINDS: dict[str, Callable[[], Iterator[tuple]]] = {
    "model": models.files,  # our own
    "input": arrays.files,  # .npz
    "config": configs.files,  # of `rnnspec convert --config`, for a state dict with the layers a, b
    "cells": cells.files,  # of `rnnspec --import`
}


FOREIGN: dict[str, Callable[[], Iterator[tuple]]] = {  # what `rnnspec convert` reads; `tests/convert/test_files.py`
    "torch": pickles.files,
    "flax": packed.files,
    "keras": hdf5.files,
    "tf1": checkpoints.files,
    "onnx": graphs.files,
}


def files(kind: str) -> list[File]:
    """All files of a kind, as the recipe has them."""
    return [File(*row) for row in (KINDS | FOREIGN)[kind]()]


def paths(folder: str, kind: str) -> list[Path]:
    """Those in "valid" or "invalid" of a kind, by name; Python leaves bytecode beside the cells that it imports."""
    return sorted(path for path in (FOLDER / folder / kind).iterdir() if path.name != "__pycache__")
