"""What the pages on the port print."""

import json
from pathlib import Path

import pytest
from docutils import nodes

from migrate_examples._site import port_measured, port_tables


def test_measured_once_for_the_same_sources(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "build/measured.json"
    monkeypatch.setattr(port_measured, "measure", lambda: {"key": port_measured.key()})
    port_measured.main(file)
    assert json.loads(file.read_text())["key"] == port_measured.key()
    monkeypatch.setattr(port_measured, "measure", lambda: pytest.fail("again"))
    port_measured.main(file)


def test_measured_anew_for_other_sources(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "measured.json"
    file.write_text('{"key": "of older sources"}')
    monkeypatch.setattr(port_measured, "measure", lambda: {"key": "new"})
    port_measured.main(file)
    assert json.loads(file.read_text()) == {"key": "new"}


def test_cells_of_several_lines_are_paragraphs() -> None:
    made = port_tables.table(("a", "b"), [("1", "2\n3")])
    assert made.astext().split() == ["a", "b", "1", "2", "3"]
    assert len(list(made.findall(nodes.paragraph))) == 5
