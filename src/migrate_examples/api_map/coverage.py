"""How much of real code the map knows: its symbols against a list of their use.

The list that comes with the package counts the references of 125 public code
bases; ``migrate-examples coverage FILE`` takes another one.
"""

import csv
from pathlib import Path
from typing import NamedTuple

from migrate_examples.api_map.lookup import Answer, find

USAGE = Path(__file__).parent / "usage.csv"

NO_PORT = ("tf.contrib.", "tf.estimator.", "tf.lite.", "tf.python.", "tf.tpu.")
"""What a port leaves behind: removed, private, or of other hardware."""


class Use(NamedTuple):
    """A symbol of the list, how often code refers to it, and what the map knows."""

    symbol: str
    references: int
    answer: Answer

    @property
    def portable(self) -> bool:
        """Whether a port meets it at all: see :data:`NO_PORT`."""
        return not self.symbol.startswith(NO_PORT)


class Coverage(NamedTuple):
    """Shares of references and numbers of symbols.

    Attributes
    ----------
    symbols, mapped_symbols : int
        All on the list, and those that have a row.
    of_all, of_portable : float
        Shares of references whose symbol has a row: of all references, and of
        those to names that a port meets.
    missing : tuple of Use
        Without a row, the most used first.
    """

    symbols: int
    mapped_symbols: int
    of_all: float
    of_portable: float
    missing: tuple[Use, ...]


def uses(file: Path = USAGE) -> list[Use]:
    """Read a list of uses: a CSV file with the columns ``symbol`` and ``references``.

    Raises
    ------
    ValueError
        Where a column is missing, or a number is none.
    """
    with file.open(newline="", encoding="utf-8") as text:
        table = csv.DictReader(text)
        if missing := {"symbol", "references"} - set(table.fieldnames or ()):
            raise ValueError(f"{file}: no column {', '.join(sorted(missing))}")
        return [
            Use(line["symbol"], int(line["references"]), find(line["symbol"]))
            for line in table
        ]


def coverage(found: list[Use]) -> Coverage:
    """Count what of a list of uses the map knows.

    >>> coverage(uses()).of_all > 0.5
    True
    """
    mapped = [use for use in found if use.answer.status == "mapped"]
    missing = [use for use in found if use.answer.status != "mapped"]
    portable = [use for use in found if use.portable]
    return Coverage(
        symbols=len(found),
        mapped_symbols=len(mapped),
        of_all=share(mapped, found),
        of_portable=share([use for use in mapped if use.portable], portable),
        missing=tuple(sorted(missing, key=lambda use: -use.references)),
    )


def share(part: list[Use], whole: list[Use]) -> float:
    """Share of references that the uses of a part make up."""
    total = sum(use.references for use in whole)
    return sum(use.references for use in part) / total if total else 0.0
