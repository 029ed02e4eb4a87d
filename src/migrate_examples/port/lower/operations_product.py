"""Operations of ``keras.ops`` that multiply, convolve, pool, normalise or encode."""

from typing import Any

from migrate_examples.port.graph import Call, Value
from migrate_examples.port.lower import UnsupportedError, lowers
from migrate_examples.port.lower.axes import (
    images_layout,
    numbers,
    short,
    spatial,
)
from migrate_examples.port.lower.body import Body
from migrate_examples.port.lower.operands import argument, cast
from migrate_examples.port.lower.padding import Window, pad_for
from migrate_examples.port.lower.resizing import resize_line
from migrate_examples.port.program import Layout, Local


def _pair(call: Call, body: Body) -> list[Local]:
    pair = [argument(call, 0, "x1"), argument(call, 1, "x2")]
    if not all(isinstance(one, Value) for one in pair):
        raise UnsupportedError(f"{call.kind} with a number")
    return [body.take(one, Layout.LAST) for one in pair]


@lowers("ops.Matmul", "ops.Dot", "ops.Outer", "ops.Tensordot", "ops.Vdot", "ops.Inner")
def product(call: Call, body: Body) -> None:
    """``@``, ``torch.outer``, ``torch.tensordot``."""
    left, right = _pair(call, body)
    out = call.outputs[0]
    name = call.kind.removeprefix("ops.")
    if name == "Outer":
        written = "torch.outer({0}.flatten(), {1}.flatten())"
    elif name == "Tensordot":
        axes = call.config["axes"]
        given = (
            axes
            if isinstance(axes, int)
            else tuple([a] if isinstance(a, int) else list(a) for a in axes)
        )
        written = f"torch.tensordot({{0}}, {{1}}, dims={given})"
    elif name == "Vdot":
        written = "torch.vdot({0}.flatten(), {1}.flatten())"
    elif name == "Inner":
        written = "torch.inner({0}, {1})"
    elif name == "Dot" and right.rank > 2:
        written = f"torch.tensordot({{0}}, {{1}}, dims=([-1], [{right.rank - 2}]))"
    else:
        written = "{0} @ {1}"
    body.give(out, body.line(written, left, right, rank=out.rank), Layout.LAST)


@lowers("ops.Einsum")
def einsum(call: Call, body: Body) -> None:
    """``torch.einsum``, channels last."""
    out = call.outputs[0]
    locals_ = [body.take(value, Layout.LAST) for value in call.inputs]
    equation = str(call.config["subscripts"]).replace(" ", "")
    if "->" not in equation:
        raise UnsupportedError(f"einsum {equation!r}: write its output, too")
    places = ", ".join(f"{{{n}}}" for n in range(len(locals_)))
    made = body.line(f"torch.einsum({equation!r}, {places})", *locals_, rank=out.rank)
    body.give(out, made, Layout.LAST)


@lowers("ops.OneHot")
def one_hot(call: Call, body: Body) -> None:
    """A comparison: what is out of range becomes zeros, as in Keras."""
    value, out, config = call.inputs[0], call.outputs[0], call.config
    local = body.take(value, Layout.LAST)
    made = one_hot_line(body, local, config["num_classes"], out.dtype)
    axis = config.get("axis", -1) % out.rank
    if axis != out.rank - 1:
        made = body.line(f"{{0}}.movedim(-1, {axis})", made)
    body.give(out, made, Layout.LAST)


def one_hot_line(body: Body, local: Local, count: int, dtype: str) -> Local:
    """Write a one-hot encoding along a new last axis."""
    made = body.line(
        f"{{0}}[..., None] == torch.arange({count}, device={{0}}.device)",
        local,
        rank=local.rank + 1,
    )
    return made if dtype == "bool" else body.line(cast(dtype), made)


@lowers("ops.Conv", "ops.DepthwiseConv")
def convolve(call: Call, body: Body) -> None:
    """``F.conv2d`` with a kernel that is a tensor of the graph."""
    value = call.inputs[0]
    kernel = argument(call, 1, "kernel")
    config, axes = call.config, value.rank - 2
    window = Window(
        tuple(int(n or 1) for n in kernel.shape[:-2]),
        numbers(config["strides"], axes),
        numbers(config["dilation_rate"], axes),
    )
    layout = images_layout(call)
    local = body.take(value, layout)
    padding: Any = 0
    if config["padding"] == "same":
        local, padding = pad_for(body, local, spatial(call), window)
    weight = body.take(kernel, Layout.LAST)
    places = ", ".join(map(str, range(axes)))
    groups = 1
    if call.kind == "ops.Conv":
        weight = body.line(f"{{0}}.permute({axes + 1}, {axes}, {places})", weight)
        size = value.shape[1] if layout is Layout.LAST else value.shape[-1]
        groups = (size or 1) // int(kernel.shape[-2] or 1)
    else:
        groups = int(kernel.shape[-2] or 1)
        weight = body.line(
            f"{{0}}.permute({axes}, {axes + 1}, {places}).flatten(0, 1).unsqueeze(1)",
            weight,
        )
    settings = [
        f", {name}={given}"
        for name, given, default in (
            ("stride", short(window.step), 1),
            ("padding", padding, 0),
            ("dilation", short(window.gap), 1),
            ("groups", groups, 1),
        )
        if given != default
    ]
    written = f"F.conv{axes}d({{0}}, {{1}}{''.join(settings)})"
    body.give(call.outputs[0], body.line(written, local, weight), layout)


@lowers("ops.MaxPool", "ops.AveragePool")
def pool(call: Call, body: Body) -> None:
    """The pooling layer of the same name."""
    axes = call.inputs[0].rank - 2
    kind = "MaxPooling" if call.kind == "ops.MaxPool" else "AveragePooling"
    config = {"data_format": None, **call.config}
    body.lower(_as_layer(call, f"{kind}{axes}D", config))


