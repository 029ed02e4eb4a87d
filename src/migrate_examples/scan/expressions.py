"""Reads expressions: names, attributes, operators, comprehensions."""

import ast
from ast import Attribute, BinOp, Constant, Name, Not
from typing import Any

from migrate_examples.scan.kinds import DISTINCTIVE
from migrate_examples.scan.methods import guess, member, property_kind, returned
from migrate_examples.scan.names import resolve
from migrate_examples.scan.reading import (
    READERS,
    Reading,
    read_children,
    reads,
    value_of,
)
from migrate_examples.scan.scopes import Scope
from migrate_examples.scan.values import (
    Bound,
    Instance,
    UserClass,
    UserFunction,
    Value,
    element,
    first,
)

TENSOR = Instance("Tensor")


@reads(ast.Name)
def read_name(r: Reading, node: ast.Name) -> Value:
    """Read a name on its own."""
    name = node.id
    if name not in r.known:
        return None
    scope: Scope | None = r.scope
    while scope is not None:
        if name in scope.names:
            value = scope.names[name]
            if value.__class__ is str:
                r.mark_symbol(node, node, value, name)
            return value
        scope = scope.parent
    return None


@reads(ast.Attribute)
def read_attribute(r: Reading, node: ast.Attribute) -> Value:
    """Read an attribute: of a name, of another attribute, or of a result."""
    inner = node.value
    if inner.__class__ is Name:
        name = inner.id
        if name in r.known:
            scope: Scope | None = r.scope
            while scope is not None:
                if name in scope.names:
                    return read_attribute_of(r, inner, scope.names[name], [node])
                scope = scope.parent
        if node.attr in DISTINCTIVE and name not in r.imported:
            read_guessed(r, node)
        return None
    if inner.__class__ is Attribute:
        return read_chain(r, node)
    return read_attribute_of(r, inner, READERS[inner.__class__](r, inner), [node])


def read_chain(r: Reading, node: ast.Attribute) -> Value:
    """Read attributes of attributes: they may be one name together."""
    chain = [node]
    inner = node.value
    while inner.__class__ is Attribute:
        chain.append(inner)
        inner = inner.value
    if inner.__class__ is Name:
        value = r.scope.find(inner.id)[1] if inner.id in r.known else None
    else:
        value = READERS[inner.__class__](r, inner)
    return read_attribute_of(r, inner, value, chain)


def read_attribute_of(
    r: Reading, inner: ast.expr, value: Value, chain: list[ast.Attribute]
) -> Value:
    """Follow attributes of a value, the next one last in ``chain``."""
    while chain:
        if value is None:
            attribute = chain.pop()
            if attribute.attr in DISTINCTIVE:
                read_guessed(r, attribute)
        elif value.__class__ is str:
            value = read_path(r, inner, value, chain)
        elif value.__class__ is Instance:
            value = read_member_of_instance(r, value, chain.pop())
        else:
            value = read_member(r, value, chain.pop())
    return value


def read_path(
    r: Reading, inner: ast.expr, path: str, chain: list[ast.Attribute]
) -> Value:
    """Follow a symbol's name along attributes, the next one last in ``chain``.

    Those that belong to the name are taken from the list.
    """
    code = inner.id if inner.__class__ is Name else ""
    rest = f".{chain[-1].attr}"
    if len(chain) > 1:
        rest += "".join([f".{a.attr}" for a in chain[-2::-1]])
    whole = path + rest
    found = resolve(whole)
    if found is None:
        chain.clear()
        return whole
    taken = found.parts - path.count(".") - 1
    if taken <= 0:  # the name stood for the symbol already
        if code:
            r.mark_symbol(inner, inner, path, code)
        return read_member(r, None, chain.pop())
    if taken == len(chain):
        last = chain[0]
        chain.clear()
    else:
        last = chain[-taken]
        del chain[-taken:]
        rest = "." + ".".join(rest.split(".")[1 : taken + 1])
        whole = path + rest
    if not r.is_silent and whole not in r.reported:
        r.mark_reference(inner if code else last, last, found, code + rest)
    if chain:  # an attribute of the symbol: tf.float32.max
        chain.clear()
        return None
    return whole


