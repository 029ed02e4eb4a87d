"""What an expression may stand for, as far as a scan follows it.

A symbol or module of TensorFlow is its dotted name, a :class:`str`; several
values in brackets are a :class:`tuple`; what is not followed is None.
"""

import ast
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from migrate_examples.scan.scopes import Scope


class Instance:
    """An object that a known call made.

    Attributes
    ----------
    kind : str
        Its type, as methods are named in the map: ``Layer``, ``Dataset``;
        empty for an object of a class of the code's own.
    made_by : str
        Symbol of the call; of a tensor that a layer returned, the layer.
    node : ast.Call or None
        The call, where a trap may need its arguments.
    own : UserClass or None
        The class in the scanned code, where it is one of its own.
    last : str
        Of a Sequential: symbol of the layer added last.
    """

    __slots__ = ("kind", "last", "made_by", "node", "own")

    def __init__(
        self,
        kind: str,
        made_by: str = "",
        node: ast.Call | None = None,
        own: "UserClass | None" = None,
    ) -> None:
        self.kind = kind
        self.made_by = made_by
        self.node = node
        self.own = own
        self.last = ""


class Bound:
    """A method taken from an object, not yet called."""

    __slots__ = ("instance", "name")

    def __init__(self, instance: Instance, name: str) -> None:
        self.instance = instance
        self.name = name


class UserFunction:
    """A function of the scanned code, whose body is read once.

    Attributes
    ----------
    kind : str
        ``Function`` under ``@tf.function``.
    returns : Value
        The first value of a ``return`` that is known.
    types : dict or None
        Parameters whose annotation tells what they are.
    takes_tensors : bool
        Whether it was given to something that calls it on tensors.
    """

    __slots__ = (
        "is_method",
        "is_property",
        "is_read",
        "kind",
        "node",
        "own",
        "returns",
        "scope",
        "takes_tensors",
        "types",
    )

    def __init__(
        self,
        node: "ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda",
        scope: "Scope",
        own: "UserClass | None" = None,
    ) -> None:
        self.node = node
        self.scope: Scope | None = scope
        self.own = own
        self.kind = ""
        self.is_method = False
        self.is_property = False
        self.takes_tensors = False
        self.types: dict[str, Value] | None = None
        self.is_read = False
        self.returns: Value = None

    def forget(self) -> None:
        """Let go of the scope, which holds the function: trees are freed at once."""
        self.scope = None


class UserClass:
    """A class of the scanned code: what it is a kind of, and what it defines."""

    __slots__ = ("attributes", "bases", "kind")

    def __init__(self, kind: str, bases: "list[UserClass]") -> None:
        self.kind = kind
        self.bases = bases
        self.attributes: dict[str, Value] = {}

    def has(self, name: str) -> bool:
        """Tell whether the class or a base in the scanned code defines a name."""
        if name in self.attributes:
            return True
        return bool(self.bases) and any(b.has(name) for b in self.bases)

    def get(self, name: str) -> "Value":
        """Value of an attribute, as far as it is known."""
        if name in self.attributes:
            return self.attributes[name]
        return next((b.get(name) for b in self.bases if b.has(name)), None)

    def keep(self, name: str, value: "Value") -> None:
        """Note an assignment; a known value stays before an unknown one."""
        if value is not None or name not in self.attributes:
            self.attributes[name] = value


Value = str | Instance | Bound | UserFunction | UserClass | tuple["Value", ...] | None
"""What an expression may stand for."""


def first(values: tuple["Value", ...]) -> "Value":
    """First of several values that is known."""
    return next((v for v in values if v is not None), None)


def element(value: "Value") -> "Value":
    """What iterating over a value, or taking one item of it, gives."""
    if value.__class__ is tuple:
        return first(value)
    if isinstance(value, Instance) and value.kind in ITEMS:
        return Instance(ITEMS[value.kind])
    return None


ITEMS = {
    "Tensor": "Tensor",
    "Variable": "Tensor",
    "RaggedTensor": "Tensor",
    "Dataset": "Tensor",
    "Iterator": "Tensor",
    "Layers": "Layer",
    "Metrics": "Metric",
    "Variables": "Variable",
}
"""Kind of the items of an object, by its kind; a batch of a Dataset may be a dict."""
