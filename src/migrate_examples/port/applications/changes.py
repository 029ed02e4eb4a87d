"""What has to change in a model of torchvision to be a model of Keras.

Each change is one function on the module before it is filled, or on the tensors
before they go in. Each can be left out alone, to see what it is worth.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from math import prod

from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812  # the field's name
from torchvision.models.inception import BasicConv2d
from torchvision.models.resnet import Bottleneck

from migrate_examples.port.archive import Archive, Array, StoredLayer
from migrate_examples.port.layouts import to_torch
from migrate_examples.port.program import Filled

Norm = nn.BatchNorm2d | nn.LayerNorm
NORMS = ("BatchNormalization", "LayerNormalization")


@dataclass(frozen=True)
class Placed:
    """A layer of Keras with weights, its module, and the tensors that go there.

    Attributes
    ----------
    layer : StoredLayer
        Of Keras.
    path : str
        Of the module in the twin: ``layer1.0.conv1``.
    filled : tuple of Filled
        Its tensors, by their name in that module.
    """

    layer: StoredLayer
    path: str
    filled: tuple[Filled, ...]


Places = tuple[Placed, ...]


def leave(module: nn.Module, archive: Archive) -> None:
    """Change nothing of the module."""


def keep(places: Places, module: nn.Module, archive: Archive) -> Places:  # noqa: ARG001
    """Change nothing of the tensors."""
    return places


@dataclass(frozen=True)
class Change:
    """One difference between the models of Keras and of torchvision.

    Attributes
    ----------
    name : str
        A word or two: ``stride``.
    words : str
        What is changed, in a clause.
    module : callable
        Changes the empty module.
    tensors : callable
        Changes the tensors that go into it.
    forgotten : callable
        What becomes of the tensors where nobody thinks of it.
    """

    name: str
    words: str
    module: Callable[[nn.Module, Archive], None] = leave
    tensors: Callable[[Places, nn.Module, Archive], Places] = keep
    forgotten: Callable[[Places, nn.Module, Archive], Places] = keep


def replace_module(root: nn.Module, path: str, made: nn.Module) -> None:
    """Put a module into the place of another."""
    parent, _, name = path.rpartition(".")
    setattr(root.get_submodule(parent), name, made)


# Padding


class SameConv2d(nn.Conv2d):
    """Convolution padded as Keras's ``padding="same"``: the odd one behind.

    Source: https://www.tensorflow.org/api_docs/python/tf/nn#notes_on_padding_2

    Examples
    --------
    >>> import torch
    >>> conv = SameConv2d(1, 1, 3, stride=2, bias=False)
    >>> _ = nn.init.ones_(conv.weight)
    >>> conv(torch.ones(1, 1, 4, 4)).squeeze().tolist()
    [[9.0, 6.0], [6.0, 4.0]]
    """

    def forward(self, x: Tensor) -> Tensor:
        """Convolve ``x`` (B, C, H, W); H and W become a stride-th, rounded up."""
        sizes = [
            max((-(-n // s) - 1) * s + (k - 1) * d + 1 - n, 0)
            for n, s, k, d in zip(
                x.shape[2:], self.stride, self.kernel_size, self.dilation, strict=True
            )
        ]
        around = [(n // 2, n - n // 2) for n in reversed(sizes)]
        return super().forward(F.pad(x, [n for pair in around for n in pair]))


def same_padding(module: nn.Module, archive: Archive) -> None:  # noqa: ARG001
    """Put SameConv2d where a stride makes the padding of Keras uneven."""
    for path, conv in list(module.named_modules()):
        if not isinstance(conv, nn.Conv2d) or max(conv.stride) == 1:
            continue
        if max(conv.kernel_size) == 1 or max(map(int, conv.padding)) == 0:
            continue
        made = SameConv2d(
            conv.in_channels,
            conv.out_channels,
            (conv.kernel_size[0], conv.kernel_size[1]),
            (conv.stride[0], conv.stride[1]),
            groups=conv.groups,
            bias=conv.bias is not None,
            device="meta",
        )
        replace_module(module, path, made)


SAME_PADDING = Change(
    "padding",
    "convolutions of stride 2 pad behind, not on both sides",
    module=same_padding,
)


class AfterAverage(BasicConv2d):  # type: ignore[misc]  # torchvision has no types
    """Convolution behind an average pool that should not have counted its padding.

    torchvision's branch divides each sum by 9, Keras's by the number of pixels
    inside the image; the share of those makes up for it.
    """

    def forward(self, x: Tensor) -> Tensor:
        """Convolve ``x`` (B, C, H, W), the output of a padded 3 by 3 average pool."""
        ones = x.new_ones(1, 1, *x.shape[2:])
        share = F.avg_pool2d(ones, 3, stride=1, padding=1)
        out: Tensor = super().forward(x / share)
        return out


def average_without_padding(module: nn.Module, archive: Archive) -> None:  # noqa: ARG001
    """Let the pooling branches of Inception average over the image alone."""
    for path, branch in list(module.named_modules()):
        if path.endswith(".branch_pool") and isinstance(branch, BasicConv2d):
            conv = branch.conv
            made = AfterAverage(
                conv.in_channels, conv.out_channels, kernel_size=1, device="meta"
            ).to("meta")
            replace_module(module, path, made)


AVERAGE_WITHOUT_PADDING = Change(
    "average",
    "average pools do not count their padding",
    module=average_without_padding,
)


# Strides and biases of ResNet


def stride_on_first(module: nn.Module, archive: Archive) -> None:  # noqa: ARG001
    """Move the stride of a bottleneck from its 3 by 3 to its first convolution."""
    for block in module.modules():
        if isinstance(block, Bottleneck):
            block.conv1.stride, block.conv2.stride = block.conv2.stride, (1, 1)


STRIDE_ON_FIRST = Change(
    "stride",
    "stride 2 on the first convolution of a block, not on the second",
    module=stride_on_first,
)


def fold_biases(places: Places, module: nn.Module, archive: Archive) -> Places:  # noqa: ARG001
    """Fold the bias of each convolution into the mean of the norm behind it.

    ``(conv + bias - mean) / std`` is ``(conv - (mean - bias)) / std``.
    """
    kept: list[Placed] = []
    for placed in places:
        before = kept[-1] if kept else None
        bias = has_bias_for_norm(before, placed)
        if before is None or bias is None:
            kept.append(placed)
            continue
        kept[-1] = replace(before, filled=without(before.filled, "bias"))
        kept.append(replace(placed, filled=less(placed.filled, before, bias)))
    return tuple(kept)


def has_bias_for_norm(before: Placed | None, placed: Placed) -> Filled | None:
    """Bias of a convolution whose output the next layer normalises; else None."""
    if before is None or placed.layer.class_name != "BatchNormalization":
        return None
    return next((f for f in before.filled if f.target == "bias"), None)


def less(
    filled: tuple[Filled, ...], before: Placed, bias: Filled
) -> tuple[Filled, ...]:
    """Lower ``running_mean`` by a bias; in float64, rounded once."""
    made: list[Filled] = []
    for f in filled:
        if f.target == "running_mean":
            mean = f.array.astype("float64") - bias.array
            sources = (*f.sources, f"{before.layer.name}/{bias.sources[0]}")
            f = Filled(  # noqa: PLW2901
                f.target, mean.astype(f.array.dtype), sources, "mean - bias"
            )
        made.append(f)
    return tuple(made)


def without(filled: Sequence[Filled], target: str) -> tuple[Filled, ...]:
    """All but one target."""
    return tuple(f for f in filled if f.target != target)


def drop_biases(places: Places, module: nn.Module, archive: Archive) -> Places:
    """Drop what the module has no place for, as ``strict=False`` does."""
    folded = fold_biases(places, module, archive)
    return tuple(
        new if "Conv" in old.layer.class_name else old
        for old, new in zip(places, folded, strict=True)
    )


FOLD_BIASES = Change(
    "bias",
    "biases of convolutions go into the running mean",
    tensors=fold_biases,
    forgotten=drop_biases,
)


# Constants of norms


def set_eps(module: nn.Module, archive: Archive) -> None:
    """Set the epsilon of each norm to Keras's, of which a model has one."""
    epsilon = norm_constant(archive, "epsilon")
    for norm in module.modules():
        if isinstance(norm, Norm):
            norm.eps = epsilon


