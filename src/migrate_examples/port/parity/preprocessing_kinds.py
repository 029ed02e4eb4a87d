"""Layers of Keras that prepare inputs."""

import numpy as np

from migrate_examples.port.parity.keras_trace import KerasCall

PREPROCESSING = (
    "Rescaling",
    "Normalization",
    "TrueDivide",
    "Divide",
    "Multiply",
    "Subtract",
    "Cast",
)


def reverses(call: KerasCall) -> bool:
    """Whether a call turns the order of the colours."""
    if not call.inputs or call.inputs[0].shape != call.output.shape:
        return False
    image = call.inputs[0]
    turned = image[..., ::-1]
    return bool(
        np.array_equal(turned, call.output) and not np.array_equal(turned, image)
    )
