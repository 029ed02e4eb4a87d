"""Keras models, and networks written by hand that compute the same."""

from collections.abc import Callable
from typing import Any, NamedTuple

import keras
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812  # the field's name

Array = NDArray[Any]
L = keras.layers
EPSILON = 2.0**-10
"""A binary fraction: Keras rounds constants to float32 even in float64."""


class Net(NamedTuple):
    """A pair, an input of the Keras model, and arguments of ``transfer``."""

    keras: Callable[[], Any]
    torch: Callable[[], nn.Module]
    shape: tuple[int, ...]
    options: dict[str, Any]
    tokens: int = 0


def model(*layers: Any, shape: tuple[int, ...]) -> Any:
    return keras.Sequential([keras.Input(shape), *layers])


class Pictures(nn.Module):
    """Takes channels last, as Keras does, and gives what ``body`` gives."""

    def __init__(self, *body: nn.Module) -> None:
        super().__init__()
        self.body = nn.Sequential(*body)

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.body(x.movedim(-1, 1))
        return out.movedim(1, -1) if out.ndim > 2 else out


class Named(nn.Module):
    """A small picture net with names of its own, defined in another order."""

    def __init__(self) -> None:
        super().__init__()
        self.classifier = nn.Linear(4 * 4 * 6, 3)
        self.stem = nn.Conv2d(3, 5, 3)
        self.stem_norm = nn.BatchNorm2d(5, eps=EPSILON)
        self.second = nn.Conv2d(5, 6, 3)

    def forward(self, x: Tensor) -> Tensor:
        x = torch.relu(self.stem_norm(self.stem(x.movedim(-1, 1))))
        out: Tensor = self.classifier(torch.relu(self.second(x)).flatten(1))
        return out


