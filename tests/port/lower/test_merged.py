"""Lines joined into one: the same outputs and gradients as in Keras, fewer lines."""

from typing import Any

import keras
import numpy as np
import pytest
import torch
import torch.nn.functional as F  # noqa: N812  # as the written files import it
from keras import layers

from migrate_examples.port.lower.merged import merged
from migrate_examples.port.program import Layout, Local, Port, Program, Step
from migrate_examples.port.source import write_module
from tests.port.lower.run_program import CONSTANT, EXACT, Compared, of_outputs


def pads(compared: Compared) -> int:
    return sum("F.pad(" in line for line in compared.lines)


def convolutions(compared: Compared) -> list[dict[str, Any]]:
    """Keywords of each convolution that is built."""
    found = [built for built in compared.modules if built.call.startswith("nn.Conv")]
    return [dict(built.keywords) for built in found]


@pytest.mark.parametrize(
    "padding, convolution, told",
    [
        (3, lambda: layers.Conv2D(4, 7, strides=2), 3),
        ((1, 2), lambda: layers.Conv2D(4, 3), (1, 2)),
        (((2, 2), (0, 0)), lambda: layers.Conv2D(4, 3), (2, 0)),
        (2, lambda: layers.Conv2D(4, 3, padding="same"), 3),
        (1, lambda: layers.DepthwiseConv2D(3, use_bias=False), 1),
        (1, lambda: layers.SeparableConv2D(4, 3), 1),
    ],
    ids=["7x7", "by axis", "one axis", "padded already", "depthwise", "separable"],
)
def test_zeros_on_both_sides_are_padding(
    padding: Any, convolution: Any, told: Any, rng: np.random.Generator
) -> None:
    image = keras.Input((9, 9, 3))
    padded = layers.ZeroPadding2D(padding, name="zeros")(image)
    compared = of_outputs([image], convolution()(padded), rng=rng)
    assert compared.error < EXACT
    assert pads(compared) == 0
    assert convolutions(compared)[0]["padding"] == told
    absorbing = [step for step in compared.program.steps if step.absorbs]
    assert [step.absorbs for step in absorbing] == [("zeros",)]


def test_one_and_three_axes(rng: np.random.Generator) -> None:
    steps, volume = keras.Input((7, 2)), keras.Input((4, 4, 4, 2))
    outputs = [
        layers.Conv1D(3, 3)(layers.ZeroPadding1D(2)(steps)),
        layers.Conv3D(3, 3)(layers.ZeroPadding3D((1, 0, 2))(volume)),
    ]
    compared = of_outputs([steps, volume], outputs, rng=rng)
    assert compared.error < EXACT
    assert [built["padding"] for built in convolutions(compared)] == [2, (1, 0, 2)]


def test_zeros_on_one_side_stay(rng: np.random.Generator) -> None:
    image = keras.Input((8, 8, 3))
    padded = layers.ZeroPadding2D(((0, 1), (0, 1)))(image)
    compared = of_outputs([image], layers.Conv2D(4, 3, strides=2)(padded), rng=rng)
    assert compared.error < EXACT
    assert pads(compared) == 1


@pytest.mark.parametrize("pool", [layers.MaxPooling2D, layers.AveragePooling2D])
def test_zeros_in_front_of_pooling_stay(pool: Any, rng: np.random.Generator) -> None:
    image = keras.Input((8, 8, 3))
    padded = layers.ZeroPadding2D(1)(image)
    compared = of_outputs([image], pool(3, strides=2)(padded), rng=rng)
    assert compared.error < EXACT
    assert pads(compared) == 1


def test_zeros_that_others_use_stay(rng: np.random.Generator) -> None:
    image = keras.Input((6, 6, 3))
    padded = layers.ZeroPadding2D(1)(image)
    compared = of_outputs([image], [layers.Conv2D(4, 3)(padded), padded], rng=rng)
    assert compared.error < EXACT
    assert pads(compared) == 1


def test_a_convolution_of_two_calls_keeps_its_padding(rng: np.random.Generator) -> None:
    image = keras.Input((6, 6, 3))
    shared = layers.Conv2D(3, 3, name="shared")
    y = shared(shared(layers.ZeroPadding2D(1)(image)))
    compared = of_outputs([image], y, rng=rng)
    assert compared.error < EXACT
    assert pads(compared) == 1


