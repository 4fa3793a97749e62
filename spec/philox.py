"""Noise that does not depend on the framework: the counter-based generator Philox4x32-10 (Salmon et al. 2011).

Written over integer operators, so that NumPy, torch and TensorFlow run the same lines and get the same bits.
"""

import operator
import zlib
from collections.abc import Callable
from typing import Any

_LOW = 0xFFFFFFFF


def philox(counter: tuple[Any, ...], key: tuple[Any, Any], shift: Callable = operator.rshift) -> tuple[Any, ...]:
    """Four 32-bit words from a counter of four and a key of two, all int64 arrays that broadcast; `shift` is >>."""
    a, b, c, d = counter
    k, m = key
    for _ in range(10):
        p, q = a * 0xD2511F53, c * 0xCD9E8D57  # 64 bits, whose sign is of no interest
        a, b, c, d = (shift(q, 32) & _LOW) ^ b ^ k, q & _LOW, (shift(p, 32) & _LOW) ^ d ^ m, p & _LOW
        k, m = (k + 0x9E3779B9) & _LOW, (m + 0xBB67AE85) & _LOW
    return a, b, c, d


def place_key(place: str) -> int:
    """A place in the model, as half a key."""
    return zlib.crc32(place.encode())


def threshold(rate: float) -> int:
    """A word below this is a zero (DROP-3)."""
    return round(rate * 2**32)
