"""What is tried: a model with random weights, one call, and what the reference answers in float64.

No two weights, sizes or rows are alike; biases and given states are not zero; every output and every final state is
compared. All numbers are float32 values, so that a float32 backend is given exactly what the oracle is given.
"""

import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from itertools import product

import numpy as np

from rnnspec.cells import GRU, LSTM, RNN, Cell, Stack
from rnnspec.checkpoint import Checkpoint
from rnnspec.conformance.variations import variations
from rnnspec.layers import Dense, Dropout, Embedding, Layer, Recurrent
from rnnspec.model import Model
from rnnspec.reference import Net

BATCH, TIME, INPUTS = 4, 9, 5
MASK = ([0, 1, 1, 0, 1, 0, 0, 1, 0], [1] * 9, [0] * 9, [0, 0, 0, 0, 0, 1, 1, 1, 1])
PADDED = ([0, 1, 1, 0, 1, 1, 1, 1, 1], [1] * 6 + [0] * 3, [0] * 9, [1] * 9)
RESET = ([0, 0, 1, 0, 0, 1, 0, 0, 0], [0] * 9, [1, 0, 0, 0, 1, 0, 0, 0, 0], [0, 0, 0, 0, 0, 0, 1, 0, 1])
LENGTHS = {"full": None, "ragged": (9, 2, 6, 4), "zero": (3, 0, 9, 5)}


@dataclass(frozen=True)
class Case:
    """One model and one call. `split`: "whole", "chunks" (state carried between two calls) or "steps" (`net.step`)."""

    id: str
    clauses: tuple[str, ...]
    model: Model
    lengths: tuple[int, ...] | None = None
    given_state: bool = False
    split: str = "whole"
    mask: bool = False
    reset: bool = False
    weights: dict[str, np.ndarray] | None = None

    @cached_property
    def checkpoint(self) -> Checkpoint:
        """The case's own weights, or random ones, biases included, that keep the gates mostly out of saturation."""
        if self.weights is not None:
            return Checkpoint(self.model, self.weights)
        rng = np.random.default_rng(zlib.crc32(self.id.encode()))
        weights = {
            name: (rng.standard_normal(shape) * (0.5 if len(shape) < 3 else 1.2 / np.sqrt(shape[-1]))).astype("float32")
            for name, shape in self.model.parameters().items()
        }
        return Checkpoint(self.model, weights)

    @cached_property
    def inputs(self) -> dict[str, np.ndarray]:
        """x, and where the case has them lengths, mask and states, under the names of an .npz file."""
        rng = np.random.default_rng(zlib.crc32(self.id.encode()) + 1)
        first = self.model.layers[0]
        if isinstance(first, Embedding):
            values: dict[str, np.ndarray] = {"x": rng.integers(0, first.vocabulary, (BATCH, TIME))}
        else:
            values = {"x": rng.standard_normal((BATCH, TIME, self.model.inputs or 0)).astype("float32")}
        if self.model.padding is not None:
            values["x"][~np.array(PADDED, bool)] = self.model.padding
        if self.lengths is not None:
            values["lengths"] = np.array(self.lengths, "int32")
        if self.mask:
            values["mask"] = np.array(MASK, bool)
        if self.reset:
            values["reset"] = np.array(RESET, bool)
        if self.given_state:
            for name, size in self.model.states().items():
                values[name] = (rng.standard_normal((BATCH, size)) / 2).astype("float32")
        return values

    @cached_property
    def expected(self) -> dict[str, np.ndarray]:
        """y and every final state by name, from the reference in float64 over the whole sequence."""
        y, state = Net(self.checkpoint, "float64")(**self.call(self.inputs))
        return {**self.model.named(y), **state}

    def call(self, values: dict[str, np.ndarray]) -> dict:
        """The keyword arguments of a whole call."""
        state = {name: values[name] for name in self.model.states()} if self.given_state else None
        optional = {name: values.get(name) for name in ("lengths", "mask", "reset")}
        return {"x": values["x"], "state": state, **optional}


def _cells(units: int) -> dict[str, Cell]:
    return {
        "rnn": RNN(units=units),
        "lstm": LSTM(units=units),
        "gru_before": GRU(units=units, reset_after=False),
        "gru_after": GRU(units=units, reset_after=True),
        "stack": Stack(cells=(GRU(units=units + 1, reset_after=True), LSTM(units=units))),
    }


def _layers(kind: str, direction: str, count: int, sequences: bool = True) -> tuple[Layer, ...]:
    return tuple(
        Recurrent(
            name=f"layer{i}",
            cell=_cells(7 - i)[kind],
            direction=direction,  # type: ignore[arg-type]
            return_sequences=sequences or i < count - 1,
        )
        for i in range(count)
    )


