"""Operations of ``keras.ops``, behind a convolution, where channels stand first."""

import re
from collections.abc import Callable
from typing import Any

import keras
import numpy as np
import pytest

from migrate_examples.port.keras_graph import graph_of
from migrate_examples.port.lower import PortError
from migrate_examples.port.lower.driver import lower
from migrate_examples.port.lower.operations_elementwise import ONE, TWO
from tests.port.lower.run_program import (
    CONSTANT,
    EXACT,
    compare,
    of_outputs,
    randomise,
)

ops = keras.ops
INTEGERS = {"BitwiseInvert", "BitwiseNot", "BitwiseAnd", "BitwiseOr", "BitwiseXor"}
LOGICAL = {"LogicalNot", "LogicalAnd", "LogicalOr", "LogicalXor"}


def images(x: Any) -> Any:
    """A convolution, so that channels stand first behind it."""
    return keras.layers.Conv2D(4, 2)(x)


def function(name: str) -> Callable[..., Any]:
    """The function of ``keras.ops`` that makes an operation."""
    snake = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name).lower()
    found: Callable[..., Any] = getattr(ops, snake, None) or keras.activations.get(
        snake
    )
    return found


# Mish is an operation that keras.activations alone makes, of no public function.
@pytest.mark.parametrize("name", [*sorted(ONE.keys() - {"Mish"}), *TWO])
def test_each_element_agrees(name: str, rng: np.random.Generator) -> None:
    count = 1 if name in ONE else 2
    dtype = "int32" if name in INTEGERS | LOGICAL else None
    inputs = [keras.Input((4, 3), dtype=dtype) for _ in range(count)]
    given = [ops.cast(x, "bool") if name in LOGICAL else x for x in inputs]
    model = keras.Model(inputs, function(name)(*given))
    low = 1.05 if name == "Arccosh" else 0.05  # where all of them are defined
    values = [low + 0.9 * rng.random((3, 4, 3)) for _ in inputs]
    if dtype:
        values = [rng.integers(0, 3, size=v.shape).astype(dtype) for v in values]
    allowed = CONSTANT if name == "HardSigmoid" else EXACT
    assert compare(model, values).error < allowed


@pytest.mark.parametrize(
    "name", ["mean", "sum", "max", "min", "var", "std", "logsumexp", "prod"]
)
def test_reductions_agree(name: str, rng: np.random.Generator) -> None:
    reduce = getattr(ops, name)
    for axis in (None, 1, -1, (1, 2), (1, -1), 0):
        inputs = keras.Input((4, 5, 3))
        x = images(inputs)
        outputs = [reduce(x, axis=axis), reduce(x, axis=axis, keepdims=True)]
        assert of_outputs([inputs], outputs, rng=rng).error < EXACT


@pytest.mark.parametrize(
    "name",
    ["softmax", "log_softmax", "glu", "sparsemax", "cumsum", "cumprod", "sort"],
)
def test_functions_along_an_axis_agree(name: str, rng: np.random.Generator) -> None:
    for axis in (1, -1):
        inputs = keras.Input((5, 6, 3))
        outputs = getattr(ops, name)(images(inputs), axis=axis)
        assert of_outputs([inputs], outputs, rng=rng).error < EXACT


