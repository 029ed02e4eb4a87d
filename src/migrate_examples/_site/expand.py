"""Twins into pages: the import of a twin becomes its source.

A page says ``from migrate_examples.autodiff.in_pytorch import gradient``. The
expanded page, which is executed, shown and downloaded, has the source of
``gradient`` in that place, with the imports and the neighbours it needs. So
the code stands once, in the package, and the download runs without it.

A tool is no twin: pages import ``migrate_examples.port`` as any reader would,
and their downloads name the package among what they need.
"""

import ast
import re
import shutil
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import NamedTuple

from migrate_examples._site.metadata import requirements_cell, script_metadata

SOURCE = Path(__file__).parents[2]
TOOLS = {"port"}
"""Parts of the package that readers install, and pages import like any library."""
CELL = re.compile(r"^# ?%%.*\n(?:#\s*\n)*(?:# \*\*(TensorFlow|PyTorch)\*\*)?", re.M)


class PageError(ValueError):
    """A page that cannot be expanded, with the line and what to do."""


class Definition(NamedTuple):
    """A top-level statement of a twin module that binds ``name``."""

    name: str
    text: str
    uses: frozenset[str]
    is_import: bool


def bound_names(statement: ast.stmt) -> list[str]:
    """Names that a top-level statement binds."""
    match statement:
        case ast.Import(names=names) | ast.ImportFrom(names=names):
            return [(a.asname or a.name).split(".")[0] for a in names]
        case ast.FunctionDef(name=name) | ast.ClassDef(name=name):
            return [name]
    stored = (n for n in ast.walk(statement) if isinstance(n, ast.Name))
    return [n.id for n in stored if isinstance(n.ctx, ast.Store)]


def used_names(statement: ast.AST) -> frozenset[str]:
    """Names that a statement reads anywhere inside."""
    names = (n for n in ast.walk(statement) if isinstance(n, ast.Name))
    return frozenset(n.id for n in names if isinstance(n.ctx, ast.Load))


def import_lines(statement: ast.Import | ast.ImportFrom) -> Iterator[tuple[str, str]]:
    """One ``(name, statement)`` for each name that an import binds."""
    for alias in statement.names:
        name = (alias.asname or alias.name).split(".")[0]
        if isinstance(statement, ast.Import):
            yield name, ast.unparse(ast.Import([alias]))
        else:
            yield name, ast.unparse(ast.ImportFrom(statement.module, [alias], 0))


def source_with_comment(lines: list[str], statement: ast.stmt) -> str:
    """Text of a statement, its decorators and the comment block right above."""
    decorators = getattr(statement, "decorator_list", [])
    first = min([statement.lineno, *(d.lineno for d in decorators)]) - 1
    while first and lines[first - 1].startswith("#"):
        first -= 1
    return "\n".join(lines[first : statement.end_lineno])


@cache
def read_module(module: str) -> dict[str, Definition]:
    """Top-level definitions of a module of the package, in source order."""
    path = SOURCE.joinpath(*module.split(".")).with_suffix(".py")
    if not path.is_file():
        raise PageError(f"{module} is not a file of the package: {path.name} not found")
    text = path.read_text()
    found: dict[str, Definition] = {}
    for statement in ast.parse(text).body:
        if isinstance(statement, ast.Import | ast.ImportFrom):
            for name, line in import_lines(statement):
                found[name] = Definition(name, line, frozenset(), is_import=True)
            continue
        source = source_with_comment(text.splitlines(), statement)
        for name in bound_names(statement):
            uses = used_names(statement) - {name}
            found[name] = Definition(name, source, uses, is_import=False)
    return found


def needed(module: str, names: list[str]) -> list[Definition]:
    """Select the definitions of ``names`` and all they use, in source order."""
    found, wanted, todo = read_module(module), set(), list(names)
    while todo:
        name = todo.pop()
        if name in found and name not in wanted:
            wanted.add(name)
            todo.extend(found[name].uses)
    return [d for d in found.values() if d.name in wanted]


def key_of(definition: Definition, module: str) -> str:
    """Say what a name stands for: an import's text, or its module and name."""
    return definition.text if definition.is_import else f"{module}:{definition.name}"


