"""Each layout, by running Keras and the PyTorch twin on the same random input."""

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any, NamedTuple

import keras
import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812  # the field's name

from migrate_examples.port.layouts import LAYOUTS, to_torch

Array = NDArray[Any]
L = keras.layers
EPSILON = 2.0**-10
"""A binary fraction: Keras rounds constants to float32 even in float64."""
ROUNDING = 1e-12
"""Both sides in float64; a wrong layout is wrong by 0.1 and more."""


class Case(NamedTuple):
    """A layer, its twin, and how the twin is run on channels first."""

    layer: Callable[[], Any]
    shapes: tuple[tuple[int, ...], ...]
    twin: Callable[[], nn.Module]
    options: Mapping[str, Any] = MappingProxyType({})
    run: Callable[[nn.Module, list[Tensor]], Tensor] = lambda net, x: net(*x)


def first(x: Tensor) -> Tensor:
    return x.movedim(-1, 1)


def last(x: Tensor) -> Tensor:
    return x.movedim(1, -1)


def image(net: nn.Module, x: list[Tensor]) -> Tensor:
    return last(net(first(x[0])))


def sequence(net: nn.Module, x: list[Tensor]) -> Tensor:
    out: Tensor = net(x[0])[0]
    return out


class Chain(nn.Module):
    def __init__(self, **parts: nn.Module) -> None:
        super().__init__()
        for name, part in parts.items():
            self.add_module(name, part)

    def forward(self, x: Tensor) -> Tensor:
        for part in self.children():
            x = part(x)
        return x


class Attend(nn.Module):
    """Attention of four linear layers."""

    def __init__(
        self, heads: int, groups: int, dim: int, width: int, other: int, out: int
    ) -> None:
        super().__init__()
        self.heads, self.groups = heads, groups
        self.q_proj = nn.Linear(width, heads * dim)
        self.k_proj = nn.Linear(other, groups * dim)
        self.v_proj = nn.Linear(other, groups * dim)
        self.out_proj = nn.Linear(heads * dim, out)

    def forward(self, query: Tensor, value: Tensor) -> Tensor:
        q = self.q_proj(query).unflatten(-1, (self.heads, -1)).transpose(1, 2)
        k = self.k_proj(value).unflatten(-1, (self.groups, -1)).transpose(1, 2)
        v = self.v_proj(value).unflatten(-1, (self.groups, -1)).transpose(1, 2)
        share = self.heads // self.groups
        k, v = k.repeat_interleave(share, 1), v.repeat_interleave(share, 1)
        out = F.scaled_dot_product_attention(q, k, v)
        projected: Tensor = self.out_proj(out.transpose(1, 2).flatten(2))
        return projected


class ResetBefore(nn.Module):
    """The GRU that nn.GRU is not."""

    def __init__(self, width: int, units: int) -> None:
        super().__init__()
        self.weight_ih_l0 = nn.Parameter(torch.zeros(3 * units, width))
        self.weight_hh_l0 = nn.Parameter(torch.zeros(3 * units, units))
        self.bias_ih_l0 = nn.Parameter(torch.zeros(3 * units))

    def forward(self, x: Tensor) -> Tensor:
        h = x.new_zeros(len(x), self.weight_hh_l0.shape[1])
        hr, hz, hn = self.weight_hh_l0.chunk(3)
        for step in x.unbind(1):
            r, z, n = F.linear(step, self.weight_ih_l0, self.bias_ih_l0).chunk(3, 1)
            r, z = torch.sigmoid(r + h @ hr.T), torch.sigmoid(z + h @ hz.T)
            h = z * h + (1 - z) * torch.tanh(n + (r * h) @ hn.T)
        return h


class Slopes(nn.Module):
    """A PReLU with a slope for each place."""

    def __init__(self, *shape: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(shape))

    def forward(self, x: Tensor) -> Tensor:
        return torch.where(x > 0, x, self.weight * x)


class Standardise(nn.Module):
    mean: Tensor
    variance: Tensor

    def __init__(self, width: int) -> None:
        super().__init__()
        self.register_buffer("mean", torch.zeros(width))
        self.register_buffer("variance", torch.ones(width))

    def forward(self, x: Tensor) -> Tensor:
        return (x - self.mean) / self.variance.sqrt()


