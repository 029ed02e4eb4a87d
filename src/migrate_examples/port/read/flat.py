"""From arrays by name alone to layers."""

import re
from collections.abc import Mapping

from migrate_examples.port.archive import Array, StoredLayer
from migrate_examples.port.read.legacy_h5 import INSIDE


def layers_of(arrays: Mapping[str, Array]) -> tuple[StoredLayer, ...]:
    """Layers by what stands before the name of the variable.

    >>> import numpy as np
    >>> arrays = {"a/b/kernel:0": np.ones(2), "bi/forward_x/bias": np.ones(1)}
    >>> one, two = layers_of(arrays)
    >>> one.name, list(one.arrays), two.name, list(two.arrays)
    ('a/b', ['kernel'], 'bi', ['forward_x/bias'])
    """
    layers: dict[str, dict[str, Array]] = {}
    for name, array in arrays.items():
        layer, variable = split(re.sub(r":\d+$", "", name))
        held = layers.setdefault(layer, {})
        held[name if variable in held else variable] = array
    return tuple(StoredLayer(name, "", None, held) for name, held in layers.items())


def split(name: str) -> tuple[str, str]:
    """Name of the layer, and that of the variable inside it."""
    parts = name.split("/")
    for place, part in enumerate(parts[:-1]):
        if place and INSIDE.match(part):
            return "/".join(parts[:place]), "/".join(parts[place:])
    return "/".join(parts[:-1]), parts[-1]
