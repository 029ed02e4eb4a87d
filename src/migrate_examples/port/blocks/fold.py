"""Fold what repeats in a program into classes and loops."""

from collections import Counter
from collections.abc import Hashable, Iterable, Sequence
from dataclasses import dataclass, field, replace

from migrate_examples.port.blocks.bodies import is_plain
from migrate_examples.port.blocks.find import (
    innermost,
    may_lack,
    regions,
    units,
    with_tails,
)
from migrate_examples.port.blocks.folded import Choice, Folded, FoldedStep
from migrate_examples.port.blocks.naming import snake, unique
from migrate_examples.port.blocks.order import depth_first
from migrate_examples.port.blocks.slots import Registry
from migrate_examples.port.blocks.stages import runs, sequential, split
from migrate_examples.port.blocks.stretches import saving, stretches
from migrate_examples.port.blocks.sums import without_sum
from migrate_examples.port.blocks.unify import make_class
from migrate_examples.port.blocks.variants import Family, families
from migrate_examples.port.blocks.windows import Lines, Window, signature
from migrate_examples.port.program import Construction, Program, Step

MOST_ATTEMPTS = 6


def fold(program: Program, reserved: Iterable[str] = ()) -> Folded:
    """Fold a program; the inner programs of nested models too.

    Parameters
    ----------
    program : Program
        As ``lower`` makes it.
    reserved : iterable of str
        Names that no class may have: those of the models and of the helpers.

    Returns
    -------
    Folded
        The same computation, of the same tensors; every one of them once.
    """
    banned: set[Hashable] = set()
    taken = {*reserved, *program.helpers}
    for _ in range(MOST_ATTEMPTS):
        attempt = Attempt(program, set(taken), banned)
        folded = attempt.fold()
        more = attempt.too_small()
        if not more:
            break
        banned |= more
    return folded


@dataclass
class Attempt:
    """One folding, with some forms left alone.

    Parameters
    ----------
    program : Program
        To be folded.
    taken : set of str
        Names that no class may have.
    banned : set
        Signatures of windows that are no classes.
    """

    program: Program
    taken: set[str]
    banned: set[Hashable]
    registry: Registry = field(default_factory=Registry)
    signatures: dict[str, Hashable] = field(default_factory=dict)
    all_lines: list[Lines] = field(default_factory=list)
    blocks: set[str] = field(default_factory=set)
    uses: Counter[str] = field(default_factory=Counter)
    optional: set[str] = field(default_factory=set)

    def fold(self) -> Folded:
        """Units, then regions, then what else repeats; at last stages."""
        self.all_lines = [lines_of(each) for each in programs(self.program)]
        self.fold_units()
        while self.fold_a_region():
            pass
        for chains in (True, False):
            while self.fold_a_stretch(chains=chains):
                pass
        self.count_uses()
        self.fold_stages()
        made: dict[int, Program] = {}
        for lines in reversed(self.all_lines):  # those inside come later in the list
            made[id(lines.program)] = rebuilt(lines, made)
        return Folded(made[id(self.program)], tuple(self.registry.classes.values()))

    def look(self, *, deep: bool = True) -> None:
        """Work out anew who makes and who uses what."""
        for lines in self.all_lines:
            lines.look(self.registry, deep=deep)

    def fold_units(self) -> None:
        """Fold convolutions with their normalisation and activation."""
        self.look(deep=False)
        parts = [part for lines in self.all_lines for part in units(lines)]
        replacing: list[tuple[Window, FoldedStep]] = []
        for family in families(parts, _is_pad_token, least=3):
            replacing += self.make(family, unit=True)
        self.replace(replacing)

    def fold_a_region(self) -> bool:
        """Fold one family of regions, those inside others first."""
        self.look()
        parts = [
            part
            for lines in self.all_lines
            for part in regions(lines)
            if signature(part) not in self.banned
        ]
        repeated = [
            member.window
            for family in families(parts, may_lack)
            for member in family.members
        ]
        inner = innermost(repeated)
        nested = [p for p in inner if any(_holds(other, p) for other in repeated)]
        forms = {signature(part) for part in nested}
        for some in ([p for p in inner if signature(p) in forms], inner):
            found = with_tails(families(some, may_lack))
            for family in sorted(found, key=_worth, reverse=True):
                chains = without_sum(family, self.all_lines, self.registry)
                wide = Family([*family.members, *chains])
                for tried in (wide, family, family.whole()):
                    if _worth(tried) > 0 and self.replace(self.make(tried)):
                        return True
                self.banned.add(signature(family.template))
        return False

    def fold_a_stretch(self, *, chains: bool) -> bool:
        """Fold the stretch that saves most."""
        self.look()
        self.bar_runs()
        found = stretches(self.all_lines, self.banned, chains=chains)
        if not found:
            return False
        family = families(found, may_lack)[0]
        if self.replace(self.make(family)):
            return True
        self.banned.add(signature(found[0]))
        return True

    def bar_runs(self) -> None:
        """Keep blocks that repeat by themselves out of longer stretches."""
        for lines in self.all_lines:
            for start, stop in runs(lines, self.blocks):
                calls = [_call(step) for step in lines.steps[start:stop]]
                for n, call in enumerate(calls):
                    if (
                        calls.count(call) > 2
                        and call in calls[n - 1 : n] + calls[n + 1 : n + 2]
                    ):
                        lines.barred[start + n] = True

    def make(
        self, family: Family, *, unit: bool = False
    ) -> list[tuple[Window, FoldedStep]]:
        """Make a class; return what each of its windows becomes."""
        form = signature(family.template)
        if form in self.banned:
            return []
        made = make_class(family, self.registry, self.taken, unit=unit)
        if made is None:
            return []
        block, instances = made
        self.signatures[block.name] = form
        if unit:
            first = next(s.module for s in block.steps if s.module is not None)
            linear = first.call.startswith("nn.Linear")
            self.registry.parts[block.name] = "linear" if linear else "conv"
        else:
            self.registry.parts[block.name] = snake(block.name).rstrip("0123456789")
            self.blocks.add(block.name)
        windows = [member.window for member in family.members]
        return list(zip(windows, instances, strict=True))

    def replace(self, made: Sequence[tuple[Window, FoldedStep]]) -> bool:
        """Put the new lines where the windows are; from the end, so that none moves."""
        for part, step in sorted(made, key=lambda pair: -pair[0].start):
            part.lines.steps[part.start : part.stop] = [step]
        return bool(made)

    def count_uses(self) -> None:
        """Count how often each class is written; in loops, how often it is built."""
        bodies = [block.steps for block in self.registry.classes.values()]
        for steps in [*bodies, *(lines.steps for lines in self.all_lines)]:
            for step in steps:
                for module in constructions(step.module):
                    self.uses[module.call] += 1
                    if isinstance(module, Choice) and self.is_whole(module.call):
                        self.optional.add(module.call)

    def is_whole(self, call: str) -> bool:
        """Whether an optional part must be a class: else it may be a Sequential."""
        block = self.registry.classes.get(call)
        return block is not None and not all(is_plain(line) for line in block.steps)

    def too_small(self) -> set[Hashable]:
        """Signatures of classes without which the source is shorter."""
        return {
            self.signatures[name]
            for name, block in self.registry.classes.items()
            if saving(block.steps, self.uses[name]) <= 0 and name not in self.optional
        }

    def fold_stages(self) -> None:
        """Make each stage an ``nn.Sequential``; name all that was folded."""
        self.look()
        for lines in self.all_lines:
            for start, stop in reversed(list(runs(lines, self.blocks))):
                stages = split(lines.steps[start:stop], self.registry)
                lines.steps[start:stop] = [
                    sequential(stage, "") if len(stage) > 1 else stage[0]
                    for stage in stages
                ]
            name_folded(lines, self.registry)


