"""Reads functions and classes of the scanned code, and annotations."""

import ast
from ast import Global
from typing import Any

from migrate_examples.scan.expressions import TENSOR, read_defaults
from migrate_examples.scan.kinds import CALLED_WITH
from migrate_examples.scan.methods import family, kind_of_class, member
from migrate_examples.scan.names import resolve
from migrate_examples.scan.reading import (
    READERS,
    Reading,
    read_body,
    read_children,
    reads,
    value_of,
)
from migrate_examples.scan.scopes import Scope
from migrate_examples.scan.values import (
    Instance,
    UserClass,
    UserFunction,
    Value,
    element,
    first,
)

Definition = ast.FunctionDef | ast.AsyncFunctionDef
DEEPEST = 12
"""Calls within calls that are followed to see what they return."""


@reads(ast.FunctionDef, ast.AsyncFunctionDef)
def read_definition(r: Reading, node: Definition) -> None:
    """Read a function's head now, and its body when all around it is known."""
    inside = r.own if r.scope.kind == "class" else None
    function = UserFunction(node, r.scope, inside)
    function.is_method = inside is not None
    for decorator in node.decorator_list:
        apply_decorator(function, decorator, value_of(r, decorator))
    if node.args.defaults or node.args.kw_defaults:
        read_defaults(r, node.args)
    read_annotations(r, function, node)
    if inside is not None and inside.kind and not r.is_silent:
        mark_override(r, node, inside)
    r.bind(node.name, function)
    r.waiting.append(function)
    for inner in node.body:
        if inner.__class__ is Global:  # what it binds, others may use
            r.waiting.insert(0, r.waiting.pop())
            break


def apply_decorator(function: UserFunction, node: ast.expr, value: Value) -> None:
    """Note what a decorator makes of a function."""
    name = node.id if isinstance(node, ast.Name) else ""
    if name == "staticmethod":
        function.is_method = False
    elif name in {"property", "cached_property"}:
        function.is_property = True
    elif isinstance(value, str):
        found = resolve(value)
        if found is not None and found.symbol == "tf.function":
            function.kind = "Function"
    elif isinstance(value, Instance) and value.kind == "Function":
        function.kind = "Function"


def mark_override(r: Reading, node: Definition, own: UserClass) -> None:
    """Note that a subclass defines what the framework calls: ``def call``."""
    entry = member(own.kind, node.name)
    if entry is not None:
        word = "async def " if isinstance(node, ast.AsyncFunctionDef) else "def "
        start = node.col_offset + len(word)
        place = ast.Name(node.name)
        place.lineno = place.end_lineno = node.lineno
        place.col_offset = start
        place.end_col_offset = start + len(node.name.encode())
        r.mark(place, "method", entry, word + node.name)


def read_annotations(r: Reading, function: UserFunction, node: Definition) -> None:
    """Read the annotations of a function where it is defined."""
    given = node.args
    annotated = [a for a in given.args if a.annotation is not None]
    if given.posonlyargs or given.kwonlyargs or given.vararg or given.kwarg:
        others = [*given.posonlyargs, *given.kwonlyargs]
        rest = [a for a in (given.vararg, given.kwarg) if a is not None]
        annotated += [a for a in (*others, *rest) if a.annotation is not None]
    if annotated:
        types = {a.arg: read_annotation(r, a.annotation) for a in annotated}
        for argument in (given.vararg, given.kwarg):
            if argument is not None:
                types[argument.arg] = None
        function.types = types
    if node.returns is not None:
        read_annotation(r, node.returns)


def read_annotation(r: Reading, node: ast.expr | None) -> Value:
    """Read an annotation, a string one too: an object of the class it names."""
    if isinstance(node, ast.Constant):
        text = node.value
        return read_quoted(r, node, text) if isinstance(text, str) else None
    if isinstance(node, ast.Subscript):
        outer = read_annotation(r, node.value)
        inner = read_annotation(r, node.slice)
        name = node.value
        is_union = getattr(name, "id", getattr(name, "attr", "")) in UNIONS
        return outer or (inner if is_union else None)
    if isinstance(node, ast.BinOp):
        sides = (read_annotation(r, node.left), read_annotation(r, node.right))
        return first(sides)
    if isinstance(node, ast.Tuple | ast.List):
        return first(tuple([read_annotation(r, e) for e in node.elts]))
    return None if node is None else object_of(value_of(r, node))


UNIONS = {"Optional", "Union", "Annotated", "Final", "ClassVar"}


def object_of(value: Value) -> Value:
    """An object of the class that a value is."""
    if isinstance(value, str):
        found = resolve(value)
        kind = kind_of_class(found.symbol) if found else ""
        return Instance(kind) if kind else None
    return Instance(value.kind, own=value) if isinstance(value, UserClass) else None


def read_quoted(r: Reading, node: ast.Constant, text: str) -> Value:
    """Read an annotation in quotes, as if it stood there without them."""
    try:
        inner = ast.parse(text, mode="eval").body
    except (SyntaxError, ValueError):
        return None
    for part in ast.walk(inner):
        if isinstance(part, ast.expr):
            part.lineno = part.end_lineno = node.lineno
            part.col_offset += node.col_offset + 1
            part.end_col_offset = (part.end_col_offset or 0) + node.col_offset + 1
    return read_annotation(r, inner)


