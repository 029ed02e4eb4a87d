"""The page: well-formed, self-contained, and nothing foreign becomes markup."""

import base64
import hashlib
import re
from html.parser import HTMLParser
from pathlib import Path

import pytest

from migrate_examples.scan import report as report_package
from migrate_examples.scan.findings import Report
from migrate_examples.scan.report import render
from migrate_examples.scan.report.page import SHOWN_ROWS, WIDEST, entries
from migrate_examples.scan.report.printable import one_line, printable
from migrate_examples.scan.report.summary import RISK, summarise
from tests.scan.reports import EMPTY, HOSTILE, every_kind, finding, hostile, large

VOID = {"meta", "link", "input"}
SITE = "https://example.org/guide"


class Parsed(HTMLParser):
    """Tags, attributes and text of a page; complains where tags do not match."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.texts: list[str] = []
        self.feed(page)
        self.close()
        assert not self.open

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        names = [name for name, _ in attrs]
        assert len(names) == len(set(names))
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self.open and self.open[-1] not in {"script", "style"}:
            self.texts.append(data)

    def shape(self) -> set[tuple[str, str]]:
        """Which tags with which attributes there are at all."""
        return {(tag, name) for tag, attrs in self.tags for name in ("", *attrs)}


@pytest.mark.parametrize("site", ["", SITE])
@pytest.mark.parametrize("report", [every_kind(), hostile(), EMPTY])
def test_page_is_well_formed_and_loads_nothing(report: Report, site: str) -> None:
    page = render(report, "html", site=site)
    parsed = Parsed(page)
    assert page.startswith("<!doctype html>\n")
    names = {name for _, attrs in parsed.tags for name in attrs}
    assert not names & {"src", "srcset", "style", "action", "data", "poster", "ping"}
    assert not [name for name in names if name.startswith("on")]
    targets = [a["href"] or "" for _, a in parsed.tags if "href" in a]
    outside = [t for t in targets if not t.startswith(("#", "data:,"))]
    assert all(target.startswith(f"{SITE}/") for target in outside)
    assert bool(outside) is (bool(site) and report is not EMPTY)
    style = page.partition("<style>")[2].partition("</style>")[0]
    assert not re.search(r"url\(|@import|//", style)


def test_page_turns_nothing_foreign_into_markup() -> None:
    """Hostile text makes no tag and no attribute that plain text does not make."""
    plain = [
        finding(f"{name}.py", n, kind, "tf.abs", cell=n % 2)
        for n, name in enumerate("abcdefghij")
        for kind in ("same", "unknown", "trap")
    ]
    tame = Report(tuple(plain), every_kind().problems, 10, 10)
    for site in ("", SITE):
        page = Parsed(render(hostile(), "html", site=site))
        assert page.shape() <= Parsed(render(tame, "html", site=site)).shape()
        text = "".join(page.texts)
        for foreign in HOSTILE:
            assert text.count(one_line(foreign)) >= 3  # file, symbol, code
            assert printable(foreign) in text
    ids = [attrs["id"] for _, attrs in page.tags if "id" in attrs]
    assert len(ids) == len(set(ids))


def test_page_lets_its_own_script_run_alone() -> None:
    page = render(hostile(), "html")
    own = Path(report_package.__file__).with_name("report.js").read_text("utf-8")
    assert page.lower().count("<script") == 1
    assert f"<script>{own}</script>" in page
    digest = base64.b64encode(hashlib.sha256(own.encode()).digest()).decode()
    (policy,) = re.findall(r'Content-Security-Policy" content="([^"]*)"', page)
    assert f"script-src 'sha256-{digest}'" in policy
    assert policy.startswith("default-src 'none'; ")
    assert "</" not in own


def test_page_shows_every_finding_without_its_script() -> None:
    report = every_kind()
    parsed = Parsed(render(report, "html"))
    places = [attrs for _, attrs in parsed.tags if attrs.get("class") == "at"]
    assert len(places) == len(report.findings)
    hidden = {
        attrs.get("class") or attrs.get("id")
        for _, attrs in parsed.tags
        if "hidden" in attrs
    }
    assert hidden == {"filter", "nothing"}  # both are of use to the script alone
    text = "".join(parsed.texts)
    for found in report.findings:
        assert found.code in text
        assert found.counterpart in text
        assert found.message in text


def test_page_sorts_by_work_and_entries_by_risk() -> None:
    report = every_kind()
    parsed = Parsed(render(report, "html"))
    text = "".join(parsed.texts)
    findings = text[text.index("Findings") :]
    files = [work.file for work in summarise(report).work]
    assert files == sorted(files, key=findings.index)
    kinds = [attrs["data-kind"] for tag, attrs in parsed.tags if tag == "article"]
    assert kinds[:11] == list(RISK)


def test_page_lists_files_problems_and_what_is_not_known() -> None:
    page = render(every_kind(), "html", version="7.8.9")
    text = "".join(Parsed(page).texts)
    for said in (
        *("migrate-examples 7.8.9", "5 files, 2,400 lines", "2 findings ignored"),
        *("old.py:12:7", "Python 2: print without parentheses", "b/broken.ipynb"),
        *("1 method by a guess", "guessed from the method's name"),
    ):
        assert said in text
    for number, work in enumerate(summarise(every_kind()).work, 1):
        assert f"<a href='#file-{number}'>{work.file}</a>" in page
        assert f"id='file-{number}'" in page


def test_page_of_nothing_says_so() -> None:
    text = "".join(Parsed(render(EMPTY, "html")).texts)
    assert "Nothing of TensorFlow or Keras was found." in text
    assert "Nothing in these files." in text


def test_entries_gather_what_says_the_same() -> None:
    found = [finding("a.py", n, "same", f"tf.{'ab'[n % 2]}") for n in range(1, 8)]
    gathered = entries([*found, finding("a.py", 9, "trap", "X-Y")])
    assert [(e.first.symbol, len(e.findings)) for e in gathered] == [
        *(("X-Y", 1), ("tf.b", 4), ("tf.a", 3))
    ]


def test_page_folds_long_lists_and_cuts_endless_lines() -> None:
    found = [finding(f"f{n:02}.py", 1, "none", f"tf.n{n:02}") for n in range(40)]
    found += [finding("z.py", n, "same", "tf.z", code="x" * 9999) for n in range(1, 10)]
    page = render(Report(tuple(found), (), 41, 41), "html")
    assert page.count(f"<summary>{40 - SHOWN_ROWS} more</summary>") == 1
    assert "<summary>4 more lines</summary>" in page
    assert f"{'x' * WIDEST}…" in page
    assert "x" * (WIDEST + 1) not in page


def test_page_of_twenty_thousand_findings_stays_small() -> None:
    report = large()
    page = render(report, "html")
    assert page.count("class='at'") == 20_000
    assert page.count("<article") < 12_000  # what is the same stands once
    assert len(page.encode()) < 8_000_000
