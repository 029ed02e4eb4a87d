"""A family of windows becomes a class, and a line for each of its instances."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from migrate_examples.port.blocks.bodies import CALL, Line, chains, name_lines
from migrate_examples.port.blocks.classnames import class_name, summary
from migrate_examples.port.blocks.conditions import Condition, conditions_of
from migrate_examples.port.blocks.folded import (
    BlockClass,
    Choice,
    FoldedStep,
    Parameter,
    Required,
)
from migrate_examples.port.blocks.instances import instance
from migrate_examples.port.blocks.naming import unique
from migrate_examples.port.blocks.parameter_names import (
    name_parameters,
    settle_padding,
)
from migrate_examples.port.blocks.parameters import (
    Meaning,
    Solution,
    Written,
    annotation,
    complete,
    same,
    solve,
)
from migrate_examples.port.blocks.slots import (
    SHAPED,
    Registry,
    defaults_of,
    expression_slots,
    positional_names,
)
from migrate_examples.port.blocks.variants import Family, skeleton
from migrate_examples.port.program import Construction, Step, Verbatim

MOST_PARAMETERS = 8


@dataclass
class Blueprint:
    """A family on its way to a class."""

    family: Family
    solution: Solution
    lines: list[Line]
    conditions: list[Condition | None]
    registry: Registry
    kept: dict[str, str]

    @property
    def steps(self) -> Sequence[Step]:
        """The lines of the template."""
        return self.family.template.steps


def make_class(
    family: Family, registry: Registry, taken: set[str], *, unit: bool = False
) -> tuple[BlockClass, list[FoldedStep]] | None:
    """Make a class of a family, and a step for each instance.

    None where it would need too many parameters. The class is registered.
    """
    solution = solve(family, registry)
    if len(solution.parameters) > MOST_PARAMETERS:
        return None
    steps, form = family.template.steps, skeleton(family.template)
    lines = chains(steps, form, solution.presence)
    name_lines(lines, steps, form, registry, unit=unit)
    empty = complete(solution)
    name_parameters(solution, steps, lines)
    conditions = conditions_of(family, solution, lines, empty)
    settle_padding(steps, solution, lines, conditions)
    if len(solution.parameters) > MOST_PARAMETERS:
        return None
    blueprint = Blueprint(family, solution, lines, conditions, registry, {})
    written = tuple(_line(blueprint, n) for n in range(len(lines)))
    varied = {at for at, slot in solution.meanings if slot == "activation"}
    name = class_name(steps, form, registry, varied, unit=unit)
    projects = any(line.shortcut for line in lines) and name == "ResidualBlock"
    if name in taken and projects:
        name = "ProjectionBlock"
    name = unique(name, taken)
    made = BlockClass(
        name,
        summary(steps, registry, varied),
        tuple(_parameter(p) for p in ordered(solution)),
        tuple(blueprint.kept.items()),
        family.template.inputs,
        written,
        family.template.outputs,
    )
    registry.classes[name] = made
    registry.kinds[name] = {p.name: p.kind for p in solution.parameters}
    instances = [
        instance(made, lines, solution, n, member)
        for n, member in enumerate(family.members)
    ]
    return made, instances


def ordered(solution: Solution) -> list[Any]:
    """Parameters, those with defaults last."""
    return sorted(
        solution.parameters, key=lambda p: p.default is not Required.NO_DEFAULT
    )


def _parameter(solved: Any) -> Parameter:
    values = [*solved.column]
    if solved.default is not Required.NO_DEFAULT:
        values.append(solved.default)
    return Parameter(solved.name, annotation(values), solved.default)


def _line(blueprint: Blueprint, n: int) -> Step:
    """One line of the class."""
    line, condition = blueprint.lines[n], blueprint.conditions[n]
    first, last = blueprint.steps[line.indices[0]], blueprint.steps[line.indices[-1]]
    modules = [_construction(blueprint, index) for index in line.indices]
    module = modules[0]
    if len(modules) > 1:
        module = Construction("nn.Sequential", tuple(modules))
        expression = CALL
    else:
        expression = _expression(blueprint, line.indices[0])
    if condition is not None:
        if module is not None:
            module = Choice(
                module.call, module.arguments, module.keywords, condition=condition.text
            )
        if module is None or expression != CALL:
            kept = _keep(blueprint, condition.name, condition.text)
            expression = f"{expression} if {kept} else {{{condition.passes}}}"
    return Step(
        last.results,
        expression,
        first.operands,
        line.attribute,
        module=module,
        note=first.note,
    )


def _keep(blueprint: Blueprint, name: str, expression: str) -> str:
    """Make something of ``__init__`` known to ``forward``."""
    if any(line.attribute == name for line in blueprint.lines):
        name = f"{name}_given"
    blueprint.kept[name] = expression
    return f"self.{name}"


def _value(blueprint: Blueprint, index: int, slot: str) -> Any:
    """What stands in a slot: a literal, or a Meaning."""
    key = (index, slot)
    return blueprint.solution.meanings.get(key) or blueprint.solution.constants[key]


def _printed(value: Any) -> Any:
    return Verbatim(value.text) if isinstance(value, Meaning | Written) else value


def _construction(blueprint: Blueprint, index: int) -> Construction | None:
    step, registry = blueprint.steps[index], blueprint.registry
    module = step.module
    if module is None:
        return None
    names = positional_names(module.call, registry)
    defaults = defaults_of(module.call, registry)
    slots = [
        slot
        for at, slot in [*blueprint.solution.meanings, *blueprint.solution.constants]
        if at == index and slot not in {"activation", "pad"} | _inside(step)
    ]
    if module.call in registry.classes:
        slots = [*names]
    arguments: list[Any] = []
    for n, given in enumerate(module.arguments):
        name = names[n] if n < len(names) else f"argument{n}"
        if module.call in SHAPED and isinstance(given, tuple):
            parts = [_value(blueprint, index, f"{name}.{k}") for k in range(len(given))]
            arguments.append(_shape(parts))
            slots = [slot for slot in slots if not slot.startswith(f"{name}.")]
        else:
            arguments.append(_printed(_value(blueprint, index, name)))
            slots = [slot for slot in slots if slot != name]
    order = [key for key, _ in module.keywords]
    keywords = []
    for slot in dict.fromkeys([*order, *defaults, *slots]):
        if slot not in slots:
            continue
        value = _value(blueprint, index, slot)
        if slot not in defaults or not same(value, defaults[slot]):
            keywords.append((slot, _printed(value)))
    return Construction(module.call, tuple(arguments), tuple(keywords))


def _inside(step: Step) -> set[str]:
    """Slots of the expression."""
    return set(expression_slots(step.expression)[0])


def _shape(parts: Sequence[Any]) -> Any:
    """A shape whose sizes may be parameters."""
    if not any(isinstance(part, Meaning) for part in parts):
        return tuple(parts)
    words = [p.text if isinstance(p, Meaning) else str(p) for p in parts]
    return Verbatim(f"({', '.join(words)}{',' if len(words) == 1 else ''})")


def _expression(blueprint: Blueprint, index: int) -> str:
    """Expression with parameters in the place of what differs."""
    step = blueprint.steps[index]
    slots, pieces = expression_slots(step.expression)
    if not any((index, slot) in blueprint.solution.meanings for slot in slots):
        return step.expression
    made = pieces[0]
    for (slot, given), piece in zip(slots.items(), pieces[1:], strict=True):
        value = _value(blueprint, index, slot)
        if isinstance(value, Meaning):
            name = value.parameter.name
            text = _keep(blueprint, name, name)
            if value.sign:
                text = f"({value.text.replace(name, text)})"
        else:
            text = given.text if isinstance(given, Verbatim) else repr(given)
        made += text + piece
    return made
