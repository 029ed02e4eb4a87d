"""The report as one HTML file that loads nothing from anywhere.

All of it can be read without JavaScript; the script adds the filter. Whatever
comes from the scanned code is escaped, and the page's own policy lets no other
script run than its own.
"""

import hashlib
from base64 import b64encode
from collections.abc import Iterable, Iterator, Sequence
from html import escape
from pathlib import Path
from typing import NamedTuple

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
    RISK,
    Summary,
    Use,
    Work,
    at,
    many,
    percent,
    summarise,
)

SHOWN_LINES = 5
"""Lines of code that an entry shows at once; the others unfold."""

SHOWN_ROWS = 12
"""Rows of a list that are shown at once; the others unfold."""

WIDEST = 300
"""Characters of a line of code that are shown: generated code has longer ones."""


class Entry(NamedTuple):
    """Findings of one file that say the same: the first of them, and all."""

    first: Finding
    findings: tuple[Finding, ...]


def as_page(report: Report, *, site: str, version: str) -> str:
    """Write the whole page."""
    style, script = (
        Path(__file__).with_name(name).read_text(encoding="utf-8")
        for name in ("report.css", "report.js")
    )
    summary = summarise(report)
    effort = estimate(report.findings)
    body = [
        head_of_page(summary, effort, version),
        "<main>\n",
        *sections(summary, effort),
        *findings_of_files(report.findings, summary.work, site),
        "</main>\n",
    ]
    digest = b64encode(hashlib.sha256(script.encode()).digest()).decode()
    return f"""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; \
style-src 'unsafe-inline'; script-src 'sha256-{digest}'; img-src data:; \
base-uri 'none'; form-action 'none'">
<meta name="color-scheme" content="light dark">
<meta name="referrer" content="no-referrer">
<link rel="icon" href="data:,">
<title>From TensorFlow to PyTorch: report of a scan</title>
<style>
{style}</style>
</head>
<body>
{"".join(body)}
<script>{script}</script>
</body>
</html>
"""


def text(value: str) -> str:
    """Foreign text, escaped for a page."""
    return escape(printable(value))


def line(value: str) -> str:
    """Foreign text on one line, escaped for a page."""
    return escape(one_line(value))


def head_of_page(summary: Summary, effort: Effort, version: str) -> str:
    """Title, and the figures that one asks for first."""
    total = summary.references
    figures = [
        ("references", f"{total:,}", f"to {many(summary.symbols, 'symbol')}"),
        (
            "mechanical",
            percent(summary.mechanical, total),
            "the same, and no trap",
        ),
        (
            "with a counterpart",
            percent(summary.covered, total),
            f"{summary.covered:,} references",
        ),
        ("silent traps", f"{summary.traps:,}", many(len(summary.pitfalls), "kind")),
        ("rough effort", in_words(effort.minutes), "how it was computed"),
    ]
    cells = "".join(
        f"<div><dt>{name}</dt><dd>{value}</dd><dd class='small'>{note}</dd></div>"
        for name, value, note in figures[:-1]
    )
    name, value, note = figures[-1]
    cells += (
        f"<div><dt>{name}</dt><dd>{value}</dd>"
        f"<dd class='small'><a href='#effort'>{note}</a></dd></div>"
    )
    ignored = (
        f" {many(summary.ignored, 'finding')} ignored by comments or settings."
        if summary.ignored
        else ""
    )
    return (
        "<a class='skip' href='#findings'>To the findings</a>\n"
        "<header class='top'><h1>From TensorFlow to PyTorch</h1>\n"
        f"<p>Report of a scan: {many(summary.files, 'file')}, "
        f"{many(summary.lines, 'line')}.{ignored} "
        f"<span class='small'>migrate-examples {text(version)}</span></p>\n"
        f"<dl class='figures'>{cells}</dl></header>\n"
    )


def sections(summary: Summary, effort: Effort) -> Iterator[str]:
    """Everything between the figures and the findings."""
    yield "<div class='overview'>\n"
    yield section("kinds", "By kind", bars(summary))
    thought = uses(summary.thought) or "<p>Nothing: all of it is straightforward.</p>"
    yield section("thought", "Needs thought first", thought)
    yield "</div>\n"
    if summary.work:
        yield section("files", "Files, most work first", files_table(summary.work))
    yield "<div class='overview'>\n"
    yield section("effort", "Rough effort", effort_table(effort))
    yield section("unknown", "What the scan does not know", not_known(summary))
    yield "</div>\n"


def section(name: str, title: str, content: str) -> str:
    """A section under its heading."""
    return (
        f"<section id='{name}' aria-labelledby='{name}-title'>"
        f"<h2 id='{name}-title'>{title}</h2>\n{content}</section>\n"
    )


