"""String arguments with a meaning of their own: ``padding="same"``."""

import ast
from ast import Constant, List
from collections.abc import Iterator
from functools import cache

from migrate_examples.api_map.index import rows_by_symbol
from migrate_examples.scan.names import Entry, entry_of_row
from migrate_examples.scan.traps import parameter_names

Found = tuple[ast.expr, Entry, str]
"""Where a string stands, what the map says of it, and how it is written."""


@cache
def mapped() -> dict[str, dict[str, str]]:
    """Symbols of the map's string arguments, by argument and value in lower case."""
    found: dict[str, dict[str, str]] = {}
    for name in rows_by_symbol():
        argument, sign, value = name.partition('="')
        if sign and value.endswith('"') and argument.isidentifier():
            values = found.setdefault(argument, {})
            values[value[:-1]] = name
            values.setdefault(value[:-1].lower(), name)
    return found


@cache
def entry_of(name: str) -> Entry:
    """What a finding says about a string argument of the map."""
    return entry_of_row(name, rows_by_symbol()[name][0])


def find_strings(call: ast.Call, target: str) -> list[Found]:
    """String arguments of a call that the map has."""
    known = mapped()
    found: list[Found] = []
    for keyword in call.keywords:
        if keyword.arg in known:
            found += look_at(keyword.value, keyword.arg, known[keyword.arg])
    for argument in call.args:
        if argument.__class__ is Constant or argument.__class__ is List:
            break
    else:
        return found
    for name, value in zip(parameter_names(target), call.args, strict=False):
        if isinstance(value, ast.Starred):
            break
        if name in known:
            found += look_at(value, name, known[name])
    return found


def look_at(node: ast.expr, argument: str, values: dict[str, str]) -> Iterator[Found]:
    """The entry of a string, or of those in a list."""
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        name = values.get(node.value) or values.get(node.value.lower())
        if name:
            yield node, entry_of(name), f'{argument}="{node.value}"'
    elif isinstance(node, ast.List | ast.Tuple):
        for item in node.elts:
            if isinstance(item, ast.Constant):
                yield from look_at(item, argument, values)
