"""Reads ``.npz`` files: arrays by name, no pickled objects."""

import math
from pathlib import Path
from typing import BinaryIO

import ml_dtypes
from numpy.lib import format as npy

from migrate_examples.port.archive import Archive, Array, ReadError, StoredLayer
from migrate_examples.port.read import archive_zip
from migrate_examples.port.read.flat import layers_of

BROKEN = (ValueError, OSError, EOFError, TypeError, SyntaxError, OverflowError)
"""What NumPy raises on arrays that are broken."""


def read_npz(path: Path) -> Archive:
    """Arrays by name; ``conv1/kernel`` is the kernel of conv1.

    Raises
    ------
    ReadError
        Broken, or an array says a size that its bytes do not have.
    """
    arrays: dict[str, Array] = {}
    skipped = []
    with archive_zip.opened(path) as archive:
        for entry in archive.infolist():
            name = entry.filename.removesuffix(".npy")
            if name == entry.filename:
                skipped.append(f"{name}: no array, not read")
                continue
            with archive_zip.streamed(archive, entry.filename, path) as stream:
                array = _array(stream, entry.file_size, f"{path}: {name}")
            if array is None:
                skipped.append(f"{name}: pickled objects are programs, not run")
            else:
                arrays[name] = array
    if not arrays:
        raise ReadError(f"{path}: an .npz without arrays of numbers")
    layers: tuple[StoredLayer, ...] = layers_of(arrays)
    return Archive(path, "npz", layers, skipped=tuple(skipped))


def _array(stream: BinaryIO, size: int, where: str) -> Array | None:
    """One array; None if it holds objects."""
    try:
        version = npy.read_magic(stream)
        first = version == (1, 0)
        read = npy.read_array_header_1_0 if first else npy.read_array_header_2_0
        shape, _, dtype = read(stream, max_header_size=1 << 16)
    except BROKEN as error:
        raise ReadError(f"{where}: a broken array: {error}") from None
    if dtype.hasobject:
        return None
    needed = math.prod(shape) * dtype.itemsize
    if (dtype.kind not in "biufc" and dtype != "V2") or any(
        extent < 0 for extent in shape
    ):
        raise ReadError(f"{where}: {shape} of {dtype} is no array of numbers")
    if needed != size - stream.tell():
        raise ReadError(
            f"{where}: {shape} of {dtype} are {needed} bytes, and the file has "
            f"{size - stream.tell()}"
        )
    stream.seek(0)
    array: Array = npy.read_array(stream, allow_pickle=False)
    # NumPy's format has no bfloat16, the only type that is written as two raw bytes.
    return array.view(ml_dtypes.bfloat16) if dtype == "V2" else array
