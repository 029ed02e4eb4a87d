"""The API map: what a TensorFlow expression is in PyTorch, one entry a row.

The rows are data, in ``rows/<namespace>.toml``. Reading them needs neither
framework; :mod:`migrate_examples.api_map.prove` runs them in both.
"""

import re
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

ROWS = Path(__file__).parent / "rows"
SYMBOL = re.compile(r"\b(?:tf|keras)(?:\.\w+)+")


class Row(NamedTuple):
    """One entry of the map.

    Attributes
    ----------
    tf, torch : str
        The expression on either side, after statements where it needs any.
        Both may use the inputs by name.
    page : str
        Section whose guide page shows the row.
    inputs : dict
        Name to dtype and shape, as ``"f32[2,3]"``; ``"NHWC"`` after it says
        that PyTorch is given the array as NCHW.
    note : str
        What to know, one sentence; empty where nothing differs.
    rtol : float or None
        Tolerance where the default of its dtype does not do.
    unverified : str
        Why the row cannot be executed; empty where it is.
    """

    tf: str
    torch: str
    page: str
    inputs: dict[str, str] = {}  # noqa: RUF012  never changed, shared on purpose
    note: str = ""
    rtol: float | None = None
    unverified: str = ""

    @property
    def symbol(self) -> str:
        """First dotted name of the TensorFlow side.

        >>> Row("tf.reduce_mean(x, axis=1)", "x.mean(1)", "tensors").symbol
        'tf.reduce_mean'
        """
        found = SYMBOL.search(self.tf)
        return found[0] if found else self.tf


class RowError(ValueError):
    """An entry that cannot be read, with its file and what is wrong."""


def read_row(entry: dict[str, Any], file: Path) -> Row:
    """Make a row of a TOML table, or say what is wrong with it.

    Raises
    ------
    RowError
        On a field that is missing or unknown, or a row that is neither
        executed nor says why not.
    """
    name = f"{file.name}: {entry.get('tf', entry)}"
    if unknown := entry.keys() - set(Row._fields):
        raise RowError(f"{name}: unknown field {', '.join(sorted(unknown))}")
    if not entry.get("inputs") and not entry.get("unverified"):
        raise RowError(f"{name}: neither inputs to try it on, nor why it is unverified")
    if missing := {"tf", "torch", "page"} - entry.keys():
        raise RowError(f"{name}: no field {', '.join(sorted(missing))}")
    return Row(**entry)


def rows() -> Iterator[Row]:
    """All rows, file by file in alphabetical order, as they stand in it.

    >>> any(row.symbol == "tf.constant" for row in rows())
    True
    """
    for file in sorted(ROWS.glob("*.toml")):
        for entry in tomllib.loads(file.read_text())["row"]:
            yield read_row(entry, file)


def rows_of_page(page: str) -> list[Row]:
    """Rows that a section's guide page shows, in the order of the files."""
    return [row for row in rows() if row.page == page]
