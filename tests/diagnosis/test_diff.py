"""`rnnspec diff` names the mistake: networks computed wrongly here, in plain NumPy, one convention at a time."""

import json
from collections.abc import Callable
from itertools import permutations

import numpy as np
import pytest

from rnnspec import (
    GRU,
    LSTM,
    RNN,
    Checkpoint,
    Dense,
    Dropout,
    Embedding,
    LayerNorm,
    Model,
    Recurrent,
    Residual,
    Stack,
    Zoneout,
)
from rnnspec.diagnosis.compare import diagnose
from rnnspec.reference import Net

Arrays = dict[str, np.ndarray]
LENGTHS = np.array([6, 0, 4, 5, 3])


def sigmoid(a):
    return 1 / (1 + np.exp(-a))


def hard_sigmoid(slope):
    return lambda a: np.minimum(1, np.maximum(0, slope * a + 0.5))


def unroll(step, x, lengths, state, hold=False):
    """Row by row: `step(x_t, state) -> y, state`, states kept and outputs 0, or held, from the length on."""
    rows = []
    finals = []
    for n in range(len(x)):
        s = {name: array[n] for name, array in state.items()}
        ys, y = [], None
        for t in range(x.shape[1]):
            if t < lengths[n]:
                y, s = step(x[n, t], s)
                ys.append(y)
            else:
                ys.append(None)
        size = len(next(iter(s.values())))
        kept = [np.zeros(size) if y is None else y] * len(ys)
        rows.append([kept[t] if each is None and hold else np.zeros(size) if each is None else each
                     for t, each in enumerate(ys)])  # fmt: skip
        finals.append(s)
    return np.array(rows), {name: np.array([s[name] for s in finals]) for name in state}


def lstm(p, x, lengths, state, read="ifgo", sigma=sigmoid, phi=np.tanh, psi=np.tanh, add=0.0, clip=np.inf,
         clip_gates=np.inf, peepholes="ifo", o_sees="new", hold=False):  # fmt: skip
    """The blocks of `kernel` and so on are taken for the gates in `read`; `add` is a forget bias."""

    def step(x_t, s):
        a = np.einsum("gui,i->gu", p["kernel"], x_t) + np.einsum("guj,j->gu", p["recurrent_kernel"], s["h"])
        a = dict(zip(read, a + p["bias"], strict=True))
        v = dict(zip(peepholes, p.get("peephole", np.zeros_like(a["i"] * np.zeros((3, 1)))), strict=True))

        def limited(z):
            return np.clip(z, -clip_gates, clip_gates)

        i = sigma(limited(a["i"] + v["i"] * s["c"]))
        f = sigma(limited(a["f"] + add + v["f"] * s["c"]))
        c = np.clip(f * s["c"] + i * phi(limited(a["g"])), -clip, clip)
        o = sigma(limited(a["o"] + v["o"] * (c if o_sees == "new" else s["c"])))
        h = o * psi(c)
        return h, {"h": h, "c": c}

    return unroll(step, x, lengths, state, hold)


def gru(p, x, lengths, state, read="run", after=True, outside=0.0, keep=lambda u, h, n: u * h + (1 - u) * n):
    """`outside` is added to the new gate's argument, beyond the reset."""
    d = p.get("recurrent_bias", 0.0)

    def step(x_t, s):
        h = s["h"]
        w = dict(zip(read, np.einsum("gui,i->gu", p["kernel"], x_t) + p["bias"], strict=True))
        m = dict(zip(read, p["recurrent_kernel"], strict=True))
        r, u = sigmoid(w["r"] + m["r"] @ h), sigmoid(w["u"] + m["u"] @ h)
        n = np.tanh(w["n"] + outside + (r * (m["n"] @ h + d) if after else m["n"] @ (r * h)))
        h = keep(u, h, n)
        return h, {"h": h}

    return unroll(step, x, lengths, state)