class Joined(nn.Module):
    """An EinsumDense of several new or summed axes, as one matrix."""

    def __init__(self, summed: tuple[int, ...], new: tuple[int, ...]) -> None:
        super().__init__()
        self.summed, self.new = len(summed), new
        self.weight = nn.Parameter(torch.zeros(int(np.prod(new)), int(np.prod(summed))))
        self.bias = nn.Parameter(torch.zeros(int(np.prod(new))))

    def forward(self, x: Tensor) -> Tensor:
        x = x.flatten(-self.summed) if self.summed > 1 else x
        return F.linear(x, self.weight, self.bias).unflatten(-1, self.new)


def packed(net: nn.Module, x: list[Tensor]) -> Tensor:
    out: Tensor = net(x[0], x[1], x[1], need_weights=False)[0]
    return out


SEQ = {"return_sequences": True}
IMAGE = ((2, 7, 8, 6),)
STEPS = ((3, 9, 6),)
VOLUME = ((2, 5, 4, 6, 4),)
WORDS = ((3, 5, 4),)


def both_ways(kind: str) -> Case:
    twin = getattr(nn, kind.removeprefix("Simple"))
    return Case(
        lambda: L.Bidirectional(getattr(L, kind)(4, **SEQ)),
        WORDS,
        lambda: twin(4, 4, batch_first=True, bidirectional=True),
        run=sequence,
    )