@reads(ast.ClassDef)
def read_class(r: Reading, node: ast.ClassDef) -> None:
    """Read a class; the bodies of its methods later, ``__init__`` first."""
    for decorator in node.decorator_list:
        value_of(r, decorator)
    bases = [value_of(r, base) for base in node.bases]
    for keyword in node.keywords:
        value_of(r, keyword.value)
    own = UserClass(
        kind_of_bases(bases), [b for b in bases if isinstance(b, UserClass)]
    )
    r.classes.append(own)
    around, around_own, waiting = r.scope, r.own, r.waiting
    r.scope, r.own, r.waiting = Scope("class", around), own, []
    read_body(r, node.body)
    own.attributes.update(r.scope.names)
    waiting += sorted(r.waiting, key=lambda f: getattr(f.node, "name", "") not in FIRST)
    r.scope, r.own, r.waiting = around, around_own, waiting
    r.bind(node.name, own)


FIRST = {"__init__", "build", "setup", "setUp"}
"""Methods that make the attributes that others use."""


def kind_of_bases(bases: list[Value]) -> str:
    """Type of a class by its bases."""
    for base in bases:
        if isinstance(base, UserClass) and base.kind:
            return base.kind
        found = resolve(base) if isinstance(base, str) else None
        kind = kind_of_class(found.symbol) if found else ""
        if kind:
            return kind
    return ""


def returned_by(r: Reading, function: Value) -> Value:
    """What a call of a function of the scanned code returns."""
    if not isinstance(function, UserFunction):
        return None
    if not function.is_read and r.depth < DEEPEST and not r.is_silent:
        r.depth += 1
        read_function(r, function)
        r.depth -= 1
    return function.returns


def read_function(r: Reading, function: UserFunction) -> None:
    """Read the body of a function, once."""
    if function.is_read:
        return
    function.is_read = True
    before = r.scope, r.own, r.function
    node = function.node
    r.scope = Scope("function", function.scope)
    if function.own is not None:
        r.own = function.own
    r.function = function
    bind_parameters(r, function)
    if isinstance(node, ast.Lambda):
        function.returns = value_of(r, node.body)
    else:
        read_body(r, node.body)
    r.scope, r.own, r.function = before


def bind_parameters(r: Reading, function: UserFunction) -> None:
    """Bind parameters: they hide the names around, and annotations tell their type."""
    names = r.scope.names
    given = function.node.args
    usual = TENSOR if function.takes_tensors else None
    for argument in given.args:
        names[argument.arg] = usual
    if usual is not None:
        r.known.update(a.arg for a in given.args)
    if given.posonlyargs or given.kwonlyargs or given.vararg or given.kwarg:
        for argument in (*given.posonlyargs, *given.kwonlyargs):
            names[argument.arg] = None
        for rest in (given.vararg, given.kwarg):
            if rest is not None:
                names[rest.arg] = None
    if function.types is not None:
        names.update(function.types)
        r.known.update(function.types)
    if function.is_method and function.own is not None:
        bind_self(r, function, function.own, [*given.posonlyargs, *given.args])


def bind_self(
    r: Reading, function: UserFunction, own: UserClass, given: list[ast.arg]
) -> None:
    """Bind ``self``, and what the framework passes to the methods it calls."""
    names = r.scope.names
    if given:
        names[given[0].arg] = Instance(own.kind, own=own)
        r.known.add(given[0].arg)
    method = getattr(function.node, "name", "")
    if len(given) > 1 and names[given[1].arg] is None:
        for owner in family(own.kind):
            if kind := CALLED_WITH.get(f"{owner}.{method}"):
                names[given[1].arg] = Instance(kind)
                r.known.add(given[1].arg)


@reads(ast.Return)
def read_return(r: Reading, node: ast.Return) -> None:
    """Read a return; the first known value is what the function returns."""
    value = None if node.value is None else value_of(r, node.value)
    if r.function is not None and r.function.returns is None:
        r.function.returns = value


@reads(ast.Yield, ast.YieldFrom)
def read_yield(r: Reading, node: Any) -> Value:
    """Read a yield: the function gives its values one after another."""
    value = None if node.value is None else READERS[node.value.__class__](r, node.value)
    if isinstance(node, ast.YieldFrom):
        value = element(value)
    if r.function is not None and r.function.returns is None and value is not None:
        r.function.returns = (value,)
    return None


@reads(ast.AnnAssign)
def read_annotated(r: Reading, node: ast.AnnAssign) -> None:
    """Read ``x: T = v``: what it is assigned, or an object of what is said."""
    said = read_annotation(r, node.annotation)
    value = None if node.value is None else value_of(r, node.value)
    target = node.target
    if isinstance(target, ast.Name):
        r.bind(target.id, value if value is not None else said)
    elif isinstance(target, ast.Attribute):
        owner = value_of(r, target.value)
        if isinstance(owner, Instance) and owner.own is not None:
            owner.own.keep(target.attr, value if value is not None else said)
    else:
        read_children(r, target)