def test_a_transposed_convolution_does_not_pad(rng: np.random.Generator) -> None:
    image = keras.Input((4, 4, 2))
    y = layers.Conv2DTranspose(3, 3, strides=2)(layers.ZeroPadding2D(1)(image))
    compared = of_outputs([image], y, rng=rng)
    assert compared.error < EXACT
    assert pads(compared) == 1


def test_hard_sigmoid(rng: np.random.Generator) -> None:
    x = keras.Input((64,))
    compared = of_outputs([x], layers.ReLU(6.0)(x + 3.0) * (1.0 / 6.0), rng=rng)
    assert compared.error < CONSTANT  # of gradients; see the next test
    assert compared.lines == ["F.hardsigmoid({0})"]
    assert len(compared.program.steps[0].absorbs) == 2


def test_hard_sigmoid_is_the_three_lines() -> None:
    x = torch.linspace(-7, 7, 2001, dtype=torch.float64, requires_grad=True)
    three, one = F.relu6(x + 3.0) * (1 / 6), F.hardsigmoid(x)
    torch.testing.assert_close(one, three, rtol=1e-12, atol=0)
    inside = (x.detach().abs() - 3).abs() > 1e-9  # at the corners both may choose
    slopes = [torch.autograd.grad(y.sum(), x)[0][inside] for y in (one, three)]
    # PyTorch's slope is a sixth in float32, whatever the dtype.
    torch.testing.assert_close(*slopes, rtol=1e-7, atol=0)


@pytest.mark.parametrize("shift, scale", [(2.5, 1 / 6), (3.0, 0.2)])
def test_other_constants_are_no_hard_sigmoid(
    shift: float, scale: float, rng: np.random.Generator
) -> None:
    x = keras.Input((16,))
    y = layers.ReLU(6.0)(x + shift) * scale
    compared = of_outputs([x], y, rng=rng)
    assert compared.error < CONSTANT
    assert not any("hardsigmoid" in line for line in compared.lines)


def test_hard_sigmoid_that_others_look_into_stays(rng: np.random.Generator) -> None:
    x = keras.Input((16,))
    six = layers.ReLU(6.0)(x + 3.0)
    compared = of_outputs([x], [six * (1.0 / 6.0), six], rng=rng)
    assert compared.error < CONSTANT
    assert "F.relu6({0})" in compared.lines


@pytest.mark.parametrize("sign", ["&", "|"])
def test_a_mask_joined_with_itself_is_that_mask(sign: str) -> None:
    x, mask, both, other = (Local(n, 2) for n in range(4))
    shape = (None, 4)
    steps = (
        Step((mask,), "{0} != 0", (x,), "embedding"),
        Step((both,), f"{{0}} {sign} {{1}}", (mask, mask), "add"),
        Step((other,), f"{{0}} {sign} {{1}}", (both, x), "end"),
    )
    made = merged(
        Program(
            "masks",
            (Port("x", x, shape, "int32", Layout.LAST),),
            (Port("output", other, shape, "bool", Layout.LAST),),
            other,
            steps,
            (),
        )
    )
    assert [step.layer for step in made.steps] == ["embedding", "end"]
    assert made.steps[1].operands == (mask, x)


def test_masks_of_two_branches_are_one(rng: np.random.Generator) -> None:
    tokens = keras.Input((6,), dtype="int32")
    x = layers.Embedding(4, 3, mask_zero=True)(tokens)
    y = layers.Add()([layers.Dense(3)(x), layers.Dense(3)(x)])
    compared = of_outputs([tokens], layers.LSTM(2)(y), rng=rng)
    assert compared.error < EXACT
    assert sum("!=" in line for line in compared.lines) == 1
    assert not any(line in {"{0} & {1}", "{0} | {1}"} for line in compared.lines)


def test_rows_lead_from_what_was_joined(rng: np.random.Generator) -> None:
    image = keras.Input((9, 9, 3))
    y = layers.Conv2D(4, 3, name="stem")(layers.ZeroPadding2D(1, name="zeros")(image))
    y = layers.ReLU(6.0, name="six")(y + 3.0) * (1.0 / 6.0)
    compared = of_outputs([image], y, rng=rng)
    rows = {row.layer: row for row in write_module(compared.program).rows}
    assert rows["zeros"].torch == rows["stem"].torch == "stem"
    assert "F.hardsigmoid(" in rows["six"].torch