FOUR = (4, 5, 3)
CASES: dict[str, tuple[Callable[..., Any], tuple[int, ...]]] = {
    "argmax": (lambda x: ops.argmax(images(x), axis=-1), FOUR),
    "argmin": (lambda x: ops.argmin(images(x), axis=1), FOUR),
    "argsort": (lambda x: ops.argsort(images(x), axis=-1), FOUR),
    "all": (lambda x: ops.all(images(x) > -3, axis=(1, 2)), FOUR),
    "any": (lambda x: ops.any(images(x) > 1, axis=-1), FOUR),
    "count": (lambda x: ops.count_nonzero(images(x) > 0, axis=1), FOUR),
    "moments": (lambda x: ops.moments(images(x), [1, 2]), FOUR),
    "top_k": (lambda x: ops.top_k(x, 2), (5,)),
    "normalize": (lambda x: ops.normalize(images(x), axis=-1), FOUR),
    "norm": (lambda x: ops.norm(x, axis=-1), (4, 5)),
    "norm 1": (lambda x: ops.norm(x, ord=1, axis=-1), (4, 5)),
    "reshape": (lambda x: ops.reshape(images(x), (-1, 4 * 3 * 4)), (5, 4, 3)),
    "ravel": (ops.ravel, (4, 5)),
    "to channels first": (lambda x: ops.transpose(images(x), (0, 3, 1, 2)), FOUR),
    "to channels last": (lambda x: images(ops.transpose(x, (0, 2, 3, 1))), FOUR),
    "transpose": (lambda x: ops.transpose(images(x), (0, 2, 1, 3)), FOUR),
    "transpose all": (ops.transpose, (5, 4, 3)),
    "swapaxes": (lambda x: ops.swapaxes(x, 1, -1), FOUR),
    "moveaxis": (lambda x: ops.moveaxis(x, 1, -1), FOUR),
    "expand_dims": (lambda x: ops.expand_dims(images(x), (1, -1)), FOUR),
    "squeeze": (lambda x: ops.squeeze(images(x), 1), (2, 4, 3)),
    "concatenate": (lambda x: ops.concatenate([images(x), images(x)], -1), FOUR),
    "stack": (lambda x: ops.stack([images(x), images(x)], 1), FOUR),
    "split": (lambda x: ops.split(images(x), 2, -1), FOUR),
    "split at": (lambda x: ops.split(x, [1, 3], 1), (5, 4)),
    "unstack": (lambda x: ops.unstack(x, axis=1), (3, 4)),
    "slice": (lambda x: images(x)[:, 1:, ::2, :2], FOUR),
    "slice of channels": (lambda x: images(x)[..., :2], FOUR),
    "index": (lambda x: images(x)[..., 0], FOUR),
    "new axis": (lambda x: x[:, None, -1], (5, 4)),
    "backwards": (lambda x: images(x)[:, ::-1], FOUR),
    "take list": (lambda x: ops.take(x, [0, 2], axis=1), (5, 4)),
    "take": (lambda x: ops.take(x, 1, axis=-1), (5, 4)),
    "tile": (lambda x: ops.tile(x, (1, 2, 3)), (5, 4)),
    "repeat": (lambda x: ops.repeat(images(x), 2, axis=-1), FOUR),
    "flip": (lambda x: ops.flip(images(x), axis=(1, -1)), FOUR),
    "roll": (lambda x: ops.roll(images(x), 1, axis=1), FOUR),
    "broadcast": (lambda x: ops.broadcast_to(x, (3, 5, 4)), (1, 4)),
    "pad": (
        lambda x: ops.pad(
            images(x), [[0, 0], [1, 2], [0, 1], [1, 0]], constant_values=2.0
        ),
        FOUR,
    ),
    "reflect": (
        lambda x: ops.pad(x, [[0, 0], [1, 2], [0, 1], [0, 0]], mode="reflect"),
        FOUR,
    ),
    "matmul": (lambda x: ops.matmul(x, ops.transpose(x, (0, 2, 1))), (5, 4)),
    "einsum": (lambda x: ops.einsum("bij,bkj->bik", x, x), (5, 4)),
    "tensordot": (lambda x: ops.tensordot(x, np.ones((4, 3)), 1), (5, 4)),
    "dot": (lambda x: ops.dot(x, np.ones((4, 3))), (5, 4)),
    "conv": (
        lambda x: ops.conv(x, np.ones((3, 3, 3, 4)), strides=2, padding="same"),
        (6, 7, 3),
    ),
    "depthwise": (lambda x: ops.depthwise_conv(x, np.ones((3, 3, 3, 2))), (6, 7, 3)),
    "max_pool": (lambda x: ops.max_pool(x, 2, 2, "same"), (5, 7, 3)),
    "average_pool": (lambda x: ops.average_pool(x, 3, 2, "same"), (5, 8, 3)),
    "batch norm": (
        lambda x: ops.batch_normalization(
            x, np.ones(3), np.full(3, 2.0), -1, offset=np.ones(3), scale=np.ones(3)
        ),
        FOUR,
    ),
    "layer norm": (lambda x: ops.layer_normalization(x, np.full(3, 2.0)), (5, 3)),
    "rms norm": (lambda x: ops.rms_normalization(x, np.full(3, 2.0)), (5, 3)),
    "depth_to_space": (lambda x: ops.depth_to_space(x, 2), (3, 4, 8)),
    "space_to_depth": (lambda x: ops.space_to_depth(x, 2), (4, 6, 3)),
    "attention": (lambda x: ops.dot_product_attention(x, x, x), (4, 2, 3)),
    "resize": (lambda x: ops.image.resize(x, (8, 9)), FOUR),
    "maximum": (lambda x: ops.maximum(images(x), 0.125), FOUR),
    "minimum": (lambda x: ops.minimum(images(x), images(x)), FOUR),
    "clip": (lambda x: ops.clip(x, -0.125, 0.25), (4,)),
    "where": (lambda x: ops.where(x > 0, x, 0.0), (4,)),
    "round": (lambda x: ops.round(x, 1), (4,)),
    "gelu": (lambda x: ops.gelu(x, approximate=False), (7,)),
    "tanh gelu": (ops.gelu, (7,)),
    "threshold": (lambda x: ops.threshold(x, 0.125, 0.5), (7,)),
    "hard_shrink": (ops.hard_shrink, (7,)),
    "soft_shrink": (ops.soft_shrink, (7,)),
    "elu": (lambda x: ops.elu(x, 0.5), (7,)),
    "celu": (ops.celu, (7,)),
    "squareplus": (ops.squareplus, (7,)),
    "leaky_relu": (ops.leaky_relu, (7,)),
    "nan_to_num": (ops.nan_to_num, (7,)),
    "likes": (
        lambda x: x * ops.ones_like(x) + ops.zeros_like(x) + ops.full_like(x, 2.0),
        (7,),
    ),
    "bias": (lambda x: images(x) + np.array([1.0, 2.0, 3.0, 4.0]), FOUR),
    "arithmetic": (lambda x: 1.0 / (2.5 - x**2) + (-x) // 0.5, (4,)),
}


@pytest.mark.parametrize("name", CASES)
def test_each_case_agrees(name: str, rng: np.random.Generator) -> None:
    build, shape = CASES[name]
    inputs = keras.Input(shape)
    assert of_outputs([inputs], build(inputs), rng=rng).error < CONSTANT


def test_integers_as_indices_agree(rng: np.random.Generator) -> None:
    x, at = keras.Input((5, 4)), keras.Input((2,), dtype="int32")
    row = keras.Input((5,))
    for given, outputs in (
        ([x, at], ops.take(x, at, axis=1)),
        ([row, at], ops.take_along_axis(row, at, axis=1)),
        ([at], ops.one_hot(at, 2, axis=1)),
        ([at], ops.cast(at, "float64") * 2.0),
    ):
        model = keras.Model(given, outputs)
        randomise(model, rng)
        values = [
            rng.integers(0, 3, size=(3, *i.shape[1:])).astype("int32")
            if i.dtype == "int32"
            else rng.normal(size=(3, *i.shape[1:]))
            for i in given
        ]
        assert compare(model, values).error < EXACT


def test_what_the_module_has_anyway_is_not_permuted(rng: np.random.Generator) -> None:
    inputs = keras.Input((5, 4, 3))
    outputs = ops.transpose(images(inputs), (0, 3, 1, 2))
    compared = of_outputs([inputs], outputs, rng=rng)
    assert compared.lines == ["{0}.permute(0, 3, 1, 2)", "{module}({0})"]


@pytest.mark.parametrize(
    "build,words",
    [
        (lambda x: ops.pad(x, [[0, 0], [1, 1]], mode="symmetric"), "symmetric"),
        (lambda x: x[:, 3:1:-1], "negative step"),
        (lambda x: ops.median(x, axis=1), "median"),
    ],
    ids=["pad", "slice", "median"],
)
def test_what_is_not_known_is_refused(build: Callable[[Any], Any], words: str) -> None:
    inputs = keras.Input((5,))
    with pytest.raises(PortError, match=words):
        lower(graph_of(keras.Model(inputs, build(inputs))))
