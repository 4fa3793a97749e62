"""What expressions of a graph mean: activations, affine maps, weights."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from rnnspec.activations import Activation, LeakyRelu
from rnnspec.conventions.tensorflow import COMPOSED, LEAKY_RELU, NAMED, WITH_ALPHA, Pattern
from rnnspec.convert.saved_model.graph import Tensor

Found = dict[str, Tensor]


def match(tensor: Tensor, pattern: Pattern, found: Found | None = None) -> Found | None:
    """The tensors that the names of the pattern stand for; None where the expression is another."""
    found = {} if found is None else found
    if isinstance(pattern, str):
        known = found.setdefault(pattern, tensor)
        number = scalar(known)
        return found if known == tensor or (number is not None and number == scalar(tensor)) else None
    if isinstance(pattern, float):
        value = scalar(tensor)
        return found if value is not None and abs(value - pattern) < 1e-6 else None
    type, *parts = pattern
    if tensor.type != type or len(tensor.inputs) != len(parts):
        return None
    for part, inner in zip(tensor.inputs, parts, strict=True):
        if match(part, inner, found) is None:
            return None
    return found


def scalar(tensor: Tensor) -> float | None:
    """The number that the tensor is, if it is one, with the digits that its dtype has."""
    value = tensor.op.value
    if value is None or value.size != 1:
        return None
    number = value.reshape(())[()]
    return float(str(number)) if value.dtype.kind == "f" else float(number)


def integers(tensor: Tensor) -> list[int] | None:
    """The integers that the tensor is, if it is constant: axes, permutations, bounds."""
    if tensor.type == "ConcatV2":
        parts = [integers(part) for part in tensor.inputs[:-1]]
        return None if None in parts else [n for part in parts for n in part or []]
    value = tensor.op.value
    return None if value is None or value.dtype.kind not in "iub" else [int(n) for n in value.ravel()]


def activation(tensor: Tensor) -> tuple[Activation, Tensor]:
    """φ and a of φ(a); linear where the expression is no activation."""
    if tensor.type in NAMED:
        return NAMED[tensor.type], tensor.inputs[0]
    if tensor.type == "LeakyRelu":
        return LeakyRelu(alpha=tensor.op.real("alpha", LEAKY_RELU)), tensor.inputs[0]
    for pattern, meaning in COMPOSED:
        if found := match(tensor, pattern):
            return meaning, found["x"]
    for pattern, kind in WITH_ALPHA:
        found = match(tensor, pattern)
        alpha = scalar(found["alpha"]) if found else None
        if found and alpha and scalar(found.get("minus", found["alpha"])) in (alpha, -alpha):
            return kind(alpha=alpha), found["x"]
    return "linear", tensor


@dataclass
class Affine:
    """Σ xᵢ Wᵢ + b + further terms: each x with its W (inputs, columns), b (columns,) or None."""

    products: dict[Tensor, np.ndarray]
    bias: np.ndarray | None
    terms: list[Tensor]

    @property
    def widths(self) -> set[int]:
        """How many columns its arrays have: one number, or damage."""
        return {array.shape[-1] for array in (*self.products.values(), self.bias) if array is not None}

    def columns(self, part: slice) -> "Affine":
        """The same for some of the columns."""
        bias = None if self.bias is None else self.bias[..., part]
        return Affine({x: w[:, part] for x, w in self.products.items()}, bias, [])

    def __add__(self, other: "Affine") -> "Affine":
        products = dict(self.products)
        for x, w in other.products.items():
            products[x] = products[x] + w if x in products else w
        biases = [b for b in (self.bias, other.bias) if b is not None]
        return Affine(products, sum(biases[1:], biases[0]) if biases else None, self.terms + other.terms)


def affine(tensor: Tensor, weight: Callable[[Tensor], np.ndarray | None]) -> Affine:
    """The tensor as an affine map of others; `weight`: the array that a tensor is, if it is made of variables alone."""
    alone = Affine({}, None, [tensor])
    inputs = tensor.inputs
    if (value := weight(tensor)) is not None:
        return Affine({}, value.reshape(-1), []) if value.ndim and value.size == value.shape[-1] else alone
    if tensor.type in ("AddV2", "Add", "BiasAdd"):
        one, other = affine(inputs[0], weight), affine(inputs[1], weight)
        return one + other if len(one.widths | other.widths) < 2 else alone
    if tensor.type == "MatMul" and not tensor.op.number("transpose_a") and not tensor.op.number("transpose_b"):
        kernel = weight(inputs[1])
        return alone if kernel is None or kernel.ndim != 2 else Affine({inputs[0]: kernel}, None, [])
    source = {"Split": 1, "StridedSlice": 0}.get(tensor.type)
    if source is None:
        return alone
    whole = affine(inputs[source], weight)
    if whole.terms or len(whole.widths) != 1:
        return alone
    part = columns(tensor, 2, *whole.widths)
    return alone if part is None else whole.columns(part)


def columns(tensor: Tensor, rank: int, width: int) -> slice | None:
    """The part of the last of `rank` axes that a `Split` or `StridedSlice` takes; None where it does something else."""
    op = tensor.op
    if tensor.type == "Split":
        parts = op.number("num_split")
        if integers(tensor.inputs[0]) not in ([rank - 1], [-1]) or not parts or width % parts:
            return None
        return slice(tensor.output * width // parts, (tensor.output + 1) * width // parts)
    begin, end, strides = (integers(part) for part in tensor.inputs[1:4])
    others = ("ellipsis_mask", "new_axis_mask", "shrink_axis_mask")
    if begin is None or end is None or strides != [1] * rank or any(op.number(mask) for mask in others):
        return None
    front = (1 << rank - 1) - 1  # the axes before the last, which are to be whole
    if op.number("begin_mask") & front != front or op.number("end_mask") & front != front:
        return None
    start = None if op.number("begin_mask") >> rank - 1 else begin[-1]
    return slice(start, None if op.number("end_mask") >> rank - 1 else end[-1])


def folded(tensor: Tensor, variable: Callable[[Tensor], np.ndarray | None]) -> np.ndarray | None:
    """The array that a tensor is, if it is a variable, or a part of one, or one in another shape."""
    value = variable(tensor)
    if value is not None or not tensor.inputs:
        return value
    source = tensor.inputs[1 if tensor.type == "Split" else 0]
    if tensor.type not in ("Split", "StridedSlice", "Squeeze", "Reshape"):
        return None
    value = folded(source, variable)
    if value is None:
        return None
    if tensor.type == "Split" and integers(tensor.inputs[0]) == [0] and value.ndim > 1:
        parts = tensor.op.number("num_split")
        return np.split(value, parts)[tensor.output] if parts and len(value) % parts == 0 else None
    if tensor.type in ("Split", "StridedSlice"):
        part = columns(tensor, value.ndim, value.shape[-1]) if value.ndim else None
        return None if part is None else value[..., part]
    if tensor.type == "Squeeze":
        return value.squeeze()
    shape = integers(tensor.inputs[1])
    return None if shape is None or np.prod(shape) != value.size else value.reshape(shape)
