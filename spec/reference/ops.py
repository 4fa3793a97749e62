"""`rnnspec.ops.Ops` in NumPy."""

import numpy as np

from rnnspec.ops import Array, Parameters, States
from rnnspec.valid import Valid


class NumpyOps:
    """Plain NumPy, one line an operation."""

    def linear(self, x: Array, kernel: Array, bias: Array | None = None) -> Array:
        y = x @ kernel.reshape(-1, kernel.shape[-1]).T
        return y if bias is None else y + bias.reshape(-1)

    def sigmoid(self, x: Array) -> Array:
        e = np.exp(-np.abs(x))  # never overflows
        return np.where(x >= 0, 1, e) / (1 + e)

    def tanh(self, x: Array) -> Array:
        return np.tanh(x)

    def relu(self, x: Array) -> Array:
        return np.maximum(x, 0)

    def split(self, x: Array, parts: int | tuple[int, ...]) -> tuple[Array, ...]:
        return tuple(np.split(x, parts if isinstance(parts, int) else np.cumsum(parts)[:-1], axis=-1))

    def concat(self, parts: list[Array]) -> Array:
        return np.concatenate(parts, axis=-1)

    def take(self, table: Array, ids: Array) -> Array:
        return table[ids]

    def dropout(self, x: Array, rate: float) -> Array:
        return x

    def recurrent(self, layer, p: dict[str, Array], x: Array, valid: Valid, state: States) -> tuple[Array, States]:
        return layer.unroll(self, p, x, valid, state)

    def recurrent_step(self, layer, p: dict[str, Array], x: Array, state: States) -> tuple[Array, States]:
        return layer.cell_step(self, p, x, state)

    def unroll(
        self, cell, p: Parameters, x: Array, valid: Valid, state: States, *, reverse: bool, sequences: bool
    ) -> tuple[Array, States]:
        """The time loop.

            s(t), y(t) = step(x(t), s(t−1))   at a valid step             UNROLL-1
            s(t) = s(t−1),  y(t) = 0          at an invalid one           UNROLL-2

        `lengths` marks the first steps of each row as valid (UNROLL-3); a row without valid steps ends in its initial
        state with outputs 0 (UNROLL-4). `reverse` visits the steps from last to first and reports each output at its
        own index (UNROLL-5). The final state follows the last step visited (UNROLL-6). Without `sequences` the output
        is the one of the last valid step visited, 0 if there is none (UNROLL-7).
        """
        batch, time = x.shape[:2]
        mask = np.arange(time) < valid.lengths[:, None] if valid.lengths is not None else valid.mask
        p = cell.prepare(self, p)
        projected = cell.project(self, p, x)
        outputs = np.zeros((batch, time, cell.outputs), x.dtype)
        last = np.zeros((batch, cell.outputs), x.dtype)
        for t in reversed(range(time)) if reverse else range(time):
            y, new = cell.step(self, p, projected[:, t], state)
            if mask is None:
                outputs[:, t], last, state = y, y, new
            else:
                keep = mask[:, t, None]
                outputs[:, t] = np.where(keep, y, 0)
                last = np.where(keep, y, last)
                state = {name: np.where(keep, new[name], state[name]) for name in state}
        return (outputs if sequences else last), state