def name_folded(lines: Lines, registry: Registry) -> None:
    """Give each folded line of a program a name of its own."""
    taken = {step.layer for step in lines.steps if not isinstance(step, FoldedStep)}
    stages = 0
    for n, step in enumerate(lines.steps):
        if not isinstance(step, FoldedStep):
            continue
        call = _call(step)
        stages += call == "nn.Sequential"
        otherwise = registry.parts.get(call, "block")
        if call == "nn.Sequential":
            otherwise = f"stage{stages}"
        lines.steps[n] = replace(step, layer=unique(step.layer or otherwise, taken))


def _call(step: Step) -> str:
    return step.module.call if step.module is not None else ""


def _is_pad_token(token: Hashable) -> bool:
    assert isinstance(token, tuple)
    return str(token[0][0]).startswith(("F.pad(", "pad_same("))


def _holds(outer: Window, inner: Window) -> bool:
    return (
        outer.lines is inner.lines
        and outer.start <= inner.start
        and inner.stop <= outer.stop
        and (outer.start, outer.stop) != (inner.start, inner.stop)
    )


def _worth(family: Family) -> int:
    return saving(family.template.steps, len(family.members))


def constructions(module: object) -> list[Construction]:
    """All that a construction builds, itself included."""
    if not isinstance(module, Construction):
        return []
    return [module, *(c for part in module.arguments for c in constructions(part))]


def programs(program: Program) -> list[Program]:
    """A program and all inside it, each once; each before those inside it."""
    found: dict[int, Program] = {}
    stack = [program]
    while stack:
        each = stack.pop()
        found.pop(id(each), None)  # comes later, behind all that hold it
        found[id(each)] = each
        stack += [step.inner for step in each.steps if step.inner is not None]
    return list(found.values())


def lines_of(program: Program) -> Lines:
    """Lines of a program in a good order."""
    returned = [port.local for port in program.outputs]
    steps = depth_first(program.steps, returned)
    return Lines(program, list(steps), frozenset(returned))


def rebuilt(lines: Lines, made: dict[int, Program]) -> Program:
    """The program of some lines, with the new programs inside."""
    steps = tuple(
        step if step.inner is None else replace(step, inner=made[id(step.inner)])
        for step in lines.steps
    )
    return replace(lines.program, steps=steps)
