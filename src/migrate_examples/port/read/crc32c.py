"""The checksum CRC-32C (Castagnoli) over large arrays, with numpy.

A register is linear over bits: pieces are run side by side from zero, and joined
by shifting one over the length of the next.
"""

from functools import lru_cache
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

Words: TypeAlias = NDArray[np.uint32]

POLYNOMIAL = 0x82F63B78
"""Of CRC-32C, its bits reversed (RFC 3720, appendix B.4)."""
START = 0xFFFFFFFF
MASK_DELTA = 0xA282EAD8
"""What TensorFlow and LevelDB add to a stored checksum."""
PIECE = 1 << 22
"""Bytes that are run side by side at once."""
SHORT = 256
"""Below, a plain loop is faster."""


@lru_cache(maxsize=1)
def _table() -> Words:
    """What eight zero bits make of each low byte of the register."""
    table: Words = np.arange(256, dtype=np.uint32)
    for _ in range(8):
        odd = np.where(table & 1, POLYNOMIAL, 0).astype(np.uint32)
        table = np.asarray(np.right_shift(table, 1) ^ odd, np.uint32)
    return table


@lru_cache(maxsize=1)
def _plain_table() -> list[int]:
    return [int(word) for word in _table()]


@lru_cache(maxsize=64)
def _shift(power: int) -> Words:
    """Tables, (4, 256), that push 2**power zero bytes through a register."""
    columns = np.left_shift(np.uint32(1), np.arange(32, dtype=np.uint32))
    if power == 0:
        columns = (columns >> 8) ^ _table()[columns & 255]
    else:
        half = _shift(power - 1)
        columns = _apply(half, _apply(half, columns))
    return _tables_of(columns)


def _tables_of(columns: Words) -> Words:
    """Tables by byte, (4, 256), of a linear map given by what it makes of each bit."""
    tables = np.zeros((4, 256), np.uint32)
    for byte in range(4):
        for bit in range(8):
            chosen = (np.arange(256) >> bit & 1).astype(bool)
            tables[byte, chosen] ^= columns[8 * byte + bit]
    return tables


def _apply(tables: Words, registers: Words) -> Words:
    low, high = registers & 0xFFFF, registers >> 16
    first = tables[0][low & 255] ^ tables[1][low >> 8]
    return np.asarray(first ^ tables[2][high & 255] ^ tables[3][high >> 8], np.uint32)


def _pushed(registers: Words, zeros: int) -> Words:
    """The registers after that many zero bytes."""
    power = 0
    while zeros >> power:
        if zeros >> power & 1:
            registers = _apply(_shift(power), registers)
        power += 1
    return registers


def _from_zero(data: NDArray[np.uint8]) -> int:
    """Register that starts at zero after some data; zeros in front change nothing."""
    if len(data) <= SHORT:
        return _plain(0, data.tobytes())
    power = max(4, (len(data).bit_length() - 1) // 2)
    lanes, length = 1 << power, -(-len(data) >> power)
    rows = np.zeros(lanes * length, np.uint8)
    rows[lanes * length - len(data) :] = data
    columns = np.ascontiguousarray(rows.reshape(lanes, length).T).astype(np.uint32)
    table = _table()
    registers = np.zeros(lanes, np.uint32)
    for column in columns:
        registers = table[(registers ^ column) & 255] ^ (registers >> 8)
    return _joined(registers, length)


def _joined(registers: Words, length: int) -> int:
    """One register of those of neighbours, each of as many bytes."""
    bits = np.left_shift(np.uint32(1), np.arange(32, dtype=np.uint32))
    columns = _pushed(bits, length)
    while len(registers) > 1:
        tables = _tables_of(columns)
        registers = _apply(tables, registers[::2]) ^ registers[1::2]
        columns = _apply(tables, columns)
    return int(registers[0])


def _plain(register: int, data: bytes) -> int:
    table = _plain_table()
    for byte in data:
        register = table[(register ^ byte) & 255] ^ (register >> 8)
    return register


def crc32c(data: Any, before: int = 0) -> int:
    """Checksum of bytes.

    Parameters
    ----------
    data : bytes-like
        Anything with a buffer.
    before : int
        Checksum of what comes before, to go on from.

    Examples
    --------
    The check value of the catalogue of parametrised CRC algorithms:

    >>> hex(crc32c(b"123456789"))
    '0xe3069283'
    """
    array = np.frombuffer(data, np.uint8)
    register = before ^ START
    if len(array) <= SHORT:
        return _plain(register, array.tobytes()) ^ START
    for start in range(0, len(array), PIECE):
        piece = array[start : start + PIECE]
        pushed = _pushed(np.array([register], np.uint32), len(piece))
        register = int(pushed[0]) ^ _from_zero(piece)
    return register ^ START


def unmasked(stored: int) -> int:
    """The checksum that is stored rotated and moved, so that it may be summed itself.

    >>> hex(unmasked(((0xE3069283 >> 15 | 0xE3069283 << 17) + MASK_DELTA) & START))
    '0xe3069283'
    """
    rotated = (stored - MASK_DELTA) & START
    return (rotated >> 17 | rotated << 15) & START
