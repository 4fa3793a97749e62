"""Embeddings and dense layers, whose variables may have any names."""

import re
from collections import Counter, defaultdict
from functools import partial

from rnnspec.convert import layers
from rnnspec.convert.assumed import dense_activation
from rnnspec.convert.blocks import Block
from rnnspec.convert.request import Request, WithWeights
from rnnspec.convert.variables import Variables, some
from rnnspec.errors import SpecError

_ROLES = {"kernel", "weights", "weight", "w", "matrix", "bias", "biases", "b", "linear", "mat", "projection"}
_TABLE = re.compile("emb|lookup", re.IGNORECASE)
_BIAS = re.compile(r"bias(es)?\d*|b[a-z]?\d*|variable", re.IGNORECASE)  # or else no bias, whatever its shape
_STATE = re.compile(
    r"(^|_)([hc]_?0|(initial|init|zero|learned)_?(state|carry|[hc])s?|(state|carry|[hc])_?init)(_|\d|$)", re.IGNORECASE
)
_WORDS = re.compile(r"[/_]")


def affine_blocks(variables: Variables, request: Request, taken: set[str]) -> tuple[list[Block], dict[str, str]]:
    """Blocks for the matrices that are left, with the vectors that are left as their biases; place → our name,
    none of those `taken`.

        embedding (9000, 128)                      an embedding, by its name
        softmax_w (256, 9000), softmax_b (9000,)   a dense layer `softmax`: the names begin alike, and the sizes agree

    A matrix without a bias is an embedding if its name or `--set NAME.type=embedding` says so, and otherwise where it
    can be one.

    Raises:
        SpecError: it cannot be told which matrix a bias belongs to.
    """
    left = [name for name in variables.left() if variables[name].dtype.kind == "f" and not is_state(name, variables)]
    matrices = [name for name in left if variables[name].ndim == 2]
    biases = paired(matrices, [name for name in left if variables[name].ndim == 1], variables)
    blocks: list[Block] = []
    ours: dict[str, str] = {}
    taken, numbers = set(taken), Counter[str]()
    for kernel in matrices:
        place, bias = place_of(kernel), biases.get(kernel)
        place = kernel if place in ours else place
        ours[place] = _unique(name_of(place, kernel, "dense" if bias else "embedding"), taken, numbers)
        rows, columns = variables[kernel].shape
        kind = kind_of(kernel, bias, request, ours[place])
        if kind != "dense":
            blocks.append(Block(place, None, columns, partial(table, variables, kernel)))
        if kind != "embedding":
            turned = bias is not None and len(variables[bias]) != columns
            sizes = (columns, rows) if turned else (rows, columns)
            blocks.append(Block(place, *sizes, partial(dense, variables, request, kernel, bias, turned)))
    return blocks, ours


def is_state(name: str, variables: Variables) -> bool:
    """Whether a variable of one row is a learned initial state by its name, which is left over then."""
    shape = variables[name].shape
    return shape[:1] == (1,) and len(shape) == 2 and bool(_STATE.search(name.rpartition("/")[2]))


def paired(matrices: list[str], vectors: list[str], variables: Variables) -> dict[str, str]:
    """Matrix → its bias: by what their names share, else by the shapes, where these leave one choice.

    A bias has as many numbers as its matrix has columns; where none has so many, as one has rows.

    Raises:
        SpecError: which belongs to which cannot be told.
    """
    sized: dict[tuple[int, int], dict[str, None]] = defaultdict(dict)  # axis, size → the matrices that are free
    named: dict[tuple, list[str]] = defaultdict(list)
    for matrix in matrices:
        for axis, size in enumerate(variables[matrix].shape):
            sized[axis, size][matrix] = None
            named[axis, size, stem(matrix)].append(matrix)
    axes = {vector: int((1, len(variables[vector])) in sized) for vector in vectors}
    found: dict[str, str] = {}

    def pair(matrix: str, vector: str) -> None:
        found[matrix] = vector
        for key in enumerate(variables[matrix].shape):
            del sized[key][matrix]

    rest = []
    for vector in (v for v in vectors if any(_BIAS.fullmatch(word) for word in _WORDS.split(v))):
        same = named[axes[vector], len(variables[vector]), stem(vector)]
        if len(same) == 1 and same[0] not in found:
            pair(same[0], vector)
        else:
            rest.append(vector)
    rivals = Counter(len(variables[vector]) for vector in rest)
    for vector in rest:
        size = len(variables[vector])
        free = list(sized[axes[vector], size])
        if len(free) > 1 or (free and rivals[size] > 1):
            raise SpecError(
                f"{variables.where}: variable {vector!r} is the bias of {some(free)}: "
                "their names and shapes do not tell; rename it to begin as its kernel does"
            )
        if free:
            pair(free[0], vector)
    return found


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


def _unique(name: str, taken: set[str], numbers: Counter[str]) -> str:
    """The name, or with the first number that makes it one of its own; `numbers` remembers how far that is."""
    each = name
    while each in taken:
        numbers[name] += 1
        each = f"{name}_{numbers[name]}"
    taken.add(each)
    return each


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
