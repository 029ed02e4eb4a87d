"""Preprocessing that belongs to the model: sizes, crops, categories, bins."""

import numpy as np

from migrate_examples.port.graph import Call, Value
from migrate_examples.port.lower import UnsupportedError, lowers
from migrate_examples.port.lower.axes import images_layout, spatial
from migrate_examples.port.lower.body import Body
from migrate_examples.port.lower.convolutions import crop
from migrate_examples.port.lower.operands import argument, cast
from migrate_examples.port.lower.operations_product import one_hot_line
from migrate_examples.port.lower.resizing import resize_line
from migrate_examples.port.program import Filled, Layout, Local

RANDOM = (
    "AugMix",
    "CutMix",
    "MixUp",
    "RandAugment",
    "RandomBrightness",
    "RandomColorDegeneration",
    "RandomColorJitter",
    "RandomContrast",
    "RandomElasticTransform",
    "RandomErasing",
    "RandomFlip",
    "RandomGaussianBlur",
    "RandomGrayscale",
    "RandomHue",
    "RandomInvert",
    "RandomPerspective",
    "RandomPosterization",
    "RandomRotation",
    "RandomSaturation",
    "RandomSharpness",
    "RandomShear",
    "RandomTranslation",
    "RandomZoom",
)
"""Augmentations: in evaluation they pass their input on."""


@lowers(*RANDOM)
def augmentation(call: Call, body: Body) -> None:
    """``nn.Identity``, to be replaced by whoever trains on."""
    value = call.inputs[0]
    layout = body.layout_of(value)
    note = f"Keras augments here in training ({call.kind}); see torchvision.transforms"
    made = body.module("nn.Identity", (), (body.take(value, layout),), note=note)
    body.give(call.outputs[0], made, layout)


@lowers("Resizing")
def resizing(call: Call, body: Body) -> None:
    """``F.interpolate``, half-pixel centres, no antialiasing unless it is asked for."""
    value, config = call.inputs[0], call.config
    if config.get("crop_to_aspect_ratio") or config.get("pad_to_aspect_ratio"):
        raise UnsupportedError(
            "Resizing that keeps the aspect ratio: crop or pad in front of the model"
        )
    if value.rank != 4 or not value.dtype.startswith("float"):
        raise UnsupportedError(
            f"Resizing of {value.dtype} {value.shape}: give it a batch of floats"
        )
    layout = images_layout(call)
    local = resize_line(
        body,
        body.take(value, layout),
        f"({config['height']}, {config['width']})",
        config["interpolation"],
        antialias=bool(config.get("antialias")),
    )
    body.give(call.outputs[0], local, layout)


@lowers("CenterCrop")
def center_crop(call: Call, body: Body) -> None:
    """Slices around the middle."""
    value, config = call.inputs[0], call.config
    wanted = (config["height"], config["width"])
    sizes = spatial(call)
    if value.rank != 4 or any(
        s is None or s < w for s, w in zip(sizes, wanted, strict=True)
    ):
        raise UnsupportedError(
            f"CenterCrop to {wanted} of {value.shape}: the sizes must be known and "
            "large enough, or Keras resizes; do that in front of the model"
        )
    layout = images_layout(call)
    cuts = []
    for size, want in zip(sizes, wanted, strict=True):
        assert size is not None
        front = (size - want) // 2
        cuts.append((front, size - want - front))
    body.give(call.outputs[0], crop(body, body.take(value, layout), cuts), layout)


@lowers("CategoryEncoding")
def category_encoding(call: Call, body: Body) -> None:
    """A comparison with all categories; counted, or found at all."""
    value, out = call.inputs[0], call.outputs[0]
    weights = argument(call, 1, "count_weights")
    local = body.take(value, Layout.LAST)
    mode = call.config["output_mode"]
    made = _encoded(body, local, value, out, (mode, call.config["num_tokens"]), weights)
    body.give(out, made, Layout.LAST)


def _encoded(
    body: Body,
    local: Local,
    value: Value,
    out: Value,
    setting: tuple[str, int],
    weights: Value | None = None,
) -> Local:
    """Categories as one, several or counted places out of many."""
    mode, count = setting
    if mode == "one_hot":
        if value.rank > 1 and value.shape[-1] == 1:
            local = body.line("{0}.squeeze(-1)", local, rank=value.rank - 1)
        return one_hot_line(body, local, count, out.dtype)
    found = one_hot_line(body, local, count, "bool")
    if mode == "multi_hot":
        if found.rank > out.rank:
            found = body.line("{0}.any(-2)", found, rank=out.rank)
        return body.line(cast(out.dtype), found)
    if weights is not None:
        weight = body.take(weights, Layout.LAST)
        return body.line("({0} * {1}[..., None]).sum(-2)", found, weight, rank=out.rank)
    if found.rank > out.rank:
        found = body.line("{0}.sum(-2)", found, rank=out.rank)
    return body.line(cast(out.dtype), found)


@lowers("Discretization")
def discretization(call: Call, body: Body) -> None:
    """``torch.bucketize``; a value on a boundary belongs to the bin above it."""
    value, out, config = call.inputs[0], call.outputs[0], call.config
    bounds = np.asarray(config["bin_boundaries"], "float32")
    filled = Filled("", bounds, (), "boundaries of the config")
    edges = body.parameter(filled, "boundaries", 1, trainable=False)
    local = body.take(value, Layout.LAST)
    made = body.line("torch.bucketize({0}, {1}, right=True)", local, edges)
    mode = config["output_mode"]
    if mode != "int":
        made = _encoded(body, made, value, out, (mode, len(bounds) + 1))
    elif out.dtype != "int64":
        made = body.line(cast(out.dtype), made)
    body.give(out, made, Layout.LAST)
