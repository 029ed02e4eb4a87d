"""Slices of a partitioned variable, and the keys under which an index has them."""

from typing import TypeAlias

from migrate_examples.port.archive import ReadError
from migrate_examples.port.read import protobuf

Extent: TypeAlias = tuple[int, int] | None
"""Start and length along one axis; None for all of it."""
Slice: TypeAlias = tuple[Extent, ...]


def slice_of(message: bytes) -> Slice:
    """Extents of a slice (TensorSliceProto)."""
    extents: list[Extent] = []
    for field, value in protobuf.fields(message):
        if field != 1:
            continue
        inside = dict(protobuf.fields(protobuf.raw(value)))
        if 2 not in inside:
            extents.append(None)
            continue
        start = protobuf.signed(protobuf.number(inside.get(1, 0)))
        length = protobuf.signed(protobuf.number(inside[2]))
        if start < 0 or length < 0:
            raise ReadError(f"a slice starts at {start} and is {length} long")
        extents.append((start, length))
    return tuple(extents)


def key_of_slice(name: str, part: Slice, rank: int) -> bytes:
    """Key of a slice, in TensorFlow's code of tuples that sorts as they do.

    (tensorflow/core/util/saved_tensor_slice_util.cc, EncodeTensorNameSlice.)
    """
    if len(part) != rank:
        raise ReadError(f"a slice has {len(part)} axes, its tensor {rank}")
    key = _number(0) + _string(name.encode()) + _number(len(part))
    for extent in part:
        # The whole of an axis is written as start 0 and length -1.
        start, length = (0, -1) if extent is None else extent
        key += _signed(start) + _signed(length)
    return key


def _number(value: int) -> bytes:
    r"""Length of a number and its bytes, the high one first.

    >>> _number(0), _number(300)
    (b'\x00', b'\x02\x01,')
    """
    width = (value.bit_length() + 7) // 8
    return bytes([width]) + value.to_bytes(width, "big")


def _string(value: bytes) -> bytes:
    """Bytes with 0 and 255 escaped, and an end."""
    escaped = value.replace(b"\xff", b"\xff\x00").replace(b"\x00", b"\x00\xff")
    if b"\xff" in value:  # the replacements must not see each other's work
        escaped = b"".join(
            {0: b"\x00\xff", 255: b"\xff\x00"}.get(byte, bytes([byte]))
            for byte in value
        )
    return escaped + b"\x00\x01"


def _signed(value: int) -> bytes:
    r"""A number whose leading bits say its length, like UTF-8, and its sign.

    >>> _signed(0), _signed(-1), _signed(64)
    (b'\x80', b'\x7f', b'\xc0@')
    """
    magnitude = ~value if value < 0 else value
    # One bit of sign and, of n bytes, n bits of length: 7 bits a byte are left.
    width = magnitude.bit_length() // 7 + 1
    if width > 8:
        raise ReadError(f"a slice starts at {value}")
    header = (0xFF << (8 - width)) & 0xFF
    code = (header << 8 * (width - 1)) ^ magnitude
    if value < 0:
        code = code ^ ((1 << 8 * width) - 1)
    return code.to_bytes(width, "big")
