"""Copies of both models in another precision; the models stay as they are."""

import copy
import random
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import keras
import numpy as np
import torch
from torch import nn

from migrate_examples.port.parity.errors import ParityError

DTYPES = {"float32": torch.float32, "float64": torch.float64, "float16": torch.float16}


def check_dtype(dtype: str) -> str:
    """Return the dtype if the tools know it.

    Raises
    ------
    ParityError
        For another one.
    """
    if dtype not in ("float32", "float64"):
        raise ParityError(f"dtype is {dtype!r}: give 'float32' or 'float64'")
    return dtype


@contextmanager
def same_draws() -> Iterator[None]:
    """Leave the random numbers of Python, NumPy and PyTorch where they were."""
    python, numpy = random.getstate(), np.random.get_state()  # noqa: NPY002
    with torch.random.fork_rng():
        try:
            yield
        finally:
            random.setstate(python)
            np.random.set_state(numpy)  # noqa: NPY002


@contextmanager
def default_dtype(dtype: str) -> Iterator[None]:
    """Make layers that name no dtype be of this one."""
    floatx, policy = keras.config.floatx(), keras.config.dtype_policy()
    keras.config.set_floatx(dtype)
    keras.config.set_dtype_policy(dtype)
    try:
        yield
    finally:
        keras.config.set_floatx(floatx)
        keras.config.set_dtype_policy(policy)


def keras_copy(
    keras_model: Any, dtype: str, inputs: Any = None, *, shared: bool = False
) -> Any:
    """Copy a Keras model in another precision, with its weights.

    Layers, inputs, constants and casts of its config are given the dtype; the
    weights are copied bit by bit. A model that has not been built is built by
    calling it on ``inputs``.

    Parameters
    ----------
    shared : bool
        Return the model itself where it cannot be copied but has the dtype.

    Raises
    ------
    ParityError
        Where its config does not make it again: a class of your own without
        ``get_config``.
    """
    try:
        config = keras.saving.serialize_keras_object(keras_model)
        config = without_compile(in_dtype(config, dtype))
        with same_draws(), default_dtype(dtype):
            again = keras.saving.deserialize_keras_object(
                config, custom_objects=classes_of(keras_model), safe_mode=False
            )
            if inputs is not None and len(again.weights) != len(keras_model.weights):
                again(inputs, training=False)
        again.set_weights(keras_model.get_weights())
    except (TypeError, ValueError, NotImplementedError, AttributeError, KeyError) as e:
        if shared and keras_model.compute_dtype == dtype:
            return keras_model
        raise ParityError(
            f"{keras_model.name} cannot be made again in {dtype}: {first_line(e)}. "
            "Give its class a get_config that returns what __init__ takes"
            + ("" if dtype == "float32" else ", or compare in float32 alone")
        ) from e
    for mine, theirs in zip(flat_layers(again), flat_layers(keras_model), strict=False):
        mine.trainable = theirs.trainable
    return again


def first_line(error: Exception) -> str:
    """Say an error of another library in one line."""
    lines = str(error).strip().splitlines() or [""]
    return f"{type(error).__name__}: {lines[0]}"


def flat_layers(layer: Any) -> list[Any]:
    """List a layer and all that lie in it; Keras has no public name for this."""
    return list(layer._flatten_layers(include_self=True, recursive=True))


def classes_of(keras_model: Any) -> dict[str, Any]:
    """Classes and functions of your own that its config names."""
    kinds = {type(layer) for layer in flat_layers(keras_model)}
    own = {k.__name__: k for k in kinds if not k.__module__.startswith("keras.")}
    for layer in flat_layers(keras_model):
        activation = getattr(layer, "activation", None)
        name = getattr(activation, "__name__", "")
        if callable(activation) and name and not hasattr(keras.activations, name):
            own[name] = activation
    return own


def without_compile(config: Any) -> Any:
    """Leave out losses and optimizers: a comparison does not train with them."""
    return {key: value for key, value in config.items() if key != "compile_config"}


def in_dtype(config: Any, dtype: str) -> Any:
    """Replace every floating dtype in a config.

    >>> in_dtype({"class_name": "DTypePolicy", "config": {"name": "mixed_float16"}},
    ...          "float64")
    {'class_name': 'DTypePolicy', 'config': {'name': 'float64'}}
    >>> in_dtype({"dtype": "int32", "layers": [{"dtype": "float32"}]}, "float64")
    {'dtype': 'int32', 'layers': [{'dtype': 'float64'}]}
    """
    if isinstance(config, list | tuple):
        return type(config)(in_dtype(value, dtype) for value in config)
    if not isinstance(config, Mapping):
        return config
    if config.get("class_name") == "DTypePolicy":
        return {**config, "config": {**config["config"], "name": dtype}}
    return {
        key: dtype
        if key == "dtype" and isinstance(value, str) and "float" in value
        else in_dtype(value, dtype)
        for key, value in config.items()
    }


def torch_copy(module: nn.Module, dtype: str) -> nn.Module:
    """Copy a module in another precision, hooks and mode with it.

    Raises
    ------
    ParityError
        Where it holds something that Python cannot copy.
    """
    try:
        return copy.deepcopy(module).to(DTYPES[dtype])
    except (TypeError, RuntimeError) as error:
        raise ParityError(
            f"{type(module).__name__} cannot be copied: {first_line(error)}. Keep open "
            "files, locks and tensors with a history outside of the module"
        ) from error
