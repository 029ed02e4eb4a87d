"""Matrices and tables: Dense, EinsumDense, Embedding."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from migrate_examples.port.graph import Call
from migrate_examples.port.layouts import to_torch
from migrate_examples.port.layouts.dense import linear_axes
from migrate_examples.port.lower import UnsupportedError, lowers
from migrate_examples.port.lower.activations import activate
from migrate_examples.port.lower.body import Body
from migrate_examples.port.lower.convolutions import part_of
from migrate_examples.port.lower.parameters import bare
from migrate_examples.port.program import Filled, Layout


@lowers("Dense")
def dense(call: Call, body: Body) -> None:
    """``nn.Linear`` over the last axis; behind a flatten its columns are reordered."""
    value = call.inputs[0]
    order = body.order_of(value)
    local = body.take(value, Layout.LAST)
    filled = _reordered(to_torch("Dense", call.config, call.weights), order)
    outputs, inputs = filled[0].array.shape
    local = body.module(
        "nn.Linear",
        (inputs, outputs),
        (local,),
        keywords={} if call.config.get("use_bias", True) else {"bias": False},
        filled=filled,
    )
    local = activate(call, body, local, Layout.LAST)
    body.give(call.outputs[0], local, Layout.LAST)


def _reordered(
    filled: Sequence[Filled], order: NDArray[Any] | None
) -> Sequence[Filled]:
    """Columns of the weight in the order of a flatten of channels first."""
    if order is None:
        return filled
    weight, *bias = filled
    array = np.ascontiguousarray(weight.array[:, order])
    words = f"{weight.layout}, columns from channels last to channels first"
    return (Filled(weight.target, array, weight.sources, words), *bias)


@lowers("EinsumDense")
def einsum_dense(call: Call, body: Body) -> None:
    """``nn.Linear`` where it is one; else the kernel as it is, in its equation."""
    local = body.take(call.inputs[0], Layout.LAST)
    filled = to_torch("EinsumDense", call.config, call.weights)
    equation = str(call.config["equation"]).replace(" ", "")
    axes = linear_axes(equation)
    out = call.outputs[0]
    if axes is None:
        kernel = bare(body, filled[0])
        made = body.line(
            f"torch.einsum({equation!r}, {{0}}, {{1}})", local, kernel, rank=out.rank
        )
        if len(filled) > 1:
            bias = bare(body, filled[1])
            made = body.line("{0} + {1}", made, bias)
    else:
        _, summed, new = axes
        if len(summed) > 1:
            rank = local.rank - len(summed) + 1
            local = body.line(f"{{0}}.flatten(-{len(summed)})", local, rank=rank)
        outputs, inputs = filled[0].array.shape
        keywords: dict[str, Any] = {} if len(filled) > 1 else {"bias": False}
        made = body.module(
            "nn.Linear", (inputs, outputs), (local,), keywords=keywords, filled=filled
        )
        if len(new) > 1:
            sizes = tuple(out.shape[-len(new) :])
            if None in sizes:
                raise UnsupportedError(f"output sizes {sizes} must be known")
            made = body.line(f"{{0}}.unflatten(-1, {sizes})", made, rank=out.rank)
    body.give(out, activate(call, body, made, Layout.LAST), Layout.LAST)


@lowers("Embedding")
def embedding(call: Call, body: Body) -> None:
    """``nn.Embedding``; the mask of ``mask_zero`` goes its own way."""
    value = call.inputs[0]
    local = body.take(value, Layout.LAST)
    if value.dtype not in {"int32", "int64"}:
        local = body.line("{0}.long()", local)
    filled = to_torch("Embedding", call.config, call.weights)
    made = body.module(
        "nn.Embedding",
        filled[0].array.shape,
        (local,),
        filled=filled,
        rank=value.rank + 1,
    )
    body.give(call.outputs[0], made, Layout.LAST)


@lowers("ReversibleEmbedding")
def reversible_embedding(call: Call, body: Body) -> None:
    """``nn.Embedding``, and its table the other way round."""
    value = call.inputs[0]
    local = body.take(value, Layout.LAST)
    filled = to_torch("ReversibleEmbedding", call.config, call.weights)
    table, back = filled[0], part_of(filled, "reverse")
    reverse = call.keywords.get("reverse", False) or call.arguments[1:2] == (True,)
    if not reverse:
        made = body.module(
            "nn.Embedding",
            table.array.shape,
            (local,),
            filled=(table,),
            rank=value.rank + 1,
        )
    elif back:
        tokens, size = back[0].array.shape
        made = body.module(
            "nn.Linear",
            (size, tokens),
            (local,),
            keywords={"bias": False},
            filled=back,
            role="reverse",
        )
    else:
        made = body.module(
            "nn.Embedding",
            table.array.shape,
            (local,),
            filled=(table,),
            expression="F.linear({0}, {module}.weight)",
        )
    cap = call.config.get("logit_soft_cap")
    if reverse and cap is not None:
        made = body.line(f"torch.tanh({{0}} / {cap}) * {cap}", made)
    body.give(call.outputs[0], made, Layout.LAST)