def badge(kind: str) -> str:
    """Name of a kind, in its colour; the script makes it filter."""
    return f"<a class='kind k-{kind}' href='#q=kind:{kind}'>{kind}</a>"


def bars(summary: Summary) -> str:
    """References by kind as bars, with what the kinds mean."""
    present = [count for count in summary.kinds if count.references]
    longest = max((count.references for count in present), default=1)
    rows = "".join(
        f"<li>{badge(count.kind)}"
        f"<svg class='bar k-{count.kind}' viewBox='0 0 100 1' "
        "preserveAspectRatio='none' aria-hidden='true'>"
        f"<rect width='{100 * count.references / longest:.2f}' height='1'/></svg>"
        f"<b>{count.references:,}</b>"
        f"<span class='small'>{MEANINGS[count.kind]}</span></li>\n"
        for count in present
    )
    nothing = "<p>Nothing of TensorFlow or Keras was found.</p>"
    return f"<ul class='bars'>\n{rows}</ul>" if rows else nothing


def uses(found: Sequence[Use]) -> str:
    """List of symbols with their kinds, the first ones shown at once."""
    items = [
        f"<li>{badge(use.kind)} <code>{line(use.symbol)}</code> "
        f"<span class='small'>{use.references:,} in {many(use.files, 'file')}</span>"
        "</li>\n"
        for use in found
    ]
    return folded(items, "<ul class='uses'>\n", "</ul>")


def folded(items: Sequence[str], opening: str, closing: str) -> str:
    """Items of a list or table, those beyond :data:`SHOWN_ROWS` folded away."""
    shown, rest = items[:SHOWN_ROWS], items[SHOWN_ROWS:]
    if not items:
        return ""
    more = (
        f"<details><summary>{len(rest):,} more</summary>"
        f"{opening}{''.join(rest)}{closing}</details>"
    )
    return f"{opening}{''.join(shown)}{closing}{more if rest else ''}"


def files_table(work: Sequence[Work]) -> str:
    """Table of the files with links to their findings."""
    rows = [
        f"<tr><th scope='row'><a href='#file-{number}'>{line(one.file)}</a></th>"
        f"<td>{one.references:,}</td><td>{one.traps:,}</td><td>{one.thought:,}</td>"
        f"<td>{in_words(one.minutes)}</td></tr>\n"
        for number, one in enumerate(work, 1)
    ]
    head = "".join(
        f"<th scope='col'>{name}</th>"
        for name in ("file", "references", "traps", "thought", "rough effort")
    )
    opening = f"<table><thead><tr>{head}</tr></thead>\n<tbody>\n"
    return (
        f"<div class='wide'>{folded(rows, opening, '</tbody></table>')}</div>"
        "<p class='small'>Effort of each file by itself: a symbol that several files "
        "share is met for the first time in each.</p>"
    )


def effort_table(effort: Effort) -> str:
    """The effort, its formula, and every figure that went in."""
    rows = "".join(
        f"<tr><th scope='row' class='k-{share.kind}'>{share.kind}</th>"
        f"<td>{share.symbols:,}</td><td>{span(share.first)}</td>"
        f"<td>{share.further:,}</td><td>{span(share.again)}</td>"
        f"<td>{span(share.minutes)}</td></tr>\n"
        for share in effort.shares
    )
    head = "".join(
        f"<th scope='col'>{name}</th>"
        for name in ("kind", "symbols", "first", "further", "again", "minutes")
    )
    total = f"<tr><th scope='row' colspan='5'>all</th><td>{span(effort.minutes)}</td>"
    return (
        f"<p><strong>{in_words(effort.minutes)}</strong>: {FORMULA}. {CAVEAT}</p>\n"
        f"<div class='wide'><table><thead><tr>{head}</tr></thead>\n"
        f"<tbody>\n{rows}</tbody><tfoot>{total}</tr></tfoot></table></div>"
    )


def not_known(summary: Summary) -> str:
    """Names without an answer, guesses, and what could not be read."""
    parts = [uses(summary.not_known)]
    if summary.guessed:
        parts.append(
            f"<p>{many(summary.guessed, 'method')} by a guess: the code does not show "
            "what they are called on.</p>"
        )
    if summary.unread:
        items = [
            f"<li><code>{line(at(p.place))}</code> {text(p.message)}</li>\n"
            for p in summary.unread
        ]
        parts.append("<h3>Could not be read</h3>")
        parts.append(folded(items, "<ul class='problems'>\n", "</ul>"))
    return "".join(parts) or "<p>Nothing in these files.</p>"


