"""What the build measures, and keeps."""

import json
from pathlib import Path

import pytest

from migrate_examples._site import proofs
from migrate_examples.api_map import Row

ROW = Row("tf.square(x)", "x ** 2", inputs={"x": "f64[3]"})
EDGY = Row("tf.sign(x)", "x.sign()", inputs={"x": "f64[3]"}, differs=("nan",))


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "proofs.json"


def rows_are(rows: list[Row], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(proofs, "rows", lambda: iter(rows))


def test_rows_are_measured_once(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rows_are([ROW, EDGY], monkeypatch)
    proofs.main(file)
    stored = json.loads(file.read_text())
    assert stored[proofs.key(ROW)][0] == 0
    assert stored[proofs.key(EDGY)][3] == {"nan": "nan against 0"}
    monkeypatch.setattr(proofs, "measure", lambda row: pytest.fail(f"again: {row.tf}"))
    proofs.main(file)


def test_a_changed_row_is_measured_anew(
    file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows_are([ROW], monkeypatch)
    proofs.main(file)
    changed = ROW._replace(torch="x * x")
    assert proofs.key(changed) != proofs.key(ROW)
    rows_are([changed], monkeypatch)
    proofs.main(file)
    assert list(json.loads(file.read_text())) == [proofs.key(changed)]


def test_a_wrong_row_stops_the_build(
    file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows_are([ROW._replace(torch="x ** 3")], monkeypatch)
    with pytest.raises(AssertionError, match=r"tf\.square"):
        proofs.main(file)
    assert not file.exists()


def test_unverified_rows_are_not_measured(
    file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows_are([ROW._replace(unverified="needs a server", torch="x ** 3")], monkeypatch)
    proofs.main(file)
    assert not file.exists()
