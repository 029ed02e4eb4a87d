"""The report as text: one line a finding that can be searched, then the summary."""

import re
from collections.abc import Iterable, Iterator, Sequence
from itertools import groupby

from migrate_examples.scan.findings import Finding, Report
from migrate_examples.scan.report import address
from migrate_examples.scan.report.effort import (
    CAVEAT,
    FORMULA,
    Effort,
    estimate,
    in_words,
    span,
)
from migrate_examples.scan.report.printable import one_line, printable
from migrate_examples.scan.report.summary import (
    MEANINGS,
    Summary,
    Use,
    at,
    many,
    percent,
    summarise,
)

LONGEST = 15
"""Rows of a list in the summary; what is left out is counted."""

RESET, BOLD, DIM, RED, GREEN, YELLOW, CYAN = (
    f"\x1b[{code}m" for code in (0, 1, 2, 31, 32, 33, 36)
)
COLORS = {
    **dict.fromkeys(("trap", "none", "unknown"), RED),
    **dict.fromkeys(("semantics", "tf1", "removed", "private", "unmapped"), YELLOW),
    **dict.fromkeys(("lines", "arguments"), CYAN),
    "same": GREEN,
}


def as_text(report: Report, *, color: bool, quiet: bool, site: str) -> str:
    """Write findings file by file, then the summary; the summary alone if quiet."""
    lines: list[str] = []
    if not quiet:
        for _, found in groupby(report.findings, key=lambda f: f.place.file):
            for finding in found:
                lines += describe(finding, site)
            lines.append("")
        lines += [*unread(report), ""] if report.problems else []
    lines += summary_lines(summarise(report), quiet=quiet)
    lines += effort_lines(estimate(report.findings))
    text = "\n".join(lines) + "\n"
    return colored(text) if color else text


def colored(text: str) -> str:
    """Colour kinds and set places and headings bold; the text stays the same."""
    kinds = "|".join(COLORS)
    text = re.sub(
        rf"^(\S.*:\d+:\d+): \[({kinds}|unread)\] ",
        lambda m: f"{BOLD}{m[1]}{RESET}: [{COLORS.get(m[2], RED)}{m[2]}{RESET}] ",
        text,
        flags=re.M,
    )
    text = re.sub(
        rf"^  ({kinds})(?=  )",
        lambda m: f"  {COLORS[m[1]]}{m[1]}{RESET}",
        text,
        flags=re.M,
    )
    text = re.sub(r"^    see .*$", lambda m: f"{DIM}{m[0]}{RESET}", text, flags=re.M)
    return re.sub(
        r"^(Summary|Needs thought first|Most used|Files, most|Not known|Rough effort)",
        lambda m: f"{BOLD}{m[0]}{RESET}",
        text,
        flags=re.M,
    )


def describe(finding: Finding, site: str) -> Iterator[str]:
    """Lines of a finding: the first says all that is searched for."""
    known = finding.symbol != finding.name
    name = one_line(finding.name) + (f" ({one_line(finding.symbol)})" if known else "")
    twin = printable(finding.counterpart).splitlines()
    short = f" → {one_line(twin[0])}" if len(twin) == 1 else " → below" if twin else ""
    yield f"{one_line(at(finding.place))}: [{finding.kind}] {name}{short}"
    if len(twin) > 1:
        yield from (f"    | {line}" for line in twin)
    message = finding.message or ("" if twin else f"{MEANINGS[finding.kind]}.")
    yield from (f"    {line}" for line in printable(message).splitlines())
    if not finding.certain:
        yield "    Guessed: the code does not show what the method is called on."
    if finding.link:
        yield f"    see {one_line(address(site, finding.link) or finding.link)}"


def unread(report: Report) -> Iterator[str]:
    """One line for each file or cell that could not be read."""
    for problem in report.problems:
        yield f"{one_line(at(problem.place))}: [unread] {one_line(problem.message)}"


def summary_lines(summary: Summary, *, quiet: bool) -> Iterator[str]:
    """Figures of the report, the lists cut to a length that one reads."""
    yield "Summary"
    yield (
        f"{many(summary.files, 'file')}, {many(summary.lines, 'line')}: "
        f"{many(summary.references, 'reference')} to "
        f"{many(summary.symbols, 'symbol')}, {many(summary.traps, 'trap')}."
    )
    if summary.ignored:
        yield f"Ignored by comments or settings: {many(summary.ignored, 'finding')}."
    yield ""
    yield from kind_table(summary)
    yield from use_table("Needs thought first", summary.thought)
    yield from use_table("Most used", summary.used)
    yield from work_table(summary)
    yield from not_known(summary, quiet=quiet)


