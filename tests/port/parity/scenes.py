"""Small models in Keras and right ports of them, with room for one planted fault."""

from collections.abc import Callable
from typing import Any

import keras
import numpy as np
import torch
import torch.nn.functional as F  # noqa: N812  as the field calls it
from numpy.typing import NDArray
from torch import Tensor, nn

Layers = keras.layers
Array = NDArray[Any]


def draw(*shape: int, seed: int = 0) -> Array:
    """Inputs or weights, the same in every run."""
    return np.random.default_rng(seed).normal(size=shape).astype("float32")


def filled(model: Any) -> Any:
    """Weights that differ in every number, variances positive."""
    rng = np.random.default_rng(3)
    for variable in model.weights:
        value = rng.normal(size=variable.shape) * 0.4 + 0.1
        positive = "variance" in variable.path or "gamma" in variable.path
        variable.assign(np.abs(value) + 0.05 if positive else value)
    return model


def of(model: Any, layer: str) -> dict[str, Tensor]:
    """Weights of a layer as tensors, by their last name."""
    return {
        v.path.split(f"{layer}/", 1)[-1]: torch.from_numpy(
            keras.ops.convert_to_numpy(v).copy()
        )
        for v in model.get_layer(layer).weights
    }


def conv(model: Any, layer: str, **arguments: Any) -> nn.Conv2d:
    """A convolution of torch with the weights of one of Keras."""
    w = of(model, layer)
    kernel = w["kernel"]
    made = nn.Conv2d(kernel.shape[2], kernel.shape[3], kernel.shape[0], **arguments)
    with torch.no_grad():
        made.weight.copy_(kernel.permute(3, 2, 0, 1))
        if made.bias is not None:
            made.bias.copy_(w["bias"])
    return made


def dense(model: Any, layer: str) -> nn.Linear:
    """A linear layer with the weights of a dense one."""
    w = of(model, layer)
    made = nn.Linear(*w["kernel"].shape)
    with torch.no_grad():
        made.weight.copy_(w["kernel"].T)
        made.bias.copy_(w["bias"])
    return made


def batch_norm(model: Any, layer: str, eps: float = 1e-3) -> nn.BatchNorm2d:
    """Batch normalisation with weights and statistics of Keras."""
    w = of(model, layer)
    made = nn.BatchNorm2d(len(w["gamma"]), eps=eps, momentum=0.01)
    names = {"gamma": "weight", "beta": "bias", "moving_mean": "running_mean"}
    with torch.no_grad():
        for name, target in {**names, "moving_variance": "running_var"}.items():
            getattr(made, target).copy_(w[name])
    return made


class Port(nn.Module):
    """A module whose forward is a function of it."""

    def __init__(self, run: Callable[..., Any], **parts: nn.Module) -> None:
        super().__init__()
        self.run = run
        for name, part in parts.items():
            self.add_module(name, part)

    def forward(self, *inputs: Tensor) -> Any:
        return self.run(self, *inputs)


def cnn() -> tuple[Any, Any]:
    """Convolutions, normalisation, pooling, a square kernel, a softmax."""
    x = inputs = keras.Input((8, 12, 3), name="image")
    x = Layers.Conv2D(3, 3, strides=2, padding="same", activation="relu", name="conv1")(
        x
    )
    x = Layers.BatchNormalization(name="bn")(x)
    x = Layers.Conv2D(3, 3, padding="same", name="conv2")(x)
    x = Layers.ReLU(name="relu2")(x)
    x = Layers.MaxPooling2D(3, 2, padding="same", name="pool")(x)
    x = Layers.Dropout(0.5, name="dropout")(x)
    x = Layers.Flatten(name="flatten")(x)
    x = Layers.Dense(18, activation="tanh", name="square")(x)
    x = Layers.Dense(4, activation="softmax", name="head")(x)
    return filled(keras.Model(inputs, x, name="cnn")), draw(2, 8, 12, 3)


