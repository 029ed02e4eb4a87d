"""Which layer goes to which module: as mapped, by equal names, by order and shape."""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from typing import Any, TypeAlias

from torch import nn

from migrate_examples.port.archive import Archive, StoredLayer
from migrate_examples.port.layouts import not_carried
from migrate_examples.port.program import Filled
from migrate_examples.port.transfer.kinds import carried, classes_of, unwrapped
from migrate_examples.port.transfer.mapping import Directions, Goal, Mapped, resolve
from migrate_examples.port.transfer.orders import UNORDERED, Flattening, Orders
from migrate_examples.port.transfer.placing import Match, Misfit, fits
from migrate_examples.port.transfer.reasons import no_module, no_source
from migrate_examples.port.transfer.targets import Unit, units_of

__all__ = ["Flattening", "Match", "Outcome", "match_all"]

Remarks: TypeAlias = list[tuple[str, str]]


@dataclass
class Outcome:
    """What was matched, and what stands in the way.

    Attributes
    ----------
    matches : list of Match
        In the order of the source.
    problems : list of str
        Each with names, shapes and what to do.
    unused, kept, notes
        As in the Ledger.
    """

    matches: list[Match] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)
    unused: Remarks = field(default_factory=list)
    kept: Remarks = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


def match_all(
    archive: Archive,
    network: nn.Module,
    mapping: Mapped | None,
    flattened: Flattening,
    reshaped: Flattening,
    keep: Sequence[str],
) -> Outcome:
    """Match all layers of a source with all modules of a network."""
    return _Matching(
        archive, network, mapping, Orders(archive, flattened, reshaped), keep
    ).run()


