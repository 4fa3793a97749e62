"""All rows."""

from .table_flax import ROWS as FLAX
from .table_keras import ROWS as KERAS
from .table_onnx import ROWS as ONNX
from .table_tf1 import ROWS as TF1
from .table_torch import ROWS as TORCH

CASES = [*TF1, *KERAS, *TORCH, *FLAX, *ONNX]
