"""Rules of the mechanical rewriter, derived from the rows of the API map.

A rule says: a call of this TensorFlow function with these arguments is that
PyTorch expression. It is read from one executed row of kind ``same`` whose two
sides are each one expression, by matching their arguments: inputs by their
name, literals by their value, constants as ``tf.float32`` by their place.
Nothing is said twice: a row that is corrected corrects its rule.

A row gives no rule where that would be a guess, see :func:`derive`. Nothing
here imports more than the standard library.
"""

import ast
import copy
import re
from collections.abc import Iterable, Iterator
from functools import cache
from typing import Any, NamedTuple

from migrate_examples.api_map import Row, rows
from migrate_examples.api_map.symbols import (
    TORCH_SYMBOLS,
    Parameter,
    main_name,
    parameters,
    symbol,
)
from migrate_examples.scan.rule_facts import (
    DIMENSIONS,
    FORBIDDEN,
    FORMULAS,
    GIVES,
    LAYOUTS,
    MODULES,
    NARROW,
    NUMBERS,
    ONE_MATRIX,
    WHOLE,
)

REST = re.compile(r"[(,]\s*\*\w")
"""``*args`` in a signature."""

Literal = tuple[str, object]
"""Type and value, so that ``1``, ``1.0`` and ``True`` are told apart."""


class Hole(NamedTuple):
    """A place of the PyTorch side that an argument of the call fills.

    Attributes
    ----------
    parameter : str
        Name of TensorFlow's parameter.
    takes : str
        ``tensor``; ``tensors`` (a list of them); ``constant`` (a symbol, such as
        a dtype); or the type of a literal: ``int``, ``float``, ``bool``, ``str``,
        ``ints``.
    spread : bool
        Whether the items of a list become arguments of their own.
    or_number : bool
        Whether a tensor may be a plain number instead.
    default : str or None
        What to write where the call leaves the argument out: source, empty where
        nothing need be written, None where the rule does not apply.
    """

    parameter: str
    takes: str
    spread: bool = False
    default: str | None = None
    or_number: bool = False


class Rule(NamedTuple):
    """How a call is written in PyTorch.

    Attributes
    ----------
    symbol : str
        Main name of the TensorFlow function.
    template : str
        PyTorch expression; ``_0``, ``_1`` … stand for the holes.
    holes : tuple of Hole
    exact : dict
        Parameters that must have this very value, as a literal or as the name of
        a constant.
    gives : str
        ``tensor``, or what :data:`GIVES` says.
    modules : frozenset of str
        Names of :data:`MODULES` that the template uses.
    row : Row
        Where it comes from.
    """

    symbol: str
    template: str
    holes: tuple[Hole, ...]
    exact: dict[str, Literal]
    gives: str
    modules: frozenset[str]
    row: Row

    def hole(self, parameter: str) -> Hole | None:
        """The hole that a parameter fills."""
        return next((h for h in self.holes if h.parameter == parameter), None)


class NoRuleError(ValueError):
    """Why a row gives no rule."""


def dotted(node: ast.AST) -> str:
    """Dotted name of an expression; empty where it is not one.

    >>> dotted(ast.parse("tf.math.abs", mode="eval").body)
    'tf.math.abs'
    """
    if isinstance(node, ast.Name):
        return node.id
    if isinstance(node, ast.Attribute) and (owner := dotted(node.value)):
        return f"{owner}.{node.attr}"
    return ""


def literal(node: ast.AST) -> Literal | None:
    """Type and value of a literal: a number, text, None, or a list of numbers.

    >>> literal(ast.parse("(5, -1)", mode="eval").body)
    ('ints', (5, -1))
    """
    if isinstance(node, ast.List | ast.Tuple):
        items = [literal(item) for item in node.elts]
        if items and all(item and item[0] == "int" for item in items):
            return "ints", tuple(item[1] for item in items if item)
        return None
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub):
        inner = literal(node.operand)
        if inner and isinstance(inner[1], int | float) and inner[0] != "bool":
            return inner[0], -inner[1]
        return None
    if isinstance(node, ast.Constant):
        return type(node.value).__name__, node.value
    return None