CASES = {
    "Dense": Case(lambda: L.Dense(5), ((3, 4),), lambda: nn.Linear(4, 5)),
    "Dense without bias": Case(
        lambda: L.Dense(4, use_bias=False),
        ((3, 7, 4),),
        lambda: nn.Linear(4, 4, bias=False),
    ),
    "Dense after Flatten": Case(
        lambda: keras.Sequential([L.Flatten(), L.Dense(5)]),
        ((3, 4, 2, 6),),
        lambda: nn.Linear(48, 5),
        {"flattened": (4, 2, 6)},
        lambda net, x: net(first(x[0]).flatten(1)),
    ),
    "Dense after Flatten of a volume": Case(
        lambda: keras.Sequential([L.Flatten(), L.Dense(5)]),
        ((3, 2, 3, 4, 5),),
        lambda: nn.Linear(120, 5),
        {"flattened": (2, 3, 4, 5)},
        lambda net, x: net(first(x[0]).flatten(1)),
    ),
    "Dense before Reshape": Case(
        lambda: keras.Sequential([L.Dense(48), L.Reshape((4, 2, 6))]),
        ((3, 5),),
        lambda: nn.Linear(5, 48),
        {"unflattened": (4, 2, 6)},
        lambda net, x: last(net(x[0]).unflatten(1, (6, 4, 2))),
    ),
    "BatchNormalization after Flatten": Case(
        lambda: keras.Sequential([L.Flatten(), L.BatchNormalization(epsilon=EPSILON)]),
        ((3, 4, 2, 6),),
        lambda: nn.BatchNorm1d(48, eps=EPSILON).eval(),
        {"flattened": (4, 2, 6)},
        lambda net, x: last(
            net(first(x[0]).flatten(1)).unflatten(1, (6, 4, 2))
        ).flatten(1),
    ),
    "PReLU after Flatten": Case(
        lambda: keras.Sequential([L.Flatten(), L.PReLU()]),
        ((3, 4, 2, 6),),
        lambda: nn.PReLU(48),
        {"flattened": (4, 2, 6)},
        lambda net, x: last(
            net(first(x[0]).flatten(1)).unflatten(1, (6, 4, 2))
        ).flatten(1),
    ),
    "Conv1D": Case(
        lambda: L.Conv1D(5, 3, dilation_rate=2),
        STEPS,
        lambda: nn.Conv1d(6, 5, 3, dilation=2),
        run=image,
    ),
    "Conv2D": Case(
        lambda: L.Conv2D(5, 3), IMAGE, lambda: nn.Conv2d(6, 5, 3), run=image
    ),
    "Conv2D grouped": Case(
        lambda: L.Conv2D(9, (3, 2), groups=3, strides=2, use_bias=False),
        IMAGE,
        lambda: nn.Conv2d(6, 9, (3, 2), groups=3, stride=2, bias=False),
        run=image,
    ),
    "Conv3D": Case(
        lambda: L.Conv3D(5, (2, 3, 2)),
        VOLUME,
        lambda: nn.Conv3d(4, 5, (2, 3, 2)),
        run=image,
    ),
    "DepthwiseConv1D": Case(
        lambda: L.DepthwiseConv1D(3, depth_multiplier=2),
        STEPS,
        lambda: nn.Conv1d(6, 12, 3, groups=6),
        run=image,
    ),
    "DepthwiseConv2D": Case(
        lambda: L.DepthwiseConv2D(3, depth_multiplier=2),
        IMAGE,
        lambda: nn.Conv2d(6, 12, 3, groups=6),
        run=image,
    ),
    "SeparableConv1D": Case(
        lambda: L.SeparableConv1D(5, 3, depth_multiplier=2),
        STEPS,
        lambda: Chain(
            depthwise=nn.Conv1d(6, 12, 3, groups=6, bias=False),
            pointwise=nn.Conv1d(12, 5, 1),
        ),
        run=image,
    ),
    "SeparableConv2D": Case(
        lambda: L.SeparableConv2D(5, 3, depth_multiplier=2),
        IMAGE,
        lambda: Chain(
            depthwise=nn.Conv2d(6, 12, 3, groups=6, bias=False),
            pointwise=nn.Conv2d(12, 5, 1),
        ),
        run=image,
    ),
    "Conv1DTranspose": Case(
        lambda: L.Conv1DTranspose(5, 3, strides=2),
        STEPS,
        lambda: nn.ConvTranspose1d(6, 5, 3, stride=2),
        run=image,
    ),
    "Conv2DTranspose": Case(
        lambda: L.Conv2DTranspose(6, 3, strides=2),
        IMAGE,
        lambda: nn.ConvTranspose2d(6, 6, 3, stride=2),
        run=image,
    ),
    "Conv3DTranspose": Case(
        lambda: L.Conv3DTranspose(5, 3, strides=2),
        VOLUME,
        lambda: nn.ConvTranspose3d(4, 5, 3, stride=2),
        run=image,
    ),
    "BatchNormalization": Case(
        lambda: L.BatchNormalization(epsilon=EPSILON),
        IMAGE,
        lambda: nn.BatchNorm2d(6, eps=EPSILON).eval(),
        run=image,
    ),
    "BatchNormalization without scale": Case(
        lambda: L.BatchNormalization(epsilon=EPSILON, scale=False),
        IMAGE,
        lambda: nn.BatchNorm2d(6, eps=EPSILON).eval(),
        run=image,
    ),
    "BatchNormalization without either": Case(
        lambda: L.BatchNormalization(epsilon=EPSILON, scale=False, center=False),
        ((3, 6),),
        lambda: nn.BatchNorm1d(6, eps=EPSILON).eval(),
    ),
    "LayerNormalization": Case(
        lambda: L.LayerNormalization(epsilon=EPSILON),
        WORDS,
        lambda: nn.LayerNorm(4, eps=EPSILON),
    ),
    "LayerNormalization of two axes": Case(
        lambda: L.LayerNormalization(axis=[1, 2], epsilon=EPSILON),
        WORDS,
        lambda: nn.LayerNorm((5, 4), eps=EPSILON),
    ),
    "LayerNormalization without centre": Case(
        lambda: L.LayerNormalization(epsilon=EPSILON, center=False),
        WORDS,
        lambda: nn.LayerNorm(4, eps=EPSILON),
    ),
    "GroupNormalization": Case(
        lambda: L.GroupNormalization(3, epsilon=EPSILON),
        IMAGE,
        lambda: nn.GroupNorm(3, 6, eps=EPSILON),
        run=image,
    ),
    "RMSNormalization": Case(
        lambda: L.RMSNormalization(epsilon=EPSILON),
        WORDS,
        lambda: nn.RMSNorm(4, eps=EPSILON),
    ),
    "PReLU shared": Case(
        lambda: L.PReLU(shared_axes=[1, 2]), IMAGE, lambda: nn.PReLU(6), run=image
    ),
    "PReLU": Case(L.PReLU, IMAGE, lambda: Slopes(6, 7, 8), run=image),
    "PReLU shared along one axis": Case(
        lambda: L.PReLU(shared_axes=[1]), IMAGE, lambda: Slopes(6, 1, 8), run=image
    ),
    "Normalization": Case(L.Normalization, ((3, 4),), lambda: Standardise(4)),
    "Normalization given": Case(
        lambda: L.Normalization(mean=[0.5, -2.0], variance=[4.0, 0.25]),
        ((3, 2),),
        lambda: Standardise(2),
    ),
    "SimpleRNN": Case(
        lambda: L.SimpleRNN(4, **SEQ),
        WORDS,
        lambda: nn.RNN(4, 4, batch_first=True),
        run=sequence,
    ),
    "LSTM": Case(
        lambda: L.LSTM(4, **SEQ),
        WORDS,
        lambda: nn.LSTM(4, 4, batch_first=True),
        run=sequence,
    ),
    "LSTM without bias": Case(
        lambda: L.LSTM(4, use_bias=False, **SEQ),
        WORDS,
        lambda: nn.LSTM(4, 4, bias=False, batch_first=True),
        run=sequence,
    ),
    "GRU": Case(
        lambda: L.GRU(4, **SEQ),
        WORDS,
        lambda: nn.GRU(4, 4, batch_first=True),
        run=sequence,
    ),
    "GRU that resets before": Case(
        lambda: L.GRU(4, reset_after=False),
        WORDS,
        lambda: ResetBefore(4, 4),
        {"by_hand": True},
    ),
    "RNN of a cell": Case(
        lambda: L.RNN(L.GRUCell(4), **SEQ),
        WORDS,
        lambda: nn.GRU(4, 4, batch_first=True),
        run=sequence,
    ),
    "RNN of two cells": Case(
        lambda: L.RNN([L.LSTMCell(4), L.LSTMCell(4)], **SEQ),
        WORDS,
        lambda: nn.LSTM(4, 4, 2, batch_first=True),
        run=sequence,
    ),
    **{
        f"Bidirectional {kind}": both_ways(kind)
        for kind in ("SimpleRNN", "LSTM", "GRU")
    },
    "MultiHeadAttention": Case(
        lambda: L.MultiHeadAttention(2, 4, output_shape=7),
        ((3, 5, 6), (3, 4, 9)),
        lambda: Attend(2, 2, 4, 6, 9, 7),
    ),
    "MultiHeadAttention packed": Case(
        lambda: L.MultiHeadAttention(2, 4),
        ((3, 5, 8), (3, 4, 8)),
        lambda: nn.MultiheadAttention(8, 2, batch_first=True),
        {"multihead": True},
        packed,
    ),
    "MultiHeadAttention packed, another width": Case(
        lambda: L.MultiHeadAttention(2, 4),
        ((3, 5, 8), (3, 4, 6)),
        lambda: nn.MultiheadAttention(8, 2, kdim=6, vdim=6, batch_first=True),
        {"multihead": True},
        packed,
    ),
    "GroupQueryAttention": Case(
        lambda: L.GroupQueryAttention(4, 4, 2),
        ((3, 5, 6), (3, 7, 6)),
        lambda: Attend(4, 2, 4, 6, 6, 6),
    ),
    "EinsumDense": Case(
        lambda: L.EinsumDense("abc,cd->abd", (None, 5), bias_axes="d"),
        WORDS,
        lambda: nn.Linear(4, 5),
    ),
    "EinsumDense of new axes": Case(
        lambda: L.EinsumDense("abc,cde->abde", (None, 3, 2), bias_axes="de"),
        WORDS,
        lambda: Joined((4,), (3, 2)),
    ),
    "EinsumDense of summed axes": Case(
        lambda: L.EinsumDense("abcd,dec->abe", (None, 5), bias_axes="e"),
        ((3, 2, 4, 6),),
        lambda: Joined((4, 6), (5,)),
    ),
    "EinsumDense with a bias of one axis": Case(
        lambda: L.EinsumDense("abc,cde->abde", (None, 3, 2), bias_axes="e"),
        WORDS,
        lambda: Joined((4,), (3, 2)),
    ),
    "TimeDistributed": Case(
        lambda: L.TimeDistributed(L.Dense(5)), WORDS, lambda: nn.Linear(4, 5)
    ),
    "SpectralNormalization": Case(
        lambda: L.SpectralNormalization(L.Conv2D(5, 3)),
        IMAGE,
        lambda: nn.Conv2d(6, 5, 3),
        run=image,
    ),
}


