"""The derivation without a framework: programs give the reference's numbers, and their gradients the tape's."""

import numpy as np
import pytest

from rnnspec import GRU, LSTM, MGU, NAS, RNN, SRU, UGRNN, Cell, HardSigmoid, Model, Recurrent, Stack
from rnnspec.activations import NAMES
from rnnspec.backends.fused.gradient import gradient
from rnnspec.backends.fused.node import Node, evaluate
from rnnspec.backends.fused.stages import stages
from rnnspec.backends.fused.trace import trace
from rnnspec.cells import CausalConvolution, IndRNN, Intersection, LayerNorm, Residual, TimeFreqLSTM, WaveNet, Zoneout
from rnnspec.conformance.tape import Tape, Traced
from rnnspec.errors import UnsupportedError
from rnnspec.reference import Net
from rnnspec.reference.ops import steps
from rnnspec.valid import Valid

from ..conftest import random_checkpoint
from .executor import compute, loop

TIME, BATCH, INPUTS = 5, 3, 4


class Odd(Cell, frozen=True):
    """A cell with all that is allowed and that no cell of ours does."""

    def outputs(self, inputs):
        return 3

    def states(self, inputs):
        return {"h": 3, "before": 3, "same": 3, "x": inputs, "two": 2}

    def parameters(self, inputs):
        return {"kernel": (3, inputs), "recurrent_kernel": (3, 3), "scale": (1,), "row": (1, 3), "vector": (2, 3)}

    def project(self, ops, p, x):
        return x, ops.linear(x, p["kernel"])

    def step(self, ops, p, projected, state):
        x, z = projected
        h = ops.linear(state["h"], p["recurrent_kernel"]) * p["scale"] + 1.0 - z / (2.0 + ops.exp(state["before"]))
        h = ops.softplus(h / p["row"]) - p["vector"][1] * p["vector"][0:1] + ops.erf(-h)
        first, rest = ops.split(h, (1, 2))
        gated = first * ops.concat([rest, first]) + ops.concat([state["two"], first]) + state["same"] * 0.5
        return gated + first, {"h": gated, "before": state["h"], "same": gated, "x": x, "two": rest}


SPLIT = LayerNorm(gates="split", over="gate", epsilon=1e-3)
CELLS = [
    *(RNN(units=3, activation=name) for name in NAMES),
    RNN(units=3, activation=HardSigmoid(alpha=0.2, beta=0.5), clip_gates=0.4),
    LSTM(units=3),
    LSTM(units=3, peephole=True, projection=2, clip_cell=0.3, clip_projection=0.2),
    LSTM(units=3, coupled_input_forget=True, recurrence="diagonal"),
    LSTM.preset("torch", units=3),
    LSTM.preset("char_rnn", units=3, peephole=True),
    GRU(units=3, reset_after=True),
    GRU(units=3, reset_after=False, recurrence="diagonal"),
    GRU(units=3, reset_after=True, layer_norm=LayerNorm(gates="split", over="all", epsilon=1e-3, beta=False)),
    GRU(units=3, reset_after=False, layer_norm=LayerNorm(gates="joint", over="gate", epsilon=1e-3)),
    UGRNN(units=3, layer_norm=SPLIT),
    MGU(units=3),
    NAS(units=3, projection=2),
    SRU(units=3),
    IndRNN(units=3, activation="relu"),
    Intersection(units=3),
    TimeFreqLSTM(units=2, feature_size=2, frequency_skip=1, peephole=True),
    CausalConvolution(units=3, width=3, dilation=2, gated=True),
    WaveNet(residual=3, skip=2, dilations=(1, 2)),
    Zoneout(cell=LSTM(units=3), h=0.2, c=0.3),
    Odd(),
    Stack(cells=(Residual(cell=GRU(units=4, reset_after=True)), SRU(units=3), LSTM(units=2))),
]
MASK = np.array([[1, 0, 1, 1, 0], [0, 1, 1, 0, 0], [1, 1, 1, 1, 1]], bool)
RESET = np.array([[0, 0, 1, 0, 1], [1, 0, 0, 0, 0], [0, 0, 0, 1, 0]], bool)


class Whole:
    """A cell's program with numbers in it: all but its loop evaluated, in NumPy's float64."""

    def __init__(self, cell: Cell, mask: bool, resets: bool, reverse: bool) -> None:
        layer = Recurrent(name="r", cell=cell, direction="backward" if reverse else "forward")
        self.checkpoint = random_checkpoint(Model(inputs=INPUTS, layers=[layer]), dtype="float64")
        rng = np.random.default_rng(1)
        self.x = rng.standard_normal((BATCH, TIME, INPUTS))
        self.valid = {"mask": MASK} if mask else {}
        self.valid |= {"reset": RESET} if resets else {}
        self.state = {name: rng.standard_normal((BATCH, size)) / 2 for name, size in cell.states(INPUTS).items()}
        self.program = trace(cell, INPUTS, mask=mask, resets=resets)
        self.stages = stages(self.program)
        self.times = range(TIME)[::-1] if reverse else range(TIME)
        flags = [flag.T[:, :, None] for flag in steps(Valid(**self.valid), self.x, reverse)]
        self.values: dict[Node, np.ndarray] = {}
        for node in self.stages.sources:
            name = node.options[0] if node.options else ""
            self.values[node] = {
                "parameter": lambda name=name: self.checkpoint.weights[f"r.{name}"],
                "start": lambda name=name: np.zeros((BATCH, node.size)),  # noqa: B023
                "zeros": lambda: np.zeros((TIME, BATCH, node.size)),  # noqa: B023
                "x": lambda: self.x.swapaxes(0, 1) * (MASK.T[:, :, None] if mask else 1),
                "keep": lambda: flags[0],
                "begins": lambda: flags[1],
            }[node.op]()
        evaluate([*self.stages.once, *self.stages.before], self.values, compute)

    def given(self, nodes: list[Node]) -> dict:
        return {node: self.values[node] for node in nodes}

    def run(self, wanted: list[Node], fixed: dict, leaves: dict, state: dict):
        return loop(self.program, self.stages.loop, fixed, leaves, state, wanted, self.times)


