"""Operations that move values: reshape, transpose, join, split, pick, pad, repeat."""

from collections.abc import Sequence
from types import EllipsisType
from typing import Any

from migrate_examples.port.graph import Call, Value
from migrate_examples.port.lower import UnsupportedError, lowers
from migrate_examples.port.lower.axes import axis_in, common_layout, take_all
from migrate_examples.port.lower.body import Body
from migrate_examples.port.lower.merging import cat
from migrate_examples.port.lower.operands import argument, lines, literal
from migrate_examples.port.program import Layout, Local


def sizes_like(out: Value, given: Value) -> str:
    """Sizes to reshape to; what is not known is asked of the tensor.

    >>> x = Value(0, (None, 4, 6), "float32")
    >>> sizes_like(Value(1, (None, 24), "float32"), x)
    '-1, 24'
    >>> sizes_like(Value(1, (None, None, 6), "float32"), x)
    '{0}.shape[0], -1, 6'
    """
    shape: list[str] = ["-1" if size is None else str(size) for size in out.shape]
    if shape.count("-1") > 1 and out.shape[0] is None and given.shape[0] is None:
        shape[0] = "{0}.shape[0]"
    if shape.count("-1") > 1:
        raise UnsupportedError(f"reshape to {out.shape}: more than one size is open")
    return ", ".join(shape)


@lowers("ops.Reshape", "ops.Ravel")
def reshape(call: Call, body: Body) -> None:
    """``reshape``, channels last."""
    value, out = call.inputs[0], call.outputs[0]
    local = body.take(value, Layout.LAST)
    sizes = sizes_like(out, value)
    made = body.line(f"{{0}}.reshape({sizes})", local, rank=out.rank)
    body.give(out, made, Layout.LAST)


@lowers("ops.Transpose", "ops.Swapaxes", "ops.Moveaxis")
def transpose(call: Call, body: Body) -> None:
    """``permute``; to channels first and back it is what the module has anyway."""
    value, out, config = call.inputs[0], call.outputs[0], call.config
    rank = value.rank
    order = _order(call.kind, config, rank)
    first = (0, rank - 1, *range(1, rank - 1))
    last = (0, *range(2, rank), 1)
    if rank > 2 and order == first:
        body.give(out, body.take(value, Layout.FIRST), Layout.LAST)
    elif rank > 2 and order == last:
        body.give(out, body.take(value, Layout.LAST), Layout.FIRST)
    else:
        local = body.take(value, Layout.LAST)
        moved = [n for n, axis in enumerate(order) if n != axis]
        if len(moved) == 2:
            written = f"{{0}}.transpose({moved[0]}, {moved[1]})"
        else:
            written = f"{{0}}.permute({', '.join(map(str, order))})"
        body.give(out, body.line(written, local), Layout.LAST)


def _order(kind: str, config: Any, rank: int) -> tuple[int, ...]:
    if kind == "ops.Transpose":
        given = config.get("axes")
        axes = range(rank)[::-1] if given is None else given
        return tuple(axis % rank for axis in axes)
    if kind == "ops.Swapaxes":
        order = list(range(rank))
        a, b = config["axis1"] % rank, config["axis2"] % rank
        order[a], order[b] = order[b], order[a]
        return tuple(order)
    source, target = (
        [n % rank for n in ([one] if isinstance(one, int) else one)]
        for one in (config["source"], config["destination"])
    )
    left = iter(n for n in range(rank) if n not in source)
    moved = dict(zip(target, source, strict=True))
    return tuple(moved[n] if n in moved else next(left) for n in range(rank))


@lowers("ops.ExpandDims")
def expand_dims(call: Call, body: Body) -> None:
    """``unsqueeze``, one axis after the other."""
    value, out = call.inputs[0], call.outputs[0]
    given = call.config["axis"]
    axes = sorted(
        a % out.rank for a in ([given] if isinstance(given, int) else list(given))
    )
    made = body.take(value, Layout.LAST)
    for axis in axes:
        made = body.line(f"{{0}}.unsqueeze({axis})", made, rank=made.rank + 1)
    body.give(out, made, Layout.LAST)


