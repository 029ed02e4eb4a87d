"""The same inputs for both models: dtypes, names, and where the channels lie."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np
import torch
from torch import Tensor, nn

from migrate_examples.port.archive import Array
from migrate_examples.port.parity.axes import channels_first
from migrate_examples.port.parity.errors import ParityError

LAYOUTS = ("auto", "NHWC", "NCHW")


@dataclass(frozen=True)
class Feed:
    """Inputs of both models, in Keras's layout.

    Attributes
    ----------
    arrays : tuple of ndarray
        In order, as the Keras model takes them.
    names : tuple of str or None
        Keys, where they came in a dictionary.
    """

    arrays: tuple[Array, ...]
    names: tuple[str, ...] | None

    def in_dtype(self, dtype: str) -> tuple[Array, ...]:
        """Floating inputs in that dtype, integers as they are."""
        return tuple(
            a.astype(dtype) if np.issubdtype(a.dtype, np.floating) else a
            for a in self.arrays
        )

    def for_keras(self, tensors: Sequence[Any]) -> Any:
        """Structure that the Keras model is called with."""
        if self.names is not None:
            return dict(zip(self.names, tensors, strict=True))
        return tensors[0] if len(tensors) == 1 else list(tensors)

    def keras_tensors(self, dtype: str) -> list[Any]:
        """Inputs as tensors of Keras's backend."""
        return [keras.ops.convert_to_tensor(a) for a in self.in_dtype(dtype)]

    def torch_tensors(self, dtype: str, moved: str) -> list[Tensor]:
        """Inputs as tensors of the port, the channels where it expects them."""
        return [
            torch.from_numpy(np.ascontiguousarray(place(a, moved)).copy())
            for a in self.in_dtype(dtype)
        ]

    def call(self, module: nn.Module, tensors: Sequence[Tensor]) -> Any:
        """Call the port: by name where its forward has these names, else in order."""
        if self.names is not None and set(self.names) <= parameters_of(module):
            return module(**dict(zip(self.names, tensors, strict=True)))
        return module(*tensors)


def parameters_of(module: nn.Module) -> set[str]:
    """Names that the module's forward takes."""
    code = getattr(type(module).forward, "__code__", None)
    return set(
        code.co_varnames[: code.co_argcount + code.co_kwonlyargcount] if code else ()
    )


def place(array: Array, moved: str) -> Array:
    """Move the channels: of images alone, or of sequences too.

    >>> place(np.zeros((2, 5, 7, 3)), "NCHW").shape
    (2, 3, 5, 7)
    >>> [place(np.zeros((2, 5, 3)), moved).shape for moved in ("NCHW", "NCW")]
    [(2, 5, 3), (2, 3, 5)]
    """
    if moved == "NCHW" and array.ndim > 3:
        return channels_first(array)
    return channels_first(array) if moved == "NCW" else array


def layouts_to_try(feed: Feed, layout: str) -> tuple[str, ...]:
    """Layouts that the inputs may have in the port, the likeliest first.

    Raises
    ------
    ParityError
        For a layout of another name.
    """
    if layout not in LAYOUTS:
        raise ParityError(f"layout is {layout!r}: one of {', '.join(LAYOUTS)}")
    ranks = {a.ndim for a in feed.arrays if np.issubdtype(a.dtype, np.floating)}
    if layout == "NHWC" or max(ranks, default=0) < 3:
        return ("NHWC",)
    first = ("NCHW", "NCW") if ranks & {3} and max(ranks) > 3 else ("NCHW",)
    if max(ranks) == 3:
        first = ("NCW",)
    return first if layout == "NCHW" else ("NHWC", *first)


def feed_of(keras_model: Any, inputs: Any) -> Feed:
    """Check inputs against what the Keras model takes.

    Parameters
    ----------
    inputs : array, sequence of arrays, or mapping of name to array
        In Keras's layout, as the Keras model is called.

    Raises
    ------
    ParityError
        On another number of inputs, other names, shapes or dtypes.
    """
    if isinstance(inputs, Mapping):
        names: tuple[str, ...] | None = tuple(inputs)
        given = list(inputs.values())
    else:
        names = None
        given = list(inputs) if isinstance(inputs, list | tuple) else [inputs]
    arrays = tuple(as_array(value, number) for number, value in enumerate(given))
    check(keras_model, arrays, names)
    return Feed(arrays, names)


def as_array(value: Any, number: int) -> Array:
    """One input as an array of numbers."""
    if isinstance(value, Tensor):
        value = value.numpy(force=True)
    array = np.asarray(value)
    if array.dtype.kind not in "fiub":
        raise ParityError(
            f"input {number} has dtype {array.dtype}: numbers or booleans are compared"
        )
    if array.size == 0:
        raise ParityError(f"input {number} of shape {array.shape} holds no number")
    if array.dtype.kind == "f" and not np.isfinite(array).all():
        raise ParityError(f"input {number} holds NaN or infinity")
    return array


def check(
    keras_model: Any, arrays: tuple[Array, ...], names: tuple[str, ...] | None
) -> None:
    """Compare shapes and dtypes with the model's inputs, where it states them."""
    expected = getattr(keras_model, "inputs", None)
    if not expected:
        return
    if len(arrays) != len(expected):
        wanted = ", ".join(f"{t.name} {t.shape}" for t in expected)
        raise ParityError(
            f"{keras_model.name} takes {len(expected)} inputs ({wanted}), "
            f"{len(arrays)} were given"
        )
    if names is not None and set(names) != {t.name for t in expected}:
        structure = getattr(keras_model, "_inputs_struct", None)
        if not (isinstance(structure, Mapping) and set(structure) == set(names)):
            raise ParityError(
                f"{keras_model.name} takes inputs named "
                f"{', '.join(t.name for t in expected)}, not {', '.join(names)}"
            )
        return
    ordered = arrays
    if names is not None:
        by_name = dict(zip(names, arrays, strict=True))
        ordered = tuple(by_name[t.name] for t in expected)
    for tensor, array in zip(expected, ordered, strict=True):
        check_one(tensor.name, tuple(tensor.shape), str(tensor.dtype), array)


def check_one(
    name: str, shape: tuple[int | None, ...], dtype: str, array: Array
) -> None:
    """Compare one input with what the model states."""
    fits = len(shape) == array.ndim and all(
        want is None or want == have
        for want, have in zip(shape, array.shape, strict=True)
    )
    if not fits:
        hint = ""
        if len(shape) == array.ndim > 2 and array.shape[1] == shape[-1]:
            hint = ": channels first? Inputs are given in Keras's layout, channels last"
        raise ParityError(
            f"input {name} is {shape} in Keras, {array.shape} was given{hint}"
        )
    if "int" in dtype and array.dtype.kind == "f":
        raise ParityError(
            f"input {name} takes {dtype}, {array.dtype} was given: token numbers are "
            "integers"
        )
