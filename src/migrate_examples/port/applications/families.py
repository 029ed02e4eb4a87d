"""The models of ``keras.applications``, and what torchvision has for each.

A row names the constructor of the twin and the changes that make it exact. What
``torchvision`` lacks has no row; its module is written by ``port.source``.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from math import ceil
from typing import Any

from torch import nn
from torchvision import models
from torchvision.models.convnext import CNBlockConfig, ConvNeXt
from torchvision.models.efficientnet import (
    EfficientNet,
    FusedMBConvConfig,
    MBConvConfig,
)

from migrate_examples.port.applications.changes import (
    AVERAGE_WITHOUT_PADDING,
    CONVS_TO_LINEAR,
    EPS,
    FLATTEN_ORDER,
    FOLD_BIASES,
    LAYER_SCALE,
    MOMENTUM,
    PREPROCESSING,
    SAME_PADDING,
    STRIDE_ON_FIRST,
    Change,
    input_shape,
)
from migrate_examples.port.applications.ordering import (
    Ordering,
    as_called,
    by_number,
    shortcut_last,
)
from migrate_examples.port.archive import Archive

Constructor = Callable[..., nn.Module]


@dataclass(frozen=True)
class Family:
    """What the models of one kind have in common.

    Attributes
    ----------
    changes : tuple of Change
        In the order in which they are made; each shows in the outputs, but
        MOMENTUM, which shows in training.
    mode : str
        Preprocessing that is left to the caller of the Keras model, ``caffe``,
        ``tf`` or ``torch``; ``none`` where the model does it inside.
    module : str
        Module of ``keras.applications`` that has its ``preprocess_input``.
    ordering : callable
        Layers of Keras with weights, in the order of the twin's modules.
    """

    changes: tuple[Change, ...]
    mode: str
    module: str
    ordering: Ordering = as_called


@dataclass(frozen=True)
class Twin:
    """A model of Keras, and the model of torchvision that it becomes.

    Attributes
    ----------
    name : str
        Of the function in ``keras.applications``.
    constructor : callable
        Takes ``weights`` and ``num_classes``.
    words : str
        The constructor as one would write it.
    family : Family
        What it shares with others.
    """

    name: str
    constructor: Constructor
    words: str
    family: Family


RESNET = Family(
    (STRIDE_ON_FIRST, FOLD_BIASES, EPS, PREPROCESSING, MOMENTUM),
    "caffe",
    "resnet",
    shortcut_last,
)
VGG = Family((FLATTEN_ORDER, PREPROCESSING), "caffe", "vgg16")
MOBILENET_V2 = Family(
    (SAME_PADDING, EPS, PREPROCESSING, MOMENTUM), "tf", "mobilenet_v2"
)
MOBILENET_V3 = Family(
    (SAME_PADDING, CONVS_TO_LINEAR, PREPROCESSING, MOMENTUM), "none", "mobilenet_v3"
)
DENSENET = Family((EPS, MOMENTUM), "torch", "densenet")
EFFICIENTNET = Family(
    (SAME_PADDING, EPS, PREPROCESSING, MOMENTUM), "none", "efficientnet"
)
EFFICIENTNET_WIDE = Family(  # torchvision's B5 to B7 have Keras's epsilon
    (SAME_PADDING, PREPROCESSING, MOMENTUM), "none", "efficientnet"
)
EFFICIENTNET_V2 = Family(
    (SAME_PADDING, PREPROCESSING, MOMENTUM), "none", "efficientnet_v2"
)
INCEPTION = Family(
    (AVERAGE_WITHOUT_PADDING, PREPROCESSING, MOMENTUM),
    "tf",
    "inception_v3",
    by_number,
)
CONVNEXT = Family((LAYER_SCALE, PREPROCESSING), "none", "convnext")


def vgg_for_size(constructor: Constructor, archive: Archive, **options: Any) -> Any:
    """Build a VGG whose head takes the image size that the Keras model was built for.

    torchvision pools any image to 7 by 7 before its head, Keras does not.
    """
    net: Any = constructor(**options)
    height, width, _ = input_shape(archive)
    if (side := (height // 32, width // 32)) != (7, 7):
        net.avgpool = nn.AdaptiveAvgPool2d(side)
        net.classifier[0] = nn.Linear(512 * side[0] * side[1], 4096)
    return net


BLOCKS_V2B = (
    (FusedMBConvConfig, 1, 3, 1, 32, 16, 1),
    (FusedMBConvConfig, 4, 3, 2, 16, 32, 2),
    (FusedMBConvConfig, 4, 3, 2, 32, 48, 2),
    (MBConvConfig, 4, 3, 2, 48, 96, 3),
    (MBConvConfig, 6, 3, 1, 96, 112, 5),
    (MBConvConfig, 6, 3, 2, 112, 192, 8),
)
"""Expansion, kernel, stride, channels in and out, repeats; of EfficientNetV2B0."""


def efficientnet_v2_b(
    width: float, depth: float, weights: None = None, **options: Any
) -> EfficientNet:
    """EfficientNetV2 B0 to B3, which torchvision's parts can build.

    Parameters
    ----------
    width, depth : float
        Factors of the channels and of the repeats.
    weights : None
        torchvision has none.
    options
        ``num_classes``.
    """
    assert weights is None
    blocks = [
        kind(
            expand,
            kernel,
            stride,
            multiple_of_8(channels * width),
            multiple_of_8(out * width),
            ceil(repeats * depth),
        )
        for kind, expand, kernel, stride, channels, out, repeats in BLOCKS_V2B
    ]
    return EfficientNet(
        blocks,
        dropout=0.2,
        last_channel=multiple_of_8(1280 * width),
        norm_layer=partial(nn.BatchNorm2d, eps=1e-3),
        **options,
    )


def multiple_of_8(channels: float) -> int:
    """Nearest multiple of eight, at least eight, as EfficientNetV2 rounds widths.

    >>> multiple_of_8(35.2), multiple_of_8(1408), multiple_of_8(3)
    (32, 1408, 8)
    """
    return max(8, int(channels + 4) // 8 * 8)


def convnext_xlarge(weights: None = None, **options: Any) -> ConvNeXt:
    """Build ConvNeXt's largest, which torchvision's parts can build."""
    assert weights is None
    channels: Sequence[int] = (256, 512, 1024, 2048)
    following = (*channels[1:], None)
    repeats = (3, 3, 27, 3)
    blocks = map(CNBlockConfig, channels, following, repeats)
    return ConvNeXt(list(blocks), stochastic_depth_prob=0.5, **options)


inception_v3 = partial(
    models.inception_v3, aux_logits=False, transform_input=False, init_weights=False
)

ROWS: tuple[tuple[str, Family, Constructor], ...] = (
    ("VGG16", VGG, models.vgg16),
    ("VGG19", VGG, models.vgg19),
    ("ResNet50", RESNET, models.resnet50),
    ("ResNet101", RESNET, models.resnet101),
    ("ResNet152", RESNET, models.resnet152),
    ("MobileNetV2", MOBILENET_V2, models.mobilenet_v2),
    ("MobileNetV3Small", MOBILENET_V3, models.mobilenet_v3_small),
    ("MobileNetV3Large", MOBILENET_V3, models.mobilenet_v3_large),
    ("DenseNet121", DENSENET, models.densenet121),
    ("DenseNet169", DENSENET, models.densenet169),
    ("DenseNet201", DENSENET, models.densenet201),
    ("EfficientNetB0", EFFICIENTNET, models.efficientnet_b0),
    ("EfficientNetB1", EFFICIENTNET, models.efficientnet_b1),
    ("EfficientNetB2", EFFICIENTNET, models.efficientnet_b2),
    ("EfficientNetB3", EFFICIENTNET, models.efficientnet_b3),
    ("EfficientNetB4", EFFICIENTNET, models.efficientnet_b4),
    ("EfficientNetB5", EFFICIENTNET_WIDE, models.efficientnet_b5),
    ("EfficientNetB6", EFFICIENTNET_WIDE, models.efficientnet_b6),
    ("EfficientNetB7", EFFICIENTNET_WIDE, models.efficientnet_b7),
    ("EfficientNetV2B0", EFFICIENTNET_V2, partial(efficientnet_v2_b, 1.0, 1.0)),
    ("EfficientNetV2B1", EFFICIENTNET_V2, partial(efficientnet_v2_b, 1.0, 1.1)),
    ("EfficientNetV2B2", EFFICIENTNET_V2, partial(efficientnet_v2_b, 1.1, 1.2)),
    ("EfficientNetV2B3", EFFICIENTNET_V2, partial(efficientnet_v2_b, 1.2, 1.4)),
    ("EfficientNetV2S", EFFICIENTNET_V2, models.efficientnet_v2_s),
    ("EfficientNetV2M", EFFICIENTNET_V2, models.efficientnet_v2_m),
    ("EfficientNetV2L", EFFICIENTNET_V2, models.efficientnet_v2_l),
    ("InceptionV3", INCEPTION, inception_v3),
    ("ConvNeXtTiny", CONVNEXT, models.convnext_tiny),
    ("ConvNeXtSmall", CONVNEXT, models.convnext_small),
    ("ConvNeXtBase", CONVNEXT, models.convnext_base),
    ("ConvNeXtLarge", CONVNEXT, models.convnext_large),
    ("ConvNeXtXLarge", CONVNEXT, convnext_xlarge),
)

WORDS = {
    "InceptionV3": "inception_v3(aux_logits=False, transform_input=False)",
    "ConvNeXtXLarge": "ConvNeXt([CNBlockConfig(256, 512, 3), …])",
    **{
        f"EfficientNetV2B{n}": f"EfficientNet([FusedMBConvConfig(1, 3, 1, {c}, …), …])"
        for n, c in enumerate((32, 32, 32, 40))
    },
}
"""How the twin is made, where that is more than a name."""

TWINS: dict[str, Twin] = {
    name: Twin(name, make, WORDS.get(name) or make.__name__, family)
    for name, family, make in ROWS
}
"""By name in ``keras.applications``."""

WITHOUT_TWIN = {
    "InceptionResNetV2": ("inception_resnet_v2", "tf"),
    "MobileNet": ("mobilenet", "tf"),
    "NASNetLarge": ("nasnet", "tf"),
    "NASNetMobile": ("nasnet", "tf"),
    "ResNet101V2": ("resnet_v2", "tf"),
    "ResNet152V2": ("resnet_v2", "tf"),
    "ResNet50V2": ("resnet_v2", "tf"),
    "Xception": ("xception", "tf"),
}
"""What torchvision lacks: module of ``keras.applications``, and preprocessing."""
