"""The report as SARIF 2.1.0, the format that code scanning services read."""

import hashlib
import json
import os
import re
from collections import Counter
from collections.abc import Iterator
from typing import Any
from urllib.parse import quote

from migrate_examples.scan.findings import Finding, Place, Problem, Report
from migrate_examples.scan.report import address
from migrate_examples.scan.report.effort import estimate
from migrate_examples.scan.report.machine import effort_figures, plain
from migrate_examples.scan.report.printable import one_line, printable
from migrate_examples.scan.report.summary import MEANINGS, THOUGHT, summarise

SCHEMA = (
    "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/"
    "sarif-schema-2.1.0.json"
)


def as_sarif(report: Report, *, site: str, version: str) -> str:
    """Write one run: a rule for each symbol and trap, a result for each finding."""
    findings, problems = report.findings, report.problems
    places = [f.place for f in findings] + [p.place for p in problems]
    files = {file: n for n, file in enumerate(dict.fromkeys(p.file for p in places))}
    rules = list(first_of_symbols(findings))
    numbers = {finding.symbol: n for n, finding in enumerate(rules)}
    driver = {
        "name": "migrate-examples",
        "version": version,
        "rules": [rule(finding, site) for finding in rules],
    }
    run = {
        "tool": {"driver": driver},
        "columnKind": "unicodeCodePoints",
        "invocations": [
            {
                "executionSuccessful": True,
                "toolExecutionNotifications": [notify(p, files) for p in problems],
            }
        ],
        "artifacts": [{"location": {"uri": uri(file)}} for file in files],
        "results": list(results(findings, files, numbers)),
        "properties": {
            "summary": plain(summarise(report)),
            "effort": effort_figures(estimate(findings)),
        },
    }
    log = {"$schema": SCHEMA, "version": "2.1.0", "runs": [run]}
    return json.dumps(log, indent=1) + "\n"


def first_of_symbols(findings: tuple[Finding, ...]) -> Iterator[Finding]:
    """First finding of each symbol or trap, in the order of their names."""
    first: dict[str, Finding] = {}
    for finding in findings:
        first.setdefault(finding.symbol, finding)
    for symbol in sorted(first):
        yield first[symbol]


def level(kind: str) -> str:
    """Level of a kind: what needs thought is a warning."""
    return "warning" if kind in THOUGHT else "note"


def rule(finding: Finding, site: str) -> dict[str, Any]:
    """Rule of a symbol or trap: what it is, what to do, where to read more."""
    twin, meaning = printable(finding.counterpart), MEANINGS[finding.kind]
    message = printable(finding.message) or f"{meaning[0].upper()}{meaning[1:]}."
    short = f"{finding.symbol} → {twin}" if twin and "\n" not in twin else ""
    if not short:
        short = f"{finding.symbol}: {meaning}"
    parts = [message, *([f"PyTorch: {twin}"] if twin else [])]
    more = printable(address(site, finding.link) or finding.link)
    parts += [f"See {more}"] if more else []
    described = {
        "id": printable(finding.symbol),
        "shortDescription": {"text": printable(short)},
        "fullDescription": {"text": message},
        "help": {"text": "\n".join(parts)},
        "defaultConfiguration": {"level": level(finding.kind)},
        "properties": {
            "kind": finding.kind,
            "tags": sorted({finding.category, finding.kind}),
        },
    }
    if helpful := address(site, quote(printable(finding.link), safe="/#")):
        described["helpUri"] = helpful
    return described


def results(
    findings: tuple[Finding, ...], files: dict[str, int], rules: dict[str, int]
) -> Iterator[dict[str, Any]]:
    """Each finding, with a fingerprint that survives lines being moved."""
    seen: Counter[tuple[str, str, str]] = Counter()
    for finding in findings:
        key = (finding.place.file, finding.symbol, finding.code)
        seen[key] += 1
        text = "\n".join((*key, str(seen[key]))).encode("utf-8", "backslashreplace")
        yield {
            "ruleId": printable(finding.symbol),
            "ruleIndex": rules[finding.symbol],
            "level": level(finding.kind),
            "message": {"text": said(finding)},
            "locations": [location(finding.place, files, finding.code)],
            "partialFingerprints": {
                "fileSymbolCode/v1": hashlib.sha256(text).hexdigest()[:32]
            },
            "properties": {
                "kind": finding.kind,
                "category": finding.category,
                "name": printable(finding.name),
                "counterpart": printable(finding.counterpart),
                "certain": finding.certain,
            },
        }


def said(finding: Finding) -> str:
    """Message of a result: cell of a notebook, name, counterpart and note."""
    place, twin = finding.place, printable(finding.counterpart)
    where = f"Cell {place.cell}, line {place.line}: " if place.cell else ""
    first = f"{where}[{finding.kind}] {one_line(finding.name)}"
    first += f" → {twin}" if twin else ""
    return f"{first}\n{printable(finding.message)}".rstrip()


def location(place: Place, files: dict[str, int], code: str = "") -> dict[str, Any]:
    """Place in a file.

    Lines of a notebook count within their cell: the region is then the top of
    the file, which every reader of the format has, and the cell stands in the
    logical location.
    """
    artifact = {"uri": uri(place.file), "index": files[place.file]}
    physical: dict[str, Any] = {"artifactLocation": artifact}
    found: dict[str, Any] = {"physicalLocation": physical}
    if place.cell:
        physical["region"] = {"startLine": 1}
        name = f"cell {place.cell}"
        logical = {"name": name, "fullyQualifiedName": f"{name}, line {place.line}"}
        found["logicalLocations"] = [{**logical, "kind": "cell"}]
    elif place.line:
        physical["region"] = {
            "startLine": place.line,
            "startColumn": place.column,
            "endLine": place.end_line,
            "endColumn": place.end_column,
        }
        if code:
            physical["contextRegion"] = {
                "startLine": place.line,
                "endLine": place.end_line,
                "snippet": {"text": printable(code)},
            }
    return found


def notify(problem: Problem, files: dict[str, int]) -> dict[str, Any]:
    """Notification of something that could not be read."""
    return {
        "level": "error",
        "message": {"text": printable(problem.message)},
        "locations": [location(problem.place, files)],
    }


def uri(file: str) -> str:
    """Name of a file as a URI, relative where the name is.

    >>> uri("my models/50%#1.py")
    'my%20models/50%25%231.py'
    """
    file = re.sub("[\ud800-\udc7f\udd00-\udfff]", "\ufffd", file)
    encoded = quote(file.replace(os.sep, "/"), safe="/~", errors="surrogateescape")
    return f"file://{encoded}" if encoded.startswith("/") else encoded