def _as_layer(call: Call, kind: str, config: dict[str, Any]) -> Call:
    value = call.inputs[0]
    return Call(
        call.layer,
        kind,
        config,
        (value,),
        (value,),
        {},
        (None,),
        call.outputs,
        {},
    )


@lowers("ops.BatchNorm")
def batch_norm(call: Call, body: Body) -> None:
    """The formula, with statistics that are tensors of the graph."""
    value, out = call.inputs[0], call.outputs[0]
    axis = call.config["axis"] % value.rank
    names = ("x", "mean", "variance", "offset", "scale")
    given = [argument(call, n, name) for n, name in enumerate(names)]
    locals_ = [body.take(one, Layout.LAST) for one in given if one is not None]
    new = ", ".join([":"] + ["None"] * (value.rank - 1 - axis))
    at = f"[{new}]" if axis != value.rank - 1 else ""
    place = {
        name: f"{{{n}}}{at}"
        for n, name in enumerate(
            name for name, one in zip(names, given, strict=True) if one is not None
        )
    }
    eps = call.config["epsilon"]
    written = f"({{0}} - {place['mean']}) * ({place['variance']} + {eps}).rsqrt()"
    if "scale" in place:
        written += f" * {place['scale']}"
    if "offset" in place:
        written += f" + {place['offset']}"
    body.give(out, body.line(written, *locals_), Layout.LAST)


@lowers("ops.LayerNorm", "ops.RMSNorm")
def layer_norm(call: Call, body: Body) -> None:
    """``F.layer_norm`` and ``F.rms_norm`` over the last axis."""
    value, config = call.inputs[0], call.config
    axis = config.get("axis", -1)
    axes = [axis] if isinstance(axis, int) else list(axis)
    if [a % value.rank for a in axes] != [value.rank - 1] or config.get("rms_scaling"):
        raise UnsupportedError(f"{call.kind} over axis={axis}: over the last one alone")
    rms = call.kind == "ops.RMSNorm"
    names = ("scale",) if rms else ("gamma", "beta")
    given = [argument(call, n + 1, name) for n, name in enumerate(names)]
    locals_ = [body.take(value, Layout.LAST)]
    parts = []
    for one in given:
        if one is None:
            parts.append("None")
        else:
            parts.append(f"{{{len(locals_)}}}")
            locals_.append(body.take(one, Layout.LAST))
    eps = config.get("epsilon")
    eps = 1e-7 if eps is None else eps
    function = "F.rms_norm" if rms else "F.layer_norm"
    written = f"{function}({{0}}, {{0}}.shape[-1:], {', '.join(parts)}, eps={eps})"
    body.give(call.outputs[0], body.line(written, *locals_), Layout.LAST)


@lowers("ops.Resize")
def resize(call: Call, body: Body) -> None:
    """``F.interpolate``, half-pixel centres."""
    config = call.config
    if config.get("crop_to_aspect_ratio") or config.get("pad_to_aspect_ratio"):
        raise UnsupportedError(
            "resizing that keeps the aspect ratio: crop or pad first"
        )
    size = tuple(config["size"])
    layout = images_layout(call)
    local = resize_line(
        body,
        body.take(call.inputs[0], layout),
        str(size),
        config["interpolation"],
        antialias=bool(config.get("antialias")),
    )
    body.give(call.outputs[0], local, layout)


@lowers("ops.DepthToSpace", "ops.SpaceToDepth")
def depth_to_space(call: Call, body: Body) -> None:
    """Blocks of channels as places, in TensorFlow's order, and back."""
    value, out = call.inputs[0], call.outputs[0]
    n = call.config["block_size"]
    local = body.take(value, Layout.LAST)
    if call.kind == "ops.DepthToSpace":
        made = body.line(f"{{0}}.unflatten(-1, ({n}, {n}, -1))", local, rank=6)
        made = body.line("{0}.permute(0, 1, 3, 2, 4, 5)", made)
        made = body.line("{0}.flatten(3, 4).flatten(1, 2)", made, rank=out.rank)
    else:
        made = body.line(
            f"{{0}}.unflatten(2, (-1, {n})).unflatten(1, (-1, {n}))", local, rank=6
        )
        made = body.line(
            "{0}.permute(0, 1, 3, 2, 4, 5).flatten(3)", made, rank=out.rank
        )
    body.give(out, made, Layout.LAST)


@lowers("ops.DotProductAttention")
def dot_product_attention(call: Call, body: Body) -> None:
    """``F.scaled_dot_product_attention``; Keras has (batch, steps, heads, size)."""
    names = ("query", "key", "value", "bias", "mask", "scale")
    given = {name: argument(call, n, name) for n, name in enumerate(names)}
    if given["bias"] is not None or call.config.get("attn_logits_soft_cap"):
        raise UnsupportedError("dot_product_attention with a bias or a cap")
    locals_ = [body.take(given[name], Layout.LAST) for name in names[:3]]
    turned = [body.line("{0}.transpose(1, 2)", local) for local in locals_]
    written = "{0}, {1}, {2}"
    if given["mask"] is not None:
        turned.append(body.take(given["mask"], Layout.LAST))
        written += ", {3}"
    if call.config.get("is_causal"):
        written += ", is_causal=True"
    if given["scale"] is not None:
        written += f", scale={given['scale']}"
    made = body.line(f"F.scaled_dot_product_attention({written})", *turned)
    body.give(call.outputs[0], body.line("{0}.transpose(1, 2)", made), Layout.LAST)
