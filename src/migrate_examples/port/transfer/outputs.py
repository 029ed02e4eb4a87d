"""The whole model on both sides: it proves the pairing of layers of one shape."""

import copy
from collections.abc import Iterator, Mapping, Sequence
from itertools import combinations
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from migrate_examples.port.archive import Array
from migrate_examples.port.program import Filled
from migrate_examples.port.transfer.placing import Match
from migrate_examples.port.transfer.targets import tensor_of

TOLERANCE = 1e-3
"""Relative: Keras runs in float32; a swapped layer is wrong by far more."""

Laid = Sequence[tuple[Match, Mapping[str, Filled]]]


def check_outputs(model: Any, inputs: Array, module: nn.Module, laid: Laid) -> str:
    """Compare the outputs of both sides before anything is loaded.

    Parameters
    ----------
    model : keras.Model
        Of one input and one output.
    inputs : ndarray
        As the model takes it; the module gets it as it is, or channels first.
    module : nn.Module
        Stays as it is; a copy in float64 is filled and run.
    laid : sequence of (Match, tensors)
        What would be loaded.

    Returns
    -------
    str
        A note where they agree.

    Raises
    ------
    ValueError
        They do not agree; names two layers that have to change places, if that helps.
    """
    wanted = np.asarray(model(inputs, training=False))
    twin = copy.deepcopy(module).double().eval()
    state = {n: tensor_of(f.array) for _, filled in laid for n, f in filled.items()}
    error = _difference(twin, state, inputs, wanted)
    if error <= TOLERANCE:
        return f"on the given inputs the outputs agree: relative error {error:.1e}"
    for first, second, swapped in _swaps(laid, state):
        if _difference(twin, swapped, inputs, wanted) <= TOLERANCE:
            raise ValueError(
                f"on the given inputs the outputs differ (relative error {error:.2g}); "
                f"they agree when {first} and {second} change places: map them by name"
            )
    raise ValueError(
        f"on the given inputs the outputs differ (relative error {error:.2g}): compare "
        "the arguments of the layers, and the order of those of equal shapes"
    )


def _difference(
    twin: nn.Module, state: Mapping[str, Tensor], inputs: Array, wanted: Array
) -> float:
    """Smallest relative difference of the ways to call the module."""
    twin.load_state_dict(dict(state), strict=False)
    x = torch.from_numpy(np.array(inputs))
    x = x.double() if x.is_floating_point() else x
    ways = [x, x.movedim(-1, 1)] if x.ndim > 2 else [x]
    scale = float(np.abs(wanted).max()) or 1.0
    errors, failures = [], []
    for given in ways:
        try:
            with torch.no_grad():
                out = twin(given).numpy()
        except (RuntimeError, ValueError, IndexError, TypeError) as error:
            failures.append(str(error))
            continue
        for got in (out, np.moveaxis(out, 1, -1) if out.ndim > 2 else out):
            if got.shape == wanted.shape:
                errors.append(float(np.abs(got - wanted).max()) / scale)
    if not errors:
        raise ValueError(
            f"on the given inputs the module gives nothing of shape {wanted.shape}"
            + (f": {failures[0]}" if failures else "")
        )
    return float(np.nan_to_num(min(errors), nan=np.inf))


def _swaps(
    laid: Laid, state: Mapping[str, Tensor]
) -> Iterator[tuple[str, str, dict[str, Tensor]]]:
    """Pairs of layers of one shape, and the state with both exchanged."""
    for (one, first), (two, second) in combinations(laid, 2):
        names = list(zip(first, second, strict=False))
        shapes = [(first[a].array.shape, second[b].array.shape) for a, b in names]
        if len(first) != len(second) or any(a != b for a, b in shapes):
            continue
        swapped = dict(state)
        for a, b in names:
            swapped[a], swapped[b] = state[b], state[a]
        yield one.layer.name, two.layer.name, swapped
