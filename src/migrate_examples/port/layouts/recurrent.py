"""Layouts of recurrent layers: gates, their order, and the second bias."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from migrate_examples.port.archive import Array
from migrate_examples.port.layouts.variables import (
    AS_IT_IS,
    LayoutError,
    Options,
    Variables,
    constant,
)
from migrate_examples.port.program import Filled

GATES = {"SimpleRNN": 1, "GRU": 3, "LSTM": 4}
"""Kernels that stand side by side in one: z, r, h of a GRU; i, f, c, o of an LSTM."""


def recurrent(variables: Variables, options: Options) -> tuple[Filled, ...]:
    """Lay a recurrent layer out as ``nn.RNN``, ``nn.GRU`` or ``nn.LSTM``."""
    return gates(variables, options, variables.class_name, "_l0")


def cell(variables: Variables, options: Options) -> tuple[Filled, ...]:
    """Lay a cell out as ``nn.RNNCell``, ``nn.GRUCell`` or ``nn.LSTMCell``."""
    return gates(variables, options, variables.class_name.removesuffix("Cell"), "")


def wrapped_cells(variables: Variables, options: Options) -> tuple[Filled, ...]:
    """Lay an RNN around a cell, or around a stack of equal cells, out."""
    outer = variables.config.get("cell")
    if not isinstance(outer, Mapping):
        raise LayoutError("RNN: its config does not say which cell it runs")
    if outer["class_name"] != "StackedRNNCells":
        kind = str(outer["class_name"]).removesuffix("Cell")
        inside = variables.inside(str(outer["class_name"]), outer.get("config") or {})
        return gates(inside, options, kind, "_l0")
    cells = outer["config"]["cells"]
    kinds = {str(c["class_name"]).removesuffix("Cell") for c in cells}
    units = {c["config"]["units"] for c in cells}
    if len(kinds) > 1 or len(units) > 1:
        raise LayoutError(
            f"RNN: the layers of an nn.{'/'.join(sorted(kinds))} are of one kind and "
            f"one size, these are {', '.join(sorted(kinds))} of {sorted(units)} units; "
            "write one module for each cell"
        )
    names = list(variables.arrays)
    return tuple(
        filled
        for n, inner in enumerate(cells)
        for filled in gates(
            variables.part(
                str(inner["class_name"]), inner["config"], _nth(names, n, len(cells))
            ),
            options,
            next(iter(kinds)),
            f"_l{n}",
        )
    )


def _nth(names: list[str], n: int, cells: int) -> list[str]:
    """Names of the variables of a cell: Keras creates them cell by cell."""
    each, rest = divmod(len(names), cells)
    if rest:
        raise LayoutError(
            f"RNN: {len(names)} variables are not shared out among {cells} cells; "
            "some have a bias and some have none, which nn.RNN, nn.GRU and nn.LSTM "
            "cannot have: write one module for each"
        )
    return names[n * each : (n + 1) * each]


def bidirectional(variables: Variables, options: Options) -> tuple[Filled, ...]:
    """Lay both directions out: the backward one is ``…_l0_reverse``."""
    names = list(variables.arrays)
    half = len(names) // 2
    ways = [[n for n in names if n.startswith(way)] for way in ("forward", "backward")]
    if not all(ways):
        ways = [names[:half], names[half:]]
    parts: list[Filled] = []
    for way, keys, suffix in zip(
        ("layer", "backward_layer"), ways, ("_l0", "_l0_reverse"), strict=True
    ):
        stored = variables.config.get(way) or variables.config.get("layer") or {}
        part = variables.part(
            str(stored.get("class_name", "")), stored.get("config") or {}, keys
        )
        kind = part.class_name or _kind(part)
        parts += gates(part, options, kind, suffix)
    return tuple(parts)


def _kind(part: Variables) -> str:
    """Kind of a recurrent layer, from the widths of its two kernels."""
    kernel = part.need("recurrent_kernel", ("kernel", "recurrent_kernel"), rank=2)
    ratio = kernel[1].shape[1] / kernel[1].shape[0]
    kinds = {n: kind for kind, n in GATES.items()}
    if ratio not in kinds:
        raise LayoutError(f"{kernel[0]} {kernel[1].shape}: no known recurrent layer")
    return kinds[int(ratio)]


def gates(
    variables: Variables, options: Options, kind: str, suffix: str
) -> tuple[Filled, ...]:
    """Kernels and biases of one direction of one layer."""
    if kind not in GATES:
        raise LayoutError(f"{variables.class_name}: no nn.{kind} is known")
    order = variables.order(
        ("kernel", ""), ("recurrent_kernel", ""), ("bias", "use_bias")
    )
    filled = [
        _kernel(f"{to}{suffix}", *variables.need(word, order, rank=2), kind, along)
        for word, to, along in (
            ("kernel", "weight_ih", "in"),
            ("recurrent_kernel", "weight_hh", "units"),
        )
    ]
    bias = variables.take("bias", order)
    before = _resets_before(variables.config, kind, bias)
    if before and not options.by_hand:
        raise LayoutError(
            f"{variables.class_name}: nn.GRU resets after the product, this layer "
            "before it (reset_after=False), and no nn.GRU computes that; write the "
            "cell by hand and ask for its tensors by by_hand=True"
        )
    if bias is None:
        return tuple(filled)
    return (*filled, *_biases(*bias, kind, suffix, single=before))


def _resets_before(
    config: Mapping[str, Any], kind: str, bias: tuple[str, Array] | None
) -> bool:
    """Whether a GRU is of the kind that nn.GRU is not; its bias has one row then."""
    if kind != "GRU":
        return False
    if bias is not None:
        return bias[1].ndim == 1
    return config.get("reset_after", True) is False


def _reordered(array: Array, kind: str) -> Array:
    """Rows of gates z, r, h as r, z, n; other layers stand in the same order."""
    if kind != "GRU":
        return array
    update, reset, new = np.split(array, 3)
    return np.concatenate([reset, update, new])


def _kernel(target: str, name: str, array: Array, kind: str, along: str) -> Filled:
    if array.shape[1] % GATES[kind]:
        raise LayoutError(
            f"{name} has shape {array.shape}: the width of a {kind} is a multiple of "
            f"{GATES[kind]}"
        )
    laid = np.ascontiguousarray(_reordered(array.T, kind))
    joined = "units" if GATES[kind] == 1 else "gates * units"
    words = f"({along}, {joined}) -> ({joined}, {along})"
    if kind == "GRU":
        words += ", gates z, r, h -> r, z, n"
    return Filled(target, laid, (name,), words)


def _biases(
    name: str, array: Array, kind: str, suffix: str, *, single: bool
) -> tuple[Filled, ...]:
    """Two biases: Keras has one, but for a GRU that resets after the product."""
    words = "gates z, r, h -> r, z, n" if kind == "GRU" else AS_IT_IS
    if kind == "GRU" and not single:
        return tuple(
            Filled(
                f"{target}{suffix}",
                _reordered(row, kind),
                (name,),
                f"row {n} of (2, gates * units), {words}",
            )
            for n, (target, row) in enumerate(
                zip(("bias_ih", "bias_hh"), array, strict=True)
            )
        )
    laid = Filled(f"bias_ih{suffix}", _reordered(array, kind), (name,), words)
    if single:
        return (laid,)
    zeros = np.zeros_like(array)
    why = "zeros: Keras has one bias; keep it frozen, or the bias learns twice as fast"
    return (laid, constant(f"bias_hh{suffix}", zeros, why))
