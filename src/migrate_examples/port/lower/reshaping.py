"""Layers that move values and compute none: flatten, reshape, permute, pad, crop."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from migrate_examples.port.graph import Call, Value
from migrate_examples.port.lower import lowers
from migrate_examples.port.lower.axes import images_layout, numbers, short, spatial
from migrate_examples.port.lower.body import Body
from migrate_examples.port.lower.convolutions import crop
from migrate_examples.port.lower.padding import pad_line
from migrate_examples.port.lower.resizing import resize_line
from migrate_examples.port.program import Layout, Local

AXES = (1, 2, 3)


@lowers("Flatten")
def flatten(call: Call, body: Body) -> None:
    """``flatten(1)``: as the tensor stands, where the Dense behind can follow."""
    value, out = call.inputs[0], call.outputs[0]
    if images_layout(call) is Layout.LAST and value.rank > 2:
        # Keras brings the channels behind first.
        order = ", ".join(map(str, (0, *range(2, value.rank), 1)))
        local = body.take(value, Layout.LAST)
        local = body.line(f"{{0}}.permute({order}).flatten(1)", local, rank=2)
    elif value.rank == 2:
        local = body.take(value, Layout.LAST)
    else:
        order_ = channels_first_order(value)
        as_it_stands = (
            body.layout_of(value) is Layout.FIRST
            and order_ is not None
            and body.reorder(out, order_)
        )
        layout = Layout.FIRST if as_it_stands else Layout.LAST
        local = body.line("{0}.flatten(1)", body.take(value, layout), rank=2)
    if value.rank == 1:
        local = body.line("{0}[:, None]", local, rank=2)
    body.give(out, local, Layout.LAST)


def channels_first_order(value: Value) -> Any:
    """Where each place of a flatten of channels first stands in Keras's.

    >>> channels_first_order(Value(0, (None, 2, 2), "float32"))
    array([0, 2, 1, 3])
    """
    sizes = [size for size in value.shape[1:] if size is not None]
    if len(sizes) < value.rank - 1:
        return None
    return np.moveaxis(np.arange(np.prod(sizes)).reshape(sizes), -1, 0).reshape(-1)


@lowers("Reshape")
def reshape(call: Call, body: Body) -> None:
    """``reshape``, channels last; new axes of length one are written as ``None``."""
    value, out = call.inputs[0], call.outputs[0]
    shape = out.shape[1:]
    if value.rank == 2 and value.shape[1] is not None and out.rank > 2:
        ones = [*shape[:-1]] == [1] * (out.rank - 2)
        if ones and shape[-1] == value.shape[1]:
            # (1, 1, C), as in front of a convolution over a mean.
            local = body.take(value, Layout.LAST)
            new = ", ".join(["None"] * (out.rank - 2))
            local = body.line(f"{{0}}[:, :, {new}]", local, rank=out.rank)
            body.give(out, local, Layout.FIRST)
            return
    sizes = target_sizes(call.config["target_shape"], shape)
    local = body.take(value, Layout.LAST)
    if out.rank == 2:
        local = body.line("{0}.flatten(1)", local, rank=2)
    else:
        written = f"{{0}}.reshape(-1, {', '.join(map(str, sizes))})"
        if -1 in sizes:
            written = f"{{0}}.reshape({{0}}.shape[0], {', '.join(map(str, sizes))})"
        local = body.line(written, local, rank=out.rank)
    body.give(out, local, Layout.LAST)


def target_sizes(given: Sequence[int], shape: Sequence[int | None]) -> list[int]:
    """Sizes to reshape to, at most one of them left open."""
    sizes = [-1 if size is None else size for size in shape]
    return sizes if sizes.count(-1) <= 1 else [int(size) for size in given]


@lowers("Permute")
def permute(call: Call, body: Body) -> None:
    """``permute``, channels last."""
    order = ", ".join(map(str, (0, *call.config["dims"])))
    local = body.take(call.inputs[0], Layout.LAST)
    local = body.line(f"{{0}}.permute({order})", local)
    body.give(call.outputs[0], local, Layout.LAST)


@lowers("RepeatVector")
def repeat_vector(call: Call, body: Body) -> None:
    """The same vector at each step."""
    local = body.take(call.inputs[0], Layout.LAST)
    steps = call.config["n"]
    local = body.line(f"{{0}}[:, None].expand(-1, {steps}, -1)", local, rank=3)
    body.give(call.outputs[0], local, Layout.LAST)


def _pairs(given: Any, axes: int) -> tuple[tuple[int, int], ...]:
    """Front and behind of each axis: ``1``, ``(1, 2)`` or ``((0, 1), (0, 1))``."""
    if isinstance(given, int):
        return ((given, given),) * axes
    if axes == 1:
        given = given[0] if isinstance(given[0], Sequence) else given
        front, behind = numbers(given, 2)
        return ((front, behind),)
    pairs = [numbers(one, 2) for one in given]
    return tuple((front, behind) for front, behind in pairs)


@lowers(*(f"ZeroPadding{n}D" for n in AXES))
def zero_padding(call: Call, body: Body) -> None:
    """``F.pad`` over the places."""
    layout = images_layout(call)
    local = body.take(call.inputs[0], layout)
    pairs = _pairs(call.config["padding"], call.inputs[0].rank - 2)
    body.give(call.outputs[0], pad_line(body, local, pairs), layout)


@lowers(*(f"Cropping{n}D" for n in AXES))
def cropping(call: Call, body: Body) -> None:
    """Slices over the places."""
    layout = images_layout(call)
    local = body.take(call.inputs[0], layout)
    cuts = _pairs(call.config["cropping"], call.inputs[0].rank - 2)
    body.give(call.outputs[0], crop(body, local, cuts), layout)


@lowers("UpSampling1D", "UpSampling3D")
def repeated(call: Call, body: Body) -> None:
    """``nn.Upsample``: each place several times."""
    layout = images_layout(call)
    axes = call.inputs[0].rank - 2
    local: Local = body.module(
        "nn.Upsample",
        (),
        (body.take(call.inputs[0], layout),),
        keywords={"scale_factor": short(numbers(call.config["size"], axes))},
    )
    body.give(call.outputs[0], local, layout)


@lowers("UpSampling2D")
def up_sampling(call: Call, body: Body) -> None:
    """``nn.Upsample``; a helper for TensorFlow's own bicubic."""
    layout = images_layout(call)
    mode = call.config.get("interpolation", "nearest")
    factors = numbers(call.config["size"], 2)
    local = body.take(call.inputs[0], layout)
    if mode in {"nearest", "bilinear"}:
        keywords: dict[str, Any] = {"scale_factor": short(factors)}
        if mode != "nearest":
            keywords["mode"] = mode
        local = body.module("nn.Upsample", (), (local,), keywords=keywords)
    else:
        sizes = spatial(call)
        wanted = [
            f"{{0}}.shape[{n + 2}] * {factor}" if size is None else str(size * factor)
            for n, (size, factor) in enumerate(zip(sizes, factors, strict=True))
        ]
        local = resize_line(body, local, f"({', '.join(wanted)})", mode)
    body.give(call.outputs[0], local, layout)