def rnn(p, x, lengths, state, phi=np.tanh):
    def step(x_t, s):
        h = phi(p["kernel"][0] @ x_t + p["recurrent_kernel"][0] @ s["h"] + p["bias"][0])
        return h, {"h": h}

    return unroll(step, x, lengths, state)


class Given:
    """A model with one recurrent layer `rnn`, random weights and inputs, and its cell's weights by their names."""

    def __init__(self, *layers, inputs: int | None = 3, seed: int = 0, lengths: bool = True) -> None:
        rng = np.random.default_rng(seed)
        self.model = Model(inputs=inputs, layers=layers)
        weights = {name: rng.standard_normal(shape) / 2 for name, shape in self.model.parameters().items()}
        self.checkpoint = Checkpoint(self.model, weights)
        self.x = rng.standard_normal((5, 6, inputs)) if inputs else rng.integers(0, 7, (5, 6))
        self.state = {name: rng.standard_normal((5, size)) / 2 for name, size in self.model.states().items()}
        self.lengths = LENGTHS

    @property
    def p(self) -> Arrays:
        return {name.removeprefix("rnn."): array for name, array in self.checkpoint.weights.items()}

    @property
    def inputs(self) -> Arrays:
        return {"x": self.x, "lengths": self.lengths, **self.state}

    def net(self, model=None, weights=None, **arguments) -> Arrays:
        """What the reference gives for another model, other weights, or another call."""
        net = Net(Checkpoint(model or self.model, self.checkpoint.weights | (weights or {})), "float64")
        y, state = net(**{"x": self.x, "lengths": self.lengths, "state": self.state} | arguments)
        return net.model.named(y) | state

    def by(self, function, p=None, **options) -> Arrays:
        """What a function of above gives, for the cell's weights or others."""
        state = {name.removeprefix("rnn."): array for name, array in self.state.items()}
        arguments = {"x": self.x, "lengths": self.lengths, "state": state} | options
        y, state = function(self.p | (p or {}), **arguments)
        return {"y": y, **{f"rnn.{name}": array for name, array in state.items()}}


def one(cell, **options) -> Given:
    return Given(Recurrent(name="rnn", cell=cell, **options))


PLAIN, AFTER, BEFORE = one(LSTM(units=4)), one(GRU(units=4, reset_after=True)), one(GRU(units=4, reset_after=False))
PEEPHOLE, CLIPPED = one(LSTM(units=4, peephole=True)), one(LSTM(units=4, clip_cell=0.3))
SIMPLE = one(RNN(units=4))
BOTH = one(LSTM(units=4), direction="bidirectional")
ENDS = one(GRU(units=4, reset_after=True), direction="bidirectional", return_sequences=False)
HEAD = Given(Recurrent(name="rnn", cell=RNN(units=4)), Dense(name="head", units=3))
IDS = Given(Embedding(name="embedding", vocabulary=7, units=3), Recurrent(name="rnn", cell=RNN(units=4)), inputs=None)
NORMED = one(LSTM(units=5, layer_norm=LayerNorm(gates="joint", over="gate", epsilon=1e-3, cell="carry")))
LEARNED = one(GRU(units=4, reset_after=True), learned_state=True)
DEEP = Given(*(Recurrent(name=name, cell=LSTM(units=4)) for name in ("rnn", "second")), inputs=4)
DROPPED = Given(Recurrent(name="rnn", cell=RNN(units=4)), Dropout(name="drop", rate=0.3), Dense(name="head", units=3))
WRAPPED = one(Zoneout(cell=LSTM(units=4), h=0.3, c=0.2))
SKIPPING = one(Stack(cells=(RNN(units=3), Residual(cell=RNN(units=3)))))
WORDS = {"i": "input", "f": "forget", "g": "cell", "o": "output", "r": "reset", "u": "update", "n": "new"}


def in_words(letters) -> str:
    return ", ".join(WORDS[letter] for letter in letters)


