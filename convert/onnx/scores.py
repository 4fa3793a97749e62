"""Attention as ONNX writes it: a product of queries and keys, a softmax over the steps of the keys, a mean of values.

MatMul(q, kᵀ) → Mul(1 / √d) → Softmax → MatMul(…, v)       Attention(score="scaled"), of each head where there are
MatMul(h, w) → Softmax(axis=time) → Mul(h) → ReduceSum       Attention(score="dot"): every key w·h answers to 1
"""

from dataclasses import dataclass
from typing import TypeVar

import numpy as np

from rnnspec.convert.onnx.graph import Node
from rnnspec.convert.onnx.places import Places
from rnnspec.convert.onnx.streams import Dense, Stream, Unclear
from rnnspec.errors import UnsupportedError
from rnnspec.layers import Attention, Scale, Summary

T = TypeVar("T", "Scores", "Weighted")


@dataclass(eq=False)
class Scores:
    """`numbers` (batch, heads, queries, keys), times `factor`; `weights`: after the softmax over the keys."""

    query: Stream
    keys: Stream
    numbers: np.ndarray
    factor: float = 1.0
    weights: bool = False

    def __str__(self) -> str:
        return "weights of an attention" if self.weights else "scores of an attention"


@dataclass(eq=False)
class Weighted:
    """Each value (batch, time, features) times the weight of its step."""

    scores: Scores
    values: Stream
    numbers: np.ndarray

    def __str__(self) -> str:
        return "values times their weights"


def of(array: np.ndarray, places: Places, kind: type[T]) -> T | None:
    """The scores, or weighted values, whose elements an array holds, and nothing else."""
    owners = places.owners(array.ravel()[:1].tolist()) if array.size else []
    return owners[0] if owners and isinstance(owners[0], kind) else None


def where(array: np.ndarray, scores: "Scores | Weighted", node: Node) -> tuple[np.ndarray, ...]:
    """For each element its place in the numbers. Raises Unclear: some are others."""
    relative = array - scores.numbers.flat[0]
    if relative.min() < 0 or relative.max() >= scores.numbers.size:
        raise Unclear(f"{node}: reads {scores} and more; no layer of ours")
    return np.unravel_index(relative, scores.numbers.shape)


def product(node: Node, a: np.ndarray, b: np.ndarray, places: Places) -> np.ndarray:
    """MatMul of two outputs of layers: queries with keys, or weights with values.

    Raises:
        Unclear, UnsupportedError: no layer of ours gives this.
    """
    found = of(a, places, Scores)
    if found is not None:
        return _mean(node, a, found, b, places)
    query, heads = _heads(node, a, places)
    keys, same = _heads(node, b.swapaxes(-1, -2), places)
    if heads != same:
        raise Unclear(f"{node}: of {heads} and {same} heads; no attention of ours")
    turned = not keys.sequence and query.sequence
    if turned:
        query, keys = keys, query
    if not keys.sequence or query.features != keys.features:
        raise Unclear(f"{node}: of {query} and {keys}: no scores of queries for the steps of keys")
    shape = (len(query.numbers), heads, query.numbers.shape[1], keys.numbers.shape[1])
    made = places.add(Scores(query, keys, places.new(*shape)))
    numbers = made.numbers.swapaxes(2, 3) if turned else made.numbers
    return numbers.reshape(*a.shape[:-1], b.shape[-1])


def scaled(array: np.ndarray, scores: Scores, factor: float, node: Node, places: Places) -> np.ndarray:
    """Scores times a number.

    Raises:
        Unclear, UnsupportedError: no layer of ours gives this.
    """
    if scores.weights:
        raise UnsupportedError(f"{node}: weights of an attention times {factor:g}; no attention of ours")
    made = places.add(Scores(scores.query, scores.keys, places.new(*scores.numbers.shape), scores.factor * factor))
    return made.numbers[where(array, scores, node)]


def softmax(node: Node, array: np.ndarray, axis: int, places: Places) -> np.ndarray | None:
    """Weights, where it is over the steps of scores, or of one feature, which is a score by itself; else None.

    Raises:
        Unclear, UnsupportedError: no layer of ours gives this.
    """
    found = of(array, places, Scores)
    if found is not None:
        if found.weights:
            raise UnsupportedError(f"{node}: of weights that had a softmax already")
        scores, at = found, where(array, found, node)
    else:
        line = np.moveaxis(array, axis, -1)
        if places.owners(line.ravel()[:1].tolist())[0].numbers.shape[-1] != 1 or line.shape[-1] == 1:
            return None
        rows = line.reshape(-1, line.shape[-1])
        keys = places.sequence(rows[..., None], str(node))
        scores = Scores(_one(keys, node, places), keys, keys.numbers.reshape(len(rows), 1, 1, -1))
        at = where(array, scores, node)
    keys_at = np.moveaxis(at[3], axis, -1)
    others = [np.moveaxis(each, axis, -1) for each in at[:3]]
    if any((each != each[..., :1]).any() for each in others) or (keys_at != np.arange(scores.numbers.shape[3])).any():
        raise UnsupportedError(f"{node}: not over the steps of the keys; no attention of ours")
    made = Scores(scores.query, scores.keys, places.new(*scores.numbers.shape), scores.factor, True)
    return places.add(made).numbers[at]