def port_cnn(m: Any, fault: str = "") -> nn.Module:
    """The port of ``cnn``."""

    def run(s: Any, x: Tensor) -> Tensor:
        if fault == "bgr":
            x = x[:, [2, 1, 0]]
        if fault == "scaled":
            x = x / 255
        pad = {"symmetric": (1, 1, 1, 1), "front": (1, 0, 1, 0)}.get(
            fault, (0, 1, 0, 1)
        )
        x = s.conv1(F.pad(x, pad))
        x = x if fault == "no relu" else F.elu(x) if fault == "elu" else F.relu(x)
        x = s.conv2(s.bn(x)) if fault != "bn left out" else s.conv2(x)
        x = F.relu(x)
        if fault == "pool zero":
            x = F.max_pool2d(F.pad(x - 3, (0, 1, 0, 1)), 3, 2) + 3
        elif fault == "pool half":
            x = F.max_pool2d(x, 3, 2, 1)
        else:
            x = F.max_pool2d(F.pad(x, (0, 1, 0, 1), value=-torch.inf), 3, 2)
        x = (
            F.dropout(x, 0.5, training=True)
            if fault == "functional dropout"
            else s.drop(x)
        )
        x = x.flatten(1) if fault == "flatten" else x.permute(0, 2, 3, 1).flatten(1)
        x = s.square(x.half().to(x.dtype) if fault == "half" else x).tanh()
        if fault == "relu extra":
            x = x.relu()
        x = s.head(x)
        x = x if fault == "no softmax" else x.softmax(0 if fault == "axis" else -1)
        return x.softmax(-1) if fault == "softmax twice" else x

    eps = 1e-5 if fault == "eps" else 1e-3
    port = Port(
        run,
        conv1=conv(m, "conv1", stride=2),
        bn=batch_norm(m, "bn", eps),
        conv2=conv(m, "conv2", padding=1, bias=fault != "no bias"),
        drop=nn.Dropout(),
        square=dense(m, "square"),
        head=dense(m, "head"),
    )
    plant(port, fault)
    return port.train(fault == "training")


def plant(p: Any, fault: str) -> None:
    """Change weights of the port."""
    with torch.no_grad():
        if fault == "flipped":
            p.conv2.weight.copy_(p.conv2.weight.flip(2, 3))
        if fault == "axes":
            p.conv2.weight.copy_(p.conv2.weight.permute(2, 3, 1, 0).clone())
        if fault == "transposed":
            p.square.weight.copy_(p.square.weight.T.clone())
        if fault == "swapped":
            one = p.conv1.weight.clone()
            p.conv1.weight.copy_(p.conv2.weight)
            p.conv2.weight.copy_(one)
        if fault == "stale":
            p.conv2.weight.copy_(torch.from_numpy(draw(*p.conv2.weight.shape, seed=9)))
        if fault == "float16":
            p.conv1.weight.copy_(p.conv1.weight.half().float())
        if fault == "exchanged":
            one = p.bn.weight.clone()
            p.bn.weight.copy_(p.bn.running_var)
            p.bn.running_var.copy_(one)


def block() -> tuple[Any, Any]:
    """Preprocessing inside, a residual block with a stride, two branches joined."""
    x = inputs = keras.Input((8, 8, 4), name="image")
    x = Layers.Rescaling(1 / 128, offset=-1.0, name="rescaling")(x)
    y = Layers.Conv2D(4, 1, strides=2, name="reduce")(x)
    y = Layers.ReLU(name="relu1")(y)
    y = Layers.Conv2D(4, 3, padding="same", name="conv3")(y)
    x = Layers.Conv2D(4, 1, strides=2, name="shortcut")(x)
    x = Layers.Add(name="add")([y, x])
    x = Layers.ReLU(name="relu2")(x)
    a = Layers.Conv2D(4, 1, name="a")(x)
    b = Layers.Conv2D(4, 1, name="b")(x)
    x = Layers.Concatenate(name="join")([a, b])
    x = Layers.ZeroPadding2D(((0, 1), (0, 1)), name="padding")(x)
    x = Layers.Conv2D(2, 3, strides=2, activation="softmax", name="head")(x)
    return filled(keras.Model(inputs, x, name="block")), draw(2, 8, 8, 4) * 90 + 120


