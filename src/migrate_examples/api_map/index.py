"""Rows by symbol, each read when it is asked for.

Parsing two thousand rows takes a tenth of a second, which a look-up of one name
and the scan of one file should not wait for. So the files are only cut into
their tables, and a table is parsed when its symbol is met.
"""

import re
import tomllib
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import NamedTuple

from migrate_examples.api_map import ROWS, SYMBOL, Row, read_row
from migrate_examples.api_map.symbols import main_name

STATED = re.compile(r"^symbol = (?:'([^']*)'|\"([^\"\\]*)\")$", re.M)
LONG = ('"""', "'''")
"""Quotes of texts of several lines."""


class Table(NamedTuple):
    """One row as text, with the file it stands in."""

    file: Path
    chapter: str
    text: str

    def symbol(self) -> str:
        """Symbol of the row, without parsing it."""
        text = self.text
        if "\nsymbol = " in text and (stated := STATED.search(text)):
            return stated[1] or stated[2]
        start = text.find("\ntf = ") + len("\ntf = ")
        quotes = text[start : start + 3]
        end = quotes if quotes in LONG else "\n"
        found = SYMBOL.search(text, start, text.find(end, start + 3))
        return found[0] if found else self.row().symbol

    def row(self) -> Row:
        """Parse the row."""
        return read_row(tomllib.loads(self.text), self.file, self.chapter)


def tables(file: Path) -> Iterator[Table]:
    """Cut a file of rows into its tables."""
    head, *texts = re.split(r"^\[\[row\]\]$", file.read_text(), flags=re.M)
    chapter = tomllib.loads(head).get("page", "") if head.strip() else ""
    for text in texts:
        yield Table(file, chapter, text)


class RowsBySymbol(Mapping[str, tuple[Row, ...]]):
    """Rows of each symbol under its main name, the plainest first.

    Examples
    --------
    >>> RowsBySymbol(ROWS)["tf.reduce_mean"][0].kind
    'same'
    """

    def __init__(self, folder: Path) -> None:
        self.tables: dict[str, list[Table]] = {}
        self.parsed: dict[str, tuple[Row, ...]] = {}
        for file in sorted(folder.glob("*.toml")):
            for table in tables(file):
                symbol = table.symbol()
                self.tables.setdefault(main_name(symbol) or symbol, []).append(table)

    def __getitem__(self, symbol: str) -> tuple[Row, ...]:
        if symbol not in self.parsed:
            rows = [table.row() for table in self.tables[symbol]]
            self.parsed[symbol] = tuple(sorted(rows, key=plainness))
        return self.parsed[symbol]

    def __contains__(self, symbol: object) -> bool:
        return symbol in self.tables

    def __iter__(self) -> Iterator[str]:
        return iter(self.tables)

    def __len__(self) -> int:
        return len(self.tables)


def plainness(row: Row) -> tuple[bool, bool, int, int]:
    """Order of the rows of a symbol: what is executed, said to be main, short."""
    lines = row.tf.strip().count("\n")
    return not row.executed, not row.main, lines, len(row.tf) + len(row.torch)


@cache
def rows_by_symbol() -> RowsBySymbol:
    """Rows of the map by symbol."""
    return RowsBySymbol(ROWS)
