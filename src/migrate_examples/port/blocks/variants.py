"""Stretches of nearly one form: some instances lack a part that others have."""

from collections.abc import Callable, Hashable, Iterable, Sequence
from dataclasses import dataclass

from migrate_examples.port.blocks.windows import (
    Reference,
    Window,
    references,
    signature,
)

Present = tuple[int, ...]
"""For each line of the longest form, its number in an instance.

Where the instance lacks it, ``-1 - n``: operand n is passed on instead.
"""


@dataclass(frozen=True)
class Member:
    """An instance of a family: a window, and which lines of the template it has."""

    window: Window
    present: Present


@dataclass
class Family:
    """Windows that become instances of one class; the first has all lines."""

    members: list[Member]

    @property
    def template(self) -> Window:
        """The window that has all lines."""
        return self.members[0].window

    def whole(self) -> "Family":
        """Those instances that lack nothing."""
        return Family([m for m in self.members if min(m.present, default=0) >= 0])

    def add(self, part: Window, present: Present) -> None:
        """Add an instance."""
        self.members.append(Member(part, present))


@dataclass(frozen=True)
class Skeleton:
    """Lines of a window as tokens over numbered operands."""

    tokens: tuple[Hashable, ...]
    operands: tuple[tuple[Reference, ...], ...]
    results: tuple[int, ...]
    outputs: tuple[Reference, ...]
    inputs: int


def skeleton(part: Window) -> Skeleton:
    """Skeleton of a window."""
    known = references(part.steps, part.inputs)
    return Skeleton(
        tuple(part.lines.tokens[part.start : part.stop]),
        tuple(tuple(known[local] for local in step.operands) for step in part.steps),
        tuple(len(step.results) for step in part.steps),
        tuple(known[local] for local in part.outputs),
        len(part.inputs),
    )


def lacking(
    longer: Skeleton, shorter: Skeleton, optional: Callable[[Hashable], bool]
) -> Present | None:
    """Find the lines to leave out of a form so that another one remains.

    A line that is left out passes on one of its operands. None where the shorter
    form is not made so.
    """
    if longer.inputs != shorter.inputs:
        return None
    spare = len(longer.tokens) - len(shorter.tokens)
    meaning: dict[Reference, Reference] = {
        ("in", n, 0): ("in", n, 0) for n in range(longer.inputs)
    }
    search = _Search(longer, shorter, spare, optional)
    found = search.match(0, 0, meaning, frozenset())
    return None if found is None else tuple(found)


@dataclass
class _Search:
    longer: Skeleton
    shorter: Skeleton
    spare: int
    optional: Callable[[Hashable], bool]

    def match(
        self,
        at: int,
        to: int,
        meaning: dict[Reference, Reference],
        gone: frozenset[Reference],
    ) -> list[int] | None:
        """Match the lines from `at` on to those from `to` on."""
        if at == len(self.longer.tokens):
            done = tuple(meaning[ref] for ref in self.longer.outputs)
            finished = to == len(self.shorter.tokens) and done == self.shorter.outputs
            return [] if finished else None
        operands = self.longer.operands[at]
        if to < len(self.shorter.tokens) and (
            self.longer.tokens[at] == self.shorter.tokens[to]
            and tuple(meaning[ref] for ref in operands) == self.shorter.operands[to]
        ):
            results: dict[Reference, Reference] = {
                ("step", at, r): ("step", to, r) for r in range(self.longer.results[at])
            }
            rest = self.match(at + 1, to + 1, meaning | results, gone)
            if rest is not None:
                return [to, *rest]
        return self._leave_out(at, to, meaning, gone)

    def _leave_out(
        self,
        at: int,
        to: int,
        meaning: dict[Reference, Reference],
        gone: frozenset[Reference],
    ) -> list[int] | None:
        operands = self.longer.operands[at]
        allowed = at - to < self.spare and self.longer.results[at] == 1
        if not allowed or not self.optional(self.longer.tokens[at]):
            return None
        result: Reference = ("step", at, 0)
        for place, kept in enumerate(operands):
            # The others must be there in any case: else whole branches are optional.
            if any(ref in gone for n, ref in enumerate(operands) if n != place):
                continue
            passed = {result: meaning[kept]}
            rest = self.match(at + 1, to, meaning | passed, gone | {result})
            if rest is not None:
                return [-1 - place, *rest]
        return None


def most_missing(lines: int) -> int:
    """Lines that an instance of a class of so many may lack."""
    return max(2 * lines // 5, 1)


def families(
    parts: Iterable[Window],
    optional: Callable[[Hashable], bool],
    least: int = 2,
) -> list[Family]:
    """Group windows by form; forms that lack a part join those that have it."""
    groups: dict[Hashable, list[Window]] = {}
    for part in parts:
        groups.setdefault(signature(part), []).append(part)
    found: list[Family] = []
    skeletons: list[Skeleton] = []
    ordered = sorted(groups.values(), key=lambda g: (-len(g[0].steps), -len(g)))
    for group in ordered:
        form = skeleton(group[0])
        family, present = _family_of(form, found, skeletons, optional)
        if family is None:
            family, present = Family([]), tuple(range(len(form.tokens)))
            found.append(family)
            skeletons.append(form)
        for part in group:
            family.add(part, present)
    return [family for family in found if len(family.members) >= least]


def _family_of(
    form: Skeleton,
    found: Sequence[Family],
    skeletons: Sequence[Skeleton],
    optional: Callable[[Hashable], bool],
) -> tuple[Family | None, Present]:
    best: tuple[Family | None, Present] = (None, ())
    for family, longer in zip(found, skeletons, strict=True):
        missing = len(longer.tokens) - len(form.tokens)
        if not 0 < missing <= most_missing(len(longer.tokens)):
            continue
        if best[0] is not None and missing >= sum(n < 0 for n in best[1]):
            continue
        present = lacking(longer, form, optional)
        if present is not None:
            best = family, present
    return best
