"""Names of parameters, and padding that needs none."""

from collections.abc import Sequence

from migrate_examples.port.blocks.bodies import Line
from migrate_examples.port.blocks.conditions import Condition
from migrate_examples.port.blocks.naming import unique
from migrate_examples.port.blocks.parameters import Meaning, Solution, Written
from migrate_examples.port.blocks.slots import expression_slots
from migrate_examples.port.program import Step

INWARD = ("in_channels", "in_features", "num_features", "normalized_shape", "channels")
OUTWARD = ("out_channels", "out_features")


def name_parameters(
    solution: Solution, steps: Sequence[Step], lines: Sequence[Line]
) -> None:
    """Name parameters by what they count; where that is not enough, by whose."""
    taken: set[str] = set()
    owner = {n: line.attribute for line in lines for n in line.indices}
    sizes = [p for p in solution.parameters if p.kind == "size"]
    noun = "features" if _is_dense(steps) else "channels"
    last = max((at for at, slot in solution.meanings if slot in OUTWARD), default=-1)
    for number, solved in enumerate(sizes):
        slots = {slot.partition(".")[0] for _, slot in solved.uses}
        final = any(at == last and slot in OUTWARD for at, slot in solved.uses)
        name = f"{_place(number, len(sizes), slots, taken, final=final)}{noun}"
        if name in taken:
            name = f"{owner[solved.first[0]] or 'inner'}_{noun}"
        solved.name = unique(name, taken)
    for solved in solution.parameters:
        if solved.kind != "size":
            name = NOUNS.get(solved.kind.partition(".")[0], solved.kind)
            if name in taken:
                name = f"{owner[solved.first[0]] or 'second'}_{name}"
            solved.name = unique(name.replace(".", ""), taken)


def _place(
    number: int, count: int, slots: set[str], taken: set[str], *, final: bool
) -> str:
    """Which of the sizes one is: ``in_``, ``out_``, ``hidden_``, or the only one."""
    if count == 1:
        inward = slots & {"in_channels", "in_features"}
        return "in_" if inward and not slots & set(OUTWARD) else ""
    if number == 0 and slots & set(INWARD):
        return "" if final else "in_"
    if final:
        return "out_"
    alone = count == 2 and any(name.startswith("in_") for name in taken)
    return "" if alone else "hidden_"


NOUNS = {
    "p": "dropout",
    "num_heads": "heads",
    "expression": "scale",
    "num_groups": "groups",
}
"""Names of parameters whose slot is called otherwise."""


def _is_dense(steps: Sequence[Step]) -> bool:
    calls = [step.module.call for step in steps if step.module is not None]
    return "nn.Linear" in calls and not any(c.startswith("nn.Conv") for c in calls)


def settle_padding(
    steps: Sequence[Step],
    solution: Solution,
    lines: Sequence[Line],
    conditions: Sequence[Condition | None],
) -> None:
    """Drop a parameter for padding that is none where ``F.pad`` has done it."""
    for line, condition in zip(lines, conditions, strict=True):
        at = line.indices[0]
        key = (at + 1, "padding")
        padding = solution.meanings.get(key)
        if condition is None or "pad" not in expression_slots(steps[at].expression)[0]:
            continue
        if not isinstance(padding, Meaning) or padding.parameter.uses != [key]:
            continue
        kernel = solution.meanings.get((at + 1, "kernel_size"))
        if isinstance(kernel, Meaning):
            sizes, half = kernel.column(), f"{kernel.text} // 2"
        else:
            size = solution.constants[at + 1, "kernel_size"]
            sizes = (size,) * len(padding.column())
            half = str(size // 2) if isinstance(size, int) else ""
        if not all(isinstance(size, int) for size in sizes):
            continue
        wanted = tuple(
            0 if padded else size // 2
            for padded, size in zip(solution.presence[at], sizes, strict=True)
        )
        if wanted == padding.column():
            solution.meanings[key] = Written(f"0 if {condition.text} else {half}")
            solution.parameters.remove(padding.parameter)
    halve_kernels(solution)


def halve_kernels(solution: Solution) -> None:
    """Drop a parameter for padding that is always half of the kernel."""
    for (at, slot), padding in list(solution.meanings.items()):
        kernel = solution.meanings.get((at, "kernel_size"))
        if slot != "padding" or not isinstance(kernel, Meaning):
            continue
        if not isinstance(padding, Meaning):
            continue
        if padding.parameter.uses != [(at, slot)]:
            continue
        sizes = kernel.column()
        if not all(isinstance(size, int) for size in sizes):
            continue
        if padding.column() == tuple(size // 2 for size in sizes):
            solution.meanings[at, slot] = Written(f"{kernel.text} // 2")
            solution.parameters.remove(padding.parameter)
