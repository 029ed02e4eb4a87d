"""The ladder stops where the first rung breaks, and says why."""

from typing import Any

import keras
import numpy as np
import pytest
import torch
import torch.nn.functional as F  # noqa: N812  as the field calls it
from torch import nn

from migrate_examples.port.parity import ParityError, ladder
from migrate_examples.port.parity.rungs import RUNGS
from tests.port.parity.scenes import Port, dense, draw, filled
from tests.port.parity.test_causes import original, port
from tests.port.parity.test_divergence import KerasNorm

TARGETS = np.random.default_rng(0).normal(size=(2, 4))


def right() -> Any:
    """A port that trains as Keras does."""
    module: Any = port("cnn")
    module.bn.__class__ = KerasNorm
    return module


@pytest.mark.parametrize("optimizer", ["sgd", "momentum", "adam"])
def test_right_port_reaches_the_top(optimizer: str) -> None:
    model, x = original("cnn")
    found = ladder(model, right(), x, TARGETS, optimizer=optimizer, steps=4)
    assert found.holds, str(found)
    assert [rung.name for rung in found.rungs] == list(RUNGS)
    assert max(rung.error for rung in found.rungs) < 1e-9
    assert found.rungs[-1].error > 0


def failing() -> dict[str, tuple[str, str, dict[str, Any]]]:
    """Fault to the rung it breaks, what is said, and arguments of the ladder."""
    sum_loss = (
        keras.losses.MeanSquaredError(),
        lambda o, t: F.mse_loss(o, t, reduction="sum"),
    )
    adam = (
        lambda: keras.optimizers.Adam(1e-3),
        lambda p: torch.optim.Adam(p, 1e-3),
    )
    return {
        "eps": ("evaluation forward", "BATCHNORM-EPSILON", {}),
        "stale": ("weights", "WEIGHTS-STALE", {}),
        "pool half": ("evaluation forward", "POOL-SAME-MAX", {}),
        "loss": ("loss", "reduction", {"loss": sum_loss}),
        "adam": ("one step", "epsilon", {"optimizer": adam}),
        "statistics": ("training forward", "BATCHNORM-VARIANCE", {}),
        "frozen": ("gradients", "conv1", {}),
        "rows": ("shapes", "outputs", {}),
    }


@pytest.mark.parametrize("fault", failing())
def test_ladder_stops_at_the_broken_rung(fault: str) -> None:
    model, x = original("cnn")
    rung, says, arguments = failing()[fault]
    as_keras = fault in ("loss", "adam", "frozen")
    module: Any = right() if as_keras else port("cnn", fault)
    if fault == "frozen":
        module.conv1.weight.requires_grad_(False)
    if fault == "rows":
        run: Any = module.run
        module.run = lambda s, x: (run(s, x), run(s, x))
    found = ladder(model, module, x, TARGETS, **arguments)
    assert found.failed is not None, str(found)
    assert found.failed.name == rung
    assert says in str(found)
    assert not found.holds
    assert len(found.rungs) == RUNGS.index(rung) + 1


def test_classes_are_trained_on_logits() -> None:
    inputs = keras.Input((6,), name="x")
    x = keras.layers.Dense(8, activation="relu", name="one")(inputs)
    x = keras.layers.Dropout(0.5, name="dropout")(x)
    model = filled(keras.Model(inputs, keras.layers.Dense(3, name="two")(x)))
    module = Port(
        lambda s, x: s.two(s.drop(F.relu(s.one(x)))),
        one=dense(model, "one"),
        drop=nn.Dropout(0.5),
        two=dense(model, "two"),
    )
    classes = np.array([0, 2, 1, 1, 0])
    found = ladder(
        model, module, draw(5, 6), classes, loss="cross_entropy", optimizer="momentum"
    )
    assert found.holds, str(found)


@pytest.mark.parametrize(
    "arguments,says",
    [
        ({"loss": "hinge"}, "hinge"),
        ({"optimizer": ("sgd", "sgd")}, "pair of functions"),
        ({"steps": 0}, "steps"),
    ],
)
def test_wrong_arguments_are_refused(arguments: dict[str, Any], says: str) -> None:
    model, x = original("cnn")
    with pytest.raises(ParityError, match=says):
        ladder(model, port("cnn"), x, TARGETS, **arguments)


def test_targets_are_counted() -> None:
    model, x = original("cnn")
    with pytest.raises(ParityError, match="3 targets for 2 inputs"):
        ladder(model, port("cnn"), x, np.zeros((3, 4)))
