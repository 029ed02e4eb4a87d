"""Convolutions: plain, depthwise and separable, of one to three axes."""

from collections.abc import Sequence
from typing import Any

from migrate_examples.port.graph import Call
from migrate_examples.port.layouts import to_torch
from migrate_examples.port.lower import lowers
from migrate_examples.port.lower.activations import activate
from migrate_examples.port.lower.axes import (
    channels,
    images_layout,
    numbers,
    short,
    spatial,
)
from migrate_examples.port.lower.body import Body
from migrate_examples.port.lower.padding import Window, pad_for, pad_line
from migrate_examples.port.program import Filled, Local


def window_of(call: Call) -> Window:
    """Window of a convolution, from its config."""
    axes = call.inputs[0].rank - 2
    return Window(
        numbers(call.config["kernel_size"], axes),
        numbers(call.config["strides"], axes),
        numbers(call.config.get("dilation_rate", 1), axes),
    )


def padded(call: Call, body: Body, window: Window) -> tuple[Local, Any]:
    """Input of a convolution, padded, and what the module is to pad itself."""
    local = body.take(call.inputs[0], images_layout(call))
    padding = call.config["padding"]
    if padding == "valid":
        return local, 0
    if padding == "causal":
        front = (window.size[0] - 1) * window.gap[0]
        note = "causal: nothing of the future"
        return pad_line(body, local, ((front, 0),), note), 0
    return pad_for(body, local, spatial(call), window)


def convolve(
    body: Body,
    local: Local,
    sizes: tuple[int, int, int],
    window: Window,
    filled: Sequence[Filled],
    *,
    padding: Any = 0,
    role: str = "",
) -> Local:
    """Write an ``nn.Conv``; `sizes` are channels in, channels out, groups."""
    inputs, outputs, groups = sizes
    keywords: dict[str, Any] = {}
    if set(window.step) != {1}:
        keywords["stride"] = short(window.step)
    if padding != 0:
        keywords["padding"] = padding
    if set(window.gap) != {1}:
        keywords["dilation"] = short(window.gap)
    if groups != 1:
        keywords["groups"] = groups
    if not any(part.target.endswith("bias") for part in filled):
        keywords["bias"] = False
    return _module(body, local, (inputs, outputs), window, filled, keywords, role)


def _module(
    body: Body,
    local: Local,
    sizes: tuple[int, int],
    window: Window,
    filled: Sequence[Filled],
    keywords: dict[str, Any],
    role: str,
) -> Local:
    made: Local = body.module(
        f"nn.Conv{len(window.size)}d",
        (*sizes, short(window.size)),
        (local,),
        keywords=keywords,
        filled=filled,
        role=role,
    )
    return made


@lowers("Conv1D", "Conv2D", "Conv3D")
def convolution(call: Call, body: Body) -> None:
    """``nn.Conv2d``, with ``F.pad`` in front where "same" is not symmetric."""
    sizes = (channels(call), call.config["filters"], call.config.get("groups", 1))
    one_convolution(call, body, sizes)


@lowers("DepthwiseConv1D", "DepthwiseConv2D")
def depthwise(call: Call, body: Body) -> None:
    """``nn.Conv2d`` with as many groups as channels."""
    size = channels(call)
    one_convolution(call, body, (size, size * call.config["depth_multiplier"], size))


def one_convolution(call: Call, body: Body, sizes: tuple[int, int, int]) -> None:
    """Write padding and convolution of channels in, out and groups."""
    window = window_of(call)
    local, padding = padded(call, body, window)
    filled = to_torch(call.kind, call.config, call.weights)
    local = convolve(body, local, sizes, window, filled, padding=padding)
    give_images(call, body, local)


@lowers("SeparableConv1D", "SeparableConv2D")
def separable(call: Call, body: Body) -> None:
    """Two convolutions: ``depthwise``, then ``pointwise``."""
    window = window_of(call)
    local, padding = padded(call, body, window)
    size = channels(call)
    deep = size * call.config["depth_multiplier"]
    filled = to_torch(call.kind, call.config, call.weights)
    local = convolve(
        body,
        local,
        (size, deep, size),
        window,
        part_of(filled, "depthwise"),
        padding=padding,
        role="depthwise",
    )
    ones = (1,) * len(window.size)
    local = convolve(
        body,
        local,
        (deep, call.config["filters"], 1),
        Window(ones, ones, ones),
        part_of(filled, "pointwise"),
        role="pointwise",
    )
    give_images(call, body, local)


def part_of(filled: Sequence[Filled], name: str) -> list[Filled]:
    """Those tensors that belong to one of several modules, named as in it."""
    return [
        Filled(part.target.partition(".")[2], part.array, part.sources, part.layout)
        for part in filled
        if part.target.startswith(f"{name}.")
    ]


def give_images(call: Call, body: Body, local: Local) -> None:
    """Write the activation, and give the result where its channels stand second."""
    layout = images_layout(call)
    body.give(call.outputs[0], activate(call, body, local, layout), layout)


@lowers("Conv1DTranspose", "Conv2DTranspose", "Conv3DTranspose")
def transposed(call: Call, body: Body) -> None:
    """``nn.ConvTranspose2d``, cropped where "same" is not symmetric.

    The full output has ``(size - 1) * step + reach`` places. Keras's "same" has
    ``size * step`` of them, half of the rest cut off in front; its "valid" has
    ``size * step`` at least.
    """
    window = window_of(call)
    local = body.take(call.inputs[0], images_layout(call))
    cuts = _cuts(call, window)
    keywords: dict[str, Any] = {}
    if set(window.step) != {1}:
        keywords["stride"] = short(window.step)
    inside = [front if front == behind and behind >= 0 else 0 for front, behind in cuts]
    extra = [max(-behind, 0) for _, behind in cuts]
    if any(inside):
        keywords["padding"] = short(inside)
    if any(extra):
        keywords["output_padding"] = short(extra)
    if not call.config.get("use_bias", True):
        keywords["bias"] = False
    if set(window.gap) != {1}:
        keywords["dilation"] = short(window.gap)
    filled = to_torch(call.kind, call.config, call.weights)
    axes = len(window.size)
    local = body.module(
        f"nn.ConvTranspose{axes}d",
        (channels(call), call.config["filters"], short(window.size)),
        (local,),
        keywords=keywords,
        filled=filled,
    )
    left = [
        (front - done, max(behind, 0) - done)
        for (front, behind), done in zip(cuts, inside, strict=True)
    ]
    give_images(call, body, crop(body, local, left, 'Keras\'s "same" ends here'))


def _cuts(call: Call, window: Window) -> list[tuple[int, int]]:
    """Places to cut off in front and behind; fewer than none are to be added."""
    axes = len(window.size)
    given = call.config.get("output_padding")
    extra = (None,) * axes if given is None else numbers(given, axes)
    same = call.config["padding"] == "same"
    cuts = []
    for width, step, gap, more in zip(
        window.size, window.step, window.gap, extra, strict=True
    ):
        reach = (width - 1) * gap + 1
        if more is None:
            kept = step if same else max(reach, step)
        else:
            kept = (reach % 2 if same else reach) + more
        front = max(reach - kept, 0) // 2 if same else 0
        cuts.append((front, reach - kept - front))
    return cuts


def crop(
    body: Body, local: Local, cuts: Sequence[tuple[int, int]], note: str = ""
) -> Local:
    """Cut places off the last axes, in front and behind."""
    if not any(map(any, cuts)):
        return local
    parts = [f"{front or ''}:{-behind if behind else ''}" for front, behind in cuts]
    return body.line(f"{{0}}[..., {', '.join(parts)}]", local, note=note)
