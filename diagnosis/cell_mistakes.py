"""What is wrong in cells with the numbers in the right places: the reset, biases, gates, peepholes, clips."""

from collections.abc import Callable, Iterator
from functools import partial

import msgspec
import numpy as np

from rnnspec.activations import HardSigmoid
from rnnspec.cells import GRU, LSTM, SRU, UGRNN, Cell, Intersection
from rnnspec.conventions import tf1
from rnnspec.diagnosis.change import Changed, PartMistake
from rnnspec.diagnosis.trial import Arrays
from rnnspec.layers import Dense

with_fields = msgspec.structs.replace


def cell_mistakes(gates: set[str]) -> Iterator[PartMistake]:
    """All of them, for cells that have these gates among theirs."""
    yield from _gru()
    yield from _biases(gates)
    yield from _gates()
    yield from _peepholes_and_clips()


def _gru() -> Iterator[PartMistake]:
    """The reset, and the recurrent bias inside it. Values are of d and of what is added to the bias of the new gate."""
    before, after = "the reset gate acts before the product", "the reset gate acts after the product"
    for name, sentence, reset_after, biases in (
        ("reset before", f"{before}, and the recurrent bias is added outside", False, lambda b, d: (b + d, None)),
        ("reset before, no bias", f"{before}, and the recurrent bias is left out", False, lambda b, d: (b, None)),
        ("reset after", f"{after}, and the bias is outside", True, lambda b, d: (b, 0 * b)),
        ("reset after, bias inside", f"{after}, and the bias is inside", True, lambda b, d: (0 * b, b)),
        ("recurrent bias missing", "the recurrent bias is left out", None, lambda b, d: (b, 0 * d)),
        ("recurrent bias outside", "the recurrent bias is added outside the reset", None, lambda b, d: (b + d, 0 * d)),
        ("recurrent bias in both", "the recurrent bias is added outside the reset too", None, lambda b, d: (b + d, d)),
        ("recurrent bias twice", "the recurrent bias is counted twice", None, lambda b, d: (b, 2 * d)),
        ("biases exchanged", "the new gate's two biases are exchanged", None, lambda b, d: (d, b)),
        ("bias inside", "the new gate's bias is inside the reset too", None, lambda b, d: (0 * b, b + d)),
    ):  # fmt: skip
        yield PartMistake(name, sentence, partial(_reset, reset_after, biases))


def _reset(reset_after: bool | None, biases: Callable, cell, p: Arrays) -> Changed:
    if not isinstance(cell, GRU) or reset_after is cell.reset_after:
        return None
    if cell.layer_norm and cell.layer_norm.over == "all" and reset_after is False:
        return None
    changed = cell if reset_after is None else with_fields(cell, reset_after=reset_after)
    if not cell.bias:
        return None if reset_after is None else (changed, p)
    if reset_after is None and not cell.reset_after:
        return None
    b, d = biases(p["bias"][2], p.get("recurrent_bias"))
    others = {name: array for name, array in p.items() if name != "recurrent_bias"}
    bias = np.stack([*p["bias"][:2], b])
    return changed, others | {"bias": bias} | ({} if d is None else {"recurrent_bias": d})


def _biases(gates: set[str]) -> Iterator[PartMistake]:
    for by, sentence in ((1, "1 is added to the forget gate's bias"), (-1, "1 is taken from the forget gate's bias")):
        yield PartMistake(f"forget bias {by:+}", sentence, partial(_forget_bias, by))
    both = ("bias", "recurrent_bias")
    yield PartMistake("no bias", "the bias is left out", partial(_scaled_bias, Cell, both, 0))
    yield PartMistake("bias twice", "the bias is counted twice", partial(_scaled_bias, Cell, both, 2), usual=False)
    yield PartMistake("bias halved", "half of the bias is added", partial(_scaled_bias, Cell, both, 0.5), usual=False)
    yield PartMistake("no dense bias", "the dense layer's bias is left out", partial(_scaled_bias, Dense, both, 0))
    yield PartMistake("no input bias", "the input's bias is left out", _no_input_bias)
    for gate in sorted(gates):
        change = partial(_no_gate_bias, gate)
        yield PartMistake(f"no bias {gate}", f"the bias of the gate {gate} is left out", change, usual=False)


def _forget_bias(by: float, cell, p: Arrays) -> Changed:
    """What TensorFlow 1 adds at run time; to the norm's β where there is no bias."""
    kind = next((kind for kind in tf1.FORGET if isinstance(cell, kind)), None)
    if kind is None:
        return None
    place = "bias" if "bias" in p else "gates_beta"
    if place not in p:
        if not isinstance(cell, (LSTM, UGRNN)) or cell.layer_norm:
            return None
        cell, p = with_fields(cell, bias=True), p | {"bias": np.zeros(p["kernel"].shape[:2])}
        place = "bias"
    return cell, p | {place: p[place] + tf1.forget_bias(kind, cell.gates, by)}