def layer(given: Given, **fields) -> Model:
    """The model with other fields in its first recurrent layer."""
    at = next(k for k, each in enumerate(given.model.layers) if isinstance(each, Recurrent))
    was = given.model.layers[at]
    new = type(was)(**{name: getattr(was, name) for name in was.__struct_fields__} | fields)
    layers = (*given.model.layers[:at], new, *given.model.layers[at + 1 :])
    return Model(inputs=given.model.inputs, layers=layers)


def fortran(kernel):
    """(gates, units, inputs) read in Fortran's order into the matrix (gates·units, inputs)."""
    return kernel.reshape(-1, kernel.shape[2]).ravel("F").reshape(kernel.shape)


def table() -> list[tuple[Given, str, Callable[[], Arrays]]]:
    """The network, what `diff` must say, and nothing else, and what the wrong implementation gives."""
    rows: list[tuple[Given, str, Callable[[], Arrays]]] = []

    def row(given: Given, sentence: str, wrong: Callable[[], Arrays]) -> None:
        rows.append((given, sentence, wrong))

    for order in list(permutations("ifgo"))[1:]:
        row(PLAIN, f"gates are read as {in_words(order)}", lambda order=order: PLAIN.by(lstm, read=order))
    for order in list(permutations("run"))[1:]:
        words = f"gates are read as {in_words(order)}"
        row(AFTER, words, lambda order=order: AFTER.by(gru, read=order))
        row(BEFORE, words, lambda order=order: BEFORE.by(gru, read=order, after=False))
    for order in list(permutations("ifo"))[1:]:
        words = f"peepholes are read as {in_words(order)}"
        row(PEEPHOLE, words, lambda order=order: PEEPHOLE.by(lstm, peepholes=order))
    p = PLAIN.p
    by_unit = [4 * u + g for g in range(4) for u in range(4)]

    row(PLAIN, "bias is read as input, cell, forget, output", lambda: PLAIN.by(lstm, {"bias": p["bias"][[0, 2, 1, 3]]}))
    row(PLAIN, "1 is added to the forget gate's bias", lambda: PLAIN.by(lstm, add=1))
    row(PLAIN, "1 is taken from the forget gate's bias", lambda: PLAIN.by(lstm, add=-1))
    row(PLAIN, "the bias is left out", lambda: PLAIN.by(lstm, {"bias": np.zeros((4, 4))}))
    row(PLAIN, "the bias is counted twice", lambda: PLAIN.by(lstm, {"bias": p["bias"] + p["bias"]}))
    row(PLAIN, "the bias of the gate forget is left out",
        lambda: PLAIN.by(lstm, {"bias": np.stack([p["bias"][0], np.zeros(4), *p["bias"][2:]])}))  # fmt: skip
    row(PLAIN, "recurrent_kernel is transposed, gate by gate",
        lambda: PLAIN.by(lstm, {"recurrent_kernel": np.stack([r.T for r in p["recurrent_kernel"]])}))  # fmt: skip
    row(
        PLAIN,
        "the numbers of kernel are taken column by column",
        lambda: PLAIN.by(lstm, {"kernel": fortran(p["kernel"])}),
    )
    row(PLAIN, "the gates of each unit lie side by side",
        lambda: PLAIN.by(lstm, {k: a.reshape(16, -1)[by_unit].reshape(a.shape) for k, a in p.items()}))  # fmt: skip
    both = np.concatenate([p["kernel"], p["recurrent_kernel"]], axis=-1)
    row(PLAIN, "the rows for h come before those for x",
        lambda: PLAIN.by(lstm, {"recurrent_kernel": both[..., :4], "kernel": both[..., 4:]}))  # fmt: skip
    row(PLAIN, "gate_activation is hard_sigmoid(0.2, 0.5)", lambda: PLAIN.by(lstm, sigma=hard_sigmoid(0.2)))
    row(PLAIN, "gate_activation is hard_sigmoid(0.1667, 0.5)", lambda: PLAIN.by(lstm, sigma=hard_sigmoid(1 / 6)))
    row(PLAIN, "output_activation is linear", lambda: PLAIN.by(lstm, psi=lambda c: c))
    row(PLAIN, "cell_activation and output_activation are relu",
        lambda: PLAIN.by(lstm, phi=lambda a: a * (a > 0), psi=lambda c: c * (c > 0)))  # fmt: skip
    row(PLAIN, "lengths are ignored", lambda: PLAIN.by(lstm, lengths=[6] * 5))
    row(PLAIN, "initial states are ignored", lambda: PLAIN.by(lstm, state={k: np.zeros((5, 4)) for k in "hc"}))
    row(PLAIN, "outputs at padding hold the last valid one", lambda: PLAIN.by(lstm, hold=True))
    row(PLAIN, "the input is reversed in time", lambda: PLAIN.by(lstm, x=np.flip(PLAIN.x, 1)))
    h, c = PLAIN.state["rnn.h"], PLAIN.state["rnn.c"]
    swapped = {"rnn.h": "rnn.c", "rnn.c": "rnn.h", "y": "y"}
    row(PLAIN, "the initial h and c are exchanged", lambda: PLAIN.by(lstm, state={"h": c, "c": h}))
    row(PLAIN, "the final h and c are exchanged", lambda: {swapped[k]: a for k, a in PLAIN.by(lstm).items()})
    row(PLAIN, "the initial and final h and c are exchanged",
        lambda: {swapped[k]: a for k, a in PLAIN.by(lstm, state={"h": c, "c": h}).items()})  # fmt: skip

    d = AFTER.p["recurrent_bias"]
    row(AFTER, "the reset gate acts before the product, and the recurrent bias is added outside",
        lambda: AFTER.by(gru, after=False, outside=d))  # fmt: skip
    row(AFTER, "the reset gate acts before the product, and the recurrent bias is left out",
        lambda: AFTER.by(gru, after=False))  # fmt: skip
    row(AFTER, "the recurrent bias is left out", lambda: AFTER.by(gru, {"recurrent_bias": 0 * d}))
    row(
        AFTER,
        "the recurrent bias is added outside the reset",
        lambda: AFTER.by(gru, {"recurrent_bias": 0 * d}, outside=d),
    )
    row(AFTER, "the recurrent bias is added outside the reset too", lambda: AFTER.by(gru, outside=d))
    row(AFTER, "the recurrent bias is counted twice", lambda: AFTER.by(gru, {"recurrent_bias": d + d}))
    row(AFTER, "the update gate is read as 1 - u", lambda: AFTER.by(gru, keep=lambda u, h, n: u * n + (1 - u) * h))
    row(
        BEFORE,
        "the reset gate acts after the product, and the bias is outside",
        lambda: BEFORE.by(gru, {"recurrent_bias": np.zeros(4)}),
    )
    row(BEFORE, "the reset gate acts after the product, and the bias is inside", lambda: BEFORE.by(
        gru, {"bias": BEFORE.p["bias"] * [[1], [1], [0]], "recurrent_bias": BEFORE.p["bias"][2]}))  # fmt: skip

    row(PEEPHOLE, "the peepholes are left out", lambda: PEEPHOLE.by(lstm, {"peephole": np.zeros((3, 4))}))
    row(PEEPHOLE, "the output gate's peephole sees the old c", lambda: PEEPHOLE.by(lstm, o_sees="old"))
    row(CLIPPED, "clip_cell is left out", lambda: CLIPPED.by(lstm))
    row(CLIPPED, "clip_cell is applied as clip_gates", lambda: CLIPPED.by(lstm, clip_gates=0.3))
    row(SIMPLE, "activation is relu", lambda: SIMPLE.by(rnn, phi=lambda a: a * (a > 0)))

    exchanged = {k.replace("forward", "-").replace("backward", "forward").replace("-", "backward"): a
                 for k, a in BOTH.checkpoint.weights.items()}  # fmt: skip
    row(BOTH, "the weights of rnn.forward and rnn.backward are exchanged", lambda: BOTH.net(weights=exchanged))
    row(BOTH, "backward outputs come before forward ones",
        lambda: (r := BOTH.net()) | {"y": np.roll(r["y"], 4, axis=-1)})  # fmt: skip
    row(BOTH, "the backward outputs are not flipped back",
        lambda: (r := BOTH.net()) | {"y": np.concatenate([r["y"][..., :4], r["y"][:, ::-1, 4:]], -1)})  # fmt: skip
    row(ENDS, "the directions are merged by sum", lambda: ENDS.net(layer(ENDS, merge="sum")))
    row(ENDS, "all outputs are returned", lambda: ENDS.net(layer(ENDS, return_sequences=True)))

    def softmax(a):
        e = np.exp(a - a.max(-1, keepdims=True))
        return e / e.sum(-1, keepdims=True)

    row(HEAD, "the dense layer's activation is softmax", lambda: (r := HEAD.net()) | {"y": softmax(r["y"])})
    row(HEAD, "the dense layer's bias is left out",
        lambda: (r := HEAD.net()) | {"y": r["y"] - HEAD.checkpoint.weights["head.bias"]})  # fmt: skip
    row(IDS, "id k stands for the embedding's row k - 1", lambda: IDS.net(x=(IDS.x + 6) % 7))
    for epsilon in (1e-5, 1e-12):
        cell = LSTM(units=5, layer_norm=LayerNorm(gates="joint", over="gate", epsilon=epsilon, cell="carry"))
        row(NORMED, f"the layer norm's epsilon is {epsilon:g}", lambda cell=cell: NORMED.net(layer(NORMED, cell=cell)))
    output = LSTM(units=5, layer_norm=LayerNorm(gates="joint", over="gate", epsilon=1e-3, cell="output"))
    row(NORMED, "c is carried on as it is, not normalised", lambda: NORMED.net(layer(NORMED, cell=output)))
    LEARNED.state = {}
    row(LEARNED, "the learned states are left out", lambda: LEARNED.net(state={"rnn.h": np.zeros((5, 4))}))
    row(DROPPED, "dropout multiplies by 1 - rate",
        lambda: DROPPED.net(weights={"head.kernel": 0.7 * DROPPED.checkpoint.weights["head.kernel"]}))  # fmt: skip
    row(WRAPPED, "zoneout is left out", lambda: WRAPPED.by(lstm))
    bare = Stack(cells=(RNN(units=3), RNN(units=3)))
    row(SKIPPING, "the residual connection is left out", lambda: SKIPPING.net(layer(SKIPPING, cell=bare)))
    second = {k: a[[0, 2, 1, 3]] for k, a in DEEP.checkpoint.weights.items() if k.startswith("second")}
    row(DEEP, "in second, gates are read as input, cell, forget, output", lambda: DEEP.net(weights=second))
    first = {k: a.swapaxes(1, 2) for k, a in DEEP.checkpoint.weights.items() if k == "rnn.kernel"}
    row(DEEP, "in rnn, kernel is transposed, gate by gate", lambda: DEEP.net(weights=first))
    row(PLAIN, "gates are read as input, cell, forget, output, and 1 is added to the forget gate's bias",
        lambda: PLAIN.by(lstm, read="igfo", add=1))  # fmt: skip
    return rows


