"""The LSTM over time and frequency."""

from typing import ClassVar

import numpy as np

from rnnspec import limits
from rnnspec.cells.base import Cell
from rnnspec.cells.gated import Limit
from rnnspec.config import Size
from rnnspec.errors import SpecError
from rnnspec.ops import Array, Ops, Parameters, Projected, States


class TimeFreqLSTM(Cell, tag="timefreq_lstm", frozen=True, kw_only=True):
    """Time-frequency LSTM (Li et al. 2015; TensorFlow 1 `TimeFreqLSTMCell`): within each step, one LSTM runs over
    windows of the features too. With m_−1' = 0, for the windows k = 0, 1, …

        x_k = x[k·skip : k·skip + size]                              TIMEFREQ-1
        a = W x_k + R m_k + F m_(k−1)' + b                           TIMEFREQ-2
        i = σ(a_i + p_i ⊙ c_k)          f = σ(a_f + p_f ⊙ c_k)       TIMEFREQ-3
        g = tanh(a_g)                   o = σ(a_o + p_o ⊙ c_k')      TIMEFREQ-4
        c_k' = clip(f ⊙ c_k + i ⊙ g)                                 TIMEFREQ-5
        m_k' = o ⊙ tanh(c_k')                                        TIMEFREQ-6
        y = [m_0', m_1', …]                                          TIMEFREQ-7

    W `kernel (4, units, feature_size)`, R `recurrent_kernel (4, units, units)` over time, F `frequency_kernel (4,
    units, units)` over frequency, b `bias (4, units)`, the forget bias included; gates in the order input i, forget f,
    cell g, output o; p `peephole (3, units)`, input, forget, output, if `peephole`; c is clipped to ±`clip_cell` if
    given. size is `feature_size` and skip `frequency_skip`: there are as many windows as fit, and features past the
    last one are not read (TIMEFREQ-8). States `c0`, `m0`, `c1`, `m1`, … `(batch, units)`.
    """

    gates: ClassVar = ("input", "forget", "cell", "output")
    units: Size
    feature_size: Size
    frequency_skip: Size
    peephole: bool = False
    clip_cell: Limit | None = None

    def windows(self, inputs: int) -> int:
        """How many windows fit into the features.

        Raises:
            SpecError: none does, or more than the limit.
        """
        if inputs < self.feature_size:
            raise SpecError(
                f"TimeFreqLSTM.feature_size: {self.feature_size}, but there are {inputs} inputs; make it smaller"
            )
        windows = (inputs - self.feature_size) // self.frequency_skip + 1
        if windows > limits.WINDOWS:
            raise SpecError(f"TimeFreqLSTM.frequency_skip: {windows:,} windows, more than {limits.WINDOWS:,}")
        return windows

    def outputs(self, inputs: int) -> int:
        return self.windows(inputs) * self.units

    def states(self, inputs: int) -> dict[str, int]:
        return {f"{name}{k}": self.units for k in range(self.windows(inputs)) for name in "cm"}

    def parameters(self, inputs: int) -> dict[str, tuple[int, ...]]:
        units = self.units
        shapes: dict[str, tuple[int, ...]] = {
            "kernel": (4, units, self.feature_size),
            "recurrent_kernel": (4, units, units),
            "frequency_kernel": (4, units, units),
            "bias": (4, units),
        }
        return shapes | ({"peephole": (3, units)} if self.peephole else {})

    def prepare(self, ops: Ops, p: dict[str, Array]) -> Parameters:
        return p | {f"peephole_{k}": ops.flat(p["peephole"][k : k + 1]) for k in range(3 if self.peephole else 0)}

    def project(self, ops: Ops, p: Parameters, x: Array) -> Projected:
        inputs = int(x.shape[-1])
        starts = [k * self.frequency_skip for k in range(self.windows(inputs))]
        return tuple(ops.linear(self._window(ops, x, inputs, start), p["kernel"], p["bias"]) for start in starts)

    def _window(self, ops: Ops, x: Array, inputs: int, start: int) -> Array:
        sizes = (start, self.feature_size, inputs - start - self.feature_size)
        parts = ops.split(x, tuple(size for size in sizes if size))
        return parts[1 if start else 0]

    def step(self, ops: Ops, p: Parameters, projected: Projected, state: States) -> tuple[Array, States]:
        new: States = {}
        outputs: list[Array] = []
        for k, a in enumerate(projected):
            c = state[f"c{k}"]
            a = a + ops.linear(state[f"m{k}"], p["recurrent_kernel"])
            if outputs:
                a = a + ops.linear(outputs[-1], p["frequency_kernel"])
            i, f, g, o = ops.split(a, 4)
            c = self._gate(ops, p, 1, f, c) * c + self._gate(ops, p, 0, i, c) * ops.tanh(g)
            if self.clip_cell is not None:
                c = ops.clip(c, -self.clip_cell, self.clip_cell)
            outputs.append(self._gate(ops, p, 2, o, c) * ops.tanh(c))
            new |= {f"c{k}": c, f"m{k}": outputs[-1]}
        return ops.concat(outputs), new

    def _gate(self, ops: Ops, p: Parameters, k: int, a: Array, c: Array) -> Array:
        return ops.sigmoid(a + c * p[f"peephole_{k}"] if self.peephole else a)

    def initialize(
        self, name: str, shape: tuple[int, ...], rng: "np.random.Generator", scheme: str = "keras"
    ) -> np.ndarray:
        """As the base class, with TensorFlow's forget bias of one."""
        value = super().initialize(name, shape, rng, scheme)
        if scheme == "keras" and name == "bias":
            value[1] = 1
        return value
