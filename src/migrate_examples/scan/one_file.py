"""Scans the text of one file: reads it, and gives each finding its place."""

import ast
import re
from bisect import bisect_right
from operator import itemgetter
from typing import NamedTuple

# These register how nodes are read.
from migrate_examples.scan import calls, definitions, expressions, statements
from migrate_examples.scan.comments import Ignored, find_ignored
from migrate_examples.scan.findings import Finding, Place, Problem
from migrate_examples.scan.names import ROOTS
from migrate_examples.scan.notebooks import NotebookError, read_notebook
from migrate_examples.scan.parse import Unreadable, check, parse, parse_cell
from migrate_examples.scan.reading import Mark, Reading, read_body
from migrate_examples.scan.settings import Settings
from migrate_examples.scan.sources import problem

READERS_OF_NODES = (calls, definitions, expressions, statements)
ORDER = itemgetter(0, 1, 4)
"""Marks are sorted by line, column and category."""
FOLLOWED = {root: re.compile(rf"{root}\b(?<!\w{root})") for root in ROOTS}
"""A text without these words imports nothing that is followed."""


class Result(NamedTuple):
    """What the scan of one file gives."""

    findings: tuple[Finding, ...]
    problems: tuple[Problem, ...]
    lines: int
    ignored: int = 0


class Part(NamedTuple):
    """A text that is parsed by itself: a file, or a cell of a notebook.

    ``start`` is how many lines were read before it; ``cell`` its number, or 0.
    """

    text: str
    start: int
    cell: int


def scan_source(text: str, name: str, settings: Settings) -> Result:
    """Scan a decoded file; its name says whether it is a notebook."""
    if name.endswith(".ipynb"):
        try:
            cells = read_notebook(text)
        except NotebookError as error:
            return Result((), (problem(name, str(error), error.line),), 0)
        parts, start = [], 0
        for cell in cells:
            parts.append(Part(cell.text, start, cell.number))
            start += cell.text.count("\n") + 1
    else:
        parts = [Part(text, 0, 0)]
    try:
        return scan_parts(parts, name, settings)
    except (RecursionError, MemoryError):
        message = "nested too deeply to be read"
        return Result((), (problem(name, message),), count_lines(parts))


def count_lines(parts: list[Part]) -> int:
    """Lines of code of a file."""
    return sum(
        p.text.count("\n") + (not p.text.endswith("\n") and p.text != "") for p in parts
    )


def scan_parts(parts: list[Part], name: str, settings: Settings) -> Result:
    """Scan the parts of a file, whose names are those of one module."""
    if len(parts) == 1 and not parts[0].cell and not is_followed(parts[0].text):
        wrong = check(parts[0].text)
        found = () if wrong is None else (problem(name, *wrong),)
        return Result((), found, count_lines(parts))
    trees, problems = [], []
    for part in parts:
        if part.cell:
            tree = parse_cell(part.text, part.start)
        else:
            tree = parse(part.text, part.start)
        if isinstance(tree, Unreadable):
            problems.append(problem(name, *tree, part.cell))
        else:
            trees.append(tree)
    marks = read_trees(trees)
    if not marks:
        return Result((), tuple(problems), count_lines(parts))
    findings, ignored = place_findings(marks, parts, name, settings)
    return Result(tuple(findings), tuple(problems), count_lines(parts), ignored)


def is_followed(text: str) -> bool:
    """Tell whether a text may import anything that is followed; quick to say no."""
    return any(root in text and word.search(text) for root, word in FOLLOWED.items())


def read_trees(trees: list[ast.Module]) -> list[Mark]:
    """Read the syntax trees of a module: what they find, in the order of the text."""
    r = Reading()
    for tree in trees:
        read_body(r, tree.body)
    done = []
    while r.waiting:
        functions, r.waiting = r.waiting, []
        done += functions
        for function in functions:
            definitions.read_function(r, function)
    marks = r.marks
    marks += [mark for own, attribute, mark in r.unsure if not own.has(attribute)]
    for function in done:
        function.forget()
    for own in r.classes:
        own.attributes.clear()
    return sorted(marks, key=ORDER)


def place_findings(
    marks: list[Mark], parts: list[Part], name: str, settings: Settings
) -> tuple[list[Finding], int]:
    """Findings with their places, less those that are ignored, and how many were."""
    starts = [part.start for part in parts]
    pages = [Page(part, name) for part in parts]
    findings, ignored = [], 0
    page = pages[0]
    for mark in marks:
        if len(pages) > 1:
            page = pages[bisect_right(starts, mark[0] - 1) - 1]
        finding = page.finding(mark)
        if page.takes(finding) or (settings.ignore and settings.ignores(finding)):
            ignored += 1
        else:
            findings.append(finding)
    return findings, ignored


class Page:
    """The lines of a part, to place findings in."""

    def __init__(self, part: Part, name: str) -> None:
        self.name = name
        self.start = part.start
        self.cell = part.cell
        self.lines = part.text.split("\n")
        self.is_ascii = part.text.isascii()
        self.ignored: Ignored | None = find_ignored(part.text)

    def finding(self, mark: Mark) -> Finding:
        """Make the finding of a mark."""
        line, column, end_line, end_column, category, entry, name, certain = mark
        line -= self.start
        end_line -= self.start
        if not self.is_ascii:
            column = self.column(line, column)
            end_column = self.column(end_line, end_column)
        place = Place(self.name, line, column + 1, end_line, end_column + 1, self.cell)
        kind, symbol, counterpart, message, link = entry
        code = self.lines[line - 1].strip()
        return Finding(
            place,
            category,
            kind,
            name,
            symbol,
            counterpart,
            message,
            link,
            code,
            certain,
        )

    def column(self, line: int, offset: int) -> int:
        """Characters before a place given in bytes."""
        before = self.lines[line - 1].encode("utf-8", "surrogatepass")[:offset]
        return len(before.decode("utf-8", "replace"))

    def takes(self, finding: Finding) -> bool:
        """Tell whether a comment takes a finding out."""
        if self.ignored is None:
            return False
        return self.ignored.takes(finding, finding.place.line, finding.place.end_line)
