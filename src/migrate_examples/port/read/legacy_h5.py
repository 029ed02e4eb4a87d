"""Reads ``.h5`` files of Keras 1, 2 and 3: arrays under the names of variables."""

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import h5py

from migrate_examples.port.archive import Archive, Array, ReadError, StoredLayer
from migrate_examples.port.read import config as configs
from migrate_examples.port.read.hdf5 import File, as_text
from migrate_examples.port.read.shapes import check_shapes
from migrate_examples.port.read.tree import Spec
from migrate_examples.port.read.variable_names import WHOLE, expected, guess

MODEL = "model_weights"
TOP = "top_level_model_weights"
INSIDE = re.compile(
    r"^((forward|backward)_.+|query|key|value|attention_output|stacked_rnn_cells.*"
    r"|(lstm|gru|simple_rnn|conv_lstm).*_cell.*|(lstm|gru)_cell.*)$"
)
"""Names of layers that a layer makes itself; others lie in a model."""


def is_legacy(file: File) -> bool:
    """Whether an open file is laid out so."""
    return MODEL in file.file or file.words(file.file, "layer_names") is not None


def read_legacy(file: File, path: Path) -> Archive:
    """A whole model, or weights alone.

    Raises
    ------
    ReadError
        A layer or an array that is listed is missing; shapes that are not those of
        the config.
    """
    text = file.attribute(file.file, "model_config")
    model = None
    if text is not None:
        model = configs.parse(as_text(text), f"{path}: model_config")
    group = file.group(file.file, MODEL) if MODEL in file.file else file.file
    reader = _Reader(file, path, _top_specs(model))
    layers = tuple(reader.layers(group))
    skipped = [
        f"{body}: the body of a function is a program, not run"
        for body in configs.lambda_bodies(model or {})
    ]
    kind = "h5" if model is not None else "weights.h5"
    skipped += reader.skipped
    return Archive(path, kind, layers, model, reader.optimizer(), tuple(skipped))


def _top_specs(model: Mapping[str, Any] | None) -> list[Spec] | None:
    if model is None or not configs.is_whole_model(model):
        return None
    inner: Any = model["config"]
    if isinstance(inner, list):  # a Sequential of Keras 1 and early 2
        inner = {"layers": inner}
    return configs.specs_in(inner)


