"""Builds the PyTorch expression of a call, with the call's own formatting."""

import ast
from functools import cache

import libcst as cst

from migrate_examples.scan.rules import Rule

ATOMS = (cst.Name, cst.Attribute, cst.Call, cst.Subscript, cst.BaseNumber, cst.BaseList)
"""Expressions that need no brackets, whatever stands around them."""

OPERATIONS = (
    cst.BinaryOperation,
    cst.BooleanOperation,
    cst.Comparison,
    cst.UnaryOperation,
)


class Comments(cst.CSTVisitor):
    """Collects comments."""

    def __init__(self) -> None:
        self.found: list[str] = []

    def visit_Comment(self, node: cst.Comment) -> None:
        """Note a comment."""
        self.found.append(node.value)


def comments(node: cst.CSTNode) -> list[str]:
    """Comments inside of an expression, in order."""
    visitor = Comments()
    node.visit(visitor)
    return visitor.found


def code_of(node: cst.CSTNode) -> str:
    """Source of an expression."""
    return cst.Module([]).code_for_node(node)


def bracketed(node: cst.BaseExpression) -> cst.BaseExpression:
    """Put an expression in brackets, unless it has some."""
    if node.lpar:
        return node
    return node.with_changes(lpar=[cst.LeftParen()], rpar=[cst.RightParen()])


def enclosed(node: cst.BaseExpression, *, is_operand: bool) -> cst.BaseExpression:
    """Put an expression in brackets where it needs some outside of a call."""
    if is_operand and not isinstance(node, ATOMS):
        return bracketed(node)
    try:
        ast.parse(code_of(node).strip(), mode="eval")
    except SyntaxError:  # goes over several lines
        return bracketed(node)
    return node


@cache
def template(source: str) -> cst.BaseExpression:
    """Parse the PyTorch side of a rule."""
    return cst.parse_expression(source)


def hole_of(node: cst.CSTNode) -> int | None:
    """Number of the hole that a name of a template is."""
    if isinstance(node, cst.Name) and node.value[:1] == "_":
        number = node.value[1:]
        return int(number) if number.isdecimal() else None
    return None


def holes_in(node: cst.CSTNode) -> list[int]:
    """Numbers of the holes of a part of a template, in order."""
    found = [hole_of(node)] if isinstance(node, cst.Name) else []
    for child in node.children:
        found += holes_in(child)
    return [number for number in found if number is not None]


def build(
    call: cst.Call, rule: Rule, given: dict[int, int], written: dict[int, str]
) -> cst.BaseExpression:
    """Write a call as its rule says.

    Parameters
    ----------
    call : Call
        As in the code, or with its arguments rewritten.
    rule : Rule
    given : dict
        Hole to the argument that fills it, both by number.
    written : dict
        Hole to what stands in it instead; empty for nothing.
    """
    values = {n: call.args[index].value for n, index in given.items()}
    values |= {n: cst.parse_expression(text) for n, text in written.items() if text}
    whole = template(rule.template)
    if is_simple(whole):
        assert isinstance(whole, cst.Call)
        return Arguments(call, rule, given, values).build(whole)
    filled = whole.visit(Filler(rule, values))
    assert isinstance(filled, cst.BaseExpression)
    if call.lpar:
        return filled.with_changes(lpar=call.lpar, rpar=call.rpar)
    return filled


def is_simple(whole: cst.BaseExpression) -> bool:
    """Tell whether a template is one call of a function or of an input's method.

    Such a call keeps the line breaks and comments between its arguments.
    """
    if not isinstance(whole, cst.Call) or not isinstance(whole.func, cst.Attribute):
        return False
    owner = whole.func.value
    is_method = hole_of(owner) is not None
    return (is_method or not holes_in(owner)) and all(
        hole_of(arg.value) is not None or not holes_in(arg.value) for arg in whole.args
    )


