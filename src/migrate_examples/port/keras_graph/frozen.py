"""Finds arrays in a traced graph that were computed from variables."""

from collections.abc import Callable
from typing import Any

import keras
import numpy as np
from numpy.typing import NDArray

from migrate_examples.port.keras_graph.order import nodes_between
from migrate_examples.port.keras_graph.trace import TraceError


def check_not_frozen(layer: Any, inputs: list[Any], trace: Callable[[], Any]) -> None:
    """Refuse a graph that has the values of variables in it as constants.

    ``self.scale * 2.0`` is computed when the call is traced; what is recorded is a
    number, that would not be trained. Traced once more with other values in the
    variables, such a number is another one.

    Parameters
    ----------
    layer : keras.Layer
        Whose call is traced.
    inputs : list of KerasTensor
        What it is called with.
    trace : function
        Calls it; returns symbolic outputs.

    Raises
    ------
    TraceError
        With what to do.
    """
    variables = list(layer.trainable_weights)
    if not variables:
        return
    first = constants_of(inputs, trace())
    if not first:
        return
    values = [keras.ops.convert_to_numpy(variable) for variable in variables]
    try:
        for number, (variable, value) in enumerate(zip(variables, values, strict=True)):
            variable.assign(value * 1.5 + 0.25 + number)
        second = constants_of(inputs, trace())
    finally:
        for variable, value in zip(variables, values, strict=True):
            variable.assign(value)
    same = len(first) == len(second) and all(map(np.array_equal, first, second))
    if not same:
        raise TraceError(
            f"{type(layer).__name__} '{layer.name}' computes with its variables "
            "outside of keras.ops, which would freeze them: write "
            "keras.ops.multiply(self.w, 2) in the place of self.w * 2, and self.w in "
            "that of self.w.value"
        )


def constants_of(inputs: list[Any], outputs: Any) -> list[NDArray[Any]]:
    """Arrays among the arguments of recorded calls, in their order."""
    flat = [
        item
        for item in keras.tree.flatten(outputs)
        if isinstance(item, keras.KerasTensor)
    ]
    arguments = [
        item
        for node in nodes_between([id(tensor) for tensor in inputs], flat)
        for item in keras.tree.flatten((node.arguments.args, node.arguments.kwargs))
    ]
    return [
        np.asarray(keras.ops.convert_to_numpy(item))
        for item in (*arguments, *keras.tree.flatten(outputs))
        if not isinstance(item, keras.KerasTensor | keras.Variable)
        and (keras.ops.is_tensor(item) or isinstance(item, np.ndarray))
    ]
