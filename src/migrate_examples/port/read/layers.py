"""From the objects of a file and a config, if it has one, to layers with names."""

from collections.abc import Iterator, Mapping
from typing import Any

from migrate_examples.port.archive import Array, ReadError, StoredLayer
from migrate_examples.port.read.config import specs_in
from migrate_examples.port.read.parts import class_by_parts, parts_of, places
from migrate_examples.port.read.shapes import check_shapes
from migrate_examples.port.read.tree import Node, Spec, natural
from migrate_examples.port.read.variable_names import (
    BY_SNAKE,
    WHOLE,
    by_word,
    expected,
    fits,
    names_for,
)

ASIDE = ("metrics", "loss", "loss_tracker", "optimizer", "compiled_metrics")
"""Attributes of a model that hold no layers, with or without leading underscores."""
CONTAINERS = ("layers", "_layer_checkpoint_dependencies", "_layers")
"""Attributes under which models keep their layers."""


class Walk:
    """Goes through a file once.

    Parameters
    ----------
    where : str
        The file, for messages.
    keras2 : bool
        Keras 2 counts a layer that it has saved before no second time.
    strict : bool
        Whether a layer that its config says is built must have its variables.

    Attributes
    ----------
    skipped : list of str
        What was left out.
    """

    def __init__(self, where: str, *, keras2: bool = False, strict: bool = True):
        self.where = where
        self.keras2 = keras2
        self.strict = strict
        self.skipped: list[str] = []
        self.shared: set[int] = set()
        self.names: set[str] = set()

    def model(self, root: Node, spec: Spec | None) -> tuple[StoredLayer, ...]:
        """All layers of the outermost model.

        Raises
        ------
        ReadError
            A layer lacks a variable, or has one of a shape that is not its own.
        """
        if spec is not None and self._inside(spec, root) is not None:
            layers = tuple(self._of_model(root, spec, ""))
        else:
            name = spec.name if spec else root.name or ""
            class_name = spec.class_name if spec else ""
            layers = tuple(self._composed(root, "", name, class_name))
        placed = {id(a) for layer in layers for a in layer.arrays.values()}
        self._report(root, placed, "")
        return layers

    def _report(self, node: Node, placed: set[int], path: str) -> None:
        """Say what arrays found no layer."""
        for key, array in node.arrays.items():
            if id(array) not in placed:
                self.skipped.append(f"{path}{key}: no part of a layer, not read")
        for key, child in node.children.items():
            if path or key.lstrip("_") not in ASIDE:
                self._report(child, placed, f"{path}{key}/")

    # Models --------------------------------------------------------------------

    def _inside(self, spec: Spec, node: Node) -> list[Spec] | None:
        """Layers of a model by its config, where the file is laid out by it."""
        if any(child.spec for child in node.children.values()):
            return None
        return specs_in(spec.config)

    def _of_model(self, node: Node, spec: Spec, prefix: str) -> Iterator[StoredLayer]:
        specs = self._inside(spec, node) or []
        if self.keras2:
            specs = [
                s for s in specs if s.shared is None or s.shared not in self.shared
            ]
        found: dict[str, Node | None] = {}
        for place, inner in zip(places(specs), specs, strict=True):
            for container in CONTAINERS[:2]:
                found[place] = node.at(container, place) or found.get(place)
            yield from self._layer(found[place] or Node(), inner, prefix)
        for container in CONTAINERS[:2]:
            held = node.children.get(container, Node()).children
            for place in sorted(set(held) - set(found), key=natural):
                if held[place].any_arrays():
                    raise ReadError(
                        f"{self.where}: {prefix}{container}/{place}: arrays of a layer "
                        "that the config does not know"
                    )
        rest = {k: v for k, v in node.children.items() if k not in CONTAINERS[:2]}
        own = Node(node.name, node.arrays, rest)
        yield from self._composed(own, prefix, spec.name, spec.class_name)

    def _layer(self, node: Node, spec: Spec, prefix: str) -> Iterator[StoredLayer]:
        """A layer of which the class is known."""
        if spec.shared is not None:
            if spec.shared in self.shared:
                return
            self.shared.add(spec.shared)
        name = self._unique(f"{prefix}{spec.name}")
        if self._is_whole(node, spec):
            arrays = self._named(node, spec, spec.class_name, name)
            yield StoredLayer(name, spec.class_name, spec.config, arrays)
        elif self._inside(spec, node) is not None:
            yield from self._of_model(node, spec, f"{name}/")
        else:
            yield from self._composed(node, f"{name}/", spec.name, spec.class_name)

    def _is_whole(self, node: Node, spec: Spec) -> bool:
        if spec.class_name in WHOLE:
            return True
        if specs_in(spec.config) is not None:
            return False
        return not any(child.any_arrays() for child in node.children.values())

    # What users wrote ----------------------------------------------------------

    def _composed(
        self, node: Node, prefix: str, name: str, class_name: str
    ) -> Iterator[StoredLayer]:
        """Layers that an object keeps under its attributes, then its own arrays."""
        yield from self._children(node, prefix, ())
        if node.arrays:
            own = prefix.rstrip("/") or name or "model"
            yield StoredLayer(own, class_name, None, self._own(node, class_name, None))

    def _children(
        self, node: Node, prefix: str, path: tuple[str, ...]
    ) -> Iterator[StoredLayer]:
        for key in sorted(node.children, key=natural):
            child = node.children[key]
            if not path and key.lstrip("_") in ASIDE:
                self._aside(key, child, prefix)
            elif child.spec is not None:
                yield from self._layer(child, child.spec, prefix)
            elif child.any_arrays():
                yield from self._guessed(child, prefix, (*path, key))

    def _aside(self, key: str, node: Node, prefix: str) -> None:
        if node.any_arrays() and key != "optimizer":
            self.skipped.append(f"{prefix}{key}: state of metrics or losses, not read")

    def _guessed(
        self, node: Node, prefix: str, path: tuple[str, ...]
    ) -> Iterator[StoredLayer]:
        """A layer of which the file says no more than what it holds."""
        class_name = self._class(node, path)
        if not class_name and self._is_container(node):
            yield from self._children(node, prefix, path)
            return
        written = [part for part in path if part not in CONTAINERS]
        own = node.name or "/".join(written) or path[-1]
        name = f"{prefix}{own}"
        if name in self.names:
            name = prefix + "/".join(path)
        name = self._unique(name)
        inner = any(child.any_arrays() for child in node.children.values())
        if class_name in WHOLE or not inner:
            arrays = self._named(node, None, class_name, name)
            yield StoredLayer(name, class_name, None, arrays)
        else:
            yield from self._composed(node, f"{name}/", own, class_name)

    def _is_container(self, node: Node) -> bool:
        """A list or a dictionary of layers: no object of its own."""
        return not node.arrays and node.name is None

    def _class(self, node: Node, path: tuple[str, ...]) -> str:
        """Class of a layer, as far as names and shapes are sure of it."""
        listed = len(path) > 1 or path[0] in BY_SNAKE
        for word, sure in ((path[-1], listed), (node.name or "", False)):
            guess = by_word(word)
            if not guess:
                continue
            parts = any(child.any_arrays() for child in node.children.values())
            if parts and guess in WHOLE and not fits(guess, node.arrays):
                if sure or class_by_parts(node):
                    return guess
            elif fits(guess, node.arrays) or (sure and node.arrays):
                return guess
        return class_by_parts(node)

    def _unique(self, name: str) -> str:
        found, count = name, 1
        while found in self.names:
            count += 1
            found = f"{name}#{count}"
        self.names.add(found)
        return found

    # Variables -----------------------------------------------------------------

    def _named(
        self, node: Node, spec: Spec | None, class_name: str, name: str
    ) -> dict[str, Array]:
        """Arrays of a layer and of what it is made of, by name."""
        config = spec.config if spec else None
        arrays = self._own(node, class_name, config)
        if spec is not None:
            self._check(node, spec, arrays, name)
        if class_name == "SpectralNormalization" and "layer" in node.children:
            arrays.pop("kernel", None)  # that of the layer inside, saved there too
        for prefix, child, inner in self._parts(node, class_name, config):
            kind = inner.class_name if inner else self._class(child, ("", prefix))
            named = self._named(child, inner, kind, f"{name}/{prefix}")
            arrays.update({f"{prefix}/{key}": array for key, array in named.items()})
        return arrays

    def _parts(
        self, node: Node, class_name: str, config: Mapping[str, Any] | None
    ) -> Iterator[tuple[str, Node, Spec | None]]:
        """Layers inside a layer: name, object, and what its config says of it."""
        known = parts_of(class_name, config)
        done: set[int] = set()
        for path, inner in known.items():
            child = node.at(*path.split("/"))
            if child is not None and id(child) not in done:
                done.add(id(child))
                yield child.name or inner.name, child, inner
        # Keras makes the forward layer first.
        for key in sorted(
            node.children, key=lambda k: (k == "backward_layer", natural(k))
        ):
            child = node.children[key]
            if id(child) in done:
                continue
            if not self._is_container(child):
                if child.any_arrays():
                    yield child.name or key, child, child.spec
                continue
            for place in sorted(child.children, key=natural):
                part = child.children[place]
                if id(part) not in done and part.any_arrays():
                    yield part.name or f"{key}/{place}", part, part.spec

    def _own(
        self, node: Node, class_name: str, config: Mapping[str, Any] | None
    ) -> dict[str, Array]:
        """Arrays of an object itself; numbers where no name is known."""
        if not node.arrays or not all(key.isdecimal() for key in node.arrays):
            return dict(node.arrays)
        ordered = [node.arrays[key] for key in sorted(node.arrays, key=int)]
        names = names_for(class_name, config, len(ordered))
        if names is None:
            return {key: node.arrays[key] for key in sorted(node.arrays, key=int)}
        if self.keras2 and class_name.startswith("DepthwiseConv"):
            names = ("depthwise_kernel", *names[1:])
        return dict(zip(names, ordered, strict=True))

    def _check(
        self, node: Node, spec: Spec, arrays: Mapping[str, Array], name: str
    ) -> None:
        """Compare with what the config says; the state of what is unbuilt is none."""
        wanted = expected(spec.class_name, spec.config)
        if wanted and self.keras2 and spec.class_name.startswith("DepthwiseConv"):
            wanted = ("depthwise_kernel", *wanted[1:])
        if wanted is None or (not arrays and not (spec.built and self.strict)):
            return
        if node.arrays and len(arrays) != len(node.arrays):
            return
        numbered = all(key.isdecimal() for key in arrays)
        missing = [word for word in wanted if word not in arrays]
        missing = list(wanted[len(arrays) :]) if numbered else missing
        if missing and len(arrays) < len(wanted):
            raise ReadError(
                f"{self.where}: {name} ({spec.class_name}) has no {missing[0]}: its "
                f"config asks for {', '.join(wanted)}, the file has "
                f"{', '.join(arrays) or 'none'}"
            )
        if len(arrays) > len(wanted) and numbered:
            raise ReadError(
                f"{self.where}: {name} ({spec.class_name}) has {len(arrays)} "
                f"variables, where its config asks for {', '.join(wanted) or 'none'}"
            )
        try:
            check_shapes(spec.class_name, spec.config, arrays)
        except ReadError as error:
            raise ReadError(f"{self.where}: {name}/{error}") from None
