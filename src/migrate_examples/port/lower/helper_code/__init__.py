"""Helper classes and functions: printed as they stand into the written files.

Each is one of Keras's behaviours that PyTorch has no module for. They use torch and
the standard library alone, and each other only where a lowering asks for both.
"""

from migrate_examples.port.lower.helper_code.attention import (
    MultiHeadAttention,
    ScoredAttention,
    causal_mask,
    window_mask,
)
from migrate_examples.port.lower.helper_code.elements import (
    GaussianDropout,
    GaussianNoise,
    StochasticDepth,
    Stub,
    sparsemax,
)
from migrate_examples.port.lower.helper_code.places import (
    average_pool_same,
    pad_same,
    resize_bicubic,
)
from migrate_examples.port.lower.helper_code.recurrent import (
    ConvLSTM,
    StepwiseGRU,
    StepwiseLSTM,
    StepwiseRNN,
    repeat_last,
    valid_first,
)

__all__ = [
    "ConvLSTM",
    "GaussianDropout",
    "GaussianNoise",
    "MultiHeadAttention",
    "ScoredAttention",
    "StepwiseGRU",
    "StepwiseLSTM",
    "StepwiseRNN",
    "StochasticDepth",
    "Stub",
    "average_pool_same",
    "causal_mask",
    "pad_same",
    "repeat_last",
    "resize_bicubic",
    "sparsemax",
    "valid_first",
    "window_mask",
]
