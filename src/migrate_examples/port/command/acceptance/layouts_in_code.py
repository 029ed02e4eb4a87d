"""How the variables of a Keras model lie in the tensors of its port, as code."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from migrate_examples.port.command.acceptance.layout_code import layout_code
from migrate_examples.port.command.written import lay_out
from migrate_examples.port.parity.precision import keras_copy

FIRST_NUMBER = 1_000_003
"""Running numbers start here, so that no constant is taken for one of them."""


@dataclass(frozen=True)
class Arranged:
    """A tensor of a port.

    Attributes
    ----------
    sources : tuple of str
        Paths of the variables that it holds.
    code : str or None
        A lambda that makes it of them; None where it is computed, or constant.
    """

    sources: tuple[str, ...]
    code: str | None


def arrangements(model: Any, report: Mapping[str, Any]) -> dict[str, Arranged]:
    """Find out for each tensor of a port what it holds.

    The model is ported once more with running numbers in the place of its weights;
    each number then says where it comes from.

    Parameters
    ----------
    model : keras.Model
        The original.
    report : mapping
        Of the port: its options are taken.

    Returns
    -------
    dict of str to Arranged
        By tensor of the port; those that hold no variable too.
    """
    numbered = keras_copy(model, "float64")
    places: dict[str, NDArray[np.float64]] = {}
    start = FIRST_NUMBER
    for name, variable in zip(variable_names(model), numbered.weights, strict=True):
        size = int(np.prod(variable.shape))
        running = np.arange(start, start + size, dtype=np.float64)
        places[name] = running.reshape(variable.shape)
        variable.assign(places[name])
        start += size
    arrays = lay_out(numbered, report.get("options", {}))
    others = {entry["target"]: Arranged((), None) for entry in report["tensors"]}
    return others | {t: arranged(array, places) for t, array in arrays.items()}


def variable_names(model: Any) -> list[str]:
    """Names of the variables in the order of the model, none of them twice."""
    counts: dict[str, int] = {}
    names = []
    for variable in model.weights:
        counts[variable.path] = counts.get(variable.path, 0) + 1
        again = f" ({counts[variable.path]})" if counts[variable.path] > 1 else ""
        names.append(f"{variable.path}{again}")
    return names


def arranged(
    target: NDArray[Any], places: Mapping[str, NDArray[np.float64]]
) -> Arranged:
    """Find out what one tensor holds."""
    paths = list(places)
    firsts = np.array([array.flat[0] for array in places.values()])
    last = firsts[-1] + places[paths[-1]].size if paths else 0
    values = np.asarray(target, np.float64)
    known = (values >= FIRST_NUMBER) & (values < last) & (values == np.floor(values))
    if not paths or not known.any():
        return Arranged((), None)
    which = np.unique(np.searchsorted(firsts, values[known], side="right") - 1)
    sources = tuple(paths[n] for n in which)
    if not known.all():
        return Arranged(sources, None)
    return Arranged(sources, layout_code([places[path] for path in sources], values))