@lowers("ops.Squeeze")
def squeeze(call: Call, body: Body) -> None:
    """``squeeze`` of the axes that Keras squeezes: never of the batch by chance."""
    value, out = call.inputs[0], call.outputs[0]
    given = call.config.get("axis")
    if given is None:
        axes = [n for n, size in enumerate(value.shape) if size == 1]
    else:
        axes = [a % value.rank for a in ([given] if isinstance(given, int) else given)]
    made = body.take(value, Layout.LAST)
    for axis in sorted(axes, reverse=True):
        made = body.line(f"{{0}}.squeeze({axis})", made, rank=made.rank - 1)
    body.give(out, made, Layout.LAST)


@lowers("ops.Concatenate", "ops.Hstack", "ops.Vstack")
def concatenate(call: Call, body: Body) -> None:
    """``torch.cat``."""
    out = call.outputs[0]
    layout = common_layout(body, call.inputs)
    default = {"ops.Vstack": 0, "ops.Hstack": min(1, out.rank - 1)}.get(call.kind, 0)
    axis = axis_in(layout, call.config.get("axis", default), out.rank)
    body.give(out, cat(body, take_all(body, call.inputs, layout), axis), layout)


@lowers("ops.Stack")
def stack(call: Call, body: Body) -> None:
    """``torch.stack``, channels last."""
    out = call.outputs[0]
    locals_ = take_all(body, call.inputs, Layout.LAST)
    axis = call.config.get("axis", 0) % out.rank
    places = ", ".join(f"{{{n}}}" for n in range(len(locals_)))
    made = body.line(f"torch.stack(({places}), dim={axis})", *locals_, rank=out.rank)
    body.give(out, made, Layout.LAST)


@lowers("ops.Split", "ops.ArraySplit")
def split(call: Call, body: Body) -> None:
    """``chunk`` into equal parts, ``split`` at given places."""
    value = call.inputs[0]
    axis = call.config.get("axis", 0) % value.rank
    layout = body.layout_of(value) if axis else Layout.LAST
    place = axis_in(layout, axis, value.rank)
    sizes = [out.shape[axis] for out in call.outputs]
    if len(set(sizes)) == 1 and isinstance(call.config["indices_or_sections"], int):
        written = f"{{0}}.chunk({len(sizes)}, dim={place})"
    elif None in sizes:
        raise UnsupportedError("split of an axis of unknown size")
    else:
        written = f"{{0}}.split({sizes}, dim={place})"
    made = lines(body, written, [body.take(value, layout)], len(sizes), value.rank)
    for out, local in zip(call.outputs, made, strict=True):
        body.give(out, local, layout)


@lowers("ops.Unstack")
def unstack(call: Call, body: Body) -> None:
    """``unbind``."""
    value = call.inputs[0]
    axis = call.config.get("axis", 0) % value.rank
    local = body.take(value, Layout.LAST)
    count = len(call.outputs)
    made = lines(body, f"{{0}}.unbind({axis})", [local], count, value.rank - 1)
    for out, one in zip(call.outputs, made, strict=True):
        body.give(out, one, Layout.LAST)


@lowers("ops.GetItem")
def get_item(call: Call, body: Body) -> None:
    """Slices and indices; slices alone keep the layout."""
    value, out = call.inputs[0], call.outputs[0]
    key = argument(call, 1, "key")
    entries = list(key) if isinstance(key, tuple) else [key]
    if any(isinstance(entry, Value) for entry in entries):
        raise UnsupportedError("an index that is a tensor: use keras.ops.take")
    entries = _spelled(entries, value.rank)
    layout = Layout.LAST
    if all(isinstance(entry, slice) for entry in entries):
        layout = body.layout_of(value)
    if layout is Layout.FIRST:
        entries = [entries[0], entries[-1], *entries[1:-1]]
    local = body.take(value, layout)
    flips = [n for n, entry in enumerate(entries) if _step(entry) < 0]
    if flips:
        local, entries = _flipped(body, local, entries, flips)
    while entries and entries[-1] == slice(None):
        del entries[-1]
    if entries:
        written = ", ".join(map(_entry, entries))
        local = body.line(f"{{0}}[{written}]", local, rank=out.rank)
    body.give(out, local, layout)


