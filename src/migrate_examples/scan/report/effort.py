"""A rough measure of the effort of a port, and how it was computed.

The measure is a sum that anybody can do again: minutes for each symbol that is
met for the first time, and fewer for each of its further references. The
minutes stand in :data:`MINUTES`; every report prints those that it used.
"""

import math
from collections import Counter
from collections.abc import Iterable
from typing import NamedTuple

from migrate_examples.scan.findings import Finding


class Range(NamedTuple):
    """From the least to the most, in minutes."""

    low: float
    high: float


class Minutes(NamedTuple):
    """What a kind of finding takes: the first time, and each time after it."""

    first: Range
    again: Range


MINUTES = {
    "same": Minutes(Range(1, 3), Range(0.25, 1)),
    "arguments": Minutes(Range(3, 10), Range(0.5, 2)),
    "semantics": Minutes(Range(10, 30), Range(1, 5)),
    "lines": Minutes(Range(10, 30), Range(2, 5)),
    "none": Minutes(Range(30, 120), Range(5, 20)),
    "tf1": Minutes(Range(5, 30), Range(1, 5)),
    "unmapped": Minutes(Range(5, 60), Range(1, 10)),
    "removed": Minutes(Range(5, 60), Range(1, 10)),
    "private": Minutes(Range(15, 120), Range(5, 20)),
    "unknown": Minutes(Range(5, 60), Range(1, 10)),
    "trap": Minutes(Range(10, 30), Range(2, 10)),
}
"""Minutes by kind. The first time, somebody reads, decides and tries."""

TO, TIMES = "\N{EN DASH}", "\N{MULTIPLICATION SIGN}"

FORMULA = f"symbols {TIMES} first + further {TIMES} again, summed over the kinds"
"""How the minutes of a report come about, in words."""

CAVEAT = (
    "The minutes are a judgement, not a measurement: take the result as rough, "
    "not as a promise. It leaves out tests, training runs, data and review. "
    "A working day has 8 hours."
)
"""What every report says beside the result."""


class Share(NamedTuple):
    """What one kind of finding adds to the effort.

    Attributes
    ----------
    kind : str
        Kind of the findings.
    symbols : int
        Distinct symbols of this kind, or traps.
    first : Range
        Minutes for the first meeting of each.
    further : int
        References after the first ones.
    again : Range
        Minutes for each of these.
    minutes : Range
        ``symbols × first + further × again``.
    """

    kind: str
    symbols: int
    first: Range
    further: int
    again: Range
    minutes: Range


class Effort(NamedTuple):
    """Sum of the shares, in minutes."""

    minutes: Range
    shares: tuple[Share, ...]


def estimate(findings: Iterable[Finding]) -> Effort:
    """Add up the minutes of findings.

    >>> from migrate_examples.scan.findings import Finding, Place
    >>> place = Place("a.py", 1, 1, 1, 9)
    >>> once = Finding(place, "symbol", "same", "tf.abs", "tf.abs")
    >>> estimate([once, once, once]).minutes
    Range(low=1.5, high=5.0)
    """
    uses = Counter((finding.kind, finding.symbol) for finding in findings)
    symbols = Counter(kind for kind, _ in uses)
    references: Counter[str] = Counter()
    for (kind, _), count in uses.items():
        references[kind] += count
    shares = tuple(
        share(kind, symbols[kind], references[kind] - symbols[kind])
        for kind in MINUTES
        if symbols[kind]
    )
    return Effort(add(s.minutes for s in shares), shares)


def share(kind: str, symbols: int, further: int) -> Share:
    """Minutes of so many symbols of a kind and their further references."""
    first, again = MINUTES[kind]
    minutes = Range(
        symbols * first.low + further * again.low,
        symbols * first.high + further * again.high,
    )
    return Share(kind, symbols, first, further, again, minutes)


def add(ranges: Iterable[Range]) -> Range:
    """Sum of ranges, end by end.

    >>> add([Range(1, 3), Range(2, 5)])
    Range(low=3.0, high=8.0)
    """
    low = high = 0.0
    for one in ranges:
        low, high = low + one.low, high + one.high
    return Range(low, high)


def in_words(minutes: Range) -> str:
    """Say a range in a unit that suits it, rounded outwards.

    >>> in_words(Range(12, 41.5))
    '12–42 minutes'
    >>> in_words(Range(185, 630))
    '3–11 hours'
    >>> in_words(Range(2410, 9155))
    '5–20 working days'
    """
    unit, length = "minutes", 1
    if minutes.high > 16 * 60:
        unit, length = "working days", 8 * 60
    elif minutes.high > 2 * 60:
        unit, length = "hours", 60
    low, high = down(minutes.low / length), up(minutes.high / length)
    return f"{number(low)}{TO}{number(high)} {unit}" if low < high else f"0 {unit}"


def down(value: float) -> float:
    """Round down: below 10 to halves, above to two digits."""
    step = rounding(value)
    return math.floor(value / step) * step


def up(value: float) -> float:
    """Round up: below 10 to halves, above to two digits."""
    step = rounding(value)
    return math.ceil(value / step) * step


def rounding(value: float) -> float:
    """Step that rounds a value to about two digits."""
    return 0.5 if value < 10 else 10.0 ** (math.floor(math.log10(value)) - 1)


def number(value: float) -> str:
    """Write a number without needless digits.

    >>> number(1234.5), number(3.0), number(0.25)
    ('1,234.5', '3', '0.25')
    """
    return f"{value:,.2f}".rstrip("0").rstrip(".")


def span(minutes: Range) -> str:
    """Write a range exactly as it is computed with.

    >>> span(Range(0.25, 1))
    '0.25–1'
    """
    return f"{number(minutes.low)}{TO}{number(minutes.high)}"