def port_block(m: Any, fault: str = "") -> nn.Module:
    """The port of ``block``."""

    def run(s: Any, x: Tensor) -> Tensor:
        if fault == "255":
            x = x / 255
        elif fault != "raw":
            x = x / 128 - 1
        y = s.conv3(F.relu(s.reduce(x)))
        x = s.shortcut(x)
        if fault == "order":
            x = F.relu(y) + x
        elif fault == "skipped":
            x = F.relu(y)
        elif fault == "product":
            x = F.relu(y * x)
        else:
            x = F.relu(y + x)
        parts = [s.a(x), s.b(x)]
        if fault == "cat order":
            parts.reverse()
        pad = (1, 1, 1, 1) if fault == "padded evenly" else (0, 1, 0, 1)
        x = s.head(F.pad(torch.cat(parts, 1), pad))
        return x.softmax(-1 if fault == "softmax axis" else 1)

    v15 = fault == "v1.5"
    return Port(
        run,
        reduce=conv(m, "reduce", stride=1 if v15 else 2),
        conv3=conv(m, "conv3", padding=1, stride=2 if v15 else 1),
        shortcut=conv(m, "shortcut", stride=2),
        a=conv(m, "a"),
        b=conv(m, "b"),
        head=conv(m, "head", stride=2),
    ).eval()


def decoder() -> tuple[Any, Any]:
    """Upwards: reshape, transposed and depthwise convolution, resizing, averages."""
    x = inputs = keras.Input((6,), name="code")
    x = Layers.Dense(36, name="expand")(x)
    x = Layers.LeakyReLU(name="leaky")(x)
    x = Layers.Reshape((3, 3, 4), name="reshape")(x)
    x = Layers.Conv2DTranspose(4, 3, strides=2, padding="same", name="up")(x)
    x = Layers.Activation("gelu", name="gelu")(x)
    x = Layers.UpSampling2D(2, interpolation="bilinear", name="bilinear")(x)
    x = Layers.DepthwiseConv2D(3, depth_multiplier=4, padding="same", name="depthwise")(
        x
    )
    x = Layers.AveragePooling2D(3, 1, padding="same", name="average")(x)
    x = Layers.LayerNormalization(name="norm")(x)
    x = Layers.GroupNormalization(4, name="groups")(x)
    x = Layers.Activation("hard_sigmoid", name="gate")(x)
    return filled(keras.Model(inputs, x, name="decoder")), draw(2, 6)


def port_decoder(m: Any, fault: str = "") -> nn.Module:
    """The port of ``decoder``."""

    def run(s: Any, x: Tensor) -> Tensor:
        x = F.leaky_relu(s.expand(x), 0.01 if fault == "slope" else 0.3)
        if fault == "reshape":
            x = x.reshape(-1, 4, 3, 3)
        else:
            x = x.reshape(-1, 3, 3, 4).permute(0, 3, 1, 2)
        if fault == "crop":
            x = F.conv_transpose2d(x, s.up, s.up_bias, 2, padding=1, output_padding=1)
        else:
            x = F.conv_transpose2d(x, s.up, s.up_bias, 2)[..., :6, :6]
        x = F.gelu(x, approximate="tanh" if fault == "gelu" else "none")
        corners = fault == "corners"
        x = F.interpolate(x, scale_factor=2, mode="bilinear", align_corners=corners)
        x = F.conv2d(x, s.depthwise, s.depthwise_bias, padding=1, groups=4)
        x = F.avg_pool2d(x, 3, 1, 1, count_include_pad=fault == "counted")
        if fault == "norm axis":
            x = F.layer_norm(x, x.shape[1:], eps=1e-3)
        else:
            x = x.permute(0, 2, 3, 1)
            eps = 1e-5 if fault == "norm eps" else 1e-3
            x = F.layer_norm(x, (16,), s.gamma, s.beta, eps).permute(0, 3, 1, 2)
        eps = 1e-5 if fault == "groups eps" else 1e-3
        x = F.group_norm(x, 4, s.groups_gamma, s.groups_beta, eps)
        return (0.2 * x + 0.5).clamp(0, 1) if fault == "keras 2" else F.hardsigmoid(x)

    port = Port(run, expand=dense(m, "expand"))
    depthwise = of(m, "depthwise")["kernel"]
    order = (3, 2, 0, 1) if fault == "multiplier" else (2, 3, 0, 1)
    tensors = {
        "up": of(m, "up")["kernel"].permute(3, 2, 0, 1),
        "up_bias": of(m, "up")["bias"],
        "depthwise": depthwise.permute(*order).reshape(16, 1, 3, 3),
        "depthwise_bias": of(m, "depthwise")["bias"],
        "gamma": of(m, "norm")["gamma"],
        "beta": of(m, "norm")["beta"],
        "groups_gamma": of(m, "groups")["gamma"],
        "groups_beta": of(m, "groups")["beta"],
    }
    for name, tensor in tensors.items():
        port.register_parameter(name, nn.Parameter(tensor.clone()))
    return port.eval()


