"""The vocabulary in which cells and layers are written, and which every backend supplies.

Arithmetic (`+ - *`) and slicing of parameters along their first axis go through the array's own operators.
"""

from typing import Any, Protocol

Array = Any
Parameters = Any  # what `Cell.prepare` returned: by default name → array
States = dict[str, Array]


class Ops(Protocol):
    """Operations of one backend. Arrays are the backend's own; the last axis holds features."""

    def linear(self, x: Array, kernel: Array, bias: Array | None = None) -> Array:
        """x (…, inputs), kernel (…, inputs), bias (…) → W x + b (…, rows); the kernel's leading axes become rows."""

    def sigmoid(self, x: Array) -> Array: ...

    def tanh(self, x: Array) -> Array: ...

    def relu(self, x: Array) -> Array: ...

    def split(self, x: Array, parts: int | tuple[int, ...]) -> tuple[Array, ...]:
        """The last axis in equal parts, or in parts of the given sizes."""

    def concat(self, parts: list[Array]) -> Array:
        """Joined along the last axis."""

    def take(self, table: Array, ids: Array) -> Array:
        """table (n, units), ids (…) integers → (…, units)."""

    def dropout(self, x: Array, rate: float) -> Array:
        """Identity outside training; in training zeroes with probability `rate` and scales the rest by 1/(1-rate)."""

    def recurrent(self, layer: Any, p: dict[str, Array], x: Array, valid: Any, state: States) -> tuple[Array, States]:
        """Run a `Recurrent` layer: by the framework's fused layer where it means the same, else `layer.unroll`."""

    def recurrent_step(self, layer: Any, p: dict[str, Array], x: Array, state: States) -> tuple[Array, States]:
        """One step of a `Recurrent` layer: by the framework's fused cell where it means the same, else
        `layer.cell_step`."""

    def unroll(
        self, cell: Any, p: dict[str, Array], x: Array, valid: Any, state: States, *, reverse: bool, sequences: bool
    ) -> tuple[Array, States]:
        """The time loop over one cell in one direction: UNROLL-1 to UNROLL-7."""


def activation(ops: Ops, name: str, x: Array) -> Array:
    """Apply the activation called `name` (ACT-1)."""
    return x if name == "linear" else getattr(ops, name)(x)


def scope(tensors: dict[str, Array], prefix: str) -> dict[str, Array]:
    """The tensors under `prefix`, their names relative to it; all of them for the empty prefix."""
    if not prefix:
        return tensors
    return {name[len(prefix) + 1 :]: value for name, value in tensors.items() if name.startswith(prefix + ".")}


def under(prefix: str, tensors: dict[str, Array]) -> dict[str, Array]:
    """The inverse of `scope`: names put under `prefix`."""
    return {f"{prefix}.{name}" if prefix else name: value for name, value in tensors.items()}
