"""Cases that set every field of every cell and layer, and every option of a layer and a call with each kind of cell.

What one case sets is what does not get in each other's way; `tests/conformance/test_catalogue.py` counts that nothing
is left out.
"""

from collections.abc import Iterator

from rnnspec import activations as a
from rnnspec.cells import (
    GRU,
    LSTM,
    MGU,
    NAS,
    RNN,
    SRU,
    UGRNN,
    CausalConvolution,
    Cell,
    CellDropout,
    IndRNN,
    Intersection,
    LayerNorm,
    Residual,
    Stack,
    TimeFreqLSTM,
    WaveNet,
    Zoneout,
)
from rnnspec.conformance.case import MASK, RAGGED, RESET, SEED, ZERO, Case
from rnnspec.conformance.chains import case
from rnnspec.layers import Dense, Dropout, Embedding, Layer, Recurrent

_HARD = a.HardSigmoid(alpha=0.2, beta=0.45)
_SCALED = a.ScaledTanh(alpha=1.4, beta=0.6)
_JOINT = LayerNorm(gates="joint", over="gate", epsilon=1e-3, beta=False)
_ALL = LayerNorm(gates="joint", over="all", epsilon=1e-4)
_SPLIT = LayerNorm(gates="split", over="gate", epsilon=1e-5)
_SPLIT_ALL = LayerNorm(gates="split", over="all", epsilon=1e-2, beta=False)
_CARRY = LayerNorm(gates="joint", over="all", cell="carry", epsilon=1e-3, beta=False)
_OUTPUT = LayerNorm(gates="split", over="gate", cell="output", epsilon=1e-4)


def fields() -> Iterator[Case]:
    """All of them, in a fixed order."""
    yield from _of_cells()
    yield from _of_layers()
    yield from _seeds()


def _cells(n: int) -> dict[str, tuple[Cell, ...]]:
    """Cells with n outputs, of which the first takes any inputs, in groups that fit into one case."""
    return {
        "lstm": (
            LSTM(units=n, gate_activation=_HARD, cell_activation="softsign", output_activation=_SCALED, peephole=True,
                 coupled_input_forget=True, clip_gates=0.6, clip_cell=0.5, recurrence="diagonal", bias=False),
            LSTM(units=n + 2, gate_activation="sparse_sigmoid", cell_activation=_SCALED, output_activation="relu6",
                 layer_norm=_CARRY, clip_gates=0.9, projection=n, clip_projection=0.4, clip_cell=0.8),
            LSTM(units=n, layer_norm=_OUTPUT, peephole=True, clip_gates=0.7, bias=False, coupled_input_forget=True),
            LSTM(units=n, layer_norm=_SPLIT_ALL, recurrence="diagonal", cell_activation="hard_tanh"),
            LSTM(units=n, layer_norm=_JOINT, peephole=True, output_activation="gelu", clip_cell=0.7),
            LSTM(units=n + 1, peephole=True, projection=n, bias=False, coupled_input_forget=True),
        ),
        "gru": (
            GRU(units=n, reset_after=False, gate_activation="softsign", activation=_SCALED, clip_gates=0.6, bias=False),
            GRU(units=n, reset_after=True, gate_activation=_HARD, activation="softsign", bias=False, layer_norm=_JOINT),
            GRU(units=n, reset_after=False, recurrence="diagonal", layer_norm=_SPLIT, clip_gates=0.8, activation="elu"),
            GRU(units=n, reset_after=True, recurrence="diagonal", layer_norm=_SPLIT_ALL, clip_gates=0.7),
            GRU(units=n, reset_after=False, layer_norm=_JOINT, gate_activation=_HARD, bias=False),
            GRU(units=n, reset_after=True, gate_activation="sparse_sigmoid", activation="selu", layer_norm=_SPLIT),
        ),
        "simple": (
            RNN(units=n, activation=_SCALED, recurrence="diagonal", clip_gates=0.8, bias=False, layer_norm=_ALL),
            RNN(units=n, activation="softsign", layer_norm=_SPLIT_ALL),
            RNN(units=n, activation="hard_tanh", bias=False),
            IndRNN(units=n, activation=_SCALED, bias=False),
            UGRNN(units=n, gate_activation=_HARD, activation="softsign", layer_norm=_JOINT, clip_gates=0.7, bias=False),
            UGRNN(units=n, gate_activation="softsign", activation=_SCALED, recurrence="diagonal",
                  layer_norm=_SPLIT_ALL),
            MGU(units=n, gate_activation=_HARD, activation="softsign", bias=False),
            MGU(units=n, gate_activation="sparse_sigmoid", activation=_SCALED),
        ),
        "other": (
            Intersection(units=n, activation="softsign"),
            Intersection(units=n, activation=a.Elu(alpha=0.6)),
            SRU(units=n, activation="softsign", bias=False),
            SRU(units=n, activation=_SCALED),
            NAS(units=n + 2, projection=n),
            NAS(units=n, bias=False),
            CausalConvolution(units=n, width=3, dilation=2, activation="softsign", bias=False, gated=True),
            CausalConvolution(units=n, width=2, activation=_SCALED, gated=True),
            WaveNet(residual=n + 1, skip=n, width=3, dilations=(2, 1)),
            TimeFreqLSTM(units=n, feature_size=3, frequency_skip=2, peephole=True, clip_cell=0.6),
        ),
        "wrapped": (
            Zoneout(cell=LSTM(units=n, peephole=True, clip_cell=0.6), c=0.4),
            Residual(cell=Zoneout(cell=GRU(units=n, reset_after=False, bias=False), h=0.3)),
            CellDropout(cell=Residual(cell=LSTM(units=n + 1, projection=n)), input=0.3, state=0.2, output=0.3),
            Zoneout(cell=CellDropout(cell=UGRNN(units=n, layer_norm=_SPLIT), input=0.2, state=0.3), h=0.2),
            CellDropout(cell=IndRNN(units=n), input=0.3, output=0.2, per="sequence"),
            Zoneout(cell=NAS(units=n), h=0.3, c=0.2),
            CellDropout(cell=GRU(units=n, reset_after=False, layer_norm=_JOINT), state=0.3, per="sequence"),
            Residual(cell=Stack(cells=(MGU(units=n + 1), SRU(units=n)))),
            Zoneout(cell=MGU(units=n), h=0.1),
        ),
        # An SRU's activation is that of a state and no part of it: all steps are one tensor there, if a backend likes.
        "activations": (
            SRU(units=n, activation="log_softmax"),
            RNN(units=n, activation="softmax"),
            SRU(units=n, activation="gelu"),
            RNN(units=n, activation="mish"),
            SRU(units=n, activation="softmax"),
            RNN(units=n, activation="log_softmax"),
            SRU(units=n, activation="softplus"),
            RNN(units=n, activation="gelu"),
        ),
    }  # fmt: skip


