"""Every case on every installed backend, under each dtype and path that it takes."""

import pytest

from rnnspec import backends
from rnnspec.cells import GRU, LSTM, RNN, Cell, CellDropout, Residual, Stack
from rnnspec.conformance import cases, run, variants
from rnnspec.layers import Recurrent

CASES = {case.id: case for case in cases()}
VARIANTS = {variant.name: variant for name in backends.installed() for variant in variants(backends.get(name))}


def stock(cell: Cell, plain) -> bool:
    """Whether a cell is made of plain ones only."""
    if type(cell) is Stack:
        return all(stock(inner, plain) for inner in cell.cells)
    if type(cell) in (Residual, CellDropout):
        return stock(cell.cell, plain)
    return plain(cell)


def torch_native(cell: Cell) -> bool:
    """nn.RNN, nn.LSTM with or without a projection, nn.GRU."""
    if type(cell) is RNN:
        return cell.activation in ("tanh", "relu") and cell == RNN(
            units=cell.units, bias=cell.bias, activation=cell.activation
        )
    if type(cell) is LSTM:
        return cell == LSTM(units=cell.units, bias=cell.bias, projection=cell.projection)
    return cell == GRU(units=cell.units, bias=cell.bias, reset_after=True) if type(cell) is GRU else False


def keras_native(cell: Cell) -> bool:
    """SimpleRNN, LSTM and GRU of Keras."""
    if type(cell) is RNN:
        known = cell.activation in ("tanh", "relu", "sigmoid", "linear")
        return known and cell == RNN(units=cell.units, bias=cell.bias, activation=cell.activation)
    if type(cell) is LSTM:
        return cell == LSTM(units=cell.units, bias=cell.bias)
    if type(cell) is GRU:
        return cell == GRU(units=cell.units, bias=cell.bias, reset_after=cell.reset_after)
    return False


def fused_loop(cell: Cell) -> bool:
    """Those, and LSTMs with peepholes, layer norm or a clipped cell state."""
    if type(cell) is not LSTM:
        return keras_native(cell)
    options = {"peephole": cell.peephole, "layer_norm": cell.layer_norm, "clip_cell": cell.clip_cell}
    return cell == LSTM(units=cell.units, bias=cell.bias, **options)


PLAIN = {"torch native": torch_native, "tensorflow native": keras_native, "tensorflow fused": fused_loop}


def refused(case, variant: str) -> bool:
    """What a variant must refuse: a native path what it has no layer for. The rest must pass."""
    if variant == "onnxruntime float64":  # it has no such kernels
        return True
    plain = PLAIN.get(variant.rsplit(" ", 1)[0])
    layers = [layer for layer in case.model.layers if isinstance(layer, Recurrent)]
    if plain is None or not layers:
        return False
    cells = [cell for layer in layers for cell, _ in layer.directions.values()]
    if "tensorflow" in variant and any(isinstance(cell, CellDropout) and cell.state for cell in cells):
        return True  # paths are chosen for training too, where only the generic loop can drop the state
    return case.reset or not all(stock(cell, plain) for cell in cells)


@pytest.mark.parametrize("variant", VARIANTS)
@pytest.mark.parametrize("case", CASES)
def test_case(case, variant):
    result = run(CASES[case], VARIANTS[variant])
    assert result.outcome == ("unsupported" if refused(CASES[case], variant) else "pass"), result.detail