TABLE = table()


@pytest.mark.parametrize(("given", "sentence", "wrong"), TABLE, ids=[f"{k}-{row[1]}" for k, row in enumerate(TABLE)])
def test_every_mistake_is_named(given, sentence, wrong):
    report = diagnose(given.checkpoint, given.inputs, wrong())
    assert report["verdict"] == "mistake"
    assert [match["sentence"] for match in report["matches"]] == [sentence]


@pytest.mark.parametrize("given", [PLAIN, AFTER, BOTH, HEAD], ids=["lstm", "gru", "bidirectional", "head"])
def test_random_weights_are_not_explained(given):
    rng = np.random.default_rng(9)
    others = {name: rng.standard_normal(array.shape) / 2 for name, array in given.checkpoint.weights.items()}
    report = diagnose(given.checkpoint, given.inputs, given.net(weights=others))
    assert (report["verdict"], report["matches"]) == ("mistake", [])
    assert report["tried"]["mistakes"] > 40
    assert 0 < report["tried"]["pairs"] <= report["tried"]["all_pairs"]


def test_the_same_numbers_need_no_explanation():
    report = diagnose(PLAIN.checkpoint, PLAIN.inputs, PLAIN.by(lstm))
    assert report["verdict"] == "same"
    assert "matches" not in report


