"""Merging layers, of equal and of unequal ranks, along every axis."""

import keras
import numpy as np
import pytest

from tests.port.lower.run_program import EXACT, of_layer, of_outputs

L = keras.layers


def test_merges_agree(rng: np.random.Generator) -> None:
    for layer, shapes in (
        (L.Add(), [(4,), (4,)]),
        (L.Add(), [(4, 5, 2), (1, 1, 2), (4, 5, 2)]),
        (L.Subtract(), [(4, 5), (5,)]),
        (L.Multiply(), [(4, 5, 2), (5, 2)]),
        (L.Average(), [(4,), (4,), (4,)]),
        (L.Maximum(), [(4,), (4,), (4,)]),
        (L.Minimum(), [(4,), (4,), (4,)]),
        (L.Concatenate(), [(4, 5, 2), (4, 5, 3)]),
        (L.Concatenate(axis=1), [(4, 5, 2), (3, 5, 2)]),
    ):
        assert of_layer(layer, *shapes, rng=rng).error < EXACT


@pytest.mark.parametrize(
    "axes,shapes",
    [
        (1, [(4, 4), (4, 4)]),
        ((2, 1), [(4, 4), (4, 4)]),
        ((1, 2), [(4, 4), (4, 4)]),
        (-1, [(4, 4), (4, 4)]),
        (1, [(4,), (4,)]),
        ((2, 1), [(3, 4), (4,)]),
        ((1, 2), [(4,), (3, 4)]),
        ((2, 1), [(3, 4, 2), (4, 5)]),
    ],
)
@pytest.mark.parametrize("normalize", [False, True])
def test_dot_agrees(
    axes: int | tuple[int, int],
    shapes: list[tuple[int, ...]],
    normalize: bool,
    rng: np.random.Generator,
) -> None:
    layer = L.Dot(axes, normalize=normalize)
    assert of_layer(layer, *shapes, rng=rng).error < EXACT


def test_channels_first_meets_channels_first(rng: np.random.Generator) -> None:
    inputs = keras.Input((6, 5, 3))
    left, right = L.Conv2D(4, 3)(inputs), L.Conv2D(4, 3)(inputs)
    outputs = L.Concatenate()([L.Add()([left, right]), left])
    compared = of_outputs([inputs], outputs, rng=rng)
    assert compared.error < EXACT
    assert "torch.cat(({0}, {1}), dim=1)" in compared.lines
    assert sum("permute" in line for line in compared.lines) == 2  # in and out