@pytest.fixture(params=[(0, 0, 0), (1, 0, 1), (0, 1, 0), (1, 1, 1)], ids=["all", "mask", "resets", "both"])
def options(request):
    return [bool(flag) for flag in request.param]


@pytest.mark.parametrize("cell", CELLS, ids=repr)
def test_the_program_gives_the_numbers_of_the_reference(cell, options):
    whole = Whole(cell, *options)
    s = whole.stages
    found, state = whole.run(s.exports, whole.given(s.constants), whole.given(s.leaves), whole.state)
    values = whole.values | found
    evaluate(s.after, values, compute)
    given = {f"r.{name}": value for name, value in whole.state.items()}
    y, final = Net(whole.checkpoint, "float64")(whole.x, state=given, **whole.valid)
    np.testing.assert_allclose(values[whole.program.results[0]].swapaxes(0, 1), y, atol=1e-12)
    for name in state:
        np.testing.assert_allclose(state[name], final[f"r.{name}"], atol=1e-12)


def loops(cell):
    """The operations of the loop, and of its gradient's, apart from those that only name parts of another."""
    program = trace(cell, INPUTS)
    forward = stages(program)
    backward = gradient(program, forward).stages
    return [[node.op for node in s.loop if node.op not in ("part", "concat")] for s in (forward, backward)]


def test_what_is_left_in_the_loops():
    forward, backward = loops(LSTM(units=3))
    assert sorted(forward) == ["fma", "linear", "mul", "mul", "sigmoid", "sigmoid", "tanh", "tanh"]
    assert sorted(backward) == ["add", "fma", "mul", "mul", "product", "repeated"]
    assert loops(SRU(units=3)) == [["sub", "fma"], ["add", "mul"]]


def test_what_no_program_has_is_refused():
    class Sliced(Odd, frozen=True):
        def step(self, ops, p, projected, state):
            return state["h"][:, :1], state

    with pytest.raises(UnsupportedError, match=r"parameters alone are sliced; use ops\.split"):
        trace(Sliced(), INPUTS)


@pytest.mark.parametrize("cell", CELLS, ids=repr)
def test_the_gradient_of_the_loop_is_that_of_the_tape(cell, options):
    whole = Whole(cell, *options)
    s, rng = whole.stages, np.random.default_rng(2)
    derived = gradient(whole.program, s)
    names = list(whole.state)
    seeds = [rng.standard_normal((TIME, BATCH, node.size)) for node in s.exports]
    last = {name: rng.standard_normal(whole.state[name].shape) for name in names}

    tape = Tape()

    def traced(nodes):
        return {k: v if k.op in ("keep", "begins") else Traced(tape, v) for k, v in whole.given(nodes).items()}

    fixed, leaves = traced(s.constants), traced(s.leaves)
    state = {name: Traced(tape, value) for name, value in whole.state.items()}
    found, final = whole.run(s.exports, fixed, leaves, state)
    pulled = [(found[node], seed) for node, seed in zip(s.exports, seeds, strict=True)]
    tape.backward([*pulled, *((final[name], last[name]) for name in names if isinstance(final[name], Traced))])

    kept, _ = whole.run(derived.kept, whole.given(s.constants), whole.given(s.leaves), whole.state)
    g = derived.stages
    values = whole.given(s.constants) | whole.given(s.leaves) | kept
    for node in g.sources:
        values[node] = seeds[node.options[0]] if node.op == "seed" else np.zeros((TIME, BATCH, node.size))
    evaluate([*g.once, *g.before], values, compute)
    back, first = loop(
        derived.program,
        g.loop,
        {node: values[node] for node in g.constants},
        {node: values[node] for node in g.leaves},
        last,
        g.exports,
        whole.times[::-1],
    )
    values |= back
    evaluate(g.after, values, compute)
    for node, result in zip(derived.of, derived.program.results, strict=True):
        expected = (fixed | leaves)[node].gradient.astype("float64")
        np.testing.assert_allclose(values[result], expected, atol=1e-11, err_msg=repr(node))
    for node, value in (fixed | leaves).items():
        if node not in derived.of and isinstance(value, Traced):
            assert not value.gradient.any() or node.op == "zeros", node
    for name in names:
        np.testing.assert_allclose(first[name], state[name].gradient.astype("float64"), atol=1e-11, err_msg=name)
