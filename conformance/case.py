"""A case: one model, one call, and what must come of it. `cases()` are those on disk, `draw` makes more."""

import zlib
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from rnnspec import accuracy, inputs
from rnnspec.checkpoint import Checkpoint
from rnnspec.conformance.features import features
from rnnspec.graph import Graph, Input
from rnnspec.layers import Embedding
from rnnspec.model import Model
from rnnspec.reference import Net

BATCH, TIME, INPUTS = 4, 6, 5
MASK = ([0, 1, 1, 0, 1, 0], [1] * 6, [0] * 6, [0, 0, 0, 1, 1, 1])
RESET = ([0, 0, 1, 0, 1, 0], [0] * 6, [1, 0, 0, 1, 0, 0], [0, 0, 0, 0, 0, 1])
PADDED = ([0, 1, 1, 0, 1, 1], [1] * 4 + [0] * 2, [0] * 6, [1] * 6)  # steps that do not hold the padding number
RAGGED, ZERO = (6, 2, 4, 5), (3, 0, 6, 5)
SEED = 20240229  # of the noise in training, but in the cases that try another
Arrays = dict[str, np.ndarray]


@dataclass(frozen=True)
class Case:
    """One call of one model.

    Args:
        id: unique, words joined by `-`.
        clauses: what of SPEC.md it tries.
        split: "whole", "chunks" (two calls, the state carried) or "steps" (`net.step`).
        time_major: whether x and y are (time, batch, …) in the call; here they are batch-major all the same.
        training: whether noise is drawn, with `seed`, in the first call.
        inputs: x, and where the call has them lengths, mask, reset and all states, under the names of an .npz file.
        expected: y (or y.forward, y.backward) and every final state by name, in float64.
        cotangents, gradients: by the names of `expected`, and the gradients of Σ cotangent ⊙ result with respect to the
            weights, x where it is floating, and the given states, by name, in float64; none where it has none. A result
            without a cotangent counts 0.
        pulled: the results that have a cotangent; by default all, of calls over whole batch-major sequences.
        masks: what was drawn in training (DROP-3), place → 0 and 1 (steps, batch, features).
        condition: how much this model amplifies rounding (ACC-2).
    """

    id: str
    clauses: tuple[str, ...]
    model: Model
    weights: Arrays
    inputs: Arrays
    expected: Arrays
    split: str = "whole"
    training: bool = False
    time_major: bool = False
    comment: str = ""
    condition: float = 1.0
    cotangents: Arrays = field(default_factory=dict)
    gradients: Arrays = field(default_factory=dict)
    masks: Arrays = field(default_factory=dict)
    seed: int = SEED
    pulled: tuple[str, ...] | None = None

    @property
    def checkpoint(self) -> Checkpoint:
        return Checkpoint(self.model, self.weights)

    @property
    def features(self) -> set[str]:
        """What it asks of a backend (CONF-5)."""
        given = {f"call.{key}" for key in inputs.STEPS if key in self.call}
        given |= {"call.state"} if set(self.model.states()) & set(self.inputs) else set()
        given |= {f"call.{self.split}"} if self.split != "whole" else set()
        given |= {"call.time_major"} if self.time_major else set()
        asked = features(self.model)
        if self.training:
            given |= {
                "call.training",
                *(f"training.{f}" for f in asked if f.startswith(("cell.dropout", "cell.zoneout"))),
            }
        return given | asked

    @property
    def call(self) -> dict[str, Any]:
        """The keyword arguments of the call, those that are given."""
        return inputs.as_call(self.model, self.inputs)

    def allowed(self, dtype: str, looseness: str = "exact") -> float:
        """How far a result may be off (ACC-2)."""
        _, steps = self.size
        return accuracy.allowed(dtype, accuracy.terms(self.model), steps, self.condition, looseness)

    def summed(self) -> float:
        """How much further a gradient may be off, which is summed over rows and steps, and as large as its parts are
        many: √(batch · time) · its size (ACC-2).
        """
        batch, time = self.size
        largest = max((float(np.abs(array).max(initial=0)) for array in self.gradients.values()), default=0.0)
        return max(1, batch * time) ** 0.5 * max(1.0, largest)

    @property
    def partly(self) -> bool:
        """Whether it is stepped, and some layers run whole at every step (GRAPH-8)."""
        return self.split == "steps" and any(layer.name not in self.model.stepped for layer in self.model.layers)

    @property
    def size(self) -> tuple[int, int]:
        """Rows, and the steps of the longest input."""
        given = self.model.given
        stepped = self.model.stepped if self.split == "steps" else given
        sequences = [self.inputs[name].shape for name, x in given.items() if x.sequence and name in stepped]
        rows = len(self.inputs[next(iter(given))])
        return rows, max((shape[1] for shape in sequences), default=1)

    def rows(self, index: Any) -> "Case":
        """Some of its rows, or all in another order: each gives what it gives in the case."""
        inputs, expected = ({k: a[index] for k, a in arrays.items()} for arrays in (self.inputs, self.expected))
        return replace(self, inputs=inputs, expected=expected, cotangents={}, gradients={}, masks={})

    def fresh(self, seed: int, **changes: Any) -> "Case":
        """The same case with other weights and inputs, which are on no disk; `changes`: what `draw` is given else."""
        given: dict[str, Any] = {k: v for k, v in self.call.items() if k in inputs.STEPS}
        call: dict[str, Any] = {"split": self.split, "training": self.training, "time_major": self.time_major, **given}
        call["seed"] = self.seed
        call["batch"], call["time"] = self.size
        if self.model.by_name:
            call["time"] = {n: self.inputs[n].shape[1] for n, x in self.model.given.items() if x.sequence}
        call["state"] = bool(set(self.model.states()) & set(self.inputs))
        return draw(f"{self.id}-{seed}", self.clauses, self.model, **call | changes)


