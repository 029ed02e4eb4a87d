"""Decides which calls are rewritten: those of which nothing is in doubt."""

import ast
from typing import NamedTuple

import libcst as cst

from migrate_examples.api_map.symbols import Parameter
from migrate_examples.scan.rewrite_build import build, comments
from migrate_examples.scan.rewrite_names import Names, chain, root
from migrate_examples.scan.rewrite_traced import traced
from migrate_examples.scan.rule_facts import MODULES
from migrate_examples.scan.rules import (
    Hole,
    Literal,
    Rule,
    constants,
    literal,
    rules,
    signature_of,
)

READABLE = {"shape", "ndim", "dtype", "numpy"}
"""Attributes that a tensor has in both frameworks, with one meaning."""

NOT_TENSORS = {"shape", "dtype", "name", "ndim", "device", "rank", "op", "graph"}
"""Attributes of a tensor that are none."""

UNTOUCHED = (cst.FormattedString, cst.Decorator, cst.Annotation)
"""Text that is printed, and what is no value."""

COMPARISONS = (
    cst.LessThan,
    cst.LessThanEqual,
    cst.GreaterThan,
    cst.GreaterThanEqual,
    cst.Equal,
    cst.NotEqual,
)

MIXING = (
    cst.BinaryOperation,
    cst.BooleanOperation,
    cst.UnaryOperation,
    cst.Comparison,
    cst.IfExp,
    cst.Subscript,
    cst.NamedExpr,
    cst.BaseComp,
)
"""Expressions whose parts meet: one framework's tensors may not meet the other's."""


class Plan(NamedTuple):
    """How a call is rewritten.

    Attributes
    ----------
    rule : Rule
    given : dict
        Hole to the argument that fills it, both by number.
    written : dict
        Hole to what is written in it, where the call leaves the argument out or
        names a constant.
    """

    rule: Rule
    given: dict[int, int]
    written: dict[int, str]

    @property
    def modules(self) -> frozenset[str]:
        """Names of PyTorch that the new code uses."""
        roots = {text.partition(".")[0] for text in self.written.values()}
        return self.rule.modules | (roots & MODULES.keys())


