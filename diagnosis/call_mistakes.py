"""What goes wrong in the call: what is given and taken, in which order, and what is exchanged for something else."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from itertools import combinations

import msgspec
import numpy as np

from rnnspec.diagnosis.change import Mistake
from rnnspec.diagnosis.trial import Arrays, Trial, parts, weights_of, with_part


def call_mistakes(trial: Trial) -> Iterator[Mistake]:
    """All of them."""
    yield from _left_out(trial)
    yield from _reversed(trial)
    yield from _axes(trial)
    yield from _exchanged(trial)


def _left_out(trial: Trial) -> Iterator[Mistake]:
    states = tuple(trial.model.states())
    for sentence, names in (
        ("lengths are ignored", ("lengths",)),
        ("the mask is ignored", ("mask",)),
        ("resets are ignored", ("reset",)),
        ("initial states are ignored", states),
    ):
        if set(names) & set(trial.inputs):
            yield Mistake(sentence, sentence, partial(_without, names))
    if trial.model.padding is not None:
        yield Mistake("padding", "the padding number is taken for input", _with_padding)


def _without(names: tuple[str, ...], trial: Trial) -> Trial:
    return trial.but(*names)


def _with_padding(trial: Trial) -> Trial:
    return replace(trial, model=msgspec.structs.replace(trial.model, padding=None))


def _reversed(trial: Trial) -> Iterator[Mistake]:
    ways: list[tuple[str, Callable]] = [("", lambda array, _: array[:, ::-1])]
    if {"lengths", "mask"} & set(trial.inputs):
        ways.append((", row by row up to its length", _reversed_rows))
    for how, turn in ways:
        for sentence, x, y in (
            ("the input is reversed in time", True, False),
            ("the output is reversed in time", False, True),
            ("input and output are reversed in time", True, True),
        ):
            yield Mistake(sentence + how, sentence + how, partial(_turned, turn, x, y))


def _reversed_rows(array: np.ndarray, inputs: Arrays) -> np.ndarray:
    """Each row's steps up to its last valid one in reverse."""
    steps = np.arange(array.shape[1])
    mask = inputs.get("mask", np.ones(array.shape[:2], bool))
    lengths = inputs.get("lengths", np.max((steps + 1) * mask, axis=1, initial=0))
    index = np.where(steps < lengths[:, None], lengths[:, None] - 1 - steps, steps)
    return array[np.arange(len(array))[:, None], index]


def _turned(turn: Callable, x: bool, y: bool, trial: Trial) -> Trial:
    inputs = trial.inputs

    def turned(found: Arrays) -> Arrays:
        return {k: turn(a, inputs) if k.startswith("y") and a.ndim == 3 else a for k, a in found.items()}

    trial = trial.but(x=turn(inputs["x"], inputs)) if x else trial
    return trial.then(turned) if y else trial


def _axes(trial: Trial) -> Iterator[Mistake]:
    batch, time = trial.inputs["x"].shape[:2]
    if batch == time or set(trial.inputs) == {"x"}:
        yield Mistake("x time-major", "batch and time are exchanged in x and y", partial(_swapped, True), "batch")
    yield Mistake("y time-major", "batch and time are exchanged in y", partial(_swapped, False), "batch")


def _swapped(x: bool, trial: Trial) -> Trial:
    trial = trial.but(x=trial.inputs["x"].swapaxes(0, 1)) if x else trial
    return trial.then(lambda found: {name: _outputs_swapped(name, array) for name, array in found.items()})


def _outputs_swapped(name: str, array: np.ndarray) -> np.ndarray:
    return array.swapaxes(0, 1) if name.startswith("y") and array.ndim == 3 else array


def _exchanged(trial: Trial) -> Iterator[Mistake]:
    """h and c, and the weights and states of two layers, cells or directions of the same size."""
    model = trial.model
    sizes = model.states()
    pairs = {
        name: name[:-1] + "c" for name in sizes if name.endswith(".h") and sizes.get(name[:-1] + "c") == sizes[name]
    }
    yield from _states_exchanged("h and c", {**pairs, **{c: h for h, c in pairs.items()}}, trial)
    places = {place: weights_of(trial.weights, place) for place in parts(model) if not place.endswith(".")}
    shapes = {place: {name: array.shape for name, array in p.items()} for place, p in places.items()}
    for a, b in combinations(places, 2):
        if b.startswith(a + "."):
            continue
        if shapes[a] and shapes[a] == shapes[b]:
            sentence = f"the weights of {a} and {b} are exchanged"
            yield Mistake(sentence, sentence, partial(_weights_exchanged, a, b), "step", usual=False)
        names = {name: b + name.removeprefix(a) for name in sizes if name.startswith(a + ".")}
        if names and all(sizes.get(other) == sizes[name] for name, other in names.items()):
            both = {**names, **{other: name for name, other in names.items()}}
            yield from _states_exchanged(f"states of {a} and {b}", both, trial)


def _weights_exchanged(a: str, b: str, trial: Trial) -> Trial:
    found = parts(trial.model)
    p, q = weights_of(trial.weights, a), weights_of(trial.weights, b)
    return with_part(with_part(trial, a, found[a], q), b, found[b], p)


def _states_exchanged(what: str, names: dict[str, str], trial: Trial) -> Iterator[Mistake]:
    if not names:
        return
    ways = {"final": (False, True)}
    if set(names) & set(trial.inputs):
        ways = {"initial and final": (True, True), "initial": (True, False)} | ways
    for which, (first, last) in ways.items():
        sentence = f"the {which} {what} are exchanged"
        yield Mistake(sentence, sentence, partial(_renamed, names, first, last), usual=what == "h and c")


def _renamed(names: dict[str, str], first: bool, last: bool, trial: Trial) -> Trial:
    if first:
        moved = {names[name]: array for name, array in trial.inputs.items() if name in names}
        trial = trial.but(**moved)
    return trial.then(lambda found: {names.get(k, k): a for k, a in found.items()}) if last else trial
