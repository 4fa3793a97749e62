"""WaveNet, as a cell."""

from collections.abc import Sequence
from typing import Annotated

import msgspec

from rnnspec.cells.base import Cell
from rnnspec.cells.causal import CausalConvolution, Width
from rnnspec.config import Size
from rnnspec.ops import Array, Ops, Parameters, States, scope, under
from rnnspec.valid import Valid


class WaveNet(Cell, tag="wavenet", frozen=True, kw_only=True):
    """A stack of gated residual blocks with skip outputs (van den Oord et al. 2016, section 2.4), one a dilation.

        x_0 = x, or V x + v if inputs ≠ residual                     WAVENET-1
        z_k = tanh(filter_k) ⊙ σ(gate_k), convolutions of x_k        WAVENET-2
        x_(k+1) = x_k + P_k z_k + p_k                                WAVENET-3
        y = Σ_k (S_k z_k + s_k)                                      WAVENET-4

    Block k is a `CausalConvolution` of `residual` units, `width`, `dilations[k]`, gated, with its parameters and its
    state `queue` under `cells.k`. There too: P `residual_kernel (1, residual, residual)` and p `residual_bias (1,
    residual)`, except in the last block, where nothing reads them, and S `skip_kernel (1, skip, residual)` and s
    `skip_bias (1, skip)`. V `input_kernel (1, residual, inputs)` and v `input_bias (1, residual)` only where inputs and
    residual differ. The output has `skip` features.
    """

    residual: Size
    skip: Size
    width: Width = 2
    dilations: Annotated[Sequence[Size], msgspec.Meta(min_length=1)]

    @property
    def blocks(self) -> list[CausalConvolution]:
        """The convolution of each block."""
        return [
            CausalConvolution(units=self.residual, width=self.width, dilation=dilation, gated=True)
            for dilation in self.dilations
        ]

    def outputs(self, inputs: int) -> int:
        return self.skip

    def states(self, inputs: int) -> dict[str, int]:
        sizes: dict[str, int] = {}
        for k, block in enumerate(self.blocks):
            sizes |= under(f"cells.{k}", block.states(self.residual))
        return sizes

    def parameters(self, inputs: int) -> dict[str, tuple[int, ...]]:
        shapes: dict[str, tuple[int, ...]] = {}
        if inputs != self.residual:
            shapes |= {"input_kernel": (1, self.residual, inputs), "input_bias": (1, self.residual)}
        for k, block in enumerate(self.blocks):
            sizes = (
                {"skip": self.skip} if k == len(self.dilations) - 1 else {"residual": self.residual, "skip": self.skip}
            )
            for name, size in sizes.items():
                shapes[f"cells.{k}.{name}_kernel"] = (1, size, self.residual)
                shapes[f"cells.{k}.{name}_bias"] = (1, size)
            shapes |= under(f"cells.{k}", block.parameters(self.residual))
        return shapes

    def project(self, ops: Ops, p: Parameters, x: Array) -> Array:
        return ops.linear(x, p["input_kernel"], p["input_bias"]) if "input_kernel" in p else x

    def step(self, ops: Ops, p: Parameters, projected: Array, state: States) -> tuple[Array, States]:
        def convolve(k: int, block: CausalConvolution, x: Array) -> tuple[Array, States]:
            return block.step(ops, scope(p, f"cells.{k}"), x, scope(state, f"cells.{k}"))

        return self._blocks(ops, p, projected, convolve)

    def unroll(
        self, ops: Ops, p: dict[str, Array], x: Array, valid: Valid, state: States, start: States, reverse: bool
    ) -> tuple[Array, States]:
        """Block after block, which is the same: only the convolutions need the time loop."""
        if type(self).step is not WaveNet.step:  # a derived cell may mean something else
            return ops.unroll(self, p, x, valid, state, start, reverse)

        def convolve(k: int, block: CausalConvolution, x: Array) -> tuple[Array, States]:
            place = f"cells.{k}"
            inner = scope(p, place), x, valid, scope(state, place), scope(start, place), reverse
            return block.unroll(ops.at(place), *inner)

        y, new = self._blocks(ops, p, self.project(ops, p, x), convolve)
        return ops.masked(y, valid), new

    def _blocks(self, ops: Ops, p: Parameters, x: Array, convolve) -> tuple[Array, States]:
        """WAVENET-2 to WAVENET-4, for one step or for all of them."""
        new: States = {}
        y = None
        for k, block in enumerate(self.blocks):
            q = scope(p, f"cells.{k}")
            z, s = convolve(k, block, x)
            new |= under(f"cells.{k}", s)
            skip = ops.linear(z, q["skip_kernel"], q["skip_bias"])
            y = skip if y is None else y + skip
            if "residual_kernel" in q:
                x = x + ops.linear(z, q["residual_kernel"], q["residual_bias"])
        return y, new
