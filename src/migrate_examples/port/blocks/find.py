"""What repeats: units of a chain, regions between a fork and a join, stretches."""

from collections.abc import Hashable, Iterable, Iterator, Sequence

from migrate_examples.port.blocks.bodies import is_plain
from migrate_examples.port.blocks.slots import (
    FUNCTION,
    PAD,
    PAD_SAME,
)
from migrate_examples.port.blocks.variants import (
    Family,
    Member,
)
from migrate_examples.port.blocks.windows import Lines, Window, window
from migrate_examples.port.program import Step

LINEAR = ("nn.Conv", "nn.Linear")
NORMS = ("nn.BatchNorm", "nn.LayerNorm", "nn.GroupNorm", "nn.InstanceNorm")
LONGEST = 60
"""Lines of the longest stretch that is looked for."""


def is_pad(step: Step) -> bool:
    """Whether a step pads."""
    return bool(PAD.fullmatch(step.expression) or PAD_SAME.fullmatch(step.expression))


def is_linear(step: Step) -> bool:
    """Whether a step convolves or multiplies by a matrix."""
    return (
        is_plain(step)
        and step.module is not None
        and step.module.call.startswith(LINEAR)
    )


def is_norm(step: Step) -> bool:
    """Whether a step normalises."""
    return (
        is_plain(step)
        and step.module is not None
        and step.module.call.startswith(NORMS)
    )


def is_activation(step: Step) -> bool:
    """Whether a step is a function of one tensor, element by element."""
    return FUNCTION.match(step.expression) is not None and step.module is None


def follows(lines: Lines, n: int) -> bool:
    """Whether a line takes just what the one before gives, which nobody else does."""
    if not 0 < n < len(lines.steps):
        return False
    before, step = lines.steps[n - 1], lines.steps[n]
    return (
        step.operands == before.results
        and len(step.operands) == 1
        and lines.single_use(step.operands[0])
    )


def units(lines: Lines) -> Iterator[Window]:
    """Chains of a convolution, its normalisation and activation, two at least."""
    n = 0
    while n < len(lines.steps):
        stop = _unit_end(lines, n)
        if stop - n >= 2 and not any(lines.barred[n:stop]):
            yield window(lines, n, stop)
            n = stop
        else:
            n += 1


def _unit_end(lines: Lines, start: int) -> int:
    """End of the unit that begins here; its start where none does."""
    steps, n = lines.steps, start
    if is_pad(steps[n]):
        n += 1
        if not follows(lines, n):
            return start
    if not is_linear(steps[n]):
        return start
    main = n
    n += 1
    while (
        follows(lines, n)
        and is_linear(steps[n])
        and steps[n].layer == steps[main].layer
    ):
        n += 1
    for kind in (is_norm, is_activation):
        if follows(lines, n) and kind(steps[n]):
            n += 1
    padded_only = is_pad(steps[start]) and n - main == 1
    return start if padded_only else n


def ends(lines: Lines) -> dict[int, int]:
    """For each line, the next one that all ways from it lead through.

    These are immediate postdominators; ``len(lines.steps)`` is the outside. Inputs
    of the program are numbered from -1 down.
    """
    outside = len(lines.steps)
    depth = {outside: 0}
    found: dict[int, int] = {}
    sources = [port.local for port in lines.program.inputs]
    for n in [*range(outside - 1, -1, -1), *range(-1, -1 - len(sources), -1)]:
        results = lines.steps[n].results if n >= 0 else (sources[-1 - n],)
        users = {user for local in results for user in lines.users.get(local, ())}
        if not users or any(local in lines.returned for local in results):
            users.add(outside)
        meeting = users.pop()
        for user in users:
            other = user
            while meeting != other:
                if depth[meeting] >= depth[other]:
                    meeting = found[meeting]
                else:
                    other = found[other]
        found[n] = meeting
        depth[n] = depth[meeting] + 1
    return found


def regions(lines: Lines) -> Iterator[Window]:
    """Stretches from behind a fork up to where its ways meet, with nothing else."""
    outside = len(lines.steps)
    for n, end in ends(lines).items():
        results = lines.steps[n].results if n >= 0 else ()
        if n < 0:
            results = (lines.program.inputs[-1 - n].local,)
        if end == outside or len(results) != 1 or lines.single_use(results[0]):
            continue
        start = n + 1 if n >= 0 else 0
        if any(lines.barred[start : end + 1]):
            continue
        part = window(lines, start, end + 1)
        closed = part.inputs == results and part.outputs == lines.steps[end].results
        if closed and has_modules(part.steps):
            yield part


def has_modules(steps: Iterable[Step]) -> bool:
    """Whether there is something to build."""
    return any(step.module is not None for step in steps)


def innermost(parts: Sequence[Window]) -> list[Window]:
    """Those windows that hold no other."""
    return [
        part
        for part in parts
        if not any(
            other is not part
            and other.lines is part.lines
            and part.start <= other.start
            and other.stop <= part.stop
            for other in parts
        )
    ]


def may_lack(token: Hashable) -> bool:
    """Whether instances may lack a line: not where it is a bare parameter."""
    assert isinstance(token, tuple)
    module = token[1]
    return module is None or module[0] not in {"nn.Parameter", "register_buffer"}


def with_tails(found: Sequence[Family]) -> list[Family]:
    """Extend families by the activation or normalisation that follows all of them."""
    return [_with_head(_with_tail(family)) for family in found]


def _with_head(family: Family) -> Family:
    """Take in a normalisation and activation in front, where no unit ends in them."""
    parts = [member.window for member in family.members]
    while all(_headed(part) for part in parts):
        if len({part.lines.tokens[part.start - 1] for part in parts}) > 1:
            break
        parts = [window(part.lines, part.start - 1, part.stop) for part in parts]
    grown = [
        Member(part, (*range(added), *(n + added if n >= 0 else n for n in m.present)))
        for part, m in zip(parts, family.members, strict=True)
        for added in [m.window.start - part.start]
    ]
    first = [part.lines.steps[part.start] for part in parts]
    before = [part.lines.steps[part.start - 1] for part in parts if part.start]
    whole = all(map(is_norm, first)) and not any(map(is_linear, before))
    return Family(grown) if whole else family


def _headed(part: Window) -> bool:
    """Whether the line before passes its one tensor only to this window."""
    lines, n = part.lines, part.start - 1
    if n < 0 or lines.barred[n] or len(part.inputs) != 1:
        return False
    step = lines.steps[n]
    inside = range(part.start, part.stop)
    return (
        step.results == part.inputs
        and len(step.operands) == 1
        and step.results[0] not in lines.returned
        and all(user in inside for user in lines.users[step.results[0]])
        and (is_norm(step) or is_activation(step))
    )


def _with_tail(family: Family) -> Family:
    while True:
        tokens = set()
        for member in family.members:
            lines, stop = member.window.lines, member.window.stop
            step = lines.steps[stop] if stop < len(lines.steps) else None
            if (
                step is None
                or not follows(lines, stop)
                or lines.barred[stop]
                or not (is_activation(step) or is_norm(step))
            ):
                return family
            tokens.add(lines.tokens[stop])
        if len(tokens) > 1:
            return family
        longer = []
        for member in family.members:
            part = member.window
            grown = window(part.lines, part.start, part.stop + 1)
            present = (*member.present, len(part.steps))
            longer.append(Member(grown, present))
        family = Family(longer)
