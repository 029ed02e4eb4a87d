"""Reads statements: assignments, imports, and the branches of a program."""

import ast
from ast import Attribute, Constant, Name
from typing import Any

from migrate_examples.scan.expressions import bind, read_attribute
from migrate_examples.scan.methods import family
from migrate_examples.scan.names import ROOTS, import_path, resolve, star_names
from migrate_examples.scan.reading import (
    READERS,
    Reading,
    looked_at,
    read_body,
    reads,
    value_of,
)
from migrate_examples.scan.scopes import merge
from migrate_examples.scan.traps import literal, same
from migrate_examples.scan.values import Instance, Value, element


@reads(ast.Expr)
def read_expression(r: Reading, node: ast.Expr) -> None:
    """Read an expression that stands alone."""
    value = node.value
    if value.__class__ is not Constant:
        READERS[value.__class__](r, value)


@reads(ast.Assign)
def read_assignment(r: Reading, node: ast.Assign) -> None:
    """Read an assignment."""
    given = node.value
    value: Value = None
    if given.__class__ is not Constant:
        value = READERS[given.__class__](r, given)
    for target in node.targets:
        if target.__class__ is Name:
            if value is None and not r.scope.elsewhere:
                r.scope.names[target.id] = None
            else:
                r.bind(target.id, value)
        else:
            bind(r, target, value)
            if target.__class__ is Attribute:
                mark_switch(r, target, given)


def mark_switch(r: Reading, target: ast.Attribute, given: ast.expr) -> None:
    """Note the pitfalls of setting an attribute of a layer or model."""
    rules = r.traps.met(r.traps.attributes, target.attr)
    if rules and not r.is_silent:
        owner = looked_at(r, target.value)
        if isinstance(owner, Instance) and "Layer" in family(owner.kind):
            for rule in rules:
                if same(literal(given), rule.when.value):
                    r.mark(target, "trap", rule.entry, f".{target.attr}")


@reads(ast.AugAssign)
def read_augmented(r: Reading, node: ast.AugAssign) -> None:
    """Read ``x += y``: x keeps its type."""
    value_of(r, node.value)
    target = node.target
    if isinstance(target, ast.Attribute):
        read_attribute(r, target)
    elif isinstance(target, ast.Subscript):
        value_of(r, target)


@reads(ast.Delete)
def read_deletion(r: Reading, node: ast.Delete) -> None:
    """Read ``del``."""
    for target in node.targets:
        bind(r, target, None)


@reads(ast.Global)
def read_global(r: Reading, node: ast.Global) -> None:
    """Read ``global``."""
    for name in node.names:
        r.scope.declare(name, is_global=True)


@reads(ast.Nonlocal)
def read_nonlocal(r: Reading, node: ast.Nonlocal) -> None:
    """Read ``nonlocal``."""
    for name in node.names:
        r.scope.declare(name, is_global=False)


@reads(ast.Import)
def read_import(r: Reading, node: ast.Import) -> None:
    """Read ``import a.b as c``."""
    for alias in node.names:
        root = alias.name.partition(".")[0]
        r.roots.add(root)
        path = import_path(alias.name)
        if path is not None:
            r.follows = True
            mark_import(r, alias, path)
        else:
            r.imported.add(alias.asname or root)
        if alias.asname:
            r.bind(alias.asname, path)
        else:
            r.bind(root, None if path is None else ROOTS[root])


@reads(ast.ImportFrom)
def read_import_from(r: Reading, node: ast.ImportFrom) -> None:
    """Read ``from a.b import c as d``."""
    module = node.module or ""
    r.roots.add(module.partition(".")[0])
    path = None if node.level else import_path(module)
    r.follows = r.follows or path is not None
    for alias in node.names:
        if alias.name == "*":
            if path is not None:
                for name in star_names(path):
                    r.bind(name, f"{path}.{name}")
        elif path is None:
            r.imported.add(alias.asname or alias.name)
            r.bind(alias.asname or alias.name, None)
        else:
            whole = import_path(f"{module}.{alias.name}") or path
            mark_import(r, alias, whole)
            r.bind(alias.asname or alias.name, whole)


def mark_import(r: Reading, alias: ast.alias, path: str) -> None:
    """Note the import of a name that the map does not have and TensorFlow lacks.

    What it has is counted where it is used.
    """
    found = resolve(path)
    if found is None or path in r.reported or "." not in path:
        return
    if found.entry.kind in BAD:
        r.mark_symbol(alias, alias, path, alias.name)
        r.reported.add(path)


BAD = {"removed", "private", "unknown"}


@reads(ast.If)
def read_if(r: Reading, node: ast.If) -> None:
    """Read both branches; a name then is the first that is known."""
    value_of(r, node.test)
    read_branches(r, [node.body, node.orelse])


def read_branches(r: Reading, branches: list[list[ast.stmt]]) -> None:
    """Read branches that all start from here, and merge what they bind."""
    scope = r.scope
    before = scope.names
    after = None
    for branch in branches:
        scope.names = before.copy()
        read_body(r, branch)
        after = scope.names if after is None else merge(after, scope.names)
    scope.names = before if after is None else after


@reads(ast.Try, ast.TryStar)
def read_try(r: Reading, node: Any) -> None:
    """Read a try with its handlers: an import there is an alternative."""
    scope = r.scope
    before = scope.names.copy()
    read_body(r, node.body)
    read_body(r, node.orelse)
    after = scope.names
    for handler in node.handlers:
        scope.names = before.copy()
        if handler.type is not None:
            value_of(r, handler.type)
        if handler.name:
            scope.bind(handler.name, None)
        read_body(r, handler.body)
        after = merge(after, scope.names)
    scope.names = after
    read_body(r, node.finalbody)


@reads(ast.For, ast.AsyncFor)
def read_for(r: Reading, node: ast.For | ast.AsyncFor) -> None:
    """Read a loop over something."""
    bind(r, node.target, element(value_of(r, node.iter)))
    read_body(r, node.body)
    read_body(r, node.orelse)


@reads(ast.While)
def read_while(r: Reading, node: ast.While) -> None:
    """Read a loop with a condition."""
    value_of(r, node.test)
    read_body(r, node.body)
    read_body(r, node.orelse)


@reads(ast.With, ast.AsyncWith)
def read_with(r: Reading, node: ast.With | ast.AsyncWith) -> None:
    """Read ``with a as b``: b is taken for a."""
    for item in node.items:
        value = value_of(r, item.context_expr)
        if item.optional_vars is not None:
            bind(r, item.optional_vars, value if isinstance(value, Instance) else None)
    read_body(r, node.body)


@reads(ast.Match)
def read_match(r: Reading, node: ast.Match) -> None:
    """Read the cases of a match as branches."""
    value_of(r, node.subject)
    scope = r.scope
    before = scope.names
    after = before
    for case in node.cases:
        scope.names = before.copy()
        READERS[case.pattern.__class__](r, case.pattern)
        if case.guard is not None:
            value_of(r, case.guard)
        read_body(r, case.body)
        after = merge(after, scope.names)
    scope.names = after


@reads(ast.MatchAs, ast.MatchStar, ast.MatchMapping)
def read_pattern(r: Reading, node: Any) -> None:
    """Read a pattern that binds a name."""
    name = node.rest if isinstance(node, ast.MatchMapping) else node.name
    if name:
        r.bind(name, None)
    for key in getattr(node, "keys", ()):
        value_of(r, key)
    for inner in getattr(node, "patterns", ()):
        READERS[inner.__class__](r, inner)
    if getattr(node, "pattern", None) is not None:
        READERS[node.pattern.__class__](r, node.pattern)
