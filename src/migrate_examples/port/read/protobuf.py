"""Reads the wire format of protocol buffers: fields by number, no schema."""

from collections.abc import Iterator
from typing import TypeAlias

from migrate_examples.port.archive import ReadError

Field: TypeAlias = int | bytes
"""A number, or the bytes of a string or of a message inside."""

VARINT, FIXED64, BYTES, FIXED32 = 0, 1, 2, 5
"""Kinds of fields on the wire; groups, 3 and 4, are written by nobody any more."""

MOST_FIELDS = 5_000_000
"""Of one message; the largest object graphs have some hundred thousand."""


def varint(data: bytes, at: int) -> tuple[int, int]:
    r"""Number of seven bits a byte, the low ones first, and where it ends.

    >>> varint(b"\x96\x01", 0)
    (150, 2)
    """
    value = 0
    for shift in range(0, 70, 7):
        if at >= len(data):
            raise ReadError("a number is cut off")
        byte = data[at]
        at += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value & 0xFFFFFFFFFFFFFFFF, at
    raise ReadError("a number is longer than 64 bits")


def fields(message: bytes) -> Iterator[tuple[int, Field]]:
    r"""Fields of a message, in the order in which they lie.

    Parameters
    ----------
    message : bytes
        The whole message.

    Yields
    ------
    tuple
        Number of the field and its value; fixed-width ones as unsigned numbers.

    Raises
    ------
    ReadError
        Cut off, or no message.

    Examples
    --------
    >>> list(fields(b"\x08\x96\x01\x12\x02hi"))
    [(1, 150), (2, b'hi')]
    """
    at, count = 0, 0
    while at < len(message):
        count += 1
        if count > MOST_FIELDS:
            raise ReadError(f"a message has more than {MOST_FIELDS} fields")
        key, at = varint(message, at)
        number, kind = key >> 3, key & 7
        if kind == VARINT:
            value, at = varint(message, at)
            yield number, value
            continue
        if kind == BYTES:
            size, at = varint(message, at)
        elif kind in (FIXED32, FIXED64):
            size = 4 if kind == FIXED32 else 8
        else:
            raise ReadError(f"field {number} is of no known kind ({kind})")
        if size > len(message) - at:
            raise ReadError(f"field {number} is cut off")
        piece = message[at : at + size]
        at += size
        yield number, piece if kind == BYTES else int.from_bytes(piece, "little")


def signed(number: int) -> int:
    """A 64-bit number whose sign is its top bit.

    >>> signed(2**64 - 1)
    -1
    """
    return number - (1 << 64) if number >= 1 << 63 else number


def text(value: Field) -> str:
    """A string field; bytes that are no text raise ReadError."""
    return raw(value).decode("utf-8", errors="replace")


def raw(value: Field) -> bytes:
    """A field that has to be bytes."""
    if isinstance(value, int):
        raise ReadError("a number stands where a string or a message belongs")
    return value


def number(value: Field) -> int:
    """A field that has to be a number."""
    if not isinstance(value, int):
        raise ReadError("bytes stand where a number belongs")
    return value
