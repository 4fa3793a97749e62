"""How soon rnnspec is there: fresh processes, beside one that imports NumPy alone."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from timing import Comparison, Rival

TARGETS: dict[str, float] = {}


def versions() -> dict[str, str]:
    """Package → version."""
    return {"numpy": np.__version__}


def comparisons(quick: bool, threads: int | None) -> Iterator[Comparison]:
    """Wall time of whole processes."""
    command = Path(sys.executable).with_name("rnnspec")
    rivals = {
        "import numpy": [sys.executable, "-c", "import numpy"],
        "import rnnspec": [sys.executable, "-c", "import rnnspec"],
        "rnnspec.Model": [sys.executable, "-c", "import rnnspec; rnnspec.Model"],
        "rnnspec --help": [str(command), "--help"],
    }
    yield Comparison("start-up", "process", "", {label: _process(arguments) for label, arguments in rivals.items()})


def _process(arguments: list[str]) -> Rival:
    return Rival(lambda: subprocess.run(arguments, check=True, stdout=subprocess.DEVNULL), lambda _: [])
