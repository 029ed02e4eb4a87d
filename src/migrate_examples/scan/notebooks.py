"""Code of Jupyter notebooks, with what only IPython understands put aside."""

import re
from typing import Any, NamedTuple

PYTHON_CELLS = ("time", "timeit", "capture", "prun", "python", "python3", "py", "py3")
"""Cell magics below which the cell goes on as Python."""

LINE_MAGIC = re.compile(r"(\s*)(%|!|\?)")
TIMED = re.compile(r"(\s*)%(time|timeit|prun|memit|lprun)\s+(?![-\s])(?=\S)")
HELP = re.compile(r"\s*[\w.\[\]*]+\?{1,2}\s*$")
ASSIGNED = re.compile(r"(\s*[\w.,\s\[\]\"']+=\s*)([%!].*)$")


class Cell(NamedTuple):
    """A code cell: its number from 1 among the code cells, and its text."""

    number: int
    text: str


class NotebookError(ValueError):
    """A notebook that cannot be read; ``line`` is where, from 1."""

    def __init__(self, message: str, line: int = 1) -> None:
        super().__init__(message)
        self.line = line


def read_notebook(text: str) -> list[Cell]:
    """Code cells of a notebook.

    Raises
    ------
    NotebookError
        Where the file is no notebook, or one in another language.
    """
    import json

    try:
        notebook = json.loads(text)
    except json.JSONDecodeError as error:
        message = f"not a notebook: {error.msg} (column {error.colno})"
        raise NotebookError(message, error.lineno) from error
    except RecursionError as error:
        raise NotebookError("not a notebook: nested too deeply") from error
    if not isinstance(notebook, dict):
        raise NotebookError("not a notebook: the file holds no JSON object")
    language = language_of(notebook)
    if language not in {"", "python", "ipython"}:
        raise NotebookError(f"a notebook in {language}: only Python is read")
    sheets = notebook.get("worksheets")  # nbformat 3 kept its cells there
    holder = sheets[0] if isinstance(sheets, list) and sheets else notebook
    cells = holder.get("cells") if isinstance(holder, dict) else None
    if not isinstance(cells, list):
        raise NotebookError("not a notebook: it has no list of cells")
    code = [c for c in cells if isinstance(c, dict) and c.get("cell_type") == "code"]
    return [Cell(number, source_of(cell)) for number, cell in enumerate(code, 1)]


def language_of(notebook: dict[str, Any]) -> str:
    """Language of a notebook in lower case; empty where it does not say."""
    metadata = notebook.get("metadata")
    for table, key in (("language_info", "name"), ("kernelspec", "language")):
        part = metadata.get(table) if isinstance(metadata, dict) else None
        name = part.get(key) if isinstance(part, dict) else None
        if isinstance(name, str):
            return name.lower().removesuffix("2").removesuffix("3")
    return ""


def source_of(cell: dict[str, Any]) -> str:
    """Text of a cell, whether it stands in one string or a list of lines."""
    source = cell.get("source", cell.get("input", ""))
    if isinstance(source, list):
        source = "".join(part for part in source if isinstance(part, str))
    return source if isinstance(source, str) else ""


def without_cell_magic(text: str) -> str:
    r"""Take the cell magic of the first line out; all, where it is no Python then.

    >>> without_cell_magic("%%bash\nls")
    ''
    >>> without_cell_magic("%%time\nx = 1")
    'pass\nx = 1'
    """
    head, _, rest = text.lstrip().partition("\n")
    if not head.startswith("%%"):
        return text
    blank = text[: len(text) - len(text.lstrip())]
    name = head[2:].split()
    if name and name[0] in PYTHON_CELLS:
        return f"{blank}pass\n{rest}"
    return ""


def without_magic(line: str) -> str | None:
    """A line without what only IPython understands; None where there is none.

    Columns of what stays are kept.

    >>> without_magic("    !pip install x"), without_magic("x = !ls")
    ('    pass', 'x = 0')
    >>> without_magic("%time f(x)")
    '_=    f(x)'
    >>> without_magic("x % 2")
    """
    if timed := TIMED.match(line):
        indent = timed[1]
        return f"{indent}_=".ljust(timed.end()) + line[timed.end() :]
    if LINE_MAGIC.match(line):
        return f"{line[: len(line) - len(line.lstrip())]}pass"
    if HELP.match(line):
        return f"{line[: len(line) - len(line.lstrip())]}pass"
    if assigned := ASSIGNED.match(line):
        return f"{assigned[1]}0"
    return None
