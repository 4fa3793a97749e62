"""`rnnspec.ops.Ops` in NumPy."""

import copy
import math
from typing import Any, Self

import numpy as np

from rnnspec import philox, scores
from rnnspec.cells import Cell
from rnnspec.layers import Recurrent
from rnnspec.ops import LOW, Array, Parameters, States
from rnnspec.valid import Valid

ERF: np.ufunc = np.frompyfunc(math.erf, 1, 1)


class NumpyOps:
    """Plain NumPy, one line an operation. With `training`, noise is keyed by `seed` and the number of the `call`."""

    def __init__(self, training: bool = False, seed: int = 0, call: int = 0) -> None:
        self.training = training
        self._key = seed, call
        self._place = ""
        self._t = 0

    def linear(self, x: Array, kernel: Array, bias: Array | None = None) -> Array:
        y = x @ kernel.reshape(-1, kernel.shape[-1]).T
        return y if bias is None else y + bias.reshape(-1)

    def flat(self, parameter: Array) -> Array:
        return parameter.reshape(-1)

    def split(self, x: Array, parts: int | tuple[int, ...]) -> tuple[Array, ...]:
        return tuple(np.split(x, parts if isinstance(parts, int) else np.cumsum(parts)[:-1], axis=-1))

    def concat(self, parts: list[Array]) -> Array:
        return np.concatenate(parts, axis=-1)

    def take(self, table: Array, ids: Array) -> Array:
        return table[ids]

    def zeros(self, x: Array, size: int) -> Array:
        return np.zeros((*x.shape[:-1], size), x.dtype)

    def sigmoid(self, x: Array) -> Array:
        e = np.exp(-np.abs(x))  # never overflows
        return np.where(x >= 0, 1, e) / (1 + e)

    def tanh(self, x: Array) -> Array:
        return np.tanh(x)

    def relu(self, x: Array) -> Array:
        return np.maximum(x, 0)

    def exp(self, x: Array) -> Array:
        return np.exp(x)

    def sqrt(self, x: Array) -> Array:
        return np.sqrt(x)

    def erf(self, x: Array) -> Array:
        return ERF(x).astype(x.dtype)

    def softplus(self, x: Array) -> Array:
        return np.logaddexp(x, np.zeros((), x.dtype))

    def clip(self, x: Array, low: float, high: float) -> Array:
        return np.clip(x, low, high)

    def greater(self, x: Array, threshold: float) -> Array:
        return x > threshold

    def where(self, condition: Array, x: Array, otherwise: Array) -> Array:
        return np.where(condition, x, otherwise)

    def softmax(self, x: Array) -> Array:
        return np.exp(self.log_softmax(x))

    def log_softmax(self, x: Array) -> Array:
        x = x - x.max(-1, keepdims=True)
        return x - np.log(np.exp(x).sum(-1, keepdims=True))

    def layer_norm(self, x: Array, gamma: Array, beta: Array | None, epsilon: float, groups: int) -> Array:
        a = x.reshape(*x.shape[:-1], groups, x.shape[-1] // groups)
        a = a - a.mean(-1, keepdims=True)
        a = a / np.sqrt((a * a).mean(-1, keepdims=True) + x.dtype.type(epsilon))
        y = a.reshape(x.shape) * gamma.reshape(-1)
        return y if beta is None else y + beta.reshape(-1)

    def at(self, place: str) -> Self:
        inner = copy.copy(self)
        inner._place = f"{self._place}.{place}" if place else self._place
        return inner

    def noise(self, x: Array, size: int, rate: float, place: str, per: str) -> Array | None:
        if not self.training or not rate:
            return None
        batch = x.shape[-2]
        if x.ndim == 3:
            return np.stack([self._noise(batch, size, rate, place, t, per) for t in range(len(x))])[: len(x)]
        return self._noise(batch, size, rate, place, self._t, per).astype(x.dtype)

    def _noise(self, batch: int, size: int, rate: float, place: str, t: int, per: str) -> Array:
        """0 or 1 (batch, size) for step t: DROP-3."""
        seed, call = self._key
        blocks = np.arange(-(-size // 4), dtype="int64")[None, :]
        rows = np.arange(batch, dtype="int64")[:, None]
        zero = np.zeros_like(rows)
        counter = (blocks, rows, zero + (t if per == "step" else 0), zero + call)
        words = philox.philox(counter, (seed & 0xFFFFFFFF, philox.place_key(f"{self._place}.{place}")))
        word = np.stack(np.broadcast_arrays(*words), -1).reshape(batch, -1)[:, :size]
        return (word >= philox.threshold(rate)).astype("float64")

    def dropout(self, x: Array, rate: float, place: str = "", per: str = "step") -> Array:
        if not self.training or not rate:
            return x
        if x.ndim == 2:
            noise = self._noise(len(x), x.shape[-1], rate, place, self._t, per)
        else:
            steps = [self._noise(len(x), x.shape[-1], rate, place, t, per) for t in range(x.shape[1])]
            noise = np.stack(steps, 1) if steps else np.zeros(x.shape)
        return x * noise.astype(x.dtype) * x.dtype.type(1 / (1 - rate))

    def recurrent(
        self, layer: Recurrent, p: dict[str, Array], x: Array, valid: Valid, state: States
    ) -> tuple[list[Array], States]:
        return layer.unroll(self, p, self.masked(x, valid), valid, state, apart=False)

    def recurrent_step(self, layer: Recurrent, p: dict[str, Array], x: Array, state: States) -> tuple[Array, States]:
        return layer.cell_step(self, p, x, state)

    def unroll(
        self, cell: Cell, p: Parameters, x: Array, valid: Valid, state: States, start: States, reverse: bool
    ) -> tuple[Array, States]:
        """The time loop.

            s(t), y(t) = step(x(t), s(t−1))   at a valid step             UNROLL-1
            s(t) = s(t−1),  y(t) = 0          at an invalid one           UNROLL-2
            s(t−1) = start                    before a step with a reset  UNROLL-12

        `lengths` marks the first steps of each row as valid (UNROLL-3); a row without valid steps ends in its initial
        state with outputs 0 (UNROLL-4). `reverse` visits the steps from last to first and reports each output at its
        own index (UNROLL-5). The final state follows the last step visited (UNROLL-6).
        """
        batch, time = x.shape[:2]
        mask, begins = steps(valid, x, reverse)
        p = cell.prepare(self, p)
        outputs: dict[int, Array] = dict.fromkeys(range(time))
        for t in reversed(range(time)) if reverse else range(time):
            self._t = t
            if valid.reset is not None:
                state = {name: np.where(begins[:, t, None], start[name], state[name]) for name in state}
            y, new = cell.step(self, p, cell.project(self, p, x[:, t]), state)
            keep = mask[:, t, None]
            outputs[t] = np.where(keep, y, 0)
            state = {name: np.where(keep, new[name], state[name]) for name in state}
        y = np.stack([*outputs.values()], 1) if time else np.zeros((batch, 0, cell.outputs(x.shape[-1])), x.dtype)
        return y, state

    def masked(self, x: Array, valid: Valid) -> Array:
        mask, _ = steps(valid, x, False)
        return np.where(mask[:, :, None], x, 0)

    def unpadded(self, x: Array, padding: float, valid: Valid) -> Valid:
        mask, _ = steps(valid, x, False)
        differs = x != padding
        return Valid(mask=mask & (differs if x.ndim == 2 else differs.any(-1)), reset=valid.reset)

    def hold(self, y: Array, valid: Valid, reverse: bool) -> Array:
        """Each step's output, or where it is invalid the one before it, since the sequence began (UNROLL-9)."""
        mask, begins = steps(valid, y, reverse)
        held: dict[int, Array] = dict.fromkeys(range(y.shape[1]))
        last = np.zeros((len(y), y.shape[-1]), y.dtype)
        for t in reversed(held) if reverse else held:
            held[t] = last = np.where((mask | begins)[:, t, None], y[:, t], last)
        return np.stack([*held.values()], 1) if held else y

    def last(self, y: Array, valid: Valid, reverse: bool) -> Array:
        """The held output of the last step visited (UNROLL-7)."""
        if not y.shape[1]:
            return np.zeros((len(y), y.shape[-1]), y.dtype)
        return self.hold(y, valid, reverse)[:, 0 if reverse else -1]

    def flip(self, y: Array) -> Array:
        return y[:, ::-1]

    def repeat(self, x: Array, along: Any) -> Array:
        steps = along if isinstance(along, int) else along.shape[1]
        return x[:, None, :] * np.ones((1, steps, 1), x.dtype)

    def counted(self, x: Array, valid: Valid) -> Array:
        mask, _ = steps(valid, x, False)
        return mask[:, :, None].astype(x.dtype)

    def total(self, x: Array) -> Array:
        y = np.zeros((len(x), x.shape[-1]), x.dtype)
        for t in range(x.shape[1]):
            y = y + x[:, t]
        return y

    def largest(self, x: Array, valid: Valid) -> Array:
        mask, _ = steps(valid, x, False)
        if not x.shape[1]:
            return np.zeros((len(x), x.shape[-1]), x.dtype)
        x = np.where(mask[:, :, None], x, x.dtype.type(LOW))
        y = np.stack([x[:, t] for t in range(x.shape[1])], -1).max(-1, keepdims=True)[:, :, 0]
        return np.where(mask.any(1, keepdims=True), y, 0)

    def taps(self, x: Array, outside: tuple[int, int], width: int, stride: int, dilation: int) -> list[Array]:
        before, after = (np.zeros((len(x), n, x.shape[-1]), x.dtype) for n in outside)
        x = np.concatenate([before, x, after], 1)
        windows = max(0, (x.shape[1] - dilation * (width - 1) - 1) // stride + 1)
        return [x[:, k * dilation : k * dilation + windows * stride : stride][:, :windows] for k in range(width)]

    def windows(self, valid: Valid, span: int, stride: int) -> Valid:
        if valid.lengths is not None:
            return Valid(lengths=np.maximum(0, (valid.lengths - span) // stride + 1))
        mask: Array = valid.mask
        time = mask.shape[1]
        fit = [mask[:, k : max(k, time - span + 1 + k) : stride] for k in range(span)]
        return Valid(mask=np.logical_and.reduce(fit))

    def convolve(
        self, x: Array, kernel: Array, outside: tuple[int, int], stride: int, dilation: int, groups: int
    ) -> Array:
        units, inputs = len(kernel) // groups, kernel.shape[-1]
        taps = self.taps(x, outside, kernel.shape[1], stride, dilation)
        parts = []
        for g in range(groups):
            rows = kernel[g * units : (g + 1) * units]
            seen = [tap[:, :, g * inputs : (g + 1) * inputs] for tap in taps]
            y = seen[0] @ rows[:, 0].T
            for k in range(1, len(seen)):
                y = y + seen[k] @ rows[:, k].T
            parts.append(y)
        return np.concatenate(parts, -1)

    def products(self, query: Array, keys: Array) -> Array:
        return (query[..., None, :] * self._facing(query, keys)).sum(-1, keepdims=True)[..., 0]

    def additive(self, query: Array, keys: Array, scale: Array) -> Array:
        return (np.tanh(query[..., None, :] + self._facing(query, keys)) * scale).sum(-1, keepdims=True)[..., 0]

    def _facing(self, query: Array, keys: Array) -> Array:
        """keys (batch, steps, features) with an axis for the queries' time, if they have one."""
        return keys if query.ndim == 2 else keys[:, None]

    def heads(self, query: Array, keys: Array, values: Array, valid: Valid, count: int, scale: float) -> Array:
        return scores.heads(self, query, keys, values, valid, count, scale)

    def attend(self, scores: Array, values: Array, valid: Valid) -> Array:
        if not values.shape[1]:
            return np.zeros((*scores.shape[:-1], values.shape[-1]), values.dtype)
        mask, _ = steps(valid, values, False)
        mask = mask if scores.ndim == 2 else mask[:, None]
        weights = self.softmax(np.where(mask, scores, values.dtype.type(LOW))) * mask
        values = np.stack([values[:, t] for t in range(values.shape[1])], -1)
        return (weights[..., None, :] * self._facing(scores, values)).sum(-1, keepdims=True)[..., 0]


def steps(valid: Valid, x: Array, reverse: bool) -> tuple[np.ndarray, np.ndarray]:
    """(batch, time) twice, for x (batch, time, …): whether the step is valid, and whether a sequence begins there in
    the order of visits.

    A reset at step t separates t − 1 from t. Visited backward, it is step t − 1 that begins anew (UNROLL-12).
    """
    batch, time = x.shape[:2]
    mask = np.ones((batch, time), bool)
    if valid.lengths is not None:
        mask = np.arange(time) < valid.lengths[:, None]
    elif valid.mask is not None:
        mask = valid.mask
    if valid.reset is None:
        return mask, np.zeros((batch, time), bool)
    return mask, np.concatenate([valid.reset[:, 1:], np.zeros((batch, 1), bool)], 1) if reverse else valid.reset