def _layer(name: str, *cells: Cell, **options) -> Recurrent:
    """The cells in a stack, in both directions but for those that ask for another."""
    cell = cells[0] if len(cells) == 1 else Stack(cells=cells)
    return Recurrent(name=name, cell=cell, **{"direction": "bidirectional"} | options)


def _of_cells() -> Iterator[Case]:
    """Every field of every cell, as a whole sequence and step by step."""
    for group, cells in _cells(7).items():
        half = len(cells) // 2
        layer = _layer("rnn", *cells[:half], backward_cell=Stack(cells=cells[half:]))
        yield case(f"fields-{group}", "CONFIG-3", layer, lengths=ZERO, state=True)
        forward = _layer("rnn", *cells, direction="forward")
        yield case(f"fields-{group}-steps", "CONFIG-3", forward, state=True, split="steps")
    cells = _cells(7)["wrapped"]
    layer = _layer("rnn", *cells[:4], backward_cell=Stack(cells=cells[4:]))
    yield case("fields-wrapped-training", "CONFIG-3 DROP-3", layer, lengths=RAGGED, state=True, training=True)
    zones = Zoneout(cell=LSTM(units=7), h=0.3, c=0.2)
    layer = _layer("rnn", CellDropout(cell=zones, state=0.3, output=0.2), backward_cell=zones)
    yield case("fields-dropped-zoneout-training", "CONFIG-3 DROP-3 ZONEOUT-1", layer, mask=MASK, training=True)


def _every_kind(n: int) -> tuple[Cell, ...]:
    """One cell of every kind, n outputs each, and two readings of the GRU."""
    return (
        LSTM(units=n),
        GRU(units=n, reset_after=True),
        RNN(units=n),
        UGRNN(units=n),
        SRU(units=n),
        CausalConvolution(units=n, width=2),
        Zoneout(cell=LSTM(units=n), h=0.2, c=0.3),
        Residual(cell=GRU(units=n, reset_after=False)),
        GRU(units=n, reset_after=False),
        MGU(units=n),
        NAS(units=n),
        IndRNN(units=n),
        Intersection(units=n),
        WaveNet(residual=n, skip=n, dilations=(1, 2)),
        CellDropout(cell=RNN(units=n), input=0.3, state=0.2, output=0.2),
        TimeFreqLSTM(units=n, feature_size=n - 1, frequency_skip=2),
    )


