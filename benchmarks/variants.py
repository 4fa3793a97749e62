"""LSTMs that no framework has fused, to be measured against the plain one that it has."""

from collections.abc import Iterator

from cases import Case

from rnnspec import LSTM


def variants(quick: bool) -> Iterator[tuple[str, Case]]:
    """Name, and the layer at batch 32 and 100 steps."""
    for inputs, units in ((128, 128),) if quick else ((128, 128), (256, 512)):
        for name, cell in {
            "layer norm (torch)": LSTM.preset("torch", units),
            "layer norm (char_rnn)": LSTM.preset("char_rnn", units),
            "peephole": LSTM(units=units, peephole=True),
        }.items():
            yield name, Case(cell, inputs, 32, 100)


def incomparable(_: object) -> list:
    """The numbers of rivals that compute different functions: none."""
    return []