def _spelled(entries: Sequence[Any], rank: int) -> list[Any]:
    """Entries for every axis: what ``...`` stands for is written out."""
    taken = sum(entry is not None and entry is not Ellipsis for entry in entries)
    spelled: list[Any] = []
    for entry in entries:
        if isinstance(entry, EllipsisType):
            spelled += [slice(None)] * (rank - taken)
            taken = rank
        else:
            spelled.append(entry)
    return spelled + [slice(None)] * (rank - taken)


def _step(entry: Any) -> int:
    return (entry.step or 1) if isinstance(entry, slice) else 1


def _flipped(
    body: Body, local: Local, entries: list[Any], flips: list[int]
) -> tuple[Local, list[Any]]:
    """Whole axes the other way round, which PyTorch's slices cannot."""
    if any(entries[n] != slice(None, None, -1) for n in flips) or None in entries:
        raise UnsupportedError("a slice with a negative step: flip the axis in front")
    places = ", ".join(map(str, flips))
    local = body.line(f"{{0}}.flip({places})", local)
    return local, [slice(None) if n in flips else e for n, e in enumerate(entries)]


def _entry(entry: Any) -> str:
    if entry is None or isinstance(entry, int):
        return str(entry)
    if not isinstance(entry, slice):
        raise UnsupportedError(f"index {entry!r}: only numbers, slices and None")
    parts = ["" if part is None else part for part in (entry.start, entry.stop)]
    if any(isinstance(part, Value) for part in parts):
        raise UnsupportedError("a slice whose ends are tensors")
    step = f":{entry.step}" if entry.step not in {None, 1} else ""
    return f"{parts[0]}:{parts[1]}{step}"


@lowers("ops.Take")
def take(call: Call, body: Body) -> None:
    """``index_select``, or an index where there are several axes of them."""
    value, out = call.inputs[0], call.outputs[0]
    indices = argument(call, 1, "indices")
    axis = call.config.get("axis")
    local = body.take(value, Layout.LAST)
    if axis is None:
        local = body.line("{0}.flatten()", local, rank=1)
        axis = 0
    axis %= local.rank
    front = ":, " * axis
    if isinstance(indices, (int, list)):
        made = body.line(f"{{0}}[{front}{indices}]", local, rank=out.rank)
    elif isinstance(indices, Value):
        at = body.take(indices, Layout.LAST)
        made = body.line(f"{{0}}[{front}{{1}}]", local, at, rank=out.rank)
    else:
        raise UnsupportedError(f"indices {indices!r}")
    body.give(out, made, Layout.LAST)


@lowers("ops.TakeAlongAxis")
def take_along_axis(call: Call, body: Body) -> None:
    """``take_along_dim``."""
    value, indices = call.inputs[0], argument(call, 1, "indices")
    axis = call.config.get("axis")
    locals_ = [body.take(value, Layout.LAST), body.take(indices, Layout.LAST)]
    dim = "" if axis is None else f", dim={axis % value.rank}"
    made = body.line(
        f"{{0}}.take_along_dim({{1}}.long(){dim})", *locals_, rank=call.outputs[0].rank
    )
    body.give(call.outputs[0], made, Layout.LAST)


@lowers("ops.Tile")
def tile(call: Call, body: Body) -> None:
    """``tile``, channels last."""
    out = call.outputs[0]
    given = call.config["repeats"]
    repeats = tuple(given) if not isinstance(given, int) else (given,)
    local = body.take(call.inputs[0], Layout.LAST)
    body.give(
        out, body.line(f"{{0}}.tile({repeats})", local, rank=out.rank), Layout.LAST
    )