class Arguments:
    """Arguments of a call, on their way from one function to the other."""

    def __init__(
        self,
        call: cst.Call,
        rule: Rule,
        given: dict[int, int],
        values: dict[int, cst.BaseExpression],
    ) -> None:
        self.call = call
        self.rule = rule
        self.given = given
        self.values = values

    def build(self, whole: cst.Call) -> cst.Call:
        """Write the call with the function of a template."""
        function = whole.func
        assert isinstance(function, cst.Attribute)
        receiver = hole_of(function.value)
        if receiver is not None:
            value = enclosed(self.values[receiver], is_operand=True)
            function = function.with_changes(value=value)
        args: list[cst.Arg] = []
        for arg in self.order([arg for arg in whole.args if self.is_filled(arg)]):
            args += self.written(arg)
        before = self.call.whitespace_before_args if args else cst.SimpleWhitespace("")
        return self.call.with_changes(
            func=function, args=self.separated(args), whitespace_before_args=before
        )

    def is_filled(self, arg: cst.Arg) -> bool:
        """Tell whether an argument of the template is written at all."""
        number = hole_of(arg.value)
        return number is None or number in self.values

    def source(self, arg: cst.Arg) -> int:
        """Number of the argument in the code that fills one of the template, or -1."""
        number = hole_of(arg.value)
        return -1 if number is None else self.given.get(number, -1)

    def order(self, filled: list[cst.Arg]) -> list[cst.Arg]:
        """Arguments in the order of the code where it serves, or of the template."""
        ours = sorted((a for a in filled if self.source(a) >= 0), key=self.source)
        places = [arg for arg in ours if arg.keyword is None]
        expected = [arg for arg in filled if arg.keyword is None]
        if ours[: len(places)] == places == expected:
            return ours + [arg for arg in filled if self.source(arg) < 0]
        return filled

    def written(self, arg: cst.Arg) -> list[cst.Arg]:
        """One argument of the template, as it is written; several of a list."""
        number = hole_of(arg.value)
        if number is None:
            return [arg]
        value = self.values[number]
        if self.source(arg) < 0:
            return [arg.with_changes(value=value)]
        ours = self.call.args[self.source(arg)]
        place = ours.with_changes(
            value=value,
            keyword=arg.keyword,
            equal=ours.equal if ours.keyword and arg.keyword else arg.equal,
        )
        return items_of(place) if self.rule.holes[number].spread else [place]

    def separated(self, args: list[cst.Arg]) -> list[cst.Arg]:
        """Keep the separators of the code, and what ended its list of arguments."""
        if not args:
            return []
        end = self.call.args[-1] if self.call.args else args[-1]
        *first, last = args
        separator = cst.Comma(whitespace_after=self.space())
        ended = {"whitespace_after_arg": cst.SimpleWhitespace(""), "comma": separator}
        return [
            a
            if isinstance(a.comma, cst.Comma) and a.comma is not end.comma
            else a.with_changes(**ended)
            for a in first
        ] + [
            last.with_changes(
                comma=end.comma, whitespace_after_arg=end.whitespace_after_arg
            )
        ]

    def space(self) -> cst.BaseParenthesizableWhitespace:
        """What stands between two arguments: that of the first two, if there are."""
        found: object = self.call.whitespace_before_args
        if len(self.call.args) > 1 and isinstance(self.call.args[0].comma, cst.Comma):
            found = self.call.args[0].comma.whitespace_after
        if isinstance(found, cst.ParenthesizedWhitespace) and not comments(found):
            return found
        return cst.SimpleWhitespace(" ")


def items_of(arg: cst.Arg) -> list[cst.Arg]:
    """Make arguments of the items of a list."""
    assert isinstance(arg.value, cst.List | cst.Tuple)
    *first, last = arg.value.elements
    items = [cst.Arg(e.value, comma=e.comma) for e in first]
    return [*items, arg.with_changes(value=last.value)]


class Filler(cst.CSTTransformer):
    """Fills the holes of a template that is more than one call."""

    def __init__(self, rule: Rule, values: dict[int, cst.BaseExpression]) -> None:
        self.rule = rule
        self.values = values
        self.apart: set[cst.CSTNode] = set()  # need no brackets

    def visit_Arg(self, node: cst.Arg) -> None:
        """Note a hole between commas."""
        self.apart.add(node.value)

    def visit_Index(self, node: cst.Index) -> None:
        """Note a hole in square brackets."""
        self.apart.add(node.value)

    def visit_Element(self, node: cst.Element) -> None:
        """Note a hole in a list."""
        self.apart.add(node.value)

    def leave_Name(
        self, original_node: cst.Name, updated_node: cst.Name
    ) -> cst.BaseExpression:
        """Fill a hole."""
        number = hole_of(original_node)
        if number is None or number not in self.values:
            return updated_node
        is_operand = original_node not in self.apart
        return enclosed(self.values[number], is_operand=is_operand)

    def leave_Arg(
        self, original_node: cst.Arg, updated_node: cst.Arg
    ) -> cst.Arg | cst.FlattenSentinel[cst.Arg] | cst.RemovalSentinel:
        """Fill a hole with several arguments, or with none."""
        number = hole_of(original_node.value)
        if number is None:
            return updated_node
        if number not in self.values:
            return cst.RemoveFromParent()
        if self.rule.holes[number].spread:
            return cst.FlattenSentinel(items_of(updated_node))
        return updated_node
