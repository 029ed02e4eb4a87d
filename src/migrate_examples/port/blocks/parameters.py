"""Parameters of a class: the numbers in which its instances differ."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum
from typing import Any

from migrate_examples.port.blocks.folded import Required
from migrate_examples.port.blocks.slots import Registry, form_of, kind_of
from migrate_examples.port.blocks.variants import Family
from migrate_examples.port.program import Verbatim

FACTORS = (2, 3, 4, 6, 8)
SlotKey = tuple[int, str]
"""Number of a line, and name of a slot in it."""


class Absent(Enum):
    """The value of a slot in an instance that lacks the line."""

    ABSENT = "absent"


ABSENT = Absent.ABSENT
Column = tuple[Any, ...]
"""Values of a slot, one for each instance."""


@dataclass
class Solved:
    """A parameter: its values, and the slots that have them.

    Attributes
    ----------
    kind : str
        ``size``, ``stride``, …
    column : tuple
        A value for each instance.
    first : (int, str)
        The slot that it was made for.
    name, default
        Given later.
    """

    kind: str
    column: Column
    first: SlotKey
    uses: list[SlotKey] = field(default_factory=list)
    name: str = ""
    default: Any = Required.NO_DEFAULT


@dataclass(frozen=True)
class Meaning:
    """What stands in a slot: a parameter, times or by a number."""

    parameter: Solved
    sign: str = ""
    number: int = 1

    @property
    def text(self) -> str:
        """The expression."""
        name = self.parameter.name
        if self.sign == "*":
            return f"{self.number} * {name}"
        return f"{name} {self.sign} {self.number}" if self.sign else name

    def column(self) -> Column:
        """Its values."""
        return tuple(
            value if value is ABSENT else self._value(value)
            for value in self.parameter.column
        )

    def _value(self, value: Any) -> Any:
        if self.sign == "*":
            return value * self.number
        return value // self.number if self.sign else value


@dataclass(frozen=True)
class Written:
    """What stands in a slot: an expression that no single parameter gives."""

    text: str


@dataclass
class Solution:
    """All slots of a family.

    Attributes
    ----------
    parameters : list of Solved
        In the order of their first use.
    meanings : dict
        The slots that differ.
    constants : dict
        The others.
    presence : list of tuple of bool
        For each line, the instances that have it.
    """

    parameters: list[Solved]
    meanings: dict[SlotKey, Meaning | Written]
    constants: dict[SlotKey, Any]
    presence: list[tuple[bool, ...]]


def agree(first: Column, second: Column) -> bool:
    """Whether two columns are equal wherever both have a value.

    >>> agree((1, ABSENT, 3), (1, 2, ABSENT)), agree((1, 2), (1, 3))
    (True, False)
    """
    both = [
        (a, b)
        for a, b in zip(first, second, strict=True)
        if a is not ABSENT and b is not ABSENT
    ]
    return bool(both) and all(same(a, b) for a, b in both)


def same(a: Any, b: Any) -> bool:
    """Whether two literals are one: ``True`` is not 1.

    >>> same(1, True), same((1, 2), (1, 2))
    (False, True)
    """
    return type(a) is type(b) and bool(a == b)


def united(first: Column, second: Column) -> Column:
    """Fill the gaps of one column from another."""
    return tuple(b if a is ABSENT else a for a, b in zip(first, second, strict=True))


def columns_of(family: Family, registry: Registry) -> dict[SlotKey, Column]:
    """Values of each slot in each instance."""
    forms = [
        [form_of(step, registry).slots for step in member.window.steps]
        for member in family.members
    ]
    found: dict[SlotKey, Column] = {}
    for line, slots in enumerate(forms[0]):
        for slot in slots:
            found[line, slot] = tuple(
                slots_of[member.present[line]].get(slot, ABSENT)
                if member.present[line] >= 0
                else ABSENT
                for member, slots_of in zip(family.members, forms, strict=True)
            )
    return found


def solve(family: Family, registry: Registry) -> Solution:
    """Find the fewest parameters that give every slot its value."""
    solution = Solution([], {}, {}, presence(family))
    columns = columns_of(family, registry)
    steps = family.template.steps
    arriving = _arriving(family, columns)
    if arriving is not None:
        solution.parameters.append(Solved("size", arriving[1], arriving[0]))
    # Columns without gaps first: they tell what the others are parts of.
    ordered = sorted(columns.items(), key=lambda item: ABSENT in item[1])
    for key, column in ordered:
        module = steps[key[0]].module
        call = module.call if module is not None else ""
        kind = kind_of(call, key[1], registry)
        values = [value for value in column if value is not ABSENT]
        if all(same(value, values[0]) for value in values):
            known = _told_by(kind, column, solution)
            if known is None:
                solution.constants[key] = values[0]
            else:
                known.uses.append(key)
                solution.meanings[key] = Meaning(known)
            continue
        if kind == "groups" and _counts_channels(key[0], column, columns):
            kind = "size"
        solution.meanings[key] = _meaning(kind, column, key, solution)
    return solution


def _arriving(
    family: Family, columns: Mapping[SlotKey, Column]
) -> tuple[SlotKey, Column] | None:
    """Channels of what an instance is given, where its first line may be lacking."""
    inputs = family.template.inputs
    inward = [key for key in columns if key[1] in {"in_channels", "in_features"}]
    if len(inputs) != 1 or not inward or ABSENT not in columns[inward[0]]:
        return None
    if family.template.steps[inward[0][0]].operands != inputs:
        return None
    column = columns[inward[0]]
    for key in inward[1:]:
        column = united(column, columns[key])
    constant = all(same(value, column[0]) for value in column)
    return None if constant or ABSENT in column else (inward[0], column)


def presence(family: Family) -> list[tuple[bool, ...]]:
    """For each line of a family, the instances that have it."""
    return [
        tuple(member.present[line] >= 0 for member in family.members)
        for line in range(len(family.template.steps))
    ]


def _counts_channels(
    line: int, column: Column, columns: Mapping[SlotKey, Column]
) -> bool:
    """Whether the groups of a convolution are as many as its channels."""
    return any(
        agree(column, other)
        for (at, slot), other in columns.items()
        if at == line and slot in {"in_channels", "channels", "out_channels"}
    )


def _told_by(kind: str, column: Column, solution: Solution) -> Solved | None:
    """Parameter that has the one value that an optional line has."""
    if ABSENT not in column or kind not in {"size", "stride"}:
        return None
    fits = (
        known
        for known in solution.parameters
        if known.kind == kind and ABSENT not in known.column
    )
    return next((known for known in fits if agree(known.column, column)), None)


def _meaning(kind: str, column: Column, key: SlotKey, solution: Solution) -> Meaning:
    for known in solution.parameters:
        if known.kind == kind and agree(known.column, column):
            known.column = united(known.column, column)
            known.uses.append(key)
            return Meaning(known)
    for known in solution.parameters:
        derived = _derived(kind, column, known)
        if derived is not None:
            return derived
    made = Solved(kind, column, key, [key])
    solution.parameters.append(made)
    return Meaning(made)


def _derived(kind: str, column: Column, known: Solved) -> Meaning | None:
    """Express a column by a parameter: a multiple, or an exact part of it."""
    tries: list[Meaning] = []
    if kind == known.kind == "size":
        tries = [Meaning(known, sign, k) for k in FACTORS for sign in ("*", "//")]
    if kind == "padding" and known.kind == "kernel_size":
        tries = [Meaning(known, "//", 2)]
    numbers = [v for v in (*column, *known.column) if v is not ABSENT]
    whole = all(isinstance(v, int) and not isinstance(v, bool) for v in numbers)
    missing = any(
        a is ABSENT and b is not ABSENT
        for a, b in zip(known.column, column, strict=True)
    )
    if missing or not whole:
        return None
    return next((one for one in tries if agree(one.column(), column)), None)


def most_frequent(column: Sequence[Any]) -> tuple[Any, int]:
    """Most frequent value of a column, the first of several, and how often."""
    present = [value for value in column if value is not ABSENT]
    counts: Counter[tuple[str, Any]] = Counter((type(v).__name__, v) for v in present)
    (_, value), times = counts.most_common(1)[0]
    return value, times


EMPTY = {"size": 0, "pad": (), "p": 0.0}
"""What an instance without the part gives for it."""


def complete(solution: Solution) -> dict[int, str]:
    """Give every instance a value of every parameter; find defaults.

    Returns
    -------
    dict of int to str
        Conditions, by index of a parameter: it is empty where the part is absent.
    """
    conditions: dict[int, str] = {}
    for n, known in enumerate(solution.parameters):
        value, times = most_frequent(known.column)
        if ABSENT in known.column:
            if known.kind in EMPTY:
                value = EMPTY[known.kind]
                conditions[n] = "{}" if known.kind == "pad" else "{} > 0"
                known.default = value
            known.column = tuple(value if v is ABSENT else v for v in known.column)
        elif known.kind != "size" and 2 * times >= len(known.column):
            known.default = value
    return conditions


def annotation(values: Sequence[Any]) -> str:
    """Type of some literals.

    >>> annotation([1, 2]), annotation([(1, 7), 3]), annotation([0.1, 0])
    ('int', 'int | tuple[int, int]', 'float')
    """
    if any(isinstance(value, Verbatim) for value in values):
        return "Callable[[Tensor], Tensor]"
    found = dict.fromkeys(_type(value) for value in values)
    if set(found) == {"int", "float"}:
        return "float"
    if len(found) > 1 and any(name == "tuple[()]" for name in found):
        return "tuple[int, ...]"
    return " | ".join(sorted(found))


def _type(value: Any) -> str:
    if isinstance(value, tuple):
        inner = ", ".join(_type(part) for part in value)
        return f"tuple[{inner}]" if value else "tuple[()]"
    return "None" if value is None else type(value).__name__
