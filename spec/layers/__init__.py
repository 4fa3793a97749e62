"""The layers: one file each."""

from rnnspec.layers.activation import Activation
from rnnspec.layers.attention import Attention
from rnnspec.layers.base import Layer, Place
from rnnspec.layers.convolution import Convolution
from rnnspec.layers.dense import Dense
from rnnspec.layers.dropout import Dropout
from rnnspec.layers.embedding import Embedding
from rnnspec.layers.merge import Merge
from rnnspec.layers.norm import Norm
from rnnspec.layers.pool import Pool
from rnnspec.layers.recurrent import Recurrent
from rnnspec.layers.repeat import Repeat
from rnnspec.layers.scale import Scale
from rnnspec.layers.summary import Summary

__all__ = [
    "Activation",
    "Attention",
    "Convolution",
    "Dense",
    "Dropout",
    "Embedding",
    "Layer",
    "Merge",
    "Norm",
    "Place",
    "Pool",
    "Recurrent",
    "Repeat",
    "Scale",
    "Summary",
]
