"""Layers that merge several tensors."""

from collections.abc import Callable, Sequence

from migrate_examples.port.graph import Call, Value
from migrate_examples.port.lower import UnsupportedError, lowers
from migrate_examples.port.lower.axes import axis_in, common_layout
from migrate_examples.port.lower.body import Body
from migrate_examples.port.program import Layout, Local


def joined(sign: str, count: int) -> str:
    """Expression of several operands with a sign between them.

    >>> joined("+", 3)
    '{0} + {1} + {2}'
    """
    return f" {sign} ".join(f"{{{n}}}" for n in range(count))


def nested(function: str, count: int) -> str:
    """Expression of a function of two, over several operands.

    >>> nested("torch.maximum", 3)
    'torch.maximum(torch.maximum({0}, {1}), {2})'
    """
    written = "{0}"
    for n in range(1, count):
        written = f"{function}({written}, {{{n}}})"
    return written


MERGES: dict[str, Callable[[int], str]] = {
    "Add": lambda n: joined("+", n),
    "Subtract": lambda n: joined("-", n),
    "Multiply": lambda n: joined("*", n),
    "Average": lambda n: f"({joined('+', n)}) / {n}",
    "Maximum": lambda n: nested("torch.maximum", n),
    "Minimum": lambda n: nested("torch.minimum", n),
}


@lowers(*MERGES)
def merge(call: Call, body: Body) -> None:
    """Element by element; a tensor of fewer axes gets new ones behind the batch."""
    values = call.inputs
    ranks = {value.rank for value in values}
    layout = common_layout(body, values) if len(ranks) == 1 else Layout.LAST
    locals_ = [_widened(body, body.take(value, layout), max(ranks)) for value in values]
    made = body.line(MERGES[call.kind](len(locals_)), *locals_)
    body.give(call.outputs[0], made, layout)


def _widened(body: Body, local: Local, rank: int) -> Local:
    missing = rank - local.rank
    if not missing:
        return local
    return body.line(f"{{0}}[:, {', '.join(['None'] * missing)}]", local, rank=rank)


@lowers("Concatenate")
def concatenate(call: Call, body: Body) -> None:
    """``torch.cat`` along the axis, wherever the layout has it."""
    layout = common_layout(body, call.inputs)
    axis = axis_in(layout, call.config.get("axis", -1), call.inputs[0].rank)
    locals_ = [body.take(value, layout) for value in call.inputs]
    body.give(call.outputs[0], cat(body, locals_, axis), layout)


def cat(body: Body, locals_: Sequence[Local], axis: int) -> Local:
    """Write ``torch.cat``; along its default, the first axis, without saying so."""
    places = ", ".join(f"{{{n}}}" for n in range(len(locals_)))
    return body.line(f"torch.cat(({places}), dim={axis})", *locals_)


@lowers("Dot")
def dot(call: Call, body: Body) -> None:
    """``torch.einsum`` over one axis of each, for each example of the batch."""
    first, second = call.inputs
    given = call.config["axes"]
    pair = (given, given) if isinstance(given, int) else tuple(given)
    axes = (pair[0] % first.rank, pair[1] % second.rank)
    if 0 in axes:
        raise UnsupportedError("Dot over the batch")
    left, right = body.take(first, Layout.LAST), body.take(second, Layout.LAST)
    if call.config.get("normalize"):
        left = body.line(f"F.normalize({{0}}, dim={axes[0]}, eps=1e-6)", left)
        right = body.line(f"F.normalize({{0}}, dim={axes[1]}, eps=1e-6)", right)
    out = call.outputs[0]
    equation = dot_equation(first, second, axes)
    made = body.line(
        f"torch.einsum({equation!r}, {{0}}, {{1}})",
        left,
        right,
        rank=len(equation.partition("->")[2]),
    )
    if first.rank == second.rank == 2:
        made = body.line("{0}[:, None]", made, rank=2)
    body.give(out, made, Layout.LAST)


def dot_equation(first: Value, second: Value, axes: tuple[int, int]) -> str:
    """Equation of a product over an axis of each, with the batch in common.

    >>> one, two = Value(0, (None, 3, 4), "float32"), Value(1, (None, 5, 4), "float32")
    >>> dot_equation(one, two, (2, 2))
    'bij,bkj->bik'
    """
    letters = "ijklmnop"
    left = list("b" + letters[: first.rank - 1])
    right = list("b" + letters[first.rank - 1 : first.rank + second.rank - 2])
    right[axes[1]] = left[axes[0]]
    summed = left[axes[0]]
    out = [c for c in left if c != summed] + [c for c in right[1:] if c != summed]
    return f"{''.join(left)},{''.join(right)}->{''.join(out)}"
