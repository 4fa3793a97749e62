"""The cells: one file each."""

from rnnspec.cells.attending import Attending
from rnnspec.cells.base import Cell
from rnnspec.cells.causal import CausalConvolution
from rnnspec.cells.dropout import CellDropout
from rnnspec.cells.gru import GRU
from rnnspec.cells.indrnn import IndRNN
from rnnspec.cells.intersection import Intersection
from rnnspec.cells.layer_norm import LayerNorm
from rnnspec.cells.ligru import LiGRU
from rnnspec.cells.lstm import LSTM
from rnnspec.cells.mgu import MGU
from rnnspec.cells.nas import NAS
from rnnspec.cells.rnn import RNN
from rnnspec.cells.sru import SRU
from rnnspec.cells.stack import Stack
from rnnspec.cells.timefreq import TimeFreqLSTM
from rnnspec.cells.ugrnn import UGRNN
from rnnspec.cells.wavenet import WaveNet
from rnnspec.cells.wrapper import Residual
from rnnspec.cells.zoneout import Zoneout

__all__ = [
    "GRU",
    "LSTM",
    "MGU",
    "NAS",
    "RNN",
    "SRU",
    "UGRNN",
    "Attending",
    "CausalConvolution",
    "Cell",
    "CellDropout",
    "IndRNN",
    "Intersection",
    "LayerNorm",
    "LiGRU",
    "Residual",
    "Stack",
    "TimeFreqLSTM",
    "WaveNet",
    "Zoneout",
]
