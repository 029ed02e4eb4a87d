"""What a scan says: findings with their places, and the report they make up."""

from typing import NamedTuple


class Place(NamedTuple):
    """Where in a file; lines and columns count from 1, columns in characters.

    ``cell`` is the number of the code cell in a notebook, from 1; 0 elsewhere.
    In a notebook ``line`` counts from the top of the cell.
    """

    file: str
    line: int
    column: int
    end_line: int
    end_column: int
    cell: int = 0


class Finding(NamedTuple):
    """One thing that the scan found.

    Attributes
    ----------
    place : Place
        Where it stands.
    category : str
        ``symbol``: a name of TensorFlow or Keras. ``method``: a call on an
        object made by one. ``argument``: a string with a meaning of its own.
        ``trap``: a pitfall that the code shows.
    kind : str
        Kind of the row (:data:`migrate_examples.api_map.KINDS`), or the status
        of a name without one: ``unmapped``, ``removed``, ``private``,
        ``unknown``; of a trap: ``trap``.
    name : str
        As the code writes it: ``L.Dense``.
    symbol : str
        The name it is known by: ``keras.layers.Dense``, ``Dataset.batch``,
        ``padding="same"``; of a trap its identifier, ``PADDING-SAME``.
    counterpart : str
        The PyTorch side of the main row; empty where there is none.
    message : str
        Note and pitfall in one or two sentences; of a trap its title and why.
    link : str
        Page of the site that says more, relative to its root:
        ``api-map.html#tf-reduce-mean``, ``pitfalls.html#padding-same``.
    code : str
        The line of code, stripped.
    certain : bool
        False where the receiver of a method was guessed from its name alone.
    """

    place: Place
    category: str
    kind: str
    name: str
    symbol: str
    counterpart: str = ""
    message: str = ""
    link: str = ""
    code: str = ""
    certain: bool = True


class Problem(NamedTuple):
    """Something that could not be read: the scan goes on without it."""

    place: Place
    message: str


class Report(NamedTuple):
    """Result of a scan.

    Attributes
    ----------
    findings : tuple of Finding
        Ordered by file, cell, line and column.
    problems : tuple of Problem
        Files or cells that could not be read, and why.
    files, lines : int
        How many files and how many lines were read.
    ignored : int
        Findings taken out by comments or settings.
    """

    findings: tuple[Finding, ...]
    problems: tuple[Problem, ...]
    files: int
    lines: int
    ignored: int = 0
