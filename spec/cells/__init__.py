"""The cells: one file each."""

from rnnspec.cells.base import Activation, Cell
from rnnspec.cells.gru import GRU
from rnnspec.cells.lstm import LSTM
from rnnspec.cells.rnn import RNN
from rnnspec.cells.stack import Stack

__all__ = ["GRU", "LSTM", "RNN", "Activation", "Cell", "Stack"]
