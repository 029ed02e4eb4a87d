"""Sums, effort and text of reports made by hand."""

import re
import subprocess
import sys
import unicodedata
from collections import Counter

import pytest

from migrate_examples.api_map import KINDS
from migrate_examples.scan import scan_text
from migrate_examples.scan.findings import Place, Report
from migrate_examples.scan.report import FORMATS, effort, render, summary
from migrate_examples.scan.report.printable import UNSAFE, one_line, printable
from tests.scan.reports import EMPTY, HOSTILE, every_kind, finding, hostile

RANGE = r"([\d,.]+)\N{EN DASH}([\d,.]+)"


def numbers(text: str) -> list[float]:
    return [float(n.replace(",", "")) for n in re.findall(r"[\d,]+(?:\.\d+)?", text)]


def test_render_knows_each_format_and_no_other() -> None:
    for format_ in FORMATS:
        for report in (every_kind(), hostile(), EMPTY):
            assert render(report, format_).endswith("\n")
    with pytest.raises(ValueError, match="'xml', not one of text, json, html"):
        render(EMPTY, "xml")


@pytest.mark.parametrize("format_", FORMATS)
def test_render_is_deterministic_and_can_be_written(format_: str) -> None:
    for make in (every_kind, hostile):
        first, second = (render(make(), format_, site="https://a.b") for _ in "12")
        assert first == second
        assert first.encode("utf-8")  # half a surrogate pair could not be


def test_render_imports_the_format_it_needs_alone() -> None:
    code = (
        "import sys, migrate_examples.scan.findings as f\n"
        "import migrate_examples.scan.report as report\n"
        "before = set(sys.modules)\n"
        "report.render(f.Report((), (), 1, 1), 'text')\n"
        "print(*(set(sys.modules) - before))\n"
        "print(*sys.modules)"
    )
    command = [sys.executable, "-c", code]
    run = subprocess.run(command, capture_output=True, text=True, check=True)
    added, loaded = (set(line.split()) for line in run.stdout.splitlines())
    assert "migrate_examples.scan.report.text" in added
    assert not added & {"json", "html", "hashlib"}
    assert not loaded & {f"migrate_examples.scan.report.{m}" for m in ("page", "sarif")}
    assert not loaded & {"tensorflow", "keras", "torch", "numpy"}


def test_minutes_and_meanings_know_every_kind() -> None:
    statuses = {"unmapped", "removed", "private", "unknown", "trap"}
    assert set(effort.MINUTES) == set(KINDS) | statuses == set(summary.MEANINGS)
    assert sorted(summary.RISK) == sorted(summary.MEANINGS)
    for minutes in effort.MINUTES.values():
        assert 0 < minutes.again.low < minutes.first.low < minutes.first.high
        assert minutes.again.low < minutes.again.high < minutes.first.high


def test_estimate_is_the_sum_that_the_formula_says() -> None:
    low = high = 0.0
    uses = Counter((f.kind, f.symbol) for f in every_kind().findings)
    for (kind, _), times in uses.items():
        first, again = effort.MINUTES[kind]
        low += first.low + (times - 1) * again.low
        high += first.high + (times - 1) * again.high
    assert effort.estimate(every_kind().findings).minutes == pytest.approx((low, high))
    assert effort.estimate(()).minutes == (0, 0)


@pytest.mark.parametrize("format_", ["text", "html", "github", "json", "sarif"])
def test_effort_that_is_printed_is_the_one_that_was_computed(format_: str) -> None:
    """Each format shows figures that give its result when multiplied and added."""
    text = render(every_kind(), format_).replace("%0A", "\n")
    rows = printed_shares(text, format_)
    assert len(rows) == len(summary.MEANINGS)
    total = [0.0, 0.0]
    for symbols, low, high, further, low2, high2, least, most in rows:
        assert least == symbols * low + further * low2
        assert most == symbols * high + further * high2
        total = [total[0] + least, total[1] + most]
    assert tuple(total) == effort.estimate(every_kind().findings).minutes
    if format_ in {"text", "github"}:
        printed = re.search(rf"Rough effort: .* \({RANGE} minutes\)", text)
        assert printed
        assert numbers(printed[0].partition("(")[2]) == total
    assert "judgement, not a measurement" in text
    assert "summed over the kinds" in text


