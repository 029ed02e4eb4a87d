"""Inputs of the whole model prove which of two layers of one shape is which."""

from typing import Any

import keras
import numpy as np
import pytest
import torch
from torch import Tensor, nn

from migrate_examples.port.transfer import TransferError, transfer
from tests.port.transfer import nets

L = keras.layers


class Backwards(nn.Module):
    """Runs its layers in another order than it defines them."""

    def __init__(self) -> None:
        super().__init__()
        self.last = nn.Conv2d(4, 4, 3)
        self.start = nn.Conv2d(4, 4, 3)

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.last(torch.relu(self.start(x)))
        return out


def pair() -> tuple[Any, np.ndarray]:
    rng = np.random.default_rng(8)
    model = nets.model(
        L.Conv2D(4, 3, activation="relu", name="a"), L.Conv2D(4, 3, name="b"),
        shape=(7, 8, 4),
    )  # fmt: skip
    for v in model.weights:
        v.assign(rng.normal(size=v.shape))
    return model, rng.normal(size=(2, 7, 8, 4))


def test_swapped_layers_of_one_shape_are_named() -> None:
    model, x = pair()
    module = Backwards()
    before = {n: t.clone() for n, t in module.state_dict().items()}
    with pytest.raises(TransferError, match="they agree when a and b change places"):
        transfer(model, module, inputs=x)
    for name, tensor in module.state_dict().items():
        assert torch.equal(tensor, before[name])
    ledger = transfer(model, module, {"a": "start", "b": "last"}, inputs=x)
    assert "the outputs agree" in " ".join(ledger.notes)


def test_another_architecture_is_found() -> None:
    model, x = pair()
    net = nn.Sequential(nn.Conv2d(4, 4, 3), nn.Tanh(), nn.Conv2d(4, 4, 3))
    with pytest.raises(TransferError, match="compare the arguments of the layers"):
        transfer(model, net, inputs=x)
    padded = nn.Sequential(nn.Conv2d(4, 4, 3, padding=1), nn.Conv2d(4, 4, 3))
    with pytest.raises(TransferError, match="the module gives nothing of shape"):
        transfer(model, padded, inputs=x)
