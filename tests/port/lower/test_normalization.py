"""Normalisation, over every rank and with every switch."""

import keras
import numpy as np
import pytest

from migrate_examples.port.keras_graph import graph_of
from migrate_examples.port.lower import PortError
from migrate_examples.port.lower.driver import lower
from tests.port.lower.run_program import CONSTANT, EXACT, compare, of_layer

L = keras.layers
SHAPES = [(4,), (5, 4), (5, 6, 4), (3, 5, 6, 4)]


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("scale", [False, True])
@pytest.mark.parametrize("center", [False, True])
def test_batch_layer_and_group_agree(
    shape: tuple[int, ...], scale: bool, center: bool, rng: np.random.Generator
) -> None:
    switches = {"scale": scale, "center": center}
    for layer in (
        L.BatchNormalization(**switches),
        L.BatchNormalization(axis=1, epsilon=1e-5, momentum=0.9, **switches),
        L.LayerNormalization(**switches),
        L.GroupNormalization(2, **switches),
        L.GroupNormalization(-1, **switches),
    ):
        assert of_layer(layer, shape, rng=rng).error < EXACT


@pytest.mark.filterwarnings("ignore:(?s).*rms_scaling:UserWarning")
@pytest.mark.parametrize("shape", SHAPES)
def test_the_others_agree(shape: tuple[int, ...], rng: np.random.Generator) -> None:
    for layer in (
        L.RMSNormalization(),
        L.UnitNormalization(),
        L.LayerNormalization(rms_scaling=True),
    ):
        assert of_layer(layer, shape, rng=rng).error < EXACT


def test_other_axes_agree(rng: np.random.Generator) -> None:
    for layer in (
        L.LayerNormalization(axis=[1, 2]),
        L.LayerNormalization(axis=[2, 3]),
        L.LayerNormalization(axis=1),
        L.UnitNormalization(axis=(1, 2)),
    ):
        assert of_layer(layer, (5, 6, 4), rng=rng).error < EXACT


def test_momentum_is_the_complement(rng: np.random.Generator) -> None:
    compared = of_layer(L.BatchNormalization(), (5, 6, 4), rng=rng)
    assert compared.modules[0].keywords == (("eps", 0.001), ("momentum", 0.01))


def test_renorm_and_frozen_are_noted(rng: np.random.Generator) -> None:
    frozen = L.BatchNormalization()
    frozen.trainable = False
    for layer, word in (
        (L.BatchNormalization(renorm=True), "renorm"),
        (frozen, "eval()"),
    ):
        compared = of_layer(layer, (5, 4), rng=rng)
        assert compared.error < EXACT
        assert any(word in step.note for step in compared.program.steps)


def test_an_axis_in_the_middle_is_refused() -> None:
    inputs = keras.Input((5, 6, 4))
    model = keras.Model(inputs, L.BatchNormalization(axis=2)(inputs))
    with pytest.raises(PortError, match="permute them to the last axis"):
        lower(graph_of(model))


@pytest.mark.parametrize("axis", [-1, 1, None, (1, 3)])
@pytest.mark.parametrize("invert", [False, True])
def test_adapted_statistics_agree(
    axis: int | tuple[int, ...] | None, invert: bool, rng: np.random.Generator
) -> None:
    layer = L.Normalization(axis=axis, invert=invert)
    layer.adapt(rng.normal(2.0, 3.0, size=(9, 5, 4, 2)))
    model = keras.Sequential([keras.Input((5, 4, 2)), layer])
    assert compare(model, [rng.normal(size=(2, 5, 4, 2))]).error < CONSTANT


def test_given_statistics_agree(rng: np.random.Generator) -> None:
    layer = L.Normalization(mean=[1.0, 2.0], variance=[3.0, 4.0])
    assert of_layer(layer, (5, 2), rng=rng).error < CONSTANT