def solved(case: Case) -> Case:
    """The case with what the reference answers in float64, and its condition (ACC-2)."""
    expected, rough = (_reference(case, dtype) for dtype in ("float64", "float32"))
    (_, steps), terms = case.size, accuracy.terms(case.model)
    condition = accuracy.condition(accuracy.worst(rough, expected)[1], terms, steps)
    return replace(case, expected=expected, condition=condition)


def draw(
    id: str,
    clauses: tuple[str, ...],
    model: Model,
    *,
    lengths: Any = None,
    mask: Any = None,
    reset: Any = None,
    state: bool = False,
    split: str = "whole",
    training: bool = False,
    time_major: bool = False,
    comment: str = "",
    weights: Arrays | None = None,
    batch: int = BATCH,
    time: int | dict[str, int] = TIME,
    seed: int = SEED,
    pulled: tuple[str, ...] | None = None,
    edit: Callable[[Arrays, Arrays], None] = lambda weights, inputs: None,
) -> Case:
    """A case with random arrays, all drawn by its id, and what the reference answers in float64.

    No two weights, rows or steps are alike, and biases and given states are not zero. All numbers are float32 values,
    so that a float32 backend is given exactly what the oracle is given. `weights`: in place of random ones. `edit`:
    changes the weights and inputs that were drawn.
    """
    rng = np.random.default_rng(zlib.crc32(id.encode()))
    random = {
        name: (rng.standard_normal(shape) * (0.5 if len(shape) < 3 else 1.2 / np.sqrt(shape[-1]))).astype("float32")
        for name, shape in model.parameters().items()
    }
    for name in model.fixed & {name for name in random if name.endswith(".variance")}:
        random[name] = np.abs(random[name]) + np.float32(0.25)
    given = {
        name: _input(
            x, model.graph, rng, batch, time[x.like or name] if isinstance(time, dict) and x.sequence else time
        )
        for name, x in model.given.items()
    }
    for name, value, dtype in (("lengths", lengths, "int32"), ("mask", mask, bool), ("reset", reset, bool)):
        if value is not None:
            by_input = {f"{of}.{name}": v for of, v in value.items()} if model.by_name else {name: value}
            given |= {place: np.array(v, dtype) for place, v in by_input.items()}
    if state:
        for name, size in model.states().items():
            given[name] = (rng.standard_normal((batch, size)) / 2).astype("float32")
    weights = random if weights is None else weights
    edit(weights, given)
    case = Case(id, clauses, model, weights, given, {}, split, training, time_major, comment)
    return solved(replace(case, seed=seed, pulled=pulled))


def _input(given: Input, graph: Graph, rng: np.random.Generator, batch: int, time: Any) -> np.ndarray:
    """One of the inputs."""
    axes = (batch, time) if given.sequence else (batch,)
    if given.features is None:
        tables = [
            n.layer.vocabulary for n in graph.nodes if isinstance(n.layer, Embedding) and given is graph.inputs[n.of[0]]
        ]
        x = rng.integers(0, min(tables), axes)
    else:
        x = rng.standard_normal((*axes, given.features)).astype("float32")
    if given.padding is not None:
        x[:, :TIME][~np.array(PADDED, bool)] = given.padding
        if x.ndim == 3 and x.shape[2] > 2:
            x[0, 1, 2] = given.padding  # one feature alone is no padding
    return x


def _reference(case: Case, dtype: str) -> Arrays:
    """y and every final state by name, over the whole sequence, unless layers run whole at every step."""
    net, call = Net(case.checkpoint, dtype, training=case.training, seed=case.seed), case.call
    if not case.partly:
        y, state = net(**call)
        return {**case.model.named(y), **state}
    x, state, outputs = call.pop("x"), call.pop("state", None), []
    for t in range(case.size[1]):
        x_t = {name: value[:, t] if name in case.model.stepped else value for name, value in x.items()}
        y, state = net.step(x_t, state, **call)
        outputs.append(case.model.named(y))
    return {name: np.stack([output[name] for output in outputs], 1) for name in outputs[0]} | state
