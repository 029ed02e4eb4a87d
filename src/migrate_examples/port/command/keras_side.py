"""Runs a Keras model and notes what each of its layers gives."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import keras
import numpy as np
import torch
from numpy.typing import NDArray

from migrate_examples.port.command.probes import SEED
from migrate_examples.port.command.sampled import Sample, sample


def operations(model: Any, prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Layers and operations of a model and of the models in it, by their paths."""
    for operation in getattr(model, "operations", None) or model.layers:
        path = f"{prefix}{operation.name}"
        yield path, operation
        if isinstance(operation, keras.Model):
            yield from operations(operation, f"{path}/")


@contextmanager
def noting(model: Any, notes: dict[tuple[str, int], Sample]) -> Iterator[None]:
    """Note each output while the model runs, by path and number of the call.

    Of an operation with several outputs the first is noted.
    """
    patched = []
    for path, operation in operations(model):
        if operation.__class__.__name__ == "InputLayer":
            continue
        operation.call = _noted(operation.call, path, notes)
        patched.append(operation)
    try:
        yield
    finally:
        for operation in patched:
            if "call" in vars(operation):
                del operation.call


def _noted(call: Any, path: str, notes: dict[tuple[str, int], Sample]) -> Any:
    number = 0

    # The name stays `call` and the signature open: Keras looks at neither again,
    # it read them when the layer was built.
    def noted(*arguments: Any, **keywords: Any) -> Any:
        nonlocal number
        result = call(*arguments, **keywords)
        first = keras.tree.flatten(result)[0]
        notes[path, number] = sample(as_array(first))
        number += 1
        return result

    return noted


def as_array(tensor: Any) -> NDArray[Any]:
    """Values of a tensor of Keras's backend."""
    return np.asarray(keras.ops.convert_to_numpy(tensor))


def is_floating(variable: Any) -> bool:
    """Whether a variable holds numbers of floating point."""
    return "float" in keras.backend.standardize_dtype(variable.dtype)


def fed(model: Any, inputs: Sequence[Any]) -> Any:
    """Arrange inputs as the model takes them: one, a list, or a dict by name."""
    structure = getattr(model, "input", None)
    if structure is None or (len(inputs) == 1 and not isinstance(structure, Mapping)):
        return inputs[0] if len(inputs) == 1 else list(inputs)
    return keras.tree.pack_sequence_as(structure, list(inputs))


def tensors(inputs: Sequence[NDArray[Any]], floating: str) -> list[Any]:
    """Tensors of the backend; those of floating point in one precision."""
    return [
        keras.ops.convert_to_tensor(x, dtype=floating if x.dtype.kind == "f" else None)
        for x in inputs
    ]


def run(
    model: Any, inputs: Sequence[NDArray[Any]], floating: str
) -> tuple[list[NDArray[Any]], dict[tuple[str, int], Sample]]:
    """Outputs of a model in inference, and what was noted of its layers."""
    notes: dict[tuple[str, int], Sample] = {}
    with noting(model, notes):
        outputs = model(fed(model, tensors(inputs, floating)), training=False)
    return [as_array(y) for y in keras.tree.flatten(outputs)], notes


def output_probes(outputs: Sequence[NDArray[Any]]) -> list[NDArray[np.float64]]:
    """Weights by which outputs add up to one loss, so that each matters otherwise."""
    generator = np.random.default_rng(SEED + 1)
    return [generator.normal(size=y.shape) / max(y.size, 1) for y in outputs]


def gradients(
    model: Any,
    inputs: Sequence[NDArray[Any]],
    probes: Sequence[NDArray[np.float64]],
) -> tuple[list[NDArray[Any] | None], list[NDArray[Any] | None]]:
    """Gradients of a loss by the trainable variables, and by the inputs.

    The loss is the sum of all outputs times their probes, in inference.

    Raises
    ------
    NotImplementedError
        Where Keras runs on neither TensorFlow nor PyTorch.
    """
    fed_tensors = tensors(inputs, "float64")
    match keras.backend.backend():
        case "tensorflow":
            return _by_tape(model, fed_tensors, probes)
        case "torch":
            return _by_autograd(model, fed_tensors, probes)
    raise NotImplementedError(
        f"Keras runs on {keras.backend.backend()}: gradients are taken on TensorFlow "
        "and PyTorch alone"
    )


def _loss(model: Any, inputs: list[Any], probes: Sequence[NDArray[np.float64]]) -> Any:
    outputs = keras.tree.flatten(model(fed(model, inputs), training=False))
    return sum(
        keras.ops.sum(y * keras.ops.convert_to_tensor(p, dtype="float64"))
        for y, p in zip(outputs, probes, strict=True)
        if keras.backend.standardize_dtype(y.dtype) == "float64"
    )


def _by_tape(
    model: Any, inputs: list[Any], probes: Sequence[NDArray[np.float64]]
) -> tuple[list[NDArray[Any] | None], list[NDArray[Any] | None]]:
    import tensorflow as tf  # noqa: PLC0415  only where Keras runs on it

    floating = [x for x in inputs if x.dtype.is_floating]
    with tf.GradientTape() as tape:
        tape.watch(floating)
        loss = _loss(model, inputs, probes)
    variables = [v.value for v in model.trainable_variables]
    found = [
        None if g is None else as_array(tf.convert_to_tensor(g))
        for g in tape.gradient(loss, [*variables, *floating])
    ]
    return found[: len(variables)], found[len(variables) :]


def _by_autograd(
    model: Any, inputs: list[Any], probes: Sequence[NDArray[np.float64]]
) -> tuple[list[NDArray[Any] | None], list[NDArray[Any] | None]]:
    floating = [x.requires_grad_() for x in inputs if x.is_floating_point()]
    variables = [v.value for v in model.trainable_variables]
    loss = _loss(model, inputs, probes)
    found: list[NDArray[Any] | None] = [
        None if g is None else g.detach().cpu().numpy()
        for g in torch.autograd.grad(loss, [*variables, *floating], allow_unused=True)
    ]
    return found[: len(variables)], found[len(variables) :]