def test_single_precision_is_matched_within_its_rounding():
    weights = {name: array.astype("float32") for name, array in PLAIN.checkpoint.weights.items()}
    ours = Checkpoint(PLAIN.model, weights)
    right = {name: array.astype("float32") for name, array in PLAIN.by(lstm).items()}
    wrong = {name: array.astype("float32") for name, array in PLAIN.by(lstm, read="iofg").items()}
    report = diagnose(ours, PLAIN.inputs, right)
    assert report["verdict"] == "same"
    assert 0 < max(each["error"] for each in report["differences"]) < 1e-6
    assert diagnose(ours, PLAIN.inputs, right, tolerance=1e-12)["verdict"] == "rounding"
    (match,) = diagnose(ours, PLAIN.inputs, wrong)["matches"]
    assert match["sentence"] == "gates are read as input, output, forget, cell"


def test_mistakes_that_come_to_the_same_are_all_named():
    """With f = o in every weight, the two cannot be told apart where one of them moves."""
    weights = {name: array.copy() for name, array in PLAIN.checkpoint.weights.items()}
    for array in weights.values():
        array[3] = array[1]
    ours = Checkpoint(PLAIN.model, weights)
    wrong = PLAIN.by(lstm, {name.removeprefix("rnn."): a for name, a in weights.items()}, read="figo")
    found = {match["sentence"] for match in diagnose(ours, PLAIN.inputs, wrong)["matches"]}
    assert found == {"gates are read as forget, input, cell, output"}


