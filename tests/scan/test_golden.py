"""Whole programs and what the scan says of them, kept in ``tests/data/scan``.

``python tests/scan/test_golden.py`` writes the expected texts anew; read the
difference before you keep it. Files called ``keep_*`` have no findings.
"""

from pathlib import Path

import pytest

from migrate_examples.scan import scan_text
from migrate_examples.scan.findings import Finding

FOLDER = Path(__file__).parents[1] / "data" / "scan"
PROGRAMS = sorted(FOLDER.glob("*.py"))
CATEGORIES = {"symbol", "method"}
"""What depends on the code alone; arguments and traps come with their rows."""


def line(finding: Finding) -> str:
    """One line of an expected text."""
    place = finding.place
    guess = "" if finding.certain else " guess"
    return (
        f"{place.line}:{place.column}-{place.end_column} {finding.category}{guess} "
        f"{finding.name} = {finding.symbol}\n"
    )


def expected(program: Path) -> str:
    """What the scan says of a program."""
    report = scan_text(program.read_text(encoding="utf-8"), program.name)
    assert report.problems == ()
    return "".join(line(f) for f in report.findings if f.category in CATEGORIES)


@pytest.mark.parametrize("program", PROGRAMS, ids=lambda p: p.stem)
def test_program(program: Path) -> None:
    if program.stem.startswith("keep_"):
        assert expected(program) == ""
    else:
        assert expected(program) == program.with_suffix(".txt").read_text("utf-8")


def test_there_are_programs_of_both_kinds() -> None:
    kept = [p for p in PROGRAMS if p.stem.startswith("keep_")]
    assert len(kept) >= 3
    assert len(PROGRAMS) - len(kept) >= 5


if __name__ == "__main__":
    for path in PROGRAMS:
        if not path.stem.startswith("keep_"):
            path.with_suffix(".txt").write_text(expected(path), encoding="utf-8")
