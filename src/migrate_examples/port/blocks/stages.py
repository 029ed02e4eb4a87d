"""Runs of blocks become stages: an ``nn.Sequential`` each, with loops inside."""

from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import Any

from migrate_examples.port.blocks.bodies import is_plain
from migrate_examples.port.blocks.find import follows
from migrate_examples.port.blocks.folded import FoldedStep, Origin, Repeat
from migrate_examples.port.blocks.instances import below, joined
from migrate_examples.port.blocks.naming import instance_name
from migrate_examples.port.blocks.slots import Registry
from migrate_examples.port.blocks.windows import Lines
from migrate_examples.port.program import Construction, Step, Verbatim


def split(steps: Sequence[Step], registry: Registry) -> list[list[Step]]:
    """Cut a run of blocks where a stage ends.

    A stage ends before a block of another class, before one whose channels are
    others where those before it had gone on unchanged, and before a stride.
    """
    counts = Counter(step.module.call for step in steps if step.module is not None)
    rare = min(counts, key=lambda call: counts[call])
    stages: list[list[Step]] = [[steps[0]]]
    rarely = [step.module is not None and step.module.call == rare for step in steps]
    apart = not any(a and b for a, b in pairwise(rarely))
    if len(counts) == 2 and counts[rare] > 1 and apart:
        # The first block of each stage is of a class of its own.
        for step, first in zip(steps[1:], rarely[1:], strict=True):
            if first:
                stages.append([])
            stages[-1].append(step)
        return stages
    for step in steps[1:]:
        if _begins(stages[-1], step, registry):
            stages.append([step])
        else:
            stages[-1].append(step)
    return stages


def _begins(stage: Sequence[Step], step: Step, registry: Registry) -> bool:
    last, now = arguments(stage[-1], registry), arguments(step, registry)
    assert step.module is not None
    assert stage[-1].module is not None
    kinds = registry.kinds[step.module.call]
    if step.module.call != stage[-1].module.call:
        return True
    if any(now[name] != 1 for name, kind in kinds.items() if kind == "stride"):
        return True
    outward = [
        name
        for name, kind in kinds.items()
        if kind == "size" and not name.startswith("in_")
    ]
    if not outward:
        return False
    key = next((name for name in outward if name.startswith("out_")), outward[0])
    return bool(now[key] != last[key])


def arguments(step: Step, registry: Registry) -> dict[str, Any]:
    """All arguments of a block by name."""
    module = step.module
    assert module is not None
    made = registry.classes[module.call]
    values = {p.name: p.default for p in made.parameters}
    values.update(
        zip((p.name for p in made.parameters), module.arguments, strict=False)
    )
    values.update(module.keywords)
    return values


def sequential(steps: Sequence[Step], name: str) -> FoldedStep:
    """One ``nn.Sequential`` of a stage."""
    modules = [step.module for step in steps if step.module is not None]
    origins: list[Origin] = []
    filled = []
    for n, step in enumerate(steps):
        assert isinstance(step, FoldedStep)
        origins += [
            Origin(o.layer, o.role, joined(str(n), o.path), o.block, o.index)
            for o in step.origins
        ]
        filled += below(step, str(n))
    return FoldedStep(
        steps[-1].results,
        "{module}({0})",
        steps[0].operands,
        name or instance_name([o.layer for o in origins], ""),
        module=Construction("nn.Sequential", tuple(loops(modules))),
        filled=tuple(filled),
        origins=tuple(origins),
    )


def loops(modules: Sequence[Construction]) -> list[Construction | Repeat]:
    """Write equal neighbours, and those that count up evenly, as loops.

    >>> block = Construction("Block", (8,))
    >>> loops([block, block, block])
    [Repeat(construction=Construction(call='Block', arguments=(8,), keywords=()),
    count=3, variable='_')]
    >>> [repeat] = loops([Construction("Dense", (64 + 32 * n,)) for n in range(6)])
    >>> repeat.construction.arguments, repeat.count, repeat.variable
    ((Verbatim(text='64 + 32 * i'),), 6, 'i')
    """
    made: list[Construction | Repeat] = []
    n = 0
    while n < len(modules):
        equal = _while(modules, n, lambda a, b: a == b)
        even = max(_progression(modules, n), 1)
        if equal >= 2 and equal >= even:
            made.append(Repeat(modules[n], equal))
            n += equal
        elif even >= 3:
            made.append(Repeat(_counted(modules[n], modules[n + 1]), even, "i"))
            n += even
        else:
            made.append(modules[n])
            n += 1
    return made


def _while(modules: Sequence[Construction], n: int, alike: Any) -> int:
    stop = n + 1
    while stop < len(modules) and alike(modules[stop - 1], modules[stop]):
        stop += 1
    return stop - n


def _steps_between(a: Construction, b: Construction) -> tuple[int, ...] | None:
    """Differences of the positional arguments; None where more than those differ."""
    alike = a.call == b.call and a.keywords == b.keywords
    if not alike or len(a.arguments) != len(b.arguments):
        return None
    made = []
    for x, y in zip(a.arguments, b.arguments, strict=True):
        if x == y:
            made.append(0)
        elif isinstance(x, int) and isinstance(y, int):
            made.append(y - x)
        else:
            return None
    return tuple(made)


def _progression(modules: Sequence[Construction], n: int) -> int:
    """Number of modules from here on whose arguments grow by equal steps."""
    if n + 1 >= len(modules):
        return 1
    wanted = _steps_between(modules[n], modules[n + 1])
    if wanted is None or not any(wanted):
        return 1
    return _while(modules, n, lambda a, b: _steps_between(a, b) == wanted)


def _counted(first: Construction, second: Construction) -> Construction:
    """Write the arguments as expressions of ``i``."""
    written = []
    for x, y in zip(first.arguments, second.arguments, strict=True):
        if x == y:
            written.append(x)
            continue
        sign = "+" if y > x else "-"
        step = abs(y - x)
        written.append(
            Verbatim(f"{x} {sign} {step} * i" if step > 1 else f"{x} {sign} i")
        )
    return Construction(first.call, tuple(written), first.keywords)


def runs(lines: Lines, blocks: set[str]) -> Iterator[tuple[int, int]]:
    """Stretches of blocks, each called with just what the one before returns."""
    ok = [
        step.module is not None
        and step.module.call in blocks
        and is_plain(step)
        and not lines.barred[n]
        for n, step in enumerate(lines.steps)
    ]
    start = 0
    marks = [
        n for n in range(1, len(ok)) if not (ok[n] and ok[n - 1] and follows(lines, n))
    ]
    for start, stop in pairwise([0, *marks, len(ok)]):
        if stop - start > 1 and ok[start]:
            yield start, stop