def read_guessed(r: Reading, node: ast.Attribute) -> None:
    """Read an attribute of an unknown object, whose name tells what it is."""
    entry = guess(node.attr)
    is_torch = node.attr == "numpy" and "torch" in r.roots
    if entry is not None and r.follows and not is_torch:
        r.mark_member(node, entry, certain=False)


def read_member(r: Reading, value: Value, node: ast.Attribute) -> Value:
    """Read an attribute of an object."""
    name = node.attr
    if value is None or isinstance(value, Bound):
        if name in DISTINCTIVE:
            read_guessed(r, node)
        return None
    if isinstance(value, Instance):
        return read_member_of_instance(r, value, node)
    if isinstance(value, UserClass):
        return read_member_of_class(r, value, node)
    if isinstance(value, UserFunction) and (entry := member(value.kind, name)):
        r.mark_member(node, entry)
    return None


def read_member_of_instance(r: Reading, value: Instance, node: ast.Attribute) -> Value:
    """Read an attribute of an object that a known call made."""
    name, own = node.attr, value.own
    if own is not None and (name in own.attributes or (own.bases and own.has(name))):
        known = own.get(name)
        if known.__class__ is UserFunction and known.is_property:
            return known.returns
        return known
    if not value.kind:
        if name in DISTINCTIVE:
            read_guessed(r, node)
        return None
    entry = member(value.kind, name)
    if entry is not None:
        r.mark_member(node, entry, own)
    if kind := property_kind(value.kind, name):
        return Instance(kind)
    is_known = entry is not None or returned(value.kind, name) != ""
    return Bound(value, name) if is_known else None


def read_member_of_class(r: Reading, value: UserClass, node: ast.Attribute) -> Value:
    """Read an attribute of a class of the scanned code."""
    if value.has(node.attr):
        return value.get(node.attr)
    if entry := member(value.kind, node.attr):
        r.mark_member(node, entry, value)
    return None


@reads(ast.Tuple, ast.List, ast.Set)
def read_several(r: Reading, node: ast.Tuple | ast.List | ast.Set) -> Value:
    """Read a tuple or list; None where none of its values is known."""
    values = [
        None if e.__class__ is Constant else READERS[e.__class__](r, e)
        for e in node.elts
    ]
    return None if values.count(None) == len(values) else tuple(values)


@reads(ast.Starred)
def read_starred(r: Reading, node: ast.Starred) -> Value:
    """Read an unpacked value: one of its items stands for all."""
    return element(value_of(r, node.value))


@reads(ast.Dict)
def read_dict(r: Reading, node: ast.Dict) -> Value:
    """Read a dictionary; what it holds is not followed."""
    for key in node.keys:
        if key is not None and key.__class__ is not Constant:
            READERS[key.__class__](r, key)
    for value in node.values:
        if value.__class__ is not Constant:
            READERS[value.__class__](r, value)
    return None


@reads(ast.BinOp)
def read_operation(r: Reading, node: ast.BinOp) -> Value:
    """Read an operation; with a tensor in it the result is a tensor.

    Long sums are read from the left without recursion.
    """
    sides = []
    left: ast.expr = node
    while left.__class__ is BinOp:
        right = left.right
        if right.__class__ is not Constant:
            sides.append(right)
        left = left.left
    found = is_tensor(READERS[left.__class__](r, left))
    for side in reversed(sides):
        if is_tensor(READERS[side.__class__](r, side)):
            found = True
    return TENSOR if found else None


@reads(ast.Compare)
def read_comparison(r: Reading, node: ast.Compare) -> Value:
    """Read a comparison."""
    found = is_tensor(READERS[node.left.__class__](r, node.left))
    for side in node.comparators:
        if side.__class__ is not Constant:
            found = is_tensor(READERS[side.__class__](r, side)) or found
    return TENSOR if found else None


@reads(ast.UnaryOp)
def read_sign(r: Reading, node: ast.UnaryOp) -> Value:
    """Read an operator with one side."""
    value = READERS[node.operand.__class__](r, node.operand)
    return TENSOR if is_tensor(value) and node.op.__class__ is not Not else None