def test_constant_numbers_explain_nothing():
    report = diagnose(PLAIN.checkpoint, PLAIN.inputs, {"y": np.zeros((5, 6, 4))})
    assert (report["verdict"], report["matches"]) == ("mistake", [])


def test_outputs_alone_are_enough():
    (match,) = diagnose(PLAIN.checkpoint, PLAIN.inputs, {"y": PLAIN.by(lstm, read="gifo")["y"]})["matches"]
    assert match["sentence"] == "gates are read as cell, input, forget, output"


def test_where_numbers_differ_first():
    wrong = PLAIN.by(lstm)
    wrong["y"][3, 2:, 1] += 0.5
    wrong["rnn.c"][4, 2] += 0.1
    report = diagnose(PLAIN.checkpoint, PLAIN.inputs, wrong)
    rows = {each["name"]: each for each in report["differences"]}
    assert (rows["y"]["row"], rows["y"]["step"]) == (3, 2)
    assert rows["y"]["error"] == pytest.approx(0.5)
    assert rows["rnn.c"]["row"] == 4
    assert rows["rnn.h"]["row"] is None
    assert report["first"] == {"layer": "rnn", "name": "rnn.c", "row": 4, "step": 2}


def changed(given: Given, **changes) -> Checkpoint:
    """The checkpoint with something added to weights, whose dots are double underscores here."""
    weights = dict(given.checkpoint.weights)
    for name, by in changes.items():
        weights[name.replace("__", ".")] = weights[name.replace("__", ".")] + by
    return Checkpoint(given.model, weights)


