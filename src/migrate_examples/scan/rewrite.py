"""Rewrites calls of TensorFlow that are, but for names, calls of PyTorch.

What is rewritten follows from the rows of the API map alone, see
:mod:`migrate_examples.scan.rules`. The rest of a file is kept byte for byte:
comments, line breaks, brackets, trailing commas, encoding and line ends.

The file is taken to be ported as a whole: a name in it that may hold a tensor
is taken to hold PyTorch's once the port is done. Nothing is rewritten

- that no executed row of kind ``same`` covers, argument by argument; literals
  must be of the type that the row was tried with, and a text the very same; a
  row whose sides differ on NaN, nothing or negative numbers does not count;
- whose tensors are literals, lists, comprehensions, results of NumPy, modules,
  or names that the code gives such a value;
- in an expression that keeps something of TensorFlow's: the two never meet;
- in code that TensorFlow runs by itself: functions under ``@tf.function`` or
  handed to a call of it or a method of a dataset, classes that derive from one
  of Keras, blocks as ``with tf.GradientTape()``, and what these use
  (:mod:`migrate_examples.scan.rewrite_traced`);
- whose name may be bound to something else, or where ``torch``, ``F`` or
  ``nn`` is;
- on lines with ``# migrate: ignore``, in f-strings, decorators and annotations,
  and where a comment would be lost.

The code does not show of which dtype a tensor is: on one that a row was not
tried with, PyTorch computes the same or raises (the mean of whole numbers). New
tensors lie on PyTorch's default device.

This module alone, of all that a scan imports, needs libcst.
"""

import ast
import difflib
import io
import os
import re
import stat
import tokenize
import warnings
from pathlib import Path
from typing import NamedTuple

import libcst as cst
from libcst.metadata import MetadataWrapper

from migrate_examples.api_map.symbols import main_name
from migrate_examples.scan.rewrite_names import Names
from migrate_examples.scan.rewrite_plan import Planner
from migrate_examples.scan.rewrite_write import Change, Writer, with_imports
from migrate_examples.scan.rules import constants, dotted, rules
from migrate_examples.whole_file import write_whole

DEEPEST = 1000
"""Operands or strings in a row that the parser is trusted with."""

__all__ = [
    "Change",
    "RewriteError",
    "Rewritten",
    "decode",
    "diff",
    "rewrite_file",
    "rewrite_text",
]


class Rewritten(NamedTuple):
    """Source after rewriting, and what was changed in it, from top to bottom."""

    text: str
    changes: tuple[Change, ...]


class RewriteError(ValueError):
    """A source that cannot be rewritten; nothing was written.

    Attributes
    ----------
    line : int
        Where it stands; 0 where it is of the whole file.
    """

    def __init__(self, message: str, line: int = 0) -> None:
        super().__init__(message)
        self.line = line


def rewrite_text(source: str) -> Rewritten:
    r"""Rewrite what is safe to rewrite.

    Parameters
    ----------
    source : str
        Text of a module, its line ends as they are.

    Raises
    ------
    RewriteError
        Where it is no Python.

    Examples
    --------
    >>> found = rewrite_text("import tensorflow as tf\ny = tf.cast(a + b, tf.int64)\n")
    >>> print(found.text)
    import tensorflow as tf
    import torch
    y = (a + b).to(torch.int64)
    >>> found.changes[0].before
    'tf.cast(a + b, tf.int64)'
    """
    try:
        if not has_rules(parse_python(source)):
            return Rewritten(source, ())
        check_depth(source)
        names = Names(MetadataWrapper(parse(source), unsafe_skip_copy=True))
        writer = Writer(names, Planner(names))
        after = names.module.visit(writer)
        changes = tuple(sorted(writer.changes))
        if changes:
            after = with_imports(after, names, writer.modules, changes[0].line)
        text = after.code
    except (RecursionError, MemoryError) as error:
        raise RewriteError("is nested too deeply") from error
    try:
        ast.parse(text)
    except SyntaxError as error:  # better no port than a broken one
        message = f"rewriting would break it: {error.msg}"
        raise RewriteError(message, error.lineno or 0) from error
    return Rewritten(text, changes)


