"""Compares the shapes of arrays with what the config of their layer says."""

from collections.abc import Mapping
from typing import Any

from migrate_examples.port.archive import Array, ReadError


def check_shapes(
    class_name: str, config: Mapping[str, Any] | None, arrays: Mapping[str, Array]
) -> None:
    """Make sure that the arrays of a layer are as large as its config says.

    Raises
    ------
    ReadError
        A shape that the config contradicts; begins with the name of the variable.

    Examples
    --------
    >>> import numpy as np
    >>> check_shapes("Dense", {"units": 3}, {"kernel": np.zeros((2, 4))})
    Traceback (most recent call last):
    ...
    migrate_examples.port.archive.ReadError: kernel: its shape (2, 4) is not that of
    the config, (any, 3)
    """
    for name, shape in _shapes(class_name, config or {}).items():
        if name not in arrays:
            continue
        found = arrays[name].shape
        same = len(found) == len(shape) and all(
            wanted in (None, extent)
            for wanted, extent in zip(shape, found, strict=False)
        )
        if not same:
            said = ", ".join("any" if e is None else str(e) for e in shape)
            raise ReadError(
                f"{name}: its shape {found} is not that of the config, ({said})"
            )


def _shapes(class_name: str, config: Mapping[str, Any]) -> dict[str, tuple[Any, ...]]:
    """Shapes of variables, None for an extent that depends on the input."""
    units = config.get("units")
    if class_name == "Dense" and _counts(units):
        return {"kernel": (None, units), "bias": (units,)}
    if class_name == "Embedding":
        rows, width = config.get("input_dim"), config.get("output_dim")
        if _counts(rows, width):
            return {"embeddings": (rows, width)}
    gates = {"LSTMCell": 4, "GRUCell": 3, "SimpleRNNCell": 1}.get(class_name)
    if gates and isinstance(units, int):
        wide = gates * units
        return {"kernel": (None, wide), "recurrent_kernel": (units, wide)}
    if class_name in ("Conv1D", "Conv2D", "Conv3D"):
        return _convolution(class_name, config)
    return {}


def _convolution(
    class_name: str, config: Mapping[str, Any]
) -> dict[str, tuple[Any, ...]]:
    filters, window = config.get("filters"), config.get("kernel_size")
    if isinstance(window, Mapping):  # a tuple, as Keras serialises it
        window = window.get("items", [])
    axes = int(class_name[4])
    if isinstance(window, int):
        window = [window] * axes
    if not isinstance(window, list | tuple) or not _counts(filters, *window):
        return {}
    return {"kernel": (*window, None, filters), "bias": (filters,)}


def _counts(*values: Any) -> bool:
    return all(isinstance(v, int) and not isinstance(v, bool) for v in values)
