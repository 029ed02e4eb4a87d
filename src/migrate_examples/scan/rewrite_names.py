"""What the names of a module mean to the rewriter, and what it leaves alone.

Stricter than the scan, which only reports: a name counts as TensorFlow's where
every binding of it that Python's scopes allow is the same import, and nothing
else.
"""

import re
from collections.abc import Iterator, Sequence

import libcst as cst
from libcst.metadata import (
    Assignment,
    BaseAssignment,
    BuiltinAssignment,
    GlobalScope,
    ImportAssignment,
    MetadataWrapper,
    ParentNodeProvider,
    PositionProvider,
    Scope,
    ScopeProvider,
)

from migrate_examples.api_map.symbols import main_name
from migrate_examples.scan.comments import COMMENT
from migrate_examples.scan.rule_facts import MODULES

FOREIGN = ("tf_keras", "tensorflow.compat.v1.keras", "tensorflow.python")
"""Parts of TensorFlow that are not what the map's rows were executed with."""

PACKAGES = re.compile(r"(tensorflow|keras|tf_keras|tf_slim)(_\w+)?(\.|$)")
"""Whose objects are not PyTorch's: TensorFlow, Keras and their add-ons."""

NO_TENSORS = (
    cst.BaseNumber,
    cst.BaseString,
    cst.BaseList,
    cst.BaseDict,
    cst.BaseSet,
    cst.Tuple,
    cst.BaseComp,
    cst.Lambda,
)
"""What makes a name that is given it no tensor: literals and displays."""

PLAIN_TYPES = {"int", "float", "bool", "str", "bytes", "list", "tuple", "dict"}
"""Annotations of parameters that are no tensors."""


def chain(node: cst.CSTNode) -> list[str]:
    """Parts of a dotted name; empty where an expression is not one."""
    if isinstance(node, cst.Name):
        return [node.value]
    if isinstance(node, cst.Attribute) and (owner := chain(node.value)):
        return [*owner, node.attr.value]
    return []


def root(node: cst.CSTNode) -> cst.CSTNode:
    """First name of attributes, items and calls: ``x`` of ``x.y[0].z``."""
    while isinstance(node, cst.Attribute | cst.Subscript):
        node = node.value
    return node


def imports_tensorflow(node: cst.Import | cst.ImportFrom) -> bool:
    """Tell whether an import is of TensorFlow, Keras or an add-on of theirs."""
    if isinstance(node, cst.ImportFrom):
        names = [chain(node.module)] if node.module and not node.relative else []
    else:
        names = [chain(alias.name) for alias in node.names]
    return any(PACKAGES.match(".".join(name)) for name in names)


