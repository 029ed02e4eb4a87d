"""The order of features of each layer: what was flattened in front of it."""

from collections.abc import Mapping
from math import prod
from typing import TypeAlias

from migrate_examples.port.archive import Archive, StoredLayer
from migrate_examples.port.transfer.extents import Shape
from migrate_examples.port.transfer.flatten import UNKNOWN, flattened_of
from migrate_examples.port.transfer.kinds import carried, classes_of

Flattening: TypeAlias = Shape | Mapping[str, Shape] | None
"""``(h, w, c)`` of the one Dense after a Flatten; or by layer; ``()`` is none."""

UNORDERED = ("weights.h5",)
"""Kinds of files that keep layers by name, not in the order in which they run."""
REORDERED = ("Dense", "BatchNormalization", "LayerNormalization", "PReLU")
"""Layers with a value a feature."""


class Orders:
    """Options of ``to_torch`` that say in which order features stand.

    Parameters
    ----------
    archive : Archive
        Its config is searched for Flatten and Reshape.
    flattened, reshaped : tuple, mapping or None
        What the user says; it goes before what is found.

    Attributes
    ----------
    problems : list of str
        Layers for which neither the config nor the user says it.
    """

    def __init__(
        self, archive: Archive, flattened: Flattening, reshaped: Flattening
    ) -> None:
        self.problems: list[str] = []
        self.layers = {layer.name: layer for layer in archive.layers if carried(layer)}
        found = flattened_of(archive.config)
        self.before = {**found.before, **self._given("flattened", flattened)}
        self.after = {**found.after, **self._given("reshaped", reshaped)}
        if flattened == ():
            self.before = dict.fromkeys(self.layers, ())
        if reshaped == ():
            self.after = dict.fromkeys(self.layers, ())
        if archive.config is None:
            self._spread(ordered=archive.kind not in UNORDERED)
            if archive.kind in UNORDERED:
                self._guard_without_order()
            else:
                self._guard()

    def of(self, layer: StoredLayer) -> dict[str, Shape]:
        """Options of a layer; empty where nothing is reordered."""
        if not set(classes_of(layer)) & set(REORDERED):
            return {}
        before, after = self.before.get(layer.name), self.after.get(layer.name)
        options: dict[str, Shape] = {}
        if before == UNKNOWN:
            why = "its input was flattened, and the config does not say from what"
            self._ask("flattened", layer.name, why)
        elif before:
            options["flattened"] = before
        if after:
            options["unflattened"] = after
        return options

    def _ask(self, argument: str, name: str, why: str) -> None:
        problem = (
            f"{name}: {why}; pass {argument}={{{name!r}: (h, w, c)}}, or () where the "
            "module has the channels last there too"
        )
        if problem not in self.problems:
            self.problems.append(problem)

    def _given(self, argument: str, given: Flattening) -> dict[str, Shape]:
        """What the user says, by layer."""
        if not given:
            return {}
        if isinstance(given, Mapping):
            self.problems += [
                f"{argument}: there is no layer {name!r}; there are "
                f"{', '.join(self.layers)}"
                for name in given
                if name not in self.layers
            ]
            return {name: tuple(shape) for name, shape in given.items()}
        place, word = (0, "rows") if argument == "flattened" else (1, "columns")
        size = prod(given)
        dense = [n for n, layer in self.layers.items() if _dense(layer)[place] == size]
        if len(dense) == 1:
            return {dense[0]: tuple(given)}
        which = f"{', '.join(dense)} have" if dense else "no Dense has"
        self.problems.append(
            f"{argument}={tuple(given)}: {which} {size} {word}; say it by layer, "
            f"{argument}={{name: (h, w, c)}}"
        )
        return {}

    def _spread(self, *, ordered: bool) -> None:
        """Tell what is normalised beside a Dense, in the order of the source."""
        names = list(self.layers)
        for said, step, place in ((self.before, -1, 0), (self.after, 1, 1)):
            for name, shape in list(said.items()):
                if name not in names:
                    continue
                size = _dense(self.layers[name])[place]
                start = names.index(name)
                near = names[start + 1 :] if step > 0 else names[:start][::-1]
                for beside in near if ordered else names:
                    shapes = set(carried(self.layers[beside]).values())
                    if shapes == {(size,)}:
                        said.setdefault(beside, shape)
                    elif ordered:
                        break

    def _guard(self) -> None:
        """Ask where a matrix stands beside a convolution, and nothing says how."""
        channels, last = 0, ""
        for name, layer in self.layers.items():
            rows, columns = _dense(layer)
            given, taken = _channels(layer)
            if given:
                self._guard_columns(last, taken)
                channels, last = given, ""
            elif rows:
                self._guard_rows(name, rows, channels)
                channels, last = 0, name if columns else ""
            elif not all(len(shape) == 1 for shape in carried(layer).values()):
                channels, last = 0, ""

    def _guard_rows(self, name: str, rows: int, channels: int) -> None:
        places = rows // channels if channels > 1 else 0
        if places > 1 and rows % channels == 0 and name not in self.before:
            why = (
                f"its {rows} rows are {places} places of the {channels} channels "
                "before it, as after a Flatten"
            )
            self._ask("flattened", name, why)

    def _guard_columns(self, name: str, channels: int) -> None:
        columns = _dense(self.layers[name])[1] if name else 0
        places = columns // channels if channels else 0
        if places > 1 and columns % channels == 0 and name not in self.after:
            why = (
                f"its {columns} columns are {places} places of the {channels} channels "
                "behind it, as before a Reshape"
            )
            self._ask("reshaped", name, why)

    def _guard_without_order(self) -> None:
        """Ask for each matrix whose rows or columns no other matrix explains."""
        sizes = {name: _dense(layer) for name, layer in self.layers.items()}
        channels = [_channels(layer) for layer in self.layers.values()]
        outs = {given for given, _ in channels if given > 1}
        ins = {taken for _, taken in channels if taken > 1}
        for name, (rows, columns) in sizes.items():
            others = [size for other, size in sizes.items() if other != name]
            made = next((c for c in outs if rows > c and rows % c == 0), 0)
            if made and rows not in outs | {c for _, c in others}:
                self._guard_rows(name, rows, made)
            taken = next((c for c in ins if columns > c and columns % c == 0), 0)
            if taken and columns not in ins | {r for r, _ in others}:
                self._guard_columns(name, taken)


def _dense(layer: StoredLayer) -> tuple[int, int]:
    """Shape of the kernel of a Dense; zeros for other layers."""
    shapes = list(carried(layer).values())
    if "Dense" not in classes_of(layer) or not shapes or len(shapes[0]) != 2:
        return 0, 0
    return shapes[0][0], shapes[0][1]


def _channels(layer: StoredLayer) -> tuple[int, int]:
    """Channels that a convolution gives and takes; zeros for other layers."""
    kind = next(iter(classes_of(layer)), "")
    shapes = list(carried(layer).values())
    if "Conv" not in kind or len(shapes[0]) < 3:
        return 0, 0
    first = shapes[0]
    if "Separable" in kind:
        return shapes[1][-1], first[-2]
    if "Depthwise" in kind:
        return first[-1] * first[-2], first[-2]
    return (first[-2], first[-1]) if "Transpose" in kind else (first[-1], first[-2])
