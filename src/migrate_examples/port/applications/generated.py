"""Models of ``keras.applications`` that torchvision lacks: a module is written."""

from types import ModuleType
from typing import Any

import numpy as np
import torch
from torch import nn

from migrate_examples.port.applications.measure import Measurement
from migrate_examples.port.applications.reference import (
    Floats,
    models,
    preprocess_input,
    run,
)
from migrate_examples.port.keras_graph import graph_of
from migrate_examples.port.lower.driver import lower
from migrate_examples.port.source import Written, write_module


def write(model: Any) -> Written:
    """Write the module of a Keras model: all its layers, its softmax too if it has one.

    Parameters
    ----------
    model : keras.Model
        Built.
    """
    return write_module(lower(graph_of(model)))


def build_written(written: Written) -> nn.Module:
    """Run the source of a written module, and load its tensors.

    Returns
    -------
    torch.nn.Module
        In evaluation mode, of the dtype of its tensors. It takes what the Keras model
        takes: (B, H, W, C).
    """
    source = ModuleType("written")
    source.__file__ = "written/model.py"  # beside which its weights would lie
    exec(compile(written.text, source.__file__, "exec"), vars(source))  # noqa: S102  # just written here
    tensors = {name: torch.tensor(a) for name, a in written.tensors.items()}
    dtypes = {t.dtype for t in tensors.values() if t.is_floating_point()}
    net: nn.Module = getattr(source, written.name)().to(dtypes.pop())
    net.load_state_dict(tensors)
    return net.eval()


def measure(name: str, size: int, **options: Any) -> Measurement:
    """Run a model in Keras and the module written for it, on the same photographs.

    Parameters
    ----------
    name : str
        In ``keras.applications``.
    size : int
        Height and width of the input.
    options
        For its constructor in Keras.
    """
    errors: dict[str, float] = {}
    for model in models(name, size, **options):
        found = run(model, name, size)
        written = write(model)
        del model
        inputs = preprocess_input(name, found.pixels)
        errors[found.dtype] = difference(build_written(written), inputs, found.logits)
    return Measurement(
        name,
        size,
        errors["float32"],
        errors["float64"],
        {},
        found.sensitivity,
        sum(a.size for layer in found.archive.layers for a in layer.arrays.values()),
        written.text.count("\n"),
    )


def difference(net: nn.Module, inputs: Floats, logits: Floats) -> float:
    """Largest difference of a module's outputs, against the largest of Keras's."""
    with torch.inference_mode():
        ours = net(torch.tensor(inputs.copy())).numpy()  # BGR has negative strides
    return float(np.abs(ours - logits).max() / np.abs(logits).max())
