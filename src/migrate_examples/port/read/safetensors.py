"""Reads ``.safetensors`` files."""

from pathlib import Path

from safetensors import SafetensorError
from safetensors.numpy import load_file

from migrate_examples.port.archive import Archive, ReadError
from migrate_examples.port.read.flat import layers_of


def read_safetensors(path: Path) -> Archive:
    """Arrays by name; the library checks sizes and offsets itself.

    Raises
    ------
    ReadError
        Broken, or of a type that NumPy has not.
    """
    try:
        arrays = load_file(path)
    except (SafetensorError, KeyError, ValueError, TypeError) as error:
        raise ReadError(f"{path}: not a safetensors file: {error}") from None
    return Archive(path, "npz", layers_of(arrays))