def test_the_first_state_of_two_models():
    only_later = np.zeros((4, 4, 4))
    only_later[2, 1] = 0.3  # of the second layer's cell gate, and of what h it sees
    theirs = changed(DEEP, second__recurrent_kernel=only_later)
    inputs = {"x": DEEP.x, "lengths": DEEP.lengths}  # h is 0 before the first step, so it differs from the second on
    report = diagnose(DEEP.checkpoint, inputs, theirs)
    assert report["first"] | {"row": 0} == {"layer": "second", "name": "second.c", "row": 0, "step": 1}
    assert [row["tensor"] for row in report["weights"]] == ["second.recurrent_kernel"]
    assert [row["gate"] for row in report["weights"]] == ["cell"]


def test_the_first_step_of_a_backward_layer_is_the_last_in_time():
    theirs = changed(BOTH, rnn__backward__bias=0.1)
    report = diagnose(BOTH.checkpoint, BOTH.inputs, theirs)
    assert report["first"] == {"layer": "rnn", "name": "rnn.backward.c", "row": 0, "step": 5}


def test_weights_explain_each_layer_by_itself():
    weights = dict(DEEP.checkpoint.weights)
    for name in ("kernel", "recurrent_kernel", "bias"):
        weights[f"rnn.{name}"] = weights[f"rnn.{name}"][[0, 2, 1, 3]]
    weights["second.kernel"] = weights["second.kernel"].swapaxes(1, 2)
    weights["second.bias"] = weights["second.bias"] + [[0], [1], [0], [0]]
    report = diagnose(DEEP.checkpoint, DEEP.inputs, Checkpoint(DEEP.model, weights))
    assert report["weights_match"] == {"rnn": ["gates are read as input, cell, forget, output"], "second": []}


@pytest.fixture
def files(tmp_path):
    """A model, the same with its gates in another order under another layer's name, and .npz files."""
    PLAIN.checkpoint.save(tmp_path / "a.safetensors")
    weights = {name.replace("rnn", "lstm"): array[[0, 2, 3, 1]] for name, array in PLAIN.checkpoint.weights.items()}
    model = Model(inputs=3, layers=(Recurrent(name="lstm", cell=LSTM(units=4)),))
    Checkpoint(model, weights).save(tmp_path / "b.safetensors")
    good, bad = PLAIN.by(lstm), PLAIN.by(lstm, read="iofg")
    np.savez(tmp_path / "in.npz", **PLAIN.inputs)
    np.savez(tmp_path / "good.npz", **good)
    np.savez(tmp_path / "bad.npz", **bad)
    np.savez(tmp_path / "one.npz", **PLAIN.inputs, **{name + ".out" * (name != "y"): array
                                                      for name, array in bad.items()})  # fmt: skip
    return tmp_path


IOFG = "matches when gates are read as input, output, forget, cell"


def test_a_model_and_numbers(call, files):
    code, out, error = call("diff", files / "a.safetensors", files / "one.npz")
    assert (code, error) == (1, "")
    assert IOFG in out
    assert "rnn.c" in out
    code, out, _ = call("diff", files / "a.safetensors", files / "bad.npz", "--input", files / "in.npz")
    assert code == 1
    assert IOFG in out
    code, out, _ = call("diff", files / "a.safetensors", files / "good.npz", "--input", files / "in.npz")
    assert code == 0
    assert "the same" in out


def test_two_models(call, files):
    for options in ((), ("--input", files / "in.npz")):
        code, out, _ = call("diff", files / "a.safetensors", files / "b.safetensors", *options)
        assert code == 1
        assert "layer lstm of B is compared with rnn of A" in out
        assert "first in layer rnn: rnn.c, step 0" in out
        assert "the weights of rnn match when gates are read as input, output, forget, cell" in out
        assert IOFG in out
    code, out, _ = call("diff", files / "a.safetensors", files / "a.safetensors")
    assert code == 0
    assert "the same" in out


