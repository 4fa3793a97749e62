"""Random models from the whole configuration space, and calls of them, for Hypothesis."""

from functools import partial

import numpy as np
from hypothesis import strategies as st

from rnnspec import (
    GRU,
    LSTM,
    RNN,
    UGRNN,
    Attending,
    Cell,
    CellDropout,
    Checkpoint,
    Dense,
    Dropout,
    Embedding,
    HardSigmoid,
    LayerNorm,
    LeakyRelu,
    Model,
    Recurrent,
    Residual,
    Stack,
    Zoneout,
)
from rnnspec.cells.gated import Gated
from rnnspec.cells.wrapper import Wrapper
from rnnspec.config import specified

sizes = st.integers(1, 5)
gates = st.sampled_from(["sigmoid", HardSigmoid(alpha=0.2, beta=0.5)])
acts = st.sampled_from(["tanh", "relu", "softsign", "linear", LeakyRelu(alpha=0.2)])
limits = st.none() | st.floats(0.2, 2)
rates = st.sampled_from([0.0, 0.25])


@st.composite
def norms(draw, cell: bool = False, joint_only: bool = False, over_all: bool = True) -> LayerNorm | None:
    if draw(st.booleans()):
        return None
    return LayerNorm(
        gates="joint" if joint_only else draw(st.sampled_from(["joint", "split"])),
        over=draw(st.sampled_from(["gate", "all"])) if over_all else "gate",
        epsilon=draw(st.sampled_from([1e-3, 1e-2])),
        cell=draw(st.sampled_from([None, "output", "carry"])) if cell else None,
        beta=draw(st.booleans()),
    )


@st.composite
def gated(draw, cell: bool = False, over_all: bool = True) -> dict:
    """The fields that RNN, LSTM, GRU and UGRNN share."""
    return {
        "units": draw(sizes),
        "bias": draw(st.booleans()),
        "recurrence": draw(st.sampled_from(["full", "diagonal"])),
        "layer_norm": draw(norms(cell, over_all=over_all)),
        "clip_gates": draw(limits),
    }


@st.composite
def lstms(draw) -> LSTM:
    fields = draw(gated(cell=True))
    if fields["recurrence"] == "full" and (projection := draw(st.none() | sizes)):
        fields |= {"projection": projection, "clip_projection": draw(limits)}
    return LSTM(
        **fields,
        gate_activation=draw(gates),
        cell_activation=draw(acts),
        output_activation=draw(acts),
        peephole=draw(st.booleans()),
        coupled_input_forget=draw(st.booleans()),
        clip_cell=draw(limits),
    )


OF_FIELD = {
    "units": sizes,
    "residual": sizes,
    "skip": sizes,
    "projection": st.none() | sizes,
    "width": st.integers(2, 3),
    "dilation": st.integers(1, 3),
    "dilations": st.sampled_from([(1,), (1, 2)]),
    "feature_size": st.just(1),
    "frequency_skip": sizes,
    "activation": acts,
    "gate_activation": gates,
    "clip_cell": limits,
    "bias": st.booleans(),
    "gated": st.booleans(),
    "peephole": st.booleans(),
    "reset_after": st.booleans(),
}


def of_fields(kind: type[Cell], **drawn) -> st.SearchStrategy[Cell]:
    """Cells of a kind, each field by its name; those that are not here, or drawn before, keep their defaults."""
    names = [name for name in kind.__struct_fields__ if name in OF_FIELD and name not in drawn]
    return st.builds(kind, **{name: OF_FIELD[name] for name in names}, **{k: st.just(v) for k, v in drawn.items()})


def simple_cells() -> st.SearchStrategy[Cell]:
    """Cells that stand alone."""
    plain = [kind for kind in specified(Cell).values() if not issubclass(kind, (Gated, Wrapper, Stack, Attending))]
    return st.one_of(
        lstms(),
        *(gated(over_all=kind is not GRU).flatmap(partial(gated_of, kind)) for kind in (RNN, GRU, UGRNN)),
        *map(of_fields, plain),
    )


def gated_of(kind: type[Cell], fields: dict) -> st.SearchStrategy[Cell]:
    return of_fields(kind, **fields)


@st.composite
def cells(draw, inputs: int | None = None) -> Cell:
    """A cell, perhaps wrapped or stacked; residual where its outputs fit its inputs."""
    cell = draw(simple_cells())
    if draw(st.booleans()):
        cell = CellDropout(cell=cell, input=draw(rates), output=draw(rates))
    elif cell.emits == "h" and draw(st.booleans()):
        cell = Zoneout(cell=cell, h=draw(rates))
    if draw(st.integers(0, 3)) == 0:
        cell = Stack(cells=(cell, draw(simple_cells())))
    if inputs is not None and cell.outputs(inputs) == inputs:
        cell = Residual(cell=cell)
    return cell


@st.composite
def recurrents(draw, name: str, inputs: int, direction: str | None = None, **fields) -> Recurrent:
    cell = draw(cells(inputs))
    direction = direction or draw(st.sampled_from(["forward", "backward", "bidirectional"]))
    merge = draw(st.sampled_from(["concat", "sum", "mul", "ave"])) if direction == "bidirectional" else "concat"
    options = {
        "merge": merge,
        "padded_output": draw(st.sampled_from(["zero", "hold"])),
        "reverse_output": draw(st.booleans()) and direction != "forward",
        "learned_state": draw(st.booleans()),
    }
    return Recurrent(name=name, cell=cell, direction=direction, **options | fields)


@st.composite
def models(draw, direction: str | None = None) -> Model:
    """One or two recurrent layers, perhaps with an embedding before and a dense layer after them."""
    inputs = draw(sizes)
    first: list = []
    ids = draw(st.booleans())
    if ids:
        first = [Embedding(name="embedding", vocabulary=6, units=inputs)]
    layers = [*first, draw(recurrents("lower", inputs, direction))]
    if draw(st.booleans()):
        middle = layers[-1].outputs(inputs)
        layers += [Dropout(name="drop", rate=0.3), draw(recurrents("upper", middle, direction))]
    if draw(st.booleans()):
        layers.append(Dense(name="dense", units=draw(sizes), activation=draw(st.sampled_from(["linear", "softmax"]))))
    return Model(inputs=None if ids else inputs, layers=layers)


def random(model: Model, seed: int, batch: int = 3, time: int = 5) -> tuple[Checkpoint, dict]:
    """Random weights, and a call with ragged lengths (one row empty) and given states; all of them float32 values."""
    rng = np.random.default_rng(seed)

    def numbers(*shape: int) -> np.ndarray:
        return (rng.standard_normal(shape) / 2).astype("float32")

    checkpoint = Checkpoint(model, {name: numbers(*shape) for name, shape in model.parameters().items()})
    ids = model.inputs is None
    x = rng.integers(0, 6, (batch, time)) if ids else numbers(batch, time, model.inputs or 0)
    lengths = np.array([time, 0, time - 2][:batch])
    return checkpoint, {"x": x, "lengths": lengths, "state": {n: numbers(batch, s) for n, s in model.states().items()}}
