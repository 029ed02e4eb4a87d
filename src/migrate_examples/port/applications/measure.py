"""How far a twin is from its model of Keras, with all changes and without each."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from math import inf
from typing import Any

import numpy as np
import torch

from migrate_examples.port.applications.changes import MOMENTUM, Change
from migrate_examples.port.applications.reference import Reference, references
from migrate_examples.port.applications.twins import TwinError, changes_of, twin

TOLERANCE = {"float32": 3e-4, "float64": 1e-9}
"""Largest relative difference of the logits that is rounding, not a bug."""
THROUGH_FLOAT32 = 1e-6
"""In float64, where Keras takes a constant of its own through float32: gelu."""


@dataclass(frozen=True)
class Measurement:
    """Relative differences of the logits: the largest, against the largest logit.

    Attributes
    ----------
    name : str
        In ``keras.applications``.
    size : int
        Height and width of the input.
    float32, float64 : float
        With all changes.
    left_out : mapping of str to float
        In float64 without one change, by its name; infinite where the weights do
        not even fit then.
    sensitivity : float
        How much the logits of two photographs differ, likewise.
    parameters : int
        Numbers in the model of Keras.
    lines : int
        Of the module that was written for it; 0 for a twin.
    """

    name: str
    size: int
    float32: float
    float64: float
    left_out: Mapping[str, float]
    sensitivity: float
    parameters: int
    lines: int = 0


def error(
    found: Reference,
    name: str,
    leave_out: Collection[Change] = (),
    *,
    options: Mapping[str, Any],
) -> float:
    """Relative difference of a twin from what Keras computed.

    Returns
    -------
    float
        Infinite where a tensor does not fit without the changes left out.

    Raises
    ------
    TwinError
        Where one does not fit though no change was left out.
    """
    try:
        net = twin(found.archive, name, leave_out=leave_out, **options)
    except TwinError:
        if leave_out:
            return inf
        raise
    pixels = torch.tensor(found.pixels).permute(0, 3, 1, 2)
    with torch.inference_mode():
        logits = net(net.get_submodule("preprocess")(pixels)).numpy()
    difference = np.abs(logits - found.logits).max()
    return float(difference / np.abs(found.logits).max())


def visible_changes(name: str) -> tuple[Change, ...]:
    """Changes that show in the outputs: all but the momentum."""
    return tuple(c for c in changes_of(name) if c is not MOMENTUM)


def measure(
    name: str,
    size: int,
    *,
    without: Collection[Change] | None = None,
    alpha: float | None = None,
) -> Measurement:
    """Run a model in Keras and its twin in PyTorch, on the same photographs.

    Parameters
    ----------
    name : str
        In ``keras.applications``.
    size : int
        Height and width of the input.
    without : collection of Change, optional
        Those to leave out, one at a time; by default all that show in the outputs.
    alpha : float, optional
        Width of a MobileNetV2.
    """
    given = {} if alpha is None else {"alpha": alpha}
    options = {} if alpha is None else {"width_mult": alpha}
    changes = visible_changes(name) if without is None else without
    errors: dict[str, float] = {}
    left_out: dict[str, float] = {}
    for found in references(name, size, **given):
        errors[found.dtype] = error(found, name, options=options)
        if found.dtype == "float64":
            left_out = {
                c.name: error(found, name, [c], options=options) for c in changes
            }
    return Measurement(
        name,
        size,
        errors["float32"],
        errors["float64"],
        left_out,
        found.sensitivity,
        sum(a.size for layer in found.archive.layers for a in layer.arrays.values()),
    )
