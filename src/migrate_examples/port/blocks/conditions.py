"""When a part that only some instances have is there: conditions over parameters."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations, product

from migrate_examples.port.blocks.bodies import Line
from migrate_examples.port.blocks.naming import unique
from migrate_examples.port.blocks.parameters import (
    Column,
    Meaning,
    Solution,
    Solved,
    most_frequent,
    same,
)
from migrate_examples.port.blocks.variants import Family

Flags = tuple[bool, ...]


@dataclass(frozen=True)
class Condition:
    """When a line is there.

    Attributes
    ----------
    text : str
        Expression over the parameters.
    name : str
        Attribute that keeps it for ``forward``.
    passes : int
        The operand that is passed on where it is not.
    """

    text: str
    name: str
    passes: int


def conditions_of(
    family: Family, solution: Solution, lines: Sequence[Line], empty: dict[int, str]
) -> list[Condition | None]:
    """Conditions of all lines; makes a boolean parameter where nothing else tells."""
    found: dict[tuple[Flags, bool], str] = {}
    names: dict[str, str] = {}
    taken = {p.name for p in solution.parameters}
    conditions: list[Condition | None] = []
    for line in sorted(lines, key=lambda line: priority(line, family)):
        flags = solution.presence[line.indices[0]]
        if all(flags):
            continue
        key = flags, priority(line, family) == 0
        if key not in found:
            found[key] = _find(key, line, family, solution, empty, taken)
        text = found[key]
        if text.isidentifier():
            names[text] = text
        elif text not in names:
            names[text] = unique(role_of(line, family), taken)
    for line in lines:
        flags = solution.presence[line.indices[0]]
        if all(flags):
            conditions.append(None)
            continue
        passes = next(
            -1 - member.present[line.indices[0]]
            for member in family.members
            if member.present[line.indices[0]] < 0
        )
        text = found[flags, priority(line, family) == 0]
        conditions.append(Condition(text, names[text], passes))
    return conditions


def priority(line: Line, family: Family) -> int:
    """Which line names a choice: a sum or a shortcut rather than what is near it."""
    step = family.template.steps[line.indices[0]]
    return 0 if line.shortcut or step.expression == "{0} + {1}" else 1


def _find(
    key: tuple[Flags, bool],
    line: Line,
    family: Family,
    solution: Solution,
    empty: dict[int, str],
    taken: set[str],
) -> str:
    """Condition that is true for these instances."""
    flags, joins = key
    emptied = [
        written.format(known.name)
        for known, written in ((solution.parameters[n], w) for n, w in empty.items())
        if tuple(bool(value) for value in known.column) == flags
    ]
    told = [text for text, column in candidates(solution) if column == flags]
    flagged = [
        p.name
        for p in solution.parameters
        if all(same(*v) for v in zip(p.column, flags, strict=True))
    ]
    known = [*told, *emptied] if joins else [*emptied, *told]
    if known or flagged:
        return [*known, *flagged][0]
    name = unique(role_of(line, family), taken)
    default, _ = most_frequent(flags)
    solution.parameters.append(
        Solved(name, flags, (line.indices[0], ""), name=name, default=default)
    )
    return name


def role_of(line: Line, family: Family) -> str:
    """Name of the choice that a line is: ``residual``, ``project``."""
    step = family.template.steps[line.indices[0]]
    if line.shortcut:
        return "project"
    if step.module is not None:
        return {"expand": "expands"}.get(line.attribute, f"with_{line.attribute}")
    if step.expression.startswith("F.pad("):
        return "pads"
    if "+" in step.expression:
        return "residual"
    return "activate" if step.expression.startswith("F.") else "optional"


def candidates(solution: Solution) -> Iterator[tuple[str, Flags]]:
    """Conditions that people write, and for which instances they hold."""
    differ = _differences(solution)
    steps = {
        p.name: tuple(value != 1 for value in p.column)
        for p in solution.parameters
        if p.kind == "stride"
    }
    for (a, b), flags in differ.items():
        yield f"{a} != {b}", flags
        yield f"{a} == {b}", _not(flags)
    for name, flags in steps.items():
        yield f"{name} != 1", flags
        yield f"{name} == 1", _not(flags)
    for solved in solution.parameters:
        whole = all(isinstance(value, int) for value in solved.column)
        if solved.kind == "kernel_size" and whole:
            yield f"{solved.name} > 1", tuple(value > 1 for value in solved.column)
    for (name, stepping), ((a, b), flags) in product(steps.items(), differ.items()):
        either = tuple(x or y for x, y in zip(stepping, flags, strict=True))
        yield f"{name} != 1 or {a} != {b}", either
        yield f"{name} == 1 and {a} == {b}", _not(either)


def _differences(solution: Solution) -> dict[tuple[str, str], Flags]:
    """For any two sizes, the instances in which they differ."""
    sizes: dict[str, Column] = {}
    for solved in solution.parameters:
        if solved.kind == "size":
            sizes[solved.name] = solved.column
    for meaning in solution.meanings.values():
        if isinstance(meaning, Meaning) and meaning.parameter.kind == "size":
            sizes.setdefault(meaning.text, meaning.column())
    return {
        (a, b): tuple(x != y for x, y in zip(sizes[a], sizes[b], strict=True))
        for a, b in combinations(sizes, 2)
    }


def _not(flags: Flags) -> Flags:
    return tuple(not flag for flag in flags)
