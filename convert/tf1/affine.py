"""Embeddings and dense layers, whose variables may have any names."""

import re
from functools import partial

from rnnspec.convert import layers
from rnnspec.convert.assumed import dense_activation
from rnnspec.convert.blocks import Block
from rnnspec.convert.request import Request, WithWeights
from rnnspec.convert.variables import Variables
from rnnspec.errors import SpecError

_ROLES = {"kernel", "weights", "weight", "w", "matrix", "bias", "biases", "b", "linear", "mat", "projection"}
_TABLE = re.compile("emb|lookup", re.IGNORECASE)
_BIAS = re.compile(r"bias(es)?\d*|b[a-z]?\d*|variable", re.IGNORECASE)  # or else no bias, whatever its shape
_WORDS = re.compile(r"[/_]")


def affine_blocks(variables: Variables, request: Request, taken: set[str]) -> tuple[list[Block], dict[str, str]]:
    """Blocks for the matrices that are left, with the vectors that are left as their biases; place → our name,
    none of those `taken`.

    A matrix without a bias is an embedding if its name or `--set NAME.type=embedding` says so, and otherwise where it
    can be one.

    Raises:
        SpecError: it cannot be told which matrix a bias belongs to.
    """
    left = [name for name in variables.left() if variables[name].dtype.kind == "f"]
    matrices = [name for name in left if variables[name].ndim == 2]
    biases = paired(matrices, [name for name in left if variables[name].ndim == 1], variables)
    blocks: list[Block] = []
    ours: dict[str, str] = {}
    for kernel in matrices:
        place, bias = place_of(kernel), biases.get(kernel)
        place = kernel if place in ours else place
        ours[place] = _unique(name_of(place, kernel, "dense" if bias else "embedding"), taken | set(ours.values()))
        rows, columns = variables[kernel].shape
        kind = kind_of(kernel, bias, request, ours[place])
        if kind != "dense":
            blocks.append(Block(place, None, columns, partial(table, variables, kernel)))
        if kind != "embedding":
            turned = bias is not None and len(variables[bias]) != columns
            sizes = (columns, rows) if turned else (rows, columns)
            blocks.append(Block(place, *sizes, partial(dense, variables, request, kernel, bias, turned)))
    return blocks, ours


def paired(matrices: list[str], vectors: list[str], variables: Variables) -> dict[str, str]:
    """Matrix → its bias: by what their names share, else by the shapes, where these leave one choice."""
    found: dict[str, str] = {}
    rest = []
    for vector in (v for v in vectors if any(_BIAS.fullmatch(word) for word in _WORDS.split(v))):
        same = [m for m in fitting(vector, matrices, variables) if stem(m) == stem(vector)]
        if len(same) == 1 and same[0] not in found:
            found[same[0]] = vector
        else:
            rest.append(vector)
    for vector in rest:
        free = [m for m in fitting(vector, matrices, variables) if m not in found]
        rivals = [v for v in rest if v != vector and variables[v].shape == variables[vector].shape]
        if len(free) > 1 or (free and rivals):
            raise SpecError(
                f"{variables.where}: variable {vector!r} is the bias of {' or of '.join(free)}: "
                "their names and shapes do not tell; rename it to begin as its kernel does"
            )
        if free:
            found[free[0]] = vector
    return found


def fitting(vector: str, matrices: list[str], variables: Variables) -> list[str]:
    """The matrices with as many columns as the vector has numbers; if none has, those with as many rows."""
    size = len(variables[vector])
    columns = [name for name in matrices if variables[name].shape[1] == size]
    return columns or [name for name in matrices if variables[name].shape[0] == size]


def stem(name: str) -> tuple[str, ...]:
    """What a kernel and its bias have in common: the name without the words for their roles."""
    return tuple(word for word in _WORDS.split(name) if word.lower() not in _ROLES)


def place_of(kernel: str) -> str:
    """The scope, where the rest of the name says nothing but that it is a kernel; else the whole name."""
    scope, _, last = kernel.rpartition("/")
    return scope.removesuffix("/Linear") if scope and last.lower() in _ROLES else kernel


def name_of(place: str, kernel: str, default: str) -> str:
    """Our name for the layer of a kernel: the end of its scope, or of its own name without the words for its role."""
    if default == "embedding" and _TABLE.search(kernel):
        return default
    last = place.rpartition("/")[2]
    text = re.sub(r"[^A-Za-z0-9_-]", "_", last if place != kernel else "_".join(stem(last)))
    return text if re.match(r"(?!Variable)[A-Za-z_]", text) else default


def _unique(name: str, taken: set[str]) -> str:
    return next(each for each in (name, *(f"{name}_{k}" for k in range(1, len(taken) + 2))) if each not in taken)


def kind_of(kernel: str, bias: str | None, request: Request, ours: str) -> str | None:
    """`dense` or `embedding`, as the bias, the user or the name says; None: either. Raises SpecError: other words."""
    if bias is not None:
        return "dense"
    kind = request.settings.get("", f"{ours}.type", "embedding" if _TABLE.search(kernel) else None)
    if kind not in (None, "dense", "embedding"):
        raise SpecError(f"--set {ours}.type: expected dense or embedding, found {kind!r}")
    return kind


def table(variables: Variables, name: str, ours: str) -> list[WithWeights]:
    """`tf.nn.embedding_lookup`: (vocabulary, units)."""
    return [layers.embedding(variables.take(name), ours)]


def dense(
    variables: Variables, request: Request, name: str, bias: str | None, turned: bool, ours: str
) -> list[WithWeights]:
    """`tf.matmul(x, kernel) + bias`: kernel (inputs, units); `turned`: (units, inputs), as a sampled softmax has it."""
    kernel = variables.take(name)
    if turned:
        request.note(f"{ours}: {name} is (units, inputs), as tf.nn.sampled_softmax_loss takes it")
        kernel = kernel.T
    offset = None if bias is None else variables.take(bias, kernel.shape[1])
    return [layers.dense(kernel, offset, ours, dense_activation(request, ours))]
