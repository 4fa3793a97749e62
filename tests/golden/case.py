"""A golden case: what a framework saved, converted, and what it must reproduce."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import msgspec
import numpy as np

from rnnspec import Checkpoint, Model, Recurrent
from rnnspec.convert import convert

DATA = Path(__file__).parents[1] / "data" / "golden"
Arrays = dict[str, np.ndarray]
Load = Callable[..., Any]  # checkpoint, time_major=… → net


def read(path: Path) -> Arrays:
    with np.load(path, allow_pickle=False) as file:
        return dict(file)


@dataclass(frozen=True)
class Case:
    """One row of a table.

    Args:
        path: group/case, a folder of `tests/data/golden`.
        artefact: what is converted, in that folder.
        settings, config, ema, part: arguments of `convert`; `config` is a file in the folder.
        outputs: expected key → the layer whose output it is; `name.forward` and `name.backward` where there are two. By
            default `outputs` is the last layer's.
        states: how the framework lays out states: a prefix of keys (`final_state` → `final_state_fw_0_c`), `concat`
            (one tensor), or `torch` (`h_n`, `c_n`: all layers and directions).
        view: our output → the framework's view of it (order or shape).
        stateful: Keras: two calls with the state carried on, then one with the state reset.
        stepwise: call `step` in a Python loop; `all_states_…` are the states after every step.
        encoder: the part that reads `enc` and whose final state is the initial state.
    """

    path: str
    artefact: str
    settings: Mapping[str, Any] = field(default_factory=dict)
    config: str | None = None
    ema: bool = False
    part: str | None = None
    outputs: Mapping[str, str] | None = None
    states: str = ""
    time_major: bool = False
    view: Callable[[np.ndarray], np.ndarray] | None = None
    stateful: bool = False
    stepwise: bool = False
    encoder: str | None = None

    @property
    def id(self) -> str:
        return f"{self.path}/{self.artefact}"

    @cached_property
    def inputs(self) -> Arrays:
        return read(DATA / self.path / "inputs.npz")

    @cached_property
    def expected(self) -> Arrays:
        return read(DATA / self.path / "expected.npz")

    def convert(self, part: str | None = None) -> Checkpoint:
        """The checkpoint, of `part` or of what the row says."""
        folder = DATA / self.path
        config = folder / self.config if self.config else None
        settings, part = dict(self.settings), part or self.part
        return convert(folder / self.artefact, config=config, settings=settings, ema=self.ema, part=part)

    def reproduce(self, load: Load) -> Arrays:
        """Expected key → our number, for all keys that this row speaks of, in the runtime whose `load` is given."""
        x = next(self.inputs[name] for name in ("x", "ids", "dec") if name in self.inputs)
        if x.dtype.kind == "f" and x.ndim == 2:  # torch, unbatched: (time, inputs)
            x = x[:, None]
        checkpoint = self.convert()
        net = load(checkpoint, time_major=self.time_major)
        if self.stateful:
            y_1, state = net(x)
            numbers = {"outputs_1": y_1, "outputs_2": net(self.inputs["x2"], state=state)[0], "outputs_3": net(x)[0]}
            return {key: np.asarray(value) for key, value in numbers.items()}
        state = self.initial_state(checkpoint.model, x.shape[1 if self.time_major else 0], load)
        if self.stepwise:
            return self.unrolled(net, x, state)
        numbers = self.final_state(self.run(net, x, state)[1])
        for key, name in ({self.default_output: ""} if self.outputs is None else self.outputs).items():
            name, _, direction = name.partition(".")
            until = until_layer(checkpoint, name) if name else checkpoint
            given = {name: state[name] for name in until.model.states()} if state else None
            y, _ = self.run(load(until, time_major=self.time_major), x, given)
            y = np.asarray(until.model.named(y)[f"y.{direction}" if direction else "y"])
            numbers[key] = self.view(y) if self.view else y
        return numbers

    def run(self, net, x: np.ndarray, state: Arrays | None) -> tuple[Any, Arrays]:
        """One call; a mask that the model finds by itself is not given to it."""
        mask = self.inputs.get("mask") if net.model.padding is None else None
        y, new = net(x, lengths=self.inputs.get("lengths"), mask=mask, state=state)
        return y, {name: np.asarray(value) for name, value in new.items()}

    def unrolled(self, net, x: np.ndarray, state: Arrays | None) -> Arrays:
        """The numbers of a loop over `step`: stacked along time, the first axis."""
        outputs, states = [], []
        for x_t in x if self.time_major else x.swapaxes(0, 1):
            y, new = net.step(x_t, state)
            state = {name: np.asarray(value) for name, value in new.items()}
            outputs.append(np.asarray(y))
            states.append(state)
        trace = {name: np.stack([state[name] for state in states]) for name in state}
        return {self.default_output: np.stack(outputs)} | self.final_state(state) | self.named(trace, "all_states")

    @property
    def default_output(self) -> str:
        return "output" if self.states == "torch" else "outputs"

    def initial_state(self, model: Model, batch: int, load: Load) -> Arrays | None:
        """The given initial state by our names; None if none is given."""
        names, given = list(model.states()), self.inputs
        if self.encoder:
            encoder = load(self.convert(self.encoder))
            final = encoder(given["enc"])[1]
            return {name: np.asarray(final[each]) for name, each in zip(names, encoder.model.states(), strict=True)}
        if self.states == "torch":
            stacked = {leaf: given[f"{leaf}0"] for leaf in "hc" if f"{leaf}0" in given}
            rows = {leaf: list(h.reshape(-1, batch, h.shape[-1])) for leaf, h in stacked.items()}
            return {name: rows[name[-1]].pop(0) for name in names} if rows else None
        if self.states == "concat":
            ends = np.cumsum([model.states()[name] for name in c_first(names)])
            return dict(zip(c_first(names), np.split(given["initial_state"], ends[:-1], axis=-1), strict=True))
        state = {name: given.get(f"initial_state{suffix}") for name, suffix in suffixes(names).items()}
        return None if all(value is None for value in state.values()) else state

    def final_state(self, state: Arrays) -> Arrays:
        """The final state by the framework's keys, those that it returns."""
        names = list(state)
        if self.states == "torch":
            stacked = {f"{leaf}_n": [state[name] for name in names if name.endswith(f".{leaf}")] for leaf in "hc"}
            return {key: np.stack(value).reshape(self.expected[key].shape) for key, value in stacked.items() if value}
        if self.states == "concat":
            return {"final_state": np.concatenate([state[name] for name in c_first(names)], axis=-1)}
        return self.named(state, self.states)

    def named(self, state: Arrays, prefix: str) -> Arrays:
        keys = {name: f"{prefix}{suffix}" for name, suffix in suffixes(list(state)).items()}
        return {key: state[name] for name, key in keys.items() if key in self.expected}


