"""Measures how far the frameworks are apart, by operation, size, depth and dtype.

``python -m migrate_examples.port.parity.measure`` prints the tables that the
policy of tolerances rests on; a test keeps every measurement below it.
"""

import sys
from collections.abc import Callable, Iterator
from functools import cache
from typing import Any, NamedTuple

import keras
import numpy as np
import torch
import torch.nn.functional as F  # noqa: N812  as the field calls it
from torch import Tensor

from migrate_examples.port.archive import Array
from migrate_examples.port.parity.axes import channels_first, channels_last, distance
from migrate_examples.port.parity.tolerances import tolerance

DTYPES = ("float32", "float64")
Layers = keras.layers


class Measurement(NamedTuple):
    """One operation of one size in one dtype; errors relative to the largest value.

    Attributes
    ----------
    operation, name : str
        Key of the policy; the layers that were run.
    size, depth : int
        Numbers summed for one output; layers one behind the other.
    dtype : str
        Of both sides.
    measured, policy : float
        What was found, the largest of the draws; what is allowed.
    """

    operation: str
    name: str
    size: int
    depth: int
    dtype: str
    measured: float
    policy: float


class Convention(NamedTuple):
    """One convention not followed, beside the rounding of the same operation.

    Attributes
    ----------
    name : str
        What the port does wrongly.
    wrong : float
        Error in float64.
    policy : float
        What is allowed there.
    """

    name: str
    wrong: float
    policy: float

    @property
    def factor(self) -> float:
        """How far the mistake stands above what is allowed."""
        return self.wrong / self.policy


class Case(NamedTuple):
    """An operation on both sides: a layer of Keras and a function of its weights."""

    operation: str
    name: str
    size: int
    layer: Callable[[str], Any]
    shape: tuple[int, ...]
    port: Callable[[Tensor, list[Tensor]], Tensor]
    depth: int = 1


def stack(count: int) -> Callable[[str], Any]:
    """Dense layers with tanh, one behind the other."""
    return lambda d: keras.Sequential(
        [Layers.Dense(64, activation="tanh", dtype=d) for _ in range(count)]
    )


def stacked(x: Tensor, w: list[Tensor]) -> Tensor:
    """The same in PyTorch."""
    for kernel, bias in zip(w[::2], w[1::2], strict=True):
        x = torch.tanh(x @ kernel + bias)
    return x


def lstm(x: Tensor, w: list[Tensor]) -> Tensor:
    """An LSTM with Keras's weights."""
    made = torch.nn.LSTM(x.shape[-1], len(w[1]), batch_first=True, dtype=x.dtype)
    weights = [w[0].T, w[1].T, w[2], torch.zeros_like(w[2])]
    return recurrent(made, weights, x)


def gru(x: Tensor, w: list[Tensor], order: tuple[int, ...] = (1, 0, 2)) -> Tensor:
    """A GRU with Keras's weights, the gates in PyTorch's order by default."""
    made = torch.nn.GRU(x.shape[-1], len(w[1]), batch_first=True, dtype=x.dtype)
    weights = [w[0].T, w[1].T, w[2][0], w[2][1]]
    return recurrent(
        made, [torch.cat([t.chunk(3)[g] for g in order]) for t in weights], x
    )


def recurrent(made: torch.nn.RNNBase, weights: list[Tensor], x: Tensor) -> Tensor:
    """Last step of a recurrent layer with these weights."""
    with torch.no_grad():
        for parameter, value in zip(made.parameters(), weights, strict=True):
            parameter.copy_(value)
        last: Tensor = made(x)[0][:, -1]
        return last


def heads(x: Tensor, w: list[Tensor]) -> Tensor:
    """Attention of several heads with Keras's weights; 1 / sqrt(4) is exact."""
    q, k, v = (
        torch.einsum("bte,ehd->bhtd", x, w[i]) + w[i + 1][:, None] for i in (0, 2, 4)
    )
    y = F.scaled_dot_product_attention(q, k, v)
    return torch.einsum("bhtd,hde->bte", y, w[6]) + w[7]


def convolved(x: Tensor, w: list[Tensor]) -> Tensor:
    """A convolution with stride 2, padded as 'same' pads an even size."""
    return F.conv2d(F.pad(x, (0, 1, 0, 1)), w[0].permute(3, 2, 0, 1), w[1], 2)


def normalised(x: Tensor, w: list[Tensor], eps: float = 1e-3) -> Tensor:
    """Batch normalisation in evaluation mode."""
    return F.batch_norm(x, w[2], w[3], w[0], w[1], training=False, eps=eps)


