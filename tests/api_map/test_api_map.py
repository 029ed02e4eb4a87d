"""The entries of the map, as data."""

from pathlib import Path

import pytest

from migrate_examples.api_map import ROWS, RowError, read_row, rows

FILE = Path("tf.toml")
GOOD = {
    "tf": "tf.abs(x)",
    "torch": "x.abs()",
    "page": "tensors",
    "inputs": {"x": "f32[3]"},
}


def test_rows_are_read() -> None:
    assert read_row(GOOD, FILE).symbol == "tf.abs"
    assert len(list(rows())) >= 90


@pytest.mark.parametrize(
    "change, message",
    [
        ({"pytorch": "x"}, "tf.toml: tf.abs(x): unknown field pytorch"),
        ({"page": None}, "no field page"),
        ({"inputs": {}}, "neither inputs to try it on, nor why"),
    ],
)
def test_a_wrong_entry_is_named(change: dict[str, object], message: str) -> None:
    entry = {k: v for k, v in {**GOOD, **change}.items() if v is not None}
    with pytest.raises(RowError) as caught:
        read_row(entry, FILE)
    assert message in str(caught.value)


def test_each_row_lies_in_the_file_of_its_namespace() -> None:
    """``tf.nn.relu`` lies in ``tf.nn.toml`` where there is one, else in ``tf.toml``."""
    import tomllib

    names = {file.stem for file in ROWS.glob("*.toml")}
    for file in ROWS.glob("*.toml"):
        for entry in tomllib.loads(file.read_text())["row"]:
            symbol = read_row(entry, file).symbol
            parts = symbol.split(".")[:-1]
            if not symbol.startswith(("tf.", "keras.")):
                parts = ["methods"]  # of an object: model.summary()
            candidates = [".".join(parts[:n]) for n in range(len(parts), 0, -1)]
            assert file.stem == next(c for c in candidates if c in names), symbol


def test_each_row_has_a_chapter() -> None:
    chapters = {p.stem for p in (Path(__file__).parents[2] / "docs/guide").glob("*.md")}
    assert {row.page for row in rows()} <= chapters
