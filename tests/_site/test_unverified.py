"""The list of what is not verified is read from the sources."""

from pathlib import Path

import pytest

from migrate_examples._site import unverified

TEST = """
import pytest

@pytest.mark.skipif(True, reason="needs a GPU")
def test_a(): ...

@pytest.mark.xfail(reason="known")
def test_b():
    pytest.skip("no browser")

@pytest.mark.skip()
def test_c(): ...
"""


def test_every_kind_of_skip_is_found(tmp_path: Path) -> None:
    (tmp_path / "test_x.py").write_text(TEST)
    found = {gap.what: gap.reason for gap in unverified.skips(tmp_path)}
    assert found == {
        "test_x.py:4": "needs a GPU",
        "test_x.py:7": "known",
        "test_x.py:9": "no browser",
        "test_x.py:11": "",
    }


def test_rows_that_are_not_executed_are_listed(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    from migrate_examples.api_map import Row

    row = Row("tf.x()", "torch.x()", "tensors", unverified="needs a server")
    monkeypatch.setattr(
        unverified, "rows", lambda: iter([row, row._replace(unverified="")])
    )
    assert unverified.gaps(tmp_path) == [("tf.x()", "needs a server")]
