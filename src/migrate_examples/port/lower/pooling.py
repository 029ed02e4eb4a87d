"""Pooling: by windows, adaptive, and over all places."""

from typing import Any

from migrate_examples.port.graph import Call
from migrate_examples.port.lower import UnsupportedError, lowers
from migrate_examples.port.lower.axes import (
    dims,
    images_layout,
    numbers,
    short,
    spatial,
)
from migrate_examples.port.lower.body import Body
from migrate_examples.port.lower.padding import Window, pad_for, same_padding
from migrate_examples.port.program import Layout, Local

AXES = (1, 2, 3)


def _window(call: Call) -> Window:
    axes = call.inputs[0].rank - 2
    size = numbers(call.config["pool_size"], axes)
    strides = call.config.get("strides")
    return Window(
        size, size if strides is None else numbers(strides, axes), (1,) * axes
    )


def _pool(
    call: Call, body: Body, name: str, local: Local, keywords: dict[str, Any]
) -> None:
    window = _window(call)
    axes = len(window.size)
    stride = {} if window.step == window.size else {"stride": short(window.step)}
    local = body.module(
        f"nn.{name}Pool{axes}d",
        (short(window.size),),
        (local,),
        keywords={**stride, **keywords},
    )
    body.give(call.outputs[0], local, images_layout(call))


@lowers(*(f"MaxPooling{n}D" for n in AXES))
def max_pooling(call: Call, body: Body) -> None:
    """``nn.MaxPool2d``; what "same" adds is minus infinity in both frameworks."""
    local = body.take(call.inputs[0], images_layout(call))
    padding: Any = 0
    if call.config["padding"] == "same":
        local, padding = pad_for(
            body, local, spatial(call), _window(call), value="-torch.inf"
        )
    _pool(call, body, "Max", local, {"padding": padding} if padding else {})


@lowers(*(f"AveragePooling{n}D" for n in AXES))
def average_pooling(call: Call, body: Body) -> None:
    """``nn.AvgPool2d``; what "same" adds does not count."""
    local = body.take(call.inputs[0], images_layout(call))
    if call.config["padding"] == "valid":
        _pool(call, body, "Avg", local, {})
        return
    window = _window(call)
    pairs = same_padding(spatial(call), window)
    if pairs is not None and all(front == behind for front, behind in pairs):
        padding = short([front for front, _ in pairs])
        counted = {"padding": padding, "count_include_pad": False} if padding else {}
        _pool(call, body, "Avg", local, counted)
        return
    body.need("pad_same")  # which the next one calls
    helper = body.need("average_pool_same")
    sizes = f"{short(window.size)}, {short(window.step)}"
    local = body.line(f"{helper}({{0}}, {sizes})", local)
    body.give(call.outputs[0], local, images_layout(call))


def _over_all(kind: str, method: str) -> None:
    @lowers(*(f"Global{kind}Pooling{n}D" for n in AXES))
    def lower(call: Call, body: Body) -> None:
        """Mean or largest value over all places."""
        value = call.inputs[0]
        # One axis of places is as easily reduced where it stands.
        layout = body.layout_of(value)
        first = layout is not (
            Layout.FIRST if images_layout(call) is Layout.LAST else Layout.LAST
        )
        local = body.take(value, layout)
        places = range(2, value.rank) if first else range(1, value.rank - 1)
        keep = call.config.get("keepdims", False)
        mask = call.masks[0] if call.masks else None
        if mask is not None and kind == "Average" and value.rank == 3:
            local = _masked_mean(body, local, body.take(mask, Layout.LAST), places[0])
            if keep:
                local = body.line(f"{{0}}.unsqueeze({places[0]})", local, rank=3)
        else:
            kept = ", keepdim=True" if keep else ""
            local = body.line(
                f"{{0}}.{method}({dims(places)}{kept})",
                local,
                rank=value.rank if keep else 2,
            )
        body.give(call.outputs[0], local, layout if keep else Layout.LAST)


_over_all("Average", "mean")
_over_all("Max", "amax")


def _masked_mean(body: Body, local: Local, mask: Local, place: int) -> Local:
    """Mean over the steps that the mask keeps."""
    new = "unsqueeze(-1)" if place == 1 else "unsqueeze(1)"
    kept = body.line(f"{{0}}.{new}.to({{1}}.dtype)", mask, local, rank=3)
    note = "masked steps do not count"
    return body.line(
        f"({{0}} * {{1}}).sum({place}) / {{1}}.sum({place})",
        local,
        kept,
        rank=2,
        note=note,
    )


def _adaptive(kind: str, name: str) -> None:
    @lowers(*(f"Adaptive{kind}Pooling{n}D" for n in AXES))
    def lower(call: Call, body: Body) -> None:
        """``nn.AdaptiveAvgPool2d`` and friends."""
        layout = images_layout(call)
        axes = call.inputs[0].rank - 2
        sizes = numbers(call.config["output_size"], axes)
        if any(size is None for size in sizes):
            raise UnsupportedError("an adaptive pooling of unknown size")
        local = body.take(call.inputs[0], layout)
        local = body.module(f"nn.Adaptive{name}Pool{axes}d", (short(sizes),), (local,))
        body.give(call.outputs[0], local, layout)


_adaptive("Average", "Avg")
_adaptive("Max", "Max")
