"""Gradients of both models: of one projection of the outputs, or of a loss."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np
import torch
from torch import Tensor, nn

from migrate_examples.port.archive import Array
from migrate_examples.port.parity.axes import closeness, forms
from migrate_examples.port.parity.errors import ParityError
from migrate_examples.port.parity.feeding import Feed
from migrate_examples.port.parity.keras_trace import arrays_of, tensors_of
from migrate_examples.port.parity.torch_trace import pieces

SEED = 20260


@dataclass(frozen=True)
class Side:
    """What one model gave.

    Attributes
    ----------
    outputs : tuple of ndarray
        In its own layout.
    loss : float
        What was differentiated.
    inputs, parameters : tuple of ndarray or None
        Gradients, in order; None where there is none.
    """

    outputs: tuple[Array, ...]
    loss: float
    inputs: tuple[Array | None, ...]
    parameters: tuple[Array | None, ...]


def projection_of(shape: tuple[int, ...]) -> Array:
    """Draw what an output is multiplied with before it is summed."""
    return np.random.default_rng(SEED).normal(size=tuple(shape))


def projected(outputs: Sequence[Any], weights: Sequence[Array]) -> Any:
    """Sum of the outputs, each number with a weight of its own."""
    total: Any = 0.0
    for output, weight in zip(outputs, weights, strict=True):
        if "float" in str(output.dtype):
            total = total + keras.ops.sum(
                output * keras.ops.convert_to_tensor(weight, dtype=output.dtype)
            )
    return total


def keras_side(
    keras_model: Any,
    feed: Feed,
    dtype: str,
    loss: Callable[[list[Any]], Any] | None = None,
    *,
    training: bool = False,
) -> Side:
    """Run Keras's model forwards and backwards on its backend.

    Raises
    ------
    ParityError
        On a backend other than TensorFlow and PyTorch.
    """
    tensors = feed.keras_tensors(dtype)
    floating = [t for t in tensors if "float" in str(t.dtype)]

    def forward() -> tuple[Any, Any]:
        result = keras_model(feed.for_keras(tensors), training=training)
        outputs = list(tensors_of(result))
        if loss is not None:
            return result, loss(outputs)
        return result, projected(outputs, [projection_of(o.shape) for o in outputs])

    backend = keras.backend.backend()
    if backend == "tensorflow":
        given = tape_gradients(forward, keras_model, floating)
    elif backend == "torch":
        given = autograd_gradients(forward, keras_model, floating)
    else:
        raise ParityError(
            f"gradients of Keras on {backend} are not taken here: use the TensorFlow "
            "or PyTorch backend"
        )
    result, value, gradients = given
    arrays = [None if g is None else np.asarray(g, np.float64) for g in gradients]
    count = len(floating)
    return Side(arrays_of(result), value, tuple(arrays[:count]), tuple(arrays[count:]))


def tape_gradients(
    forward: Callable[[], tuple[Any, Any]], keras_model: Any, inputs: list[Any]
) -> tuple[Any, float, list[Any]]:
    """Gradients by TensorFlow's tape."""
    import tensorflow as tf  # noqa: PLC0415  Keras may run without it

    with tf.GradientTape() as tape:
        for tensor in inputs:
            tape.watch(tensor)
        result, value = forward()
    variables = [v.value for v in keras_model.trainable_variables]
    gradients = tape.gradient(value, [*inputs, *variables])
    # rows of an embedding come as pairs of index and value
    dense = [None if g is None else tf.convert_to_tensor(g).numpy() for g in gradients]
    return result, float(value), dense


def autograd_gradients(
    forward: Callable[[], tuple[Any, Any]], keras_model: Any, inputs: list[Any]
) -> tuple[Any, float, list[Any]]:
    """Gradients by PyTorch, for Keras on its backend."""
    for tensor in inputs:
        tensor.requires_grad_()
    result, value = forward()
    value = value.sum()
    targets = [*inputs, *(v.value for v in keras_model.trainable_variables)]
    gradients = torch.autograd.grad(value, targets, allow_unused=True)
    dense = [None if g is None else g.numpy(force=True) for g in gradients]
    return result, float(value.detach()), dense


def torch_side(
    module: nn.Module,
    feed: Feed,
    dtype: str,
    moved: str,
    ours: Sequence[Array],
    loss: Callable[[list[Tensor]], Tensor] | None = None,
) -> Side:
    """Run the port forwards and backwards; ours are Keras's outputs."""
    tensors = feed.torch_tensors(dtype, moved)
    floating = [t.requires_grad_() for t in tensors if t.is_floating_point()]
    parameters = list(module.parameters())
    outputs = list(pieces(feed.call(module, tensors)))
    if loss is not None:
        value = loss(outputs)
    else:
        value = torch.zeros((), dtype=torch.float64)
        for output, array in zip(outputs, ours, strict=False):
            value = value + projection(output, array)
    targets = [t for t in [*floating, *parameters] if t.requires_grad]
    found: dict[int, Tensor | None] = {}
    if value.requires_grad:
        given = torch.autograd.grad(value, targets, allow_unused=True)
        found = {id(t): g for t, g in zip(targets, given, strict=True)}
    arrays = [
        None if (g := found.get(id(t))) is None else g.double().numpy(force=True)
        for t in [*floating, *parameters]
    ]
    count = len(floating)
    return Side(
        tuple(o.double().numpy(force=True) for o in outputs),
        float(value.detach()),
        tuple(arrays[:count]),
        tuple(arrays[count:]),
    )


def projection(output: Tensor, ours: Array) -> Tensor:
    """The same projection of an output of the port, whose axes may lie otherwise.

    Equal sizes do not tell which axis is which: the layout is the one in which
    the output is nearest to Keras's.
    """
    form = closeness(ours, output.double().numpy(force=True)).form
    index = np.arange(output.numel()).reshape(output.shape)
    order = dict(forms(index, ours.shape)).get(form)
    if order is None or not output.is_floating_point():
        return output.sum() * 0.0
    weights = torch.from_numpy(projection_of(ours.shape))
    flat = output.reshape(-1)[torch.from_numpy(order.ravel().copy())]
    return (flat * weights.reshape(-1).to(output.dtype)).sum()