def is_tensor(value: Value) -> bool:
    """Tell whether a value is a tensor or a variable."""
    return value.__class__ is Instance and value.kind in TENSORS


TENSORS = {"Tensor", "Variable"}


@reads(ast.BoolOp)
def read_choice(r: Reading, node: ast.BoolOp) -> Value:
    """Read ``a or b``: the first value that is known."""
    return first(tuple([READERS[v.__class__](r, v) for v in node.values]))


@reads(ast.IfExp)
def read_conditional(r: Reading, node: ast.IfExp) -> Value:
    """Read ``a if b else c``: the first value that is known."""
    value_of(r, node.test)
    return first((value_of(r, node.body), value_of(r, node.orelse)))


@reads(ast.NamedExpr)
def read_walrus(r: Reading, node: ast.NamedExpr) -> Value:
    """Read ``a := b``."""
    value = value_of(r, node.value)
    if value is not None:
        r.known.add(node.target.id)
        if value.__class__ is str:
            r.aliases.add(node.target.id)
    r.scope.bind_walrus(node.target.id, value)
    return value


@reads(ast.Subscript)
def read_item(r: Reading, node: ast.Subscript) -> Value:
    """Read an item: a tensor's is a tensor, a list's the one that is meant."""
    value = READERS[node.value.__class__](r, node.value)
    index = node.slice
    if index.__class__ is not Constant:
        READERS[index.__class__](r, index)
    elif isinstance(value, tuple) and isinstance(index.value, int):
        place = index.value
        if place < len(value):
            return value[place]
    return element(value)


@reads(ast.ListComp, ast.SetComp, ast.GeneratorExp, ast.DictComp)
def read_comprehension(r: Reading, node: Any) -> Value:
    """Read a comprehension: its names are its own, its first source is not."""
    around = r.scope
    sources = node.generators
    values = element(value_of(r, sources[0].iter))
    r.scope = Scope("comprehension", around)
    for number, source in enumerate(sources):
        if number:
            values = element(value_of(r, source.iter))
        bind(r, source.target, values)
        for test in source.ifs:
            value_of(r, test)
    if isinstance(node, ast.DictComp):
        value_of(r, node.key)
        value_of(r, node.value)
        result: Value = None
    else:
        result = value_of(r, node.elt)
    r.scope = around
    return None if result is None else (result,)


@reads(ast.Lambda)
def read_lambda(r: Reading, node: ast.Lambda) -> Value:
    """Read a lambda: its defaults now, its body when all around it is known."""
    read_defaults(r, node.args)
    function = UserFunction(node, r.scope)
    r.waiting.append(function)
    return function


def read_defaults(r: Reading, arguments: ast.arguments) -> None:
    """Read the defaults of parameters, in the scope around the function."""
    for default in (*arguments.defaults, *arguments.kw_defaults):
        if default is not None and default.__class__ is not Constant:
            value_of(r, default)


def bind(r: Reading, target: ast.expr, value: Value) -> None:
    """Give the target of an assignment its value."""
    if target.__class__ is Name:
        r.bind(target.id, value)
    elif target.__class__ is Attribute:
        bind_attribute(r, target, value)
    elif isinstance(target, ast.Tuple | ast.List):
        values = value if isinstance(value, tuple) else ()
        if len(values) != len(target.elts):
            values = (element(value),) * len(target.elts)
        for one, part in zip(target.elts, values, strict=True):
            bind(r, one, part)
    elif isinstance(target, ast.Starred):
        bind(r, target.value, None if value is None else (value,))
    else:
        read_children(r, target)


def bind_attribute(r: Reading, target: ast.Attribute, value: Value) -> None:
    """Assign to an attribute: a class's own, or a switch of a layer."""
    owner = value_of(r, target.value)
    if not isinstance(owner, Instance):
        return
    if owner.own is not None and target.attr not in SWITCHES:
        owner.own.keep(target.attr, value)
    elif entry := member(owner.kind, target.attr):
        r.mark_member(target, entry)


SWITCHES = {"trainable", "supports_masking", "input_spec", "stateful"}
"""Attributes of layers that code sets without defining them."""
