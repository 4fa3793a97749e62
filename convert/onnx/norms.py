"""A layer norm in its pieces, as exporters write it before opset 17:

m = ReduceMean(x);  c = x − m;  v = ReduceMean(c²);  c / Sqrt(v + ε)        Norm(kind="layer", epsilon=ε)
"""

from dataclasses import dataclass

import numpy as np
from onnx import AttributeProto

from rnnspec.convert.onnx.graph import Node, decimal
from rnnspec.convert.onnx.places import Places
from rnnspec.convert.onnx.streams import Stream, Unclear
from rnnspec.layers import Norm

KINDS = ("ReduceMean", "Sub", "Pow", "Mul", "Add", "Sqrt", "Div")


@dataclass(eq=False)
class Piece:
    """One of m, c, c², v, v + ε and its root, of a stream; `numbers` (batch, time, 1 or features)."""

    what: str
    stream: Stream
    numbers: np.ndarray
    epsilon: float = 0.0

    def __str__(self) -> str:
        return f"a part of a norm over {self.stream}"


def compute(node: Node, arrays: list[np.ndarray], elements: int, places: Places) -> np.ndarray | None:
    """The elements of the next piece, or of the norm; None where the node is none.

    Raises:
        Unclear, UnsupportedError: no layer of ours gives this.
    """
    x, *rest = arrays
    one, two = _piece(x, places), _piece(rest[0], places) if rest and elements > 1 else None
    if node.kind == "ReduceMean":
        given = rest[0].ravel().tolist() if rest else node.get("axes", AttributeProto.INTS, [])
        if list(given) not in ([-1], [x.ndim - 1]) or not node.integer("keepdims", 1) or (one and one.what != "c²"):
            return None
        if one:
            return _next(node, "v", one.stream, _at(node, x, one)[..., :1], 1, places)
        if x.ndim == 3 and _moves_in_time(x, places):
            return None
        stream, at = places.read(x, str(node))
        return _next(node, "m", stream, at[..., None], 1, places)
    if node.kind == "Sub" and two and two.what == "m":
        stream, at = places.read(x, str(node))
        if stream is not two.stream or not np.array_equal(at, _at(node, rest[0], two)[..., 0]):
            raise Unclear(f"{node}: the mean is of another step")
        return _next(node, "c", stream, at[..., None], stream.features, places)
    if one is None:
        return None
    at = _at(node, x, one)
    if one.what == "c" and (two is one or (node.kind == "Pow" and rest and (rest[0] == 2).all())):
        return _next(node, "c²", one.stream, at[..., :1], one.stream.features, places)
    if one.what == "v" and node.kind == "Add" and rest and rest[0].size == 1 and two is None:
        return _next(node, "v + ε", one.stream, at, 1, places, decimal(rest[0].item()))
    if one.what == "v + ε" and node.kind == "Sqrt":
        return _next(node, "√", one.stream, at, 1, places, one.epsilon)
    if one.what == "c" and node.kind == "Div" and two and two.what == "√" and two.stream is one.stream:
        if not np.array_equal(at[..., 0], _at(node, rest[0], two)[..., 0]):
            raise Unclear(f"{node}: the deviation is of another step")
        features = one.stream.features
        made = places.make(
            node.label, Norm, [one.stream], one.stream.numbers.shape[1], features,
            weights={"gamma": np.ones(features, "float32")}, kind="layer", epsilon=two.epsilon, beta=False,
        )  # fmt: skip
        return made.at(at[..., 0])
    return None


def _piece(array: np.ndarray, places: Places) -> Piece | None:
    owners = places.owners(array.ravel()[:1].tolist()) if array.size and array.dtype.kind == "i" else []
    return owners[0] if owners and isinstance(owners[0], Piece) else None


def _at(node: Node, array: np.ndarray, piece: Piece) -> np.ndarray:
    """For each element its position row · time + step; raises Unclear where it is not all of a piece, in order."""
    width = piece.numbers.shape[-1]
    at, feature = np.divmod(array - piece.numbers.flat[0], width)
    whole = array.shape[-1] == width and (at == at[..., :1]).all() and (feature == np.arange(width)).all()
    if not whole or at.min() < 0 or at.max() >= piece.numbers[..., 0].size:
        raise Unclear(f"{node}: reads {piece}, and not for each step by itself")
    return at


def _next(
    node: Node, what: str, stream: Stream, at: np.ndarray, width: int, places: Places, epsilon: float = 0.0
) -> np.ndarray:
    made = Piece(what, stream, places.new(*stream.numbers.shape[:2], width), epsilon)
    return places.add(made).numbers.reshape(-1, width)[at[..., 0]]


def _moves_in_time(x: np.ndarray, places: Places) -> bool:
    """Whether the last axis is time, as for a mean over the steps of (batch, features, time)."""
    if x.shape[-1] < 2:
        return False
    one, two = x[0, 0, :2].tolist()
    owners = places.owners([one, two])
    return len(owners) == 1 and isinstance(owners[0], Stream) and (two - one) % owners[0].features == 0
