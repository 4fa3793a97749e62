"""Weights that look wrong, for a person to look at."""

from collections.abc import Iterator
from itertools import combinations

import numpy as np

from rnnspec.cells import Cell
from rnnspec.checkpoint import Checkpoint
from rnnspec.conventions import tf1
from rnnspec.diagnosis.trial import Arrays, parts, weights_of
from rnnspec.ops import grouped

_ADDS = ("tf1", None)  # formats whose forget bias is not in the file, and files that do not say where they are from

_FIX = "rnnspec convert … --set forget_bias"


def hints(checkpoint: Checkpoint) -> list[str]:
    """One line for everything that looks wrong; none of it is an error."""
    found = []
    for name, array in checkpoint.weights.items():
        if not np.isfinite(array).all():
            found.append(f"{name}: holds NaN or infinity")
    conversion = checkpoint.metadata.get("conversion")
    origin = conversion.get("format") if isinstance(conversion, dict) else None
    of = grouped(checkpoint.weights)
    for place, part in parts(checkpoint.model).items():
        if isinstance(part, Cell):
            layer, _, inside = place.partition(".")
            p = weights_of(of.get(layer, {}), inside)
            found += [
                f"{place.rstrip('.')}{line}" for line in (*_forget_bias(part, p, origin), *_gates(part, p, origin))
            ]
    return found


def _forget_bias(cell: Cell, p: Arrays, origin: str | None) -> Iterator[str]:
    """Whether the forget gate's bias lacks what the framework adds at run time, or has it twice.

    TensorFlow 1 starts all biases from 0 and adds forget_bias, by default 1, at run time; with it folded in, the forget
    gate's mean is near 1 and the other gates' near 0, and training moves both by little. So it is taken for unfolded
    where it is below 0.5 and less than 0.5 above the mean of the others. Keras keeps its 1 in the saved bias; torch,
    Flax and ONNX add nothing: in what was converted from those, a mean near 0 is no sign of a mistake.

    Taken for folded twice: within 0.25 of 2, where the others are within 0.5 of 0.
    """
    gates = tf1.FORGET.get(type(cell), ())
    bias = p.get("bias", p.get("gates_beta"))
    if len(gates) != 1 or bias is None or not np.isfinite(bias).all():
        return
    (gate,), means = gates, bias.mean(1)
    k = cell.gates.index(gate)
    mean, others = float(means[k]), float(np.delete(means, k).mean())
    name = "bias" if "bias" in p else "gates_beta"
    values = f".{name}: the {gate} gate's mean is {mean:.2f}, the others' {others:.2f}"
    if origin in _ADDS and mean < 0.5 and mean - others < 0.5:
        yield f"{values}: the forget bias that TensorFlow 1 adds at run time looks left out; if so, {_FIX}=1"
    if abs(mean - 2) < 0.25 and abs(others) < 0.5:
        yield f"{values}: the forget bias looks added twice; if so, {_FIX}=0"


def _gates(cell: Cell, p: Arrays, origin: str | None) -> Iterator[str]:
    """Gates that cannot have been trained: constant, or the same as another; a recurrent bias that Flax's nnx alone
    does without."""
    for name in ("kernel", "recurrent_kernel"):
        gates = p.get(name, np.zeros(0))
        if not cell.gates or len(cell.gates) != len(gates) or gates[0].size < 2:
            continue
        for gate, weights in zip(cell.gates, gates, strict=True):
            if np.ptp(weights) == 0:
                yield f".{name}: all weights of the gate {gate} are {weights.flat[0]:g}"
        for (one, a), (other, b) in combinations(zip(cell.gates, gates, strict=True), 2):
            if np.array_equal(a, b) and np.ptp(a) > 0:
                yield f".{name}: the gates {one} and {other} have the same weights"
    if origin != "flax" and "recurrent_bias" in p and p["bias"].any() and not p["recurrent_bias"].any():
        yield ".recurrent_bias: all 0, although there is a bias; was the source's second bias dropped?"