def test_as_json(call, files):
    code, out, _ = call("diff", files / "a.safetensors", files / "one.npz", "--json")
    report = json.loads(out)
    assert code == 1
    assert report["verdict"] == "mistake"
    assert report["inputs"]["x"] == [5, 6, 3]
    assert [match["sentence"] for match in report["matches"]] == [IOFG.removeprefix("matches when ")]
    assert report["matches"][0]["error"] < 1e-12
    assert {each["name"] for each in report["differences"]} == {"y", "rnn.h", "rnn.c"}


def test_no_simple_mistake(call, files):
    rng = np.random.default_rng(3)
    numbers = {name: rng.standard_normal(array.shape) for name, array in PLAIN.by(lstm).items()}
    np.savez(files / "noise.npz", **numbers)
    code, out, _ = call("diff", files / "a.safetensors", files / "noise.npz", "--input", files / "in.npz")
    assert code == 1
    assert "no simple mistake found" in out
    assert "matches when" not in out


def test_models_of_another_structure(call, files):
    layers = (Recurrent(name="rnn", cell=GRU(units=4, reset_after=True)), Dense(name="head", units=2))
    Checkpoint.initialize(Model(inputs=3, layers=layers), seed=0).save(files / "c.safetensors")
    code, out, _ = call("diff", files / "a.safetensors", files / "c.safetensors")
    assert code == 1
    for words in ("rnn.cell.type", "head.units", "another shape", "expected shape"):
        assert words in out


def test_bad_input_is_one_line(call, files):
    a = files / "a.safetensors"
    np.savez(files / "more.npz", **PLAIN.by(lstm), other=np.zeros(3))
    np.savez(files / "nothing.npz", **PLAIN.inputs)
    np.savez(files / "nan.npz", y=np.full((5, 6, 4), np.nan))
    np.savez(files / "wide.npz", x=np.zeros((5, 6, 2)), y=np.zeros((5, 6, 4)))
    Given(*PLAIN.model.layers, inputs=4).checkpoint.save(files / "wider.safetensors")
    (files / "text").write_text("hello")
    for arguments, message in (
        ((files / "more.npz", "--input", files / "in.npz"), "more.npz: unknown array 'other'; expected y, rnn.h.out"),
        ((files / "good.npz",), "good.npz: no array 'x'; put the inputs into it, or give them with --input"),
        ((files / "nothing.npz",), "nothing.npz: no outputs; expected some of y, rnn.h.out, rnn.c.out"),
        ((files / "nan.npz", "--input", files / "in.npz"), "nan.npz: 'y': expected finite numbers"),
        ((files / "wide.npz",), "wide.npz: x: expected shape (batch, time, 3), found (5, 6, 2)"),
        ((files / "wider.safetensors",), "takes 3 features"),
        ((files / "text",), "text: not a safetensors file"),
        ((files / "none.npz",), "none.npz: No such file"),
        ((files / "one.npz", "--tolerance", "0"), "tolerance"),
    ):
        code, out, error = call("diff", a, *arguments)
        assert (code, out) == (2, ""), message
        assert error.count("\n") == 1, message
        assert message in error


def test_what_overflows_is_shown(call, tmp_path):
    model = Model(inputs=3, layers=(Dense(name="d", units=2),))
    weights = {"d.kernel": np.full((2, 3), 5.0, "float32"), "d.bias": np.array([0.5, 1.0], "float32")}
    Checkpoint(model, weights).save(a := tmp_path / "a.safetensors")
    np.savez(b := tmp_path / "b.npz", x=np.full((2, 4, 3), 1e308), y=np.ones((2, 4, 2)))
    code, out, error = call("diff", a, b)
    assert (code, error) == (1, "")
    assert "NaN or infinity" in " ".join(out.split())
