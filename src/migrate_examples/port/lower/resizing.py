"""Resizing of images: how Keras's methods are called in PyTorch, and which are not."""

from migrate_examples.port.lower import UnsupportedError
from migrate_examples.port.lower.body import Body
from migrate_examples.port.program import Local

MODES = {"nearest": "nearest-exact", "bilinear": "bilinear"}
"""Half-pixel centres, as TensorFlow 2 has them: ``nearest`` alone would not."""


def resize_line(
    body: Body, local: Local, size: str, method: str, *, antialias: bool = False
) -> Local:
    """Write the resizing of images, channels first, to a size."""
    if antialias and method == "bilinear":
        return body.line(
            f"F.interpolate({{0}}, {size}, mode='bilinear', antialias=True)", local
        )
    if antialias and method != "nearest":
        raise UnsupportedError(
            f"resizing by {method} with antialias=True: use bilinear, or resize in "
            "front of the model"
        )
    if method == "bicubic":
        return body.line(f"{body.need('resize_bicubic')}({{0}}, {size})", local)
    if method not in MODES:
        raise UnsupportedError(
            f"resizing by {method}: use nearest, bilinear or bicubic, or resize "
            "in front of the model"
        )
    return body.line(f"F.interpolate({{0}}, {size}, mode={MODES[method]!r})", local)
