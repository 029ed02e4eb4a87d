"""What a user says goes where: by names, by patterns, or not at all."""

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from difflib import get_close_matches
from typing import TypeAlias

from migrate_examples.port.archive import Array

Goal: TypeAlias = (
    str | tuple[str, tuple[int, ...]] | tuple[str, Callable[[Array], Array]] | None
)
"""A module, a tensor, a tensor and how to lay it out; None leaves out."""
Mapped: TypeAlias = Mapping[str, Goal]


@dataclass
class Directions:
    """A mapping, resolved.

    Attributes
    ----------
    layers : dict
        Layer to module, or None.
    variables : dict
        Layer to its variables, each with a tensor and a transform, or None.
    problems : list of str
        Keys and values that name nothing.
    """

    layers: dict[str, str | None] = field(default_factory=dict)
    variables: dict[str, dict[str, Goal]] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)


def resolve(
    mapping: Mapped | None,
    layers: Mapping[str, Sequence[str]],
    modules: Iterable[str],
    tensors: Iterable[str],
) -> Directions:
    """Resolve a mapping; a full name goes before a pattern, then the first one.

    Parameters
    ----------
    mapping : mapping or None
        ``{"encoder/conv*": "backbone.conv*"}``: what a ``*`` of the key stands for
        is put in for that of the value. ``*`` ends at a slash, ``**`` does not.
    layers : mapping of str to names
        Layers of the source with their variables.
    modules, tensors : iterable of str
        Names of the network.
    """
    found = Directions()
    known = (set(modules), set(tensors))
    keys = sorted((mapping or {}).items(), key=lambda item: "*" in item[0])
    for key, goal in keys:
        hits = _hits(key, layers)
        if not hits:
            names = [*layers, *(f"{n}/{v}" for n, vs in layers.items() for v in vs)]
            found.problems.append(_unknown(f"mapping: {key!r}", "layer", key, names))
        for layer, variable, stars in hits:
            filled = _filled(goal, stars)
            found.problems += _missing(key, filled, known)
            if variable is None:
                _add_layer(found, layer, filled, layers[layer], known)
            else:
                found.variables.setdefault(layer, {}).setdefault(variable, filled)
    return found


def _add_layer(
    found: Directions,
    layer: str,
    goal: Goal,
    variables: Sequence[str],
    known: tuple[set[str], set[str]],
) -> None:
    """Take a direction for a whole layer; a tensor as goal means its one variable."""
    if layer in found.layers or layer in found.variables:
        return
    if goal is None or (isinstance(goal, str) and goal in known[0]):
        found.layers[layer] = goal
    elif len(variables) == 1:
        found.variables[layer] = {variables[0]: goal}
    elif isinstance(goal, tuple) or goal in known[1]:
        found.problems.append(
            f"mapping: {layer!r} has {len(variables)} variables and goes to one tensor "
            f"{goal if isinstance(goal, str) else goal[0]}: map them one by one"
        )


def _hits(
    key: str, layers: Mapping[str, Sequence[str]]
) -> list[tuple[str, str | None, list[str]]]:
    """Layers, or else variables, that a key names, and what its stars stand for."""
    pattern = re.compile(_regex(key))
    whole = [(n, None, m) for n in layers if (m := pattern.fullmatch(n))]
    if whole:
        return [(layer, None, list(m.groups())) for layer, _, m in whole]
    return [
        (layer, variable, list(m.groups()))
        for layer, variables in layers.items()
        for variable in variables
        if (m := pattern.fullmatch(f"{layer}/{variable}"))
    ]


def _regex(key: str) -> str:
    parts = re.split(r"(\*\*|\*|\?)", key)
    stars = {"**": "(.*)", "*": "([^/]*)", "?": "([^/])"}
    return "".join(stars.get(part, re.escape(part)) for part in parts)


def _filled(goal: Goal, stars: Sequence[str]) -> Goal:
    """Put what the stars stood for into a goal, with dots for slashes."""
    if goal is None:
        return None
    if isinstance(goal, tuple):
        return (_carry(goal[0], stars), goal[1])  # type: ignore[return-value]  # one of the two tuples
    return _carry(goal, stars)


def _carry(goal: str, stars: Sequence[str]) -> str:
    carried = iter(stars)
    return re.sub(
        r"\*\*|\*|\?", lambda m: next(carried, m.group()).replace("/", "."), goal
    )


def _missing(key: str, goal: Goal, known: tuple[set[str], set[str]]) -> list[str]:
    name = goal[0] if isinstance(goal, tuple) else goal
    if name is None or name in known[0] or name in known[1]:
        return []
    names = sorted(known[0] | known[1])
    return [_unknown(f"mapping: {key!r} -> {name!r}", "module or tensor", name, names)]


def _unknown(what: str, kind: str, name: str, names: Sequence[str]) -> str:
    close = get_close_matches(name, names, n=3) or [n for n in names if n][:6]
    return f"{what} names no {kind}; there are {', '.join(close)}"
