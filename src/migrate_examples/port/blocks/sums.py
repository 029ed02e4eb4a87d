"""Residual blocks without their sum: where a stride leaves no way around."""

from collections.abc import Iterable, Iterator, Sequence

from migrate_examples.port.blocks.find import may_lack, regions
from migrate_examples.port.blocks.naming import is_depthwise
from migrate_examples.port.blocks.parameters import ABSENT, columns_of
from migrate_examples.port.blocks.slots import Registry, kind_of
from migrate_examples.port.blocks.variants import (
    Family,
    Member,
    lacking,
    most_missing,
    skeleton,
)
from migrate_examples.port.blocks.windows import Lines, Window, window
from migrate_examples.port.program import Step


def without_sum(
    family: Family, all_lines: Sequence[Lines], registry: Registry
) -> list[Member]:
    """Chains that are a family's residual block but for the sum: no way around it.

    MobileNetV2's blocks with a stride are such.
    """
    steps = family.template.steps
    if steps[-1].expression != "{0} + {1}":
        return []
    taken = [member.window for member in family.members]
    around = [part for lines in all_lines for part in regions(lines)]
    form = skeleton(family.template)
    found = []
    for part in _chains(all_lines, len(steps), taken):
        if any(_lies_in(part, other, 3 * len(steps)) for other in around):
            continue  # it belongs to a block of another kind
        present = lacking(form, skeleton(part), may_lack)
        if present is not None and present[-1] < 0:
            member = Member(part, present)
            if not strangeness(member, family, registry)[0]:
                found.append(member)
    kept: list[Member] = []
    for member in sorted(found, key=lambda m: strangeness(m, family, registry)):
        if not overlaps(member.window, [other.window for other in kept]):
            kept.append(member)
    return sorted(kept, key=lambda member: member.window.start)


def strangeness(member: Member, family: Family, registry: Registry) -> tuple[int, int]:
    """How much a window differs from a family: in numbers, and in lines it lacks.

    Sizes may differ, strides and padding; and all of a depthwise convolution.
    """
    columns = columns_of(Family([*family.members, member]), registry)
    steps = family.template.steps
    differences = sum(
        column[-1] is not ABSENT and column[-1] not in column[:-1]
        for (at, slot), column in columns.items()
        if not is_depthwise(steps[at]) and not _may_differ(steps[at], slot, registry)
    )
    return differences, sum(n < 0 for n in member.present)


def _may_differ(step: Step, slot: str, registry: Registry) -> bool:
    call = step.module.call if step.module is not None else ""
    kind = kind_of(call, slot, registry)
    return kind in {"size", "stride", "padding", "pad", "pads", "activation"}


def _lies_in(part: Window, other: Window, most: int) -> bool:
    """Whether a window is part of another one of `most` lines at most."""
    return (
        other.lines is part.lines
        and other.start <= part.start
        and part.stop <= other.stop
        and other.stop - other.start <= most
    )


def _chains(
    all_lines: Sequence[Lines], length: int, taken: Sequence[Window]
) -> Iterator[Window]:
    """Windows of one input and one output, somewhat shorter than `length`."""
    least = max(length - 1 - most_missing(length - 1), 2)
    for lines in all_lines:
        for start in range(len(lines.steps)):
            for stop in range(start + least, start + length):
                if stop > len(lines.steps) or any(lines.barred[start:stop]):
                    break
                part = window(lines, start, stop)
                if overlaps(part, taken):
                    break
                if len(part.inputs) == len(part.outputs) == 1:
                    yield part


def overlaps(part: Window, others: Iterable[Window]) -> bool:
    """Whether a window shares a line with another one."""
    return any(
        other.lines is part.lines
        and other.start < part.stop
        and part.start < other.stop
        for other in others
    )
