"""Dense and its relatives; tables."""

import keras
import numpy as np
import pytest

from tests.port.lower.run_program import EXACT, of_layer, of_outputs

L = keras.layers


def test_dense_agrees(rng: np.random.Generator) -> None:
    for layer, shape in (
        (L.Dense(3, activation="relu"), (4,)),
        (L.Dense(3, use_bias=False), (5, 4)),
        (L.Dense(4), (2, 5, 4)),  # square: a transposed kernel would fit
    ):
        assert of_layer(layer, shape, rng=rng).error < EXACT


@pytest.mark.parametrize(
    "equation,output_shape,bias_axes,shape,linear",
    [
        ("abc,cd->abd", (None, 7), "d", (5, 4), True),
        ("abc,cde->abde", (None, 2, 4), "e", (5, 4), True),
        ("abc,cde->abde", (None, 2, 4), "de", (5, 4), True),
        ("abcd,cde->abe", (None, 4), "e", (5, 4, 3), True),
        ("ab,bc->ac", 3, None, (4,), True),
        ("abc,bcd->abd", (5, 3), "d", (5, 4), False),
        ("...x,xy->...y", (5, 3), "y", (5, 4), True),
    ],
)
def test_einsum_dense_agrees(
    equation: str,
    output_shape: tuple[int, ...],
    bias_axes: str | None,
    shape: tuple[int, ...],
    linear: bool,
    rng: np.random.Generator,
) -> None:
    layer = L.EinsumDense(
        equation, output_shape=output_shape, bias_axes=bias_axes, activation="tanh"
    )
    compared = of_layer(layer, shape, rng=rng)
    assert compared.error < EXACT
    assert (compared.modules[0].call == "nn.Linear") is linear


def test_embedding_agrees(rng: np.random.Generator) -> None:
    for mask_zero in (False, True):
        inputs = keras.Input((6,), dtype="int32")
        outputs = L.Embedding(5, 4, mask_zero=mask_zero)(inputs)
        compared = of_outputs([inputs], outputs, rng=rng)
        assert compared.error < EXACT
        assert len(compared.lines) == 1  # a mask that nobody asks for is not written


@pytest.mark.parametrize("tied", [False, True])
def test_reversible_embedding_agrees(tied: bool, rng: np.random.Generator) -> None:
    layer = L.ReversibleEmbedding(5, 4, tie_weights=tied, logit_soft_cap=2.0)
    inputs = keras.Input((6,), dtype="int32")
    outputs = layer(L.Dense(4)(layer(inputs)), reverse=True)
    compared = of_outputs([inputs], outputs, rng=rng)
    assert compared.error < EXACT
