"""What Paddle means by its layers (python/paddle/nn/layer/rnn.py, common.py, norm.py; 3.3.1).

`paddle.nn.SimpleRNN`, `LSTM`, `GRU` and their cells are torch's (`rnnspec.conventions.torch`), gates, biases and all,
but for the names and axes of some weights:

| Paddle                            | torch                                                                          |
|-----------------------------------|--------------------------------------------------------------------------------|
| `cell_fw.weight_ih`, `cell_bw.…`  | `weight_ih_l0`, `weight_ih_l0_reverse`: of `BiRNN`                             |
| `cell.weight_ih`                  | `weight_ih_l0`: of `RNN`                                                       |
| `0.cell_fw.weight_ih`, `1.cell.…` | `weight_ih_l0`, …: of `LSTM` and its kin, which have both names               |
| `weight_ho (units, projection)`   | `weight_hr (projection, units)`                                                |
| `weight (inputs, units)`          | `weight (units, inputs)`: of `Linear`                                          |
| `_mean`, `_variance`              | `running_mean`, `running_var`                                                  |

Both names of `LSTM` and its kin are of one array; where it projects, `weight_ih_l1` may be another one than
`1.cell.weight_ih`, as the names do not count `weight_ho`, and what is computed with is `1.cell.weight_ih`.
"""

import re
from collections.abc import Container

import numpy as np

from rnnspec import cells
from rnnspec.conventions import torch
from rnnspec.conventions.gates import Arrays, Part

RNN, GRU = torch.RNN, torch.GRU
_STATISTICS = {"_mean": "running_mean", "_variance": "running_var"}
_CELL = re.compile(r"(.*\.)?(cell|cell_fw|cell_bw)\.(weight_ih|weight_hh|weight_ho|bias_ih|bias_hh)")
_LAYER = re.compile(r"(.*\.)?(\d+)\.")


class LSTM:
    """`LSTM`, `LSTMCell`."""

    @staticmethod
    def to_ours(
        weight_ih: np.ndarray,
        weight_hh: np.ndarray,
        bias_ih: np.ndarray | None = None,
        bias_hh: np.ndarray | None = None,
        weight_ho: np.ndarray | None = None,
    ) -> Part:
        weight_hr = None if weight_ho is None else weight_ho.T
        return torch.LSTM.to_ours(weight_ih, weight_hh, bias_ih, bias_hh, weight_hr)

    @staticmethod
    def to_theirs(weights: Arrays) -> Arrays:
        theirs = torch.LSTM.to_theirs(weights)
        return {name.replace("_hr", "_ho"): array.T if name == "weight_hr" else array for name, array in theirs.items()}


CELLS: dict[type, type[torch.RNN | torch.GRU | LSTM]] = {cells.RNN: RNN, cells.LSTM: LSTM, cells.GRU: GRU}


def torch_name(name: str, names: Container[str]) -> str:
    """What torch calls a variable: `lstm.0.cell_bw.weight_ho` → `lstm.weight_hr_l0_reverse`; `bn._mean` → …

    Args:
        names: all in the file: `0.cell` is the first layer of an `LSTM` only where there is `weight_ih_l0` beside it.
    """
    if match := _CELL.fullmatch(name):
        scope, cell, leaf = match[1] or "", match[2], match[3].replace("_ho", "_hr")
        number = "0"
        if (layer := _LAYER.fullmatch(scope)) and f"{layer[1] or ''}weight_ih_l{layer[2]}" in names:
            scope, number = layer[1] or "", layer[2]
        return f"{scope}{leaf}_l{number}{'_reverse' if cell == 'cell_bw' else ''}"
    module, dot, leaf = name.rpartition(".")
    return f"{module}{dot}{_STATISTICS.get(leaf, leaf.replace('weight_ho', 'weight_hr'))}"
