"""Arrays of two layouts: which axes are the same ones, and how far apart both are."""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from migrate_examples.port.archive import Array

Numbers = NDArray[np.float64]

SAME, CHANNELS_FIRST, TIME_FIRST, NO_ONES, FLATTENED = (
    "the same axes",
    "channels first",
    "time first",
    "axes of one left out",
    "flattened channels first",
)
"""How the port's array lies, seen from Keras's."""


class Closeness(NamedTuple):
    """How far an array of the port is from one of Keras.

    Attributes
    ----------
    error : float
        Largest difference, relative to Keras's largest value; infinite where
        shapes do not fit or one side has no number.
    form : str
        How the port's axes lie: one of the names above.
    """

    error: float
    form: str


def channels_first(array: Array) -> Array:
    """Axes of the port of an array of Keras: (B, H, W, C) becomes (B, C, H, W).

    >>> channels_first(np.zeros((2, 5, 7, 3))).shape
    (2, 3, 5, 7)
    """
    return np.moveaxis(array, -1, 1) if array.ndim > 2 else array


def channels_last(array: Array) -> Array:
    """Axes of Keras of an array of the port: (B, C, H, W) becomes (B, H, W, C).

    >>> channels_last(np.zeros((2, 3, 5, 7))).shape
    (2, 5, 7, 3)
    """
    return np.moveaxis(array, 1, -1) if array.ndim > 2 else array


def forms(array: Array, shape: tuple[int, ...]) -> Iterator[tuple[str, Array]]:
    """Each way to read the port's array as one of Keras's shape.

    >>> [form for form, _ in forms(np.zeros((2, 3, 5, 7)), (2, 5, 7, 3))]
    ['channels first']
    >>> [form for form, _ in forms(np.zeros((4, 4, 4)), (4, 4, 4))]
    ['the same axes', 'channels first', 'time first']
    """
    if array.shape == shape:
        yield SAME, array
    if array.ndim > 2 and (moved := channels_last(array)).shape == shape:
        yield CHANNELS_FIRST, moved
    if array.ndim == 3 and (turned := array.swapaxes(0, 1)).shape == shape:
        yield TIME_FIRST, turned
    bare = tuple(size for size in array.shape if size != 1)
    if array.shape != shape and bare == tuple(size for size in shape if size != 1):
        yield NO_ONES, array.reshape(shape)


def distance(ours: Array, theirs: Array) -> float:
    """Largest difference of arrays of one shape, relative to ours' largest value.

    >>> distance(np.array([2.0, 4.0]), np.array([2.0, 3.0]))
    0.25
    >>> distance(np.array([np.nan]), np.array([0.0]))
    inf
    """
    a, b = np.asarray(ours, np.float64), np.asarray(theirs, np.float64)
    if a.size == 0:
        return 0.0
    with np.errstate(invalid="ignore"):
        same = (a == b) | (np.isnan(a) & np.isnan(b))  # infinities of one sign too
        gaps = np.where(same, 0.0, np.abs(a - b))
    if not np.isfinite(gaps).all():
        return float("inf")
    scale = float(np.abs(a[np.isfinite(a)]).max(initial=0.0))
    return float(gaps.max()) / (scale or 1.0)


def closeness(ours: Array, theirs: Array) -> Closeness:
    """Distance of the port's array from Keras's, in the layout that fits best.

    >>> image = np.random.default_rng(0).normal(size=(2, 5, 7, 3))
    >>> closeness(image, np.moveaxis(image, -1, 1))
    Closeness(error=0.0, form='channels first')
    >>> closeness(image, image[:1]).error
    inf
    """
    found = [
        Closeness(distance(ours, read), form)
        for form, read in forms(theirs, ours.shape)
    ]
    return min(found, default=Closeness(float("inf"), SAME), key=lambda c: c.error)


def fingerprint(array: Array) -> tuple[int, float, float]:
    """What no permutation of the axes changes: size, mean and root mean square."""
    a = np.asarray(array, np.float64)
    if a.size == 0:
        return 0, 0.0, 0.0
    with np.errstate(all="ignore"):
        return a.size, float(a.mean()), float(np.sqrt(np.square(a).mean()))
