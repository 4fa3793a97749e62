"""The reference: the specification as NumPy, in the dtype it is given. In float64 it is the oracle."""

from rnnspec.reference.net import Net

__all__ = ["Net"]
