"""Finds the code that TensorFlow runs by itself: traced, mapped or recorded.

There half a port is worse than none: a random draw would be made once and kept
in the graph, and a tape does not see what PyTorch does. Found are functions with
a decorator of TensorFlow, classes that derive from one of its own, ``with``
blocks of its context managers, and functions that are handed to a call of it or
to a method of a dataset; and the functions of the file that these use.
"""

from collections import defaultdict

import libcst as cst

from migrate_examples.scan.rewrite_names import Names, chain

HANDED_TO = {
    "apply",
    "batch_reduce",
    "compile",
    "filter",
    "flat_map",
    "from_generator",
    "interleave",
    "map",
    "map_with_options",
    "reduce",
    "run",
    "scan",
    "take_while",
}
"""Methods of datasets, models and strategies that are given functions."""


def traced(names: Names, tainted: set[cst.CSTNode]) -> set[cst.CSTNode]:
    """Find functions, classes and blocks that TensorFlow runs.

    Parameters
    ----------
    names : Names
    tainted : set of CSTNode
        Expressions and statements with names of TensorFlow that stay.
    """
    contexts = Contexts(tainted)
    names.module.visit(contexts)
    found = contexts.found
    wanted = set(contexts.handed)
    size = -1
    while size != len(found):
        size = len(found)
        for node in list(found):
            mentioned = Mentions()
            node.visit(mentioned)
            wanted |= mentioned.names
        for name in wanted & contexts.defined.keys():
            found.update(contexts.defined[name])
        for kind, bases in contexts.bases.items():
            if any(set(contexts.defined[base]) & found for base in bases):
                found.add(kind)
    return found


class Contexts(cst.CSTVisitor):
    """Collects what is traced for what it is, and what a file defines.

    Attributes
    ----------
    found : set of CSTNode
    handed : set of str
        Names of functions that TensorFlow is given.
    defined : dict
        Functions and classes by name, wherever they are defined.
    bases : dict
        Names of the bases of classes.
    """

    def __init__(self, tainted: set[cst.CSTNode]) -> None:
        self.tainted = tainted
        self.found: set[cst.CSTNode] = set()
        self.handed: set[str] = set()
        self.defined: defaultdict[str, list[cst.CSTNode]] = defaultdict(list)
        self.bases: dict[cst.ClassDef, list[str]] = {}
        self.objects: set[tuple[str, ...]] = set()

    def visit_FunctionDef(self, node: cst.FunctionDef) -> None:
        """Note a function; one that TensorFlow decorates is traced."""
        self.defined[node.name.value].append(node)
        if self.tainted & set(node.decorators):
            self.found.add(node)

    def visit_ClassDef(self, node: cst.ClassDef) -> None:
        """Note a class; one that derives from TensorFlow's is run by it."""
        self.defined[node.name.value].append(node)
        given = [arg.value for arg in (*node.bases, *node.keywords)]
        self.bases[node] = [chain(value)[-1] for value in given if chain(value)]
        if self.tainted & {*given, *node.decorators}:
            self.found.add(node)

    def visit_With(self, node: cst.With) -> None:
        """Note a block of a context manager of TensorFlow."""
        items = [item.item for item in node.items]
        managers = [i.func if isinstance(i, cst.Call) else i for i in items]
        names = [tuple(chain(manager)) for manager in managers]
        if self.tainted & set(items) or any(
            name[:end] in self.objects
            for name in names
            for end in range(1, len(name) + 1)
        ):
            self.found.add(node)

    def visit_Assign(self, node: cst.Assign) -> None:
        """Note the names of objects that TensorFlow made."""
        if isinstance(node.value, cst.Call) and node.value.func in self.tainted:
            self.objects |= {tuple(chain(t.target)) for t in node.targets} - {()}

    def visit_Call(self, node: cst.Call) -> None:
        """Note the functions that TensorFlow is given."""
        method = node.func.attr.value if isinstance(node.func, cst.Attribute) else ""
        if node.func not in self.tainted and method not in HANDED_TO:
            return
        for arg in node.args:
            if isinstance(arg.value, cst.Lambda):
                self.found.add(arg.value)
            mentioned = Mentions()
            arg.value.visit(mentioned)
            self.handed |= mentioned.names


class Mentions(cst.CSTVisitor):
    """Names that code uses: of functions, and of methods of its own object."""

    def __init__(self) -> None:
        self.names: set[str] = set()

    def visit_Name(self, node: cst.Name) -> None:
        """Note a name."""
        self.names.add(node.value)

    def visit_Attribute(self, node: cst.Attribute) -> bool:
        """Note a method of ``self`` or ``cls``, or what a name stands before."""
        parts = chain(node)
        if parts[:1] in (["self"], ["cls"]):
            self.names.add(parts[1])
            return False
        node.value.visit(self)
        return False