class _Reader:
    """Goes through one file."""

    def __init__(self, file: File, path: Path, specs: list[Spec] | None) -> None:
        self.file = file
        self.path = path
        self.specs = {spec.name: spec for spec in specs} if specs is not None else None
        self.shared: dict[tuple[str, ...], tuple[str, dict[str, Array]]] = {}
        self.skipped: list[str] = []
        self.names: set[str] = set()

    def layers(self, group: Any) -> Iterator[StoredLayer]:
        """Layers in the order of the model."""
        names = self.file.words(group, "layer_names")
        if names is None:
            raise self.file.error(group.name, "its list of layers is missing")
        if len(set(names)) != len(names):
            raise self.file.error(group.name, "a layer is listed twice")
        for name in names:
            arrays = self._arrays(self.file.group(group, name))
            spec = (self.specs or {}).get(name)
            if self.specs is not None and spec is None and arrays:
                raise self.file.error(
                    f"{group.name}/{name}", "a layer that the config does not know"
                )
            yield from self._layer(name, arrays, spec)
        if TOP in group:
            own = self._arrays(self.file.group(group, TOP))
            if own:
                plain = {key.rpartition("/")[2]: array for key, array in own.items()}
                arrays = plain if len(plain) == len(own) else own
                yield StoredLayer("model", "", None, arrays)

    def _arrays(self, group: Any) -> dict[str, Array]:
        """Arrays of a layer by the names that are listed, without ``:0``."""
        listed = self.file.words(group, "weight_names")
        if listed is None:
            raise self.file.error(group.name, "its list of variables is missing")
        found: dict[str, Array] = {}
        for name in listed:
            dataset = self.file.group(group, name)
            plain = re.sub(r":\d+$", "", name)
            if plain in found:
                raise self.file.error(group.name, f"{plain} is listed twice")
            found[plain] = self.file.array(dataset)
        held = _datasets(self.file, group)
        if held > len(found):
            raise self.file.error(group.name, "arrays that its list does not name")
        return found

    def _layer(
        self, name: str, arrays: dict[str, Array], spec: Spec | None
    ) -> Iterator[StoredLayer]:
        relative = _relative(name, arrays)
        if spec is None:
            yield from self._unknown(name, arrays)
        elif (inner := configs.specs_in(spec.config)) and spec.class_name not in WHOLE:
            yield from self._of_model(f"{name}/", arrays, inner)
        elif spec.class_name not in WHOLE and any("/" in n for n in relative):
            yield from self._unknown(name, arrays, spec)
        else:
            yield self._stored(name, spec, relative)

    def _of_model(
        self, prefix: str, arrays: dict[str, Array], specs: list[Spec]
    ) -> Iterator[StoredLayer]:
        """Give the arrays of a nested model to its layers, by their names."""
        leaves = list(_leaves(prefix, specs))
        given: dict[str, dict[str, Array]] = {path: {} for path, _ in leaves}
        left: dict[str, Array] = {}
        for name, array in arrays.items():
            owner = _owner(name, leaves, prefix)
            if owner is None:
                left[name] = array
            else:
                last = owner.rpartition("/")[2]
                given[owner][_after(name, last)] = array
        for path, spec in leaves:
            if self._seen_before(path, spec.class_name, given[path]):
                continue
            yield self._stored(path, spec, given[path])
        if left:
            yield StoredLayer(prefix.rstrip("/"), "", None, left)

    def _seen_before(
        self, path: str, class_name: str, arrays: dict[str, Array]
    ) -> bool:
        """Whether a shared layer has come already, under another model."""
        # Files of Keras 2 say of a layer in a nested model no more than its own name.
        key = (class_name, *path.split("/")[-2 if class_name else -1 :])
        first, known = self.shared.setdefault(key, (path, arrays))
        if known is arrays or not arrays or known.keys() != arrays.keys():
            return False
        same = all(known[k].tobytes() == arrays[k].tobytes() for k in known)
        if same:
            self.skipped.append(f"{path}: the same as {first}, taken for one layer")
        return same

    def _stored(self, name: str, spec: Spec, arrays: dict[str, Array]) -> StoredLayer:
        wanted = expected(spec.class_name, spec.config)
        if wanted is not None and arrays:
            missing = [w for w in wanted if w not in arrays]
            if missing and len(arrays) < len(wanted):
                raise ReadError(
                    f"{self.path}: {name} ({spec.class_name}) has no {missing[0]}: "
                    f"its config asks for {', '.join(wanted)}, the file has "
                    f"{', '.join(arrays)}"
                )
        try:
            check_shapes(spec.class_name, spec.config, arrays)
        except ReadError as error:
            raise ReadError(f"{self.path}: {name}/{error}") from None
        return StoredLayer(name, spec.class_name, spec.config, arrays)

    def _unknown(
        self, name: str, arrays: dict[str, Array], spec: Spec | None = None
    ) -> Iterator[StoredLayer]:
        """A layer of no known parts: a model if its arrays are named as in one."""
        inner: dict[str, dict[str, Array]] = {}
        for key, array in _relative(name, arrays).items():
            before, _, last = key.rpartition("/")
            if not before or INSIDE.match(before.split("/")[0]):
                inner.setdefault(name, {})[key] = array
            else:
                inner.setdefault(f"{name}/{before}", {})[last] = array
        for path, held in (inner or {name: {}}).items():
            if spec is None and self._seen_before(path, "", held):
                continue
            if spec is not None and path == name:
                yield StoredLayer(path, spec.class_name, spec.config, held)
            else:
                yield StoredLayer(
                    path, guess(path.rpartition("/")[2], held), None, held
                )

    def optimizer(self) -> dict[str, Array]:
        """State of the optimizer, by the names of the file."""
        if "optimizer_weights" not in self.file.file:
            return {}
        arrays = self._arrays(self.file.group(self.file.file, "optimizer_weights"))
        firsts = {name.split("/")[0] for name in arrays if "/" in name}
        plain = {name.partition("/")[2] or name: a for name, a in arrays.items()}
        return plain if len(firsts) == 1 and len(plain) == len(arrays) else arrays


def _datasets(file: File, group: Any) -> int:
    """Number of arrays in a group and those inside."""
    count = 0
    for _, inside in file.links(group):
        count += _datasets(file, inside) if isinstance(inside, h5py.Group) else 1
    return count


def _relative(layer: str, arrays: dict[str, Array]) -> dict[str, Array]:
    """Arrays by their names inside a layer."""
    named = {_after(name, layer): array for name, array in arrays.items()}
    return named if len(named) == len(arrays) else arrays


def _after(name: str, layer: str) -> str:
    """What stands behind the last mention of a layer in the name of a variable.

    >>> _after("model/bi/forward_lstm/kernel", "bi"), _after("kernel", "bi")
    ('forward_lstm/kernel', 'kernel')
    """
    parts = name.split("/")
    own = layer.split("/")
    for start in range(len(parts) - len(own) - 1, -1, -1):
        if parts[start : start + len(own)] == own:
            return "/".join(parts[start + len(own) :])
    return name


def _leaves(prefix: str, specs: list[Spec]) -> Iterator[tuple[str, Spec]]:
    """Layers of nested models by their paths."""
    for spec in specs:
        inner = configs.specs_in(spec.config)
        if inner and spec.class_name not in WHOLE:
            yield from _leaves(f"{prefix}{spec.name}/", inner)
        else:
            yield f"{prefix}{spec.name}", spec


def _owner(name: str, leaves: list[tuple[str, Spec]], prefix: str) -> str | None:
    """The layer whose path shares the longest end with the name of a variable."""
    best, best_length = None, 0
    parts = name.split("/")[:-1]
    for path, _ in leaves:
        own = (prefix.split("/")[-2:-1] or []) + path[len(prefix) :].split("/")
        for stop in range(len(parts), 0, -1):
            length = _common_end(parts[:stop], own)
            # Of equal matches, the outermost: `query` may also be a layer's name.
            if length > best_length:
                best, best_length = path, length
    return best


def _common_end(left: list[str], right: list[str]) -> int:
    length = 0
    while (
        length < min(len(left), len(right)) and left[-1 - length] == right[-1 - length]
    ):
        length += 1
    return length