def products() -> Iterator[Case]:
    """Products of matrices, of several sizes and depths."""
    for size in (16, 256, 1024):
        yield Case(
            "matmul",
            f"Dense {size}",
            size,
            lambda d: Layers.Dense(32, dtype=d),
            (8, size),
            lambda x, w: x @ w[0] + w[1],
        )
    for depth in (4, 16, 50):
        yield Case(
            "matmul", f"{depth} Dense", 64, stack(depth), (8, 64), stacked, depth
        )


def convolutions() -> Iterator[Case]:
    """Convolutions of every kind."""
    for channels in (3, 32):
        yield Case(
            "convolution",
            f"Conv2D 3x3, {channels} channels",
            9 * channels,
            lambda d: Layers.Conv2D(8, 3, strides=2, padding="same", dtype=d),
            (2, 12, 12, channels),
            convolved,
        )
    yield Case(
        "convolution",
        "DepthwiseConv2D",
        9,
        lambda d: Layers.DepthwiseConv2D(3, dtype=d),
        (2, 9, 11, 8),
        lambda x, w: F.conv2d(x, w[0].permute(2, 3, 0, 1), w[1], groups=8),
    )
    yield Case(
        "convolution",
        "Conv2DTranspose",
        36,
        lambda d: Layers.Conv2DTranspose(4, 3, strides=2, dtype=d),
        (2, 5, 7, 16),
        lambda x, w: F.conv_transpose2d(x, w[0].permute(3, 2, 0, 1), w[1], 2),
    )


def channelwise() -> Iterator[Case]:
    """Normalisations and poolings."""
    yield Case(
        "normalization",
        "BatchNormalization",
        1,
        lambda d: Layers.BatchNormalization(dtype=d),
        (4, 5, 7, 8),
        normalised,
    )
    yield Case(
        "normalization",
        "LayerNormalization",
        64,
        lambda d: Layers.LayerNormalization(dtype=d),
        (4, 64),
        lambda x, w: F.layer_norm(x, (64,), w[0], w[1], 1e-3),
    )
    yield Case(
        "pooling",
        "AveragePooling2D",
        9,
        lambda d: Layers.AveragePooling2D(3, 1, padding="same", dtype=d),
        (2, 9, 11, 4),
        lambda x, _: F.avg_pool2d(x, 3, 1, 1, count_include_pad=False),
    )
    yield Case(
        "copy",
        "MaxPooling2D",
        1,
        lambda d: Layers.MaxPooling2D(3, dtype=d),
        (2, 9, 12, 4),
        lambda x, _: F.max_pool2d(x, 3),
    )


def sequences() -> Iterator[Case]:
    """Recurrent layers and attention."""
    yield Case(
        "recurrent",
        "LSTM 20 steps",
        20 * 24,
        lambda d: Layers.LSTM(16, dtype=d),
        (4, 20, 8),
        lstm,
    )
    yield Case(
        "recurrent",
        "GRU 20 steps",
        20 * 24,
        lambda d: Layers.GRU(16, dtype=d),
        (4, 20, 8),
        gru,
    )
    yield Case(
        "attention",
        "MultiHeadAttention",
        16,
        lambda d: Self(2, 4, dtype=d),
        (3, 10, 16),
        heads,
    )


def elements() -> Iterator[Case]:
    """Functions of single numbers, and softmax."""
    for name, function in (
        ("tanh", torch.tanh),
        ("sigmoid", torch.sigmoid),
        ("elu", F.elu),
    ):
        yield Case(
            "elementwise",
            name,
            1,
            lambda d, name=name: Layers.Activation(name, dtype=d),  # type: ignore[misc]
            (8, 64),
            lambda x, _, function=function: function(x),  # type: ignore[misc]
        )
    yield Case(
        "softmax",
        "softmax",
        64,
        lambda d: Layers.Softmax(dtype=d),
        (8, 64),
        lambda x, _: x.softmax(-1),
    )


def cases() -> Iterator[Case]:
    """All operations, several sizes of those that sum."""
    for group in (products, convolutions, channelwise, sequences, elements):
        yield from group()


class Self(keras.layers.MultiHeadAttention):  # type: ignore[misc]
    """Attention of a sequence to itself."""

    def call(self, x: Any) -> Any:
        """Attend."""
        return super().call(x, x)

    def build(self, shape: Any) -> None:
        """Build for one sequence."""
        super().build(shape, shape)


