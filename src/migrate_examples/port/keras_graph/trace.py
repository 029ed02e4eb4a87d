"""Calls of layers and models that users wrote: their code runs on symbolic tensors."""

import inspect
import traceback
from typing import Any

import keras

from migrate_examples.port.keras_graph.symbolic import symbolic

ORDINARY = {"get_config", "from_config", "build", "compute_output_shape"}
"""What a subclass of a Keras layer may define without computing something else."""


class TraceError(ValueError):
    """A model whose graph cannot be read; says where, why and what to do."""


def is_keras_class(cls: type) -> bool:
    """Whether a class is one of Keras's own layers.

    Those that ``keras.applications`` has for itself are read as a user's are.
    """
    parts = cls.__module__.split(".")
    return parts[0] == "keras" and "applications" not in parts


def keras_kind(layer: keras.Layer) -> str:
    """Class of Keras that a layer computes as; empty where it computes on its own.

    >>> keras_kind(keras.layers.Dense(1))
    'Dense'
    """
    for cls in type(layer).__mro__:
        if is_keras_class(cls):
            kind = cls.__name__
            return "" if kind in {"Layer", "Model", "Operation"} else kind
        own = {name for name in vars(cls) if not name.startswith("__")}
        if own - ORDINARY:
            return ""
    return ""


def call_on(
    layer: keras.Layer, args: Any, kwargs: Any, constants: dict[int, Any]
) -> Any:
    """Run the ``call`` of a user's layer on symbolic tensors.

    Parameters
    ----------
    layer : keras.Layer
        Built.
    args, kwargs
        As the layer is called, with KerasTensors.
    constants : dict
        Takes the arrays on which layers inside were called, by ``id`` of the symbolic
        tensor that stands for each.

    Raises
    ------
    TraceError
        The code does not run on symbolic tensors.
    """
    accepted = inspect.signature(layer.call).parameters
    if "training" in accepted and kwargs.get("training") is None:
        kwargs = {**kwargs, "training": False}
    try:
        with symbolic(constants):
            return layer.call(*args, **kwargs)
    except Exception as error:
        raise TraceError(_explain(layer, error)) from error


def _explain(layer: keras.Layer, error: Exception) -> str:
    """Which line of the user's code did not run, and how to get out."""
    frames = [
        frame
        for frame in traceback.extract_tb(error.__traceback__)
        if not _is_framework(frame.filename)
    ]
    where = ""
    if frames:
        where = f", at line {frames[-1].lineno}: {frames[-1].line}"
    reason = str(error).strip().splitlines()[0] if str(error).strip() else ""
    return (
        f"{type(layer).__name__} '{layer.name}' does not run on symbolic "
        f"tensors{where} ({type(error).__name__}: {reason}). {_advice(error)}"
    )


def _is_framework(path: str) -> bool:
    parts = path.replace("\\", "/").split("/")
    return "site-packages" in parts or "migrate_examples" in parts or path == "<frozen>"


def _advice(error: Exception) -> str:
    text = str(error)
    if "TensorFlow function" in text or ("KerasTensor" in text and "tf." in text):
        return "Write keras.ops in the place of tf functions (the same names, mostly)."
    if "bool" in text or "Iterat" in text or "iterat" in text:
        return (
            "Python's if, while and for need values, which a graph has not: use "
            "keras.ops.where, cond or a fixed number of steps, or port this layer by "
            "hand and its weights with transfer."
        )
    return (
        "Rewrite it with keras layers and keras.ops, or port it by hand and its "
        "weights with transfer."
    )
