"""The long short-term memory."""

from typing import Any, ClassVar, Self

import numpy as np

from rnnspec.activations import Activation, activate
from rnnspec.cells.gated import Gated, Limit
from rnnspec.cells.layer_norm import LayerNorm
from rnnspec.config import Size
from rnnspec.errors import SpecError
from rnnspec.ops import Array, Ops, Parameters, States


class LSTM(Gated, tag="lstm", frozen=True, kw_only=True):
    """Long short-term memory (Hochreiter & Schmidhuber 1997; forget gate: Gers et al. 2000; peepholes: Gers &
    Schmidhuber 2000; coupled gates: Greff et al. 2015; projection: Sak et al. 2014).

        a = W x + R h + b
        i = σ(a_i + p_i ⊙ c)            f = σ(a_f + p_f ⊙ c)         LSTM-1
        g = φ(a_g)                      o = σ(a_o + p_o ⊙ c')        LSTM-2
        c' = clip(N_c(f ⊙ c + i ⊙ g))                                LSTM-3
        h' = clip(P (o ⊙ ψ(c')))                                     LSTM-4
        y  = h'                                                      LSTM-5

    W `kernel (4, units, inputs)`, R `recurrent_kernel (4, units, outputs)`, b `bias (4, units)`; gates in the order
    input i, forget f, cell g, output o; variants of a: `Gated`; states `h (batch, outputs)` and `c (batch, units)`. σ,
    φ, ψ are `gate_activation`, `cell_activation`, `output_activation`. A forget bias that a framework adds at run time
    is part of `bias` here, or of the forget gate's `gates_beta` (LSTM-6). Where an option is off, its term is left out:

    - `peephole`: p `peephole (3, units)`, input, forget, output: i and f see the old c, o the new one (LSTM-7).
    - `coupled_input_forget`: i = 1 − f; there is no input gate: three gates, and `peephole (2, units)` (LSTM-8).
    - `layer_norm.cell`: N_c as in LSTM-3 with `carry`; with `output` only ψ sees N_c(c'), c' stays as it is (LSTM-9).
    - `clip_cell`: c' is clipped to ±clip_cell, after N_c, before o and ψ see it and before it is stored (LSTM-10).
    - `projection`: P `projection (projection, units)`; outputs = projection, else units (LSTM-11).
    - `clip_projection`: h' is clipped to ±clip_projection, after P (LSTM-12).
    """

    emits: ClassVar = "h"
    gate_activation: Activation = "sigmoid"
    cell_activation: Activation = "tanh"
    output_activation: Activation = "tanh"
    peephole: bool = False
    coupled_input_forget: bool = False
    projection: Size | None = None
    clip_cell: Limit | None = None
    clip_projection: Limit | None = None

    @property
    def gates(self) -> tuple[str, ...]:  # type: ignore[override]
        """What the leading axis of the kernels is."""
        return ("forget", "cell", "output") if self.coupled_input_forget else ("input", "forget", "cell", "output")

    def __post_init__(self) -> None:
        Gated.__post_init__(self)
        if self.clip_projection and not self.projection:
            raise SpecError("LSTM.clip_projection: there is no projection to clip; give `projection`, or leave it out")
        if self.projection and self.recurrence == "diagonal":
            raise SpecError("LSTM.projection: a diagonal recurrence needs outputs of `units`; leave one of them out")

    @classmethod
    def preset(cls, name: str, units: int, **fields: Any) -> Self:
        """The layer-norm LSTM that goes by a name: `tf1` (tf.contrib LayerNormBasicLSTMCell), `char_rnn` (the
        TensorFlow 1 tutorial's cell), `torch` (torch's benchmarks/fastrnns/custom_lstms), `haste`, `tfa` (TensorFlow
        Addons). Their forget biases are part of the weights (LSTM-6).

        Raises:
            SpecError: another name.
        """
        if name not in _PRESETS:
            raise SpecError(f"LSTM.preset: unknown {name!r}; expected one of {', '.join(_PRESETS)}")
        norm, bias = _PRESETS[name]
        values: dict[str, Any] = {"units": units, "layer_norm": norm, "bias": bias}
        return cls(**values | fields)

    def outputs(self, inputs: int) -> int:
        return self.projection or self.units

    def states(self, inputs: int) -> dict[str, int]:
        return {"h": self.outputs(inputs), "c": self.units}

    def parameters(self, inputs: int) -> dict[str, tuple[int, ...]]:
        shapes = super().parameters(inputs)
        if self.peephole:
            shapes["peephole"] = (len(self.gates) - 1, self.units)
        if self.projection:
            shapes["projection"] = (self.projection, self.units)
        return shapes

    def prepare(self, ops: Ops, p: dict[str, Array]) -> Parameters:
        if not self.peephole:
            return p
        gates = ("f", "o") if self.coupled_input_forget else ("i", "f", "o")
        return p | {f"peephole_{gate}": ops.flat(p["peephole"][k : k + 1]) for k, gate in enumerate(gates)}

    def step(self, ops: Ops, p: Parameters, projected: Array, state: States) -> tuple[Array, States]:
        c, n = state["c"], len(self.gates)
        *i_f, g, o = ops.split(self.preactivations(ops, p, projected, self.seen(state), n), n)
        f = self._gate(ops, i_f[-1], p.get("peephole_f"), c)
        g = activate(ops, self.cell_activation, self.clipped(ops, g))
        if self.coupled_input_forget:
            c = g + f * (c - g)
        else:
            c = f * c + self._gate(ops, i_f[0], p.get("peephole_i"), c) * g
        norm = self.layer_norm.cell if self.layer_norm else None
        if self.layer_norm and norm == "carry":
            c = self.layer_norm.of_cell(ops, p, c)
        if self.clip_cell is not None:
            c = ops.clip(c, -self.clip_cell, self.clip_cell)
        o = self._gate(ops, o, p.get("peephole_o"), c)
        seen = self.layer_norm.of_cell(ops, p, c) if self.layer_norm and norm == "output" else c
        h = o * activate(ops, self.output_activation, seen)
        if self.projection:
            h = ops.linear(h, p["projection"])
        if self.clip_projection is not None:
            h = ops.clip(h, -self.clip_projection, self.clip_projection)
        return h, {"h": h, "c": c}

    def _gate(self, ops: Ops, a: Array, peephole: Array | None, c: Array) -> Array:
        return activate(ops, self.gate_activation, self.clipped(ops, a if peephole is None else a + c * peephole))

    def initialize(
        self, name: str, shape: tuple[int, ...], rng: "np.random.Generator", scheme: str = "keras"
    ) -> np.ndarray:
        """As the base class, with a forget bias of one (Jozefowicz et al. 2015) where Keras has it: INIT-2."""
        value = super().initialize(name, shape, rng, scheme)
        if scheme == "keras" and name == ("bias" if self.bias else "gates_beta"):
            value[self.gates.index("forget")] = 1
        return value


_PRESETS = {  # name: (layer norm, bias)
    "tf1": (LayerNorm(gates="joint", over="gate", cell="carry", epsilon=1e-12), False),
    "char_rnn": (LayerNorm(gates="joint", over="gate", cell="output", epsilon=1e-5), False),
    "torch": (LayerNorm(gates="split", over="all", cell="carry", epsilon=1e-5), False),
    "haste": (LayerNorm(gates="split", over="all", cell="output", epsilon=1e-5, beta=False), True),
    "tfa": (LayerNorm(gates="split", over="all", cell="carry", epsilon=1e-3), True),
}
