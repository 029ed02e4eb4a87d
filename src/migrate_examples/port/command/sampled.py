"""Keeps enough of a large output to compare it, not all of it."""

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

KEPT = 20_000
"""Values that are kept of an output; all of a smaller one."""

KEPT_OF_ROWS = 2_000_000
"""Values that are kept of an output of two axes."""


@dataclass(frozen=True)
class Sample:
    """Some values of an output, and how large it all is.

    Attributes
    ----------
    values : ndarray
        At the places of :func:`places`, in the order of the whole output.
    shape : tuple of int
        Of the whole output, as Keras has it.
    scale : float
        Largest absolute value of the whole output.
    """

    values: NDArray[Any]
    shape: tuple[int, ...]
    scale: float

    @property
    def is_whole(self) -> bool:
        """Whether all values were kept."""
        return self.values.size == math.prod(self.shape)


def places(shape: tuple[int, ...]) -> NDArray[np.intp] | slice:
    """Where an output of a shape is looked at: everywhere, or at random.

    Both sides draw the same places.

    >>> places((2, 5))
    slice(None, None, None)
    >>> len(places((100, 100, 100)))
    20000
    """
    size = math.prod(shape)
    if size <= (KEPT_OF_ROWS if len(shape) == 2 else KEPT):
        return slice(None)
    return np.sort(np.random.default_rng(size).integers(0, size, KEPT))


def picked(whole: NDArray[Any]) -> NDArray[Any]:
    """Values of an array at its places."""
    return np.ascontiguousarray(whole).reshape(-1)[places(whole.shape)]


def sample(whole: NDArray[Any]) -> Sample:
    """Keep some values of an output."""
    finite = whole[np.isfinite(whole)] if whole.dtype.kind == "f" else whole
    scale = float(np.abs(finite).max()) if finite.size else 0.0
    return Sample(picked(whole), whole.shape, scale)


def error(expected: Sample, values: NDArray[Any]) -> float:
    """Largest difference by the largest absolute value of what was expected.

    Where both are infinite, or both no number, they are equal.

    Parameters
    ----------
    expected : Sample
        What Keras gives.
    values : ndarray
        Those of the port, :func:`picked` of an array of the same shape.

    Examples
    --------
    >>> whole = np.array([1.0, 2.0, 4.0])
    >>> error(sample(whole), whole + 0.5)
    0.125
    """
    wide = expected.values.astype(np.float64), values.astype(np.float64)
    with np.errstate(invalid="ignore"):
        difference = np.abs(wide[0] - wide[1])
    same = (wide[0] == wide[1]) | (np.isnan(wide[0]) & np.isnan(wide[1]))
    difference[same] = 0.0
    largest = float(difference.max(initial=0.0))
    return largest / expected.scale if expected.scale else largest
