"""The variables of a layer, by their names inside it."""

from typing import Any

import keras
from numpy.typing import NDArray


def weights_of(layer: keras.Layer) -> dict[str, NDArray[Any]]:
    """Arrays of a layer by name: ``kernel``, ``forward_lstm/lstm_cell/bias``.

    Seeds of random draws and the state of metrics are not weights.

    >>> layer = keras.layers.Dense(3)
    >>> layer.build((None, 2))
    >>> {name: array.shape for name, array in weights_of(layer).items()}
    {'kernel': (2, 3), 'bias': (3,)}
    """
    return {
        name: keras.ops.convert_to_numpy(variable)
        for name, variable in named_variables(layer).items()
    }


def named_variables(layer: keras.Layer) -> dict[str, Any]:
    """Variables of a layer by name, each once."""
    named: dict[str, Any] = {}
    for variable in layer.weights:
        name = _relative(variable.path, layer)
        while name in named:  # names that users gave twice
            name += "_"
        named[name] = variable
    return named


def _relative(path: str, layer: keras.Layer) -> str:
    """Path of a variable without the models and the layer that it lies in."""
    parts = path.split("/")
    if layer.name in parts[:-1]:
        last = len(parts) - 2 - parts[-2::-1].index(layer.name)
        own = layer.path.split("/") if layer.path else []
        start = len(own) if own and parts[: len(own)] == own else last + 1
        return "/".join(parts[start:])
    # A wrapped layer that was built on its own has not its wrapper's name.
    return path