class _Matching:
    """The state of a matching: the units that are free, and what was found."""

    def __init__(
        self,
        archive: Archive,
        network: nn.Module,
        mapping: Mapped | None,
        orders: Orders,
        keep: Sequence[str],
    ) -> None:
        self.outcome = Outcome()
        self.ordered = archive.kind not in UNORDERED
        layers = archive.layers
        if not self.ordered:  # conv2d_2 before conv2d_10, as Keras numbers them
            layers = tuple(sorted(layers, key=lambda layer: _numbers(layer.name)))
        self.layers = {
            layer.name: unwrapped(layer) for layer in layers if carried(layer)
        }
        self.modules = {name for name, _ in network.named_modules()} | {""}
        units, tied = units_of(network)
        self.free = self._without_kept(units, tied, keep)
        self.orders = orders
        self.directions = self._directions(mapping)
        self.found: dict[str, Match] = {}
        self._say_what_is_not_carried(archive)

    def _without_kept(
        self, units: list[Unit], tied: Mapping[str, str], keep: Sequence[str]
    ) -> list[Unit]:
        for name, first in tied.items():
            self.outcome.kept.append((name, f"tied to {first}"))
        free = []
        for unit in units:
            for local in list(unit.tensors):
                if any(fnmatchcase(unit.full(local), pattern) for pattern in keep):
                    del unit.tensors[local]
                    self.outcome.kept.append((unit.full(local), "keep"))
            if unit.tensors:
                free.append(unit)
        return free

    def _directions(self, mapping: Mapped | None) -> Directions:
        names = {name: list(carried(layer)) for name, layer in self.layers.items()}
        tensors = [unit.full(local) for unit in self.free for local in unit.tensors]
        directions = resolve(mapping, names, self.modules - {""}, tensors)
        self.outcome.problems += directions.problems
        return directions

    def _say_what_is_not_carried(self, archive: Archive) -> None:
        for layer in archive.layers:
            for name in layer.arrays:
                why = not_carried(layer.class_name, name, list(layer.arrays))
                if why:
                    self.outcome.unused.append((f"{layer.name}/{name}", why))

    def run(self) -> Outcome:
        """Match what is mapped, what bears one name, and the rest in its order."""
        left = [self.layers[n] for n in self.layers if not self._as_directed(n)]
        left = [layer for layer in left if not self._by_name(layer)]
        ordered = [layer.name for layer in left if self._by_order(layer)]
        unmatched = [layer for layer in left if layer.name not in ordered]
        self._note_equal_shapes(ordered)
        self.outcome.problems += self.orders.problems
        self.outcome.problems += [no_module(layer, self.free) for layer in unmatched]
        self.outcome.problems += [no_source(unit) for unit in self.free]
        self.outcome.matches = [
            self.found[name] for name in self.layers if name in self.found
        ]
        return self.outcome

    def _as_directed(self, name: str) -> bool:
        """Match a layer as the mapping says; False where it says nothing."""
        layer = self.layers[name]
        if name in self.directions.variables:
            self._by_variable(layer, self.directions.variables[name])
            return True
        if name not in self.directions.layers:
            return False
        goal = self.directions.layers[name]
        if goal is None:
            self.outcome.unused += [
                (f"{name}/{v}", "mapped to None") for v in carried(layer)
            ]
            return True
        inside = [u for u in self.free if _lies_in(u.name, goal)]
        found = self._first_fit(layer, inside)
        if isinstance(found, Match):
            self._take(found)
        else:
            why = found.why if found else "no module there is free"
            self.outcome.problems.append(f"{name} -> {goal}, as mapped: {why}")
            self.free = [u for u in self.free if u not in inside]
        return True

    def _by_variable(self, layer: StoredLayer, goals: Mapping[str, Goal]) -> None:
        """Match a layer variable by variable; those not named need a direction too."""
        places: dict[str, tuple[str, Any]] = {}
        for variable in carried(layer):
            if variable not in goals:
                self.outcome.problems.append(
                    f"{layer.name}/{variable} {layer.arrays[variable].shape}: the "
                    "mapping names other variables of this layer; map this one too, "
                    "or to None"
                )
                continue
            goal = goals[variable]
            if goal is None:
                self.outcome.unused.append(
                    (f"{layer.name}/{variable}", "mapped to None")
                )
            else:
                places[variable] = goal if isinstance(goal, tuple) else (goal, None)
        targets = [tensor for tensor, _ in places.values()]
        for tensor in {t for t in targets if targets.count(t) > 1}:
            twice = [f"{layer.name}/{v}" for v, (t, _) in places.items() if t == tensor]
            self.outcome.problems.append(
                f"{tensor} would be filled twice: by {' and by '.join(twice)}"
            )
        units = tuple(
            u for u in self.free if any(u.full(n) in targets for n in u.tensors)
        )
        options = self.orders.of(layer)
        classes = classes_of(layer)
        name = classes[0] if classes else layer.class_name
        match = Match(layer, name, options, units, by_variable=places)
        self.found[layer.name] = match
        self._fill(targets)

    def _fill(self, targets: Sequence[str]) -> None:
        """Take single tensors out of the free units."""
        for unit in self.free:
            for local in list(unit.tensors):
                if unit.full(local) in targets:
                    del unit.tensors[local]
        self.free = [unit for unit in self.free if unit.tensors]

    def _by_name(self, layer: StoredLayer) -> bool:
        """Match a layer with the module of the same path."""
        dotted = layer.name.replace("/", ".")
        inside = [u for u in self.free if _lies_in(u.name, dotted)]
        found = self._first_fit(layer, inside) if inside else None
        if isinstance(found, Match):
            self._take(found)
            return True
        return False

    def _by_order(self, layer: StoredLayer) -> bool:
        found = self._first_fit(layer, self.free)
        if isinstance(found, Match):
            self._take(found)
            return True
        return False

    def _first_fit(
        self, layer: StoredLayer, units: Sequence[Unit]
    ) -> Match | Misfit | None:
        """First unit that takes a layer; else why the first of its kind does not."""
        misfits: list[Misfit] = []
        memo: dict[Any, tuple[Filled, ...]] = {}
        for start in range(len(units)):
            for found in self._fits(layer, units[start:], memo):
                if isinstance(found, Match):
                    return found
                misfits.append(found)
        return min(misfits, key=_is_kind, default=None)

    def _fits(
        self,
        layer: StoredLayer,
        units: Sequence[Unit],
        memo: dict[Any, tuple[Filled, ...]],
    ) -> Iterator[Match | Misfit]:
        options = self.orders.of(layer)
        for class_name in classes_of(layer):
            yield from fits(layer, class_name, units, options, memo)

    def _take(self, match: Match) -> None:
        self.found[match.layer.name] = match
        names = {unit.name for unit in match.units}
        self.free = [unit for unit in self.free if unit.name not in names]

    def _note_equal_shapes(self, ordered: Sequence[str]) -> None:
        """Say where the order alone decided among layers of one shape."""
        groups: dict[Any, list[str]] = {}
        for name in ordered:
            match = self.found[name]
            shapes = tuple(sorted(a.shape for a in match.layer.arrays.values()))
            groups.setdefault((match.class_name, shapes), []).append(name)
        for names in groups.values():
            if len(names) > 1:
                pairs = ", ".join(
                    f"{n} -> {self.found[n].units[0].name or 'itself'}" for n in names
                )
                by = "their order alone" if self.ordered else "the order of their names"
                self.outcome.notes.append(f"of equal shapes, paired by {by}: {pairs}")


def _numbers(name: str) -> list[tuple[int, str]]:
    """Key that sorts numbers in names by their value."""
    parts = re.findall(r"\d+|\D+", name)
    return [(int(p), "") if p.isdecimal() else (-1, p.rstrip("_")) for p in parts]


def _lies_in(name: str, module: str) -> bool:
    return name == module or name.startswith(f"{module}.")


def _is_kind(misfit: Misfit) -> bool:
    """Whether the kind of module is wrong: the least helpful of reasons."""
    return "does not become" in misfit.why
