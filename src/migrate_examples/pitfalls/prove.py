"""Runs the original and both ports of a pitfall, and measures how far they differ."""

import warnings
from collections.abc import Callable
from typing import Any, NamedTuple

import keras
import numpy as np
import tensorflow as tf
import torch
from numpy.typing import NDArray

from migrate_examples.api_map.inputs import channels_second, draw, parse
from migrate_examples.api_map.prove import NAMES_TF, NAMES_TORCH, RTOL, run
from migrate_examples.api_map.results import arrays
from migrate_examples.pitfalls import Pitfall

SEEDS = (0, 1, 2)


class Distance(NamedTuple):
    """How far a port is from the original.

    Attributes
    ----------
    largest : float
        Largest absolute difference; infinity where one side has a number and
        the other none, or where there is nothing to subtract.
    instead : str
        What came instead of numbers to compare: an error, other shapes. Empty
        where both sides have one shape.
    """

    largest: float
    instead: str = ""


class Proof(NamedTuple):
    """What was measured on one draw of the inputs.

    Attributes
    ----------
    wrong, right : Distance
        Of either port from the original.
    allowed : float
        What the right one may differ by: rounding, relative to the largest value.
    """

    wrong: Distance
    right: Distance
    allowed: float


class UnprovenError(AssertionError):
    """The right port does not agree, or the wrong one does."""


def same_seed(seed: int) -> None:
    """Set the generators of both frameworks."""
    keras.utils.set_random_seed(seed)  # TensorFlow, NumPy, Python
    torch.manual_seed(seed)


def evaluate(code: str, names: dict[str, Any], seed: int) -> list[NDArray[Any]]:
    """Run code with its names; what it warns of is part of the pitfall."""
    same_seed(seed)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return arrays(run(code, names))


def distance(ours: list[NDArray[Any]], theirs: list[NDArray[Any]]) -> Distance:
    """Largest difference of two lists of arrays.

    >>> distance([np.ones(3)], [np.zeros(3)])
    Distance(largest=1.0, instead='')
    >>> distance([np.ones(3)], [np.ones((3, 1))])
    Distance(largest=inf, instead='shape (3, 1) instead of (3,)')
    """
    if len(ours) != len(theirs):
        return Distance(np.inf, f"{len(theirs)} results instead of {len(ours)}")
    largest = 0.0
    for our, their in zip(ours, theirs, strict=True):
        if our.shape != their.shape:
            return Distance(np.inf, f"shape {their.shape} instead of {our.shape}")
        a, b = our.astype("float64"), their.astype("float64")
        if np.any(np.isfinite(a) != np.isfinite(b)):
            odd = b[np.isfinite(a) & ~np.isfinite(b)]
            word = "NaN" if np.isnan(odd).any() else "infinity"
            return Distance(np.inf, f"{word} instead of a number")
        finite = np.isfinite(a)
        found = np.abs(a[finite] - b[finite])
        largest = max(largest, float(np.max(found, initial=0.0)))
    return Distance(largest)


def distance_of(
    port: Callable[[], list[NDArray[Any]]], ours: list[NDArray[Any]]
) -> Distance:
    """Run a port that may raise, and measure."""
    try:
        theirs = port()
    except (RuntimeError, ValueError, IndexError, TypeError) as error:
        return Distance(np.inf, f"{type(error).__name__} instead of a result")
    return distance(ours, theirs)


def prove(pitfall: Pitfall, seed: int = 0) -> Proof:
    """Measure both ports of a pitfall on one draw of its inputs.

    Images that the entry gives as ``NHWC`` reach the ports with their channels
    second, and the original's images are turned round before they are compared.

    Raises
    ------
    UnprovenError
        Where the right port differs by more than rounding, or the wrong one
        by less than the entry says.

    Examples
    --------
    >>> from migrate_examples.pitfalls import pitfalls
    >>> prove(next(p for p in pitfalls() if p.identifier == "STD-BIASED")).wrong.instead
    ''
    """
    rng = np.random.default_rng(seed)
    inputs = {name: draw(text, rng) for name, text in pitfall.inputs.items()}
    specs = {name: parse(text) for name, text in pitfall.inputs.items()}
    layouts = {spec.layout for spec in specs.values() if spec.layout}

    tensors_tf = {name: tf.constant(x) for name, x in inputs.items()}
    ours = evaluate(pitfall.tensorflow, {**NAMES_TF, **tensors_tf}, seed)
    ours = [channels_second(x, layouts) for x in ours]

    def port(code: str) -> list[NDArray[Any]]:
        tensors = {
            name: torch.tensor(
                channels_second(x, layouts) if specs[name].layout else x
            ).contiguous()
            for name, x in inputs.items()
        }
        return evaluate(code, {**NAMES_TORCH, **tensors}, seed)

    proof = Proof(
        wrong=distance_of(lambda: port(pitfall.wrong), ours),
        right=distance(ours, port(pitfall.right)),
        allowed=tolerance(pitfall, ours),
    )
    check(pitfall, proof)
    return proof


def tolerance(pitfall: Pitfall, ours: list[NDArray[Any]]) -> float:
    """Rounding of the result's dtype, as large as its largest value makes it."""
    wide = any(parse(text).dtype == np.float64 for text in pitfall.inputs.values())
    rtol = pitfall.rtol or RTOL["float64" if wide else "float32"]
    finite = [np.abs(x[np.isfinite(x)].astype("float64")) for x in ours]
    return rtol * max([1.0, *(float(x.max()) for x in finite if x.size)])


def check(pitfall: Pitfall, proof: Proof) -> None:
    """Raise where a proof does not show what the entry claims."""
    name = pitfall.identifier
    if not proof.right.largest <= proof.allowed:
        how = proof.right.instead or f"differs by {proof.right.largest:.2g}"
        raise UnprovenError(f"{name}: the right port {how}, not {proof.allowed:.2g}")
    raises = bool(proof.wrong.instead) and "number" not in proof.wrong.instead
    if raises != pitfall.wrong_raises:
        how = proof.wrong.instead or f"{proof.wrong.largest:.2g}"
        raise UnprovenError(f"{name}: the wrong port gives {how}: see wrong_raises")
    bound = max(pitfall.wrong_by_more_than, 10 * proof.allowed)
    if not proof.wrong.largest > bound:
        found = f"{proof.wrong.largest:.2g}, not more than {bound:.2g}"
        raise UnprovenError(f"{name}: the wrong port differs by {found}")
