"""The objects of a TensorFlow checkpoint and the names under which they hold others."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from migrate_examples.port.archive import Array, ReadError
from migrate_examples.port.read import protobuf
from migrate_examples.port.read.config import is_config_of_layer, parse, spec_of
from migrate_examples.port.read.tree import Node, Spec

KEY = "_CHECKPOINTABLE_OBJECT_GRAPH"
VALUE = "VARIABLE_VALUE"
ASIDE = frozenset(
    {
        *("variables", "trainable_variables", "non_trainable_variables"),
        *("_all_variables", "regularization_losses", "keras_api", "signatures"),
        *("optimizer", "root", "_functional", "_tracked", "_operations", "_metrics"),
        *("train_function", "test_function", "predict_function", "train_tf_function"),
    }
)
"""Attributes that hold what is held elsewhere as well, or what is no layer."""
DEEPEST = 200


@dataclass
class Saved:
    """One object.

    Attributes
    ----------
    children : dict of str to int
        Numbers of the objects it holds, by attribute.
    values : dict of str to (str, str)
        Full name and key in the index, by the name of the value.
    slots : list of (int, str, int)
        For an optimizer: variable, name of the slot, number of the slot's variable.
    """

    children: dict[str, int] = field(default_factory=dict)
    values: dict[str, tuple[str, str]] = field(default_factory=dict)
    slots: list[tuple[int, str, int]] = field(default_factory=list)


def graph_of(message: bytes) -> list[Saved]:
    """Objects by number; the first is the root (TrackableObjectGraph).

    Raises
    ------
    ReadError
        No such message, or it speaks of objects that it has not.
    """
    objects = [
        _object(protobuf.raw(value))
        for number, value in protobuf.fields(message)
        if number == 1
    ]
    if not objects:
        raise ReadError("its graph of objects is empty")
    for saved in objects:
        named = [*saved.children.values(), *(s for *_, s in saved.slots)]
        if any(not 0 <= number < len(objects) for number in named):
            raise ReadError("its graph of objects speaks of objects that are not there")
    return objects


def _object(message: bytes) -> Saved:
    saved = Saved()
    for field_number, value in protobuf.fields(message):
        if field_number not in (1, 2, 3):
            continue
        inside = dict(protobuf.fields(protobuf.raw(value)))
        if field_number == 1:
            name = protobuf.text(inside.get(2, b""))
            saved.children[name] = protobuf.number(inside.get(1, 0))
        elif field_number == 2:
            texts = [protobuf.text(inside.get(n, b"")) for n in (1, 2, 3)]
            saved.values[texts[0]] = (texts[1], texts[2])
        else:
            slot = protobuf.text(inside.get(2, b""))
            pair = [protobuf.number(inside.get(n, 0)) for n in (1, 3)]
            saved.slots.append((pair[0], slot, pair[1]))
    return saved


def metadata_of(message: bytes, where: str) -> dict[str, dict[str, Any]]:
    """Configs of Keras 2 by the paths of its objects (SavedMetadata)."""
    found = {}
    for number, value in protobuf.fields(message):
        if number != 1:
            continue
        inside = dict(protobuf.fields(protobuf.raw(value)))
        path = protobuf.text(inside.get(3, b""))
        text = protobuf.raw(inside.get(5, b""))
        if path and text:
            found[path] = parse(text, f"{where}: {path}")
    return found


def specs_by_object(
    objects: list[Saved], metadata: Mapping[str, Mapping[str, Any]]
) -> dict[int, Spec]:
    """What the metadata say of layers, by the number of the object."""
    found: dict[int, Spec] = {}
    for path, said in metadata.items():
        number: int | None = 0
        for part in path.split(".")[1:]:
            number = objects[number].children.get(part) if number is not None else None
        if number is not None and is_config_of_layer(said):
            found.setdefault(number, spec_of(said))
    return found


class Trees:
    """Puts the variables of a graph of objects on the objects that hold them.

    Parameters
    ----------
    objects : list of Saved
        The graph.
    arrays : mapping of str to ndarray
        By key of the index.
    specs : mapping of int to Spec
        By number of the object.

    Attributes
    ----------
    used : set of str
        Keys that have found a place.
    full_names : dict of (int, str) to str
        Full name of each array, by the ``id`` of its node and its name there.
    """

    def __init__(
        self,
        objects: list[Saved],
        arrays: Mapping[str, Array],
        specs: Mapping[int, Spec],
    ) -> None:
        self.objects = objects
        self.arrays = arrays
        self.specs = specs
        self.used: set[str] = set()
        self.visited: set[int] = set()
        self.full_names: dict[tuple[int, str], str] = {}

    def node(self, number: int, depth: int = 0) -> Node:
        """An object and all that it holds for the first time."""
        if depth > DEEPEST:
            raise ReadError(f"its objects are nested more than {DEEPEST} deep")
        self.visited.add(number)
        node = Node(spec=self.specs.get(number))
        if node.spec is not None:
            node.name = node.spec.name
        for name, child in self._ordered(self.objects[number]):
            if child in self.visited or name in ASIDE:
                continue
            value = self.objects[child].values.get(VALUE)
            if value is None:
                node.children[name] = self.node(child, depth + 1)
                continue
            full, key = value
            if key in self.arrays and key not in self.used:
                self.used.add(key)
                self.visited.add(child)
                own = full.rpartition("/")[2]
                named = "/" in full and own not in node.arrays
                word = own if named or own == name.lstrip("_") else name
                node.arrays[word] = self.arrays[key]
                self.full_names[id(node), word] = full
        return node

    def _ordered(self, saved: Saved) -> list[tuple[str, int]]:
        """Children, layers first and by their number: they come under two names."""

        def rank(item: tuple[str, int]) -> tuple[int, int]:
            head, _, tail = item[0].rpartition("-")
            number = int(tail) if tail.isdecimal() and len(tail) < 9 else 0
            first = {"layer_with_weights": 0, "layer": 1}.get(head, 2)
            return first, number

        return sorted(saved.children.items(), key=rank)


def name_nodes(root: Node, full_names: Mapping[tuple[int, str], str]) -> None:
    """Name objects after the full names of their variables.

    ``layer_with_weights-1/forward_layer/cell/kernel`` of the full name
    ``bi/forward_lstm/lstm_cell/kernel`` names three objects. An object of which two
    variables say different names has none, nor have two that would have the same.
    """
    said: dict[int, set[tuple[str, ...]]] = {}
    nodes: dict[int, Node] = {}

    def visit(node: Node, above: list[Node]) -> None:
        for word in node.arrays:
            parts = full_names.get((id(node), word), "").split("/")
            if parts[-1] != word:
                continue
            for place, owner in enumerate(reversed(above)):
                said.setdefault(id(owner), set()).add(tuple(parts[: -1 - place]))
                nodes[id(owner)] = owner
        for key, child in node.children.items():
            listed = key.isdecimal() and above and not node.arrays
            trail = above[:-1] if listed and node.spec is None else above
            visit(child, [*trail, child])

    visit(root, [])
    taken = Counter(name for names in said.values() for name in names)
    for key, names in said.items():
        node, (name, *others) = nodes[key], sorted(names)
        if node.spec is None and not others and name and taken[name] == 1:
            node.name = name[-1]
