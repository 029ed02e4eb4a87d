"""Normalisation: over the batch, over axes, over groups, to unit length."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from migrate_examples.port.graph import Call
from migrate_examples.port.layouts import to_torch
from migrate_examples.port.lower import UnsupportedError, lowers
from migrate_examples.port.lower.axes import axis_in, dims, sizes_of
from migrate_examples.port.lower.body import Body
from migrate_examples.port.lower.parameters import bare
from migrate_examples.port.program import Filled, Layout, Local


def _axes(call: Call) -> list[int]:
    """Axes of the config, counted from the front, in their order."""
    given = call.config.get("axis", -1)
    axes = [given] if isinstance(given, int) else list(given)
    return sorted(axis % call.inputs[0].rank for axis in axes)


def _layout_of_channels(call: Call, body: Body) -> Layout:
    """Layout in which the axis of the config stands second, as PyTorch wants it."""
    value = call.inputs[0]
    axes = _axes(call)
    if axes == [value.rank - 1]:
        return Layout.FIRST if value.rank > 2 else body.layout_of(value)
    if axes == [1]:
        return Layout.LAST
    raise UnsupportedError(
        f"axis={call.config['axis']} of {value.rank}: PyTorch has the channels second; "
        "permute them to the last axis in front of this layer, and back behind it"
    )


@lowers("BatchNormalization")
def batch_normalization(call: Call, body: Body) -> None:
    """``nn.BatchNorm2d``; its momentum is the complement of Keras's."""
    layout = _layout_of_channels(call, body)
    local = body.take(call.inputs[0], layout)
    config = call.config
    names = ("gamma", "beta", "moving_mean", "moving_variance")
    weights = {
        name: array
        for name, array in call.weights.items()
        if name.rpartition("/")[2] in names
    }
    filled = to_torch("BatchNormalization", config, weights)
    size = next(part.array.shape[0] for part in filled if part.target == "running_mean")
    keywords: dict[str, Any] = {
        "eps": config["epsilon"],
        "momentum": round(1 - config["momentum"], 12),
    }
    if not config["scale"] and not config["center"]:
        keywords["affine"] = False
        filled = tuple(f for f in filled if f.target.startswith("running"))
    if keywords["eps"] == 1e-5:
        del keywords["eps"]
    if keywords["momentum"] == 0.1:
        del keywords["momentum"]
    axes = max(local.rank - 2, 1)
    local = body.module(
        f"nn.BatchNorm{axes}d",
        (size,),
        (local,),
        keywords=keywords,
        filled=filled,
        note=_note(call),
    )
    body.give(call.outputs[0], local, layout)


def _note(call: Call) -> str:
    """What training would do otherwise than Keras does."""
    if call.config.get("renorm"):
        return "renorm: the same in evaluation; in training Keras renormalises"
    if call.config.get("trainable") is False:
        return "frozen in Keras: leave it in eval() when you train"
    if any(mask is not None for mask in call.masks):
        return "masked steps count in training; in Keras they do not"
    return ""


def _affine(
    config: Any, filled: Sequence[Filled]
) -> tuple[dict[str, Any], list[Filled]]:
    """Keywords and tensors of a norm that may lack scale or shift."""
    if not config["scale"] and not config["center"]:
        return {"elementwise_affine": False}, []
    if not config["center"]:
        return {"bias": False}, [part for part in filled if part.target == "weight"]
    return {}, list(filled)


@lowers("LayerNormalization")
def layer_normalization(call: Call, body: Body) -> None:
    """``nn.LayerNorm`` over the last axes, channels last."""
    value, config = call.inputs[0], call.config
    axes = _axes(call)
    filled = to_torch("LayerNormalization", config, call.weights)
    local, moved = _axes_behind(body, body.take(value, Layout.LAST), axes)
    shape = sizes_of(call, axes)
    if config.get("rms_scaling"):
        local = _scaled_by_deviation(body, local, len(axes), config["epsilon"], filled)
    else:
        keywords, kept = _affine(config, filled)
        local = body.module(
            "nn.LayerNorm",
            (shape[0] if len(shape) == 1 else shape,),
            (local,),
            keywords={"eps": config["epsilon"], **keywords},
            filled=kept,
        )
    if moved:
        local = body.line(moved, local)
    body.give(call.outputs[0], local, Layout.LAST)


