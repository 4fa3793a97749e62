"""The vocabulary in which cells and layers are written, and which every backend supplies.

Arithmetic (`+ - * /`, with arrays and with floats on the right) and slicing of parameters along their first axis go
through the array's own operators.
"""

from typing import Any, Protocol, Self

Array = Any
Parameters = Any  # what `Cell.prepare` returned: by default name → array
Projected = Any  # what `Cell.project` returned: an array, or a tuple of them, nested
States = dict[str, Array]

LOW = -1e30  # below anything that a network computes: what stands for nothing in a maximum or a softmax


class Ops(Protocol):
    """Operations of one backend. Arrays are the backend's own; the last axis holds features.

    Cells see x as (batch, inputs) in a single step, and as (time, batch, inputs) when all steps are projected at once.
    Layers see (batch, time, features).
    """

    # Products and shapes

    def linear(self, x: Array, kernel: Array, bias: Array | None = None) -> Array:
        """x (…, inputs), kernel (…, inputs), bias (…) → W x + b (…, rows); the kernel's leading axes become rows."""

    def flat(self, parameter: Array) -> Array:
        """A parameter (…) as one axis, to be added to features or multiplied with them."""

    def split(self, x: Array, parts: int | tuple[int, ...]) -> tuple[Array, ...]:
        """The last axis in equal parts, or in parts of the given sizes."""

    def concat(self, parts: list[Array]) -> Array:
        """Joined along the last axis."""

    def take(self, table: Array, ids: Array) -> Array:
        """table (n, units), ids (…) integers → (…, units)."""

    def zeros(self, x: Array, size: int) -> Array:
        """Zeros with `size` features and the leading axes of x."""

    # Elementwise

    def sigmoid(self, x: Array) -> Array:
        """1 / (1 + e⁻ˣ)."""

    def tanh(self, x: Array) -> Array:
        """(eˣ − e⁻ˣ) / (eˣ + e⁻ˣ)."""

    def relu(self, x: Array) -> Array:
        """max(x, 0)."""

    def exp(self, x: Array) -> Array:
        """eˣ."""

    def sqrt(self, x: Array) -> Array:
        """√x."""

    def erf(self, x: Array) -> Array:
        """The error function."""

    def softplus(self, x: Array) -> Array:
        """log(1 + eˣ), without overflow."""

    def clip(self, x: Array, low: float, high: float) -> Array:
        """x, at least `low` and at most `high`; the slope is 1 on the borders."""

    def greater(self, x: Array, threshold: float) -> Array:
        """x > threshold, as booleans."""

    def where(self, condition: Array, x: Array, otherwise: Array) -> Array:
        """x where the condition holds, else `otherwise`."""

    # Over features

    def softmax(self, x: Array) -> Array:
        """eˣ / Σ eˣ over the last axis."""

    def log_softmax(self, x: Array) -> Array:
        """The logarithm of `softmax`."""

    def layer_norm(self, x: Array, gamma: Array, beta: Array | None, epsilon: float, groups: int) -> Array:
        """γ ⊙ (x − mean) / √(variance + ε) + β: the features in `groups` equal groups, each normalised by itself.

        gamma, beta (…) with as many elements as x has features.
        """

    # Training

    training: bool

    def at(self, place: str) -> Self:
        """The same operations one place deeper in the tree of names: what noise is keyed by."""

    def noise(self, x: Array, size: int, rate: float, place: str, per: str) -> Array | None:
        """Ones, and zeros with probability `rate`: (…, size), leading axes as x; None outside training (DROP-3).

        For cells, whose x is time-major or a single step. `per`: "step", or "sequence" for the same at every step.
        """

    def dropout(self, x: Array, rate: float, place: str = "", per: str = "step") -> Array:
        """Identity outside training; in training x with noise, scaled by 1/(1-rate). For layers: x is batch-major."""

    # Sequences

    def recurrent(
        self, layer: Any, p: dict[str, Array], x: Array, valid: Any, state: States
    ) -> tuple[list[Array], States]:
        """Each direction of a `Recurrent` layer: fused where the backend can, else `layer.unroll`.

        x at invalid steps is not read (UNROLL-13): it is set to 0 beforehand, because the gradient of a product with
        NaN is NaN even where nothing comes of it.
        """

    def recurrent_step(self, layer: Any, p: dict[str, Array], x: Array, state: States) -> tuple[Array, States]:
        """One step of a `Recurrent` layer: by the framework's fused cell where it means the same, else
        `layer.cell_step`."""

    def unroll(
        self, cell: Any, p: dict[str, Array], x: Array, valid: Any, state: States, start: States, reverse: bool
    ) -> tuple[Array, States]:
        """The time loop over one cell in one direction: UNROLL-1 to UNROLL-6, UNROLL-12.

        x (batch, time, inputs) → outputs (batch, time, outputs), 0 at invalid steps; final states. `start`: the states
        that `valid.reset` restarts from.
        """

    def unpadded(self, x: Array, padding: float, valid: Any) -> Any:
        """`valid` without the steps of x whose features, or id, all equal `padding` (MODEL-5)."""

    def masked(self, x: Array, valid: Any) -> Array:
        """x (batch, time, features), 0 at invalid steps."""

    def hold(self, y: Array, valid: Any, reverse: bool) -> Array:
        """Outputs with the previous valid one, in the order of visits, at invalid steps (UNROLL-9)."""

    def last(self, y: Array, valid: Any, reverse: bool) -> Array:
        """The output (batch, outputs) of the last valid step visited, 0 where there is none (UNROLL-7)."""

    def flip(self, y: Array) -> Array:
        """The time axis reversed (UNROLL-10)."""

    def repeat(self, x: Array, along: Any) -> Array:
        """A vector (batch, features) at each of so many steps, a number, or at those of an array (batch, time, …),
        which may be ids."""

    def counted(self, x: Array, valid: Any) -> Array:
        """1 at valid steps, else 0: (batch, time, 1) in the dtype of x (batch, time, features)."""

    def total(self, x: Array) -> Array:
        """The sum over time: (batch, features)."""

    def largest(self, x: Array, valid: Any) -> Array:
        """The maximum over valid steps (batch, features), 0 where there is none; equal ones share the gradient."""

    def taps(self, x: Array, outside: tuple[int, int], width: int, stride: int, dilation: int) -> list[Array]:
        """What windows over time see at each of their `width` places, `dilation` apart: arrays (batch, windows,
        features), x with `outside` zeros before and after, a window every `stride` steps, as many as fit."""

    def windows(self, valid: Any, span: int, stride: int) -> Any:
        """Which windows are valid: those whose `span` steps all are, from step `stride` · t on."""

    def convolve(
        self, x: Array, kernel: Array, outside: tuple[int, int], stride: int, dilation: int, groups: int
    ) -> Array:
        """Σ over the `taps` of x of kernel (units, width, inputs / groups): (batch, windows, units)."""

    # Attention

    def heads(self, query: Array, keys: Array, values: Array, valid: Any, count: int, scale: float) -> Array:
        """`attend` of scale · `products`, for each of `count` equal parts of the features by itself, joined."""

    def products(self, query: Array, keys: Array) -> Array:
        """Σ query ⊙ key: query (batch, [time,] features), keys (batch, steps, features) → (batch, [time,] steps)."""

    def additive(self, query: Array, keys: Array, scale: Array) -> Array:
        """Σ scale ⊙ tanh(query + key), with the shapes of `products`; scale (features,)."""

    def attend(self, scores: Array, values: Array, valid: Any) -> Array:
        """Σ softmax(scores) ⊙ value over the valid steps, 0 where there is none: scores (batch, [time,] steps), values
        (batch, steps, features) → (batch, [time,] features)."""


