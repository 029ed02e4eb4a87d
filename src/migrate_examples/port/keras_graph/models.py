"""Models of Keras as they come: functional, Sequential, built by a call."""

from collections.abc import Sequence
from typing import Any

import keras

from migrate_examples.port.graph import Value, values_in
from migrate_examples.port.keras_graph.trace import TraceError, keras_kind

NESTED = {"Functional", "Sequential"}


def functional_of(model: Any) -> Any:
    """The functional graph of a model; None where it is to be traced.

    Raises
    ------
    TraceError
        A Sequential model that has not been built.
    """
    kind = keras_kind(model)
    if kind == "Functional":
        return model
    if kind != "Sequential":
        return None
    if not model.built:
        raise TraceError(
            f"Sequential '{model.name}' has no shapes yet: begin it with "
            "keras.Input(shape), or call it once"
        )
    return model._functional


def input_names(model: Any) -> tuple[str, ...]:
    """Names of a functional model's inputs."""
    return tuple(tensor.name for tensor in model.inputs)


def nested_inputs(
    functional: Any, names: Sequence[str], args: Any, kwargs: Any
) -> tuple[Value, ...]:
    """Values that a nested model is called with, in the order of its inputs."""
    given = args[0] if args else kwargs.get("inputs")
    structure = functional.input
    if given is None:
        return ()
    if isinstance(given, dict) and not isinstance(structure, dict):
        return tuple(given[name] for name in names)
    return values_in(given)


def built_inputs(model: keras.Model) -> Any:
    """Symbolic inputs of a subclassed model, of the shapes that it was built with."""
    config = model.get_build_config() or {}
    shape = config.get("input_shape")
    if shape is None and len(config.get("shapes_dict", {})) == 1:
        (shape,) = config["shapes_dict"].values()
    if not model.built or shape is None:
        raise TraceError(
            f"{type(model).__name__} '{model.name}' does not say what it takes: call "
            "it once on a batch, or say graph_of(model, inputs=keras.Input(shape))"
        )

    def tensor(shape: Any) -> Any:
        return keras.Input(batch_shape=(None, *shape[1:]))

    return keras.tree.map_shape_structure(tensor, shape)
