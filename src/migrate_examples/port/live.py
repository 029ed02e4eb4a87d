"""A Keras model in memory, as the plain structure that a file is read into."""

from collections.abc import Iterator, Mapping
from typing import Any

import keras
import numpy as np

from migrate_examples.port.archive import Archive, Array, StoredLayer
from migrate_examples.port.keras_graph.variables import weights_of
from migrate_examples.port.layouts import LAYOUTS


def archive_of(model: keras.Model) -> Archive:
    """Layers, configs, weights and state of the optimizer of a model.

    Parameters
    ----------
    model : keras.Model
        Built: its variables exist. Models inside it are entered, and so are layers
        that are made of layers, unless a layout of the whole is known.

    Returns
    -------
    Archive
        Of kind ``model``; arrays of the dtype of the variables.

    Raises
    ------
    ValueError
        The model has no variables yet.

    Examples
    --------
    >>> model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(3, name="fc")])
    >>> {name: array.shape for name, array in archive_of(model).arrays().items()}
    {'fc/kernel': (2, 3), 'fc/bias': (3,)}
    """
    if not model.built:
        raise ValueError(f"{model.name} is not built: call it once on a batch")
    layers = tuple(_walk(model, "", set()))
    return Archive(
        path=None,
        kind="model",
        layers=layers,
        config=_config_of(model),
        optimizer=_state_of(getattr(model, "optimizer", None)),
    )


def _walk(layer: Any, prefix: str, seen: set[int]) -> Iterator[StoredLayer]:
    """Layers that hold weights themselves; a shared one comes once."""
    for inside in _inside(layer):
        if id(inside) in seen:
            continue
        seen.add(id(inside))
        name = f"{prefix}{inside.name}"
        if _is_whole(inside):
            yield StoredLayer(
                name, type(inside).__name__, _own_config(inside), weights_of(inside)
            )
        else:
            yield from _walk(inside, f"{name}/", seen)
    own = _own_arrays(layer)
    if own:
        name = prefix.rstrip("/") or layer.name
        yield StoredLayer(name, type(layer).__name__, None, own)


def _inside(layer: Any) -> list[Any]:
    """Layers of a model, or those that a composed layer keeps."""
    if isinstance(layer, keras.Model):
        return list(layer.layers)
    return [inner for inner in layer._layers if isinstance(inner, keras.Layer)]


def _is_whole(layer: Any) -> bool:
    """Whether a layer is laid out as one: known, or without weighty layers inside."""
    if isinstance(layer, keras.Model):
        return False
    if type(layer).__name__ in LAYOUTS:
        return True
    return not any(inner.weights for inner in _inside(layer))


def _own_arrays(layer: Any) -> dict[str, Array]:
    """Variables that a composed layer or a model holds beside its layers'."""
    inner = {id(v) for part in _inside(layer) for v in part.weights}
    names: dict[str, Array] = {}
    for variable in layer.weights:
        if id(variable) not in inner:
            names[variable.name] = keras.ops.convert_to_numpy(variable)
    return names


def _own_config(layer: Any) -> Mapping[str, Any] | None:
    try:
        config: Mapping[str, Any] = layer.get_config()
    except NotImplementedError:  # a layer of one's own whose arguments are no literals
        return None
    return config


def _config_of(model: keras.Model) -> Mapping[str, Any] | None:
    """What a ``.keras`` file says of the model; None for one written as a class."""
    try:
        config: Mapping[str, Any] = keras.saving.serialize_keras_object(model)
    except NotImplementedError:
        return None
    return config


def _state_of(optimizer: Any) -> dict[str, Array]:
    """State of the optimizer of a model; empty where it has taken no step."""
    if optimizer is None or not getattr(optimizer, "built", False):
        return {}
    return state_of(optimizer)


def state_of(optimizer: Any) -> dict[str, Array]:
    """Variables of a Keras optimizer: ``iteration``, ``fc_kernel_momentum``."""
    return {
        variable.path.rpartition("/")[2]: np.asarray(
            keras.ops.convert_to_numpy(variable)
        )
        for variable in optimizer.variables
    }
