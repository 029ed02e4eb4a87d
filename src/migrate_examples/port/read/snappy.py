"""Unpacks blocks in the Snappy format, as index files may use it."""

from migrate_examples.port.archive import ReadError
from migrate_examples.port.read.protobuf import varint

MOST = 1 << 28
"""Bytes of one block; TensorFlow writes blocks of 256 KiB."""


def unpack(data: bytes) -> bytes:
    r"""Bytes of a Snappy block (google/snappy, format_description.txt).

    Raises
    ------
    ReadError
        Cut off, longer than it says, or it points before its start.

    Examples
    --------
    Two letters, and a copy of six from two back:

    >>> unpack(b"\x08\x04ab\x09\x02")
    b'abababab'
    """
    size, at = varint(data, 0)
    # A copy of up to 64 bytes takes two bytes or three.
    if size > min(MOST, 64 * len(data)):
        raise ReadError(f"a packed block says that it holds {size} bytes")
    out = bytearray()
    while at < len(data):
        tag = data[at]
        at += 1
        if tag & 3 == 0:
            length, at = _literal(data, tag >> 2, at)
            if length > len(data) - at:
                raise ReadError("a packed block is cut off")
            out += data[at : at + length]
            at += length
        else:
            length, offset, at = _copy(data, tag, at)
            _repeat(out, offset, length)
        if len(out) > size:
            break
    if len(out) != size:
        raise ReadError(f"a packed block says {size} bytes and has {len(out)}")
    return bytes(out)


def _literal(data: bytes, code: int, at: int) -> tuple[int, int]:
    """Length of bytes that stand as they are, and where they begin."""
    if code < 60:
        return code + 1, at
    width = code - 59
    return int.from_bytes(data[at : at + width], "little") + 1, at + width


def _copy(data: bytes, tag: int, at: int) -> tuple[int, int, int]:
    """Length and distance of a repetition, and what follows it."""
    if tag & 3 == 1:
        low = int.from_bytes(data[at : at + 1], "little")
        return (tag >> 2 & 7) + 4, (tag >> 5) << 8 | low, at + 1
    width = 2 if tag & 3 == 2 else 4
    return (
        (tag >> 2) + 1,
        int.from_bytes(data[at : at + width], "little"),
        at + width,
    )


def _repeat(out: bytearray, offset: int, length: int) -> None:
    """Append what lies some bytes back; it may overlap with itself."""
    if not 0 < offset <= len(out):
        raise ReadError("a packed block points before its start")
    start = len(out) - offset
    for place in range(start, start + length):
        out.append(out[place])
