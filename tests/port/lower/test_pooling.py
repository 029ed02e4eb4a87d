"""Pooling: windows that stick out, and all places at once."""

import keras
import numpy as np
import pytest

from tests.port.lower.run_program import EXACT, of_layer, of_outputs

L = keras.layers


def single() -> None:
    """Make layers and inputs of float32; the fixture ends it."""
    keras.config.set_floatx("float32")
    keras.config.set_dtype_policy("float32")


@pytest.mark.parametrize("padding", ["valid", "same"])
@pytest.mark.parametrize("size,strides", [(2, None), (3, 2), ((2, 3), 1)])
@pytest.mark.parametrize("shape", [(8, 7, 3), (None, None, 3)])
def test_windows_agree(
    padding: str,
    size: int,
    strides: int,
    shape: tuple[int, ...],
    rng: np.random.Generator,
) -> None:
    for kind in (L.MaxPooling2D, L.AveragePooling2D):
        assert of_layer(kind(size, strides, padding), shape, rng=rng).error < EXACT


@pytest.mark.parametrize("padding", ["valid", "same"])
def test_windows_of_steps_agree(padding: str, rng: np.random.Generator) -> None:
    for kind in (L.MaxPooling1D, L.AveragePooling1D):
        assert of_layer(kind(3, 2, padding), (8, 3), rng=rng).error < EXACT


@pytest.mark.parametrize("padding", ["valid", "same"])
def test_windows_of_volumes_agree(padding: str, rng: np.random.Generator) -> None:
    single()  # TensorFlow pools volumes in float32 alone
    for kind in (L.MaxPooling3D, L.AveragePooling3D):
        error = of_layer(kind(3, 2, padding), (5, 4, 5, 2), rng=rng).error
        assert error < 1e-6  # a few units in the last place of float32


@pytest.mark.parametrize("keepdims", [False, True])
def test_global_pooling_agrees(keepdims: bool, rng: np.random.Generator) -> None:
    for n, shape in ((1, (5, 3)), (2, (5, 4, 3)), (3, (5, 4, 3, 2))):
        for kind in ("Average", "Max"):
            pool = getattr(L, f"Global{kind}Pooling{n}D")
            assert of_layer(pool(keepdims=keepdims), shape, rng=rng).error < EXACT
            inputs = keras.Input(shape)
            convolved = getattr(L, f"Conv{n}D")(4, 2)(inputs)
            outputs = pool(keepdims=keepdims)(convolved)
            assert of_outputs([inputs], outputs, rng=rng).error < EXACT


def test_adaptive_pooling_agrees(rng: np.random.Generator) -> None:
    for layer, shape in (
        (L.AdaptiveAveragePooling1D(3), (8, 3)),
        (L.AdaptiveMaxPooling1D(3), (8, 3)),
        (L.AdaptiveAveragePooling2D((2, 3)), (7, 8, 3)),
        (L.AdaptiveMaxPooling2D((2, 3)), (7, 8, 3)),
    ):
        assert of_layer(layer, shape, rng=rng).error < EXACT


def test_adaptive_pooling_of_volumes_agrees(rng: np.random.Generator) -> None:
    single()
    for layer in (L.AdaptiveAveragePooling3D(2), L.AdaptiveMaxPooling3D((2, 3, 2))):
        assert of_layer(layer, (4, 5, 6, 2), rng=rng).error < 1e-6


def test_what_same_adds_to_a_maximum_is_minus_infinity(
    rng: np.random.Generator,
) -> None:
    compared = of_layer(L.MaxPooling2D(3, 2, "same"), (8, 8, 3), rng=rng)
    assert any("value=-torch.inf" in line for line in compared.lines)


def test_masked_steps_do_not_count_in_a_mean(rng: np.random.Generator) -> None:
    for keepdims in (False, True):
        inputs = keras.Input((6,), dtype="int32")
        embedded = L.Embedding(5, 4, mask_zero=True)(inputs)
        outputs = L.GlobalAveragePooling1D(keepdims=keepdims)(embedded)
        assert of_outputs([inputs], outputs, rng=rng).error < EXACT
