"""Layouts that shapes do not decide, decided by running the layer on both sides.

The layer gets random weights of its own shapes, laid out as the real ones are; the
module, or the function that it calls, must then compute what the numpy reference of
the Keras layer computes. That holds for all weights, whatever the real ones are.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice, permutations
from typing import NamedTuple

import numpy as np
from torch import nn

from migrate_examples.port.archive import Array
from migrate_examples.port.layouts import LayoutError
from migrate_examples.port.program import Filled
from migrate_examples.port.transfer.attending import NotRunError
from migrate_examples.port.transfer.kinds import is_own
from migrate_examples.port.transfer.placing import Match, carried_arrays
from migrate_examples.port.transfer.runs import Run, run_of

TOLERANCE = 1e-9
"""Relative; both sides in float64, where rounding is below 1e-12."""
ALTERNATIVES = 400
"""Other layouts that are tried when one is wrong, to say which one is right."""


@dataclass
class Proven:
    """Of each tensor, what proves its layout; and the layouts proven wrong."""

    by_tensor: dict[str, str] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)


class Verdict(NamedTuple):
    """What a probe says: ``probe``, a sentence of doubt, or a problem."""

    proof: str
    problem: str = ""


def proofs(
    matches: Sequence[tuple[Match, Mapping[str, Filled]]], network: nn.Module
) -> Proven:
    """Prove the layouts of all matches; run only those that shapes do not decide."""
    proven = Proven()
    for match, laid in matches:
        if decided_by_shape(match, laid):
            verdict = Verdict("shape")
        else:
            verdict = probe(match, network)
        if verdict.problem:
            proven.problems.append(verdict.problem)
        proven.by_tensor |= dict.fromkeys(laid, verdict.proof)
    return proven


def decided_by_shape(match: Match, laid: Mapping[str, Filled]) -> bool:
    """Whether no other order of axes, and no other pairing, has the same shapes.

    Merged and split axes and gates are never decided by shape.
    """
    arrays = carried_arrays(match.layer)
    shapes = [f.array.shape for f in laid.values()]
    if match.options.get("flattened") or match.options.get("unflattened"):
        return False
    if len(set(shapes)) < len(shapes) or len(arrays) != len(laid):
        return False
    for f in laid.values():
        if len(f.sources) != 1 or "*" in f.layout or "gates" in f.layout:
            return False
        shape = arrays[f.sources[0]].shape
        sizes = [size for size in shape if size > 1]
        if sorted(shape) != sorted(f.array.shape) or len(set(sizes)) < len(sizes):
            return False
        if f.layout.startswith("by "):  # a function can do anything
            return False
    return True


def probe(match: Match, network: nn.Module) -> Verdict:
    """Run one layer on probe values on both sides."""
    name = match.layer.name
    try:
        run = run_of(match, network, np.random.default_rng(11))
        laid = match.lay(run.arrays)
        error = difference(run, laid)
    except (NotRunError, LayoutError) as doubt:
        return Verdict(f"not provable by shape: {doubt}")
    if error <= TOLERANCE:
        return Verdict("probe")
    right = _right_one(match, run, laid)
    if not right and _is_own(match):
        kind = type(run.module).__name__
        return Verdict(
            f"not provable by shape: {kind} computes something else than a "
            f"{match.class_name} on probe values; compare the outputs"
        )
    targets = ", ".join(laid)
    advice = right or "its layout is wrong, and no other was found to be right"
    return Verdict(
        "",
        f"{name} -> {targets}: the shapes fit, but on probe values the module "
        f"computes something else than the {match.class_name} (difference "
        f"{error:.2g}); {advice}",
    )


def _is_own(match: Match) -> bool:
    return any(is_own(unit.module) for unit in match.units) or len(match.units) > 2


def difference(run: Run, laid: Mapping[str, Filled]) -> float:
    """Largest difference of both sides, relative to the largest value."""
    got = run.torch({name: f.array for name, f in laid.items()})
    wanted = run.wanted
    if got.ndim == wanted.ndim - 1 and wanted[:, -1].shape == got.shape:
        wanted = wanted[:, -1]  # a recurrent module that gives the last state alone
    if got.shape != wanted.shape:
        raise NotRunError(f"the module returns {got.shape}, the layer {wanted.shape}")
    scale = float(np.abs(wanted).max()) or 1.0
    error = float(np.abs(got - wanted).max()) / scale
    return error if np.isfinite(error) else np.inf


def _right_one(match: Match, run: Run, laid: Mapping[str, Filled]) -> str:
    """Words for a layout that computes the same; empty if none is found."""
    for words, other in islice(_alternatives(match, run, laid), ALTERNATIVES):
        try:
            if difference(run, other) <= TOLERANCE:
                return words
        except (NotRunError, LayoutError, RuntimeError):
            continue  # this one does not run: no answer
    return ""


Alternative = tuple[str, dict[str, Filled]]


def _alternatives(
    match: Match, run: Run, laid: Mapping[str, Filled]
) -> Iterator[Alternative]:
    """Layouts of the same shapes: orders of axes, swapped tensors, orders of gates."""
    yield from _other_axes(laid, run.arrays)
    yield from _swapped(laid)
    yield from _other_gates(match, laid)


def _other_axes(
    laid: Mapping[str, Filled], arrays: Mapping[str, Array]
) -> Iterator[Alternative]:
    for name, f in laid.items():
        if len(f.sources) != 1:
            continue
        array = arrays[f.sources[0]]
        if array.ndim < 2:
            continue
        natural = (array.ndim - 1, array.ndim - 2, *range(array.ndim - 2))
        for order in (natural, *permutations(range(array.ndim))):
            other = array.transpose(order)
            if other.shape == f.array.shape:
                words = (
                    f"{f.sources[0]} -> {name} is right after "
                    f"permute({', '.join(map(str, order))})"
                )
                yield words, {**laid, name: Filled(f.target, other, f.sources, words)}


def _swapped(laid: Mapping[str, Filled]) -> Iterator[Alternative]:
    """Pairings in which tensors of one shape change places."""
    groups: dict[tuple[int, ...], list[str]] = {}
    for name, f in laid.items():
        if f.sources:
            groups.setdefault(f.array.shape, []).append(name)
    orders = [g for g in groups.values() if 1 < len(g) <= 4]
    weights = [g for g in orders if len(laid[g[0]].array.shape) > 1]
    for group in orders:
        for order in permutations(group):
            if list(order) == group:
                continue
            moves = dict(zip(group, order, strict=True))
            if group in weights:  # biases move with their kernels
                moves |= _biases(moves, laid)
            other = {**laid, **{to: laid[frm] for to, frm in moves.items()}}
            words = "right is " + ", ".join(
                f"{to} from {' and '.join(laid[frm].sources)}"
                for to, frm in moves.items()
                if to != frm
            )
            yield words, other


def _biases(moves: Mapping[str, str], laid: Mapping[str, Filled]) -> dict[str, str]:
    pairs = {
        to.removesuffix("weight") + "bias": frm.removesuffix("weight") + "bias"
        for to, frm in moves.items()
    }
    return {to: frm for to, frm in pairs.items() if to in laid and frm in laid}


GATES = {"LSTM": ("i", "f", "g", "o"), "GRU": ("r", "z", "n")}
"""Gates in the order in which the natural twin has them."""


def _other_gates(match: Match, laid: Mapping[str, Filled]) -> Iterator[Alternative]:
    gates = GATES.get(match.class_name.removesuffix("Cell"))
    if gates is None:
        return
    for order in permutations(range(len(gates))):
        other = {}
        for name, f in laid.items():
            blocks = np.split(f.array, len(gates)) if f.array.ndim else [f.array]
            moved = np.concatenate([blocks[n] for n in order])
            other[name] = Filled(f.target, moved, f.sources, f.layout)
        names = ", ".join(gates[n] for n in order)
        yield f"in the module the gates stand in the order {names}", other