class Page:
    """Expansion of one page: follows what each name stands for, cell by cell.

    Both sides bear the same names, so a later import hides an earlier one.
    Reading a hidden or mixed-up name is an error of the page, found here and
    not by a reader.
    """

    def __init__(self, text: str, name: str) -> None:
        self.lines, self.name = text.splitlines(), name
        self.tree = ast.parse(text)
        self.stands_for: dict[str, str] = {}
        self.cells = [
            (text.count("\n", 0, m.start()) + 1, m[1]) for m in CELL.finditer(text)
        ]

    def error(self, line: int, message: str) -> PageError:
        return PageError(f"{self.name}:{line}: {message}")

    def label(self, line: int) -> str | None:
        """``TensorFlow`` or ``PyTorch`` where the line's cell bears the label."""
        return next((side for at, side in reversed(self.cells) if at <= line), None)

    def expand(self) -> str:
        """Text of the page with the source of each twin in place of its import."""
        replaced: list[tuple[int, int, str]] = []
        for statement in self.tree.body:
            assert statement.end_lineno is not None
            if is_package_import(statement):
                text = self.expand_import(statement)
                replaced.append((statement.lineno - 1, statement.end_lineno, text))
                continue
            self.check_names(statement)
            if isinstance(statement, ast.Import | ast.ImportFrom):
                self.stands_for.update(import_lines(statement))
            else:
                self.stands_for.update(dict.fromkeys(bound_names(statement), "page"))
        for start, end, text in reversed(replaced):
            self.lines[start:end] = spaced(text, self.lines[end:])
        return "\n".join(self.lines) + "\n"

    def expand_import(self, statement: ast.stmt) -> str:
        line = statement.lineno
        if not isinstance(statement, ast.ImportFrom) or statement.module is None:
            raise self.error(line, "write `from migrate_examples.… import name`")
        module, names = statement.module, [a.name for a in statement.names]
        if any(a.asname for a in statement.names):
            raise self.error(line, "a twin cannot be renamed: its source has one name")
        if unknown := [n for n in names if n not in read_module(module)]:
            raise self.error(line, f"{module} has no {', '.join(unknown)}")
        side = side_of(module)
        if side and self.label(line) != side:
            raise self.error(line, f"{module} belongs in a cell labelled **{side}**")
        missing = [
            d
            for d in needed(module, names)
            if self.stands_for.get(d.name) != key_of(d, module)
        ]
        self.stands_for.update({d.name: key_of(d, module) for d in missing})
        imports = "\n".join(d.text for d in missing if d.is_import)
        code = list(dict.fromkeys(d.text for d in missing if not d.is_import))
        return "\n\n\n".join(filter(None, [imports, *code]))

    def check_names(self, statement: ast.stmt) -> None:
        """Raise where the statement reads a twin that is not what it seems."""
        for name in sorted(used_names(statement)):
            module, colon, _ = self.stands_for.get(name, "").partition(":")
            side = side_of(module) if colon else None
            if not side:
                continue
            if self.label(statement.lineno) != side:
                raise self.error(
                    statement.lineno,
                    f"`{name}` is {side}'s here, but the cell is not labelled "
                    f"**{side}**. Both sides bear one name: call it in its own cell "
                    "and compare the results.",
                )
            for d in needed(module, [name]):
                if self.stands_for.get(d.name) != key_of(d, module):
                    raise self.error(
                        statement.lineno,
                        f"`{name}` uses `{d.name}`, which has been replaced since: "
                        f"import `{name}` again in this cell",
                    )


def is_package_import(statement: ast.stmt) -> bool:
    """Tell whether a statement imports from this package what a page shows whole."""
    match statement:
        case ast.ImportFrom(module=str(module)):
            return is_shown_whole(module)
        case ast.Import(names=names):
            return any(is_shown_whole(a.name) for a in names)
    return False


def is_shown_whole(module: str) -> bool:
    """Tell whether a module's source goes into pages: of this package, and no tool.

    >>> is_shown_whole("migrate_examples.data.in_pytorch")
    True
    >>> is_shown_whole("migrate_examples.port.transfer")
    False
    """
    package, _, rest = module.partition(".")
    return package == "migrate_examples" and rest.partition(".")[0] not in TOOLS


def side_of(module: str) -> str | None:
    """Label of the cells in which a module may be used; None for both."""
    stem = module.rpartition(".")[2]
    return {"in_tensorflow": "TensorFlow", "in_pytorch": "PyTorch"}.get(stem)


def spaced(text: str, following: list[str]) -> list[str]:
    """Lines of an expansion, with the blank lines that ruff would leave after it."""
    if not text:
        return []
    next_line = following[0] if following else ""
    defines = re.search(r"^(def|class|@|[A-Z_]+ =)", text, re.M)
    return [*text.splitlines(), *([""] if defines or next_line else [])]


def expand_page(path: Path) -> str:
    """Return the page at ``path`` expanded, headed by its inline metadata.

    Raises
    ------
    PageError
        Names page and line where an import cannot be expanded, or where a
        cell reads a twin of the other side.
    """
    text = Page(path.read_text(), path.name).expand()
    title = ast.parse(text).body[0]
    if not isinstance(title, ast.Expr) or title.end_lineno is None:
        raise PageError(f"{path.name}:1: a page opens with a docstring, its title")
    lines = text.splitlines()
    lines[title.end_lineno : title.end_lineno] = requirements_cell(text)
    return script_metadata(text) + "\n".join(lines) + "\n"


def expand_gallery(source: Path, target: Path, output: Path) -> None:
    """Keep ``target`` equal to the expanded ``source``.

    Only files whose text changed are written, so that sphinx-gallery runs
    only those pages again. When a page is gone, its many traces in
    ``output`` go too: all of it is made anew.
    """
    wanted = {
        path.relative_to(source): expand_page(path)
        if path.suffix == ".py"
        else path.read_text()
        for path in sorted(source.rglob("*"))
        if path.suffix in {".py", ".rst"}
    }
    present = {p.relative_to(target) for p in target.rglob("*") if p.is_file()}
    if gone := present - wanted.keys():
        for relative in gone:
            (target / relative).unlink()
        shutil.rmtree(output, ignore_errors=True)
    for relative, text in wanted.items():
        path = target / relative
        if not path.is_file() or path.read_text() != text:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
