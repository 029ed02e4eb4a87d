"""What weights hang on in a file: objects by the names of their attributes."""

import re
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from migrate_examples.port.archive import Array


class Spec(NamedTuple):
    """What a config says of one layer.

    Attributes
    ----------
    name, class_name : str
        Its name in the model, and its class.
    config : dict or None
        Its arguments; None where the file is silent.
    module : str
        Where its class is defined; empty where the file is silent.
    shared : int or None
        The same number for the same object, where the file has one.
    built : bool
        Whether the file says that it was built.
    """

    name: str
    class_name: str
    config: dict[str, Any] | None
    module: str = ""
    shared: int | None = None
    built: bool = False


@dataclass
class Node:
    """An object that was saved.

    Attributes
    ----------
    name : str or None
        What it called itself, where the file says so.
    arrays : dict of str to ndarray
        Its own, by name or by number.
    children : dict of str to Node
        By the attribute that held them: ``layers``, ``cell``, ``_query_dense``.
    spec : Spec or None
        What the file says of it beside its arrays.
    """

    name: str | None = None
    arrays: dict[str, Array] = field(default_factory=dict)
    children: dict[str, "Node"] = field(default_factory=dict)
    spec: Spec | None = None

    def at(self, *path: str) -> "Node | None":
        """What lies down a path of attributes."""
        node: Node | None = self
        for part in path:
            node = node.children.get(part) if node else None
        return node

    def any_arrays(self) -> bool:
        """Whether it or what it holds has arrays."""
        return bool(self.arrays) or any(c.any_arrays() for c in self.children.values())


def natural(name: str) -> tuple[Any, ...]:
    """Key to sort names with numbers as people do.

    >>> sorted(["dense_10", "dense", "dense_2"], key=natural)
    ['dense', 'dense_2', 'dense_10']
    """
    return tuple(
        (1, int(part), "") if part.isdecimal() and len(part) < 20 else (0, 0, part)
        for part in re.split(r"(\d+)", name)
    )


def snake(class_name: str) -> str:
    """Class name as Keras writes it into files (keras/src/utils/naming.py).

    >>> snake("Conv2D"), snake("LSTMCell"), snake("PReLU")
    ('conv2d', 'lstm_cell', 'p_re_lu')
    """
    name = re.sub(r"\W+", "", class_name)
    name = re.sub("(.)([A-Z][a-z]+)", r"\1_\2", name)
    return re.sub("([a-z])([A-Z])", r"\1_\2", name).lower()
