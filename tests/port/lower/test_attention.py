"""Attention: several inputs, masks of every origin, scores."""

from collections.abc import Callable
from typing import Any

import keras
import numpy as np
import pytest

from tests.port.lower.run_program import CONSTANT, of_outputs
from tests.port.lower.test_recurrent import masked

L = keras.layers
Build = Callable[..., Any]
# Keras takes 1 / sqrt(size of a head) through float32.


def two_heads(x: Any, y: Any) -> Any:
    """Queries and values of unequal widths."""
    return L.MultiHeadAttention(2, 2)(x, y)


def wide_values(x: Any, y: Any, z: Any) -> Any:
    """Heads of one size for keys, of another for values, and a width of its own."""
    return L.MultiHeadAttention(2, 3, value_dim=5, output_shape=7)(x, y, z)


@pytest.mark.parametrize(
    "build,shapes",
    [
        (lambda x: L.MultiHeadAttention(2, 2)(x, x), [(5, 4)]),
        (two_heads, [(5, 4), (6, 3)]),
        (
            lambda x, y: L.MultiHeadAttention(2, 2, use_bias=False)(
                x, y, return_attention_scores=True
            ),
            [(5, 4), (6, 3)],
        ),
        (
            wide_values,
            [(5, 4), (6, 3), (6, 2)],
        ),
        (lambda x: L.MultiHeadAttention(2, 3, sliding_window=2)(x, x), [(5, 4)]),
        (lambda x: L.MultiHeadAttention(2, 3)(x, x, use_causal_mask=True), [(5, 4)]),
        (lambda x: L.MultiHeadAttention(2, 3)(x, x), [(2, 3, 4)]),
        (lambda x: L.GroupQueryAttention(3, 4, 2)(x, x), [(5, 4)]),
        (
            lambda x: L.GroupQueryAttention(3, 4, 2, dropout=0.1)(
                x, x, return_attention_scores=True
            ),
            [(5, 4)],
        ),
        (lambda x, y: L.Attention(dropout=0.1)([x, y]), [(5, 4), (6, 4)]),
        (lambda x, y, z: L.Attention()([x, y, z]), [(5, 4), (6, 2), (6, 4)]),
        (lambda x, y: L.AdditiveAttention(use_scale=False)([x, y]), [(5, 4), (6, 4)]),
    ],
    ids=[f"case{n}" for n in range(12)],
)
def test_attention_agrees(
    build: Build, shapes: list[tuple[int, ...]], rng: np.random.Generator
) -> None:
    inputs = [keras.Input(shape) for shape in shapes]
    assert of_outputs(inputs, build(*inputs), rng=rng).error < CONSTANT


def test_an_explicit_mask_agrees(rng: np.random.Generator) -> None:
    for rank in (3, 4):
        x, y = keras.Input((5, 4)), keras.Input((6, 3))
        kept = keras.Input((5, 6) if rank == 3 else (2, 5, 6), dtype="int32")
        mask = keras.ops.cast(kept, "bool")
        outputs = L.MultiHeadAttention(2, 3)(x, y, attention_mask=mask)
        assert of_outputs([x, y, kept], outputs, rng=rng).error < CONSTANT


# The projections of a GroupQueryAttention say that they know no masks.
@pytest.mark.filterwarnings("ignore:(?s).*does not support masking:UserWarning")
@pytest.mark.parametrize(
    "build",
    [
        lambda x: L.MultiHeadAttention(2, 3)(x, x),
        lambda x: L.MultiHeadAttention(2, 3, dropout=0.1)(x, x),
        lambda x: L.MultiHeadAttention(2, 3)(x, x, return_attention_scores=True),
        lambda x: L.MultiHeadAttention(2, 3)(x, x, use_causal_mask=True),
        lambda x: L.GroupQueryAttention(3, 4, 2)(x, x, use_causal_mask=True),
        lambda x: L.Attention()([x, x]),
        lambda x: L.Attention()([x, x], use_causal_mask=True),
        lambda x: L.Attention(use_scale=True, score_mode="concat")(
            [x, x], return_attention_scores=True
        ),
        lambda x: L.AdditiveAttention()([x, x]),
    ],
    ids=[f"case{n}" for n in range(9)],
)
def test_implicit_masks_agree(build: Build, rng: np.random.Generator) -> None:
    # One of the sequences is masked as a whole.
    assert masked(build, rng).error < CONSTANT


def test_the_module_of_pytorch_is_used_where_it_fits(rng: np.random.Generator) -> None:
    for heads, kind in ((2, "nn.MultiheadAttention"), (3, "MultiHeadAttention")):
        x = keras.Input((5, 4))
        compared = of_outputs([x], L.MultiHeadAttention(heads, 2)(x, x), rng=rng)
        assert [m.call for m in compared.modules] == [kind]