def parse_python(source: str) -> ast.Module:
    """Parse a text with Python's own parser, whose errors name the place."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of the code's own strings
            return ast.parse(source)
    except SyntaxError as error:
        raise RewriteError(f"syntax error: {error.msg}", error.lineno or 0) from error
    except ValueError as error:
        raise RewriteError(f"cannot be parsed: {error}") from error


def has_rules(tree: ast.Module) -> bool:
    """Tell whether a module may name something of which there is a rule.

    Most files do not: they need not be read by libcst, which takes its time.
    """
    imported: dict[str, set[str]] = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                bound = alias.asname or alias.name.partition(".")[0]
                full = alias.name if alias.asname else bound
                imported.setdefault(bound, set()).add(full)
        elif isinstance(node, ast.ImportFrom):
            for alias in node.names:
                full = f"{node.module}.{alias.name}"
                imported.setdefault(alias.asname or alias.name, set()).add(full)
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute | ast.Name):
            first, dot, rest = dotted(node).partition(".")
            for full in imported.get(first, ()):
                name = main_name(full + dot + rest)
                if name in rules() or name in constants():
                    return True
    return False


def check_depth(source: str) -> None:
    """Raise where a text would exhaust the stack of libcst's parser.

    It keeps every operand of ``a and b and c`` and every piece of ``"a" "b"``
    one level deeper than the last; at some ten thousand levels it takes the
    whole process down, which no handler can catch.
    """
    operands = pieces = 0
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if token.type == tokenize.STRING:
            pieces += 1
        elif token.type not in {tokenize.NL, tokenize.COMMENT}:
            pieces = 0
        if token.type == tokenize.NEWLINE:
            operands = 0
        operands += token.string in {"and", "or"}
        if max(operands, pieces) > DEEPEST:
            raise RewriteError("is nested too deeply", token.start[0])


def parse(source: str) -> cst.Module:
    """Parse a module, and make sure that it is kept to the byte."""
    try:
        module = cst.parse_module(source)
    except cst.ParserSyntaxError as error:
        raise RewriteError(f"syntax error: {error.message}", error.raw_line) from error
    if module.code != source:
        raise RewriteError("has line ends or characters that would not be kept")
    return module


def diff(before: str, after: str, file: str) -> str:
    r"""Unified diff of two texts, as ``git apply`` and ``patch -p1`` read it.

    Examples
    --------
    >>> print(diff("a\nb\n", "a\nc\n", "x.py"))
    --- a/x.py
    +++ b/x.py
    @@ -1,2 +1,2 @@
     a
    -b
    +c
    """
    # Only \n ends a line for those programs: splitlines() knows of ten others.
    old, new = (re.findall(r"[^\n]*\n|[^\n]+", text) for text in (before, after))
    name = file.lstrip("/")
    found = difflib.unified_diff(old, new, f"a/{name}", f"b/{name}")
    missing = "\n\\ No newline at end of file\n"
    return "".join(line if line.endswith("\n") else line + missing for line in found)


def rewrite_file(path: Path) -> Rewritten | None:
    """Rewrite a file in place; None where nothing changes.

    The new text is written to a temporary file beside it, which then takes its
    place: at no time there is half a file. Encoding, byte order mark, line ends
    and mode stay. A link stays a link, what it leads to is rewritten.

    Raises
    ------
    RewriteError
        Where it is no Python, or may not be written to.
    OSError
        Where it cannot be read or written.
    """
    try:
        target = path.resolve(strict=True)
    except RuntimeError as error:  # of Python before 3.13
        raise RewriteError("is a loop of symbolic links") from error
    state = target.stat()
    if not stat.S_ISREG(state.st_mode):
        raise RewriteError("is no regular file")
    source, encoding = decode(target.read_bytes())
    found = rewrite_text(source)
    if not found.changes:
        return None
    if not state.st_mode & 0o222 or not os.access(target, os.W_OK):
        raise RewriteError("is read-only; nothing was written")
    write_whole(target, found.text.encode(encoding), stat.S_IMODE(state.st_mode))
    return found


def decode(data: bytes) -> tuple[str, str]:
    r"""Text of a source file and its encoding, after its mark or first two lines.

    >>> decode("# coding: latin-1\r\nü = 1\r\n".encode("latin-1"))
    ('# coding: latin-1\r\nü = 1\r\n', 'iso-8859-1')
    """
    try:
        encoding, _ = tokenize.detect_encoding(io.BytesIO(data).readline)
        return data.decode(encoding), encoding
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise RewriteError(f"is not {error.encoding}", line) from error
    except SyntaxError as error:
        raise RewriteError(f"unknown encoding: {error.msg}", 1) from error
