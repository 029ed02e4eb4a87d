"""Layers that move values: the order of a flatten, borders, sizes."""

import keras
import numpy as np
import pytest

from tests.port.lower.run_program import (
    CONSTANT,
    EXACT,
    Compared,
    compare,
    of_layer,
    of_outputs,
    randomise,
)

L = keras.layers


def test_moving_layers_agree(rng: np.random.Generator) -> None:
    for layer, shape in (
        (L.Flatten(), (3, 4, 2)),
        (L.Flatten(), (3,)),
        (L.Flatten(), (None, 4)),
        (L.Reshape((3, 2)), (6,)),
        (L.Reshape((-1, 2)), (None, 4)),
        (L.Reshape((6,)), (3, 2)),
        (L.Reshape((2, -1, 2)), (3, 4, 2)),
        (L.Permute((3, 1, 2)), (3, 4, 2)),
        (L.RepeatVector(3), (4,)),
        (L.ZeroPadding1D((1, 2)), (4, 2)),
        (L.ZeroPadding2D(((1, 2), (0, 3))), (4, 5, 2)),
        (L.ZeroPadding2D((1, 2)), (4, 5, 2)),
        (L.ZeroPadding3D(1), (4, 3, 3, 2)),
        (L.Cropping1D((1, 0)), (4, 2)),
        (L.Cropping2D(((1, 2), (0, 1))), (4, 5, 2)),
        (L.Cropping3D(1), (4, 3, 3, 2)),
        (L.UpSampling1D(3), (4, 2)),
        (L.UpSampling3D((1, 2, 3)), (2, 3, 2, 2)),
    ):
        assert of_layer(layer, shape, rng=rng).error < EXACT


@pytest.mark.parametrize("method", ["nearest", "bilinear", "bicubic"])
def test_up_sampling_agrees(method: str, rng: np.random.Generator) -> None:
    for shape in ((4, 5, 2), (None, None, 2)):
        layer = L.UpSampling2D((2, 3), interpolation=method)
        assert of_layer(layer, shape, rng=rng).error < CONSTANT


def flattened(behind: list[keras.Layer], rng: np.random.Generator) -> Compared:
    model = keras.Sequential(
        [keras.Input((6, 7, 2)), L.Conv2D(3, 2), L.Flatten(), *behind]
    )
    randomise(model, rng)
    return compare(model, [rng.normal(size=(2, 6, 7, 2))])


def test_a_dense_behind_a_flatten_takes_its_rows_in_order(
    rng: np.random.Generator,
) -> None:
    compared = flattened([L.Dropout(0.1), L.Dense(4), L.Dense(3)], rng)
    assert compared.error < EXACT
    assert sum("permute" in line for line in compared.lines) == 1  # the input's
    (layout,) = [
        filled.layout
        for step in compared.program.steps
        for filled in step.filled
        if "columns" in filled.layout
    ]
    assert "channels first" in layout


def test_a_flatten_that_others_see_keeps_keras_order(rng: np.random.Generator) -> None:
    compared = flattened([L.LayerNormalization(), L.Dense(3)], rng)
    assert compared.error < EXACT
    assert sum("permute" in line for line in compared.lines) == 2


def test_channels_alone_are_reshaped_readably(rng: np.random.Generator) -> None:
    inputs = keras.Input((5, 4, 3))
    mean = L.GlobalAveragePooling2D()(inputs)
    scale = L.Conv2D(3, 1, activation="sigmoid")(L.Reshape((1, 1, 3))(mean))
    outputs = L.Multiply()([inputs, scale])
    compared = of_outputs([inputs], outputs, rng=rng)
    assert compared.error < EXACT
    assert "{0}[:, :, None, None]" in compared.lines
