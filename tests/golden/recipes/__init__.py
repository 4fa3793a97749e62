"""Models of the real frameworks with the numbers that they compute: what writes `tests/data/golden/own`.

python -m tests.golden.recipes.keras
"""

import json
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

OWN = Path(__file__).parents[2] / "data" / "golden" / "own"


def write(
    case: str,
    artefact: str,
    save: Callable[[Path], Any],
    of: str,
    inputs: Mapping[str, np.ndarray] | None = None,
    expected: Mapping[str, np.ndarray] | None = None,
    refused: str | None = None,
    **options: Any,
) -> None:
    """One case, `group/name`, in place of what is there.

    Args:
        artefact: the name of the file or folder, which `save` writes, given its path; what else it writes stays beside.
        of: the framework with its version, and what the case shows.
        inputs, expected: by our names; `refused`: a pattern of the message, in place of them.
        options: of `rnnspec.convert.convert`.
    """
    folder = OWN / case
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    save(folder / artefact)
    data: dict[str, Any] = {"artefact": artefact, "options": options, "of": of}
    if refused is not None:
        data["refused"] = refused
    else:
        np.savez(folder / "inputs.npz", **(inputs or {}))
        np.savez(folder / "expected.npz", **(expected or {}))
    (folder / "case.json").write_text(json.dumps(data, indent=1) + "\n", encoding="utf-8")