def findings_of_files(
    findings: Iterable[Finding], work: Sequence[Work], site: str
) -> Iterator[str]:
    """The filter, then the findings file by file, most work first."""
    by_file: dict[str, list[Finding]] = {}
    for finding in findings:
        by_file.setdefault(finding.place.file, []).append(finding)
    yield (
        "<section id='findings' tabindex='-1'><h2>Findings</h2>\n"
        "<form class='filter' role='search' hidden>"
        "<label for='query'>Filter</label>"
        "<input id='query' type='search' autocomplete='off' spellcheck='false' "
        "placeholder='symbol, file or kind:none' aria-describedby='found'>"
        "<output id='found' for='query'></output></form>\n"
        "<p class='legend small'><span class='theirs'>the code</span> "
        "<span class='ours'>its counterpart, or what to know</span></p>\n"
        "<p id='nothing' hidden>Nothing matches.</p>\n"
    )
    for number, one in enumerate(work, 1):
        tally = [many(one.references, "reference"), in_words(one.minutes)]
        tally[:0] = [many(one.traps, "trap")] if one.traps else []
        yield (
            f"<details class='file' id='file-{number}' open><summary>"
            f"<h3>{line(one.file)}</h3><span class='small'>{', '.join(tally)}</span>"
            "</summary>\n"
        )
        yield from (show(entry, site) for entry in entries(by_file[one.file]))
        yield "</details>\n"
    yield "</section>\n"


def entries(findings: Iterable[Finding]) -> list[Entry]:
    """Findings of a file that say the same in one entry, most risk first."""
    groups: dict[tuple[object, ...], list[Finding]] = {}
    for f in findings:
        said = (f.category, f.kind, f.symbol, f.counterpart, f.message, f.certain)
        groups.setdefault(said, []).append(f)
    made = [Entry(group[0], tuple(group)) for group in groups.values()]
    return sorted(made, key=lambda entry: RISK.index(entry.first.kind))


def show(entry: Entry, site: str) -> str:
    """An entry: what it is, the code and its twin side by side, and the note."""
    first, times = entry.first, len(entry.findings)
    count = f" <span class='small'>{times:,} times</span>" if times > 1 else ""
    guessed = "" if first.certain else " (guessed from the method's name)"
    note = f"<p>{text(first.message or MEANINGS[first.kind])}{guessed}</p>"
    twin, below = note, ""
    if first.counterpart:
        twin = f"<pre>{text(first.counterpart)}</pre>"
        below = note if first.message or guessed else ""
    return (
        f"<article data-kind='{first.kind}' class='k-{first.kind}'>"
        f"<h4>{badge(first.kind)} <code>{line(first.symbol)}</code>{count}</h4>\n"
        f"<div class='pair'><div class='theirs'>{code_lines(entry.findings)}</div>"
        f"<div class='ours'>{twin}</div></div>\n"
        f"{below}{link(first, site)}</article>\n"
    )


def link(finding: Finding, site: str) -> str:
    """Link to the page that says more; its name where the site is unknown."""
    if not finding.link:
        return ""
    if whole := address(site, finding.link):
        return f"<p class='small'><a href='{text(whole)}'>{text(finding.link)}</a></p>"
    return f"<p class='small'>See {text(finding.link)}</p>"


def code_lines(findings: Iterable[Finding]) -> str:
    """Lines of code with their places; a line with several of them stands once."""
    lines: dict[tuple[int, int, str], list[Finding]] = {}
    for f in findings:
        lines.setdefault((f.place.cell, f.place.line, f.code), []).append(f)
    items = [code_line(group) for group in lines.values()]
    shown, rest = items[:SHOWN_LINES], items[SHOWN_LINES:]
    more = (
        f"<details><summary>{many(len(rest), 'more line')}</summary>"
        f"<ol>{''.join(rest)}</ol></details>"
    )
    return f"<ol>{''.join(shown)}</ol>{more if rest else ''}"


def code_line(findings: Sequence[Finding]) -> str:
    """One line of code, the name in it set off."""
    first = findings[0]
    cell = f"[{first.place.cell}]:" if first.place.cell else ""
    columns = ",".join(str(f.place.column) for f in findings)
    code = first.code[:WIDEST] + ("…" if len(first.code) > WIDEST else "")
    before, name, after = (code or first.name).partition(first.name)
    marked = f"<mark>{line(name)}</mark>" if name else ""
    return (
        f"<li><span class='at'>{cell}{first.place.line}:{columns}</span>"
        f"<code>{line(before)}{marked}{line(after)}</code></li>\n"
    )