@pytest.fixture(autouse=True)
def double() -> Any:
    keras.backend.set_floatx("float64")
    keras.config.set_dtype_policy("float64")  # kept from the first layer on
    torch.set_default_dtype(torch.float64)
    yield
    keras.backend.set_floatx("float32")
    keras.config.set_dtype_policy("float32")
    torch.set_default_dtype(torch.float32)


def randomise(layer: Any, rng: np.random.Generator) -> None:
    """Give all weights values of size 1; variances are positive."""
    for v in layer.weights:
        values = rng.normal(size=v.shape)
        v.assign(np.abs(values) + 0.1 if "variance" in v.path else values)
    if isinstance(layer, L.Normalization):
        layer.finalize_state()  # it divides by what it kept, not by its variables


def arrays_of(layer: Any) -> dict[str, Array]:
    """Variables by name inside the layer; a prefix of one layer's own is cut."""
    prefix = f"{layer.name}/"
    return {
        v.path.removeprefix(prefix): np.asarray(keras.ops.convert_to_numpy(v))
        for v in layer.weights
    }


def load(net: nn.Module, filled: Any) -> None:
    state = {f.target: torch.from_numpy(np.array(f.array)) for f in filled}
    missing, extra = net.load_state_dict(state, strict=False)
    assert not extra
    assert not [name for name in missing if name != "num_batches_tracked"]


