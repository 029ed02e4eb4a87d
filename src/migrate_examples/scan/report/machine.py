"""The report for machines: JSON that reads back, and annotations of a workflow.

The JSON document is an object with these keys. Keys are only ever added as
long as ``version`` stays the same.

``version``
    1, the version of this description.
``tool``
    ``name`` and ``version`` of the program.
``findings``
    A list of objects with the fields of
    :class:`~migrate_examples.scan.findings.Finding`; their ``place`` is an
    object with those of :class:`~migrate_examples.scan.findings.Place`.
``problems``
    A list of objects with ``place`` and ``message``.
``files``, ``lines``, ``ignored``
    Numbers, as in :class:`~migrate_examples.scan.findings.Report`.
``summary``
    The fields of :class:`.summary.Summary`; records in it are objects.
``effort``
    ``minutes`` with ``low`` and ``high``; ``shares``, one a kind, with the
    figures they were computed from; ``formula`` and ``caveat`` in words.
"""

import json
from collections.abc import Iterator
from typing import Any

from migrate_examples.scan.findings import Finding, Place, Problem, Report
from migrate_examples.scan.report import address
from migrate_examples.scan.report.effort import (
    CAVEAT,
    FORMULA,
    TIMES,
    Effort,
    estimate,
    in_words,
    number,
    span,
)
from migrate_examples.scan.report.printable import one_line, printable
from migrate_examples.scan.report.summary import (
    MEANINGS,
    RISK,
    THOUGHT,
    Summary,
    at,
    many,
    percent,
    summarise,
)

VERSION = 1
"""Version of the JSON document."""


def as_json(report: Report, *, version: str) -> str:
    """Write the report as JSON, in ASCII, so that no console can garble it."""
    document = {
        "version": VERSION,
        "tool": {"name": "migrate-examples", "version": version},
        **plain(report),
        "summary": plain(summarise(report)),
        "effort": effort_figures(estimate(report.findings)),
    }
    return json.dumps(document, indent=1) + "\n"


def plain(value: Any) -> Any:
    """Turn named tuples into objects and tuples into lists, all the way down."""
    if hasattr(value, "_asdict"):
        return {key: plain(part) for key, part in value._asdict().items()}
    return [plain(part) for part in value] if isinstance(value, tuple) else value


def effort_figures(effort: Effort) -> dict[str, Any]:
    """Effort with its table, and what the figures are."""
    return {**plain(effort), "formula": FORMULA, "caveat": CAVEAT}


def read_json(text: str) -> Report:
    """Make the report again that :func:`as_json` wrote.

    >>> report = Report((), (), files=2, lines=10, ignored=1)
    >>> read_json(as_json(report, version="1")) == report
    True

    Raises
    ------
    ValueError
        If the document is of another version.
    """
    document = json.loads(text)
    if document["version"] != VERSION:
        raise ValueError(f"version is {document['version']!r}, not {VERSION}")
    return Report(
        tuple(
            Finding(**{**found, "place": Place(**found["place"])})
            for found in document["findings"]
        ),
        tuple(
            Problem(Place(**problem["place"]), problem["message"])
            for problem in document["problems"]
        ),
        *(document[key] for key in ("files", "lines", "ignored")),
    )


def as_github(report: Report, *, quiet: bool, site: str) -> str:
    """Write workflow commands, which GitHub shows beside the code.

    It shows ten warnings and ten notices a step, so those come first that need
    attention most; the last notice sums the report up.
    """
    lines = [
        command("error", "cannot be read", problem.message, problem.place)
        for problem in report.problems
    ]
    if not quiet:
        ordered = sorted(report.findings, key=lambda f: RISK.index(f.kind))
        lines += [annotation(finding, site) for finding in ordered]
    effort = estimate(report.findings)
    words = "\n".join(summary_words(summarise(report), effort))
    lines.append(command("notice", "Scan for TensorFlow and Keras", words))
    return "\n".join(lines) + "\n"


def annotation(finding: Finding, site: str) -> str:
    """Command that annotates one finding."""
    twin = printable(finding.counterpart)
    title = f"{finding.kind}: {finding.symbol}"
    if twin and "\n" not in twin:
        title += f" → {twin}"
    parts = [finding.message or f"{MEANINGS[finding.kind]}."]
    parts += [twin] if "\n" in twin else []
    parts += [address(site, finding.link)] if site and finding.link else []
    level = "warning" if finding.kind in THOUGHT else "notice"
    return command(level, title, "\n".join(parts), finding.place)


def command(level: str, title: str, message: str, place: Place | None = None) -> str:
    """One workflow command, escaped as GitHub's own toolkit does.

    Lines of a notebook count within their cells and not in the file, so its
    annotations stand at the file and say the cell and line in words.

    >>> command("notice", "a: b", "50% done", Place("a,b.py", 3, 1, 4, 7))
    '::notice file=a%2Cb.py,line=3,endLine=4,title=a%3A b::50%25 done'
    """
    properties: dict[str, str | int] = {}
    if place:
        properties["file"] = place.file
    if place and place.cell:
        message = f"Cell {place.cell}, line {place.line}: {message}"
    elif place and place.line:
        properties |= {"line": place.line, "endLine": place.end_line}
        if place.line == place.end_line:
            properties |= {"col": place.column, "endColumn": place.end_column}
    properties["title"] = title
    written = ",".join(f"{k}={escape_property(str(v))}" for k, v in properties.items())
    return f"::{level} {written}::{escape_data(message)}"


def escape_data(text: str) -> str:
    """Escape what ends a command."""
    text = printable(text.replace("\r\n", "\n").replace("\r", "\n"))
    return text.replace("%", "%25").replace("\n", "%0A")


def escape_property(text: str) -> str:
    """Escape what ends a property of a command as well."""
    return escape_data(text).replace(":", "%3A").replace(",", "%2C")


def summary_words(summary: Summary, effort: Effort) -> Iterator[str]:
    """The summary in a few sentences, and how the effort was computed."""
    total = summary.references
    yield (
        f"{many(summary.files, 'file')}, {many(summary.lines, 'line')}: "
        f"{many(total, 'reference')} to {many(summary.symbols, 'symbol')}, "
        f"{many(summary.traps, 'trap')}."
    )
    found = [f"{c.kind} {c.references:,}" for c in summary.kinds if c.references]
    if found:
        yield f"By kind: {', '.join(found)}."
        yield (
            f"Mechanical, the same and no trap: {percent(summary.mechanical, total)}. "
            f"With a counterpart: {percent(summary.covered, total)}."
        )
    if summary.work:
        yield f"Most work: {one_line(summary.work[0].file)}."
    if summary.unread:
        places = ", ".join(one_line(at(p.place)) for p in summary.unread)
        yield f"Could not be read: {places}."
    yield f"Rough effort: {in_words(effort.minutes)} ({span(effort.minutes)} minutes)."
    for share in effort.shares:
        yield (
            f"{share.kind}: {number(share.symbols)} {TIMES} {span(share.first)} "
            f"+ {number(share.further)} {TIMES} {span(share.again)} "
            f"= {span(share.minutes)}"
        )
    yield f"Minutes are {FORMULA}. {CAVEAT}"
