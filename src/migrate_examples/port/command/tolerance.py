"""How far the layers of a model may be apart by rounding."""

from collections.abc import Callable
from typing import TypeAlias

import keras

from migrate_examples.port.command.written import all_calls
from migrate_examples.port.graph import Call, Graph
from migrate_examples.port.parity.tolerances import tolerance

Bounds: TypeAlias = Callable[[str], float]
"""Of ``float32``, ``float64`` or ``gradient``: relative to the largest value."""

CONSTANTS = {
    *("Rescaling", "Normalization", "LeakyReLU", "MultiHeadAttention", "Attention"),
    *(
        "GroupQueryAttention",
        "AdditiveAttention",
        "ELU",
        "Softmax",
        "UnitNormalization",
    ),
    *(
        "ops.Gelu",
        "ops.LeakyRelu",
        "ops.Elu",
        "ops.Multiply",
        "ops.Add",
        "ops.Subtract",
    ),
    *("ops.TrueDivide", "ops.Divide", "ops.Power", "ops.Maximum", "ops.Minimum"),
}
"""Kinds of calls in which Keras may pass a constant of Python through float32."""

ACTIVATIONS = {"gelu", "leaky_relu", "elu", "selu", "hard_sigmoid", "hard_swish"}
"""Activations with such a constant."""


def has_constant(call: Call) -> bool:
    """Whether Keras may pass a constant through float32 in a call."""
    activation = call.config.get("activation")
    return call.kind in CONSTANTS or activation in ACTIVATIONS


def bounds_of(graph: Graph) -> Bounds:
    """Tolerances for the layers of a model, by the policy of the parity tools.

    Errors add along the depth of the network, so that those of a whole model hold
    for each layer of it. Gradients sum over all positions as well.
    """
    # On PyTorch, Keras rounds the epsilon of BatchNormalization as well.
    constant = keras.backend.backend() != "tensorflow"
    constant |= any(has_constant(call) for call in all_calls(graph))
    wide = tolerance("float64", constant_in_float32=constant).relative
    if constant:
        # Several constants add up: MobileNetV3Large is 1.1e-6 off by them alone. The
        # smallest mistakes stand at 1e-4.
        wide *= 10
    bounds = {
        "float32": tolerance("float32").relative,
        "float64": wide,
        "gradient": 10 * wide,
    }
    return bounds.__getitem__