def until_layer(checkpoint: Checkpoint, name: str) -> Checkpoint:
    """The model up to the layer `name`, as it hands its sequence on."""
    layers = []
    for layer in checkpoint.model.layers:
        layers.append(layer)
        if layer.name == name:
            if isinstance(layer, Recurrent):
                layers[-1] = msgspec.structs.replace(layer, return_sequences=True)
            break
    model = msgspec.structs.replace(checkpoint.model, layers=tuple(layers))
    return Checkpoint(model, {key: checkpoint.weights[key] for key in model.parameters()})


def suffixes(names: list[str]) -> dict[str, str]:
    """State name → how TensorFlow's and Keras's keys end: direction, number of the layer or cell, c or h of an LSTM."""
    keys = {}
    alone = len({name.split(".")[0] for name in names}) == 1  # one layer: a number in its name means nothing
    for name in names:
        place, leaf = name.rsplit(".", 1)
        place = place[place.find(".") :] if alone and "." in place else "" if alone else place
        words = re.findall("forward|backward", place) + re.findall(r"\d+", place)
        words = [{"forward": "fw", "backward": "bw"}.get(word, word) for word in words]
        keys[name] = "".join(f"_{word}" for word in words + [leaf] * ({f"{name[:-1]}c", f"{name[:-1]}h"} <= set(names)))
    return keys


def c_first(names: list[str]) -> list[str]:
    """TensorFlow's order, c before h in every cell."""
    return sorted(names, key=lambda name: (name.rsplit(".", 1)[0], name.rsplit(".", 1)[1] != "c"))
