"""Wrappers, and layers that act in training alone."""

from typing import Any

import keras
import numpy as np
import pytest

from migrate_examples.port.lower.preprocessing import RANDOM
from tests.port.lower.run_program import EXACT, of_layer

L = keras.layers


@pytest.mark.parametrize(
    "build,shape",
    [
        (lambda: L.Dense(3, activation="tanh"), (5, 4)),
        (lambda: L.LSTM(3), (5, 4)),
        (lambda: L.Conv2D(2, 2), (5, 4, 2)),
        (L.GlobalAveragePooling2D, (5, 4, 2)),
        (L.BatchNormalization, (5, 4, 2)),
        (L.Flatten, (5, 4, 2)),
        (
            lambda: keras.Sequential(
                [keras.Input((5, 4, 2)), L.Conv2D(2, 2), L.Flatten(), L.Dense(3)]
            ),
            (5, 4, 2),
        ),
    ],
    ids=["dense", "lstm", "conv", "mean", "norm", "flatten", "model"],
)
def test_time_distributed_agrees(
    build: Any, shape: tuple[int, ...], rng: np.random.Generator
) -> None:
    for steps in (3, None):
        layer = L.TimeDistributed(build())
        assert of_layer(layer, (steps, *shape), rng=rng, size=3).error < EXACT


def test_spectral_normalization_agrees(rng: np.random.Generator) -> None:
    for inner, shape in ((L.Conv2D(3, 2), (5, 4, 2)), (L.Dense(3), (5,))):
        layer = L.SpectralNormalization(inner)
        assert of_layer(layer, shape, rng=rng).error < EXACT


def test_a_pipeline_agrees(rng: np.random.Generator) -> None:
    layer = L.Pipeline([L.Rescaling(0.5), L.ReLU()])
    assert of_layer(layer, (5,), rng=rng).error < EXACT


def test_dropout_and_noise_pass_on(rng: np.random.Generator) -> None:
    for layer, shape in (
        (L.Dropout(0.3), (5, 3)),
        (L.Dropout(0.3, noise_shape=(None, 1, 3)), (5, 3)),
        (L.AlphaDropout(0.3), (5, 3)),
        (L.GaussianNoise(0.3), (5, 3)),
        (L.GaussianDropout(0.3), (5, 3)),
        (L.SpatialDropout1D(0.3), (5, 3)),
        (L.SpatialDropout2D(0.3), (5, 4, 3)),
        (L.SpatialDropout3D(0.3), (5, 4, 3, 2)),
        (L.Identity(), (5, 3)),
        (L.ActivityRegularization(0.1), (5, 3)),
        (L.Masking(), (5, 3)),
    ):
        compared = of_layer(layer, shape, rng=rng)
        assert compared.error < EXACT


def test_dropout_acts_in_training(rng: np.random.Generator) -> None:
    compared = of_layer(L.SpatialDropout2D(0.5), (5, 4, 8), rng=rng)
    import torch

    torch.manual_seed(0)
    (y,) = compared.module.train()(torch.ones(4, 5, 4, 8))
    assert set(y.unique().tolist()) == {0.0, 2.0}
    assert (y == y[:, :1, :1]).all()  # whole channels


ARGUMENTS: dict[str, dict[str, Any]] = {
    "RandomRotation": {"factor": 0.2},
    "RandomTranslation": {"height_factor": 0.2, "width_factor": 0.2},
    "RandomZoom": {"height_factor": 0.2},
    "RandomHue": {"factor": 0.2},
    "RandomPosterization": {"factor": 4},
    **{
        f"Random{word}": {"factor": 0.3}
        for word in (
            "Brightness",
            "Contrast",
            "Saturation",
            "Sharpness",
            "ColorDegeneration",
        )
    },
}


@pytest.mark.parametrize("kind", RANDOM)
def test_augmentations_pass_on_in_evaluation(
    kind: str, rng: np.random.Generator
) -> None:
    layer = getattr(L, kind)(**ARGUMENTS.get(kind, {}))
    compared = of_layer(layer, (6, 6, 3), rng=rng)
    assert compared.error < EXACT
    assert "augments here" in compared.program.steps[0].note
