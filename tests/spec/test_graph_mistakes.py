"""What a first-time user of graphs gets wrong: one line each, whole."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from rnnspec import LSTM, Checkpoint, Dense, Embedding, Model, Recurrent, SpecError, UnsupportedError
from rnnspec.graph import Input
from rnnspec.layers import Attention, Convolution, Layer, Merge, Repeat, Summary
from rnnspec.reference import Net

VECTOR = Input(features=4, sequence=False)
A_ALONG_A = "a sequence of 4 features along the time of 'a'"


def rnn(name: str = "rnn", units: int = 3, **options: Any) -> Recurrent:
    return Recurrent(name=name, cell=LSTM(units=units), **options)


def dense(name: str = "dense", **options: Any) -> Dense:
    return Dense(name=name, units=3, **options)


def merge(*of: str, how: str = "add") -> Merge:
    return Merge(name="merge", of=of, how=how)


def look(*of: str, score: str = "dot", heads: int = 1) -> Attention:
    return Attention(name="look", of=of, score=score, heads=heads)


def case(message: str, inputs: Any, *layers: Layer, **options: Any) -> Any:
    """A model and what is said of it."""
    return pytest.param(lambda: Model(inputs=inputs, layers=layers, **options), message, id=message[:60])


ARCHITECTURES = [
    # joins
    case(f"layer 'merge': of: {A_ALONG_A} and a sequence of 4 features along the time of 'b' are not of one time; make "
         "one input `like` the other, or let an Attention read one through the other",
         {"a": 4, "b": 4}, merge("a", "b")),
    case(f"layer 'merge': of: {A_ALONG_A} and a vector of 4 features are not of one time; put a Repeat after the "
         "vector", {"a": 4, "v": VECTOR}, merge("a", "v", how="concat")),
    case("layer 'merge': how='add' needs equal features, found [4, 3]; put a Dense before one of them",
         {"a": 4, "b": Input(features=3, like="a")}, merge("a", "b")),
    case("layer 'merge': of: a merge joins two places or more, found 1", 4, merge("x")),
    case("layer 'merge': expected features, found integer ids; put an embedding first",
         {"a": 4, "words": Input(like="a")}, merge("a", "words")),
    # names
    case("Model.layers: two layers are named 'rnn'; names must be unique", 4, rnn(), rnn()),
    case("Model.inputs: 'a' is the name of a layer too; names must be unique", {"a": 4}, rnn("a")),
    case("Model.layers: two layers are named 'x'; names must be unique",  # whose time could be either's
         4, Convolution(name="x", units=4, width=2, stride=2, padding="same"), rnn()),
    case("Model.inputs: expected letters, digits and '_' in a name, found 'a b'", {"a b": 4}, rnn()),
    case("layer 'rnn': of: 'b' is neither an input, nor a layer, nor a final state; known: a", {"a": 4}, rnn(of="b")),
    case("layer 'dense': of: 'rnn.x' is neither an input, nor a layer, nor a final state; known: a, rnn, rnn.h, rnn.c",
         {"a": 4}, rnn(), dense(of="rnn.x")),
    # order
    case("layer 'merge': of: 'rnn' comes later; a layer reads what stands before it, so change their order",
         {"a": 4}, merge("a", "rnn"), rnn()),
    case("layer 'dense': of: 'dense' is of the layer itself; a layer reads what stands before it",
         {"a": 4}, dense(of="dense")),
    case("layer 'rnn': of: missing; say which of the inputs a, b it reads", {"a": 4, "b": 4}, rnn()),
    case("layer 'rnn': of: expected one place, found 2; put a Merge before it",
         {"a": 4, "b": 4}, rnn(of=("a", "b"))),
    # start
    case("layer 'rnn': start['h']: 'late.h' comes later; a layer reads what stands before it, so change their order",
         {"a": 4}, rnn(start={"h": "late.h"}), rnn("late")),
    case("layer 'rnn': start['h']: 'rnn.h' is of the layer itself; a layer reads what stands before it",
         {"a": 4}, rnn(start={"h": "rnn.h"})),
    case("layer 'rnn': start['hidden']: unknown state; expected some of h, c",
         {"a": 4}, rnn("first"), rnn(start={"hidden": "first.h"})),
    case("layer 'rnn': start['h']: expected a vector of 3 features, found 'first.h', a vector of 5 features",
         {"a": 4}, rnn("first", units=5), rnn(start={"h": "first.h"})),
    case("layer 'rnn': start['h']: expected a vector of 3 features, found 'first', a sequence of 3 features along the "
         "time of 'a'", {"a": 4}, rnn("first"), rnn(start={"h": "first"})),
    # what nothing reads
    case("input 'b': nothing reads it; read it, or remove it", {"a": 4, "b": 4}, rnn(of="a")),
    case("layer 'rnn': nothing reads it; name it in outputs, or remove it", {"a": 4}, rnn(), dense(of="a")),
    case("layer 'dense': nothing reads it; name it in outputs, or remove it", 4, rnn(), dense(), outputs=["rnn"]),
    case("Model.outputs: 'logits' is no layer; expected some of rnn", 4, rnn(), outputs=["logits"]),
    case("Model.outputs: 'rnn.h' is a final state, which is returned without it; expected some of rnn",
         4, rnn(), outputs=["rnn", "rnn.h"]),
    case("Model.outputs: 'rnn' stands there twice", 4, rnn(), outputs=["rnn", "rnn"]),
    # attention
    case("layer 'look': score='dot': queries of 4 and keys of 5 features; put a Dense before one of them, or take "
         "score='general'", {"a": 4, "b": 5}, look("a", "b")),
    case("layer 'look': heads=3 does not divide the features [4, 4]", {"a": 4, "b": 4}, look("a", "b", heads=3)),
    case("layer 'look': of: expected a query and a memory, found one place", {"a": 4}, look("a")),
    case("layer 'look': of: expected 1 to 3 places, found 4", {"a": 4, "b": 4}, look("a", "b", "b", "b")),
    case("layer 'look': of: expected a sequence as memory, found a vector of 4 features",
         {"a": 4, "v": VECTOR}, look("a", "v")),
    case(f"layer 'look': of: keys and values are not of one time: {A_ALONG_A} and a sequence of 4 features along the "
         "time of 'b'", {"a": 4, "b": 4}, look("b", "a", "b")),
    # sequences and vectors
    case("layer 'front': groups=3 does not divide 4 features and 6 units",
         4, Convolution(name="front", units=6, width=2, padding="same", groups=3)),
    case("layer 'front': expected a sequence, found a vector of 4 features; put a Repeat before it",
         {"v": VECTOR}, Convolution(name="front", units=6, width=2, padding="same")),
    case("layer 'code': give steps, or a sequence as the second of `of`; found neither",
         {"v": VECTOR}, Repeat(name="code")),
    case("layer 'code': give steps, or a sequence as the second of `of`; found both",
         {"v": VECTOR, "a": 4}, Repeat(name="code", of=("v", "a"), steps=3)),
    case(f"layer 'code': expected a vector to repeat, found {A_ALONG_A}", {"a": 4}, Repeat(name="code", steps=3)),
    case("layer 'rnn': no sequence reaches it; set return_sequences on the layer before, or put a Repeat before it",
         4, Summary(name="mean", how="mean"), rnn()),
    case("layer 'mean': expected a sequence to summarise, found a vector of 4 features",
         {"v": VECTOR}, Summary(name="mean", how="mean")),
    case("layer 'rnn': merge='none' gives two outputs; no layer may follow",
         4, rnn(direction="bidirectional", merge="none"), dense()),
    # inputs
    case("Model.inputs.a.like: 'b': expected a sequence with its own time", {"a": Input(features=4, like="b")}, rnn()),
    case("Model.padding: with inputs by name, each has its own; give it to an Input", {"a": 4}, rnn(), padding=0),
    pytest.param(lambda: Input(features=4, sequence=False, padding=0),
                 "padding: a vector has no steps; leave it out", id="padding of a vector"),
    pytest.param(lambda: Input(features=4, like="a", padding=0),
                 "padding: which steps count is said by 'a', whose time it shares; give it there",
                 id="padding and like"),
]  # fmt: skip


@pytest.mark.parametrize(("build", "message"), ARCHITECTURES)
def test_architectures(build: Callable[[], Any], message: str):
    with pytest.raises(SpecError) as caught:
        build()
    assert str(caught.value) == message


def net(inputs: Any, *layers: Layer) -> Net:
    """The reference, of a model with random weights."""
    return Net(Checkpoint.initialize(Model(inputs=inputs, layers=layers), seed=0))


X, V = np.ones((2, 5, 4), "float32"), np.ones((2, 4), "float32")
BOTH = {"a": X, "v": V}
SPOKEN = net({"a": 4, "v": VECTOR}, Repeat(name="code", of=("v", "a")), merge("code", "a"), rnn())
ALIKE = net({"a": 4, "b": Input(features=4, like="a")}, merge("a", "b"), rnn())
MEAN = net({"a": 4}, rnn(), Summary(name="mean", how="mean"))
READER = net({"a": 4, "b": 4}, look("a", "b"))
STARTED = net({"a": 4, "b": 4}, rnn("first", of="a"), rnn(of="b", start={"h": "first.h"}))
WORDS = net({"words": None}, Embedding(name="table", vocabulary=3, units=2))
CHAIN = net(4, rnn())
MARKS = np.zeros((2, 5), bool)
MAPPING = "expected a mapping by the names of the inputs, {'a': …, 'v': …}, found"
H, C = np.ones((2, 3)), np.ones((2, 3))

CALLS = [
    # inputs
    (lambda: SPOKEN(X), f"x: {MAPPING} an array of shape (2, 5, 4)"),
    (lambda: SPOKEN([X, V]), f"x: {MAPPING} list"),
    (lambda: SPOKEN({"a": X}), "x: input 'v' is missing; expected a, v"),
    (lambda: SPOKEN(BOTH | {"w": V}), "x: unknown input 'w'; expected a, v"),
    (lambda: SPOKEN({"a": X[0], "v": V}), "a: expected shape (batch, time, 4), found (5, 4): 3 axes needed, not 2"),
    (lambda: SPOKEN({"a": X, "v": X}), "v: expected shape (batch, 4), found (2, 5, 4): 2 axes needed, not 3"),
    (lambda: SPOKEN({"a": X, "v": V[:, 1:]}), "v: expected shape (batch, 4), found (2, 3): the model takes 4 features"),
    (lambda: SPOKEN({"a": X, "v": V[1:]}), "v: expected 2 rows as in the inputs before it, found 1"),
    (lambda: ALIKE({"a": X, "b": X[:, 1:]}), "b: expected the 5 steps of 'a', found 4"),
    (lambda: WORDS({"words": np.full((2, 5), 3)}), "words: ids: found 3, expected 0 to 2"),
    (lambda: CHAIN({"x": X}), "x: expected numbers, found a mapping; the model's input has no name"),
    # which steps count
    (lambda: SPOKEN(BOTH, lengths=np.array([5, 3])), f"lengths: {MAPPING} an array of shape (2,)"),
    (lambda: SPOKEN(BOTH, lengths={"v": [5, 3]}), "lengths['v']: a vector has no steps; leave it out"),
    (lambda: SPOKEN(BOTH, lengths={"w": [5, 3]}), "lengths: unknown input 'w'; expected a, v"),
    (lambda: SPOKEN(BOTH, lengths={"a": [9, 3]}),
     "a: lengths: row 0 is 9, beyond the 5 steps of x; shorten it or pad x"),
    (lambda: SPOKEN(BOTH, mask={"a": MARKS[:, 1:]}), "a: mask: expected shape (2, 5), found (2, 4)"),
    (lambda: SPOKEN(BOTH, lengths={"a": [5, 3]}, mask={"a": ~MARKS}),
     "a: mask: given together with lengths; give one of them"),
    (lambda: ALIKE({"a": X, "b": X}, mask={"b": ~MARKS}), "mask['b']: its steps are those of 'a'; give it there"),
    # resets
    (lambda: MEAN({"a": X}, reset={"a": MARKS}), "a: reset: no sequence can begin anew here: layer 'mean' reads a "
     "sequence whole; give each sequence a row of its own"),
    (lambda: READER({"a": X, "b": X}, reset={"b": MARKS}), "b: reset: no sequence can begin anew here: layer 'look' "
     "reads a sequence whole; give each sequence a row of its own"),
    (lambda: STARTED({"a": X, "b": X}, reset={"b": MARKS}), "b: reset: no sequence can begin anew here: layer 'rnn' "
     "starts from another place; give each sequence a row of its own"),
    # states
    (lambda: SPOKEN(BOTH, state={"rnn.h": np.ones((2, 4)), "rnn.c": C}),
     "state: 'rnn.h': expected shape (2, 3), found (2, 4)"),
    (lambda: SPOKEN(BOTH, state={"rnn.h": H}), "state: 'rnn.c' is missing; give all states, or none for zeros"),
    (lambda: SPOKEN(BOTH, state={"h": H, "c": C}), "state: unknown 'h'; expected rnn.h, rnn.c"),
    # steps
    (lambda: SPOKEN.step(BOTH), "a: expected shape (batch, 4), found (2, 5, 4): 2 axes needed, not 3"),
    (lambda: SPOKEN.step({"a": X[:, 0], "v": V}, lengths={"a": [1, 1]}),
     "lengths['a']: one step is given, which is valid"),
    (lambda: READER.step({"a": X[:, 0], "b": X[:, 0]}),
     "b: expected shape (batch, time, 4), found (2, 4): 3 axes needed, not 2"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("call", "message"), CALLS, ids=[f"{k}-{message[:50]}" for k, (_, message) in enumerate(CALLS)]
)
def test_calls(call: Callable[[], Any], message: str):
    with pytest.raises(SpecError) as caught:
        call()
    assert str(caught.value) == message


SAME = net({"a": 4}, Convolution(name="front", units=3, width=3, padding="same"), rnn())
BACK = net({"a": 4}, rnn(direction="backward"))


@pytest.mark.parametrize(
    ("graph", "x", "message"),
    [
        (SAME, {"a": X[:, 0]}, "layer 'front' reads a sequence whole: it has no step; run whole sequences"),
        (MEAN, {"a": X[:, 0]}, "layer 'mean' reads a sequence whole: it has no step; run whole sequences"),
        (BACK, {"a": X[:, 0]}, "layer 'rnn' is backward: it has no step; run whole sequences"),
        (net({"v": VECTOR}, dense()), {"v": V}, "input 'v' is a vector: the model has no step"),
        (net({"v": VECTOR}, Repeat(name="code", steps=3), rnn()), {"v": V},
         "layer 'code' has a time of its own: it has no step; run whole sequences"),
    ],
)  # fmt: skip
def test_what_has_no_step(graph: Net, x: dict, message: str):
    with pytest.raises(UnsupportedError) as caught:
        graph.step(x)
    assert str(caught.value) == message
