"""Looks at the heaps of strings in an HDF5 file before its library does.

The library walks a heap without end where an object says a length of zero or one
that overflows; a call of it cannot be stopped from Python.
"""

import mmap
import re
from typing import BinaryIO

from migrate_examples.port.archive import ReadError

MARK = b"GCOL\x01\x00\x00\x00"
"""What a global heap begins with (HDF5 file format 3.0, section III.E)."""
HEADER = 16
"""Bytes before the objects of a heap, and before the data of each."""
STRINGS = re.compile(rb"\x19[\x00-\xff]{3}\x10\x00\x00\x00")
"""The type of an attribute of strings, each of which takes 16 bytes (IV.A.2.d)."""
WIDTHS = {0: 13, 1: 13, 2: 9, 3: 9}
"""Where a superblock says how wide offsets and lengths are, by its version."""


def check_heaps(file: BinaryIO) -> None:
    """Make sure that every object of every heap lies inside it.

    Raises
    ------
    ReadError
        One does not, or the file counts with other than 64 bits.
    """
    with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
        place = WIDTHS.get(data[8] if len(data) > 32 else -1)
        if place is None or data[place : place + 2] != b"\x08\x08":
            raise ReadError("a broken HDF5 file: no superblock that Keras writes")
        start = data.find(MARK)
        while start >= 0:
            _check_heap(data, start)
            start = data.find(MARK, start + len(MARK))
        _check_strings(data)


def _check_heap(data: mmap.mmap, start: int) -> None:
    size = int.from_bytes(data[start + 8 : start + HEADER], "little")
    end = start + size
    if size < HEADER or end > len(data):
        raise ReadError(f"a broken HDF5 file: the heap at {start} is cut off")
    at = start + HEADER
    while end - at >= HEADER:
        number = int.from_bytes(data[at : at + 2], "little")
        length = int.from_bytes(data[at + 8 : at + HEADER], "little")
        # Object 0 is the rest that is free, its header counted in.
        needed = HEADER + -(-length // 8) * 8 if number else length
        if needed < HEADER or needed > end - at:
            raise ReadError(
                f"a broken HDF5 file: an object at {at} leaves the heap at {start}"
            )
        at += needed


def _check_strings(data: mmap.mmap) -> None:
    """Strings of attributes must not say that they are longer than the file.

    The library makes room for the length before it looks whether there is such a
    string: up to 4 GiB.
    """
    for found in STRINGS.finditer(data):
        for start in (found.start() + 24, found.start() + 20):  # padded, or not
            version, rank, flags = (*data[start : start + 3], 0, 0, 0)[:3]
            if version not in (1, 2) or rank > 4:
                continue
            dims = start + (8 if version == 1 else 4)
            extents = data[dims : dims + 8 * rank]
            count = 1
            for axis in range(rank):
                count *= int.from_bytes(extents[8 * axis : 8 * axis + 8], "little")
            at = dims + 8 * rank * (2 if flags & 1 else 1)
            _check_lengths(data, at, count)
            break


def _check_lengths(data: mmap.mmap, at: int, count: int) -> None:
    """References: a length, the place of a heap and the number of an object, each."""
    for place in range(at, min(at + 16 * count, len(data) - 15), 16):
        length = int.from_bytes(data[place : place + 4], "little")
        if length > len(data):
            raise ReadError(
                f"a broken HDF5 file: a string at {place} says {length} bytes, which "
                "is more than the file has"
            )