def run_case(case: Case, dtype: str, seed: int) -> tuple[Array, Tensor, list[Tensor]]:
    """Output of Keras, and input and weights for the port."""
    rng = np.random.default_rng(seed)
    x = rng.normal(size=case.shape).astype(dtype)
    layer = case.layer(dtype)
    layer(keras.ops.convert_to_tensor(x))
    for variable in layer.weights:
        fan = max(int(np.prod(variable.shape[:-1])), 1)
        value = rng.normal(size=variable.shape) / np.sqrt(fan)
        variable.assign(np.abs(value) + 0.1 if "variance" in variable.path else value)
    ours = keras.ops.convert_to_numpy(layer(keras.ops.convert_to_tensor(x)))
    weights = [torch.from_numpy(w.copy()) for w in layer.get_weights()]
    image = channels_first(x) if x.ndim == 4 else x
    return ours, torch.from_numpy(np.ascontiguousarray(image)), weights


def apart(case: Case, dtype: str, port: Callable[..., Tensor], seed: int = 0) -> float:
    """Error of a port of the case."""
    ours, x, weights = run_case(case, dtype, seed)
    with torch.no_grad():
        theirs = port(x, weights).numpy()
    return distance(ours, channels_last(theirs) if theirs.ndim == 4 else theirs)


@cache
def measurements() -> tuple[Measurement, ...]:
    """Measure every operation in every dtype: the rows of the table."""
    rows = []
    for case in cases():
        for dtype in DTYPES:
            worst = max(apart(case, dtype, case.port, seed) for seed in range(3))
            allowed = tolerance(
                dtype, operation=case.operation, size=case.size, depth=case.depth
            ).relative
            rows.append(
                Measurement(
                    case.operation,
                    case.name,
                    case.size,
                    case.depth,
                    dtype,
                    worst,
                    allowed,
                )
            )
    return tuple(rows)


WRONG: dict[str, tuple[str, Callable[[Tensor, list[Tensor]], Tensor]]] = {
    "padding=1 for 'same' with stride 2": (
        "Conv2D 3x3, 3 channels",
        lambda x, w: F.conv2d(x, w[0].permute(3, 2, 0, 1), w[1], 2, padding=1),
    ),
    "epsilon 1e-5 of batch normalisation": (
        "BatchNormalization",
        lambda x, w: normalised(x, w, 1e-5),
    ),
    "epsilon 1.001e-3 of batch normalisation": (
        "BatchNormalization",
        lambda x, w: normalised(x, w, 1.001e-3),
    ),
    "epsilon 1e-5 of layer normalisation": (
        "LayerNormalization",
        lambda x, w: F.layer_norm(x, (64,), w[0], w[1], 1e-5),
    ),
    "padding counted by the average": (
        "AveragePooling2D",
        lambda x, _: F.avg_pool2d(x, 3, 1, 1),
    ),
    "gates of the GRU in Keras's order": (
        "GRU 20 steps",
        lambda x, w: gru(x, w, (0, 1, 2)),
    ),
    "bias of the LSTM twice": (
        "LSTM 20 steps",
        lambda x, w: lstm(x, [w[0], w[1], 2 * w[2]]),
    ),
    "tanh approximated to four digits": (
        "tanh",
        lambda x, _: (torch.tanh(x) * 1e4).round() / 1e4,
    ),
    "softmax over the batch": ("softmax", lambda x, _: x.softmax(0)),
}
"""Mistakes by what the port does, each in the place of one case's right port."""


@cache
def conventions() -> tuple[Convention, ...]:
    """Measure every mistake in float64."""
    known = {case.name: case for case in cases()}
    found = []
    for name, (place, port) in WRONG.items():
        case = known[place]
        allowed = tolerance(
            "float64", operation=case.operation, size=case.size
        ).relative
        found.append(Convention(name, apart(case, "float64", port), allowed))
    return tuple(found)


def main() -> None:
    """Print both tables."""
    out = sys.stdout.write
    for row in measurements():
        out(
            f"{row.operation:<14} {row.name:<28} {row.size:>5} {row.dtype:<8} "
            f"{row.measured:9.1e} {row.policy:9.1e} {row.measured / row.policy:6.2f}\n"
        )
    for mistake in conventions():
        out(f"{mistake.name:<44} {mistake.wrong:9.1e} {mistake.factor:9.1e} times\n")


if __name__ == "__main__":
    main()
