"""Coverage of real code by the map."""

from pathlib import Path

import pytest

from migrate_examples.api_map.coverage import coverage, uses


def test_the_most_used_symbols_are_all_mapped() -> None:
    most = sorted(uses(), key=lambda use: -use.references)[:300]
    missing = [u.symbol for u in most if u.answer.status != "mapped"]
    assert missing == []


def test_shares_are_counted_by_references(tmp_path: Path) -> None:
    file = tmp_path / "use.csv"
    file.write_text(
        "symbol,references\ntf.reduce_mean,60\ntf.python.no.thing,30\ntf.nothing,10\n"
    )
    found = coverage(uses(file))
    assert (found.symbols, found.mapped_symbols) == (3, 1)
    assert found.of_all == pytest.approx(0.6)
    assert found.of_portable == pytest.approx(60 / 70)
    assert [use.symbol for use in found.missing] == ["tf.python.no.thing", "tf.nothing"]


def test_a_list_without_its_columns_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "use.csv"
    file.write_text("name,count\ntf.abs,1\n")
    with pytest.raises(ValueError, match="no column references, symbol"):
        uses(file)


def test_coverage_of_the_package_own_list() -> None:
    assert coverage(uses()).of_portable >= 0.95