@cache
def signature_of(name: str) -> tuple[Parameter, ...]:
    """Parameters of a TensorFlow function, in order; some for its ``*args``.

    >>> [p.name for p in signature_of("tf.einsum")]
    ['equation', '*0', '*1', '*2', '*3']
    """
    found = symbol(name)
    if found is None or not found.signature:
        raise NoRuleError(f"the parameters of {name} are not known")
    known = parameters(found.signature)
    if not REST.search(found.signature):
        return tuple(known)
    rest = [Parameter(f"*{n}", None) for n in range(4)]
    places = sum(not p.keyword_only for p in known)
    return (*known[:places], *rest, *known[places:])


def bind(name: str, call: ast.Call) -> dict[str, ast.expr]:
    """Arguments of a call by the parameters of the function it calls.

    Raises
    ------
    NoRuleError
        Where the signature does not say which is which.
    """
    known = signature_of(name)
    places = [p.name for p in known if not p.keyword_only]
    if len(call.args) > len(places):
        raise NoRuleError(f"more arguments than {name} has places")
    if any(isinstance(a, ast.Starred) for a in call.args):
        raise NoRuleError("a starred argument")
    bound: dict[str, ast.expr] = dict(zip(places, call.args, strict=False))
    names = {p.name for p in known}
    for keyword in call.keywords:
        if keyword.arg not in names or keyword.arg in bound:
            raise NoRuleError(f"{name} has no parameter {keyword.arg}")
        bound[keyword.arg] = keyword.value
    return bound


def expression(code: str, side: str) -> ast.expr:
    """Parse a side of a row that is one expression."""
    body = ast.parse(code.strip()).body
    if len(body) != 1 or not isinstance(body[0], ast.Expr):
        raise NoRuleError(f"{side} is more than an expression")
    return body[0].value


def refuse(row: Row) -> None:
    """Raise where a row, by what it says of itself, gives no rule."""
    if row.kind != "same":
        raise NoRuleError(f"its kind is {row.kind}")
    if row.unverified or not row.torch:
        raise NoRuleError("it is not executed")
    if row.differs:
        raise NoRuleError(f"it differs on {', '.join(row.differs)}")
    if row.weights or row.compare == "shape":
        raise NoRuleError("its values are not compared as they are")
    if any(LAYOUTS & set(spec.split()) for spec in row.inputs.values()):
        raise NoRuleError("the layout of its input changes")


