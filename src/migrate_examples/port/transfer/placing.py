"""Places of the tensors of one layer in the units of a network."""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from torch import nn

from migrate_examples.port.archive import Array, StoredLayer
from migrate_examples.port.layouts import LayoutError, not_carried, to_torch
from migrate_examples.port.program import Filled
from migrate_examples.port.transfer.kinds import accepts, is_own
from migrate_examples.port.transfer.targets import Unit

Transform = tuple[int, ...] | Callable[[Array], Array] | None
"""Of a variable that is mapped by itself: an order of its axes, or a function."""


@dataclass(frozen=True)
class Match:
    """A layer, and where each of its tensors goes.

    Attributes
    ----------
    layer : StoredLayer
        Of the source.
    class_name : str
        Its class, or the guess that fits.
    options : mapping
        Of ``to_torch``.
    units : tuple of Unit
        The modules that are filled.
    places : mapping of str to str
        Target in the natural twin to tensor of the network.
    by_variable : mapping
        Variable to tensor and transform, where the mapping says so.
    """

    layer: StoredLayer
    class_name: str
    options: Mapping[str, Any] = field(default_factory=dict)
    units: tuple[Unit, ...] = ()
    places: Mapping[str, str] = field(default_factory=dict)
    by_variable: Mapping[str, tuple[str, Transform]] = field(default_factory=dict)

    def lay(self, arrays: Mapping[str, Array]) -> dict[str, Filled]:
        """Lay arrays out as this match lays the weights; by tensor of the network."""
        if self.by_variable:
            return self._lay_variables(arrays)
        filled = to_torch(self.class_name, self.layer.config, arrays, **self.options)
        return {self.places[f.target]: f for f in filled if f.target in self.places}

    def _lay_variables(self, arrays: Mapping[str, Array]) -> dict[str, Filled]:
        natural = natural_twins(self, arrays)
        return {
            tensor: transformed(variable, arrays[variable], transform)
            if transform is not None or variable not in natural
            else replace(natural[variable], target=tensor)
            for variable, (tensor, transform) in self.by_variable.items()
        }


def natural_twins(match: Match, arrays: Mapping[str, Array]) -> dict[str, Filled]:
    """Layouts of single variables in the natural twin, where each has its own."""
    try:
        filled = to_torch(match.class_name, match.layer.config, arrays, **match.options)
    except LayoutError:
        return {}
    return {f.sources[0]: f for f in filled if len(f.sources) == 1}


def transformed(variable: str, array: Array, transform: Transform) -> Filled:
    """Lay a variable out as the mapping says."""
    if transform is None:
        return Filled("", array, (variable,), "as it is")
    if callable(transform):
        name = getattr(transform, "__name__", "function")
        return Filled("", np.asarray(transform(array)), (variable,), f"by {name}")
    if sorted(transform) != list(range(array.ndim)):
        raise LayoutError(
            f"{variable} has shape {array.shape}: {transform} is no order of its axes"
        )
    laid = np.ascontiguousarray(array.transpose(transform))
    order = ", ".join(map(str, transform))
    return Filled("", laid, (variable,), f"permute({order})")


@dataclass(frozen=True)
class Misfit:
    """Why a unit cannot take a layer."""

    unit: Unit
    why: str
    have: tuple[int, ...] = ()
    want: tuple[int, ...] = ()


def carried_arrays(layer: StoredLayer) -> dict[str, Array]:
    """Arrays that have a place in a twin."""
    names = list(layer.arrays)
    return {
        name: array
        for name, array in layer.arrays.items()
        if not not_carried(layer.class_name, name, names)
    }


def fits(
    layer: StoredLayer,
    class_name: str,
    units: Sequence[Unit],
    options: Mapping[str, Any],
    memo: dict[Any, tuple[Filled, ...]],
) -> Iterator[Match | Misfit]:
    """Ways to place a layer of a class into some units, best first.

    Parameters
    ----------
    layer : StoredLayer
        With its arrays.
    class_name : str
        Its class or a guess.
    units : sequence of Unit
        Free ones, in order; the first of them is taken.
    options : mapping
        Of ``to_torch``: what was flattened.
    memo : dict
        Keeps what this layer was laid out as, from one unit to the next.
    """
    first = units[0]
    if not accepts(class_name, first.module):
        name = type(first.module).__name__
        yield Misfit(first, f"a {class_name} does not become a {name}")
        return
    chosen = dict(options)
    if isinstance(first.module, nn.MultiheadAttention):
        chosen["multihead"] = True
    if is_own(first.module):
        chosen["by_hand"] = True
    try:
        wanted = (class_name, *sorted(chosen.items()))
        if wanted not in memo:
            arrays = carried_arrays(layer)
            memo[wanted] = to_torch(class_name, layer.config, arrays, **chosen)
        filled = memo[wanted]
    except LayoutError as error:
        yield Misfit(first, str(error))
        return
    match = Match(layer, class_name, chosen)
    if "q_proj.weight" in {f.target for f in filled}:
        yield from _attention(match, filled, units)
    elif any("." in f.target for f in filled) and not chosen.get("multihead"):
        yield _in_row(match, filled, units)
    else:
        yield _single(match, filled, first)


def _single(match: Match, filled: Sequence[Filled], unit: Unit) -> Match | Misfit:
    placed = _placed(filled, unit, {f.target: f.target for f in filled})
    if isinstance(placed, Misfit):
        return placed
    return replace(match, units=(unit,), places=placed)


