"""Stretches of lines: what goes in, what comes out, and their form."""

from collections import Counter
from collections.abc import Hashable, Sequence
from dataclasses import dataclass, field

from migrate_examples.port.blocks.folded import FoldedStep
from migrate_examples.port.blocks.naming import is_depthwise
from migrate_examples.port.blocks.slots import Registry, form_of
from migrate_examples.port.program import Local, Program, Step

Reference = tuple[str, int, int]
"""An operand inside a stretch: ``("in", n, 0)``, or ``("step", n, result)``."""


@dataclass
class Lines:
    """The lines of one program while they are being folded.

    Attributes
    ----------
    program : Program
        Whose they are.
    steps : list of Step
        In their order.
    returned : frozenset of Local
        The outputs of the program.
    """

    program: Program
    steps: list[Step]
    returned: frozenset[Local]
    tokens: list[Hashable] = field(default_factory=list)
    barred: list[bool] = field(default_factory=list)
    maker: dict[Local, int] = field(default_factory=dict)
    users: dict[Local, list[int]] = field(default_factory=dict)

    def look(self, registry: Registry, *, deep: bool = True) -> None:
        """Work out anew who makes and who uses what.

        With `deep`, a depthwise convolution is another form than a plain one.
        """
        calls = Counter(
            (step.layer, step.role)
            for step in self.steps
            if step.module is not None and not isinstance(step, FoldedStep)
        )
        self.tokens = [
            (*form_of(step, registry).token, deep and is_depthwise(step))
            for step in self.steps
        ]
        # A module that is called twice belongs to both callers; so does a model.
        self.barred = [
            step.inner is not None
            or (step.module is not None and calls[step.layer, step.role] > 1)
            or (step.module is not None and step.module.call == "nn.Sequential")
            for step in self.steps
        ]
        self.maker, self.users = {}, {}
        for n, step in enumerate(self.steps):
            self.maker.update(dict.fromkeys(step.results, n))
            for local in dict.fromkeys(step.operands):
                self.users.setdefault(local, []).append(n)

    def single_use(self, local: Local) -> bool:
        """Whether exactly one line uses it, and the program does not return it."""
        return local not in self.returned and len(self.users.get(local, ())) == 1


@dataclass(frozen=True)
class Window:
    """A stretch of consecutive lines, ``[start, stop)``.

    Attributes
    ----------
    lines : Lines
        Where it lies.
    inputs, outputs : tuple of Local
        What it takes from outside, in the order of use; what is used outside.
    """

    lines: Lines
    start: int
    stop: int
    inputs: tuple[Local, ...]
    outputs: tuple[Local, ...]

    @property
    def steps(self) -> Sequence[Step]:
        """The lines themselves."""
        return self.lines.steps[self.start : self.stop]


def window(lines: Lines, start: int, stop: int) -> Window:
    """Find what a stretch takes and gives."""
    inside = range(start, stop)
    inputs: dict[Local, None] = {}
    outputs: list[Local] = []
    for n in inside:
        step = lines.steps[n]
        for local in step.operands:
            if lines.maker.get(local, -1) not in inside:
                inputs.setdefault(local)
        for local in step.results:
            outside = any(user not in inside for user in lines.users.get(local, ()))
            if outside or local in lines.returned:
                outputs.append(local)
    return Window(lines, start, stop, tuple(inputs), tuple(outputs))


def references(
    steps: Sequence[Step], inputs: Sequence[Local]
) -> dict[Local, Reference]:
    """Number the tensors of a stretch by where they come from."""
    found: dict[Local, Reference] = {
        local: ("in", n, 0) for n, local in enumerate(inputs)
    }
    for n, step in enumerate(steps):
        for r, local in enumerate(step.results):
            found[local] = ("step", n, r)
    return found


def signature(part: Window) -> Hashable:
    """Form of a stretch: equal for those that may become instances of one class."""
    known = references(part.steps, part.inputs)
    return (
        tuple(
            (token, tuple(known[local] for local in step.operands))
            for token, step in zip(
                part.lines.tokens[part.start : part.stop], part.steps, strict=True
            )
        ),
        len(part.inputs),
        tuple(known[local] for local in part.outputs),
    )
