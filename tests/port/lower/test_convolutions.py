"""Convolutions, each with paddings, strides and sizes that fit and that do not."""

import keras
import numpy as np
import pytest

from migrate_examples.port.lower.padding import Window, same_padding
from tests.port.lower.run_program import CONSTANT, EXACT, of_layer

L = keras.layers
SIZES = [(8, 7, 3), (None, None, 3)]


@pytest.mark.parametrize("padding", ["valid", "same"])
@pytest.mark.parametrize("strides", [1, 2])
@pytest.mark.parametrize("kernel", [1, 3, (2, 4)])
def test_conv2d_agrees(
    padding: str, strides: int, kernel: int, rng: np.random.Generator
) -> None:
    for size in SIZES:
        layer = L.Conv2D(4, kernel, strides=strides, padding=padding)
        assert of_layer(layer, size, rng=rng).error < EXACT


@pytest.mark.parametrize("padding", ["valid", "same"])
def test_other_convolutions_agree(padding: str, rng: np.random.Generator) -> None:
    images, steps = (9, 8, 3), (9, 3)
    for layer, shape in (
        (L.Conv1D(4, 4, strides=2, padding=padding), steps),
        (L.Conv3D(2, (2, 3, 3), strides=2, padding=padding), (5, 6, 7, 3)),
        (L.Conv2D(6, 3, dilation_rate=2, groups=3, padding=padding), images),
        (L.DepthwiseConv2D(3, strides=2, depth_multiplier=2, padding=padding), images),
        (L.DepthwiseConv1D(3, strides=2, padding=padding), steps),
        (
            L.SeparableConv2D(5, 3, depth_multiplier=2, strides=2, padding=padding),
            images,
        ),
        (L.SeparableConv1D(5, 3, use_bias=False, padding=padding), steps),
    ):
        assert of_layer(layer, shape, rng=rng).error < EXACT


def test_causal_agrees(rng: np.random.Generator) -> None:
    for arguments in ({"dilation_rate": 2}, {"strides": 2}):
        layer = L.Conv1D(4, 3, padding="causal", **arguments)
        compared = of_layer(layer, (9, 3), rng=rng)
        assert compared.error < EXACT
        assert any("F.pad" in line for line in compared.lines)


def test_an_activation_follows(rng: np.random.Generator) -> None:
    layer = L.Conv2D(4, 3, activation="relu", use_bias=False)
    compared = of_layer(layer, (6, 5, 3), rng=rng)
    assert compared.error < EXACT
    assert "F.relu({0})" in compared.lines
    assert dict(compared.modules[0].keywords)["bias"] is False


def test_symmetric_padding_is_left_to_the_module(rng: np.random.Generator) -> None:
    compared = of_layer(L.Conv2D(4, 3, padding="same"), (6, 5, 3), rng=rng)
    assert dict(compared.modules[0].keywords) == {"padding": 1}
    assert not any("F.pad" in line for line in compared.lines)


def test_asymmetric_padding_is_noted(rng: np.random.Generator) -> None:
    layer = L.Conv2D(4, 3, strides=2, padding="same")
    compared = of_layer(layer, (8, 8, 3), rng=rng)
    (pad,) = [step for step in compared.program.steps if "F.pad" in step.expression]
    assert pad.expression == "F.pad({0}, (0, 1, 0, 1))"
    assert "behind" in pad.note


@pytest.mark.parametrize("padding", ["valid", "same"])
@pytest.mark.parametrize("strides", [1, 2, 3])
@pytest.mark.parametrize("kernel", [2, 3, 4])
def test_transposed_agrees(
    padding: str, strides: int, kernel: int, rng: np.random.Generator
) -> None:
    setting = {"strides": strides, "padding": padding}
    for layer, shape in (
        (L.Conv1DTranspose(4, kernel, **setting), (4, 3)),
        (L.Conv2DTranspose(4, kernel, use_bias=False, **setting), (4, 5, 3)),
        (L.Conv2DTranspose(4, kernel, activation="relu", **setting), (None, None, 3)),
    ):
        assert of_layer(layer, shape, rng=rng).error < EXACT


def test_transposed_of_three_axes_and_output_padding(rng: np.random.Generator) -> None:
    for padding in ("valid", "same"):
        layer = L.Conv3DTranspose(2, 3, strides=2, padding=padding)
        assert of_layer(layer, (3, 4, 3, 2), rng=rng).error < EXACT
        layer = L.Conv2DTranspose(4, 3, strides=2, padding=padding, output_padding=1)
        assert of_layer(layer, (4, 5, 3), rng=rng).error < EXACT


def test_an_even_transposed_kernel_needs_no_crop(rng: np.random.Generator) -> None:
    layer = L.Conv2DTranspose(4, 4, strides=2, padding="same")
    compared = of_layer(layer, (4, 5, 3), rng=rng)
    assert dict(compared.modules[0].keywords) == {"stride": 2, "padding": 1}
    assert not any("..." in line for line in compared.lines)


def test_channels_first_needs_no_permutation(rng: np.random.Generator) -> None:
    from migrate_examples.port.keras_graph import graph_of
    from migrate_examples.port.lower.driver import lower

    layer = L.Conv2D(4, 3, data_format="channels_first", activation="relu")
    inputs = keras.Input((3, 6, 5))
    program = lower(graph_of(keras.Model(inputs, layer(inputs))))
    assert [step.expression for step in program.steps] == [
        "{module}({0})",
        "F.relu({0})",
    ]
    del rng


def test_gelu_passes_its_constant_through_float32(rng: np.random.Generator) -> None:
    compared = of_layer(L.Conv2D(4, 3, activation="gelu"), (6, 5, 3), rng=rng)
    assert compared.error < CONSTANT


def test_same_padding_of_unknown_sizes() -> None:
    assert same_padding((None,), Window((3,), (2,), (1,))) is None
    assert same_padding((None,), Window((1,), (2,), (1,))) == ((0, 0),)
    assert same_padding((None, None), Window((3, 4), (1, 1), (2, 1))) == (
        (2, 2),
        (1, 2),
    )
