"""The state of reading one file, and how its nodes find the code that reads them."""

import ast
from ast import Name
from collections.abc import Callable, Sequence
from typing import Any

from migrate_examples.scan.names import Entry, Reference, resolve
from migrate_examples.scan.scopes import Scope
from migrate_examples.scan.traps import Index, index
from migrate_examples.scan.values import Instance, UserClass, UserFunction, Value

Mark = tuple[int, int, int, int, str, Entry, str, bool]
"""A finding before it has a place: line and column where it starts and ends, in
the text and in bytes; its category, what it says, its name, and whether that is
certain."""


class Reading:
    """What is known while a file is read.

    Attributes
    ----------
    marks : list of Mark
        What was found so far.
    unsure : list
        Marks of members of ``self`` with class and name: they hold unless the
        class turns out to define the name itself.
    scope : Scope
        The scope that is read now.
    waiting : list of UserFunction
        Functions whose bodies are read when all around them is known.
    function : UserFunction or None
        The function whose body is read now.
    own : UserClass or None
        The class whose methods are read now.
    classes : list of UserClass
        All classes of the file.
    is_silent : bool
        Whether nothing is marked, because the node is looked at once more.
    aliases : set of str
        Names that ever stood for a symbol or module: to read any other name
        finds nothing.
    known : set of str
        Names that ever had a value that is followed: any other has none, in
        whatever scope.
    imported : set of str
        Names that were imported from elsewhere: modules, most of them, whose
        functions are no methods of TensorFlow's.
    reported : set of str
        Names whose import was reported: their use is not reported again.
    follows : bool
        Whether the file imports TensorFlow or Keras at all.
    roots : set of str
        Packages it imports.
    depth : int
        How many functions are being read because they were called.
    """

    def __init__(self) -> None:
        self.marks: list[Mark] = []
        self.unsure: list[tuple[UserClass, str, Mark]] = []
        self.scope = Scope("module")
        self.waiting: list[UserFunction] = []
        self.function: UserFunction | None = None
        self.own: UserClass | None = None
        self.classes: list[UserClass] = []
        self.is_silent = False
        self.aliases: set[str] = set()
        self.known: set[str] = set()
        self.imported: set[str] = set()
        self.reported: set[str] = set()
        self.follows = False
        self.roots: set[str] = set()
        self.depth = 0
        self.traps: Index = index()

    def bind(self, name: str, value: Value) -> None:
        """Give a name a value in the scope that is read."""
        if value is not None:
            self.known.add(name)
            if value.__class__ is str:
                self.aliases.add(name)
        scope = self.scope
        if scope.elsewhere:
            scope.bind(name, value)
        else:
            scope.names[name] = value

    def mark(
        self, node: Any, category: str, entry: Entry, name: str, certain: bool = True
    ) -> None:
        """Note a finding from where a node starts to where it ends."""
        if not self.is_silent:
            self.marks.append(
                (
                    node.lineno,
                    node.col_offset,
                    node.end_lineno,
                    node.end_col_offset,
                    category,
                    entry,
                    name,
                    certain,
                )
            )

    def mark_symbol(self, start: Any, end: Any, path: str, name: str) -> None:
        """Note a use of a symbol that is written from one node to another's end."""
        found = resolve(path)
        if found is not None and not self.is_silent and path not in self.reported:
            self.mark_reference(start, end, found, name)

    def mark_reference(self, start: Any, end: Any, found: Reference, name: str) -> None:
        """Note a name that was resolved."""
        self.marks.append(
            (
                start.lineno,
                start.col_offset,
                end.end_lineno,
                end.end_col_offset,
                "symbol",
                found.entry,
                name,
                True,
            )
        )
        symbol, traps = found.symbol, self.traps
        if symbol in traps.unread or symbol in traps.references:
            for rule in traps.met(traps.references, symbol):
                self.mark(start, "trap", rule.entry, name)

    def mark_member(
        self,
        node: ast.Attribute,
        entry: Entry,
        own: UserClass | None = None,
        *,
        certain: bool = True,
    ) -> None:
        """Note a member of an object, where its name is written."""
        if self.is_silent:
            return
        base = node.value
        name = f"{base.id if base.__class__ is Name else ''}.{node.attr}"
        end = node.end_col_offset or 0
        line = node.end_lineno or node.lineno
        start = max(end - len(node.attr.encode()), 0)
        mark = line, start, line, end, "method", entry, name, certain
        if own is None:
            self.marks.append(mark)
        else:
            self.unsure.append((own, node.attr, mark))


Reader = Callable[[Reading, Any], Value]
READERS: dict[type, Reader] = {}
"""How each kind of node is read; :func:`read_children` where nothing is known."""


def reads(*kinds: type) -> Callable[[Reader], Reader]:
    """Register the reader of some kinds of nodes."""

    def register(reader: Reader) -> Reader:
        READERS.update(dict.fromkeys(kinds, reader))
        return reader

    return register


def value_of(r: Reading, node: ast.expr) -> Value:
    """Read an expression: note what it names, return what it stands for."""
    return READERS[node.__class__](r, node)


def read_body(r: Reading, body: Sequence[ast.stmt]) -> None:
    """Read statements in their order."""
    for node in body:
        READERS[node.__class__](r, node)


def read_children(r: Reading, node: Any) -> Value:
    """Read all that a node holds."""
    for field in node._fields:
        child = getattr(node, field, None)
        if child.__class__ is list:
            for item in child:
                READERS[item.__class__](r, item)
        else:
            READERS[child.__class__](r, child)
    return None


def read_nothing(_r: Reading, _node: Any) -> Value:
    """Pass over a node without names."""
    return None


def kinds_of_nodes(kind: type = ast.AST) -> list[type]:
    """All classes of the syntax tree."""
    below: list[type] = kind.__subclasses__()
    return [*below, *(k for b in below for k in kinds_of_nodes(b))]


READERS.update(dict.fromkeys(kinds_of_nodes(), read_children))
reads(
    *(type(None), str, int),  # what nodes hold that are no nodes
    ast.Constant,
    ast.Pass,
    ast.Break,
    ast.Continue,
    *ast.operator.__subclasses__(),
    *ast.unaryop.__subclasses__(),
    *ast.cmpop.__subclasses__(),
    *ast.boolop.__subclasses__(),
    *ast.expr_context.__subclasses__(),
)(read_nothing)


def looked_at(r: Reading, node: ast.expr) -> Value:
    """Value of an expression that was read before: nothing is noted again."""
    before, r.is_silent = r.is_silent, True
    value = value_of(r, node)
    r.is_silent = before
    return value


def symbol_of(value: Value) -> str:
    """Symbol that a value is, or that made it; empty where there is none."""
    if isinstance(value, str):
        found = resolve(value)
        return found.symbol if found else ""
    return value.made_by if isinstance(value, Instance) else ""
