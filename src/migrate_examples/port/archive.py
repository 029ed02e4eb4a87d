"""What a file of weights holds, as plain data: layers, configs, named arrays."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeAlias

from numpy.typing import NDArray

Array: TypeAlias = NDArray[Any]


class ReadError(ValueError):
    """A file that cannot be read: corrupt, foreign, or unsafe. Says file and entry."""


@dataclass(frozen=True)
class StoredLayer:
    """A layer of a model, as it was saved.

    Attributes
    ----------
    name : str
        Names of the models it lies in and its own: ``encoder/conv1``.
    class_name : str
        ``Conv2D``; empty where the file does not say.
    config : mapping or None
        Its arguments, where the file has them.
    arrays : mapping of str to ndarray
        By name of the variable, bit by bit as saved: ``kernel``, ``bias``,
        ``moving_mean``, ``forward_lstm/lstm_cell/kernel``; a number where the
        file knows the order alone.
    """

    name: str
    class_name: str
    config: Mapping[str, Any] | None
    arrays: Mapping[str, Array]


@dataclass(frozen=True)
class Archive:
    """All of a file, in the order of the model.

    Attributes
    ----------
    path : Path or None
        Where it was read; None for a model in memory.
    kind : str
        ``keras``, ``h5``, ``weights.h5``, ``saved_model``, ``checkpoint``, ``npz``
        or ``model``.
    layers : tuple of StoredLayer
        Those with weights and those without, as far as the file names them.
    config : mapping or None
        The model's own config, never executed.
    optimizer : mapping of str to ndarray
        State of the optimizer, as named there.
    skipped : tuple of str
        What was seen and not read, each in a sentence.
    """

    path: Path | None
    kind: str
    layers: tuple[StoredLayer, ...]
    config: Mapping[str, Any] | None = None
    optimizer: Mapping[str, Array] = field(default_factory=dict)
    skipped: tuple[str, ...] = ()

    def arrays(self) -> dict[str, Array]:
        """All arrays by layer and variable, as ``encoder/conv1/kernel``."""
        return {
            f"{layer.name}/{name}": array
            for layer in self.layers
            for name, array in layer.arrays.items()
        }
