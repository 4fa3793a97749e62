"""What a network is called with, as tensors (INPUT-1 to INPUT-6)."""

import numpy as np
import torch
from numpy.typing import ArrayLike
from torch import Tensor

from rnnspec import inputs
from rnnspec.errors import SpecError


class Arrays:
    """`rnnspec.inputs.Arrays` for a network whose dtype and device are those of `anchor`."""

    def __init__(self, anchor: Tensor) -> None:
        self.anchor = anchor

    def ids(self, x: Tensor, vocabulary: int) -> Tensor:
        """Of any integer type. Raises SpecError: another type, or an id out of range."""
        if x.is_floating_point() or x.is_complex() or x.dtype == torch.bool:
            raise SpecError(f"ids: expected integers, found {x.dtype}; the model begins with an embedding")
        if not x.is_cuda and not torch.compiler.is_compiling():  # CUDA asserts by itself; reading would synchronise
            found = readable(x)
            if found is not None:
                inputs.check_ids(found, vocabulary)
        return x

    def features(self, x: Tensor) -> Tensor:
        """In the dtype of the network: who trains chose one. Raises SpecError: another dtype."""
        if x.dtype != self.anchor.dtype:
            raise SpecError(f"x: expected {self.anchor.dtype}, found {x.dtype}; convert it with x.to(…)")
        return x

    def sizes(self, x: Tensor) -> tuple[int, int]:
        """The lengths of the first two axes."""
        return x.shape[0], x.shape[1]

    def lengths(self, value: Tensor | ArrayLike, batch: int, time: int) -> Tensor:
        """Of any integer type, as int64 on the CPU, where torch's packed sequences want them.

        Raises:
            SpecError: they do not fit, or are of vmap.
        """
        lengths = readable(value.cpu()) if isinstance(value, Tensor) else inputs.array(value, "lengths")
        if lengths is None:
            raise SpecError("lengths: vmap gives several at once; give it a mask instead")
        inputs.check_lengths(lengths, batch, time)
        return torch.from_numpy(lengths.astype("int64"))

    def marks(self, name: str, value: Tensor | ArrayLike, batch: int, time: int) -> Tensor:
        """Booleans."""
        marks = as_tensor(value, name, self.anchor.device)
        inputs.check_marks(name, marks.dtype == torch.bool, marks.shape, batch, time)
        return marks

    def state(self, name: str, value: Tensor | ArrayLike) -> Tensor:
        """In the dtype and on the device of the network."""
        if isinstance(value, Tensor) and value.dtype == self.anchor.dtype:
            return value
        if not isinstance(value, Tensor) or value.is_complex():
            value = as_tensor(inputs.numbers(value, f"state: {name!r}"), name, None)
        return value.to(self.anchor)


def readable(x: Tensor) -> np.ndarray | None:
    """The numbers of a tensor on the CPU; None inside vmap, where they are many at once."""
    if torch._C._functorch.is_batchedtensor(x):
        return None
    if not torch._C._are_functorch_transforms_active():
        return x.detach().numpy()
    # What torch.func transforms has no memory to read, nor have tensors made meanwhile.
    return np.array(x.tolist(), str(x.dtype).removeprefix("torch.")).reshape(x.shape)


def as_tensor(value: Tensor | ArrayLike, name: str, device: torch.device | None = None) -> Tensor:
    """A tensor as it is; arrays and lists in memory of their own, whatever their strides, byte order and flags."""
    if isinstance(value, Tensor):
        return value.to(device) if device else value
    array = inputs.array(value, name)
    return torch.from_numpy(array.astype(array.dtype.newbyteorder("="), order="C")).to(device)
