"""Reads calls: what they return, their strings with a meaning, and their traps."""

import ast
from ast import Attribute, Constant, Name
from collections.abc import Callable
from itertools import pairwise

from migrate_examples.scan.definitions import returned_by
from migrate_examples.scan.expressions import TENSOR, read_member, read_name
from migrate_examples.scan.kinds import CLASSES, KEYWORDS
from migrate_examples.scan.methods import (
    family,
    guess_by_keywords,
    made_by,
    member,
    returned,
)
from migrate_examples.scan.names import import_path, resolve
from migrate_examples.scan.reading import (
    READERS,
    Reading,
    looked_at,
    reads,
    symbol_of,
)
from migrate_examples.scan.strings import find_strings
from migrate_examples.scan.traps import Rule, matching
from migrate_examples.scan.values import (
    Bound,
    Instance,
    UserClass,
    UserFunction,
    Value,
    element,
)


@reads(ast.Call)
def read_call(r: Reading, node: ast.Call) -> Value:
    """Read a call: its function, then its arguments, then what they mean together."""
    func = node.func
    value = READERS[func.__class__](r, func)
    given: Value = None
    if node.args:
        argument = node.args[0]
        if argument.__class__ is not Constant:
            given = READERS[argument.__class__](r, argument)
        if len(node.args) > 1:
            read_arguments(r, node.args[1:])
    if node.keywords:
        layers = read_keywords(r, node.keywords)
        given = given if given is not None else layers
    if value is None:
        return call_unknown(r, node, given)
    if value.__class__ is str:
        return call_symbol(r, node, value, given)
    return CALLS[value.__class__](r, node, value, given)


def read_arguments(r: Reading, arguments: list[ast.expr]) -> None:
    """Read arguments that are passed by their place."""
    for argument in arguments:
        if argument.__class__ is Name:
            if argument.id in r.aliases:
                read_name(r, argument)
        elif argument.__class__ is not Constant:
            READERS[argument.__class__](r, argument)


def read_keywords(r: Reading, keywords: list[ast.keyword]) -> Value:
    """Read arguments that are passed by name; return the one called layers."""
    layers = None
    for keyword in keywords:
        argument = keyword.value
        if keyword.arg == "layers":
            layers = READERS[argument.__class__](r, argument)
        elif argument.__class__ is Name:
            if argument.id in r.aliases:
                read_name(r, argument)
        elif argument.__class__ is not Constant:
            READERS[argument.__class__](r, argument)
    return layers


def call_symbol(r: Reading, node: ast.Call, path: str, given: Value) -> Value:
    """Call a function or class of TensorFlow."""
    found = resolve(path)
    if found is None or found.parts != path.count(".") + 1:
        return None
    target = found.symbol
    if not r.is_silent:
        for where, entry, name in find_strings(node, target):
            r.mark(where, "argument", entry, name)
        traps = r.traps
        if target in traps.unread or target in traps.calls:
            mark_traps(r, node, traps.met(traps.calls, target), target)
    kind = made_by(target)
    if target in PASSING:
        return given
    made = Instance(kind, target, node)
    if kind == "Function" and isinstance(given, UserFunction):
        given.kind = "Function"
        return given
    if kind == "Sequential" and isinstance(given, tuple):
        add_layers(r, made, given)
    if kind == "Layer" and isinstance(given, UserFunction):
        given.takes_tensors = True  # Lambda(function)
    return made


PASSING = {"tf.identity", "tf.stop_gradient", "tf.nest.map_structure"}


def mark_traps(
    r: Reading, node: ast.Call, rules: "list[Rule] | tuple[()]", target: str
) -> None:
    """Note the pitfalls that a call shows."""
    if not rules or r.is_silent:
        return
    found = matching(rules, node, target, lambda n: symbol_of(looked_at(r, n)))
    for entry in sorted(found):
        r.mark(node, "trap", entry, spelled(node.func))


def spelled(node: ast.expr) -> str:
    """The name of a called function as the code writes it."""
    parts = []
    while isinstance(node, ast.Attribute):
        parts.append(node.attr)
        node = node.value
    parts.append(node.id if isinstance(node, ast.Name) else "")
    return ".".join(reversed(parts))


def mark_order(r: Reading, layer: Instance, before: str) -> None:
    """Note the pitfalls of a layer that comes after another."""
    rules = r.traps.met(r.traps.after, layer.made_by)
    if rules and layer.node is not None:
        follows = [rule for rule in rules if before in rule.when.after]
        mark_traps(r, layer.node, follows, layer.made_by)


def add_layers(r: Reading, model: Instance, layers: tuple[Value, ...]) -> None:
    """Put layers in their order into a Sequential."""
    for before, layer in pairwise(layers):
        if isinstance(layer, Instance):
            mark_order(r, layer, symbol_of(before))
    model.last = symbol_of(layers[-1]) if layers else ""


def call_instance(r: Reading, _node: ast.Call, value: Instance, given: Value) -> Value:
    """Call an object: a layer on a tensor, a loss on predictions."""
    if value.own is not None and value.own.has("__call__"):
        return returned_by(r, value.own.get("__call__"))
    kinds = family(value.kind)
    if "Layer" in kinds:
        if isinstance(given, tuple):
            given = element(given)
        if isinstance(given, Instance) and given.made_by:
            mark_order(r, value, given.made_by)
        return Instance("Tensor", value.made_by)
    return TENSOR if {"Loss", "Metric", "Schedule"} & set(kinds) else None


