"""A golden case: the framework's arrays, our model with its weights, and what it must reproduce."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import msgspec
import numpy as np

from rnnspec import Checkpoint, Embedding, Model, Recurrent
from rnnspec.ops import under
from rnnspec.reference import Net

from .layers import Variables, WithWeights

DATA = Path(__file__).parents[1] / "data" / "golden"
Arrays = dict[str, np.ndarray]


def read(path: Path) -> Arrays:
    with np.load(path, allow_pickle=False) as file:
        return dict(file)


@dataclass(frozen=True)
class Case:
    """One row of the table.

    Args:
        path: group/case, a folder of `tests/data/golden`.
        layers: variables → the layers with their weights.
        outputs: expected key → the layer whose output it is; `name.forward` and `name.backward` where there are two. By
            default `outputs` is the last layer's.
        states: how the framework lays out states: a prefix of keys (`final_state` → `final_state_fw_0_c`), `concat`
            (one tensor), or `torch` (`h_n`, `c_n`: all layers and directions).
        view: our output → the framework's view of it (order or shape).
        stateful: Keras: two calls with the state carried on, then one with the state reset.
        stepwise: call `step` in a Python loop; `all_states_…` are the states after every step.
        encoder: variables → layers that read `enc` and whose final state is the initial state.
    """

    path: str
    layers: Callable[[Variables], list[WithWeights]]
    outputs: Mapping[str, str] | None = None
    states: str = ""
    time_major: bool = False
    view: Callable[[np.ndarray], np.ndarray] | None = None
    stateful: bool = False
    stepwise: bool = False
    encoder: Callable[[Variables], list[WithWeights]] | None = None

    @cached_property
    def inputs(self) -> Arrays:
        return read(DATA / self.path / "inputs.npz")

    @cached_property
    def expected(self) -> Arrays:
        return read(DATA / self.path / "expected.npz")

    def reproduce(self) -> Arrays:
        """Expected key → our number, for all keys that this row speaks of."""
        x = next(self.inputs[name] for name in ("x", "ids", "dec") if name in self.inputs)
        if x.dtype.kind == "f" and x.ndim == 2:  # torch, unbatched: (time, inputs)
            x = x[:, None]
        net = self.net(self.layers, x)
        if self.stateful:
            y_1, state = net(x)
            return {"outputs_1": y_1, "outputs_2": net(self.inputs["x2"], state=state)[0], "outputs_3": net(x)[0]}
        state = self.initial_state(net.model, x.shape[1 if self.time_major else 0])
        if self.stepwise:
            return self.unrolled(net, x, state)
        numbers = self.final_state(self.run(net, x, state)[1])
        for key, name in ({self.default_output: ""} if self.outputs is None else self.outputs).items():
            name, _, direction = name.partition(".")
            until = self.net(self.layers, x, name)
            y, _ = self.run(until, x, {name: state[name] for name in until.model.states()} if state else None)
            y = until.model.named(y)[f"y.{direction}" if direction else "y"]
            numbers[key] = self.view(y) if self.view else y
        return numbers

    def net(self, build: Callable[[Variables], list[WithWeights]], x: np.ndarray, until: str = "") -> Net:
        """The reference with the layers of `build`; or up to the layer `until`, as it hands its sequence on."""
        layers, weights = [], {}
        for layer, w in build(read(DATA / self.path / "variables.npz")):
            layers.append(layer)
            weights |= under(layer.name, {name: a.astype(np.promote_types(a.dtype, "f4")) for name, a in w.items()})
            if layer.name == until:
                if isinstance(layer, Recurrent):
                    layers[-1] = msgspec.structs.replace(layer, return_sequences=True)
                break
        model = Model(layers=layers, inputs=None if isinstance(layers[0], Embedding) else x.shape[-1])
        return Net(Checkpoint(model, weights), dtype="float64", time_major=self.time_major)

    def run(self, net: Net, x: np.ndarray, state: Arrays | None) -> tuple[np.ndarray, Arrays]:
        return net(x, lengths=self.inputs.get("lengths"), mask=self.inputs.get("mask"), state=state)

    def unrolled(self, net: Net, x: np.ndarray, state: Arrays | None) -> Arrays:
        """The numbers of a loop over `step`: stacked along time, the first axis."""
        outputs, states = [], []
        for x_t in x if self.time_major else x.swapaxes(0, 1):
            y, state = net.step(x_t, state)
            outputs.append(y)
            states.append(state)
        trace = {name: np.stack([state[name] for state in states]) for name in state}
        return {self.default_output: np.stack(outputs)} | self.final_state(state) | self.named(trace, "all_states")

    @property
    def default_output(self) -> str:
        return "output" if self.states == "torch" else "outputs"

    def initial_state(self, model: Model, batch: int) -> Arrays | None:
        """The given initial state by our names; None if none is given."""
        if self.encoder:
            return self.net(self.encoder, self.inputs["enc"])(self.inputs["enc"])[1]
        names, given = list(model.states()), self.inputs
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


def suffixes(names: list[str]) -> dict[str, str]:
    """State name → how TensorFlow's and Keras's keys end: direction, number of the layer or cell, c or h of an LSTM."""
    keys = {}
    for name in names:
        place, leaf = name.rsplit(".", 1)
        words = re.findall("forward|backward", place) + re.findall(r"\d+", place)
        words = [{"forward": "fw", "backward": "bw"}.get(word, word) for word in words]
        keys[name] = "".join(f"_{word}" for word in words + [leaf] * ({f"{place}.c", f"{place}.h"} <= set(names)))
    return keys


def c_first(names: list[str]) -> list[str]:
    """TensorFlow's order, c before h in every cell."""
    return sorted(names, key=lambda name: (name.rsplit(".", 1)[0], name.rsplit(".", 1)[1] != "c"))