class Planner(cst.CSTVisitor):
    """Plans calls from the inside out, then drops those that would mix frameworks.

    Attributes
    ----------
    plans : dict
        Calls to rewrite.
    constants : dict
        Names such as ``tf.float32`` to rewrite, and to what.
    """

    def __init__(self, names: Names) -> None:
        self.names = names
        self.plans: dict[cst.Call, Plan] = {}
        self.constants: dict[cst.CSTNode, str] = {}
        self.usable = names.usable()
        if not names.is_ignored:
            names.module.visit(self)
            self.settle()

    def leave_Call(self, original_node: cst.Call) -> None:
        """Choose the rule that leaves the least unsaid."""
        symbol = self.names.symbol(original_node.func)
        if symbol not in rules() or not self.may_change(original_node):
            return
        found = [
            plan
            for rule in rules()[symbol]
            if (plan := self.plan(original_node, rule))
            and plan.modules <= self.usable
            and (rule.gives == "tensor" or not self.is_looked_into(original_node))
            and keeps_comments(original_node, plan)
        ]
        if found:
            self.plans[original_node] = min(found, key=unsaid)

    def leave_Comparison(self, original_node: cst.Comparison) -> None:
        """Plan the constant of ``x.dtype == tf.float32``."""
        sides = [original_node.left, *(c.comparator for c in original_node.comparisons)]
        if len(sides) != 2 or not self.may_change(original_node):
            return
        for side, other in (sides, sides[::-1]):
            twin = self.constant(other)
            if twin and self.is_dtype(side) and "torch" in self.usable:
                self.constants[other] = twin

    def leave_Subscript(self, original_node: cst.Subscript) -> None:
        """Plan the constant of ``x[:, tf.newaxis]``."""
        for element in original_node.slice:
            index = element.slice
            value = index.value if isinstance(index, cst.Index) else original_node.value
            if self.constant(value) == "None" and self.may_change(value):
                self.constants[value] = "None"

    def may_change(self, node: cst.CSTNode) -> bool:
        """Tell whether the surroundings of an expression let it become another."""
        if self.names.ignored & set(self.names.lines_of(node)):
            return False
        around = self.names.ancestors(node)
        return not any(isinstance(a, UNTOUCHED) for a in around) and self.is_plain(node)

    def is_plain(self, node: cst.CSTNode) -> bool:
        """Tell whether what is done with a value is done alike in both frameworks."""
        outer = self.names.parents[node]
        match outer:
            case cst.Attribute() if outer.value is node:  # not .shape.as_list()
                further = self.names.parents[outer]
                is_end = not isinstance(further, cst.Attribute)
                return is_end and outer.attr.value in READABLE
            case cst.Call() if outer.func is node:
                return False
            case cst.Subscript() if outer.value is node:
                return is_plain_index(outer) and self.is_plain(outer)
            case cst.BinaryOperation() | cst.UnaryOperation():
                return self.is_plain(outer)
        return True

    def is_looked_into(self, node: cst.CSTNode) -> bool:
        """Tell whether an attribute of a value is taken."""
        outer = self.names.parents[node]
        return isinstance(outer, cst.Attribute) and outer.value is node

    def settle(self) -> None:
        """Drop plans until no expression has tensors of both frameworks.

        What TensorFlow runs by itself is left alone as well, see
        :mod:`migrate_examples.scan.rewrite_traced`.
        """
        while True:
            staying = [n for n in self.names.references if n not in self.handled()]
            tainted = set(staying).union(*map(self.names.ancestors, staying))
            theirs = traced(self.names, tainted)
            spoiled = [
                node
                for node in (*self.plans, *self.constants)
                if node in tainted or self.meets(node, tainted, theirs)
            ]
            if not spoiled:
                return
            for node in spoiled:
                self.constants.pop(node, None)
                if isinstance(node, cst.Call):
                    del self.plans[node]

    def handled(self) -> set[cst.CSTNode]:
        """Names of TensorFlow that would be gone."""
        found: set[cst.CSTNode] = {call.func for call in self.plans} | {*self.constants}
        for call in self.plans:
            found |= {arg.value for arg in call.args if self.is_constant(arg.value)}
        return found

    def is_constant(self, node: cst.BaseExpression) -> bool:
        """Tell whether an argument of a planned call is the name of a symbol."""
        return bool(chain(node)) and self.names.symbol(node) is not None

    def meets(
        self, node: cst.CSTNode, tainted: set[cst.CSTNode], theirs: set[cst.CSTNode]
    ) -> bool:
        """Tell whether an expression stands where TensorFlow's tensors are."""
        for outer in self.names.ancestors(node):
            if outer in theirs or (isinstance(outer, MIXING) and outer in tainted):
                return True
            if isinstance(outer, cst.Call) and outer.func in tainted:
                return True
        return False

    # What a call's arguments are.

    def plan(self, call: cst.Call, rule: Rule) -> Plan | None:
        """Fit a rule to a call; None where an argument is not covered."""
        known = {p.name: p for p in signature_of(rule.symbol)}
        bound = bind(call, list(known.values()))
        if bound is None or not all(
            self.covers(rule, known[parameter], call.args[index].value)
            for parameter, index in bound.items()
        ):
            return None
        for parameter in rule.exact.keys() - bound.keys():
            if source_literal(known[parameter].default) != rule.exact[parameter]:
                return None
        given: dict[int, int] = {}
        written: dict[int, str] = {}
        for number, hole in enumerate(rule.holes):
            if hole.parameter in bound:
                given[number] = bound[hole.parameter]
                twin = self.constant(call.args[given[number]].value)
                if twin and hole.takes == "constant":
                    written[number] = twin
            elif hole.default is not None:
                written[number] = hole.default
            else:
                return None
        return Plan(rule, given, written)

    def covers(
        self, rule: Rule, parameter: Parameter, value: cst.BaseExpression
    ) -> bool:
        """Tell whether a rule knows what an argument becomes."""
        hole = rule.hole(parameter.name)
        if hole is not None:
            return self.fits(hole, value)
        if parameter.name in rule.exact:
            return self.is_exactly(value, rule.exact[parameter.name])
        return may_be_dropped(parameter, value)

    def fits(self, hole: Hole, value: cst.BaseExpression) -> bool:
        """Tell whether an argument surely is what a rule was proved with."""
        if hole.takes == "tensor":
            return self.is_tensor(value) or (hole.or_number and self.is_number(value))
        if hole.takes == "tensors":
            return self.is_sequence(value)
        if hole.takes == "constant":
            return self.constant(value) is not None or self.is_dtype(value)
        if hole.takes == "ints":
            return self.is_shape(value)
        found = literal_of(value)
        return found is not None and found[0] == hole.takes

    def is_tensor(self, node: cst.BaseExpression) -> bool:
        """Tell whether an expression is one of tensors, names taken at their word."""
        found = False
        match node:
            case cst.Name():
                found = self.names.may_be_tensor(node) and node.value not in SINGLETONS
            case cst.Attribute():
                is_name = isinstance(root(node), cst.Name)
                found = is_name and node.attr.value not in NOT_TENSORS
                found = found and not self.names.is_imported(node)
            case cst.Subscript():
                found = is_plain_index(node) and self.is_tensor(node.value)
            case cst.UnaryOperation():
                is_not = isinstance(node.operator, cst.Not)
                found = not is_not and self.is_tensor(node.expression)
            case cst.BinaryOperation():
                found = self.are_tensors([node.left, node.right])
            case cst.Comparison():
                sides = [node.left, *(c.comparator for c in node.comparisons)]
                kinds = [isinstance(c.operator, COMPARISONS) for c in node.comparisons]
                found = kinds == [True] and self.are_tensors(sides)
            case cst.Call():
                found = self.gives(node) == "tensor"
        return found

    def gives(self, call: cst.Call) -> str:
        """What a call gives once it is rewritten; empty where it is not."""
        return self.plans[call].rule.gives if call in self.plans else ""

    def are_tensors(self, sides: list[cst.BaseExpression]) -> bool:
        """Tell whether one side is a tensor, and the others are too or are numbers."""
        tensors = [self.is_tensor(side) for side in sides]
        return any(tensors) and all(
            is_tensor or self.is_number(side)
            for is_tensor, side in zip(tensors, sides, strict=True)
        )

    def is_number(self, node: cst.BaseExpression) -> bool:
        """Tell whether an expression is a Python number in both frameworks."""
        match node:
            case cst.Integer() | cst.Float():
                return True
            case cst.UnaryOperation():
                return self.is_number(node.expression)
            case cst.BinaryOperation():
                return self.is_number(node.left) and self.is_number(node.right)
            case cst.Call():
                return self.gives(node) == "number"
        return False

    def is_sequence(self, node: cst.BaseExpression) -> bool:
        """Tell whether an expression is a list of tensors, or a name for one."""
        if isinstance(node, cst.Name | cst.Attribute):
            return bool(chain(node)) and not self.names.is_imported(node)
        if isinstance(node, cst.List | cst.Tuple):
            return bool(node.elements) and all(
                isinstance(e, cst.Element) and self.is_tensor(e.value)
                for e in node.elements
            )
        return False

    def is_shape(self, node: cst.BaseExpression) -> bool:
        """Tell whether an expression is a list of numbers, or of names for them."""
        return (
            isinstance(node, cst.List | cst.Tuple)
            and bool(node.elements)
            and all(
                isinstance(e, cst.Element)
                and (self.is_number(e.value) or self.is_size(e.value))
                for e in node.elements
            )
        )

    def is_size(self, node: cst.BaseExpression) -> bool:
        """Tell whether an expression is a name of a size, or arithmetic of such."""
        match node:
            case cst.Name() | cst.Attribute():
                return not self.names.is_imported(node) and bool(chain(node))
            case cst.Subscript():  # x.shape[0]
                owner = node.value
                is_shape = isinstance(owner, cst.Attribute) and (
                    owner.attr.value == "shape"
                )
                return is_shape and is_plain_index(node) and bool(chain(owner))
            case cst.BinaryOperation():
                return all(
                    self.is_number(side) or self.is_size(side)
                    for side in (node.left, node.right)
                )
        return False

    def constant(self, node: cst.BaseExpression) -> str | None:
        """PyTorch's name of a constant such as ``tf.float32``."""
        symbol = self.names.symbol(node)
        return constants().get(symbol) if symbol else None

    def is_dtype(self, node: cst.BaseExpression) -> bool:
        """Tell whether an expression is the dtype of a tensor."""
        return (
            isinstance(node, cst.Attribute)
            and node.attr.value == "dtype"
            and self.is_tensor(node.value)
        )

    def is_exactly(self, node: cst.BaseExpression, wanted: Literal) -> bool:
        """Tell whether an argument is the very value that a rule needs."""
        if wanted[0] == "constant":
            return self.names.symbol(node) == wanted[1]
        return literal_of(node) == wanted


