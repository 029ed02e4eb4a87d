"""Takes lines out of a Program: permutations that undo each other, unused ones."""

import re
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

from migrate_examples.port.lower.merged import merged
from migrate_examples.port.program import Local, Program, Step

PERMUTE = re.compile(r"\{0\}\.permute\(([\d, ]+)\)")
TRANSPOSE = re.compile(r"\{0\}\.transpose\((\d+), (\d+)\)")


def simplified(program: Program) -> Program:
    """A program with the same results and fewer lines.

    Of two permutations of one tensor the second takes the result of the first; two
    in a row that undo each other go; so do lines whose result nobody uses, unless
    they call a module. Then lines are joined, see ``merged``.
    """
    meant: dict[int, Local] = {}  # another local in the place of one that went
    order: dict[int, tuple[int, tuple[int, ...]]] = {}  # of which local, how
    same: dict[tuple[int, tuple[int, ...]], Local] = {}
    origin: dict[int, Local] = {}
    steps: list[Step] = []
    for old in program.steps:
        step = replace(
            old, operands=tuple(meant.get(one.key, one) for one in old.operands)
        )
        axes = permuted_axes(step)
        if axes is None:
            steps.append(step)
            continue
        (result,), (operand,) = step.results, step.operands
        first, before = order.get(operand.key, (operand.key, tuple(range(len(axes)))))
        origin.setdefault(first, operand)
        whole = tuple(before[axis] for axis in axes)
        if whole == tuple(range(len(axes))):
            meant[result.key] = origin[first]
        elif (first, whole) in same:
            meant[result.key] = same[first, whole]
        else:
            order[result.key] = first, whole
            same[first, whole] = result
            steps.append(step)
    outputs = tuple(
        replace(port, local=meant.get(port.local.key, port.local))
        for port in program.outputs
    )
    returns = replaced(program.returns, meant)
    wanted = {port.local.key for port in outputs}
    return merged(
        replace(program, steps=alive(steps, wanted), outputs=outputs, returns=returns)
    )


def alive(steps: Sequence[Step], wanted: set[int]) -> tuple[Step, ...]:
    """Steps that lead to what is wanted, or that call a module."""
    kept = []
    for step in reversed(steps):
        calls = step.module is not None or step.inner is not None
        if calls or any(result.key in wanted for result in step.results):
            wanted |= {operand.key for operand in step.operands}
            kept.append(step)
    return tuple(reversed(kept))


def permuted_axes(step: Step) -> tuple[int, ...] | None:
    """Order of the axes that a step makes; None where it is no permutation.

    >>> permuted_axes(Step((Local(1, 3),), "{0}.transpose(1, 2)", (Local(0, 3),), ""))
    (0, 2, 1)
    """
    if step.module is not None or len(step.operands) != 1:
        return None
    found = PERMUTE.fullmatch(step.expression)
    if found:
        return tuple(int(axis) for axis in found[1].split(","))
    found = TRANSPOSE.fullmatch(step.expression)
    if not found:
        return None
    axes = list(range(step.operands[0].rank))
    one, other = int(found[1]), int(found[2])
    axes[one], axes[other] = axes[other], axes[one]
    return tuple(axes)


def replaced(structure: Any, meant: dict[int, Local]) -> Any:
    """A structure of Values or Locals with other locals in it, by key."""
    return mapped(structure, lambda item: meant.get(item.key, item))


def mapped(structure: Any, function: Callable[[Any], Any]) -> Any:
    """The same structure of dicts, lists and tuples, with each tensor replaced."""
    if isinstance(structure, dict):
        return {key: mapped(part, function) for key, part in structure.items()}
    if isinstance(structure, list | tuple):
        return type(structure)(mapped(part, function) for part in structure)
    return structure if structure is None else function(structure)
