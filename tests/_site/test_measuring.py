"""The process that measures beside the gallery."""

from pathlib import Path

import pytest
from sphinx.errors import ExtensionError

from migrate_examples._site.measuring import Measuring


def test_two_pages_may_ask(tmp_path: Path) -> None:
    file = tmp_path / "found.json"
    file.write_text('{"a": 1}')
    measuring = Measuring("this", file, "a row")  # prints the Zen of Python
    assert measuring.results() == {"a": 1}
    assert measuring.results() == {"a": 1}


def test_a_failed_measurement_stops_the_build(tmp_path: Path) -> None:
    measuring = Measuring("no_such_module", tmp_path / "found.json", "a row")
    for _ in range(2):
        with pytest.raises(ExtensionError, match=r"a row is wrong:\n.*no_such_module"):
            measuring.results()