def call_bound(r: Reading, node: ast.Call, value: Bound, given: Value) -> Value:
    """Call a method of an object."""
    instance, name = value.instance, value.name
    call_method(r, node, instance.kind, name)
    if name == "add" and instance.kind == "Sequential" and isinstance(given, Instance):
        mark_order(r, given, instance.last)
        instance.last = given.made_by
    if instance.kind == "Dataset" and isinstance(given, UserFunction):
        given.takes_tensors = True
    return_kind = returned(instance.kind, name)
    return Instance(return_kind) if return_kind else None


def call_method(r: Reading, node: ast.Call, kind: str, name: str) -> None:
    """Note strings and traps of a method's call."""
    if r.is_silent:
        return
    owners = [o.rstrip("1") for o in family(kind)]
    target = next((f"{o}.{name}" for o in owners if o in CLASSES), f"{kind}.{name}")
    for where, entry, written in find_strings(node, target):
        r.mark(where, "argument", entry, written)
    for owner in owners:
        mark_traps(r, node, r.traps.met(r.traps.methods, f"{owner}.{name}"), target)


def call_function(
    r: Reading, _node: ast.Call, value: UserFunction, _given: Value
) -> Value:
    """Call a function of the scanned code."""
    return returned_by(r, value)


def call_class(_r: Reading, node: ast.Call, value: UserClass, _given: Value) -> Value:
    """Make an object of a class of the scanned code."""
    return Instance(value.kind, "", node, value)


def call_nothing(_r: Reading, _node: ast.Call, _value: Value, _given: Value) -> Value:
    """Call what cannot be called."""
    return None


CALLS: dict[type, Callable[..., Value]] = {
    Instance: call_instance,
    Bound: call_bound,
    UserFunction: call_function,
    UserClass: call_class,
    tuple: call_nothing,
}


def call_unknown(r: Reading, node: ast.Call, given: Value) -> Value:
    """Call a built-in function, or a method of an unknown object."""
    func = node.func
    if func.__class__ is Name:
        if func.id in BUILTINS and not r.scope.find(func.id)[0]:
            return BUILTINS[func.id](r, node, given)
        return given if func.id == "partial" else None
    if func.__class__ is Attribute:
        name = func.attr
        if name in KEYWORDS or name in IMPORTING or name in r.traps.known_methods:
            return call_attribute(r, node, func, given)
    return None


IMPORTING = {"partial", "import_module"}
"""Functions of the standard library whose result is followed."""


def call_attribute(
    r: Reading, node: ast.Call, func: ast.Attribute, given: Value
) -> Value:
    """Call a method of an unknown object: its arguments may tell what it is."""
    name = func.attr
    if name == "partial":
        return given
    if name == "import_module":
        return import_by_name(r, node, given)
    if not r.follows:
        return None
    if name in KEYWORDS:
        kind = guess_by_keywords(name, {k.arg for k in node.keywords})
        if kind:
            return call_guessed(r, node, func, kind)
    if rules := r.traps.met(r.traps.any_receiver, name):
        for owner in dict.fromkeys(o for rule in rules for o in rule.when.method):
            if owner.endswith(f".{name}"):
                mark_traps(r, node, [x for x in rules if owner in x.when.method], owner)
    return None


def call_guessed(r: Reading, node: ast.Call, func: ast.Attribute, kind: str) -> Value:
    """Call a method of an object whose type its arguments tell."""
    if entry := member(kind, func.attr):
        r.mark_member(func, entry, certain=False)
    call_method(r, node, kind, func.attr)
    return_kind = returned(kind, func.attr)
    return Instance(return_kind) if return_kind else None


def read_getattr(r: Reading, node: ast.Call, given: Value) -> Value:
    """``getattr(tf, "abs")`` names a symbol."""
    if len(node.args) < 2 or not isinstance(node.args[1], ast.Constant):
        return None
    name = node.args[1].value
    if not isinstance(name, str) or not name.isidentifier():
        return None
    if isinstance(given, str):
        path = f"{given}.{name}"
        r.mark_symbol(node, node, path, f"{spelled(node.args[0])}.{name}")
        return path
    if given is None:
        return None
    there = node.args[1]
    attribute = ast.Attribute(node.args[0], name, ast.Load())
    return read_member(r, given, ast.copy_location(attribute, there))


def read_super(r: Reading, _node: ast.Call, _given: Value) -> Value:
    """``super()`` has the methods of the bases."""
    if r.own is None:
        return None
    bases = r.own.bases
    return Instance(r.own.kind, own=bases[0] if bases else None)


def import_by_name(r: Reading, node: ast.Call, _given: Value) -> Value:
    """``importlib.import_module("tensorflow")`` is the module."""
    if node.args and isinstance(node.args[0], ast.Constant):
        path = import_path(str(node.args[0].value))
        r.follows = r.follows or path is not None
        return path
    return None


def read_enumerate(_r: Reading, _node: ast.Call, given: Value) -> Value:
    """``enumerate(x)`` gives pairs."""
    item = element(given)
    return None if item is None else ((None, item),)


def read_zip(r: Reading, node: ast.Call, _given: Value) -> Value:
    """``zip(x, y)`` gives pairs."""
    items = tuple(element(looked_at(r, a)) for a in node.args)
    return (items,) if any(i is not None for i in items) else None


def read_same(_r: Reading, _node: ast.Call, given: Value) -> Value:
    """``list(x)`` has the items of x."""
    return given


def read_next(_r: Reading, _node: ast.Call, given: Value) -> Value:
    """``next(x)`` is an item of x."""
    return element(given)


BUILTINS: dict[str, Callable[[Reading, ast.Call, Value], Value]] = {
    "__import__": import_by_name,
    "enumerate": read_enumerate,
    "getattr": read_getattr,
    "iter": read_same,
    "list": read_same,
    "next": read_next,
    "reversed": read_same,
    "super": read_super,
    "tuple": read_same,
    "zip": read_zip,
}