class Matching:
    """The two sides of a row, whose arguments are paired one by one."""

    def __init__(self, row: Row) -> None:
        call = expression(row.tf, "TensorFlow's side")
        name = isinstance(call, ast.Call) and dotted(call.func)
        if not isinstance(call, ast.Call) or not name:
            raise NoRuleError("TensorFlow's side is not one call of a function")
        found = main_name(name) if name.partition(".")[0] in {"tf", "keras"} else None
        if found is None:
            raise NoRuleError(f"{name} is no function of TensorFlow")
        if found in NARROW:
            raise NoRuleError(NARROW[found])
        self.symbol = found
        self.row = row
        self.bound = bind(found, call)
        self.torch = copy.deepcopy(expression(row.torch, "PyTorch's side"))
        self.holes: list[Hole] = []
        self.exact: dict[str, Literal] = {}

    def rule(self) -> Rule:
        """Pair all arguments, and check what is left of the PyTorch side."""
        for parameter, value in self.bound.items():
            if self.is_operation(value):  # before the inputs inside it are taken
                self.replace_expression(parameter, value)
        for parameter, value in self.bound.items():
            if not self.is_operation(value):
                self.pair(parameter, value)
        if not self.holes:
            raise NoRuleError("PyTorch's side takes nothing of TensorFlow's")
        if not isinstance(self.torch, WHOLE):
            raise NoRuleError(f"PyTorch's side is a {type(self.torch).__name__}")
        self.check_names()
        self.check_numbers()
        self.torch = ast.fix_missing_locations(self.torch)
        modules = {n.id for n in ast.walk(self.torch) if isinstance(n, ast.Name)}
        return Rule(
            self.symbol,
            ast.unparse(self.torch),
            tuple(self.completed(n, hole) for n, hole in enumerate(self.holes)),
            self.exact,
            GIVES.get(self.outermost(), "tensor"),
            frozenset(modules & MODULES.keys()),
            self.row,
        )

    def outermost(self) -> str:
        """Name of what PyTorch does last."""
        whole = self.torch.func if isinstance(self.torch, ast.Call) else self.torch
        return whole.attr if isinstance(whole, ast.Attribute) else ""

    def pair(self, parameter: str, value: ast.expr) -> None:
        """Find the place on the PyTorch side where an argument went."""
        name = dotted(value)
        if name in self.row.inputs:
            self.replace_input(parameter, name)
        elif isinstance(value, ast.List | ast.Tuple) and all(
            dotted(item) in self.row.inputs for item in value.elts
        ):
            self.replace_inputs(parameter, [dotted(item) for item in value.elts])
        elif name.startswith(("tf.", "keras.")):
            self.replace_constant(parameter, name)
        elif (found := literal(value)) is not None:
            self.replace_literal(parameter, found)
        else:
            raise NoRuleError(f"{parameter} is an expression: {ast.unparse(value)}")

    def is_operation(self, value: ast.expr) -> bool:
        """Tell whether an argument is arithmetic or a comparison of inputs."""
        names = {n.id for n in ast.walk(value) if isinstance(n, ast.Name)}
        operation = isinstance(value, ast.BinOp | ast.Compare | ast.UnaryOp)
        return operation and bool(names) and names <= self.row.inputs.keys()

    def replace_expression(self, parameter: str, value: ast.expr) -> None:
        """Pair arithmetic that stands on both sides as it is."""
        source = ast.unparse(value)
        found = [n for n in ast.walk(self.torch) if ast.unparse(n) == source]
        if len(found) != 1:
            raise NoRuleError(f"PyTorch's side has {source} {len(found)} times")
        self.fill(found[0], parameter, "tensor")

    def fill(self, node: ast.AST, parameter: str, takes: str) -> None:
        """Put a hole where a node stands."""
        hole = ast.Name(f"_{len(self.holes)}", ast.Load())
        self.torch = replaced(self.torch, {id(node): [hole]})
        self.holes.append(Hole(parameter, takes))

    def spread(self, run: list[ast.expr], parameter: str, takes: str) -> None:
        """Put a hole for several arguments where they stand in a row."""
        hole = ast.Name(f"_{len(self.holes)}", ast.Load())
        gone: dict[int, list[ast.expr]] = {id(node): [] for node in run[1:]}
        self.torch = replaced(self.torch, {id(run[0]): [hole], **gone})
        self.holes.append(Hole(parameter, takes, spread=True))

    def replace_input(self, parameter: str, name: str) -> None:
        """Pair an input, which PyTorch must use once."""
        found = [n for n in ast.walk(self.torch) if dotted(n) == name]
        if len(found) != 1:
            raise NoRuleError(f"PyTorch's side has {name} {len(found)} times")
        self.fill(found[0], parameter, "tensor")

    def replace_inputs(self, parameter: str, names: list[str]) -> None:
        """Pair a list of inputs."""
        for node in ast.walk(self.torch):
            items = node.elts if isinstance(node, ast.List | ast.Tuple) else []
            if items and [dotted(item) for item in items] == names:
                self.fill(node, parameter, "tensors")
                return
        raise NoRuleError(f"PyTorch's side has no list of {', '.join(names)}")

    def replace_constant(self, parameter: str, name: str) -> None:
        """Pair ``tf.X`` with ``torch.X``; without one, it has to be that very ``X``."""
        known = main_name(name) or name
        twins = [
            n
            for n in ast.walk(self.torch)
            if dotted(n).startswith("torch.") and last(dotted(n)) == last(name)
        ]
        if len(twins) == 1:
            self.fill(twins[0], parameter, "constant")
        else:
            self.exact[parameter] = "constant", known

    def replace_literal(self, parameter: str, found: Literal) -> None:
        """Pair a literal with its equal; without one, it has to be that very value."""
        if [literal(v) for v in self.bound.values()].count(found) > 1:
            raise NoRuleError(f"{found[1]!r} stands twice in TensorFlow's side")
        takes = found[0]
        same = [n for n in literals(self.torch) if literal(n) == found]
        if len(same) > 1:
            raise NoRuleError(f"{found[1]!r} stands twice in PyTorch's side")
        if takes == "NoneType" or (takes == "str" and parameter not in FORMULAS):
            self.exact[parameter] = found  # another text need not have a twin
        elif same:
            self.fill(same[0], parameter, takes)
        elif takes == "ints" and (run := self.run_of(found)):
            self.spread(run, parameter, takes)
        else:
            self.exact[parameter] = found

    def run_of(self, found: Literal) -> list[ast.expr]:
        """Arguments of a call that are the items of a list one by one, to the last."""
        assert isinstance(found[1], tuple)
        for node in ast.walk(self.torch):
            if isinstance(node, ast.Call):
                run = node.args[-len(found[1]) :]
                if [literal(n) for n in run] == [("int", n) for n in found[1]]:
                    return run
        return []

    def check_names(self) -> None:
        """Raise on what ties the PyTorch side to its example."""
        for node in ast.walk(self.torch):
            if isinstance(node, ast.Name) and node.id.strip("_0123456789"):
                if node.id not in MODULES:
                    raise NoRuleError(f"PyTorch's side uses {node.id}")
            elif isinstance(node, ast.Attribute) and node.attr in ONE_MATRIX:
                raise NoRuleError(f".{node.attr} is of a matrix alone")
            elif isinstance(node, FORBIDDEN):
                raise NoRuleError(f"PyTorch's side is {ast.unparse(node)}")

    def check_numbers(self) -> None:
        """Raise on a number that stands in PyTorch alone: a shape's, it may be.

        Defaults of TensorFlow that PyTorch has to be told, operands,
        ``correction`` and dimensions counted from the end do not depend on it.
        """
        known = signature_of(self.symbol)
        defaults = [p.default for p in known if p.name not in self.bound]
        harmless = set(map(id, operands(self.torch)))
        for node in literals(self.torch):
            found = literal(node)
            if not found or found[0] not in {"int", "ints"} or id(node) in harmless:
                continue
            if ast.unparse(node) not in defaults:
                raise NoRuleError(f"{ast.unparse(node)} stands in PyTorch's side alone")

    def completed(self, number: int, hole: Hole) -> Hole:
        """Say what else a hole takes, and what an argument left out means."""
        whole = self.torch
        if isinstance(whole, ast.Call) and dotted(whole.func) in NUMBERS:
            is_second = [dotted(a) for a in whole.args[1:2]] == [f"_{number}"]
            return hole._replace(or_number=is_second and hole.takes == "tensor")
        known = signature_of(self.symbol)
        ours = next(p.default for p in known if p.name == hole.parameter)
        if ours in {None, "None"} or hole.spread:
            return hole  # None has a meaning of its own on either side
        assert ours is not None
        if ours == default_of(self.torch, f"_{number}"):
            return hole._replace(default="")
        found = literal(ast.parse(ours, mode="eval").body)
        if found and found[0] == hole.takes:
            return hole._replace(default=ours)
        return hole