def printed_shares(text: str, format_: str) -> list[list[float]]:
    """Symbols, first, further, again and minutes of each kind, as they are shown."""
    if format_ in {"json", "sarif"}:
        import json

        log = json.loads(text)
        found = log["runs"][0]["properties"] if format_ == "sarif" else log
        return [
            [
                *(share["symbols"], *share["first"].values()),
                *(share["further"], *share["again"].values()),
                *share["minutes"].values(),
            ]
            for share in found["effort"]["shares"]
        ]
    gap = {
        "html": "</td><td>",
        "text": r" +",
        "github": r"[ \N{MULTIPLICATION SIGN}+=]+",
    }[format_]
    start = {"html": r"</th><td>", "text": " +", "github": ": "}[format_]
    kinds = "|".join(summary.MEANINGS)
    cells = [r"([\d,]+)", RANGE, r"([\d,]+)", RANGE, RANGE]
    pattern = rf"\b(?:{kinds}){start}{gap.join(cells)}"
    return [
        [float(cell.replace(",", "")) for cell in match]
        for match in re.findall(pattern, text)
    ]


def test_summarise_counts_what_is_there() -> None:
    report = every_kind()
    figures = summary.summarise(report)
    references = [f for f in report.findings if f.category != "trap"]
    kinds = Counter(f.kind for f in report.findings)
    assert (figures.references, figures.traps) == (len(references), kinds["trap"])
    assert figures.references + figures.traps == len(report.findings)
    assert sum(c.references for c in figures.kinds) == len(report.findings)
    assert [c.kind for c in figures.kinds] == list(summary.MEANINGS)
    assert figures.symbols == len({f.symbol for f in references}) == 11
    assert figures.mechanical == kinds["same"] == 3
    assert figures.covered == sum(bool(f.counterpart) for f in references)
    assert 0 < figures.covered < figures.references
    assert (figures.guessed, figures.files, figures.ignored) == (1, 5, 2)
    assert figures.unread == report.problems


def test_summarise_calls_nothing_mechanical_that_a_trap_is_about() -> None:
    found = [finding("a.py", line, "same", "Dataset.shuffle") for line in (1, 4, 9)]
    found.append(finding("a.py", 4, "same", "tf.abs", column=30))
    trap = finding("a.py", 3, "trap", "SHUFFLE-BUFFER", name="Dataset.shuffle")
    found.append(trap._replace(place=Place("a.py", 3, 1, 4, 60)))  # a chain of calls
    figures = summary.summarise(Report(tuple(found), (), 1, 2))
    assert (figures.references, figures.mechanical, figures.covered) == (4, 3, 4)


def test_summarise_puts_thought_first_and_most_work_first() -> None:
    figures = summary.summarise(every_kind())
    thought = ["trap", "semantics", "none", "unknown"]
    assert [use.kind for use in figures.thought] == thought
    open_ends = ["unknown", "private", "unmapped", "removed"]
    assert [use.kind for use in figures.not_known] == open_ends
    assert [use.symbol for use in figures.pitfalls] == ["tf.trap"]
    assert figures.used[0].symbol == "tf.unknown"  # ten times
    assert [w.file for w in figures.work] == ["src/net.py", "b/lines.py", B_NOTEBOOK]
    assert figures.work[0].thought == sum(
        f.kind in thought for f in every_kind().findings if "net" in f.place.file
    )


B_NOTEBOOK = "b/explore.ipynb"


def test_summarise_breaks_ties_by_name() -> None:
    names = ["tf.b", "tf.a", "tf.c"]
    found = tuple(finding("x.py", n, "same", name) for n, name in enumerate(names, 1))
    used = summary.summarise(Report(found, (), 1, 3)).used
    assert [use.symbol for use in used] == sorted(names)


def test_text_has_one_line_a_finding_that_can_be_searched() -> None:
    report = every_kind()
    lines = render(report, "text").splitlines()
    firsts = [line for line in lines if re.match(r"\S.*:\d+:\d+: \[\w+\] ", line)]
    assert len(firsts) == len(report.findings) + 1  # old.py could not be read
    assert "src/net.py:100:5: [same] tf.same → torch.tf.same" in lines
    assert "b/explore.ipynb[3]:2:5: [same] T.same (tf.same) → torch.tf.same" in lines
    at = lines.index("b/lines.py:4:5: [lines] tf.lines → below")
    assert lines[at + 1 : at + 3] == ["    | a = 1", "    | b = a + x"]
    assert "old.py:12:7: [unread] Python 2: print without parentheses" in lines
    assert "b/broken.ipynb: [unread] not JSON" in lines
    assert lines[-1] == effort.CAVEAT


