"""Scopes of names, after Python's own rules."""

from migrate_examples.scan.values import Value


class Scope:
    """Names of a module, class, function or comprehension, and what they stand for.

    Attributes
    ----------
    names : dict
        Name to value; None for a name that is bound to something not followed,
        and so hides the same name further out.
    parent : Scope or None
        Where a name is looked for next. That is never a class: functions in a
        class do not see its names.
    kind : str
        ``module``, ``class``, ``function`` or ``comprehension``.
    elsewhere : dict
        Names declared ``global`` or ``nonlocal``, and the scope they live in.
    """

    __slots__ = ("elsewhere", "kind", "names", "parent")

    def __init__(self, kind: str, around: "Scope | None" = None) -> None:
        self.kind = kind
        self.names: dict[str, Value] = {}
        self.elsewhere: dict[str, Scope] = {}
        self.parent = around
        while self.parent is not None and self.parent.kind == "class":
            self.parent = self.parent.parent

    def bind(self, name: str, value: Value) -> None:
        """Give a name a value here, or where it is declared to live."""
        home = self.elsewhere.get(name, self) if self.elsewhere else self
        home.names[name] = value

    def bind_walrus(self, name: str, value: Value) -> None:
        """Give a name the value of ``:=``, which leaves comprehensions."""
        scope = self
        while scope.kind == "comprehension" and scope.parent is not None:
            scope = scope.parent
        scope.bind(name, value)

    def find(self, name: str) -> tuple[bool, Value]:
        """Whether a name is bound here or further out, and its value."""
        scope: Scope | None = self
        while scope is not None:
            if name in scope.names:
                return True, scope.names[name]
            scope = scope.parent
        return False, None

    def declare(self, name: str, *, is_global: bool) -> None:
        """Note a ``global`` or ``nonlocal`` name."""
        scope = self.parent
        while scope is not None and scope.parent is not None:
            if not is_global and scope.kind == "function" and name in scope.names:
                break
            scope = scope.parent
        if scope is not None:
            self.elsewhere[name] = scope


def merge(first: dict[str, Value], second: dict[str, Value]) -> dict[str, Value]:
    """Names after two branches: of each the first value that is known.

    >>> merge({"tf": "tf", "x": None}, {"tf": None, "x": "keras"})
    {'tf': 'tf', 'x': 'keras'}
    """
    if first == second:
        return first
    merged = {**second, **first}
    for name, value in second.items():
        if value is not None and merged[name] is None:
            merged[name] = value
    return merged
