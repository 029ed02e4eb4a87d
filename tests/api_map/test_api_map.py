"""The entries of the map, as data."""

import ast
import tomllib
from pathlib import Path

import pytest

from migrate_examples.api_map import KINDS, ROWS, RowError, read_row, rows
from migrate_examples.api_map.arguments import hidden_defaults
from migrate_examples.api_map.index import rows_by_symbol
from migrate_examples.api_map.symbols import TF_SYMBOLS, lines, main_name

FILE = Path("tf.toml")
GOOD = {
    "tf": "tf.abs(x)",
    "torch": "x.abs()",
    "kind": "same",
    "inputs": {"x": "f32[3]"},
}


def test_rows_are_read() -> None:
    row = read_row(GOOD, FILE, see="tensors")
    assert row.symbol == "tf.abs"
    assert row.see == "tensors"
    assert row.executed


def test_a_row_without_inputs_is_executed_if_it_says_so() -> None:
    assert read_row({**GOOD, "inputs": {}}, FILE, "tensors").executed


@pytest.mark.parametrize(
    "change, message",
    [
        ({"pytorch": "x"}, "tf.toml: tf.abs(x): unknown field pytorch"),
        ({"kind": None}, "no field kind"),
        ({"kind": "equal"}, "kind is 'equal', not one of same, arguments"),
        ({"inputs": None}, "neither inputs to try it on, nor why"),
        ({"torch": ""}, "no PyTorch side: kind is none"),
        ({"torch": "", "kind": "none"}, "note says what to do instead"),
        ({"differs": ["zero"]}, "differs on zero, not among nan, empty, negative"),
        ({"compare": "roughly"}, "compare is 'roughly'"),
        ({"kind": "tf1"}, "says where a TF1 symbol went"),
    ],
)
def test_a_wrong_entry_is_named(change: dict[str, object], message: str) -> None:
    entry = {k: v for k, v in {**GOOD, **change}.items() if v is not None}
    with pytest.raises(RowError) as caught:
        read_row(entry, FILE, see="tensors")
    assert message in str(caught.value)


def test_a_row_without_a_chapter_is_refused() -> None:
    with pytest.raises(RowError, match="no page, and no page at the top"):
        read_row(GOOD, FILE)


def test_each_row_lies_in_the_file_of_its_namespace() -> None:
    """``tf.nn.relu`` lies in ``tf.nn.toml`` where there is one, else in ``tf.toml``."""
    names = {file.stem for file in ROWS.glob("*.toml")}
    for file in ROWS.glob("*.toml"):
        for entry in tomllib.loads(file.read_text())["row"]:
            row = read_row(entry, file, see="tensors")
            if file.stem in {"methods", "arguments"}:
                assert not row.symbol.startswith(("tf.", "keras.")), row.symbol
                continue
            parts = row.symbol.split(".")[:-1]
            found = [".".join(parts[:n]) for n in range(len(parts), 0, -1)]
            assert file.stem == next(c for c in found if c in names), row.symbol


def test_each_row_has_a_chapter() -> None:
    chapters = {p.stem for p in (Path(__file__).parents[2] / "docs/guide").glob("*.md")}
    # pages of the section `data` and `models` that have no chapter of their own
    assert {row.see for row in rows()} <= chapters | {"data_files"}


def test_no_row_stands_twice() -> None:
    seen: dict[tuple[str, str, str], str] = {}
    for row in rows():
        same = (row.symbol, row.tf.strip(), row.torch.strip())
        assert same not in seen or seen[same] != row.page, f"{row.tf} stands twice"
        seen[same] = row.page


def test_both_sides_are_python() -> None:
    for row in rows():
        for side in (row.tf, row.torch):
            ast.parse(side.strip())


def test_no_row_hides_a_default_that_differs() -> None:
    """The installed signatures decide which rows may say ``same``."""
    hidden = {row.tf: found for row in rows() if (found := hidden_defaults(row))}
    assert hidden == {}


def test_symbols_are_names_of_the_installed_version() -> None:
    """A row that is executed speaks of a name that there is."""
    strangers = [
        row.symbol
        for row in rows()
        if row.executed
        and row.kind != "tf1"
        and not row.named
        and row.symbol.startswith(("tf.", "keras."))
        and main_name(row.symbol) not in lines(TF_SYMBOLS)
    ]
    assert strangers == []


def test_tf1_rows_name_a_successor_that_there_is() -> None:
    for row in rows():
        if row.tf2:
            names = [n.strip("` ") for n in row.tf2.replace(" and ", ",").split(",")]
            dotted = [n.partition("(")[0] for n in names if n.startswith(("tf.", "ke"))]
            assert all(main_name(n) for n in dotted), f"{row.symbol}: {row.tf2}"


def test_the_extent_of_the_map() -> None:
    """No loop over nothing: the map is as large as the page says, at least."""
    every = list(rows())
    assert len(rows_by_symbol()) >= 1000
    assert sum(row.executed for row in every) >= 900
    assert {row.kind for row in every} == set(KINDS)