SINGLETONS = {"True", "False", "None", "self", "cls"}


def bind(call: cst.Call, known: list[Parameter]) -> dict[str, int] | None:
    """Numbers of a call's arguments by parameter; None where that is not sure."""
    places = [p.name for p in known if not p.keyword_only]
    names = {p.name for p in known}
    bound: dict[str, int] = {}
    for index, arg in enumerate(call.args):
        if arg.star:
            return None
        if arg.keyword is None:
            if index >= len(places):
                return None
            bound[places[index]] = index
        elif arg.keyword.value in names and arg.keyword.value not in bound:
            bound[arg.keyword.value] = index
        else:
            return None
    return bound


def literal_of(node: cst.BaseExpression) -> Literal | None:
    """Type and value of a literal in the code."""
    if isinstance(node, cst.SimpleString) and node.prefix:
        return None
    code = cst.Module([]).code_for_node(node)
    try:
        return literal(ast.parse(f"({code}\n)", mode="eval").body)
    except SyntaxError:
        return None


def source_literal(source: str | None) -> Literal | None:
    """Type and value of a default; of a constant, its name."""
    if source is None:
        return None
    if source.startswith("tf."):
        return "constant", source
    return literal(ast.parse(source, mode="eval").body)


def may_be_dropped(parameter: Parameter, value: cst.BaseExpression) -> bool:
    """Tell whether an argument says nothing: a name of the graph, or the default."""
    found = literal_of(value)
    if parameter.name == "name":
        return found is not None and found[0] in {"str", "NoneType"}
    return found is not None and found == source_literal(parameter.default)


def is_plain_index(node: cst.Subscript) -> bool:
    """Tell whether an index means the same in both: no list, no step backwards."""
    for element in node.slice:
        inner = element.slice
        if isinstance(inner, cst.Index):
            value = inner.value
            if inner.star or isinstance(value, cst.BaseList | cst.BaseComp | cst.Tuple):
                return False
        elif isinstance(inner, cst.Slice) and inner.step is not None:
            found = literal_of(inner.step)
            if found is None or found[0] != "int" or int(str(found[1])) <= 0:
                return False
    return True


def unsaid(plan: Plan) -> tuple[int, int]:
    """How many defaults a plan fills in, and how many arguments it does not use."""
    filled = len(plan.rule.holes) - len(plan.given)
    return filled, -len(plan.given)


def keeps_comments(call: cst.Call, plan: Plan) -> bool:
    """Tell whether rewriting would lose or move no comment."""
    after = build(call, plan.rule, plan.given, plan.written)
    return comments(after) == comments(call)
