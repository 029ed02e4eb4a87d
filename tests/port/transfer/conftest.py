"""Both frameworks in float64, so that rounding hides nothing."""

from collections.abc import Iterator

import keras
import pytest
import torch


@pytest.fixture(autouse=True)
def double() -> Iterator[None]:
    keras.backend.set_floatx("float64")
    keras.config.set_dtype_policy("float64")  # kept from the first layer on
    torch.set_default_dtype(torch.float64)
    yield
    keras.backend.set_floatx("float32")
    keras.config.set_dtype_policy("float32")
    torch.set_default_dtype(torch.float32)