def shrink() -> tuple[Any, Any]:
    """A resize that a smoothing one would do otherwise, and a nearest one."""
    x = inputs = keras.Input((9, 11, 2), name="image")
    x = Layers.Resizing(5, 4, name="resize")(x)
    x = Layers.Resizing(7, 7, interpolation="nearest", name="nearest")(x)
    return keras.Model(inputs, x, name="shrink"), draw(2, 9, 11, 2)


def port_shrink(_m: Any, fault: str = "") -> nn.Module:
    """The port of ``shrink``."""

    def run(_s: Any, x: Tensor) -> Tensor:
        smooth = fault == "antialias"
        x = F.interpolate(x, (5, 4), mode="bilinear", antialias=smooth)
        return F.interpolate(x, (7, 7), mode="nearest" if fault else "nearest-exact")

    return Port(run).eval()


def recurrent(kind: str, **arguments: Any) -> tuple[Any, Any]:
    """Tokens, a recurrent layer, a dense one."""
    x = inputs = keras.Input((7,), dtype="int32", name="tokens")
    masked = kind.startswith("masked ")
    x = Layers.Embedding(11, 5, mask_zero=masked, name="embedding")(x)
    layer = getattr(Layers, kind.removeprefix("masked ").removeprefix("both "))
    made = layer(6, name="rnn" if "both" not in kind else None, **arguments)
    x = Layers.Bidirectional(made, name="rnn")(x) if "both" in kind else made(x)
    x = Layers.Dense(3, name="head")(x)
    tokens = np.random.default_rng(5).integers(1, 11, (4, 7)).astype("int32")
    tokens[1, 4:] = tokens[2, 2:] = 0
    return filled(keras.Model(inputs, x, name="text")), tokens


def rnn_weights(w: dict[str, Tensor], kind: str, prefix: str = "") -> list[Tensor]:
    """Weights in PyTorch's order of the gates."""
    found = {k.split("/")[-1]: v for k, v in w.items() if k.startswith(prefix)}
    bias = found["bias"]
    zeros = torch.zeros_like(bias)
    rows = [bias[0], bias[1]] if bias.ndim == 2 else [bias, zeros]
    all_ = [found["kernel"].T, found["recurrent_kernel"].T, *rows]
    if kind != "GRU":
        return all_
    return [torch.cat([t.chunk(3)[g] for g in (1, 0, 2)]) for t in all_]


