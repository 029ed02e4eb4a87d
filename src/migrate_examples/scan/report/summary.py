"""Sums a report up: how much of what, where, and what needs thought first."""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from itertools import groupby
from typing import NamedTuple

from migrate_examples.api_map import KINDS
from migrate_examples.scan.findings import Finding, Place, Problem, Report
from migrate_examples.scan.report.effort import Range, estimate

MEANINGS = {
    **KINDS,
    "unmapped": "in TensorFlow, but not in the map",
    "removed": "in older versions of TensorFlow only, and not in the map",
    "private": "inside TensorFlow, no part of its published API",
    "unknown": "no such name in TensorFlow",
    "trap": "a silent difference that this code shows",
}
"""What a kind says, in the order of how mechanical a port is; traps come last."""

RISK = (
    *("trap", "semantics", "none", "unknown", "removed", "private"),
    *("unmapped", "tf1", "lines", "arguments", "same"),
)
"""Kinds in the order in which they deserve attention."""

THOUGHT = RISK[:4]
"""Kinds that need thought before work starts: silent ones, then open ends."""

OPEN = ("unknown", "private", "unmapped", "removed")
"""Kinds of which the scan knows no counterpart, and no reason why there is none."""


class Count(NamedTuple):
    """How often a kind occurs, in how many symbols."""

    kind: str
    references: int
    symbols: int


class Use(NamedTuple):
    """One symbol, or trap, and where it occurs.

    Attributes
    ----------
    kind, symbol : str
        As in the findings.
    references, files : int
        How often, in how many files.
    first : Place
        Where first.
    """

    kind: str
    symbol: str
    references: int
    files: int
    first: Place


class Work(NamedTuple):
    """What one file asks for.

    Attributes
    ----------
    file : str
        Its name.
    references, traps : int
        How many of either.
    thought : int
        References of the kinds in :data:`THOUGHT`.
    minutes : Range
        Effort of this file by itself: what files share is counted in each.
    """

    file: str
    references: int
    traps: int
    thought: int
    minutes: Range


class Summary(NamedTuple):
    """A report in figures.

    Attributes
    ----------
    files, lines, ignored : int
        As in the report.
    references, symbols, traps : int
        Findings that are no traps, their distinct symbols, and traps.
    mechanical, covered, guessed : int
        References of kind ``same`` that no trap is about; those with a
        counterpart; those by a guessed receiver.
    kinds : tuple of Count
        Each kind, those that do not occur as well; traps last.
    used : tuple of Use
        Symbols, the most used first.
    thought : tuple of Use
        What needs thought first, in this order: :data:`THOUGHT`, each kind
        from its most to its least frequent.
    pitfalls : tuple of Use
        Traps, the most frequent first.
    not_known : tuple of Use
        What the scan does not know: :data:`OPEN`, in the same order.
    work : tuple of Work
        Files, most work first.
    unread : tuple of Problem
        What could not be read.
    """

    files: int
    lines: int
    ignored: int
    references: int
    symbols: int
    traps: int
    mechanical: int
    covered: int
    guessed: int
    kinds: tuple[Count, ...]
    used: tuple[Use, ...]
    thought: tuple[Use, ...]
    pitfalls: tuple[Use, ...]
    not_known: tuple[Use, ...]
    work: tuple[Work, ...]
    unread: tuple[Problem, ...]


def summarise(report: Report) -> Summary:
    """Sum a report up.

    >>> summarise(Report((), (), files=3, lines=120)).references
    0
    """
    references = [f for f in report.findings if f.category != "trap"]
    risky = trapped(report.findings)
    uses = frequent(report.findings)
    return Summary(
        files=report.files,
        lines=report.lines,
        ignored=report.ignored,
        references=len(references),
        symbols=len({f.symbol for f in references}),
        traps=len(report.findings) - len(references),
        mechanical=sum(f.kind == "same" and f.place not in risky for f in references),
        covered=sum(bool(f.counterpart) for f in references),
        guessed=sum(not f.certain for f in references),
        kinds=tuple(count(kind, uses) for kind in MEANINGS),
        used=tuple(use for use in uses if use.kind != "trap"),
        thought=tuple(of_kinds(uses, THOUGHT)),
        pitfalls=tuple(of_kinds(uses, ["trap"])),
        not_known=tuple(of_kinds(uses, OPEN)),
        work=tuple(by_work(report.findings)),
        unread=report.problems,
    )


def trapped(findings: Sequence[Finding]) -> set[Place]:
    """Places of the references that a trap is about: of its name, within it."""
    spans: dict[tuple[str, int, str], list[Place]] = {}
    for f in findings:
        if f.category == "trap":
            spans.setdefault((f.place.file, f.place.cell, f.name), []).append(f.place)
    return {
        f.place
        for f in findings
        if f.category != "trap"
        for trap in spans.get((f.place.file, f.place.cell, f.name), ())
        if trap[1:3] <= f.place[1:3] < trap[3:5]
    }


def frequent(findings: Iterable[Finding]) -> list[Use]:
    """Symbols and traps, the most frequent first, names where that ties."""
    places: dict[tuple[str, str], list[Place]] = {}
    for finding in findings:
        places.setdefault((finding.kind, finding.symbol), []).append(finding.place)
    uses = [
        Use(kind, symbol, len(found), len({p.file for p in found}), found[0])
        for (kind, symbol), found in places.items()
    ]
    return sorted(uses, key=lambda use: (-use.references, use.symbol, use.kind))


def count(kind: str, uses: Iterable[Use]) -> Count:
    """References and symbols of one kind."""
    found = [use.references for use in uses if use.kind == kind]
    return Count(kind, sum(found), len(found))


def of_kinds(uses: list[Use], kinds: Iterable[str]) -> Iterator[Use]:
    """Uses of these kinds, kind by kind."""
    for kind in kinds:
        yield from (use for use in uses if use.kind == kind)


def by_work(findings: Iterable[Finding]) -> list[Work]:
    """Files, the one with most work first: by the middle of its effort."""
    works = []
    for file, group in groupby(
        sorted(findings, key=lambda f: f.place.file), key=lambda f: f.place.file
    ):
        found = list(group)
        kinds = Counter(f.kind for f in found)
        traps = sum(f.category == "trap" for f in found)
        works.append(
            Work(
                file=file,
                references=len(found) - traps,
                traps=traps,
                thought=sum(kinds[kind] for kind in THOUGHT),
                minutes=estimate(found).minutes,
            )
        )
    return sorted(works, key=lambda work: (-sum(work.minutes), work.file))


def percent(part: int, whole: int) -> str:
    """Share in percent; a dash where there is nothing to share.

    >>> percent(1, 8), percent(0, 0)
    ('12.5%', '–')
    """
    return f"{100 * part / whole:.1f}%" if whole else "\N{EN DASH}"


def many(number: int, noun: str) -> str:
    """Write a number with its noun.

    >>> many(1, "file"), many(1200, "file")
    ('1 file', '1,200 files')
    """
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def at(place: Place) -> str:
    """Place as editors and people read it.

    >>> at(Place("a.py", 3, 7, 3, 9)), at(Place("b.ipynb", 2, 1, 2, 5, cell=4))
    ('a.py:3:7', 'b.ipynb[4]:2:1')
    """
    cell = f"[{place.cell}]" if place.cell else ""
    line = f":{place.line}:{place.column}" if place.line else ""
    return f"{place.file}{cell}{line}"
