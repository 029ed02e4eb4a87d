"""Every row of the map, executed in both frameworks."""

import pytest

from migrate_examples.api_map import Row, rows
from migrate_examples.api_map.check import remarks

ROWS = [row for row in rows() if row.executed]
# A symbol may have several rows; a number tells them apart.
IDS = [f"{row.symbol} #{n}" for n, row in enumerate(ROWS)]


@pytest.mark.parametrize("row", ROWS, ids=IDS)
def test_row(row: Row) -> None:
    """On three draws, and on a NaN, an empty batch and negative integers."""
    assert list(remarks(row)) == []


def test_no_loop_over_nothing() -> None:
    assert len(ROWS) >= 900
