"""The lowerings are compared in float64, where a wrong convention cannot hide."""

from collections.abc import Iterator

import keras
import pytest
import torch


@pytest.fixture(autouse=True)
def _double() -> Iterator[None]:
    before, policy = keras.config.floatx(), keras.config.dtype_policy().name
    keras.config.set_floatx("float64")
    keras.config.set_dtype_policy("float64")
    torch.set_default_dtype(torch.float64)
    yield
    torch.set_default_dtype(torch.float32)
    keras.backend.clear_session()
    keras.config.set_floatx(before)
    keras.config.set_dtype_policy(policy)