class Replacement(ast.NodeTransformer):
    """Puts other nodes, or none, in the place of some."""

    def __init__(self, places: dict[int, list[ast.expr]]) -> None:
        self.places = places

    def visit(self, node: ast.AST) -> Any:
        """Replace a node, or look inside it."""
        if id(node) not in self.places:
            return self.generic_visit(node)
        return next(iter(self.places[id(node)]), None)


def replaced(tree: ast.expr, places: dict[int, list[ast.expr]]) -> ast.expr:
    """Put other nodes in the place of some, which are known by their identity."""
    found = Replacement(places).visit(tree)
    assert isinstance(found, ast.expr)
    return found


def literals(tree: ast.AST) -> Iterator[ast.expr]:
    """Literals of a tree, each as a whole: ``-1`` is one."""
    if isinstance(tree, ast.expr) and literal(tree) is not None:
        yield tree
        return
    for child in ast.iter_child_nodes(tree):
        yield from literals(child)


def operands(tree: ast.AST) -> Iterator[ast.AST]:
    """Numbers that hold for any shape: see :meth:`Matching.check_numbers`."""
    for node in ast.walk(tree):
        if isinstance(node, ast.BinOp):
            yield from (node.left, node.right)
        elif isinstance(node, ast.Compare):
            yield from (node.left, *node.comparators)
        elif isinstance(node, ast.keyword):
            is_from_end = isinstance(node.value, ast.UnaryOp)
            if node.arg == "correction" or (is_from_end and node.arg in DIMENSIONS):
                yield node.value


def default_of(tree: ast.AST, hole: str) -> str | None:
    """Source of the default that PyTorch has for an argument of a template."""
    for node in ast.walk(tree):
        if not isinstance(node, ast.Call):
            continue
        known = torch_parameters(node.func)
        for keyword in node.keywords:
            if dotted(keyword.value) == hole:
                return next((p.default for p in known if p.name == keyword.arg), None)
        places = [p for p in known if not p.keyword_only]
        if (
            node.args
            and dotted(node.args[-1]) == hole
            and len(node.args) <= len(places)
        ):
            return places[len(node.args) - 1].default
    return None


