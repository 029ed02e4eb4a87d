"""What a page finds when it starts: both frameworks as new."""

from collections.abc import Iterator

import keras
import pytest
import torch

from migrate_examples._site import clock


@pytest.fixture(autouse=True)
def fresh() -> Iterator[None]:
    """Leave both frameworks to other tests as a page would find them."""
    clock.before({}, "page")
    yield
    clock.before({}, "page")


def test_before_resets_what_a_page_can_change() -> None:
    torch.set_default_dtype(torch.float64)
    torch.set_grad_enabled(False)
    keras.config.set_floatx("float64")
    keras.config.set_dtype_policy("mixed_bfloat16")
    clock.before({}, "page")
    assert torch.tensor(1.0).dtype == torch.float32
    assert torch.is_grad_enabled()
    assert keras.config.floatx() == "float32"
    assert keras.config.dtype_policy().name == "float32"


def test_before_gives_every_page_the_same_draws() -> None:
    draws = []
    for _ in range(2):
        clock.before({}, "page")
        draws.append((float(torch.rand(())), float(keras.random.uniform(()))))
    assert draws[0] == draws[1]
