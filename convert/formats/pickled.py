"""What a pickle may hold that is no plain data: names, tensors, arrays, and everything else, none of it alive."""

from dataclasses import dataclass
from math import prod
from typing import Literal

import numpy as np

from rnnspec.errors import SpecError
from rnnspec.reading import check_shape
from rnnspec.shown import quoted, shown

_NUMBERS = ("f2", "f4", "f8", "i1", "i2", "i4", "i8", "u1", "u2", "u4", "u8", "b1")


@dataclass(frozen=True, eq=False)
class Name:
    """Something that a pickle would import, by its full name."""

    name: str


@dataclass(frozen=True, eq=False)
class Storage:
    """Numbers in the file: under which key, of what type (`FloatStorage`), from which on, how many."""

    key: str
    kind: str
    start: int
    size: int


@dataclass(frozen=True, eq=False)
class StoredTensor:
    """A view of a storage. `dtype`, as torch calls it, where the storage does not say it."""

    storage: Storage
    offset: int
    shape: tuple[int, ...]
    strides: tuple[int, ...]
    dtype: str | None = None


@dataclass(eq=False)
class StoredDtype:
    """A type of NumPy's numbers: "f4", and the order of their bytes, "<", ">" or "|", once it is known."""

    name: str
    order: Literal["<", ">", "|"] = "|"


@dataclass(eq=False)
class StoredArray:
    """An array of NumPy's, whose numbers come after it; `fortran`: the first axis varies fastest."""

    shape: tuple[int, ...] = ()
    dtype: StoredDtype | None = None
    fortran: bool = False
    data: bytes = b""

    def array(self, where: str) -> np.ndarray:
        """The numbers. Raises SpecError: they are of another type, or not as many as the shape says."""
        if self.dtype is None or self.dtype.name not in _NUMBERS:
            raise SpecError(f"{where}: expected numbers, found {shown(self.dtype.name if self.dtype else 'nothing')}")
        dtype = np.dtype(self.dtype.name).newbyteorder(">" if self.dtype.order == ">" else "<")
        check_shape(self.shape, where)
        if prod(self.shape) * dtype.itemsize != len(self.data):
            raise SpecError(
                f"{where}: damaged: {len(self.data)} bytes of shape {quoted(self.shape)}; copy the file again"
            )
        array = np.frombuffer(self.data, dtype).reshape(self.shape, order="F" if self.fortran else "C")
        return array.astype(dtype.newbyteorder("="), copy=False)


@dataclass(frozen=True, eq=False)
class Other:
    """Anything else: a set, a device, a sparse tensor, an object of somebody's class. `name`: what would make it."""

    name: str

    @property
    def is_tensor(self) -> bool:
        """Whether it is a tensor all the same."""
        return "._rebuild_" in self.name or self.name.endswith("Tensor")
