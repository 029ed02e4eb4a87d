"""Rows that are read when they are asked for are the rows."""

from pathlib import Path

import pytest

from migrate_examples.api_map import RowError, rows
from migrate_examples.api_map.index import RowsBySymbol, rows_by_symbol, tables
from migrate_examples.api_map.symbols import main_name

FILE = """page = "tensors"

[[row]]
tf = \"\"\"
v = tf.Variable(x)
v.assign(y)
\"\"\"
torch = "x"
kind = "lines"
inputs = { x = "f32[2]", y = "f32[2]" }

[[row]]
symbol = 'padding="same"'
tf = "tf.nn.conv2d(x)"
torch = "F.conv2d(x)"
kind = "lines"
unverified = "no kernel"
"""


def test_every_row_is_found_under_its_main_name() -> None:
    every = list(rows())
    found = [row for group in rows_by_symbol().values() for row in group]
    assert sorted(map(str, found)) == sorted(map(str, every))
    for row in every:
        assert row in rows_by_symbol()[main_name(row.symbol) or row.symbol]


def test_symbols_are_read_without_parsing(tmp_path: Path) -> None:
    file = tmp_path / "tf.toml"
    file.write_text(FILE)
    assert [t.symbol() for t in tables(file)] == ["tf.Variable", 'padding="same"']
    index = RowsBySymbol(tmp_path)
    assert list(index) == ["tf.Variable", 'padding="same"']
    assert index.parsed == {}
    assert index["tf.Variable"][0].see == "tensors"
    assert list(index.parsed) == ["tf.Variable"]


def test_a_wrong_row_is_named_when_it_is_met(tmp_path: Path) -> None:
    (tmp_path / "tf.toml").write_text(FILE.replace('"lines"', '"equal"'))
    with pytest.raises(RowError, match="kind is 'equal'"):
        RowsBySymbol(tmp_path)["tf.Variable"]


def test_the_plainest_row_stands_first() -> None:
    for group in rows_by_symbol().values():
        executed = [row.executed for row in group]
        assert executed == sorted(executed, reverse=True)
