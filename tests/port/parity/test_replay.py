"""Draws of Keras are used by PyTorch: dropout, noise, initial values, order."""

from typing import Any

import keras
import numpy as np
import pytest
import torch
import torch.nn.functional as F  # noqa: N812  as the field calls it
from torch import Tensor, nn
from torch.utils.data import DataLoader, TensorDataset

from migrate_examples.port.parity import ParityError, weights_to_keras
from migrate_examples.port.parity.replay import Shuffles, record, replay
from tests.port.parity.scenes import Port, conv, dense, draw, filled

Layers = keras.layers


class GaussianNoise(nn.Module):
    """Adds noise in training mode."""

    def forward(self, x: Tensor) -> Tensor:
        return x + torch.randn_like(x) if self.training else x


def noisy() -> tuple[Any, Any]:
    """Three kinds of draws, one of them in images."""
    x = inputs = keras.Input((5, 6, 2), name="x")
    x = Layers.Conv2D(4, 3, name="conv")(x)
    x = Layers.SpatialDropout2D(0.4, name="spatial")(x)
    x = Layers.GaussianNoise(0.7, name="noise")(x)
    x = Layers.AlphaDropout(0.3, name="alpha")(x)
    x = Layers.GlobalAveragePooling2D(name="mean")(x)
    x = Layers.Dropout(0.5, name="dropout")(x)
    model = filled(keras.Model(inputs, Layers.Dense(3, name="head")(x)))

    def run(s: Any, x: Tensor) -> Tensor:
        x = s.alpha(s.noise(s.spatial(s.conv(x)))).mean((2, 3))
        return s.head(F.dropout(x, 0.5, training=s.training))

    module = Port(
        run,
        conv=conv(model, "conv"),
        spatial=nn.Dropout2d(0.4),
        noise=GaussianNoise(),
        alpha=nn.AlphaDropout(0.3),
        head=dense(model, "head"),
    )
    return model, module.train()


def test_replayed_draws_give_the_same_outputs() -> None:
    model, module = noisy()
    x = draw(6, 5, 6, 2)
    with record(model) as draws:
        ours = [np.asarray(model(x, training=True)) for _ in range(2)]
    assert [d.layer for d in draws.made] == ["spatial", "noise", "alpha", "dropout"] * 2
    assert np.abs(ours[0] - ours[1]).max() > 0.1
    image = torch.from_numpy(x).permute(0, 3, 1, 2)
    with torch.no_grad(), replay(module, draws):
        theirs = [module(image).numpy() for _ in range(2)]
    np.testing.assert_allclose(ours, theirs, rtol=0, atol=2e-6)  # float32, values to 3


def test_recording_changes_no_draw() -> None:
    model, _ = noisy()
    x = draw(6, 5, 6, 2)
    seeds = [
        layer.seed_generator
        for layer in model.layers
        if hasattr(layer, "seed_generator")
    ]
    start = [np.asarray(seed.state) for seed in seeds]
    alone = np.asarray(model(x, training=True))
    for seed, state in zip(seeds, start, strict=True):
        seed.state.assign(state)
    with record(model):
        listened = np.asarray(model(x, training=True))
    np.testing.assert_array_equal(alone, listened)
    assert not any("call" in layer.__dict__ for layer in model.layers)


def test_evaluation_draws_nothing() -> None:
    model, module = noisy()
    with record(model) as draws:
        model(draw(2, 5, 6, 2), training=False)
    assert len(draws) == 0
    with replay(module.eval(), draws):
        module(torch.zeros(2, 2, 5, 6))


def test_forwards_are_given_back() -> None:
    model, module = noisy()
    x = draw(2, 5, 6, 2)
    with record(model) as draws:
        model(x, training=True)
    with pytest.raises(RuntimeError), replay(module, draws):
        module(torch.zeros(1))
    assert not any("forward" in part.__dict__ for part in module.modules())


def test_more_draws_than_recorded_are_refused() -> None:
    model, module = noisy()
    x = draw(2, 5, 6, 2)
    with record(model) as draws:
        model(x, training=True)
    image = torch.from_numpy(x).permute(0, 3, 1, 2)
    with replay(module, draws):
        module(image)
        with pytest.raises(ParityError, match="more often than Keras"):
            module(image)
    with pytest.raises(ParityError, match="4 left"), replay(module, draws):
        pass


def test_pairs_say_which_draw_is_whose() -> None:
    model, module = noisy()
    x = draw(2, 5, 6, 2)
    with record(model) as draws:
        model(x, training=True)
    image = torch.ones(2, 4, 3, 4)
    pairs = {"noise": "noise"}
    with replay(module, draws, pairs, all_used=False):
        noise = module.noise(image) - 1
    np.testing.assert_allclose(
        noise.permute(0, 2, 3, 1).numpy(), draws.made[1].shift, atol=1e-6
    )


def test_dropout_of_recurrent_layers_is_refused() -> None:
    model = keras.Sequential(
        [keras.Input((3, 2)), Layers.LSTM(2, dropout=0.5, name="deaf")]
    )
    with pytest.raises(ParityError, match="deaf"), record(model):
        pass


def test_weights_go_back_to_keras() -> None:
    inputs = keras.Input((4, 4, 2), name="x")
    x = Layers.Conv2D(3, 3, name="conv")(inputs)
    x = Layers.Flatten(name="flatten")(x)
    model = keras.Model(inputs, Layers.Dense(5, name="head")(x))

    def run(s: Any, x: Tensor) -> Tensor:
        return s.head(s.conv(x).permute(0, 2, 3, 1).flatten(1))

    module = Port(run, conv=nn.Conv2d(2, 3, 3), head=nn.Linear(12, 5))
    weights_to_keras(module, model, flattened=())
    image = draw(3, 4, 4, 2)
    with torch.no_grad():
        theirs = module(torch.from_numpy(image).permute(0, 3, 1, 2)).numpy()
    np.testing.assert_allclose(np.asarray(model(image)), theirs, atol=1e-6)


def test_shuffles_are_the_same_on_both_sides() -> None:
    x = np.arange(11.0)
    shuffles = Shuffles(len(x), seed=3)
    loader = DataLoader(
        TensorDataset(torch.from_numpy(x)),
        batch_size=4,
        sampler=Shuffles(len(x), seed=3),
    )
    for epoch in range(3):
        ours = shuffles.arrange(epoch, x)[0]
        theirs = torch.cat([batch for (batch,) in loader]).numpy()
        np.testing.assert_array_equal(ours, theirs)
        assert (ours != x).any()
    assert (shuffles.order(0) != shuffles.order(1)).any()
