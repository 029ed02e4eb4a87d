"""The API map: what a TensorFlow expression is in PyTorch, one entry a row.

The rows are data, in ``rows/<namespace>.toml``. Reading them needs neither
framework; :mod:`migrate_examples.api_map.prove` runs them in both.
"""

import re
import tomllib
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

ROWS = Path(__file__).parent / "rows"
SYMBOL = re.compile(r"\b(?:tf|keras)(?:\.\w+)+")

KINDS = {
    "same": "same meaning; at most a name or the place of an argument differs",
    "arguments": "same meaning; arguments or their defaults need thought",
    "semantics": "another meaning: silent unless you know it",
    "lines": "no single call, but a few lines",
    "none": "no counterpart in PyTorch; the note says what to do instead",
    "tf1": "TensorFlow 1; tf2 names its successor",
}
"""What a row says about its two sides, in the order of how mechanical a port is."""

EDGES = ("nan", "empty", "negative")
"""Special inputs that every row is tried on, beside random ones."""


class Row(NamedTuple):
    """One entry of the map.

    Attributes
    ----------
    tf, torch : str
        The expression on either side, after statements where it needs any.
        Both may use the inputs by name. ``torch`` is empty where there is no
        counterpart.
    kind : str
        One of :data:`KINDS`.
    page : str
        Section whose chapter shows the row in its table; empty for a row that
        the look-up alone shows.
    inputs : dict
        Name to dtype and shape, as ``"f32[2,3]"``, see
        :func:`migrate_examples.api_map.inputs.draw`.
    note : str
        What to know, one sentence; empty where nothing differs.
    pitfall : str
        What goes wrong silently, one sentence; empty where nothing does.
    weights : dict
        State of the PyTorch module as expressions of the Keras layer's
        weights: ``{ weight = "kernel.T", bias = "bias" }``.
    compare : str
        ``values``; ``distribution`` for random draws; ``shape`` where neither
        can be had.
    differs : list of str
        Those of :data:`EDGES` on which the sides are known to differ.
    tf2 : str
        The TF2 name of a TF1 symbol.
    rtol : float or None
        Tolerance where the default of its dtype does not do.
    unverified : str
        Why the row cannot be executed; empty where it is.
    named : str
        Symbol where it is not the first name of ``tf``: a method as
        ``Tensor.numpy``, an argument as ``padding="same"``. ``symbol`` in the
        file.
    see : str
        Section whose chapter explains the subject: ``page``, or that of the
        file.
    main : bool
        Whether the row stands first among those of its symbol; else the
        shortest does.
    """

    tf: str
    torch: str
    page: str = ""
    inputs: dict[str, str] = {}  # noqa: RUF012  never changed, shared on purpose
    note: str = ""
    rtol: float | None = None
    unverified: str = ""
    kind: str = "same"
    pitfall: str = ""
    weights: dict[str, str] = {}  # noqa: RUF012
    compare: str = "values"
    differs: tuple[str, ...] = ()
    tf2: str = ""
    named: str = ""
    see: str = ""
    main: bool = False

    @property
    def symbol(self) -> str:
        """First dotted name of the TensorFlow side, unless another is stated.

        >>> Row("tf.reduce_mean(x, axis=1)", "x.mean(1)", "tensors").symbol
        'tf.reduce_mean'
        """
        if self.named:
            return self.named
        found = SYMBOL.search(self.tf)
        return found[0] if found else self.tf

    @property
    def executed(self) -> bool:
        """Whether the tests run both sides."""
        return bool(self.torch) and not self.unverified


class RowError(ValueError):
    """An entry that cannot be read, with its file and what is wrong."""


def read_row(entry: dict[str, Any], file: Path, see: str = "") -> Row:
    """Make a row of a TOML table, or say what is wrong with it.

    Raises
    ------
    RowError
        On a field that is missing or unknown, or a row that is neither
        executed nor says why not.
    """
    name = f"{file.name}: {entry.get('tf', entry)}"
    fields = {("named" if key == "symbol" else key): v for key, v in entry.items()}
    fields["see"] = entry.get("page") or see
    fields["differs"] = tuple(entry.get("differs", ()))
    if "symbol" in entry and "named" in entry:
        raise RowError(f"{name}: the field is called symbol, not named")
    if unknown := fields.keys() - set(Row._fields):
        raise RowError(f"{name}: unknown field {', '.join(sorted(unknown))}")
    if missing := {"tf", "torch", "kind"} - entry.keys():
        raise RowError(f"{name}: no field {', '.join(sorted(missing))}")
    if entry["torch"] and "inputs" not in entry and not entry.get("unverified"):
        raise RowError(f"{name}: neither inputs to try it on, nor why it is unverified")
    row = Row(**fields)
    if problem := next(problems(row), ""):
        raise RowError(f"{name}: {problem}")
    return row


def problems(row: Row) -> Iterator[str]:
    """What is wrong with a row, in words."""
    if row.kind not in KINDS:
        yield f"kind is {row.kind!r}, not one of {', '.join(KINDS)}"
    if not row.torch and (row.kind not in {"none", "tf1"} or not row.note):
        yield "no PyTorch side: kind is none, and note says what to do instead"
    if strange := set(row.differs) - set(EDGES):
        yield f"differs on {', '.join(sorted(strange))}, not among {', '.join(EDGES)}"
    if row.compare not in {"values", "distribution", "shape"}:
        yield f"compare is {row.compare!r}"
    if row.kind == "tf1" and not row.tf2 and not row.note:
        yield "tf2 or note says where a TF1 symbol went"
    if not row.see:
        yield "no page, and no page at the top of the file"


@cache
def rows_of_file(file: Path) -> tuple[Row, ...]:
    """Rows of one file, in its order."""
    tables = tomllib.loads(file.read_text())
    return tuple(read_row(e, file, tables.get("page", "")) for e in tables["row"])


def rows() -> Iterator[Row]:
    """All rows, file by file in alphabetical order, as they stand in it.

    >>> any(row.symbol == "tf.constant" for row in rows())
    True
    """
    for file in sorted(ROWS.glob("*.toml")):
        yield from rows_of_file(file)


def rows_of_page(page: str) -> list[Row]:
    """Rows that a section's guide page shows, in the order of the files."""
    return [row for row in rows() if row.page == page]
