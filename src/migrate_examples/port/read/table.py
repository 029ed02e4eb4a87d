"""Reads sorted tables of LevelDB, the form of a checkpoint's index file."""

from migrate_examples.port.archive import ReadError
from migrate_examples.port.read.crc32c import crc32c, unmasked
from migrate_examples.port.read.protobuf import varint
from migrate_examples.port.read.snappy import unpack

MAGIC = 0xDB4775248B80FB57
"""The last eight bytes of a table."""
FOOTER = 48
"""Two handles, filled up to 40 bytes, and the magic number."""
TRAILER = 5
"""A byte for the packing and four of checksum follow each block."""
MOST_ENTRIES = 10_000_000


def entries(data: bytes) -> dict[bytes, bytes]:
    """All keys of a table and their values, in the order of the keys.

    Parameters
    ----------
    data : bytes
        The whole file. (LevelDB, doc/table_format.md)

    Raises
    ------
    ReadError
        No table, cut off, or a checksum that does not fit.
    """
    if len(data) < FOOTER or int.from_bytes(data[-8:], "little") != MAGIC:
        raise ReadError("it does not end as an index file does")
    _, _, at = _handle(data[-FOOTER:], 0)
    offset, size, _ = _handle(data[-FOOTER:], at)
    found: dict[bytes, bytes] = {}
    for _, handle in _block(data, offset, size):
        start, length, _ = _handle(handle, 0)
        for key, value in _block(data, start, length):
            if key in found:
                raise ReadError(f"the key {key[:80]!r} stands twice in the index")
            found[key] = value
            if len(found) > MOST_ENTRIES:
                raise ReadError(f"the index has more than {MOST_ENTRIES} entries")
    return found


def _handle(data: bytes, at: int) -> tuple[int, int, int]:
    """Where a block lies, how long it is, and what follows the handle."""
    offset, at = varint(data, at)
    size, at = varint(data, at)
    return offset, size, at


def _block(data: bytes, offset: int, size: int) -> list[tuple[bytes, bytes]]:
    """Keys and values of a block; each key shares its beginning with the last."""
    end = offset + size
    if end + TRAILER > len(data) - FOOTER:
        raise ReadError(f"a block of {size} bytes at {offset} lies outside the index")
    content, packing = data[offset:end], data[end]
    stored = int.from_bytes(data[end + 1 : end + TRAILER], "little")
    if crc32c(data[offset : end + 1]) != unmasked(stored):
        raise ReadError(f"the block at {offset} of the index has a wrong checksum")
    if packing == 1:
        content = unpack(content)
    elif packing != 0:
        raise ReadError(f"a block of the index is packed in an unknown way ({packing})")
    return _pairs(content)


def _pairs(content: bytes) -> list[tuple[bytes, bytes]]:
    if len(content) < 4:
        raise ReadError("a block of the index is cut off")
    restarts = int.from_bytes(content[-4:], "little")
    stop = len(content) - 4 * (restarts + 1)
    if stop < 0:
        raise ReadError("a block of the index is cut off")
    pairs: list[tuple[bytes, bytes]] = []
    at, key = 0, b""
    while at < stop:
        shared, at = varint(content, at)
        unshared, at = varint(content, at)
        length, at = varint(content, at)
        if shared > len(key) or unshared + length > stop - at:
            raise ReadError("an entry of the index is cut off")
        key = key[:shared] + content[at : at + unshared]
        at += unshared
        pairs.append((key, content[at : at + length]))
        at += length
    return pairs