def _scaled_bias(kind: type, names: tuple[str, ...], by: float, part, p: Arrays) -> Changed:
    if not isinstance(part, kind) or "bias" not in p:
        return None
    return part, p | {name: p[name] * by for name in names if name in p}


def _no_input_bias(cell, p: Arrays) -> Changed:
    return (cell, p | {"bias": 0 * p["bias"]}) if isinstance(cell, Cell) and "recurrent_bias" in p else None


def _no_gate_bias(gate: str, cell, p: Arrays) -> Changed:
    if not isinstance(cell, Cell) or len(cell.gates) < 2 or gate not in cell.gates or len(p.get("bias", ())) < 2:
        return None
    if len(p["bias"]) != len(cell.gates):
        return None
    return cell, p | {"bias": p["bias"] * np.array([[name != gate] for name in cell.gates])}


def _gates() -> Iterator[PartMistake]:
    for kind, gate, sentence in (
        (GRU, "update", "the update gate is read as 1 - u"),
        (UGRNN, "update", "the update gate is read as 1 - u"),
        (SRU, "forget", "the forget gate is read as 1 - f"),
        (LSTM, "forget", "the coupled gates are exchanged: f = 1 - i"),
        (Intersection, "state_gate", "the state gate is read as one minus it"),
        (Intersection, "output_gate", "the output gate is read as one minus it"),
    ):
        yield PartMistake(f"{kind.__name__} one minus {gate}", sentence, partial(_one_minus, kind, gate))


_ARGUMENT = {  # layer norm → the weights in which the argument of a gate is linear
    None: ("kernel", "recurrent_kernel", "bias"),
    "joint": ("gates_gamma", "gates_beta"),
    "split": ("kernel_gamma", "kernel_beta", "recurrent_gamma", "recurrent_beta", "bias"),
}


def _one_minus(kind: type[Cell], gate: str, cell, p: Arrays) -> Changed:
    """σ(−a) = 1 − σ(a), so a gate is exchanged for one minus it by the sign of its argument."""
    if not isinstance(cell, kind) or (isinstance(cell, LSTM) and not cell.coupled_input_forget):
        return None
    gate_activation = getattr(cell, "gate_activation", "sigmoid")
    if gate_activation != "sigmoid" and not (isinstance(gate_activation, HardSigmoid) and gate_activation.beta == 0.5):
        return None
    norm = getattr(cell, "layer_norm", None)
    names = _ARGUMENT[norm and norm.gates]
    signs = np.array([-1.0 if name == gate else 1.0 for name in cell.gates])
    new = {}
    for name in (*names, "peephole"):
        if name in p:
            rows = signs[1:3] if len(p[name]) < len(signs) and isinstance(cell, SRU) else signs[: len(p[name])]
            new[name] = p[name] * rows.reshape(-1, *[1] * (p[name].ndim - 1))
    return cell, p | new


def _peepholes_and_clips() -> Iterator[PartMistake]:
    yield PartMistake("no peepholes", "the peepholes are left out", _no_peephole)
    for name, field, other in (
        ("clip_cell", "clip_cell", None),
        ("clip_gates", "clip_gates", None),
        ("clip_projection", "clip_projection", None),
        ("clip_cell to gates", "clip_cell", "clip_gates"),
        ("clip_gates to cell", "clip_gates", "clip_cell"),
        ("clip_cell to projection", "clip_cell", "clip_projection"),
        ("clip_projection to cell", "clip_projection", "clip_cell"),
    ):
        sentence = f"{field} is left out" if other is None else f"{field} is applied as {other}"
        yield PartMistake(f"no {name}" if other is None else name, sentence, partial(_clip, field, other))


def _no_peephole(cell, p: Arrays) -> Changed:
    return (cell, p | {"peephole": 0 * p["peephole"]}) if isinstance(cell, Cell) and "peephole" in p else None


def _clip(field: str, other: str | None, cell, p: Arrays) -> Changed:
    limit = getattr(cell, field, None) if isinstance(cell, Cell) else None
    if limit is None:
        return None
    if other is None:
        return with_fields(cell, **{field: None}), p
    if (
        not isinstance(cell, LSTM)
        or getattr(cell, other) is not None
        or (other == "clip_projection" and not cell.projection)
    ):
        return None
    return with_fields(cell, **{field: None, other: limit}), p
