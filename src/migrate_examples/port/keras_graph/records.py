"""What Keras records of a call, as plain data."""

from collections.abc import Callable, Sequence
from typing import Any

import keras

from migrate_examples.port.graph import Call, Value, values_in


def mapped(structure: Any, function: Callable[[Value], Any]) -> Any:
    """A structure with something else in the place of each Value."""
    return keras.tree.map_structure(
        lambda item: function(item) if isinstance(item, Value) else item, structure
    )


def makes_masks(layer: Any) -> bool:
    """Whether a layer has a rule of its own for masks."""
    return type(layer).compute_mask is not keras.Layer.compute_mask


def explicit(arguments: Any) -> dict[str, Any]:
    """Keywords of a call without the masks that Keras has put in by itself."""
    implicit = [
        getattr(tensor, "_keras_mask", None) for tensor in arguments.keras_tensors
    ]

    def is_implicit(name: str, given: Any) -> bool:
        flat = keras.tree.flatten(given)
        return name.endswith("mask") and all(
            item is None or any(item is mask for mask in implicit) for item in flat
        )

    return {
        name: given
        for name, given in arguments.kwargs.items()
        if not is_implicit(name, given)
    }


def used(calls: Sequence[Call], outputs: Any) -> tuple[Call, ...]:
    """Those calls that the outputs depend on, be it by a mask."""
    wanted = {value.key for value in values_in(outputs)}
    kept = []
    for call in reversed(calls):
        if any(value.key in wanted for value in call.outputs):
            kept.append(call)
            masks = (mask for mask in call.masks if mask is not None)
            wanted |= {value.key for value in (*call.inputs, *masks)}
    return tuple(reversed(kept))


def attributes(operation: Any) -> dict[str, Any]:
    """What an operation of ``keras.ops`` was made with."""
    return {
        name: value
        for name, value in vars(operation).items()
        if not name.startswith("_") and name not in {"name", "built"}
    }


def config_of(layer: Any) -> dict[str, Any]:
    """Config of a layer; empty where a user's class gives none."""
    try:
        return dict(layer.get_config())
    except NotImplementedError:
        return {}
