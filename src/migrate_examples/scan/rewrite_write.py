"""Writes the planned changes into a module, and the imports that they need."""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import libcst as cst

from migrate_examples.scan.rewrite_build import OPERATIONS, bracketed, build
from migrate_examples.scan.rewrite_names import Names, imports_tensorflow
from migrate_examples.scan.rewrite_plan import Planner
from migrate_examples.scan.rule_facts import MODULES

IMPORTS = {
    "torch": "import torch",
    "F": "import torch.nn.functional as F",
    "nn": "from torch import nn",
}
"""How the names of PyTorch are imported, in this order."""

NEEDS_NO_BRACKETS = (
    cst.Arg,
    cst.Assign,
    cst.AnnAssign,
    cst.AugAssign,
    cst.Return,
    cst.Expr,
    cst.Element,
    cst.DictElement,
    cst.Index,
    cst.If,
    cst.While,
)
"""What an operation may stand in as it is."""


class Change(NamedTuple):
    """One rewritten call or constant; line and column count from 1."""

    line: int
    column: int
    before: str
    after: str
    symbol: str


class Writer(cst.CSTTransformer):
    """Puts the planned expressions in place."""

    def __init__(self, names: Names, planner: Planner) -> None:
        self.names = names
        self.planner = planner
        self.changes: list[Change] = []
        self.modules: set[str] = set()

    def leave_Call(
        self, original_node: cst.Call, updated_node: cst.Call
    ) -> cst.BaseExpression:
        """Rewrite a call whose arguments are."""
        plan = self.planner.plans.get(original_node)
        if plan is None:
            return updated_node
        after = build(updated_node, plan.rule, plan.given, plan.written)
        parent = self.names.parents[original_node]
        is_apart = isinstance(parent, NEEDS_NO_BRACKETS)
        if isinstance(after, OPERATIONS) and not is_apart:
            after = bracketed(after)
        self.modules |= plan.modules
        self.note(original_node, after, plan.rule.symbol)
        return after

    def leave_Attribute(
        self, original_node: cst.Attribute, updated_node: cst.Attribute
    ) -> cst.BaseExpression:
        """Rewrite a constant."""
        return self.constant(original_node) or updated_node

    def leave_Name(
        self, original_node: cst.Name, updated_node: cst.Name
    ) -> cst.BaseExpression:
        """Rewrite a constant that was imported by itself."""
        return self.constant(original_node) or updated_node

    def constant(self, node: cst.Attribute | cst.Name) -> cst.BaseExpression | None:
        """What a constant is rewritten to, if it is."""
        twin = self.planner.constants.get(node)
        if twin is None:
            return None
        after = cst.parse_expression(twin)
        self.modules |= {twin.partition(".")[0]} & MODULES.keys()
        after = after.with_changes(lpar=node.lpar, rpar=node.rpar)
        self.note(node, after, self.names.symbol(node) or "")
        return after

    def note(
        self, node: cst.BaseExpression, after: cst.BaseExpression, symbol: str
    ) -> None:
        """Note a change, without the brackets that the code has around it."""
        if node.lpar:
            node, after, outside = bare(node), bare(after), node
        else:
            outside = node
        place = self.names.positions[outside].start
        old, new = (self.code_of(side, outside) for side in (node, after))
        self.changes.append(Change(place.line, place.column + 1, old, new, symbol))

    def code_of(self, node: cst.BaseExpression, place: cst.CSTNode) -> str:
        """Source of an expression with the line ends and indentation of its place."""
        module = self.names.module
        indent = ""
        for outer in self.names.ancestors(place):
            if isinstance(outer, cst.IndentedBlock):
                indent = (outer.indent or module.default_indent) + indent
        if not indent:
            return module.code_for_node(node)
        line = cst.SimpleStatementLine([cst.Expr(node)])
        block = cst.IndentedBlock([line], indent=indent)
        code = module.code_for_node(cst.If(cst.Name("x"), block))
        _, _, code = code.partition(":" + module.default_newline + indent)
        return code.removesuffix(module.default_newline)


def bare(node: cst.BaseExpression) -> cst.BaseExpression:
    """An expression without the brackets around it."""
    return node.with_changes(lpar=[], rpar=[])


def with_imports(
    module: cst.Module, names: Names, modules: set[str], line: int
) -> cst.Module:
    """Import what the new code uses, after TensorFlow's import."""
    present = set(imported_before(names, line))
    lines = [
        cst.parse_statement(text)
        for name, text in IMPORTS.items()
        if name in modules - present
    ]
    place = import_place(names.module.body)
    return module.with_changes(
        body=[*module.body[:place], *lines, *module.body[place:]]
    )


def imported_before(names: Names, line: int) -> Iterator[str]:
    """Names that the module imports for all of it before a line."""
    for statement in names.module.body:
        if names.positions[statement].start.line >= line:
            return
        for small in imports_of(statement):
            if not isinstance(small.names, cst.ImportStar):
                for alias in small.names:
                    yield alias.evaluated_alias or alias.evaluated_name.split(".")[0]


def imports_of(statement: cst.CSTNode) -> list[cst.Import | cst.ImportFrom]:
    """Imports on a line of code; none of a statement that is no such line."""
    if not isinstance(statement, cst.SimpleStatementLine):
        return []
    kinds = (cst.Import, cst.ImportFrom)
    return [small for small in statement.body if isinstance(small, kinds)]


def import_place(body: Sequence[cst.BaseStatement | cst.BaseSmallStatement]) -> int:
    """Number of the statement of a module before which PyTorch is imported.

    After the first import of TensorFlow and those that follow it; without one
    outside of functions, after the first imports.
    """
    theirs = [has_tensorflow(statement) for statement in body]
    if any(theirs):
        place = theirs.index(True) + 1
        while place < len(body) and theirs[place] and imports_of(body[place]):
            place += 1
        return place
    place = 0
    while place < len(body) and (
        imports_of(body[place]) or (place == 0 and is_docstring(body[place]))
    ):
        place += 1
    return place


def is_docstring(statement: cst.CSTNode) -> bool:
    """Tell whether a statement is text alone."""
    if not isinstance(statement, cst.SimpleStatementLine):
        return False
    first = statement.body[0]
    return isinstance(first, cst.Expr) and isinstance(first.value, cst.BaseString)


def has_tensorflow(statement: cst.CSTNode) -> bool:
    """Tell whether a statement imports TensorFlow, in ``try`` or ``if`` as well."""
    if isinstance(statement, cst.Import | cst.ImportFrom):
        return imports_tensorflow(statement)
    if isinstance(statement, cst.FunctionDef | cst.ClassDef | cst.BaseExpression):
        return False
    return any(map(has_tensorflow, statement.children))