def _axes_behind(body: Body, local: Local, axes: list[int]) -> tuple[Local, str]:
    """Move axes behind all others; return how to move them back, if they were not."""
    last = list(range(local.rank - len(axes), local.rank))
    if axes == last:
        return local, ""
    there, back = dims(axes), dims(last)
    return (
        body.line(f"{{0}}.movedim({there}, {back})", local),
        f"{{0}}.movedim({back}, {there})",
    )


def _scaled_by_deviation(
    body: Body, local: Local, count: int, eps: float, filled: Sequence[Filled]
) -> Local:
    """``rms_scaling=True``: divided by the deviation, without taking the mean off."""
    axes = dims([-n for n in range(count, 0, -1)])
    variance = f"{{0}}.var({axes}, correction=0, keepdim=True)"
    scale = bare(body, filled[0], "scale")
    return body.line(f"{{0}} * ({variance} + {eps}).rsqrt() * {{1}}", local, scale)


@lowers("RMSNormalization")
def rms_normalization(call: Call, body: Body) -> None:
    """``nn.RMSNorm`` over the last axes, channels last."""
    axes = _axes(call)
    filled = to_torch("RMSNormalization", call.config, call.weights)
    local, moved = _axes_behind(body, body.take(call.inputs[0], Layout.LAST), axes)
    shape = filled[0].array.shape
    local = body.module(
        "nn.RMSNorm",
        (shape[0] if len(shape) == 1 else shape,),
        (local,),
        keywords={"eps": call.config["epsilon"]},
        filled=filled,
    )
    if moved:
        local = body.line(moved, local)
    body.give(call.outputs[0], local, Layout.LAST)


@lowers("GroupNormalization")
def group_normalization(call: Call, body: Body) -> None:
    """``nn.GroupNorm``; ``groups=-1`` is one group a channel."""
    layout = _layout_of_channels(call, body)
    config = call.config
    local = body.take(call.inputs[0], layout)
    filled = to_torch("GroupNormalization", config, call.weights)
    (size,) = sizes_of(call, _axes(call))
    groups = config["groups"] if config["groups"] != -1 else size
    plain = not config["scale"] and not config["center"]
    local = body.module(
        "nn.GroupNorm",
        (groups, size),
        (local,),
        keywords={"eps": config["epsilon"], **({"affine": False} if plain else {})},
        filled=() if plain else filled,
    )
    body.give(call.outputs[0], local, layout)


@lowers("UnitNormalization")
def unit_normalization(call: Call, body: Body) -> None:
    """``F.normalize`` along the axes."""
    value = call.inputs[0]
    layout = body.layout_of(value)
    places = [axis_in(layout, axis, value.rank) for axis in _axes(call)]
    local = body.line(
        f"F.normalize({{0}}, dim={dims(places)})", body.take(value, layout)
    )
    body.give(call.outputs[0], local, layout)


@lowers("Normalization")
def normalization(call: Call, body: Body) -> None:
    """Mean and variance that ``adapt`` has found, as buffers."""
    value, config = call.inputs[0], call.config
    given = config.get("axis")
    axes = () if given is None else tuple(numbers_of(given))
    kept = {axis % value.rank for axis in axes}
    filled = [
        _broadcast(part, sizes_of(call, sorted(kept)), kept, value.rank)
        for part in to_torch("Normalization", config, call.weights)
    ]
    mean, variance = (bare(body, part, trainable=False) for part in filled)
    local = body.take(value, Layout.LAST)
    if config.get("invert"):
        written = "{1} + {0} * {2}.sqrt().clamp(min=1e-7)"
    else:
        written = "({0} - {1}) / {2}.sqrt().clamp(min=1e-7)"
    body.give(call.outputs[0], body.line(written, local, mean, variance), Layout.LAST)


def numbers_of(axis: Any) -> list[int]:
    """Axes of a config, of one or of several."""
    return [axis] if isinstance(axis, int) else list(axis)


def _broadcast(
    part: Filled, sizes: tuple[int, ...], kept: set[int], rank: int
) -> Filled:
    """Statistics with axes of length one where they are shared."""
    ordered = iter(sizes)
    shape = [next(ordered) if axis in kept else 1 for axis in range(rank)]
    while shape and shape[0] == 1 and len(shape) > 1:
        del shape[0]
    array = np.broadcast_to(np.asarray(part.array), sizes or (1,)).reshape(shape)
    return Filled(part.target, np.ascontiguousarray(array), part.sources, part.layout)
