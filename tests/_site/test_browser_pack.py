"""The scanner as the page loads it."""

import subprocess
import sys
import zipfile
from pathlib import Path
from types import SimpleNamespace
from typing import cast

import pytest
from sphinx.application import Sphinx
from sphinx.errors import ExtensionError

from migrate_examples._site.browser import RUNTIME, pack, prepare


def test_the_same_sources_make_the_same_file(tmp_path: Path) -> None:
    for name in ("one.zip", "other.zip"):
        pack(tmp_path / name)
    assert (tmp_path / "one.zip").read_bytes() == (tmp_path / "other.zip").read_bytes()


def test_the_sources_scan_by_themselves(tmp_path: Path) -> None:
    """With the standard library alone, as in the browser."""
    pack(tmp_path / "package.zip")
    with zipfile.ZipFile(tmp_path / "package.zip") as archive:
        archive.extractall(tmp_path)
        names = archive.namelist()
    assert "migrate_examples/api_map/rows/tf.toml" in names
    assert not any("_site" in name or name.endswith(".pyc") for name in names)
    code = (
        "from migrate_examples.scan import scan_text\n"
        "from migrate_examples.scan.report import render\n"
        "report = scan_text('import tensorflow as tf\\ntf.reduce_sum(x)', 'a.py')\n"
        "print(report.findings[0].symbol, '<html' in render(report, 'html'))"
    )
    run = subprocess.run(
        [sys.executable, "-S", "-c", code],
        cwd=tmp_path,
        env={"PYTHONPATH": str(tmp_path), "PYTHONDONTWRITEBYTECODE": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.stdout.split() == ["tf.reduce_sum", "True"], run.stderr


def test_a_missing_runtime_is_named(tmp_path: Path) -> None:
    (tmp_path / "docs").mkdir()
    (tmp_path / "docs/scan.md").touch()
    app = cast(Sphinx, SimpleNamespace(confdir=tmp_path, srcdir=tmp_path / "docs"))
    with pytest.raises(ExtensionError, match=r"has no pyodide\.mjs: run make site"):
        prepare(app, cast("object", None))  # type: ignore[arg-type]
    (tmp_path / "build/pyodide").mkdir(parents=True)
    for name in RUNTIME:
        (tmp_path / "build/pyodide" / name).write_text(name)
    prepare(app, cast("object", None))  # type: ignore[arg-type]
    laid = {path.name for path in (tmp_path / "build/browser/scanner").iterdir()}
    assert laid == {*RUNTIME, "migrate_examples.zip"}
