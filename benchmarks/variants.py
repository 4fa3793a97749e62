"""Cells that no framework has fused, to be measured against the nearest one that it has."""

import sys
from collections.abc import Iterator
from pathlib import Path

from cases import Case

from rnnspec import GRU, LSTM, SRU, UGRNN
from rnnspec.cells import LayerNorm

sys.path.append(str(Path(__file__).parents[1] / "examples"))
from own_cell import Leaky

SIZES = ((128, 128), (256, 512))  # inputs, units


def variants(quick: bool) -> Iterator[tuple[str, Case]]:
    """Name, and the layer at batch 32 and 100 steps."""
    for inputs, units in SIZES[: 1 if quick else 2]:
        for name, cell in {
            "layer norm (torch)": LSTM.preset("torch", units),
            "layer norm (char_rnn)": LSTM.preset("char_rnn", units),
            "peephole": LSTM(units=units, peephole=True),
        }.items():
            yield name, Case(cell, inputs, 32, 100)


def others(quick: bool) -> Iterator[tuple[str, str, Case]]:
    """Name, the class of the nearest stock layer, and the layer at batch 32 and 100 steps."""
    norm = LayerNorm(gates="split", over="gate", epsilon=1e-5)
    for inputs, units in SIZES[: 1 if quick else 2]:
        for name, stock, cell in (
            ("GRU, layer norm", "GRU", GRU(units=units, reset_after=True, layer_norm=norm)),
            ("peephole, projection", "LSTM", LSTM(units=units, peephole=True, projection=units // 2)),
            ("UGRNN", "GRU", UGRNN(units=units)),
            ("SRU", "GRU", SRU(units=units)),
            ("own_cell.py", "RNN", Leaky(units=units)),
        ):
            yield name, stock, Case(cell, inputs, 32, 100)


def incomparable(_: object) -> list:
    """The numbers of rivals that compute different functions: none."""
    return []
