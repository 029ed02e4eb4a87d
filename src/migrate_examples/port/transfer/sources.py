"""Whatever weights come in, as an Archive."""

import re
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np

from migrate_examples.port.archive import Archive, Array, StoredLayer

Source: TypeAlias = Archive | Path | str | Mapping[str, Array] | Any
"""A file, an Archive, a Keras model, or arrays by name."""

PARTS = ("query", "key", "value", "attention_output")
"""Layers inside an attention, which is laid out as one."""


def archive_from(source: Source) -> Archive:
    """Read, take or build an Archive.

    Raises
    ------
    TypeError
        The source is none of what can be read.
    ReadError
        The file is none of what can be read.
    """
    if isinstance(source, Archive):
        return source
    if isinstance(source, str | Path):
        from migrate_examples.port.read import read  # noqa: PLC0415  # needs h5py

        archive: Archive = read(Path(source))
        return archive
    keras = sys.modules.get("keras")  # a model in memory has imported it
    if keras is not None and isinstance(source, keras.Model):
        from migrate_examples.port.live import archive_of  # noqa: PLC0415  # needs Keras

        return archive_of(source)
    if isinstance(source, Mapping):
        return archive_of_arrays(source)
    raise TypeError(
        f"cannot read weights from a {type(source).__name__}: give a path, an Archive, "
        "a keras.Model or arrays by name"
    )


def archive_of_arrays(arrays: Mapping[str, Array]) -> Archive:
    """Arrays by name, grouped into layers by what stands before the variable.

    >>> a = archive_of_arrays({"conv/kernel:0": np.zeros(3), "conv/bias:0": np.ones(2)})
    >>> [(layer.name, list(layer.arrays)) for layer in a.layers]
    [('conv', ['kernel', 'bias'])]
    """
    layers: dict[str, dict[str, Array]] = {}
    for name, array in arrays.items():
        layer, variable = _split(re.sub(r":\d+$", "", name))
        layers.setdefault(layer, {})[variable] = np.asarray(array)
    stored = [StoredLayer(name, "", None, held) for name, held in layers.items()]
    return Archive(None, "npz", tuple(stored))


def _split(name: str) -> tuple[str, str]:
    """Name of the layer, and of the variable inside it."""
    parts = name.split("/")
    for place, part in enumerate(parts[:-1]):
        inside = part in PARTS or part.endswith("_cell")
        if place and (inside or part.startswith(("forward_", "backward_"))):
            return "/".join(parts[:place]), "/".join(parts[place:])
    return "/".join(parts[:-1]), parts[-1]
