"""Operations that reduce axes, or run along one."""

from collections.abc import Sequence

from migrate_examples.port.graph import Call, Value
from migrate_examples.port.lower import UnsupportedError, lowers
from migrate_examples.port.lower.axes import axis_in, dims
from migrate_examples.port.lower.body import Body
from migrate_examples.port.lower.operands import cast, lines
from migrate_examples.port.program import Layout, Local

REDUCTIONS = {
    "Mean": "mean",
    "Sum": "sum",
    "Max": "amax",
    "Min": "amin",
    "Amax": "amax",
    "Amin": "amin",
    "All": "all",
    "Any": "any",
    "Logsumexp": "logsumexp",
    "CountNonzero": "count_nonzero",
}


def axes_of(call: Call, name: str = "axis") -> list[int] | None:
    """Axes of an operation, counted from the front; None for all."""
    given = call.config.get(name)
    if given is None:
        return None
    axes = [given] if isinstance(given, int) else list(given)
    return sorted(axis % call.inputs[0].rank for axis in axes)


def layout_kept(
    body: Body, value: Value, axes: Sequence[int], *, keep: bool
) -> tuple[Layout, Layout]:
    """Layout to reduce in, and that of what is left."""
    layout = body.layout_of(value)
    if layout is Layout.LAST or 0 in axes:
        return Layout.LAST, Layout.LAST
    gone = value.rank - 1 in axes
    return layout, layout if keep or not gone else Layout.LAST


@lowers(*(f"ops.{name}" for name in REDUCTIONS))
def reduction(call: Call, body: Body) -> None:
    """``mean``, ``sum``, ``amax``, … over axes."""
    method = REDUCTIONS[call.kind.removeprefix("ops.")]
    value, out = call.inputs[0], call.outputs[0]
    if call.config.get("initial") is not None:
        raise UnsupportedError(
            "a reduction with initial: use maximum or minimum behind"
        )
    keep = bool(call.config.get("keepdims"))
    axes = axes_of(call)
    kept = ", keepdim=True" if keep else ""
    if axes is None:
        everything = list(range(value.rank))
        local = _numbers(body, value, Layout.LAST, method)
        inside = f"{dims(everything)}{kept}" if keep or "log" in method else ""
        made = body.line(f"{{0}}.{method}({inside})", local, rank=out.rank)
        body.give(out, _as(body, made, value, out), Layout.LAST)
        return
    layout, left = layout_kept(body, value, axes, keep=keep)
    local = _numbers(body, value, layout, method)
    places = sorted(axis_in(layout, axis, value.rank) for axis in axes)
    made = body.line(f"{{0}}.{method}({dims(places)}{kept})", local, rank=out.rank)
    body.give(out, _as(body, made, value, out), left)


def _numbers(body: Body, value: Value, layout: Layout, method: str) -> Local:
    """The tensor as something that has a mean."""
    local = body.take(value, layout)
    if method in {"mean", "logsumexp"} and not value.dtype.startswith(("f", "bf")):
        return body.line(cast("float32"), local)
    return local


def _as(body: Body, made: Local, value: Value, out: Value) -> Local:
    """Sums of int32 stay int32 in Keras."""
    if out.dtype == "int32" and value.dtype in {"int32", "bool"}:
        return body.line("{0}.int()", made)
    return made


@lowers("ops.Var", "ops.Std")
def spread(call: Call, body: Body) -> None:
    """Variance and deviation, divided by the count."""
    method = "var" if call.kind == "ops.Var" else "std"
    value, out = call.inputs[0], call.outputs[0]
    keep = bool(call.config.get("keepdims"))
    axes = axes_of(call)
    kept = ", keepdim=True" if keep else ""
    axes = list(range(value.rank)) if axes is None else axes
    layout, left = layout_kept(body, value, axes, keep=keep)
    places = sorted(axis_in(layout, axis, value.rank) for axis in axes)
    made = body.line(
        f"{{0}}.{method}({dims(places)}, correction=0{kept})",
        body.take(value, layout),
        rank=out.rank,
    )
    body.give(out, made, left)


@lowers("ops.Moments")
def moments(call: Call, body: Body) -> None:
    """``torch.var_mean``, the other way round."""
    value = call.inputs[0]
    axes = axes_of(call, "axes") or []
    keep = bool(call.config.get("keepdims"))
    layout, left = layout_kept(body, value, axes, keep=keep)
    places = sorted(axis_in(layout, axis, value.rank) for axis in axes)
    kept = ", keepdim=True" if keep else ""
    variance, mean = lines(
        body,
        f"torch.var_mean({{0}}, {dims(places)}, correction=0{kept})",
        [body.take(value, layout)],
        2,
        call.outputs[0].rank,
    )
    body.give(call.outputs[0], mean, left)
    body.give(call.outputs[1], variance, left)