def _of_layers() -> Iterator[Case]:
    """Every option of a layer and a call with every kind of cell, the options in combination."""
    kinds = _every_kind(7)
    many = Stack(cells=kinds[8:])
    everything: dict[str, tuple[dict, dict]] = {
        "sum": (
            {"merge": "sum", "padded_output": "hold", "learned_state": True},
            {"mask": MASK, "reset": RESET, "time_major": True, "pulled": ("y",)},
        ),
        "mul": (
            {"merge": "mul", "reverse_output": True, "learned_state": True},
            {"lengths": RAGGED, "reset": RESET, "training": True},
        ),
        "ave": ({"merge": "ave", "reverse_output": True, "padded_output": "hold"}, {"mask": MASK, "state": True}),
        "none": (
            {"merge": "none", "reverse_output": True, "padded_output": "hold", "learned_state": True},
            {"lengths": ZERO, "reset": RESET, "time_major": True, "training": True, "state": True},
        ),
        "last": (
            {"merge": "sum", "return_sequences": False, "learned_state": True},
            {"mask": MASK, "reset": RESET, "training": True, "time_major": True},
        ),
    }
    for name, (options, call) in everything.items():
        if "time_major" in call and "pulled" not in call:
            layer = _layer("rnn", *kinds[:8], backward_cell=many, **options)
            outputs = ("y.forward", "y.backward") if name == "none" else ("y",)
            call = call | {"pulled": (*outputs, *(f"rnn.{state}" for state in layer.states(5)))}
        yield _options(f"options-{name}", _layer("rnn", *kinds[:8], backward_cell=many, **options), **call)
    # The options act on what a cell, and not a stack, gives.
    pairs = list(zip(kinds[:8], kinds[8:], strict=True))
    calls: dict[str, dict] = {
        "sum": {"mask": MASK, "state": True, "time_major": True, "pulled": ("y",)},
        "mul": {"lengths": ZERO, "reset": RESET},
        "ave": {"mask": MASK, "reset": RESET, "training": True},
        "concat": {"lengths": ZERO, "state": True, "time_major": True},
    }
    for k, (merge, call) in enumerate(calls.items()):
        options = {"padded_output": "hold", "learned_state": True, "reverse_output": k % 2 == 1}
        both = [
            _layer(
                f"rnn{j}",
                pair[0],
                backward_cell=pair[1],
                merge=merge if merge != "concat" or j == 2 else "sum",
                **options,
            )
            for j, pair in enumerate((pairs * 2)[2 * k : 2 * k + 3])
        ]
        yield _options(f"options-pairs-{merge}", *both, **call)
    backward = {"direction": "backward", "padded_output": "hold", "learned_state": True, "reverse_output": True}
    layers = _layer("many", *kinds, **backward), _layer("rnn", *kinds[:3], **backward | {"return_sequences": False})
    yield _options("options-backward", *layers, mask=MASK, reset=RESET, time_major=True, pulled=("y",))
    yield _options("options-backward-training", *layers, lengths=ZERO, training=True, state=True)
    forward = {"direction": "forward", "learned_state": True}
    yield _options("options-steps", _layer("rnn", *kinds, **forward), split="steps")
    yield _options("options-chunks", _layer("rnn", *kinds, **forward), split="chunks", state=True)
    embedding = Embedding(name="ids", vocabulary=11, units=7)
    dense = Dense(name="dense", units=8, activation=a.LeakyRelu(alpha=0.3), bias=False)
    late = (dense, Dropout(name="dropout", rate=0.2), Dense(name="logits", units=9, activation="log_softmax"))
    flipped = _layer("rnn", *pairs[0], merge="ave", reverse_output=True, padded_output="hold", learned_state=True)
    last = _layer("last", *pairs[1], merge="mul", return_sequences=False)
    call = {"mask": MASK, "padding": 3, "time_major": True, "pulled": ("y",)}
    yield _options("options-ids", embedding, flipped, last, *late, **call)
    yield _options("options-ids-restarts", embedding, flipped, last, *late, padding=3, reset=RESET)
    yield _options("options-ids-training", embedding, flipped, last, *late, padding=3, training=True)
    yield _options("options-ids-steps", embedding, _layer("rnn", *kinds[:4], direction="forward"), *late, split="steps")
    for name in ("y", "rnn.backward.h"):
        layer = _layer("rnn", LSTM(units=7), backward_cell=GRU(units=7, reset_after=True), merge="mul")
        yield _options(f"gradient-of-{name.replace('.', '-')}", layer, lengths=ZERO, state=True, pulled=(name,))
    none = _layer("rnn", LSTM(units=7, peephole=True), backward_cell=GRU(units=3, reset_after=False), merge="none")
    call = {"mask": MASK, "time_major": True, "pulled": ("y.backward", "rnn.forward.c")}
    yield _options("gradient-of-some", none, **call)


def _options(id: str, *layers: Layer, **call) -> Case:
    clauses = ["CONFIG-3"]
    clauses += ["LAYOUT-1"] if call.get("time_major") else []
    clauses += ["GRAD-5"] if call.get("pulled") else []
    clauses += ["UNROLL-12"] if "reset" in call else []
    clauses += ["DROP-3"] if call.get("training") else []
    return case(id, " ".join(clauses), *layers, **call)


def _seeds() -> Iterator[Case]:
    """Seeds count modulo 2³²: 0, negative ones, and ones beyond."""
    noisy = CellDropout(cell=LSTM(units=7), input=0.3, state=0.3, output=0.3)
    layers = Dropout(name="dropout", rate=0.4), _layer("rnn", noisy, backward_cell=Zoneout(cell=LSTM(units=3), c=0.3))
    for name, seed in (
        ("zero", 0),
        ("negative", -1),
        ("beyond", SEED + 2**32),
        ("huge", -(2**70) - 3),
        ("half", 2**31),
    ):
        yield case(f"seed-{name}", "DROP-3 DROP-5", *layers, lengths=RAGGED, training=True, seed=seed)
