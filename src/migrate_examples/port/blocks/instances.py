"""The lines that call the instances of a class, and where their tensors go."""

from collections.abc import Sequence

from migrate_examples.port.blocks.bodies import Line
from migrate_examples.port.blocks.folded import (
    BlockClass,
    FoldedStep,
    Origin,
    Required,
)
from migrate_examples.port.blocks.naming import instance_name
from migrate_examples.port.blocks.parameters import Solution, same
from migrate_examples.port.blocks.variants import Member
from migrate_examples.port.program import Construction, Filled, Step


def instance(
    made: BlockClass,
    lines: Sequence[Line],
    solution: Solution,
    n: int,
    member: Member,
) -> FoldedStep:
    """The line that calls the `n`-th instance of a class."""
    origins: list[Origin] = []
    filled: list[Filled] = []
    for at, line in enumerate(lines):
        for index in line.indices:
            where = member.present[index]
            if where < 0:
                continue
            step = member.window.steps[where]
            path = line.path(index)
            origins += _origins(step, path, made.name, at)
            filled += below(step, path)
    part = member.window
    places = ", ".join(f"{{{k}}}" for k in range(len(part.inputs)))
    layers = list(dict.fromkeys(origin.layer for origin in origins))
    return FoldedStep(
        part.outputs,
        f"{{module}}({places})",
        part.inputs,
        instance_name(layers, ""),
        module=_call(solution, made, n),
        filled=tuple(filled),
        origins=tuple(origins),
    )


def _call(solution: Solution, made: BlockClass, n: int) -> Construction:
    values = {p.name: p.column[n] for p in solution.parameters}
    required = [
        values[p.name] for p in made.parameters if p.default is Required.NO_DEFAULT
    ]
    keywords = [
        (p.name, values[p.name])
        for p in made.parameters
        if p.default is not Required.NO_DEFAULT and not same(values[p.name], p.default)
    ]
    return Construction(made.name, tuple(required), tuple(keywords))


def _origins(step: Step, path: str, block: str, index: int) -> list[Origin]:
    if isinstance(step, FoldedStep):
        return [
            Origin(o.layer, o.role, joined(path, o.path), o.block, o.index)
            for o in step.origins
        ]
    return [
        Origin(layer, step.role, path, block, index)
        for layer in (*step.absorbs, step.layer)
    ]


def joined(first: str, second: str) -> str:
    """Join two paths of attributes, either of which may be empty.

    >>> joined("stage1.0", "conv1"), joined("stage1", "")
    ('stage1.0.conv1', 'stage1')
    """
    return f"{first}.{second}" if first and second else first or second


def below(step: Step, path: str) -> list[Filled]:
    """Tensors of a step, as those of the module that now holds it."""
    return [
        Filled(
            joined(path, part.target),
            part.array,
            part.sources
            if isinstance(step, FoldedStep)
            else tuple(f"{step.layer}/{source}" for source in part.sources),
            part.layout,
        )
        for part in step.filled
    ]