@lowers("ops.Prod", "ops.Argmax", "ops.Argmin", "ops.Median")
def one_axis(call: Call, body: Body) -> None:
    """Reductions that PyTorch has over one axis, or over everything."""
    name = call.kind.removeprefix("ops.")
    if name == "Median":
        raise UnsupportedError(
            "median: NumPy's is the mean of the middle two, PyTorch's "
            "the lower one; use quantile by hand"
        )
    value, out = call.inputs[0], call.outputs[0]
    axes = axes_of(call)
    keep = bool(call.config.get("keepdims"))
    method = name.lower()
    if axes is None:
        made = body.line(f"{{0}}.{method}()", body.take(value, Layout.LAST), rank=0)
        if keep:
            made = body.line(f"{{0}}.reshape({(1,) * value.rank})", made, rank=out.rank)
        left = Layout.LAST
    else:
        layout, left = layout_kept(body, value, axes, keep=keep)
        made = body.take(value, layout)
        kept = ", keepdim=True" if keep else ""
        places = sorted(
            (axis_in(layout, axis, value.rank) for axis in axes), reverse=True
        )
        for place in places:
            rank = made.rank if keep else made.rank - 1
            made = body.line(f"{{0}}.{method}({place}{kept})", made, rank=rank)
    if out.dtype == "int32":
        made = body.line("{0}.int()", made)
    body.give(out, made, left)


ALONG = {
    "Softmax": "{{0}}.softmax({dim})",
    "LogSoftmax": "{{0}}.log_softmax({dim})",
    "Glu": "F.glu({{0}}, {dim})",
    "Sparsemax": "sparsemax({{0}}, {dim})",
    "Cumsum": "{{0}}.cumsum({dim})",
    "Cumprod": "{{0}}.cumprod({dim})",
    "Sort": "{{0}}.sort({dim}).values",
    "Argsort": "{{0}}.argsort(dim={dim}, stable=True)",
}


@lowers(*(f"ops.{name}" for name in ALONG))
def along(call: Call, body: Body) -> None:
    """Functions along one axis."""
    name = call.kind.removeprefix("ops.")
    value, out = call.inputs[0], call.outputs[0]
    axis = call.config.get("axis", -1)
    layout = body.layout_of(value)
    if isinstance(axis, (list, tuple)) and len(axis) == 1:
        (axis,) = axis
    if not isinstance(axis, int):
        raise UnsupportedError(f"{name} with axis={axis}: flatten the tensor in front")
    if name == "Sparsemax":
        body.need("sparsemax")
    place = axis_in(layout, axis, value.rank)
    made = body.line(ALONG[name].format(dim=place), body.take(value, layout))
    if name in {"Argsort", "Cumsum", "Cumprod"} and out.dtype == "int32":
        made = body.line("{0}.int()", made)
    body.give(out, made, layout)


@lowers("ops.TopK")
def top_k(call: Call, body: Body) -> None:
    """``topk`` along the last axis; equal values may come in another order."""
    k = call.config["k"]
    local = body.take(call.inputs[0], Layout.LAST)
    rank = call.inputs[0].rank
    values, indices = lines(body, f"{{0}}.topk({k})", [local], 2, rank)
    body.give(call.outputs[0], values, Layout.LAST)
    body.give(call.outputs[1], body.line("{0}.int()", indices), Layout.LAST)


@lowers("ops.Normalize")
def normalize(call: Call, body: Body) -> None:
    """``F.normalize``."""
    value, config = call.inputs[0], call.config
    layout = body.layout_of(value)
    axes = axes_of(call) or []
    places = dims(sorted(axis_in(layout, axis, value.rank) for axis in axes))
    order, eps = config.get("order", 2), config.get("epsilon")
    more = "" if order == 2 else f", p={order}"
    more += f", eps={1e-7 if eps is None else eps}"
    made = body.line(
        f"F.normalize({{0}}, dim={places}{more})", body.take(value, layout)
    )
    body.give(call.outputs[0], made, layout)


@lowers("ops.Norm")
def norm(call: Call, body: Body) -> None:
    """``torch.linalg.vector_norm`` or ``matrix_norm``."""
    value, config, out = call.inputs[0], call.config, call.outputs[0]
    axes = axes_of(call)
    order = config.get("ord")
    keep = ", keepdim=True" if config.get("keepdims") else ""
    local = body.take(value, Layout.LAST)
    if order in {None, "fro"} or (axes is not None and len(axes) == 1):
        given = "" if order in {None, "fro", 2} else f", ord={order}"
        where = "" if axes is None else f", dim={dims(axes)}"
        written = f"torch.linalg.vector_norm({{0}}{given}{where}{keep})"
    else:
        where = "" if axes is None else f", dim={tuple(axes)}"
        written = f"torch.linalg.matrix_norm({{0}}, {order!r}{where}{keep})"
    body.give(out, body.line(written, local, rank=out.rank), Layout.LAST)