def _placed(
    filled: Sequence[Filled], unit: Unit, names: Mapping[str, str]
) -> Misfit | dict[str, str]:
    """Places of these tensors in a unit, or why it does not take them."""
    by_local = {names[f.target]: f for f in filled}
    places: dict[str, str] = {}
    for local, f in by_local.items():
        source = " and ".join(f.sources) or "a constant"
        if local in unit.tensors:
            wanted = tuple(unit.tensors[local].shape)
            if f.array.shape != wanted:
                why = (
                    f"{source}, laid out as {f.array.shape}, does not fit "
                    f"{unit.full(local)} {wanted}"
                )
                return Misfit(unit, why, f.array.shape, wanted)
            places[f.target] = unit.full(local)
        elif f.sources:
            return Misfit(unit, f"{unit.name} has no {local} for {source}")
    for local, tensor in unit.tensors.items():
        if local not in by_local:
            kind = type(unit.module).__name__
            why = (
                f"{unit.full(local)} {tuple(tensor.shape)} has no source: build the "
                f"{kind} without it"
            )
            return Misfit(unit, why)
    return places


def _in_row(
    match: Match, filled: Sequence[Filled], units: Sequence[Unit]
) -> Match | Misfit:
    """Place a layer with several modules into units that follow each other."""
    groups = _groups(filled)
    if len(units) < len(groups):
        return Misfit(units[0], f"it needs {len(groups)} modules: {', '.join(groups)}")
    return _grouped(match, list(groups.values()), units[: len(groups)])


def _groups(filled: Sequence[Filled]) -> dict[str, list[Filled]]:
    groups: dict[str, list[Filled]] = {}
    for f in filled:
        groups.setdefault(f.target.rpartition(".")[0], []).append(f)
    return groups


def _grouped(
    match: Match, groups: Sequence[Sequence[Filled]], units: Sequence[Unit]
) -> Match | Misfit:
    places: dict[str, str] = {}
    for group, unit in zip(groups, units, strict=True):
        if not accepts(match.class_name, unit.module):
            name = type(unit.module).__name__
            return Misfit(unit, f"{unit.name} is a {name}, no part of this layer")
        names = {f.target: f.target.rpartition(".")[2] for f in group}
        placed = _placed(group, unit, names)
        if isinstance(placed, Misfit):
            return placed
        places |= placed
    return replace(match, units=tuple(units), places=places)


ROLES = {
    "q_proj": r"q|query|queries|wq|qproj",
    "k_proj": r"k|key|keys|wk|kproj",
    "v_proj": r"v|value|values|wv|vproj",
    "out_proj": r"o|out|output|wo|oproj|dense|merge",
}
"""Words in the names of the linear layers of an attention."""


def roles(names: Sequence[str]) -> dict[str, str] | None:
    """Which of four modules projects what, by their names; None where unclear.

    >>> roles(["self.to_q", "self.to_k", "self.to_v", "self.to_out"])["v_proj"]
    'self.to_v'
    >>> roles(["a.1", "a.2", "a.3", "a.4"]) is None
    True
    """
    found: dict[str, str] = {}
    for name in names:
        words = re.split(r"[._\d]+", name.rpartition(".")[2].lower())
        fitting = [
            r for r, p in ROLES.items() if any(re.fullmatch(p, w) for w in words)
        ]
        if len(fitting) != 1 or fitting[0] in found:
            rest = [r for r in ROLES if r not in found]
            if fitting or name != names[-1] or len(rest) != 1:
                return None
            fitting = rest  # three are clear: the last one is the fourth
        found[fitting[0]] = name
    return found if len(found) == len(ROLES) else None


def _attention(
    match: Match, filled: Sequence[Filled], units: Sequence[Unit]
) -> Iterator[Match | Misfit]:
    """Place an attention into the linear layers of one module, or into a row."""
    family = [u for u in units if u.parent == units[0].parent]
    linear = [u for u in family if isinstance(u.module, nn.Linear)]
    if len(linear) >= 2 and _is_packed(linear[0]):
        yield _packed_qkv(match, linear[:2])
    if len(linear) < 4:
        yield Misfit(units[0], "an attention needs four linear layers in one module")
        return
    groups = _groups(filled)
    four = linear[:4]
    named = roles([u.name for u in four])
    if named is not None:
        by_name = {u.name: u for u in four}
        four = [by_name[named[role]] for role in groups]
    yield _grouped(match, [groups[role] for role in groups], four)


def _is_packed(unit: Unit) -> bool:
    shape = unit.tensors["weight"].shape if "weight" in unit.tensors else (0, 1)
    return bool(shape[0] == 3 * shape[1])


def _packed_qkv(match: Match, units: Sequence[Unit]) -> Match | Misfit:
    """Place an attention into one linear layer of query, key, value, and the output."""
    options = {**match.options, "multihead": True}
    match = replace(match, options=options)
    arrays = carried_arrays(match.layer)
    try:
        filled = to_torch(match.class_name, match.layer.config, arrays, **options)
    except LayoutError as error:
        return Misfit(units[0], str(error))
    first = [f for f in filled if f.target.startswith("in_proj")]
    second = [f for f in filled if not f.target.startswith("in_proj")]
    places: dict[str, str] = {}
    for group, unit in zip((first, second), units, strict=True):
        names = {f.target: re.split(r"[._]", f.target)[-1] for f in group}
        placed = _placed(group, unit, names)
        if isinstance(placed, Misfit):
            return placed
        places |= placed
    return replace(match, units=tuple(units), places=places)
