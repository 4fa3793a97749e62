"""The variables of a cell, by our words, whatever the version calls them."""

from dataclasses import dataclass

import numpy as np

from rnnspec.convert.variables import Variables
from rnnspec.errors import SpecError


@dataclass(frozen=True)
class CellVariables:
    """The variables of one cell: our word → their names, several where one is in shards.

    `half`: whether they are in half precision, for which TensorFlow has other defaults.
    """

    scope: str
    names: dict[str, list[str]]
    variables: Variables
    half: bool

    def __contains__(self, word: str) -> bool:
        return word in self.names

    def shape(self, word: str) -> tuple[int, ...]:
        """The shape of a variable that is there; shards lie along the first axis."""
        shapes = [self.variables[name].shape for name in self.names[word]]
        return (sum(shape[0] for shape in shapes if shape), *shapes[0][1:])

    def take(self, word: str, *shape: int | None) -> np.ndarray:
        """The variable. Raises SpecError: it is missing, has another shape, or is not of floats."""
        names = self.names.get(word, [f"{self.scope}/{word}".lstrip("/")])
        if len(names) == 1:
            array = self.variables.take(names[0], *shape)
        else:
            rows, *rest = shape or self.shape(word)
            array = np.concatenate([self.variables.take(name, None, *rest) for name in names])
            if rows not in (None, len(array)):
                raise self._unfit(word, f"expected {rows} rows in all shards")
        if array.dtype.kind != "f":
            raise self._unfit(word, f"expected floats, not {array.dtype};")
        return array

    def maybe(self, word: str, *shape: int | None) -> np.ndarray | None:
        """The variable, or None where there is none."""
        return self.take(word, *shape) if word in self.names else None

    def units(self, word: str, gates: int) -> int:
        """How many units there are when a kernel has so many gates. Raises SpecError: it cannot have."""
        if word not in self.names:
            self.take(word, None, None)
        if len(self.shape(word)) != 2 or self.shape(word)[1] % gates:
            raise self._unfit(word, f"expected a matrix for {gates} gates, columns in a multiple of {gates},")
        return self.shape(word)[1] // gates

    def inputs(self, word: str, outputs: int) -> int:
        """How many rows of a kernel are for the input, before those for h. Raises SpecError: none."""
        if self.shape(word)[0] <= outputs:
            raise self._unfit(word, f"expected more than {outputs} rows, for the input and for h,")
        return self.shape(word)[0] - outputs

    def _unfit(self, word: str, expected: str) -> SpecError:
        where = f"{self.variables.where}: variable {', '.join(self.names[word])!r}"
        return SpecError(f"{where}: {expected} found shape {self.shape(word)}")
