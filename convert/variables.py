"""The variables of a source, every one of them accounted for."""

from collections.abc import Iterator, Mapping

import numpy as np

from rnnspec.errors import SpecError


class Variables(Mapping[str, np.ndarray]):
    """Name → array; each is to be taken by a layer or ignored with a reason, or the conversion fails.

    Args:
        arrays: all variables of the source. Half precision is widened to float32; integers stay as they are.
        where: the file, for messages.
    """

    def __init__(self, arrays: Mapping[str, np.ndarray], where: str) -> None:
        self._arrays = {name: _widened(np.asarray(array)) for name, array in arrays.items()}
        self.where = where
        self.ignored: dict[str, str] = {}
        self._taken: set[str] = set()

    def __getitem__(self, name: str) -> np.ndarray:
        """Look without taking."""
        return self._arrays[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._arrays)

    def __len__(self) -> int:
        return len(self._arrays)

    def take(self, name: str, *shape: int | None) -> np.ndarray:
        """The variable for good; where a shape is given it must have it (None: any size along that axis).

        Raises:
            SpecError: there is no such variable, or its shape is another.
        """
        if name not in self._arrays:
            raise SpecError(f"{self.where}: variable {name!r} is missing; found {some(sorted(self._arrays))}")
        array = self._arrays[name]
        if shape:
            fits = len(shape) == array.ndim and all(e in (None, s) for e, s in zip(shape, array.shape, strict=True))
            if not fits:
                expected = "(" + ", ".join("any" if size is None else str(size) for size in shape) + ")"
                raise SpecError(f"{self.where}: variable {name!r}: expected shape {expected}, found {array.shape}")
        self._taken.add(name)
        return array

    def ignore(self, name: str, reason: str) -> None:
        """Leave the variable out, and say why."""
        self.ignored[name] = reason

    def left(self) -> list[str]:
        """The variables that are neither taken nor ignored yet, in the order of the source."""
        return [name for name in self._arrays if name not in self._taken and name not in self.ignored]

    def finish(self) -> None:
        """Raise SpecError where a variable is left over."""
        if names := self.left():
            shapes = [f"{name} {self._arrays[name].shape}" for name in names]
            raise SpecError(f"{self.where}: no layer uses {some(shapes)}; nothing was converted")


def _widened(array: np.ndarray) -> np.ndarray:
    return array.astype(np.float32) if array.dtype == np.float16 else array


def some(names: list[str], most: int = 6) -> str:
    """The first names, and how many more there are."""
    return ", ".join(names[:most]) + (f" and {len(names) - most} more" if len(names) > most else "") or "none"