def weighted(node: Node, weights: np.ndarray, values: np.ndarray, places: Places) -> np.ndarray:
    """Values times the weight of their step, both (batch, time, features).

    Raises:
        Unclear, UnsupportedError: no layer of ours gives this.
    """
    scores = of(weights, places, Scores)
    assert scores is not None
    turned = values.ndim == 3 and (where(weights, scores, node)[3] != where(weights, scores, node)[3][:, :, :1]).any()
    if turned:
        weights, values = weights.swapaxes(1, 2), values.swapaxes(1, 2)
    stream = places.sequence(values, str(node))
    at = where(weights, scores, node)
    rows, steps = np.indices(values.shape)[:2]
    if scores.numbers.shape[1:3] != (1, 1) or (at[0] != rows).any() or (at[3] != steps).any():
        raise Unclear(f"{node}: weighs other steps than its own; no attention of ours")
    numbers = places.add(Weighted(scores, stream, places.new(*values.shape))).numbers
    return numbers.swapaxes(1, 2) if turned else numbers


def total(node: Node, array: np.ndarray, found: Weighted, axis: int, keeps: bool, places: Places) -> np.ndarray:
    """The sum over the steps of weighted values.

    Raises:
        Unclear, UnsupportedError: no layer of ours gives this.
    """
    moved = np.moveaxis(array, axis, 1)
    if not np.array_equal(moved, found.numbers):
        raise Unclear(f"{node}: is not the sum over the steps of {found}")
    y = _attended(node, found.scores, found.values, places).numbers[:, 0]
    return np.expand_dims(y, axis) if keeps else y


def _mean(node: Node, weights: np.ndarray, scores: Scores, values: np.ndarray, places: Places) -> np.ndarray:
    stream, heads = _heads(node, values, places)
    b, h, q, k = scores.numbers.shape
    whole = scores.numbers.reshape(weights.shape) if weights.size == scores.numbers.size else None
    if not scores.weights or heads != h or whole is None or (weights != whole).any() or not stream.sequence:
        raise Unclear(f"{node}: of {scores} and {stream}: no mean of values over their steps")
    if stream.numbers.shape[1] != k:
        raise Unclear(f"{node}: of as many values as keys, it must be")
    numbers = _attended(node, scores, stream, places).numbers
    return numbers.reshape(b, q, h, -1).transpose(0, 2, 1, 3).reshape(*weights.shape[:-1], values.shape[-1])


def _attended(node: Node, scores: Scores, values: Stream, places: Places) -> Stream:
    if places.ragged:
        raise UnsupportedError(f"{node}: attends to steps beyond the lengths of rows as well; no layer of ours does")
    query, heads = scores.query, scores.numbers.shape[1]
    root = (query.features / heads) ** -0.5
    kind = "scaled" if abs(scores.factor / root - 1) < 1e-6 and root != 1 else "dot"
    if kind == "dot" and scores.factor != 1:
        gamma = np.full(query.features, scores.factor, "float32")
        query = places.make(
            f"{node.label}_scale", Scale, [query], query.numbers.shape[1], query.features,
            weights={"gamma": gamma}, beta=False,
        )  # fmt: skip
    return places.make(
        node.label, Attention, [query, scores.keys, values], query.numbers.shape[1], values.features,
        score=kind, heads=heads,
    )  # fmt: skip


def _heads(node: Node, array: np.ndarray, places: Places) -> tuple[Stream, int]:
    """A stream from its parts: (batch, heads, time, features), (batch · heads, time, features), or without heads."""
    rows = places.rows
    if array.ndim == 3 and len(array) == rows:
        array = array[:, None]
    elif array.ndim == 3 and len(array) % rows == 0:
        array = array.reshape(rows, -1, *array.shape[1:])
    if array.ndim != 4:
        raise Unclear(f"{node}: of shape {array.shape}; no attention of ours")
    heads = array.shape[1]
    joined = array.transpose(0, 2, 1, 3).reshape(rows, array.shape[2], -1)
    stream, at = places.read(joined, str(node))
    steps = stream.numbers.shape[1]
    if not np.array_equal(at.ravel(), np.arange(rows * steps)):
        raise Unclear(f"{node}: reads {stream} in another order; no attention of ours")
    return stream, heads


def _one(keys: Stream, node: Node, places: Places) -> Stream:
    """A query that is 1: no layer gives constants but one whose kernel is 0."""
    first = places.make(f"{node.label}_first", Summary, [keys], 1, 1, vector=True, how="first")
    zeros, ones = np.zeros((1, 1), "float32"), np.ones(1, "float32")
    return places.add(Dense(
        name=f"{node.label}_one", numbers=places.new(*first.numbers.shape), before=first, sequence=False,
        kernel=zeros, bias=ones,
    ))  # fmt: skip
