"""Cases of a kind of cell: every field, every option of a layer, every kind of call, in as few models as hold them."""

from collections.abc import Iterator
from typing import Any

from rnnspec.cells import Cell
from rnnspec.conformance.case import MASK, RAGGED, RESET, ZERO, Case
from rnnspec.conformance.chains import case
from rnnspec.conformance.configurations import KINDS
from rnnspec.layers import Recurrent


def kinds() -> Iterator[Case]:
    """Those of each row of `KINDS`."""
    for name, cells in KINDS.items():
        yield from _of(name, *cells)


def _of(name: str, plain: Cell, *others: Cell) -> Iterator[Case]:
    def layer(k: int, cell: Cell = plain, **options) -> Recurrent:
        return Recurrent(name=f"rnn{k}", cell=cell, **{"direction": "bidirectional"} | options)

    different = [layer(k, other, backward_cell=plain) for k, other in enumerate(others)]
    yield case(f"{name}-both", "", *different, lengths=ZERO, state=True)
    kept: dict[str, Any] = {"learned_state": True, "padded_output": "hold"}
    merged = layer(0, merge="sum", **kept), layer(1, merge="mul", reverse_output=True), layer(2, merge="ave", **kept)
    clauses = "UNROLL-8 UNROLL-9 UNROLL-10 UNROLL-11 UNROLL-12"
    yield case(f"{name}-merges", clauses, *merged, mask=MASK, reset=RESET, time_major=True, pulled=("y",))
    pair = layer(0, merge="none", reverse_output=True, return_sequences=True)
    yield case(f"{name}-pair", "UNROLL-8 MODEL-4 DROP-3", pair, lengths=RAGGED, state=True, training=True)
    backward = layer(0, direction="backward", **kept), layer(1, direction="backward", return_sequences=False)
    yield case(f"{name}-backward", "UNROLL-5 UNROLL-7 UNROLL-9 UNROLL-11", *backward, lengths=RAGGED)
    forward = [layer(k, cell, direction="forward", learned_state=True) for k, cell in enumerate((plain, *others))]
    for split in ("steps", "chunks"):
        yield case(f"{name}-{split}", "UNROLL-11", *forward, state=split == "chunks", split=split)