def scope(tensors: dict[str, Array], prefix: str) -> dict[str, Array]:
    """The tensors under `prefix`, their names relative to it; all of them for the empty prefix."""
    if not prefix:
        return tensors
    return {name[len(prefix) + 1 :]: value for name, value in tensors.items() if name.startswith(prefix + ".")}


def grouped(tensors: dict[str, Array]) -> dict[str, dict[str, Array]]:
    """`scope` of every first part of the names at once: layer → its tensors."""
    groups: dict[str, dict[str, Array]] = {}
    for name, value in tensors.items():
        first, _, rest = name.partition(".")
        groups.setdefault(first, {})[rest] = value
    return groups


def under(prefix: str, tensors: dict[str, Array]) -> dict[str, Array]:
    """The inverse of `scope`: names put under `prefix`."""
    return {f"{prefix}.{name}" if prefix else name: value for name, value in tensors.items()}


def leaves(projected: Projected) -> list[Array]:
    """The arrays of a nest of tuples, in order."""
    return [leaf for part in projected for leaf in leaves(part)] if isinstance(projected, tuple) else [projected]


def nest_like(projected: Projected, arrays: Any) -> Projected:
    """The inverse of `leaves`: an iterator's arrays in the nest of `projected`."""
    if isinstance(projected, tuple):
        return tuple(nest_like(part, arrays) for part in projected)
    return next(arrays)
