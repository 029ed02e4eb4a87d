"""Preprocessing layers that stay in the model."""

import keras
import numpy as np
import pytest

from migrate_examples.port.keras_graph import graph_of
from migrate_examples.port.lower import PortError
from migrate_examples.port.lower.driver import lower
from tests.port.lower.run_program import CONSTANT, EXACT, compare, of_layer, of_outputs

L = keras.layers


def test_scales_agree(rng: np.random.Generator) -> None:
    for layer, shape in (
        (L.Rescaling(1 / 255), (5,)),
        (L.Rescaling(1 / 127.5, offset=-1), (5,)),
        (L.Rescaling([0.1, 0.2], offset=[1.0, 2.0]), (5, 2)),
    ):
        assert of_layer(layer, shape, rng=rng).error < CONSTANT


def test_a_scale_is_written_as_it_was_meant(rng: np.random.Generator) -> None:
    compared = of_layer(L.Rescaling(1 / 127.5, offset=-1), (5,), rng=rng)
    assert compared.lines == ["{0} / 127.5 - 1.0"]


@pytest.mark.parametrize("method", ["nearest", "bilinear", "bicubic"])
def test_resizing_agrees(method: str, rng: np.random.Generator) -> None:
    for size in ((4, 9), (3, 3), (11, 2)):
        layer = L.Resizing(*size, interpolation=method)
        assert of_layer(layer, (5, 6, 2), rng=rng).error < CONSTANT


@pytest.mark.parametrize("method", ["area", "lanczos3", "gaussian", "mitchellcubic"])
def test_other_methods_are_refused(method: str) -> None:
    inputs = keras.Input((5, 6, 2))
    model = keras.Model(inputs, L.Resizing(4, 9, interpolation=method)(inputs))
    with pytest.raises(PortError, match=method):
        lower(graph_of(model))


def test_a_centre_crop_agrees(rng: np.random.Generator) -> None:
    assert of_layer(L.CenterCrop(3, 4), (6, 7, 2), rng=rng).error < EXACT


@pytest.mark.parametrize("mode", ["one_hot", "multi_hot", "count"])
def test_categories_agree(mode: str, rng: np.random.Generator) -> None:
    for shape in ((1,), (4,)):
        inputs = keras.Input(shape, dtype="int32")
        outputs = L.CategoryEncoding(5, output_mode=mode)(inputs)
        assert of_outputs([inputs], outputs, rng=rng).error < EXACT


def test_counted_weights_agree(rng: np.random.Generator) -> None:
    inputs, weights = keras.Input((4,), dtype="int32"), keras.Input((4,))
    encode = L.CategoryEncoding(5, output_mode="count")
    model = keras.Model([inputs, weights], encode(inputs, count_weights=weights))
    drawn = [rng.integers(0, 3, size=(3, 4)).astype("int32"), rng.normal(size=(3, 4))]
    # TensorFlow has no gradient of its count.
    assert compare(model, drawn, gradients=False).error < EXACT


@pytest.mark.parametrize("mode", ["int", "one_hot", "multi_hot"])
def test_bins_agree(mode: str, rng: np.random.Generator) -> None:
    layer = L.Discretization([-1.0, 0.0, 0.5], output_mode=mode)
    for shape in ((1,), (4,)):
        assert of_layer(layer, shape, rng=rng).error < EXACT