class Names:
    """Names of one module, with their scopes and places.

    Attributes
    ----------
    ignored : set of int
        Lines with a comment ``# migrate: ignore``, whatever stands in its brackets.
    is_ignored : bool
        Whether a comment ``# migrate: ignore-file`` stands anywhere.
    """

    def __init__(self, wrapper: MetadataWrapper) -> None:
        self.module = wrapper.module
        wrapper.resolve_many([ScopeProvider, ParentNodeProvider, PositionProvider])
        self.scopes = wrapper.resolve(ScopeProvider)
        self.parents = wrapper.resolve(ParentNodeProvider)
        self.positions = wrapper.resolve(PositionProvider)
        self.ignored: set[int] = set()
        self.is_ignored = False
        self.references: list[cst.Name | cst.Attribute] = []
        self.has_late_star = False
        wrapper.module.visit(Reader(self))

    def bindings(self, name: cst.CSTNode) -> Sequence[BaseAssignment]:
        """All that a name may be bound to where it stands."""
        scope = self.scopes.get(name)
        if not isinstance(name, cst.Name) or not isinstance(scope, Scope):
            return []
        return list(scope[name.value])

    def origins(self, node: cst.CSTNode) -> set[str]:
        """Full names under which a dotted name may have been imported.

        An empty text stands for a binding that is no import.
        """
        parts = chain(node)
        found: set[str] = set()
        for binding in self.bindings(root(node)) if parts else []:
            if isinstance(binding, ImportAssignment):
                names = binding.get_qualified_names_for(".".join(parts))
                found |= {name.name for name in names}
            else:
                found.add("")
        return found

    def is_tensorflow(self, node: cst.CSTNode) -> bool:
        """Tell whether a dotted name may be one of TensorFlow's."""
        return any(PACKAGES.match(name) for name in self.origins(node))

    def symbol(self, node: cst.CSTNode) -> str | None:
        """Main name of the symbol that a dotted name surely is; None elsewhere."""
        origins = self.origins(node)
        if len(origins) != 1 or self.has_late_star:
            return None
        (name,) = origins
        if not PACKAGES.match(name) or name.startswith(FOREIGN):
            return None
        return main_name(name)

    def is_imported(self, node: cst.CSTNode) -> bool:
        """Tell whether an expression hangs on a module or an imported name."""
        bindings = self.bindings(root(node))
        return any(isinstance(b, ImportAssignment) for b in bindings)

    def may_be_tensor(self, name: cst.Name) -> bool:
        """Tell whether nothing that the code binds a name to is surely no tensor."""
        return not any(map(self.is_no_tensor, self.bindings(name)))

    def is_no_tensor(self, binding: BaseAssignment) -> bool:
        """Tell whether a binding is a module, function, class, number or list."""
        if isinstance(binding, ImportAssignment | BuiltinAssignment):
            return True
        node = binding.node if isinstance(binding, Assignment) else None
        if isinstance(node, cst.FunctionDef | cst.ClassDef):
            return True
        if isinstance(node, cst.Param):
            return self.is_plain_parameter(node)
        return node is not None and self.is_given_no_tensor(node)

    def is_plain_parameter(self, node: cst.Param) -> bool:
        """Tell whether a parameter is a number or text by default or annotation."""
        kind = node.annotation and chain(node.annotation.annotation)
        return isinstance(node.default, NO_TENSORS) or bool(
            kind and kind[-1] in PLAIN_TYPES
        )

    def is_given_no_tensor(self, target: cst.CSTNode) -> bool:
        """Tell whether an assignment or loop gives a name what is no tensor."""
        parent = self.parents.get(target)
        if isinstance(parent, cst.AssignTarget):
            parent = self.parents[parent]
        if isinstance(parent, cst.Assign | cst.AnnAssign):
            return parent.value is not None and self.is_plain(parent.value)
        is_first = isinstance(parent, cst.Element)
        if isinstance(parent, cst.Element):
            pair = self.parents[parent]
            if not isinstance(pair, cst.Tuple) or pair.elements[0] is not parent:
                return False
            parent = self.parents[pair]
        if isinstance(parent, cst.For | cst.CompFor):
            counts = "enumerate" if is_first else "range"
            call = parent.iter
            return isinstance(call, cst.Call) and chain(call.func) == [counts]
        return False

    def is_plain(self, value: cst.BaseExpression) -> bool:
        """Tell whether a value is a number, text, list or NumPy's."""
        if isinstance(value, cst.UnaryOperation):
            return self.is_plain(value.expression)
        if isinstance(value, cst.Call):
            origins = self.origins(value.func)
            return any(name.partition(".")[0] == "numpy" for name in origins)
        if isinstance(value, cst.Name):
            return value.value in {"True", "False"}
        return isinstance(value, NO_TENSORS)

    def ancestors(self, node: cst.CSTNode) -> Iterator[cst.CSTNode]:
        """What a node stands in, from the inside out."""
        while (parent := self.parents.get(node)) is not None:
            yield parent
            node = parent

    def lines_of(self, node: cst.CSTNode) -> range:
        """Lines that a node takes up."""
        place = self.positions[node]
        return range(place.start.line, place.end.line + 1)

    def usable(self) -> frozenset[str]:
        """Those of ``torch``, ``F`` and ``nn`` that may mean PyTorch's here."""
        return frozenset(name for name in MODULES if self.is_free(name))

    def is_free(self, name: str) -> bool:
        """Tell whether a name is unused, or everywhere the import it should be."""
        is_bound = False
        scopes = {s for s in self.scopes.values() if isinstance(s, Scope)}
        for scope in scopes:
            for binding in scope.assignments[name]:
                is_bound = True
                if not isinstance(scope, GlobalScope) or not isinstance(
                    binding, ImportAssignment
                ):
                    return False
                origins = {n.name for n in binding.get_qualified_names_for(name)}
                if origins != {MODULES[name]}:
                    return False
        return is_bound or not any(list(scope.accesses[name]) for scope in scopes)


class Reader(cst.CSTVisitor):
    """Collects comments, and the dotted names that may be TensorFlow's."""

    def __init__(self, names: Names) -> None:
        self.names = names
        self.has_import = False

    def visit_Comment(self, node: cst.Comment) -> None:
        """Note a line, or a file, that is to be left alone."""
        if found := COMMENT.match(node.value):
            self.names.ignored.add(self.names.positions[node].start.line)
            self.names.is_ignored |= found[1] == "ignore-file"

    def visit_Import(self, node: cst.Import) -> bool:
        """Names of an import are no references."""
        self.has_import |= imports_tensorflow(node)
        return False

    def visit_ImportFrom(self, node: cst.ImportFrom) -> bool:
        """Note a star that may bind TensorFlow's name anew."""
        is_theirs = imports_tensorflow(node)
        if isinstance(node.names, cst.ImportStar) and not is_theirs:
            self.names.has_late_star |= self.has_import
        self.has_import |= is_theirs
        return False

    def visit_Arg(self, node: cst.Arg) -> bool:
        """Look at the value; the keyword is a name of another function."""
        node.value.visit(self)
        if isinstance(node.comma, cst.Comma):
            node.comma.visit(self)
        node.whitespace_after_arg.visit(self)
        return False

    def visit_Attribute(self, node: cst.Attribute) -> bool:
        """Take a dotted name as a whole."""
        if not chain(node):
            node.value.visit(self)
        elif self.names.is_tensorflow(node):
            self.names.references.append(node)
        return False

    def visit_Name(self, node: cst.Name) -> None:
        """Take a name on its own."""
        if self.names.is_tensorflow(node):
            self.names.references.append(node)
