"""From text to syntax tree, and sentences for what cannot be read."""

import ast
import re
import symtable
import sys
from typing import NamedTuple

from migrate_examples.scan.notebooks import without_cell_magic, without_magic

PYTHON_2 = re.compile(
    r"""^\s*print\s+[^=\s(]      # print x
      | ^\s*print\s*(?:>>|$)     # print >>file
      | ^\s*exec\s+['"\w]        # exec code
      | \bexcept\s+[\w.()\s,]+?,\s*\w+\s*:   # except Error, e:
      | \braise\s+[\w.]+\s*,     # raise Error, "why"
      | `[^`]+`                  # `x`
      | <>                       # x <> y
      | \b0[0-7]+\b              # 0777
      | \b[uU][rR]['"]           # ur""
      | \b\d+[lL]\b              # 10L
      | \bdef\s+\w+\(.*\(.*\).*\)\s*:   # def f(x, (y, z)):
      | \blambda\s*\(            # lambda (x, y): x
    """,
    re.VERBOSE,
)


class Unreadable(NamedTuple):
    """Why a text has no syntax tree, and where; lines and columns from 1."""

    message: str
    line: int
    column: int


def parse(text: str, lines_before: int = 0) -> ast.Module | Unreadable:
    """Make the syntax tree of a text, or say why there is none.

    ``lines_before`` lines are counted before the text.
    """
    try:
        return ast.parse("\n" * lines_before + text)
    except SyntaxError as error:
        return unreadable(text, error, lines_before)
    except (RecursionError, MemoryError):
        return Unreadable("nested too deeply to be read", 1, 1)
    except ValueError as error:  # null bytes
        return Unreadable(str(error), 1, 1)


def check(text: str) -> Unreadable | None:
    """Say why a text has no syntax tree, without making one where it has."""
    try:
        symtable.symtable(text, "<text>", "exec")
    except SyntaxError as error:
        return unreadable(text, error, 0)
    except (RecursionError, MemoryError):
        return Unreadable("nested too deeply to be read", 1, 1)
    except ValueError as error:  # null bytes
        return Unreadable(str(error), 1, 1)
    return None


def unreadable(text: str, error: SyntaxError, lines_before: int) -> Unreadable:
    """Say in a sentence what a syntax error is."""
    line = max((error.lineno or 1) - lines_before, 1)
    column = max(error.offset or 1, 1)
    lines = text.split("\n")
    code = lines[line - 1] if line <= len(lines) else ""
    version = f"{sys.version_info.major}.{sys.version_info.minor}"
    message = f"not valid Python {version}: {error.msg}"
    if PYTHON_2.search(code.partition("#")[0]):
        message = f"looks like Python 2, which this does not read: {error.msg}"
    return Unreadable(message, line, column)


def parse_cell(text: str, lines_before: int) -> ast.Module | Unreadable:
    """Make the syntax tree of a notebook's cell, magic commands left out.

    A line is only taken for a magic where Python stumbles over it.
    """
    if text.lstrip().startswith("%%"):
        text = without_cell_magic(text)
    lines = text.split("\n")
    for _ in range(len(lines) + 1):
        tree = parse("\n".join(lines), lines_before)
        if isinstance(tree, ast.Module):
            return tree
        plain = without_magic(lines[min(tree.line, len(lines)) - 1])
        if plain is None:
            return tree
        put_aside(lines, tree.line - 1, plain)
    return tree


def put_aside(lines: list[str], number: int, plain: str) -> None:
    """Replace a line, and those it goes on to behind a backslash."""
    going_on = lines[number].rstrip().endswith("\\")
    lines[number] = plain
    while going_on and number + 1 < len(lines):
        number += 1
        going_on = lines[number].rstrip().endswith("\\")
        lines[number] = ""
