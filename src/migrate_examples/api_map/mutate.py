"""Makes wrong rows of right ones: what a port gets wrong, one thing at a time.

A row is worth its green mark only if its wrong versions fail. The mutants
change dimensions, defaults, reductions, constants, operators and the names
that are easily confused, on the PyTorch side.
"""

import ast
from collections.abc import Iterator

from migrate_examples.api_map import Row
from migrate_examples.api_map.arguments import dotted
from migrate_examples.api_map.symbols import TORCH_SYMBOLS, parameters, symbol

CONFUSED = {
    "all": "any",
    "amax": "amin",
    "argmax": "argmin",
    "ceil": "floor",
    "cos": "sin",
    "cosh": "sinh",
    "cumsum": "cumprod",
    "exp": "expm1",
    "log": "log1p",
    "logical_and": "logical_or",
    "max": "min",
    "maximum": "minimum",
    "mean": "sum",
    "ones": "zeros",
    "ones_like": "zeros_like",
    "prod": "sum",
    "sigmoid": "tanh",
    "softmax": "log_softmax",
    "tril": "triu",
}
"""Pairs of names that are mistaken for each other, each way."""
CONFUSED |= {wrong: right for right, wrong in CONFUSED.items()}

NO_VALUE = {
    "backend",
    "copy",
    "device",
    "dynamic",
    "fullgraph",
    "generator",
    "memory_format",
    "mode",
    "num_workers",
    "pin_memory",
    "requires_grad",
    "stable",
    "use_reentrant",
    "weights_only",
}
"""Keywords that say how something is computed, and change no number."""

WORDS = {"mean": "sum", "sum": "mean", "batchmean": "mean", "none": "sum"}
"""Reductions, as strings."""

OPERATORS: dict[type[ast.operator | ast.cmpop], type[ast.operator | ast.cmpop]] = {
    ast.Add: ast.Sub,
    ast.Sub: ast.Add,
    ast.Mult: ast.Div,
    ast.Div: ast.Mult,
    ast.Lt: ast.Gt,
    ast.Gt: ast.Lt,
    ast.LtE: ast.Gt,
    ast.GtE: ast.Lt,
    ast.Eq: ast.NotEq,
    ast.NotEq: ast.Eq,
    ast.BitAnd: ast.BitOr,
    ast.BitOr: ast.BitAnd,
}


Change = tuple[ast.AST, str, object]
"""A node of the tree, the attribute to set, and to what."""


def mutants(row: Row, most: int = 8) -> list[Row]:
    """Rows with one thing changed on the PyTorch side.

    Parameters
    ----------
    row : Row
        A row that is executed.
    most : int
        How many to make; those of arguments come first.

    Examples
    --------
    >>> row = Row("tf.reduce_mean(x, axis=1)", "x.mean(dim=1)")
    >>> [mutant.torch for mutant in mutants(row)]
    ['x.mean(dim=0)', 'x.mean()', 'x.sum(dim=1)', 'x.mean(dim=2)']
    """
    tree = ast.parse(row.torch.strip())
    right = ast.unparse(tree)
    found: dict[str, None] = {}
    for node, attribute, wrong in changes(tree):
        before = getattr(node, attribute)
        setattr(node, attribute, wrong)
        found[ast.unparse(tree)] = None
        setattr(node, attribute, before)
    found.pop(right, None)
    return [row._replace(torch=text) for text in list(found)[:most]]


def changes(tree: ast.AST) -> Iterator[Change]:
    """All changes of a tree: arguments, then names, operators and constants."""
    nodes = list(ast.walk(tree))
    for change in (of_arguments, of_names, of_operators, of_constants):
        for node in nodes:
            yield from change(node)


def of_arguments(node: ast.AST) -> Iterator[Change]:
    """Other dimensions and truths, and each keyword left out."""
    if not isinstance(node, ast.Call):
        return
    for keyword in node.keywords:
        if keyword.arg in NO_VALUE:
            continue
        value = keyword.value
        if isinstance(value, ast.Constant) and isinstance(value.value, bool):
            yield value, "value", not value.value
        elif keyword.arg in {"dim", "dims", "axis"}:
            yield keyword, "value", other_dimension(value)
        if says_the_default(node, keyword):
            continue
        rest = [k for k in node.keywords if k is not keyword]
        yield node, "keywords", rest


def says_the_default(call: ast.Call, keyword: ast.keyword) -> bool:
    """Tell whether a keyword may as well be left out: no mutant comes of that."""
    found = symbol(dotted(call.func) or "", TORCH_SYMBOLS)
    given = parameters(found.signature) if found else []
    default = {p.name: p.default for p in given}.get(keyword.arg or "")
    return default is not None and default == ast.unparse(keyword.value)


def other_dimension(value: ast.expr) -> ast.expr:
    """Another dimension, or fewer of them."""
    if isinstance(value, ast.Tuple | ast.List) and len(value.elts) > 1:
        return ast.Tuple(value.elts[:-1], ast.Load())
    return ast.Constant(1 if ast.unparse(value) == "0" else 0)


def of_names(node: ast.AST) -> Iterator[Change]:
    """Names and words that are taken for each other."""
    if isinstance(node, ast.Attribute) and node.attr in CONFUSED:
        yield node, "attr", CONFUSED[node.attr]
    if isinstance(node, ast.Constant) and node.value in WORDS:
        yield node, "value", WORDS[str(node.value)]


def of_operators(node: ast.AST) -> Iterator[Change]:
    """Another operator."""
    if isinstance(node, ast.BinOp) and type(node.op) in OPERATORS:
        yield node, "op", OPERATORS[type(node.op)]()
    if isinstance(node, ast.Compare) and type(node.ops[0]) in OPERATORS:
        yield node, "ops", [OPERATORS[type(node.ops[0])](), *node.ops[1:]]


def of_constants(node: ast.AST) -> Iterator[Change]:
    """Another number."""
    if not isinstance(node, ast.Constant) or isinstance(node.value, bool | str):
        return
    if isinstance(node.value, int):
        yield node, "value", node.value + 1
    elif isinstance(node.value, float):
        yield node, "value", node.value * 10 if node.value < 1e-2 else node.value + 0.1