_CLAUSES = {
    "rnn": ("RNN-1", "RNN-2"),
    "lstm": ("LSTM-1", "LSTM-2", "LSTM-3", "LSTM-4", "LSTM-5"),
    "gru_before": ("GRU-1", "GRU-2", "GRU-4", "GRU-5"),
    "gru_after": ("GRU-1", "GRU-3", "GRU-4", "GRU-5"),
    "stack": ("STACK-1", "STACK-2"),
}
_DIRECTIONS: dict[str, tuple[str, ...]] = {
    "forward": (),
    "backward": ("UNROLL-5",),
    "bidirectional": ("UNROLL-5", "UNROLL-8"),
}
_RAGGED: dict[str, tuple[str, ...]] = {
    "full": (),
    "ragged": ("UNROLL-2", "UNROLL-3"),
    "zero": ("UNROLL-2", "UNROLL-3", "UNROLL-4"),
}


def _chain(*layers: Layer) -> Model:
    return Model(inputs=INPUTS, layers=layers)


def cases() -> Iterator[Case]:
    """All cases, in a fixed order."""
    yield from _sequences()
    yield from _last_outputs()
    yield from _splits()
    yield from _masks()
    yield from _options()
    yield from _characters()
    yield from _padding()
    yield from variations()


def _sequences() -> Iterator[Case]:
    for kind, direction, lengths, given, count in product(_CLAUSES, _DIRECTIONS, LENGTHS, (False, True), (1, 3)):
        clauses = (*_CLAUSES[kind], "UNROLL-1", "UNROLL-6", *_DIRECTIONS[direction], *_RAGGED[lengths])
        id = f"{kind}-{direction}-{lengths}-{'given' if given else 'zeros'}-{count}"
        yield Case(id, clauses, _chain(*_layers(kind, direction, count)), LENGTHS[lengths], given)


def _last_outputs() -> Iterator[Case]:
    for kind, direction, lengths in product(_CLAUSES, _DIRECTIONS, LENGTHS):
        dense = Dense(name="dense", units=3, activation="tanh")
        model = _chain(*_layers(kind, direction, 2, sequences=False), dense)
        yield Case(f"{kind}-{direction}-{lengths}-last", ("UNROLL-7", "DENSE-1"), model, LENGTHS[lengths], True)


def _splits() -> Iterator[Case]:
    for kind, split in product(_CLAUSES, ("chunks", "steps")):
        model = _chain(*_layers(kind, "forward", 2), Dense(name="dense", units=4))
        yield Case(f"{kind}-{split}", ("STEP-1",), model, None, True, split)


def _masks() -> Iterator[Case]:
    for kind, direction in product(_CLAUSES, _DIRECTIONS):
        clauses = ("UNROLL-2", "UNROLL-4", *_DIRECTIONS[direction])
        yield Case(f"{kind}-{direction}-mask", clauses, _chain(*_layers(kind, direction, 1)), None, True, mask=True)


def _options() -> Iterator[Case]:
    cells: dict[str, Cell] = {
        "rnn-no-bias": RNN(units=6, bias=False),
        "lstm-no-bias": LSTM(units=6, bias=False),
        "gru_before-no-bias": GRU(units=6, reset_after=False, bias=False),
        "gru_after-no-bias": GRU(units=6, reset_after=True, bias=False),
        "rnn-relu": RNN(units=6, activation="relu"),
        "rnn-sigmoid": RNN(units=6, activation="sigmoid"),
        "rnn-linear": RNN(units=6, activation="linear"),
    }
    for id, cell in cells.items():
        clauses = (*_CLAUSES[id.split("-")[0]], "ACT-1")
        layer = Recurrent(name="layer", cell=cell, direction="bidirectional")
        yield Case(id, clauses, _chain(layer), LENGTHS["zero"], True)
        yield Case(f"{id}-steps", (*clauses, "STEP-1"), _chain(Recurrent(name="layer", cell=cell)), None, True, "steps")


def _padding() -> Iterator[Case]:
    """Ids or features that mark padding: at the front, inside, at the end, and everywhere in a row."""
    hold = Recurrent(name="hold", cell=LSTM(units=6), padded_output="hold")
    both = Recurrent(name="both", cell=GRU(units=4, reset_after=True), direction="bidirectional")
    for id, lengths, mask in (
        ("padding", None, False),
        ("padding-lengths", LENGTHS["zero"], False),
        ("padding-mask", None, True),
    ):
        features = Model(inputs=INPUTS, padding=0.25, layers=[hold, both])
        ids = Model(padding=3, layers=[Embedding(name="embedding", vocabulary=8, units=5), hold, both])
        yield Case(id, ("MODEL-5",), features, lengths, True, mask=mask)
        yield Case(f"{id}-ids", ("MODEL-5",), ids, lengths, True, mask=mask)


def _characters() -> Iterator[Case]:
    layers = (
        Embedding(name="embedding", vocabulary=11, units=5),
        Recurrent(name="lstm", cell=LSTM(units=7)),
        Dropout(name="dropout", rate=0.4),
        Recurrent(name="gru", cell=GRU(units=6, reset_after=True)),
        Dense(name="logits", units=11),
    )
    clauses = ("EMBED-1", "DROP-1", "DENSE-1")
    yield Case("characters", clauses, Model(layers=layers), LENGTHS["ragged"], True)
    yield Case("characters-steps", (*clauses, "STEP-1"), Model(layers=layers), None, True, "steps")
