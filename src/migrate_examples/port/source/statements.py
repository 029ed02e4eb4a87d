"""The lines of ``forward``: steps joined into the expressions that one would write."""

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from migrate_examples.port.program import Local, Step
from migrate_examples.port.source.expressions import filled_in

WIDTH = 88
INDENT = 8
DEEPEST = 3  # calls inside each other, as in relu(norm(conv(x)))
TOKEN = re.compile(r"\bL(\d+)_\b")
OPENING = re.compile(
    r"Conv|Linear|Embedding|LSTM|GRU|RNN|Attention|Sequential|Block|Bilinear"
)
ASIDE = re.compile(r"Norm|Dropout|Noise|Pool|PReLU|Identity|Pad")


@dataclass
class Statement:
    """A line while it grows.

    Attributes
    ----------
    results : tuple of Local
        What it defines.
    text : str
        The expression; a local in it is a token, see ``token``.
    steps : list of int
        Numbers of the steps that it is made of.
    notes : list of str
        Comments above it.
    opened : bool
        Whether a convolution, a matrix or a whole block is in it.
    border : bool
        Whether it brings an input into another layout, and stands alone.
    """

    results: tuple[Local, ...]
    text: str
    steps: list[int] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    opened: bool = False
    border: bool = False

    def uses(self) -> list[int]:
        """Keys of the locals in its expression."""
        return [int(found[1]) for found in TOKEN.finditer(self.text)]


def token(local: Local) -> str:
    """What stands for a local until it has a name: a name itself, of Python."""
    return f"L{local.key}_"


def statements(
    steps: Sequence[Step],
    attributes: Mapping[tuple[str, str], str],
    inputs: Iterable[Local],
    returned: Iterable[Local],
) -> list[Statement]:
    """Join steps into lines: each one's result goes into the next where it fits.

    A line has one convolution or matrix at most, what is before it and what behind.

    Parameters
    ----------
    steps : sequence of Step
        Of one ``forward``.
    attributes : mapping
        Attribute of each module, by layer and role.
    inputs, returned : iterable of Local
        Its arguments and what it returns.
    """
    join = Join(attributes, {local.key for local in inputs}, Counter())
    for step in steps:
        for place, operand in enumerate(step.operands):
            join.uses[operand.key] += max(step.expression.count(f"{{{place}}}"), 1)
    join.uses.update(local.key for local in returned)
    for number, step in enumerate(steps):
        join.add(number, step)
    return join.lines


@dataclass
class Join:
    """Lines so far, and what may still go into the next one."""

    attributes: Mapping[tuple[str, str], str]
    inputs: set[int]
    uses: Counter[int]
    lines: list[Statement] = field(default_factory=list)
    plain: dict[int, str] = field(default_factory=dict)
    said: set[str] = field(default_factory=set)

    def add(self, number: int, step: Step) -> None:
        """Write a step, alone or around the line before it."""
        name = self.attributes.get((step.layer, step.role), "")
        module = f"self.{name}" if name else ""
        if not step.results:  # built, and not called here
            return
        if is_bare(step):
            self.plain[step.results[0].key] = filled_in(step.expression, [], module)
            return
        operands = [self.plain.get(o.key, token(o)) for o in step.operands]
        line = Statement(
            step.results,
            filled_in(step.expression, operands, module),
            [number],
            [] if step.note in self.said or not step.note else [step.note],
            opens(step),
            is_border(step, self.inputs),
        )
        self.said.add(step.note)
        before = self.lines[-1] if self.lines else None
        if before is not None and self.may_join(before, line, step):
            place = [o.key for o in step.operands].index(before.results[0].key)
            operands[place] = before.text
            line.text = filled_in(step.expression, operands, module)
            line.steps = before.steps + line.steps
            line.notes = before.notes + line.notes
            line.opened = line.opened or before.opened
            self.lines[-1] = line
        else:
            self.lines.append(line)

    def may_join(self, before: Statement, line: Statement, step: Step) -> bool:
        """Whether the line before is read more easily inside this one."""
        if len(before.results) != 1 or before.border:
            return False
        key = before.results[0].key
        if self.uses[key] != 1 or line.uses().count(key) != 1:
            return False
        if line.opened and before.opened:
            return False
        if (
            before.text.startswith("F.pad(")
            or depth(line.text) + depth(before.text) > 3
        ):
            return False
        method = re.match(r"\{0\}[.\[]", step.expression)
        if method and before.opened and before.text.count("(") > 1:
            return False
        text = TOKEN.sub("xx", line.text) + TOKEN.sub("xx", before.text)
        return INDENT + len("xx = ") + len(text) <= WIDTH and not line.notes


def is_bare(step: Step) -> bool:
    """Whether a step names a tensor of a module, and needs no line."""
    return step.module is not None and not step.operands and "(" not in step.expression


def depth(text: str) -> int:
    """How many calls stand inside each other.

    >>> depth("F.relu(self.bn(self.conv(x)) + y)")
    3
    """
    deepest = now = 0
    opened: list[bool] = []
    for place, character in enumerate(text):
        if character == "(":
            opened.append(
                place > 0 and (text[place - 1].isalnum() or text[place - 1] == "_")
            )
            now += opened[-1]
            deepest = max(deepest, now)
        elif character == ")":
            now -= opened.pop()
    return deepest


def opens(step: Step) -> bool:
    """Whether a step is what a line of a network is about."""
    if step.inner is not None:
        return True
    if step.module is None:
        return False
    call = step.module.call
    if ASIDE.search(call):
        return False
    return bool(OPENING.search(call)) or not call.startswith("nn.")


def is_border(step: Step, inputs: set[int]) -> bool:
    """Whether a step is the change of layout of an input."""
    return (
        step.module is None
        and [operand.key in inputs for operand in step.operands] == [True]
        and re.fullmatch(r"\{0\}\.(permute|transpose)\([\d, ]+\)", step.expression)
        is not None
    )
