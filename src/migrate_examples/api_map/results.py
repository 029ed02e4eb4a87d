"""Turns what either side of a row gives into arrays that can be compared."""

from collections.abc import Iterable, Iterator
from typing import Any

import keras
import numpy as np
import tensorflow as tf
import torch
from numpy.typing import NDArray

# 32 and 64 bits are a fact of either library; float, integer and truth are not.
TYPES = {
    "f": "float",
    "V": "float",  # bfloat16, which NumPy does not know by itself
    "i": "integer",
    "u": "integer",
    "b": "truth",
    "c": "complex",
    "U": "text",
    "S": "text",
    "O": "text",
}
SCHEDULE = keras.optimizers.schedules.LearningRateSchedule


WHOLE: tuple[type, ...] = (
    *(str, bytes, np.ndarray, torch.Tensor, torch.Size),
    *(tf.Tensor, tf.Variable, keras.Variable, tf.TensorShape),
)
"""Types that can be iterated over and are one result."""


def leaves(value: Any) -> Iterator[Any]:
    """Flatten a result: lists, dictionaries by key, data sets by element."""
    if isinstance(value, dict):
        for key in sorted(value):
            yield from leaves(value[key])
    elif isinstance(value, tf.SparseTensor):
        yield tf.sparse.to_dense(value)
    elif isinstance(value, tf.RaggedTensor):
        yield value.to_tensor()
    elif isinstance(value, Iterable) and not isinstance(value, WHOLE):
        for part in value:
            yield from leaves(part)
    else:
        yield value


def array(leaf: Any) -> NDArray[Any]:
    """Array of one leaf; dtypes and text as text, None as the text ``None``."""
    if isinstance(leaf, torch.Tensor):
        return array_of_tensor(leaf)
    if isinstance(leaf, torch.Size | tf.TensorShape):
        return np.asarray([-1 if n is None else n for n in leaf], dtype="int64")
    if isinstance(leaf, torch.dtype | tf.DType):
        return np.asarray(getattr(leaf, "name", str(leaf).removeprefix("torch.")))
    found = np.asarray(leaf)
    if found.dtype.kind == "V":
        found = found.astype("float32")
    if found.dtype.kind in "SO" and found.size:
        found = np.vectorize(text, otypes=["U"])(found)
    return found


def array_of_tensor(tensor: torch.Tensor) -> NDArray[Any]:
    """Array of a tensor of any layout and dtype, without its graph."""
    dense = tensor.to_dense() if tensor.layout != torch.strided else tensor
    plain = dense.detach().resolve_conj().resolve_neg()
    if plain.dtype == torch.bfloat16:
        plain = plain.float()
    return np.asarray(plain.numpy(force=True))


def text(value: Any) -> str:
    """Text of a string, of bytes, or of an object such as None."""
    return value.decode() if isinstance(value, bytes) else str(value)


def arrays(value: Any) -> list[NDArray[Any]]:
    """Flatten the result of either side to a list of arrays."""
    return [array(leaf) for leaf in leaves(value)]


def is_differentiable(leaf: Any) -> bool:
    """Tell whether a leaf of TensorFlow's side can have a gradient."""
    return isinstance(leaf, tf.Tensor) and bool(leaf.dtype.is_floating)


STEPS = 6


def train_tf(optimizer: Any, start: NDArray[Any], seed: int) -> list[NDArray[Any]]:
    """Parameters after each of a few steps of a Keras optimiser on random gradients."""
    rng = np.random.default_rng(seed)
    variable = keras.Variable(start, dtype=str(start.dtype))
    found = []
    for _ in range(STEPS):
        gradient = rng.normal(size=start.shape).astype(start.dtype)
        optimizer.apply([tf.constant(gradient)], [variable])
        found.append(np.array(variable.numpy()))
    return found


def train_torch(optimizer: torch.optim.Optimizer, seed: int) -> list[NDArray[Any]]:
    """Do the same with an optimiser of PyTorch, and the same gradients."""
    rng = np.random.default_rng(seed)
    (parameter,) = optimizer.param_groups[0]["params"]
    found = []
    for _ in range(STEPS):
        gradient = rng.normal(size=tuple(parameter.shape))
        parameter.grad = torch.tensor(gradient, dtype=parameter.dtype)
        optimizer.step()
        found.append(parameter.numpy(force=True).copy())
    return found


def rates_torch(scheduler: torch.optim.lr_scheduler.LRScheduler) -> list[float]:
    """Learning rates of the first thirty steps of a scheduler."""
    found = []
    for _ in range(30):
        found.append(float(scheduler.optimizer.param_groups[0]["lr"]))
        scheduler.optimizer.step()
        scheduler.step()
    return found
