"""Layouts of attention: heads joined, as four matrices or packed."""

from dataclasses import replace

import numpy as np

from migrate_examples.port.archive import Array
from migrate_examples.port.layouts.variables import (
    LayoutError,
    Options,
    Variables,
    permuted,
)
from migrate_examples.port.program import Filled

PROJECTIONS = {"query": "q_proj", "key": "k_proj", "value": "v_proj"}
OUTPUT = "attention_output"


def attention(variables: Variables, options: Options) -> tuple[Filled, ...]:
    """Lay an attention out: four ``nn.Linear``, or one ``nn.MultiheadAttention``."""
    four = grouped_attention(variables, options)
    return _packed(variables, four) if options.multihead else four


def grouped_attention(variables: Variables, options: Options) -> tuple[Filled, ...]:  # noqa: ARG001  # every layout is called alike
    """Lay the projections out as ``q_proj``, ``k_proj``, ``v_proj``, ``out_proj``."""
    filled: list[Filled] = []
    for keras, torch in (*PROJECTIONS.items(), (OUTPUT, "out_proj")):
        out = keras == OUTPUT
        kernel = _need(variables, f"{keras}/kernel")
        before = "heads dim out" if out else "in heads dim"
        after = "out heads dim" if out else "heads dim in"
        size = "out heads*dim" if out else "heads*dim in"
        filled.append(permuted(f"{torch}.weight", kernel, before, after, size))
        bias = variables.take(f"{keras}/bias", _order(variables))
        if bias is not None and out:
            filled.append(permuted(f"{torch}.bias", bias, "out", "out"))
        elif bias is not None:
            filled.append(
                permuted(f"{torch}.bias", bias, "heads dim", "heads dim", "heads*dim")
            )
    return tuple(filled)


def _order(variables: Variables) -> tuple[str, ...]:
    """Variables in the order of their creation."""
    words = [(f"{part}/{w}", f) for part in (*PROJECTIONS, OUTPUT) for w, f in _BOTH]
    return variables.order(*words)


_BOTH = (("kernel", ""), ("bias", "use_bias"))


def _need(variables: Variables, word: str) -> tuple[str, Array]:
    found = variables.need(word, _order(variables))
    if found[1].ndim != 3:
        raise LayoutError(
            f"{variables.class_name}: {found[0]} has shape {found[1].shape}; attention "
            "over several axes has no twin: write its einsum"
        )
    return found


def _packed(variables: Variables, four: tuple[Filled, ...]) -> tuple[Filled, ...]:
    """Names and blocks of ``nn.MultiheadAttention``, where it can hold them."""
    by_target = {f.target: f for f in four}
    q, k, v, out = (
        by_target[f"{name}.weight"] for name in (*PROJECTIONS.values(), "out_proj")
    )
    width = q.array.shape[1]
    inside = {f.array.shape[0] for f in (q, k, v)} | set(out.array.shape)
    if inside != {width}:
        raise LayoutError(
            f"{variables.class_name}: nn.MultiheadAttention has heads * dim equal to "
            f"the width of query, key, value and output, here they are {sorted(inside)}"
            f" and {width}; use four nn.Linear and F.scaled_dot_product_attention"
        )
    biases = tuple(by_target.get(f"{name}.bias") for name in PROJECTIONS.values())
    bias = _stacked("in_proj_bias", tuple(f for f in biases if f is not None))
    kept = (*bias, *(f for f in four if f.target.startswith("out_proj")))
    if {f.array.shape[1] for f in (q, k, v)} == {width}:
        return (*_stacked("in_proj_weight", (q, k, v)), *kept)
    apart = (replace(f, target=f.target.replace(".", "_")) for f in (q, k, v))
    return (*apart, *kept)


def _stacked(target: str, parts: tuple[Filled, ...]) -> tuple[Filled, ...]:
    """One tensor of several, one below the other; none where there are none."""
    if not parts:
        return ()
    return (
        Filled(
            target,
            np.concatenate([f.array for f in parts]),
            tuple(s for f in parts for s in f.sources),
            f"{parts[0].layout} of query, key, value, one below the other",
        ),
    )
