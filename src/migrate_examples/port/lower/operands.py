"""Arguments of ``keras.ops``: tensors, numbers, and where they are in an expression."""

from collections.abc import Sequence
from typing import Any

from migrate_examples.port.graph import Call, Value
from migrate_examples.port.lower import UnsupportedError
from migrate_examples.port.lower.axes import common_layout
from migrate_examples.port.lower.body import Body
from migrate_examples.port.program import Layout, Local, Step

DTYPES = {
    "bool": "torch.bool",
    "int8": "torch.int8",
    "int16": "torch.int16",
    "int32": "torch.int32",
    "int64": "torch.int64",
    "uint8": "torch.uint8",
    "float16": "torch.float16",
    "bfloat16": "torch.bfloat16",
    "float32": "torch.float32",
    "float64": "torch.float64",
}


def argument(call: Call, place: int, name: str, default: Any = None) -> Any:
    """Argument of a call by its place or its name."""
    if len(call.arguments) > place:
        return call.arguments[place]
    return call.keywords.get(name, default)


def literal(number: Any) -> str:
    """Print a number as PyTorch's users write it.

    >>> literal(float("-inf")), literal(2), literal(0.1)
    ('-torch.inf', '2', '0.1')
    """
    if isinstance(number, float) and number != number:  # noqa: PLR0124  # NaN alone
        return "torch.nan"
    return repr(number).replace("inf", "torch.inf")


def layout_for(body: Body, values: Sequence[Value], rank: int) -> Layout:
    """Layout in which tensors that are broadcast can meet.

    Channels first only where each has all axes, or none.
    """
    if any(value.rank not in {0, rank} for value in values):
        return Layout.LAST
    return common_layout(body, values)


def places(
    body: Body, arguments: Sequence[Any], layout: Layout
) -> tuple[list[str], list[Local]]:
    """Arguments in an expression: ``{0}`` for a tensor, a literal for a number."""
    written: list[str] = []
    locals_: list[Local] = []
    for one in arguments:
        if isinstance(one, Value):
            written.append(f"{{{len(locals_)}}}")
            locals_.append(body.take(one, layout))
        elif isinstance(one, (bool, int, float)):
            written.append(literal(one))
        else:
            raise UnsupportedError(
                f"argument {one!r}: only tensors and numbers are known"
            )
    return written, locals_


def lines(
    body: Body, expression: str, operands: Sequence[Local], count: int, rank: int
) -> tuple[Local, ...]:
    """Write a line with several results."""
    made = tuple(Local(next(body.keys), rank) for _ in range(count))
    body.steps.append(Step(made, expression, tuple(operands), body.layer))
    return made


def cast(dtype: str) -> str:
    """Expression that casts a tensor; to floats, to those that the model computes in.

    The written module can be run in float64 too, so that ``float32`` is not spelled.
    """
    if dtype in {"float32", "float64"}:
        return "{0}.to(torch.get_default_dtype())"
    if dtype not in DTYPES:
        raise UnsupportedError(f"dtype {dtype} has no counterpart in PyTorch")
    short = {"bool": "{0}.bool()", "int64": "{0}.long()", "int32": "{0}.int()"}
    return short.get(dtype, f"{{0}}.to({DTYPES[dtype]})")


def floats(body: Body, value: Value, layout: Layout) -> Local:
    """A tensor that is to be computed with; integers become floats."""
    local = body.take(value, layout)
    if value.dtype.startswith(("float", "bfloat")):
        return local
    return body.line(cast("float32"), local)