def run_both(case: Case, rng: np.random.Generator) -> tuple[Array, Array]:
    layer = case.layer()
    x = [rng.normal(size=shape) for shape in case.shapes]
    layer(*x)
    randomise(layer, rng)
    wanted = np.asarray(keras.ops.convert_to_numpy(layer(*x)))
    inside = layer
    if isinstance(layer, keras.Sequential):
        (inside,) = [part for part in layer.layers if part.weights]
    arrays = arrays_of(inside)
    filled = to_torch(
        type(inside).__name__, inside.get_config(), arrays, **case.options
    )
    numbered = {str(n): a for n, a in enumerate(arrays.values())}
    again = to_torch(
        type(inside).__name__, inside.get_config(), numbered, **case.options
    )
    for named, by_order in zip(filled, again, strict=True):
        assert np.array_equal(named.array, by_order.array), named.target
    net = case.twin()
    load(net, filled)
    with torch.no_grad():
        got = case.run(net, [torch.from_numpy(a) for a in x])
    return wanted, got.numpy()


@pytest.mark.parametrize("name", CASES)
def test_to_torch_computes_the_same(name: str) -> None:
    wanted, got = run_both(CASES[name], np.random.default_rng(7))
    np.testing.assert_allclose(got, wanted, rtol=ROUNDING, atol=ROUNDING)
    assert np.ptp(wanted) > 0.1


@pytest.mark.parametrize("kind", ["SimpleRNN", "LSTM", "GRU"])
def test_to_torch_lays_out_a_cell(kind: str) -> None:
    rng = np.random.default_rng(3)
    x, h, c = (rng.normal(size=(3, n)) for n in (5, 4, 4))
    states = [h, c] if kind == "LSTM" else [h]
    layer = getattr(L, f"{kind}Cell")(4)
    layer(x, states)
    randomise(layer, rng)
    wanted = keras.ops.convert_to_numpy(layer(x, states)[0])
    net = getattr(nn, f"{kind.removeprefix('Simple')}Cell")(5, 4)
    load(net, to_torch(f"{kind}Cell", layer.get_config(), arrays_of(layer)))
    given = tuple(torch.from_numpy(s) for s in states)
    got = net(torch.from_numpy(x), given if kind == "LSTM" else given[0])
    got = got[0] if kind == "LSTM" else got
    np.testing.assert_allclose(got.detach(), wanted, rtol=ROUNDING, atol=ROUNDING)


def test_to_torch_lays_out_embeddings() -> None:
    rng = np.random.default_rng(5)
    tokens = rng.integers(0, 11, size=(2, 5))
    x = rng.normal(size=(2, 3))
    layer = L.ReversibleEmbedding(11, 3, tie_weights=False)
    layer(tokens)
    randomise(layer, rng)
    net = nn.Module()
    net.weight = nn.Parameter(torch.zeros(11, 3))
    net.reverse = nn.Linear(3, 11, bias=False)
    filled = to_torch("ReversibleEmbedding", layer.get_config(), arrays_of(layer))
    load(net, filled)
    np.testing.assert_array_equal(layer(tokens), net.weight.detach()[tokens])
    with torch.no_grad():
        np.testing.assert_allclose(
            layer(x, reverse=True),
            net.reverse(torch.from_numpy(x)),
            rtol=ROUNDING,
            atol=ROUNDING,
        )
    table = arrays_of(layer)["embeddings"]
    assert np.array_equal(to_torch("Embedding", None, {"0": table})[0].array, table)


def test_to_torch_keeps_the_scale_of_scores() -> None:
    scale = np.array([0.5, 2.0])
    (filled,) = to_torch("AdditiveAttention", None, {"scale": scale})
    assert filled.target == "scale"
    assert np.array_equal(filled.array, scale)
    assert to_torch("UnitNormalization", {}, {}) == ()


def test_every_layout_is_compared() -> None:
    compared = {name.split()[0] for name in CASES}
    apart = {
        "Embedding",
        "ReversibleEmbedding",
        "Attention",
        "AdditiveAttention",
        "UnitNormalization",
        "SimpleRNNCell",
        "LSTMCell",
        "GRUCell",
        "GroupedQueryAttention",  # another name of GroupQueryAttention
    }
    assert set(LAYOUTS) == compared | apart