class Residual(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Conv2d(4, 4, 3, padding=1)
        self.second = nn.Conv2d(4, 4, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        x = x.movedim(-1, 1)
        return (x + self.second(torch.relu(self.first(x)))).movedim(1, -1)


def residual() -> Any:
    x = keras.Input((6, 7, 4))
    y = L.Conv2D(4, 3, padding="same", activation="relu", name="first")(x)
    y = L.Conv2D(4, 3, padding="same", name="second")(y)
    return keras.Model(x, L.Add()([x, y]))


class Words(nn.Module):
    def __init__(
        self, *, kind: type[nn.RNN] | type[nn.LSTM] | type[nn.GRU], ways: int = 1
    ) -> None:
        super().__init__()
        self.table = nn.Embedding(9, 4)
        self.rnn = kind(4, 4, batch_first=True, bidirectional=ways == 2)
        self.out = nn.Linear(4 * ways, 2)

    def forward(self, x: Tensor) -> Tensor:
        y = self.rnn(self.table(x))[0]
        out: Tensor = self.out(y)
        return out


def words(layer: Any) -> Any:
    return model(L.Embedding(9, 4), layer, L.Dense(2), shape=(5,))


class Attention(nn.Module):
    """Self-attention of one's own."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.key = nn.Linear(width, width)  # another order than Keras's
        self.query = nn.Linear(width, width)
        self.value = nn.Linear(width, width)
        self.out = nn.Linear(width, width)

    def forward(self, x: Tensor) -> Tensor:
        q, k, v = (
            part(x).unflatten(-1, (self.heads, -1)).transpose(1, 2)
            for part in (self.query, self.key, self.value)
        )
        y = F.scaled_dot_product_attention(q, k, v).transpose(1, 2).flatten(2)
        out: Tensor = self.out(y)
        return out


class Packed(nn.Module):
    """Self-attention with one matrix of query, key and value."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.qkv = nn.Linear(width, 3 * width)
        self.proj = nn.Linear(width, width)

    def forward(self, x: Tensor) -> Tensor:
        q, k, v = (
            part.unflatten(-1, (self.heads, -1)).transpose(1, 2)
            for part in self.qkv(x).chunk(3, -1)
        )
        y = F.scaled_dot_product_attention(q, k, v).transpose(1, 2).flatten(2)
        out: Tensor = self.proj(y)
        return out


class Stock(nn.Module):
    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.attention = nn.MultiheadAttention(width, heads, batch_first=True)

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.attention(x, x, x, need_weights=False)[0]
        return out


class Block(nn.Module):
    """A Transformer's encoder block around some attention."""

    def __init__(self, attention: nn.Module) -> None:
        super().__init__()
        self.norm1 = nn.LayerNorm(8, eps=EPSILON)
        self.attend = attention
        self.norm2 = nn.LayerNorm(8, eps=EPSILON)
        self.mlp = nn.Sequential(nn.Linear(8, 12), nn.ReLU(), nn.Linear(12, 8))

    def forward(self, x: Tensor) -> Tensor:
        x = x + self.attend(self.norm1(x))
        out: Tensor = x + self.mlp(self.norm2(x))
        return out


def encoder() -> Any:
    x = keras.Input((5, 8))
    y = L.LayerNormalization(epsilon=EPSILON)(x)
    x1 = L.Add()([x, L.MultiHeadAttention(2, 4)(y, y)])
    y = L.LayerNormalization(epsilon=EPSILON)(x1)
    y = L.Dense(8)(L.Dense(12, activation="relu")(y))
    return keras.Model(x, L.Add()([x1, y]))


class Generator(nn.Module):
    """A Dense, reshaped to a picture, and convolved back."""

    def __init__(self) -> None:
        super().__init__()
        self.fc = nn.Linear(5, 3 * 3 * 6, bias=False)
        self.norm = nn.BatchNorm1d(3 * 3 * 6, eps=EPSILON)
        self.up = nn.ConvTranspose2d(6, 2, 3, stride=2)

    def forward(self, x: Tensor) -> Tensor:
        y = torch.relu(self.norm(self.fc(x))).unflatten(1, (6, 3, 3))
        out: Tensor = self.up(y)
        return out.movedim(1, -1)


class Handwritten(nn.Module):
    """An LSTM of one's own, with the gates in an order of its own: o, i, f, g."""

    def __init__(self) -> None:
        super().__init__()
        self.w = nn.Parameter(torch.zeros(16, 3))
        self.u = nn.Parameter(torch.zeros(16, 4))
        self.b = nn.Parameter(torch.zeros(16))

    def forward(self, x: Tensor) -> Tensor:
        h = c = x.new_zeros(len(x), 4)
        for step in x.unbind(1):
            o, i, f, g = (step @ self.w.T + h @ self.u.T + self.b).chunk(4, 1)
            c = f.sigmoid() * c + i.sigmoid() * g.tanh()
            h = o.sigmoid() * c.tanh()
        return h


def output_first(a: Array) -> Array:
    """Kernel (…, i f c o) as rows o, i, f, c."""
    i, f, c, o = np.split(a.T, 4)
    return np.concatenate([o, i, f, c])


class Tied(nn.Module):
    """A table that looks up and scores."""

    def __init__(self) -> None:
        super().__init__()
        self.table = nn.Embedding(9, 4)
        self.score = nn.Linear(4, 9, bias=False)
        self.score.weight = self.table.weight

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.score(self.table(x))
        return out


def tied() -> Any:
    x = keras.Input((5,), dtype="int32")
    table = L.ReversibleEmbedding(9, 4)
    return keras.Model(x, table(table(x), reverse=True))


def nested() -> Any:
    encoder = keras.Sequential(
        [
            keras.Input((8, 8, 3)),
            L.Conv2D(4, 3, name="conv1"),
            L.Conv2D(4, 3, name="conv2"),
        ],
        name="encoder",
    )
    x = keras.Input((8, 8, 3))
    return keras.Model(x, L.Dense(4, name="head")(encoder(x)))


class Nested(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.backbone = nn.ModuleDict(
            {"conv2": nn.Conv2d(4, 4, 3), "conv1": nn.Conv2d(3, 4, 3)}
        )
        self.top = nn.Linear(4, 4)

    def forward(self, x: Tensor) -> Tensor:
        x = self.backbone["conv2"](self.backbone["conv1"](x.movedim(-1, 1)))
        out: Tensor = self.top(x.movedim(1, -1))
        return out


class Separable(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.depth = nn.Conv2d(3, 6, 3, groups=3, bias=False)
        self.point = nn.Conv2d(6, 5, 1)
        self.each = nn.Conv2d(5, 10, 3, groups=5)
        self.slope = nn.PReLU(10)

    def forward(self, x: Tensor) -> Tensor:
        x = self.point(self.depth(x.movedim(-1, 1)))
        out: Tensor = self.slope(self.each(x))
        return out.movedim(1, -1)


def picture_net() -> Any:
    return model(
        L.Conv2D(5, 3),
        L.BatchNormalization(epsilon=EPSILON),
        L.ReLU(),
        L.Conv2D(6, 3, activation="relu"),
        L.Flatten(),
        L.Dropout(0.3),
        L.Dense(3),
        shape=(8, 8, 3),
    )


NETS = {
    "two Dense": Net(
        lambda: model(L.Dense(4, activation="relu"), L.Dense(4), shape=(4,)),
        lambda: nn.Sequential(nn.Linear(4, 4), nn.ReLU(), nn.Linear(4, 4)),
        (4,),
        {},
    ),
    "pictures with own names": Net(picture_net, Named, (8, 8, 3), {}),
    "convolutions of volumes": Net(
        lambda: model(L.Conv3D(4, 2), L.Conv3D(4, 2, groups=2), shape=(5, 4, 6, 4)),
        lambda: Pictures(nn.Conv3d(4, 4, 2), nn.Conv3d(4, 4, 2, groups=2)),
        (5, 4, 6, 4),
        {},
    ),
    "steps, flattened": Net(
        lambda: model(
            L.Conv1D(4, 3),
            L.Flatten(),
            L.BatchNormalization(epsilon=EPSILON),
            L.Dense(3),
            shape=(8, 2),
        ),
        lambda: Pictures(
            nn.Conv1d(2, 4, 3),
            nn.Flatten(),
            nn.BatchNorm1d(24, eps=EPSILON),
            nn.Linear(24, 3),
        ),
        (8, 2),
        {},
    ),
    "separable, depthwise, PReLU": Net(
        lambda: model(
            L.SeparableConv2D(5, 3, depth_multiplier=2),
            L.DepthwiseConv2D(3, depth_multiplier=2),
            L.PReLU(shared_axes=[1, 2]),
            shape=(7, 8, 3),
        ),
        Separable,
        (7, 8, 3),
        {},
    ),
    "groups": Net(
        lambda: model(
            L.Conv2D(6, 3), L.GroupNormalization(3, epsilon=EPSILON), shape=(7, 8, 3)
        ),
        lambda: Pictures(nn.Conv2d(3, 6, 3), nn.GroupNorm(3, 6, eps=EPSILON)),
        (7, 8, 3),
        {},
    ),
    "residual, by equal names": Net(residual, Residual, (6, 7, 4), {}),
    "generator": Net(
        lambda: model(
            L.Dense(54, use_bias=False),
            L.BatchNormalization(epsilon=EPSILON),
            L.ReLU(),
            L.Reshape((3, 3, 6)),
            L.Conv2DTranspose(2, 3, strides=2),
            shape=(5,),
        ),
        Generator,
        (5,),
        {},
    ),
    "LSTM": Net(
        lambda: words(L.LSTM(4, return_sequences=True)),
        lambda: Words(kind=nn.LSTM),
        (5,),
        {},
        tokens=9,
    ),
    "GRU": Net(
        lambda: words(L.GRU(4, return_sequences=True)),
        lambda: Words(kind=nn.GRU),
        (5,),
        {},
        tokens=9,
    ),
    "SimpleRNN": Net(
        lambda: words(L.SimpleRNN(4, return_sequences=True)),
        lambda: Words(kind=nn.RNN),
        (5,),
        {},
        tokens=9,
    ),
    "Bidirectional": Net(
        lambda: words(L.Bidirectional(L.GRU(4, return_sequences=True))),
        lambda: Words(kind=nn.GRU, ways=2),
        (5,),
        {},
        tokens=9,
    ),
    "Transformer, own attention": Net(
        encoder, lambda: Block(Attention(8, 2)), (5, 8), {}
    ),
    "Transformer, packed": Net(encoder, lambda: Block(Packed(8, 2)), (5, 8), {}),
    "Transformer, stock": Net(encoder, lambda: Block(Stock(8, 2)), (5, 8), {}),
    "nested, by pattern": Net(
        nested, Nested, (8, 8, 3), {"mapping": {"encoder/conv*": "backbone.conv*"}}
    ),
    "own LSTM, by variables": Net(
        lambda: model(L.LSTM(4, name="rnn"), shape=(5, 3)),
        Handwritten,
        (5, 3),
        {
            "mapping": {
                "rnn/lstm_cell/kernel": ("w", output_first),
                "rnn/lstm_cell/recurrent_kernel": ("u", output_first),
                "rnn/lstm_cell/bias": ("b", output_first),
            }
        },
    ),
    "tied table": Net(tied, Tied, (5,), {}, tokens=9),
    "TimeDistributed": Net(
        lambda: model(L.TimeDistributed(L.Dense(4)), shape=(5, 4)),
        lambda: nn.Sequential(nn.Linear(4, 4)),
        (5, 4),
        {},
    ),
}
"""By what they show."""


def randomised(net: Net, seed: int) -> tuple[Any, Array]:
    """A Keras model with random weights, and an input of it."""
    rng = np.random.default_rng(seed)
    built = net.keras()
    for v in built.weights:
        values = rng.normal(size=v.shape) * 0.5
        v.assign(np.abs(values) + 0.5 if "variance" in v.path else values)
    shape = (3, *net.shape)
    if net.tokens:
        return built, rng.integers(0, net.tokens, size=shape)
    return built, rng.normal(size=shape)
