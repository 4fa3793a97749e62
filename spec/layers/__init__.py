"""The layers: one file each."""

from rnnspec.layers.base import Layer
from rnnspec.layers.dense import Dense
from rnnspec.layers.dropout import Dropout
from rnnspec.layers.embedding import Embedding
from rnnspec.layers.recurrent import Recurrent

__all__ = ["Dense", "Dropout", "Embedding", "Layer", "Recurrent"]
