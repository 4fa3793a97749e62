"""The changes that are written down: of `cells/lstm.py` in `cells/lstm.txt`, the functions one after another.

    LSTM.step
      LSTM-2: the output gate is left out
        o * activate(ops, self.output_activation, seen) → activate(ops, self.output_activation, seen)

A change may take several lines. "(in training)" behind the clause: only training shows it.
"""

from collections.abc import Iterator
from importlib.resources import as_file, files
from pathlib import Path

from rnnspec.conformance.mutants.mutant import Mutant


def written() -> Iterator[Mutant]:
    """All of them, in the order of the modules' names."""
    with as_file(files(__package__)) as folder:
        for path in sorted(folder.rglob("*.txt")):
            yield from _of(path, ".".join(path.relative_to(folder).with_suffix("").parts))


def _of(path: Path, module: str) -> Iterator[Mutant]:
    for part in path.read_text(encoding="utf-8").split("\n\n"):
        function, *rows = part.split("\n  ")
        while rows:
            head, *change = [rows.pop(0), *_taken(rows)]
            clause, _, wrong = head.partition(": ")
            before, _, after = "\n".join(change).partition(" →")
            trains = clause.endswith(" (in training)")
            yield Mutant(
                clause.removesuffix(" (in training)"),
                wrong,
                f"{module}:{function}",
                before,
                after.strip(),
                trains=trains,
            )


def _taken(rows: list[str]) -> list[str]:
    """The lines of the change that comes first."""
    found = []
    while rows and rows[0].startswith("  "):
        found.append(rows.pop(0).removeprefix("  "))
    return found