def torch_parameters(function: ast.expr) -> list[Parameter]:
    """Parameters of a function or method of a template, as far as they are known."""
    root, _, rest = dotted(function).partition(".")
    if root in MODULES:
        name = f"{MODULES[root]}.{rest}"
    elif isinstance(function, ast.Attribute):
        name = f"torch.Tensor.{function.attr}"
    else:
        return []
    found = symbol(name, TORCH_SYMBOLS)
    return parameters(found.signature) if found else []


def derive(row: Row) -> Rule:
    """Read the rule of a row.

    Raises
    ------
    NoRuleError
        With the reason: the row is not executed, or of another kind; a side is
        not one call; the same literal stands twice; an argument is an
        expression; PyTorch's side has a number of its own, so that it may hold
        for the shape of the example alone.

    Examples
    --------
    >>> row = Row(
    ...     "tf.reduce_mean(x, axis=1, keepdims=True)",
    ...     "torch.mean(x, dim=1, keepdim=True)",
    ...     inputs={"x": "f32[2,3]"},
    ... )
    >>> derive(row).template
    'torch.mean(_0, dim=_1, keepdim=_2)'
    >>> derive(row._replace(torch="torch.mean(x, dim=1, keepdim=True).reshape(2, 3)"))
    Traceback (most recent call last):
    ...
    migrate_examples.scan.rules.NoRuleError: 2 stands in PyTorch's side alone
    """
    refuse(row)
    return Matching(row).rule()


def why_not(row: Row) -> str:
    """Why a row gives no rule; empty where it gives one.

    >>> why_not(Row("tf.transpose(x)", "x.T", inputs={"x": "f32[2,3]"}))
    '.T is of a matrix alone'
    """
    try:
        derive(row)
    except NoRuleError as error:
        return str(error)
    return ""


def constants_of(given: Iterable[Row]) -> dict[str, str]:
    """PyTorch's names of TensorFlow's constants, as rows pair them.

    >>> constants_of([Row("tf.cast(x, tf.int8)", "x.to(torch.int8)", inputs={"x": ""})])
    {'tf.int8': 'torch.int8'}
    >>> constants_of([Row("x[:, tf.newaxis]", "x[:, None]", inputs={"x": ""})])
    {'tf.newaxis': 'None'}
    """
    found: dict[str, str] = {}
    for row in given:
        try:
            refuse(row)
            ours, theirs = expression(row.tf, ""), expression(row.torch, "")
        except NoRuleError:
            continue
        for name in filter(is_constant, {dotted(n) for n in ast.walk(ours)}):
            if twin := twin_of(name, ours, theirs):
                found.setdefault(main_name(name) or name, twin)
    return found


def twin_of(name: str, ours: ast.expr, theirs: ast.expr) -> str:
    """What stands for a constant on the PyTorch side; empty where that is not clear.

    Its namesake does, or what makes the two sides equal when it is put in.
    """
    source = ast.unparse(theirs)
    for node in ast.walk(theirs):
        other = dotted(node)
        if other.startswith("torch.") and last(other) == last(name):
            return other
    for node in ast.walk(theirs):
        if isinstance(node, ast.Constant):
            other = ast.unparse(node)
            if ast.unparse(ours).replace(name, other) == source:
                return other
    return ""


def last(name: str) -> str:
    """Last part of a dotted name."""
    return name.rpartition(".")[2]


def is_constant(name: str) -> bool:
    """Tell whether a name of TensorFlow is no function and no class.

    >>> is_constant("tf.float64"), is_constant("tf.abs")
    (True, False)
    """
    if not name.startswith(("tf.", "keras.")) or ".experimental." in name:
        return False  # types of 4 bits and fewer: PyTorch has but their names
    found = symbol(main_name(name) or name)
    return bool(found and not found.signature and not found.is_class)


def rules_of(given: Iterable[Row]) -> dict[str, tuple[Rule, ...]]:
    """Rules of the rows that give one, by the main name of their function."""
    found: dict[str, list[Rule]] = {}
    for row in given:
        try:
            rule = derive(row)
        except NoRuleError:
            continue
        found.setdefault(rule.symbol, []).append(rule)
    return {name: tuple(group) for name, group in found.items()}


@cache
def rules() -> dict[str, tuple[Rule, ...]]:
    """Rules of the whole map.

    >>> all(rule.row.kind == "same" for group in rules().values() for rule in group)
    True
    """
    return rules_of(rows())


@cache
def constants() -> dict[str, str]:
    """Constants of the whole map."""
    return constants_of(rows())
