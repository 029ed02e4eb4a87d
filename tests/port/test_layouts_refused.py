"""Layers that have no layout are refused in words."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, NamedTuple

import numpy as np
import pytest

from migrate_examples.port.layouts import LayoutError, to_torch


class Refused(NamedTuple):
    class_name: str
    config: Mapping[str, Any] | None
    shapes: Mapping[str, tuple[int, ...]]
    options: Mapping[str, Any] = MappingProxyType({})


TWO_KINDS = {
    "cell": {
        "class_name": "StackedRNNCells",
        "config": {
            "cells": [
                {"class_name": "GRUCell", "config": {"units": 3}},
                {"class_name": "LSTMCell", "config": {"units": 3}},
            ]
        },
    }
}
QUERY_OF_4 = {
    "query/kernel": (6, 2, 4),
    "key/kernel": (6, 2, 4),
    "value/kernel": (6, 2, 4),
    "attention_output/kernel": (2, 4, 6),
}
REFUSED = {
    "no layout is known for a Mystery": Refused("Mystery", {}, {"kernel": (2, 3)}),
    "Dense: variable kernel is missing; there are bias": Refused(
        "Dense", {}, {"bias": (3,)}
    ),
    "no place in its PyTorch twin for kernel_scale (3,)": Refused(
        "Dense", {}, {"kernel": (2, 3), "kernel_scale": (3,)}
    ),
    "kernel has shape (2, 3, 4), where 2 axes": Refused(
        "Dense", {}, {"kernel": (2, 3, 4)}
    ),
    "kernel has shape (3, 4, 5), where 4 axes": Refused(
        "Conv2D", {}, {"kernel": (3, 4, 5)}
    ),
    "kernel has 12 features, but (2, 2, 2) has 8": Refused(
        "Dense", {}, {"kernel": (12, 3)}, {"flattened": (2, 2, 2)}
    ),
    "is none of (w, c), (h, w, c) and (d, h, w, c)": Refused(
        "Dense", {}, {"kernel": (32, 3)}, {"flattened": (2, 2, 2, 2, 2)}
    ),
    "before it (reset_after=False), and no nn.GRU": Refused(
        "GRU",
        {"reset_after": False},
        {"kernel": (2, 9), "recurrent_kernel": (3, 9), "bias": (9,)},
    ),
    "the width of a LSTM is a multiple of 4": Refused(
        "LSTM", {}, {"kernel": (2, 9), "recurrent_kernel": (3, 9)}
    ),
    "nn.MultiheadAttention has heads * dim equal": Refused(
        "MultiHeadAttention", {}, QUERY_OF_4, {"multihead": True}
    ),
    "attention over several axes has no twin": Refused(
        "MultiHeadAttention", {}, {"query/kernel": (6, 7, 2, 4)}
    ),
    "neither adapted nor given": Refused("Normalization", {}, {}),
    "does not say which layer it wraps": Refused(
        "TimeDistributed", None, {"dense/kernel": (2, 3)}
    ),
    "does not say which cell it runs": Refused("RNN", {}, {"kernel": (2, 3)}),
    "of one kind and one size": Refused("RNN", TWO_KINDS, {"kernel": (2, 3)}),
    "several variables are called kernel": Refused(
        "Dense", {}, {"a/kernel": (2, 3), "b/kernel": (2, 3)}
    ),
}


@pytest.mark.parametrize("message", REFUSED)
def test_to_torch_refuses_in_words(message: str) -> None:
    class_name, config, shapes, options = REFUSED[message]
    arrays = {name: np.zeros(shape) for name, shape in shapes.items()}
    with pytest.raises(LayoutError) as refusal:
        to_torch(class_name, config, arrays, **options)
    assert message in str(refusal.value)