def kind_table(summary: Summary) -> Iterator[str]:
    """References by kind, with what the kinds mean."""
    rows = [
        (
            count.kind,
            f"{count.references:,}",
            "" if count.kind == "trap" else percent(count.references, total),
            f"{count.symbols:,}",
            MEANINGS[count.kind],
        )
        for total in [summary.references]
        for count in summary.kinds
        if count.references
    ]
    if not rows:
        yield from ("Nothing of TensorFlow or Keras was found.", "")
        return
    yield from table(
        ("kind", "found", "share", "symbols", "what it says"), rows, "1 2 3"
    )
    total = summary.references
    yield ""
    yield (
        f"Mechanical, the same and no trap: {summary.mechanical:,} of {total:,} "
        f"references ({percent(summary.mechanical, total)}). With a counterpart: "
        f"{summary.covered:,} of {total:,} ({percent(summary.covered, total)})."
    )
    yield ""


def use_table(title: str, uses: Sequence[Use]) -> Iterator[str]:
    """Symbols of the summary, one a line, with the place of the first."""
    if not uses:
        return
    yield title
    yield from table(
        ("kind", "symbol", "found", "files", "first"),
        [
            (
                use.kind,
                one_line(use.symbol),
                f"{use.references:,}",
                f"{use.files:,}",
                one_line(at(use.first)),
            )
            for use in uses[:LONGEST]
        ],
        "2 3",
    )
    yield from left_out(len(uses))
    yield ""


def work_table(summary: Summary) -> Iterator[str]:
    """Files with most work; each by itself."""
    if not summary.work:
        return
    yield "Files, most work first (each counted by itself)"
    yield from table(
        ("file", "references", "traps", "thought", "minutes"),
        [
            (
                one_line(work.file),
                f"{work.references:,}",
                f"{work.traps:,}",
                f"{work.thought:,}",
                span(work.minutes),
            )
            for work in summary.work[:LONGEST]
        ],
        "1 2 3 4",
    )
    yield from left_out(len(summary.work))
    yield ""


def left_out(length: int) -> Iterator[str]:
    """Say how many rows a list has beyond those that are shown."""
    if length > LONGEST:
        yield f"… and {length - LONGEST:,} more; --format json has all"


def not_known(summary: Summary, *, quiet: bool) -> Iterator[str]:
    """What the scan has no answer for, and what it could not read."""
    yield "Not known"
    for kind in dict.fromkeys(use.kind for use in summary.not_known):
        uses = [use for use in summary.not_known if use.kind == kind]
        names = ", ".join(
            f"{one_line(use.symbol)} ({use.references:,})" for use in uses[:LONGEST]
        )
        more = f", and {n:,} more" if (n := len(uses) - LONGEST) > 0 else ""
        yield f"  {kind}, {MEANINGS[kind]}: {names}{more}"
    if summary.guessed:
        yield (
            f"  {many(summary.guessed, 'method')} by a guess: the code does not show "
            "what they are called on"
        )
    if summary.unread:
        end = ":" if quiet else ""
        yield f"  {many(len(summary.unread), 'place')} that could not be read{end}"
        for problem in summary.unread if quiet else ():
            yield f"    {one_line(at(problem.place))}: {one_line(problem.message)}"
    if not (summary.not_known or summary.guessed or summary.unread):
        yield "  nothing in these files"
    yield ""


def effort_lines(effort: Effort) -> Iterator[str]:
    """The effort, and each figure that it was computed from."""
    yield f"Rough effort: {in_words(effort.minutes)} ({span(effort.minutes)} minutes)"
    if effort.shares:
        rows = [
            (
                share.kind,
                f"{share.symbols:,}",
                span(share.first),
                f"{share.further:,}",
                span(share.again),
                span(share.minutes),
            )
            for share in effort.shares
        ]
        head = ("kind", "symbols", "first", "further", "again", "minutes")
        yield from table(head, rows, "1 2 3 4 5")
    yield f"Minutes are {FORMULA}."
    yield CAVEAT


def table(
    head: Sequence[str], rows: Iterable[Sequence[str]], right: str
) -> Iterator[str]:
    r"""Align columns; ``right`` names those that are set to the right.

    >>> print(*table(("kind", "found"), [("same", "7"), ("trap", "12")], "1"), sep="\n")
      kind  found
      same      7
      trap     12
    """
    cells = [head, *rows]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    for row in cells:
        aligned = (
            cell.rjust(width) if str(place) in right.split() else cell.ljust(width)
            for place, (cell, width) in enumerate(zip(row, widths, strict=True))
        )
        yield f"  {'  '.join(aligned)}".rstrip()
