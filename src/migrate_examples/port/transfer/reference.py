"""What Keras layers compute, in numpy and float64, to hold PyTorch modules against.

Written from the formulas of the Keras documentation, not from the layouts: the test
of this file runs each against the Keras layer itself.
"""

from collections.abc import Callable, Mapping
from typing import Any, TypeAlias

import numpy as np

from migrate_examples.port.archive import Array
from migrate_examples.port.layouts.variables import Variables

Reference: TypeAlias = Callable[[Variables, list[Array]], Array]


def dense(layer: Variables, inputs: list[Array]) -> Array:
    """``x @ kernel + bias`` on the last axis."""
    order = layer.order(("kernel", ""), ("bias", "use_bias"))
    out: Array = inputs[0] @ layer.need("kernel", order)[1]
    return out + _bias(layer, order)


def _bias(layer: Variables, order: tuple[str, ...]) -> Array:
    found = layer.take("bias", order)
    zero: Array = np.zeros(())
    return zero if found is None else found[1]


def convolution(layer: Variables, inputs: list[Array]) -> Array:
    """Convolution of one window as large as the kernel: (n, *window, c) -> (n, out).

    Groups follow from the channels of the input and of the kernel.
    """
    order = layer.order(("kernel", ""), ("bias", "use_bias"))
    (x,), kernel = inputs, layer.need("kernel", order)[1]
    inner = kernel.shape[-2]
    groups = x.shape[-1] // inner
    flat = x.reshape(len(x), -1, groups, inner)
    weight = kernel.reshape(-1, inner, groups, kernel.shape[-1] // groups)
    summed: Array = np.einsum("nsgi,sigo->ngo", flat, weight)
    return summed.reshape(len(x), -1) + _bias(layer, order)


def transposed(layer: Variables, inputs: list[Array]) -> Array:
    """Transposed convolution of one place: (n, c) -> (n, *window, out)."""
    order = layer.order(("kernel", ""), ("bias", "use_bias"))
    kernel = layer.need("kernel", order)[1]
    spread: Array = np.einsum("ni,...oi->n...o", inputs[0], kernel)
    return spread + _bias(layer, order)


def depthwise(layer: Variables, inputs: list[Array]) -> Array:
    """Depthwise convolution of one window: (n, *window, c) -> (n, c * multiplier)."""
    order = layer.order(("kernel", ""), ("bias", "use_bias"))
    word = "depthwise_kernel" if layer.name("depthwise_kernel") else "kernel"
    kernel = layer.need(word, order)[1]
    return _each_channel(inputs[0], kernel) + _bias(layer, order)


def _each_channel(x: Array, kernel: Array) -> Array:
    space = tuple(range(1, kernel.ndim - 1))
    summed: Array = (x[..., None] * kernel).sum(axis=space)
    return summed.reshape(len(x), -1)


def separable(layer: Variables, inputs: list[Array]) -> Array:
    """Depthwise, then pointwise, on one window."""
    order = layer.order(
        ("depthwise_kernel", ""), ("pointwise_kernel", ""), ("bias", "use_bias")
    )
    first = layer.need("depthwise_kernel", order)[1]
    second = layer.need("pointwise_kernel", order)[1]
    hidden = _each_channel(inputs[0], first)
    return hidden @ second.reshape(second.shape[-2:]) + _bias(layer, order)


def batch_normalization(layer: Variables, inputs: list[Array]) -> Array:
    """Inference, on the last axis; ``epsilon`` of the config."""
    order = layer.order(
        ("gamma", "scale"),
        ("beta", "center"),
        ("moving_mean", ""),
        ("moving_variance", ""),
    )
    mean = layer.need("moving_mean", order)[1]
    variance = layer.need("moving_variance", order)[1]
    x = (inputs[0] - mean) / np.sqrt(variance + layer.config["epsilon"])
    return _affine(layer, order, x)


def _affine(layer: Variables, order: tuple[str, ...], x: Array) -> Array:
    gamma, beta = layer.take("gamma", order), layer.take("beta", order)
    x = x if gamma is None else x * gamma[1]
    return x if beta is None else x + beta[1]


def layer_normalization(layer: Variables, inputs: list[Array]) -> Array:
    """Over as many last axes as the vectors have."""
    order = layer.order(("gamma", "scale"), ("beta", "center"))
    shape = next(iter(layer.arrays.values())).shape
    axes = tuple(range(-len(shape), 0))
    x = inputs[0] - inputs[0].mean(axis=axes, keepdims=True)
    deviation = np.sqrt((x**2).mean(axis=axes, keepdims=True) + layer.config["epsilon"])
    return _affine(layer, order, x / deviation)


def group_normalization(layer: Variables, inputs: list[Array]) -> Array:
    """Over groups of channels of (n, c)."""
    order = layer.order(("gamma", "scale"), ("beta", "center"))
    x = inputs[0].reshape(len(inputs[0]), layer.config["groups"], -1)
    x = x - x.mean(axis=-1, keepdims=True)
    deviation = np.sqrt((x**2).mean(axis=-1, keepdims=True) + layer.config["epsilon"])
    return _affine(layer, order, (x / deviation).reshape(inputs[0].shape))


def rms_normalization(layer: Variables, inputs: list[Array]) -> Array:
    """``x / sqrt(mean(x**2) + epsilon) * scale`` on the last axis."""
    mean = (inputs[0] ** 2).mean(axis=-1, keepdims=True)
    scaled: Array = inputs[0] / np.sqrt(mean + layer.config["epsilon"])
    return scaled * layer.need("scale", ("scale",))[1]


def embedding(layer: Variables, inputs: list[Array]) -> Array:
    """Rows of the table."""
    return layer.need("embeddings", ("embeddings",))[1][inputs[0]]


def prelu(layer: Variables, inputs: list[Array]) -> Array:
    """``x`` where positive, ``alpha * x`` where not."""
    alpha = layer.need("alpha", ("alpha",))[1]
    return np.where(inputs[0] > 0, inputs[0], alpha * inputs[0])


def normalization(layer: Variables, inputs: list[Array]) -> Array:
    """``(x - mean) / sqrt(variance)``."""
    order = ("mean", "variance")
    mean, variance = (layer.need(word, order)[1] for word in order)
    return (inputs[0] - mean) / np.sqrt(variance)


def attention(layer: Variables, inputs: list[Array]) -> Array:
    """Attention of heads: query (n, t, c), value (n, s, c), key as value or third."""
    query, value = inputs[:2]
    key = inputs[2] if len(inputs) > 2 else value
    q, k, v = (
        _projected(layer, word, x)
        for word, x in (("query", query), ("key", key), ("value", value))
    )
    share = q.shape[2] // k.shape[2]
    k, v = np.repeat(k, share, axis=2), np.repeat(v, share, axis=2)
    scores = np.einsum("nthd,nshd->nhts", q, k) / np.sqrt(q.shape[-1])
    scores = np.exp(scores - scores.max(axis=-1, keepdims=True))
    scores /= scores.sum(axis=-1, keepdims=True)
    joined = np.einsum("nhts,nshd->nthd", scores, v)
    return _projected(layer, "attention_output", joined)


def _projected(layer: Variables, word: str, x: Array) -> Array:
    parts = ("query", "key", "value", "attention_output")
    words = [
        (f"{part}/{name}", flag)
        for part in parts
        for name, flag in (("kernel", ""), ("bias", "use_bias"))
    ]
    order = layer.order(*words)
    kernel = layer.need(f"{word}/kernel", order)[1]
    axes = kernel.ndim - 1 if word == "attention_output" else 1
    out: Array = np.tensordot(x, kernel, axes=axes)
    bias = layer.take(f"{word}/bias", order)
    return out if bias is None else out + bias[1]


def sigmoid(x: Array) -> Array:
    """Logistic function."""
    return 1 / (1 + np.exp(-x))


def simple_rnn(layer: Variables, inputs: list[Array]) -> Array:
    """All states of ``h = tanh(x @ kernel + h @ recurrent_kernel + bias)``."""
    kernel, recurrent, bias = _kernels(layer)
    h = np.zeros((len(inputs[0]), len(recurrent)))
    states = []
    for x in np.swapaxes(inputs[0], 0, 1):
        h = np.tanh(x @ kernel + h @ recurrent + bias)
        states.append(h)
    return np.stack(states, axis=1)


def lstm(layer: Variables, inputs: list[Array]) -> Array:
    """All states of an LSTM, gates i, f, c, o."""
    kernel, recurrent, bias = _kernels(layer)
    h = c = np.zeros((len(inputs[0]), len(recurrent)))
    states = []
    for x in np.swapaxes(inputs[0], 0, 1):
        i, f, g, o = np.split(x @ kernel + h @ recurrent + bias, 4, axis=-1)
        c = sigmoid(f) * c + sigmoid(i) * np.tanh(g)
        h = sigmoid(o) * np.tanh(c)
        states.append(h)
    return np.stack(states, axis=1)


def gru(layer: Variables, inputs: list[Array]) -> Array:
    """All states of a GRU, gates z, r, h; two rows of bias where it resets after."""
    kernel, recurrent, bias = _kernels(layer)
    after = bias.ndim == 2 or (bias.ndim == 0 and layer.config.get("reset_after", True))
    first, second = bias if bias.ndim == 2 else (bias, np.zeros(()))
    units = len(recurrent)
    h = np.zeros((len(inputs[0]), units))
    states = []
    for x in np.swapaxes(inputs[0], 0, 1):
        xz, xr, xh = np.split(x @ kernel + first, 3, axis=-1)
        hz, hr, hh = np.split(h @ recurrent + second, 3, axis=-1)
        z, r = sigmoid(xz + hz), sigmoid(xr + hr)
        inside = r * hh if after else (r * h) @ recurrent[:, 2 * units :]
        h = z * h + (1 - z) * np.tanh(xh + inside)
        states.append(h)
    return np.stack(states, axis=1)


def _kernels(layer: Variables) -> tuple[Array, Array, Array]:
    order = layer.order(("kernel", ""), ("recurrent_kernel", ""), ("bias", "use_bias"))
    kernel = layer.need("kernel", order)[1]
    return kernel, layer.need("recurrent_kernel", order)[1], _bias(layer, order)


RECURRENT: Mapping[str, Reference] = {"SimpleRNN": simple_rnn, "LSTM": lstm, "GRU": gru}


def bidirectional(layer: Variables, inputs: list[Array]) -> Array:
    """Both directions of a layer, joined at each step."""
    names = list(layer.arrays)
    half = len(names) // 2
    ways = [[n for n in names if n.startswith(w)] for w in ("forward", "backward")]
    ways = ways if all(ways) else [names[:half], names[half:]]
    inner: Mapping[str, Any] = layer.config["layer"]
    run = RECURRENT[inner["class_name"]]
    there, back = (
        run(layer.part(inner["class_name"], inner.get("config") or {}, keys), [x])
        for keys, x in zip(ways, (inputs[0], inputs[0][:, ::-1]), strict=True)
    )
    return np.concatenate([there, back[:, ::-1]], axis=-1)


def wrapped_cells(layer: Variables, inputs: list[Array]) -> Array:
    """An RNN around a cell, or around cells on top of each other."""
    outer = layer.config["cell"]
    stacked = outer["class_name"] == "StackedRNNCells"
    cells = outer["config"]["cells"] if stacked else [outer]
    names = list(layer.arrays)
    each = len(names) // len(cells)
    x = inputs[0]
    for n, cell in enumerate(cells):
        kind = cell["class_name"].removesuffix("Cell")
        keys = names[n * each : (n + 1) * each]
        x = RECURRENT[kind](layer.part(kind, cell.get("config") or {}, keys), [x])
    return x


def einsum_dense(layer: Variables, inputs: list[Array]) -> Array:
    """The equation of the config, and a bias that broadcasts."""
    order = layer.order(("kernel", ""), ("bias", "bias_axes"))
    kernel = layer.need("kernel", order)[1]
    out: Array = np.einsum(layer.config["equation"], inputs[0], kernel)
    return out + _bias(layer, order)


REFERENCES: Mapping[str, Reference] = {
    "Dense": dense,
    "Conv1D": convolution,
    "Conv2D": convolution,
    "Conv3D": convolution,
    "Conv1DTranspose": transposed,
    "Conv2DTranspose": transposed,
    "Conv3DTranspose": transposed,
    "DepthwiseConv1D": depthwise,
    "DepthwiseConv2D": depthwise,
    "SeparableConv1D": separable,
    "SeparableConv2D": separable,
    "BatchNormalization": batch_normalization,
    "LayerNormalization": layer_normalization,
    "GroupNormalization": group_normalization,
    "RMSNormalization": rms_normalization,
    "Embedding": embedding,
    "PReLU": prelu,
    "Normalization": normalization,
    "MultiHeadAttention": attention,
    "GroupQueryAttention": attention,
    "GroupedQueryAttention": attention,
    **RECURRENT,
    **{f"{kind}Cell": run for kind, run in RECURRENT.items()},
    "RNN": wrapped_cells,
    "Bidirectional": bidirectional,
    "EinsumDense": einsum_dense,
}
"""By class of the Keras layer."""