def set_momentum(module: nn.Module, archive: Archive) -> None:
    """Set the momentum of each norm to one minus Keras's."""
    for norm in module.modules():
        if isinstance(norm, nn.BatchNorm2d):
            norm.momentum = round(1 - norm_constant(archive, "momentum"), 12)


def norm_constant(archive: Archive, name: str) -> float:
    """Constant that all norms of a model share.

    Raises
    ------
    ValueError
        Where they do not.
    """
    found = {
        float(layer.config[name])
        for layer in archive.layers
        if layer.config and layer.class_name in NORMS and name in layer.config
    }
    if len(found) != 1:
        raise ValueError(f"the norms of the model differ in {name}: {sorted(found)}")
    return found.pop()


EPS = Change("eps", "epsilon of the norms as in Keras", module=set_eps)
MOMENTUM = Change(
    "momentum",
    "momentum of the norms is one minus Keras's; matters in training alone",
    module=set_momentum,
)


# Shapes and orders of single tensors


def flatten_order(places: Places, module: nn.Module, archive: Archive) -> Places:  # noqa: ARG001
    """Sort the rows behind a Flatten: Keras flattens channels last.

    VGG halves its image five times, and has 512 channels then.
    """
    height, width, _ = input_shape(archive)
    flattened = (height // 32, width // 32, 512)
    return tuple(
        replace(
            p,
            filled=to_torch(
                "Dense", p.layer.config, p.layer.arrays, flattened=flattened
            ),
        )
        if p.layer.name.endswith("fc1")
        else p
        for p in places
    )


def input_shape(archive: Archive) -> tuple[int, int, int]:
    """Height, width and channels that a model was built for.

    Raises
    ------
    ValueError
        Where the config of the archive has no input of three fixed sizes.
    """
    for layer in archive.layers:
        shape = (layer.config or {}).get("batch_shape")
        if layer.class_name == "InputLayer" and shape and None not in shape[1:]:
            height, width, channels = map(int, shape[1:])
            return height, width, channels
    raise ValueError("the model was built without an input of a fixed size")


FLATTEN_ORDER = Change(
    "flatten",
    "rows of fc1 from height, width, channel to channel, height, width",
    tensors=flatten_order,
)


def convs_to_linear(places: Places, module: nn.Module, archive: Archive) -> Places:  # noqa: ARG001
    """Take the kernels of 1 by 1 convolutions as matrices where a Linear stands."""
    return tuple(
        replace(p, filled=tuple(map(squeezed, p.filled)))
        if isinstance(module.get_submodule(p.path), nn.Linear)
        and p.layer.class_name == "Conv2D"
        else p
        for p in places
    )


def squeezed(filled: Filled) -> Filled:
    """Take a tensor without its axes of length one; a vector stays."""
    if filled.array.ndim < 4 or prod(filled.array.shape[2:]) != 1:
        return filled
    return replace(
        filled,
        array=filled.array[:, :, 0, 0],
        layout="(1, 1, in, out) -> (out, in)",
    )


CONVS_TO_LINEAR = Change(
    "head", "convolutions of the head are Linear", tensors=convs_to_linear
)


def scale_by_channel(places: Places, module: nn.Module, archive: Archive) -> Places:  # noqa: ARG001
    """Give layer scales the two axes over which they are broadcast."""
    return tuple(
        replace(p, filled=tuple(map(raised, p.filled)))
        if p.layer.class_name == "LayerScale"
        else p
        for p in places
    )


def raised(filled: Filled) -> Filled:
    """Take a vector (C,) as (C, 1, 1)."""
    return replace(
        filled, array=filled.array[:, None, None], layout="(c,) -> (c, 1, 1)"
    )


LAYER_SCALE = Change(
    "layer scale", "layer scales (C,) become (C, 1, 1)", tensors=scale_by_channel
)

# The change that no module shows: twins do it apart, see ``twins.twin``.
PREPROCESSING = Change("input", "preprocessing of Keras's weights, not torchvision's")


def layer_scale(name: str, gamma: Array) -> tuple[Filled, ...]:
    """Tensor of a LayerScale: the twin keeps it as a parameter of the block."""
    return (Filled("layer_scale", gamma, (name,), "as it is"),)