@lowers("ops.Repeat")
def repeat(call: Call, body: Body) -> None:
    """``repeat_interleave``."""
    value, out = call.inputs[0], call.outputs[0]
    times, axis = call.config["repeats"], call.config.get("axis")
    if not isinstance(times, int):
        raise UnsupportedError(f"repeats={times}: only one number for all places")
    layout = Layout.LAST if axis is None else body.layout_of(value)
    place = "" if axis is None else f", dim={axis_in(layout, axis, value.rank)}"
    local = body.take(value, layout)
    made = body.line(f"{{0}}.repeat_interleave({times}{place})", local, rank=out.rank)
    body.give(out, made, layout)


@lowers("ops.Flip", "ops.Fliplr", "ops.Flipud")
def flip(call: Call, body: Body) -> None:
    """``flip``."""
    value = call.inputs[0]
    layout = body.layout_of(value)
    given = call.config.get("axis")
    given = {"ops.Fliplr": 1, "ops.Flipud": 0}.get(call.kind, given)
    axes = range(value.rank) if given is None else _several(given)
    places = ", ".join(str(axis_in(layout, axis, value.rank)) for axis in axes)
    made = body.line(f"{{0}}.flip({places})", body.take(value, layout))
    body.give(call.outputs[0], made, layout)


def _several(given: Any) -> list[int]:
    return [given] if isinstance(given, int) else list(given)


@lowers("ops.Roll")
def roll(call: Call, body: Body) -> None:
    """``torch.roll``."""
    value = call.inputs[0]
    axis = call.config.get("axis")
    layout = Layout.LAST if axis is None else body.layout_of(value)
    shift = call.config["shift"]
    written = f"torch.roll({{0}}, {shift}"
    if axis is not None:
        places = tuple(axis_in(layout, a, value.rank) for a in _several(axis))
        written += f", {places[0] if len(places) == 1 else places}"
    made = body.line(f"{written})", body.take(value, layout))
    body.give(call.outputs[0], made, layout)


@lowers("ops.BroadcastTo")
def broadcast_to(call: Call, body: Body) -> None:
    """``broadcast_to``, channels last."""
    out = call.outputs[0]
    local = body.take(call.inputs[0], Layout.LAST)
    shape = ["-1" if size is None else str(size) for size in out.shape]
    written = f"{{0}}.expand({', '.join(shape)})"
    body.give(out, body.line(written, local, rank=out.rank), Layout.LAST)


MODES = {"constant": "", "reflect": "reflect", "edge": "replicate"}


@lowers("ops.Pad")
def pad(call: Call, body: Body) -> None:
    """``F.pad``, which counts from the last axis."""
    value, config = call.inputs[0], call.config
    given = config["pad_width"]
    pairs = [tuple(map(int, pair)) for pair in _pad_pairs(given, value.rank)]
    mode = config.get("mode", "constant")
    fill = argument(call, 1, "constant_values")
    if mode not in MODES or isinstance(fill, Value):
        raise UnsupportedError(f"pad with mode={mode}: constant, reflect or edge")
    layout = body.layout_of(value)
    if layout is Layout.FIRST:
        pairs = [pairs[0], pairs[-1], *pairs[1:-1]]
    elif mode != "constant" and value.rank > 2 and any(pairs[-1]) is False:
        layout = Layout.FIRST  # the other modes pad places, not channels
        pairs = [pairs[0], pairs[-1], *pairs[1:-1]]
    while len(pairs) > 1 and not any(pairs[0]):
        del pairs[0]
    flat = tuple(n for pair in reversed(pairs) for n in pair)
    more = f", mode={MODES[mode]!r}" if MODES[mode] else ""
    if fill:
        more += f", value={literal(fill)}"
    made = body.line(f"F.pad({{0}}, {flat}{more})", body.take(value, layout))
    body.give(call.outputs[0], made, layout)


def _pad_pairs(given: Any, rank: int) -> list[Any]:
    if isinstance(given, int):
        return [(given, given)] * rank
    pairs = [(pair, pair) if isinstance(pair, int) else tuple(pair) for pair in given]
    return pairs * rank if len(pairs) == 1 else pairs
