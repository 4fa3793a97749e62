"""CRC-32C, the checksum of TensorFlow's files, fast enough in NumPy to be verified always.

A CRC without its two inversions is linear over GF(2): the data are cut into lanes of equal length, which are read side
by side, and the lanes' registers are then joined in pairs, the left one after as many zero bytes as the right one has.
"""

from functools import cache

import numpy as np

_POLYNOMIAL = np.uint32(0x82F63B78)
_ONES = 0xFFFFFFFF
_SHORT = 1 << 12  # bytes that are faster one by one


def masked_crc32c(data: bytes | memoryview) -> int:
    """As TensorFlow stores it (tsl/lib/hash/crc32c.h): turned by 15 bits, plus a constant."""
    crc = crc32c(data)
    return ((crc >> 15 | crc << 17) + 0xA282EAD8) & _ONES


def crc32c(data: bytes | memoryview) -> int:
    """CRC-32C (Castagnoli, RFC 3720) of the bytes."""
    if len(data) <= _SHORT:
        register, table = _ONES, _bytes()
        for byte in bytes(data):
            register = table[(register ^ byte) & 0xFF] ^ register >> 8
        return register ^ _ONES
    size = len(data)
    start = _apply(_zeros(size), np.array([_ONES], np.uint32))[0]
    return int(_register(data) ^ start) ^ _ONES


def _register(data: bytes | memoryview) -> np.uint32:
    """The CRC that starts from a register of zeros: zero bytes in front do not change it."""
    size = len(data)
    lanes = 1 << max(0, size.bit_length() // 2 + 2)
    words = -(-size // (2 * lanes))
    padded = np.zeros(lanes * words * 2, np.uint8)
    padded[padded.size - size :] = np.frombuffer(data, np.uint8)
    table = _table(16)
    registers: np.ndarray = np.zeros(lanes, np.uint32)
    for column in np.ascontiguousarray(padded.view("<u2").reshape(lanes, words).T):
        registers = table[(registers ^ column) & 0xFFFF] ^ registers >> 16
    shift = _zeros(2 * words)
    while registers.size > 1:
        registers = _apply(shift, registers[::2]) ^ registers[1::2]
        shift = _apply(shift, shift)
    return registers[0]


@cache
def _bytes() -> list[int]:
    return _table(8).tolist()


@cache
def _table(bits: int) -> np.ndarray:
    """What becomes of the lowest bits of the register when so many bits have been read."""
    registers: np.ndarray = np.arange(1 << bits, dtype=np.uint32)
    for _ in range(bits):
        registers = registers >> 1 ^ (registers & 1) * _POLYNOMIAL
    return registers


def _zeros(size: int) -> np.ndarray:
    """`size` zero bytes as a linear map: what they make of each single bit (32,)."""
    result = np.uint32(1) << np.arange(32, dtype=np.uint32)
    once = _table(8)[result & 0xFF] ^ result >> 8
    while size:
        if size & 1:
            result = _apply(once, result)
        once = _apply(once, once)
        size >>= 1
    return result


def _apply(linear: np.ndarray, registers: np.ndarray) -> np.ndarray:
    """A linear map, by its values for the single bits, of registers."""
    result = np.zeros_like(registers)
    for bit, value in enumerate(linear):
        result ^= (registers >> np.uint32(bit) & 1) * value
    return result