def test_text_groups_by_file_and_says_what_it_guessed() -> None:
    text = render(every_kind(), "text", site="https://example.org/")
    blocks = text.partition("\nSummary\n")[0].strip().split("\n\n")
    files = [
        {re.split(r"[\[:]", b)[0] for b in block.split("\n")[:1]} for block in blocks
    ]
    assert files[:3] == [{"b/explore.ipynb"}, {"b/lines.py"}, {"src/net.py"}]
    assert text.count("Guessed: the code does not show") == 1
    assert "    see https://example.org/api-map.html#tf.same\n" in text


def test_text_sums_up_in_aligned_tables() -> None:
    text = render(every_kind(), "text")
    table = text.partition("Summary\n")[2].partition("\n\n")[2].partition("\n\n")[0]
    rows = table.splitlines()
    assert [row.split()[0] for row in rows[1:]] == list(summary.MEANINGS)
    ends = {re.match(r"  \w+ +[\d,]+", row).end() for row in rows[1:]}  # type: ignore[union-attr]
    assert ends == {rows[0].index("found") + len("found")}
    assert "Mechanical, the same and no trap: 3 of 58 references (5.2%)" in text
    assert "unmapped, in TensorFlow, but not in the map: tf.unmapped (7)" in text


def test_text_quiet_is_the_summary_alone() -> None:
    report = every_kind()
    whole, quiet = render(report, "text"), render(report, "text", quiet=True)
    assert quiet.startswith("Summary\n")
    assert "[same]" in whole
    assert "[same]" not in quiet
    assert "b/broken.ipynb: not JSON" in quiet  # what was not read is never hidden
    assert "rough" in render(EMPTY, "text", quiet=True)
    assert "Nothing of TensorFlow or Keras was found." in render(EMPTY, "text")


def test_text_cuts_long_lists_and_says_so() -> None:
    found = [finding(f"f{n:02}.py", n, "none", f"tf.n{n:02}") for n in range(1, 41)]
    text = render(Report(tuple(found), (), 40, 40), "text", quiet=True)
    assert text.count("… and 25 more; --format json has all") == 3


def test_text_has_colour_when_asked_and_the_same_words() -> None:
    report = every_kind()
    plain, coloured = render(report, "text"), render(report, "text", color=True)
    assert "\x1b" not in plain
    assert re.sub(r"\x1b\[\d+m", "", coloured) == plain
    line = next(part for part in coloured.splitlines() if "tf.none" in part)
    assert line == ("\x1b[1msrc/net.py:500:5\x1b[0m: [\x1b[31mnone\x1b[0m] tf.none")


def test_printable_leaves_no_control_direction_or_half_character() -> None:
    turns = {"LRE", "RLE", "PDF", "LRO", "RLO", "LRI", "RLI", "FSI", "PDI"}
    for code in [*range(0x3000), *range(0xD800, 0xE000), 0xFEFF, 0x1F600]:
        sign = chr(code)
        acts = unicodedata.category(sign) in {"Cc", "Cs", "Zl", "Zp"}
        acts |= unicodedata.bidirectional(sign) in turns
        if acts and sign not in "\n\t":
            assert printable(sign).startswith("\\")
        if sign.isprintable():
            assert printable(sign) == sign
    assert printable("a\tb\nc") == "a\tb\nc"
    assert one_line("a\tb\nc") == "a\\tb\\nc"


@pytest.mark.parametrize("format_", ["text", "html", "github", "sarif"])
def test_nothing_foreign_acts_on_a_terminal(format_: str) -> None:
    text = render(hostile(), format_)
    assert not UNSAFE.search(text)
    if format_ == "text":
        firsts = [t for t in text.splitlines() if re.search(r":\d+:\d+: \[\w+\] ", t)]
        assert len(firsts) == 3 * len(HOSTILE) + len(HOSTILE)


@pytest.mark.parametrize("format_", FORMATS)
def test_render_shows_what_a_scan_found(format_: str) -> None:
    code = (
        "from tensorflow.keras import layers as L\n"
        "x = L.Conv2D(64, 3, strides=2, padding='same')(x)\n"
    )
    text = render(scan_text(code, "my net.py"), format_)
    assert "PADDING-SAME" in text
    assert "L.Conv2D" in text or format_ == "github"  # which titles by the symbol
    assert ("my%20net.py" if format_ == "sarif" else "my net.py") in text
