"""The lines of a class: which modules stand together, and what they are called."""

from collections.abc import Sequence
from dataclasses import dataclass

from migrate_examples.port.blocks.naming import is_depthwise, numbered, part_name
from migrate_examples.port.blocks.slots import Registry
from migrate_examples.port.blocks.variants import Skeleton
from migrate_examples.port.program import Step

CALL = "{module}({0})"


@dataclass
class Line:
    """Consecutive steps that become one line: one, or a chain in a Sequential.

    Attributes
    ----------
    indices : tuple of int
        Of the steps.
    attribute : str
        Name of the module; empty where there is none.
    shortcut : bool
        Whether it is the way around a residual block.
    """

    indices: tuple[int, ...]
    attribute: str = ""
    shortcut: bool = False

    def path(self, index: int) -> str:
        """Path of the module of a step."""
        if len(self.indices) == 1:
            return self.attribute
        return f"{self.attribute}.{self.indices.index(index)}"


def is_plain(step: Step) -> bool:
    """Whether a step only passes a tensor through a module."""
    return step.module is not None and step.expression == CALL and step.inner is None


def uses(form: Skeleton) -> dict[tuple[str, int, int], list[int]]:
    """For each tensor of a skeleton, the lines that use it; -1 stands for outside."""
    found: dict[tuple[str, int, int], list[int]] = {}
    for n, operands in enumerate(form.operands):
        for reference in dict.fromkeys(operands):
            found.setdefault(reference, []).append(n)
    for reference in form.outputs:
        found.setdefault(reference, []).append(-1)
    return found


def is_join(step: Step) -> bool:
    """Whether a step puts branches together."""
    return step.module is None and len(step.operands) > 1


def shortcut_chain(steps: Sequence[Step], form: Skeleton) -> tuple[int, ...]:
    """Steps of the shorter way into the last sum; none where it is the input."""
    sums = [n for n, step in enumerate(steps) if step.expression == "{0} + {1}"]
    if not sums or not all(ref[0] == "step" for ref in form.operands[sums[-1]]):
        return ()
    used = uses(form)
    chains = []
    for reference in form.operands[sums[-1]]:
        chain: list[int] = []
        at = reference
        while at[0] == "step" and len(used[at]) == 1 and is_plain(steps[at[1]]):
            chain.insert(0, at[1])
            (at,) = form.operands[at[1]]
        # The other way must be a longer one from the same tensor.
        whole = at[0] == "in" or len(used[at]) > 1
        chains.append(tuple(chain) if whole else (-1,) * len(steps))
    short, long = sorted(chains, key=len)
    return () if len(short) == len(long) or len(short) > 2 else short


def chains(
    steps: Sequence[Step],
    form: Skeleton,
    presence: Sequence[tuple[bool, ...]],
) -> list[Line]:
    """Put chains that people write as an ``nn.Sequential`` into one line each.

    These are optional parts, the way around a residual block, and the branches of
    a concatenation.
    """
    used = uses(form)
    shortcut = set(shortcut_chain(steps, form))
    lines: list[Line] = []
    for n, step in enumerate(steps):
        before = lines[-1].indices if lines else ()
        joins = (
            bool(before)
            and is_plain(step)
            and is_plain(steps[before[-1]])
            and form.operands[n] == (("step", before[-1], 0),)
            and len(used["step", before[-1], 0]) == 1
            and presence[n] == presence[before[-1]]
            and (before[-1] in shortcut) == (n in shortcut)
        )
        optional = not all(presence[n])
        if joins and (
            optional or n in shortcut or _is_branch(n, before[0], steps, form)
        ):
            lines[-1].indices = (*before, n)
        else:
            lines.append(Line((n,), shortcut=n in shortcut))
    return lines


def _is_branch(last: int, first: int, steps: Sequence[Step], form: Skeleton) -> bool:
    """Whether the chain through two steps leads from a fork to a concatenation."""
    used = uses(form)
    fork = form.operands[first][0]
    if len(used[fork]) < 2:
        return False
    at = last
    while True:
        users = used["step", at, 0]
        if len(users) != 1 or users[0] < 0:
            return False
        at = users[0]
        if steps[at].expression.startswith("torch.cat("):
            return len(form.operands[at]) > 1
        if not is_plain(steps[at]):
            return False


def name_lines(
    lines: Sequence[Line],
    steps: Sequence[Step],
    form: Skeleton,
    registry: Registry,
    *,
    unit: bool,
) -> None:
    """Give each line that has modules the name of its attribute."""
    deep = [line for line in lines if is_depthwise(steps[line.indices[0]]) and not unit]
    gates = gate_names(steps, form)
    bases = []
    owners = branch_numbers(steps, form)
    named = [line for line in lines if steps[line.indices[0]].module is not None]
    for line in named:
        step = steps[line.indices[0]]
        assert step.module is not None
        base = part_name(step.module, registry)
        branch = owners.get(line.indices[-1], 0)
        whole = {n for n, b in owners.items() if b == branch} <= set(line.indices)
        if line.shortcut:
            base = "shortcut"
        elif branch:
            base = f"branch{branch}" if whole else f"branch{branch}_{base}"
        elif line.indices[0] in gates:
            base = gates[line.indices[0]]
        elif step.role and not step.module.call.startswith("nn.Batch"):
            base = step.role
        elif len(deep) == 1 and base.startswith(("conv", "depthwise")):
            at, middle = line.indices[0], deep[0].indices[0]
            base = ("expand", "depthwise", "project")[(at > middle) + (at >= middle)]
        elif len(line.indices) > 1:
            base = "branch" if base == "conv" else base
        bases.append(base)
    for line, name in zip(named, numbered(bases), strict=True):
        line.attribute = name


def gate_names(steps: Sequence[Step], form: Skeleton) -> dict[int, str]:
    """Names for the two convolutions of squeeze and excitation."""
    names: dict[int, str] = {}
    means = [n for n, s in enumerate(steps) if s.expression.startswith("{0}.mean(")]
    if len(means) != 1 or not any(" * " in step.expression for step in steps):
        return names
    used, at = uses(form), means[0]
    while True:
        users = used["step", at, 0]
        if len(users) != 1 or users[0] < 0 or is_join(steps[users[0]]):
            return names if len(names) == 2 else {}
        at = users[0]
        if is_plain(steps[at]):
            names[at] = "excite" if names else "squeeze"


def branch_numbers(steps: Sequence[Step], form: Skeleton) -> dict[int, int]:
    """For steps that belong to one branch of a last concatenation, its number."""
    last = len(steps) - 1
    if (
        not steps[last].expression.startswith("torch.cat(")
        or len(form.operands[last]) < 3
    ):
        return {}
    used = uses(form)
    owner: dict[int, int] = {}
    for number, reference in enumerate(form.operands[last], start=1):
        if reference[0] == "step":
            owner.setdefault(reference[1], number)
    for n in range(last - 1, -1, -1):
        numbers = {
            owner.get(user, 0)
            for r in range(form.results[n])
            for user in used.get(("step", n, r), [])
            if user != last
        }
        if n not in owner and len(numbers) == 1:
            owner[n] = numbers.pop()
    return owner
