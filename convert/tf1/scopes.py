"""What TensorFlow 0.12 to 1.15 call the scopes of cells, unrolls and wrappers."""

import re
from bisect import bisect_left, bisect_right
from collections.abc import Iterable

from rnnspec import limits
from rnnspec.convert.order import numbers

# How the scope of a cell ends, in snake case and without its number → the kind of cell.
_CELLS = (
    (r"coupled_input_forget_gate_lstm_cell", "cifg"),
    (r"time_freq_lstm_cell", "timefreq"),
    (r"indy_lstm_cell", "indy_lstm"),
    (r"ind_rnn_cell", "indrnn"),
    (r"intersection_rnn_cell", "intersection"),
    (r"ugrnn_cell", "ugrnn"),
    (r"nas_cell", "nas"),
    (r"sru_cell", "sru"),
    (r"cudnn_compatible_lstm_cell", "cudnn_lstm"),
    (r"(\w+_)?basic_rnn_cell", "rnn"),
    (r"lstm_fused_cell|lstm_block_wrapper|(\w*_)?lstm(_block)?(_fused)?_cell|\w*lstm", "lstm"),
)
_REFUSED = re.compile(
    r"\w*attention\w*wrapper|\w*attention\w*cell|phased_lstm_cell|(bidirectional_)?grid\d?_?\w*_cell|\w*conv_?\w*_cell"
    r"|g_?lstm_cell|highway_wrapper|minimal_rnn_cell|cfn_cell|h_highway\w*"
)
_UNROLLED = re.compile(r"rnn|fw|bw|bi_rnn_(fw|bw)|cell|dropout_wrapper|device_wrapper|residual_wrapper")
_AFFINE = re.compile(r"\w*(projection_wrapper|dense|fully_connected|fc|logits|softmax|output|out|linear|head)")


def snake(part: str) -> str:
    """One part of a scope in snake case, as TensorFlow 1 has it where 0.12 has CamelCase: BasicLSTMCell, BiRNN_FW."""
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", "_", part).lower()


def unnumbered(part: str) -> str:
    """One part of a scope in snake case, without the number that made it unique: lstm_cell_1."""
    text = snake(part)
    stem = text.rstrip("0123456789")
    return stem.removesuffix("_") if stem != text else text


def cell_of(scope: str) -> str | None:
    """The kind of cell that the scope is named after."""
    last = unnumbered(scope.rpartition("/")[2])
    return next((kind for pattern, kind in _CELLS if re.fullmatch(pattern, last)), None)


def refused(name: str) -> str | None:
    """The part of a variable's name that stands for a cell or wrapper which has no counterpart."""
    parts = (part for part in name.split("/") if len(part) <= limits.CLASS_NAME)
    return next((part for part in parts if _REFUSED.fullmatch(unnumbered(part))), None)


def unrolled(scope: str) -> bool:
    """Whether an unroll, a wrapper or MultiRNNCell made the scope, and it is not named after a dense layer."""
    outer, _, last = scope.rpartition("/")
    parent = unnumbered(outer.rpartition("/")[2])
    return bool(_UNROLLED.fullmatch(parent)) and not _AFFINE.fullmatch(unnumbered(last))


def natural(name: str) -> tuple[list[str], list[tuple[int, str]]]:
    """Sorts names by their words, then by their numbers."""
    return re.split(r"_?\d+", name), numbers(name)


def innermost(scopes: Iterable[str]) -> list[str]:
    """The scopes with no other one inside, by their words and numbers."""
    ordered = sorted(scopes)

    def alone(scope: str) -> bool:
        inside = f"{scope}/".lstrip("/")
        after = bisect_right(ordered, scope) if not inside else bisect_left(ordered, inside)
        return after == len(ordered) or not ordered[after].startswith(inside)

    return sorted(filter(alone, ordered), key=natural)


def placed(scope: str) -> tuple[str, str, tuple[str, ...]]:
    """The scope of a cell → that of its layer, the direction, and the scopes between the layer and its variables.

    bidirectional_rnn/fw/lstm_cell         bidirectional_rnn       fw   lstm_cell
    rnn/multi_rnn_cell/cell_0/lstm_cell    rnn/multi_rnn_cell           multi_rnn_cell, cell_0, lstm_cell
    rnn/basic_lstm_cell                    rnn/basic_lstm_cell          basic_lstm_cell
    """
    parts = scope.split("/")
    for k, part in enumerate(parts):
        if found := re.fullmatch(r"(?:(.*)_)?(fw|bw)", part.lower()):
            outer = parts[:k] + ([part[: len(found[1])]] if found[1] else [])
            return "/".join(outer), found[2], tuple(parts[k + 1 :])
    for k, part in enumerate(parts):
        if unnumbered(part) == "multi_rnn_cell":
            return "/".join(parts[: k + 1]), "", inner_scopes(parts, k)
    return scope, "", inner_scopes(parts, len(parts) - 1)


def inner_scopes(parts: list[str], last: int) -> tuple[str, ...]:
    """The scopes from the first wrapper on, projections around all the rest left out; at the latest from the last."""
    wrappers = [k for k, part in enumerate(parts[:last]) if re.search(r"(?<!projection)_wrapper$", unnumbered(part))]
    return tuple(parts[min([*wrappers, last]) :])
