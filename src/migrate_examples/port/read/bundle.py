"""Reads the tensors of a TensorFlow checkpoint: an index file and data files."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import ml_dtypes
import numpy as np

from migrate_examples.port.archive import Array, ReadError
from migrate_examples.port.read import protobuf, table
from migrate_examples.port.read.crc32c import crc32c, unmasked
from migrate_examples.port.read.slices import Slice, key_of_slice, slice_of

STRING = 7
DTYPES: Mapping[int, Any] = {
    1: np.float32, 2: np.float64, 3: np.int32, 4: np.uint8, 5: np.int16, 6: np.int8,
    8: np.complex64, 9: np.int64, 10: np.bool_, 14: ml_dtypes.bfloat16,
    17: np.uint16, 18: np.complex128, 19: np.float16, 22: np.uint32, 23: np.uint64,
    24: ml_dtypes.float8_e5m2, 25: ml_dtypes.float8_e4m3fn,
}  # fmt: skip
"""Numbers of ``tensorflow.DataType``, as far as numpy has the type."""
NAMES = {
    STRING: "strings", 11: "qint8", 12: "quint8", 13: "qint32", 15: "qint16",
    16: "quint16", 20: "a resource", 21: "a variant", 29: "int4", 30: "uint4",
}  # fmt: skip
"""What is skipped, in words."""
MOST_INDEX = 1 << 30
"""Bytes of an index file."""
MOST_AXES = 64


class Entry(NamedTuple):
    """Where a tensor lies, as the index says."""

    dtype: int
    shape: tuple[int, ...]
    shard: int
    offset: int
    size: int
    checksum: int
    slices: tuple[Slice, ...]


class Bundle:
    """A checkpoint that has been opened; tensors are read one by one.

    Parameters
    ----------
    prefix : Path
        What stands before ``.index`` and ``.data-00000-of-00001``.

    Raises
    ------
    ReadError
        The index is no index, or a data file is missing.

    Attributes
    ----------
    entries : dict of str to Entry
        By the keys of the index, without those of slices.
    """

    def __init__(self, prefix: Path) -> None:
        self.prefix = prefix
        index = prefix.with_name(prefix.name + ".index")
        if index.stat().st_size > MOST_INDEX:
            raise ReadError(f"{index}: an index of more than {MOST_INDEX} bytes")
        try:
            self._read_index(index.read_bytes())
        except ReadError as error:
            raise ReadError(f"{index}: {error}") from None

    def _read_index(self, data: bytes) -> None:
        rows = table.entries(data)
        header = rows.pop(b"", None)
        if header is None:
            raise ReadError("the index has no header")
        self.shards, self.order = _header(header)
        self.raw = rows
        self.entries = {
            key.decode("utf-8", errors="replace"): _entry(row)
            for key, row in rows.items()
            if not key.startswith(b"\0")  # a slice, read with its tensor
        }
        self.sizes: dict[int, int] = {}

    def skipped(self, key: str) -> str:
        """Why a tensor cannot be an array; empty where it can."""
        dtype = self.entries[key].dtype
        if dtype in DTYPES:
            return ""
        what = NAMES.get(dtype, f"of an unknown type ({dtype})")
        return f"{key}: {what}, not read"

    def array(self, key: str) -> Array:
        """One tensor, whole, put together from its slices if it has any.

        Raises
        ------
        ReadError
            Its bytes are not there, or are not those that were written.
        """
        entry = self.entries[key]
        try:
            if not entry.slices:
                return self._plain(entry)
            return self._from_slices(key, entry)
        except ReadError as error:
            raise ReadError(f"{self.prefix}: {key}: {error}") from None

    def string(self, key: str) -> bytes:
        """A tensor that is one string.

        It lies as its length, a checksum of the length, and its bytes.
        """
        entry = self.entries[key]
        try:
            return self._string(entry)
        except ReadError as error:
            raise ReadError(f"{self.prefix}: {key}: {error}") from None

    def _string(self, entry: Entry) -> bytes:
        if entry.dtype != STRING or entry.shape or entry.slices:
            raise ReadError("it is not one string")
        data = bytes(self._bytes(entry))
        length, at = protobuf.varint(data, 0)
        if at + 4 + length != len(data):
            raise ReadError(f"a string of {length} bytes lies in {len(data)}")
        width = 4 if length < 1 << 32 else 8
        crc = crc32c(length.to_bytes(width, "little"))
        _check(crc32c(data[at:], crc), entry.checksum)
        return data[at + 4 :]

    def _plain(self, entry: Entry) -> Array:
        dtype = np.dtype(DTYPES[entry.dtype])
        if _count(entry.shape) * dtype.itemsize != entry.size:
            raise ReadError(
                f"{entry.shape} of {dtype} are {_count(entry.shape) * dtype.itemsize} "
                f"bytes, and the index says {entry.size}"
            )
        data = self._bytes(entry)
        _check(crc32c(data), entry.checksum)
        array: Array = np.frombuffer(data, dtype).reshape(entry.shape)
        return array.byteswap() if self.order == "big" else array

    def _bytes(self, entry: Entry) -> bytearray:
        path = self._shard(entry.shard)
        if entry.offset + entry.size > self.sizes[entry.shard]:
            raise ReadError(
                f"{entry.size} bytes at {entry.offset} lie outside {path.name}, "
                f"which has {self.sizes[entry.shard]}"
            )
        data = bytearray(entry.size)
        with path.open("rb") as file:
            file.seek(entry.offset)
            if file.readinto(data) != entry.size:
                raise ReadError(f"{path.name} is cut off")
        return data

    def _shard(self, number: int) -> Path:
        end = f".data-{number:05}-of-{self.shards:05}"
        path = self.prefix.with_name(self.prefix.name + end)
        if number >= self.shards:
            raise ReadError(f"data file {number} of {self.shards} does not exist")
        if number not in self.sizes:
            if not path.is_file():
                raise ReadError(f"the data file {path.name} is missing")
            self.sizes[number] = path.stat().st_size
        return path

    def _from_slices(self, key: str, entry: Entry) -> Array:
        """Fill a tensor from its parts; each element once."""
        dtype = np.dtype(DTYPES[entry.dtype])
        parts = list(self._parts(key, entry))
        if sum(part.size for _, part in parts) != _count(entry.shape) * dtype.itemsize:
            raise ReadError(f"its {len(parts)} slices do not make up {entry.shape}")
        whole = np.empty(entry.shape, dtype)
        filled = np.zeros(entry.shape, np.bool_)
        for place, part in parts:
            array = self._plain(part)
            if part.dtype != entry.dtype or whole[place].shape != array.shape:
                raise ReadError(f"a slice of {array.shape} does not fit into its place")
            whole[place] = array
            filled[place] = True
        if not filled.all():
            raise ReadError("its slices leave a gap")
        return whole

    def _parts(self, key: str, entry: Entry) -> Iterator[tuple[Any, Entry]]:
        for part in entry.slices:
            row = self.raw.get(key_of_slice(key, part, len(entry.shape)))
            if row is None:
                raise ReadError(f"the slice {part} is missing")
            place = tuple(
                slice(None) if extent is None else slice(extent[0], sum(extent))
                for extent in part
            )
            yield place, _entry(row)


def _check(found: int, stored: int) -> None:
    if found != unmasked(stored):
        raise ReadError("the checksum does not fit: its bytes have been changed")


def _count(shape: tuple[int, ...]) -> int:
    count = 1
    for extent in shape:
        count *= extent
    return count


def _header(message: bytes) -> tuple[int, str]:
    """Number of data files, and the order of bytes (BundleHeaderProto)."""
    shards, order = 0, "little"
    for field, value in protobuf.fields(message):
        if field == 1:
            shards = protobuf.number(value)
        elif field == 2 and value:
            order = "big"
    if not 0 < shards < 100_000:
        raise ReadError(f"the index speaks of {shards} data files")
    return shards, order


def _entry(message: bytes) -> Entry:
    """One row of the index (BundleEntryProto)."""
    plain = {1: 0, 3: 0, 4: 0, 5: 0, 6: 0}
    shape: tuple[int, ...] = ()
    slices: list[Slice] = []
    for field, value in protobuf.fields(message):
        if field == 2:
            shape = _shape(protobuf.raw(value))
        elif field == 7:
            slices.append(slice_of(protobuf.raw(value)))
        elif field in plain:
            plain[field] = protobuf.number(value)
    return Entry(plain[1], shape, plain[3], plain[4], plain[5], plain[6], tuple(slices))


def _shape(message: bytes) -> tuple[int, ...]:
    """Extents of a tensor (TensorShapeProto)."""
    shape = []
    for field, value in protobuf.fields(message):
        if field == 3 and value:
            raise ReadError("a tensor has no shape")
        if field == 2:
            inside = dict(protobuf.fields(protobuf.raw(value)))
            shape.append(protobuf.signed(protobuf.number(inside.get(1, 0))))
    if len(shape) > MOST_AXES or any(extent < 0 for extent in shape):
        raise ReadError(f"{tuple(shape)[:8]} is no shape")
    return tuple(shape)