def port_recurrent(  # noqa: C901  one branch a fault
    m: Any, kind: str, fault: str = ""
) -> nn.Module:
    """The port of ``recurrent``."""
    name = kind.rsplit(maxsplit=1)[-1]
    both = "both" in kind

    def run(s: Any, tokens: Tensor) -> Tensor:
        x = s.embedding(tokens.long())
        if fault == "time first":
            return s.head(s.rnn(x)[0][:, -1])
        if "masked" in kind and fault != "unmasked":
            lengths = (tokens != 0).sum(1).cpu()
            packed = nn.utils.rnn.pack_padded_sequence(
                x, lengths, batch_first=True, enforce_sorted=False
            )
            return s.head(s.rnn(packed)[1][0][-1])
        if m.get_layer("rnn").go_backwards if not both else False:
            x = x if fault == "forwards" else x.flip(1)
        output, state = s.rnn(x)
        state = state[0] if isinstance(state, tuple) else state
        if fault == "last step":
            return s.head(output[:, -1])
        return s.head(torch.cat(list(state), -1))

    w = of(m, "rnn")
    first = fault != "time first"
    rnn = getattr(nn, name)(5, 6, batch_first=first, bidirectional=both)
    prefixes = ["forward", "backward"] if both else [""]
    weights = [t for p in prefixes for t in rnn_weights(w, name, p)]
    if fault == "keras gates":
        swap = (1, 0, 2) if name == "GRU" else (0, 1, 3, 2)
        weights = [torch.cat([t.chunk(len(swap))[g] for g in swap]) for t in weights]
    if fault == "doubled":
        weights[3] = weights[2].clone()
    if fault == "no bias":
        weights[2:] = [torch.zeros_like(t) for t in weights[2:]]
    if fault == "stale":
        weights[0] = torch.from_numpy(draw(*weights[0].shape, seed=9))
    with torch.no_grad():
        for parameter, value in zip(rnn.parameters(), weights, strict=True):
            parameter.copy_(value)
    embedding = nn.Embedding(11, 5, padding_idx=0 if fault == "padding" else None)
    with torch.no_grad():
        embedding.weight.copy_(of(m, "embedding")["embeddings"])
        if fault == "padding":
            embedding.weight[0] = 0
    return Port(run, embedding=embedding, rnn=rnn, head=dense(m, "head")).eval()


def attending() -> tuple[Any, Any]:
    """Attention of several heads with a mask, and Luong's without a scale."""
    x = keras.Input((5, 6), name="x")
    mask = keras.Input((5, 5), dtype="bool", name="mask")
    y = Layers.MultiHeadAttention(2, 4, name="mha")(x, x, attention_mask=mask)
    y = Layers.Attention(name="luong")([y, x])
    rng = np.random.default_rng(8)
    given = rng.random((2, 5, 5)) < 0.6
    given |= np.eye(5, dtype=bool)
    given[:, 0] = ~np.eye(5, dtype=bool)[0]
    model = filled(keras.Model([x, mask], y, name="attending"))
    return model, [draw(2, 5, 6), given]


def port_attending(m: Any, fault: str = "") -> nn.Module:
    """The port of ``attending``."""
    w = of(m, "mha")

    def run(s: Any, x: Tensor, mask: Tensor) -> Tensor:
        def heads(name: str) -> Tensor:
            kernel, bias = getattr(s, f"{name}_kernel"), getattr(s, f"{name}_bias")
            return torch.einsum("bte,ehd->bhtd", x, kernel) + bias[:, None]

        q, k, v = heads("query"), heads("key"), heads("value")
        if fault == "by hand":
            scores = q @ k.transpose(-1, -2)
            scores = scores.masked_fill(~mask[:, None], -torch.inf)
            y = scores.softmax(-1) @ v
        else:
            sense = ~mask if fault == "mask" else mask
            factor = 1.0 if fault == "scale" else float(np.float32(1 / 2))
            y = F.scaled_dot_product_attention(q, k, v, sense[:, None], scale=factor)
        kernel = s.attention_output_kernel
        y = torch.einsum("bhtd,hde->bte", y, kernel) + s.attention_output_bias
        scale = None if fault == "luong" else 1.0
        return F.scaled_dot_product_attention(y, x, x, scale=scale)

    port = Port(run)
    for name, tensor in w.items():
        part, kind = name.split("/")
        port.register_parameter(f"{part}_{kind}", nn.Parameter(tensor.clone()))
    return port.eval()
