"""Puts the scanner itself on the site, to run in the reader's browser.

The page loads Pyodide, which is Python compiled for browsers, and this
package's own sources: the same scan as in a terminal, and no server.
"""

import shutil
import zipfile
from pathlib import Path

from sphinx.application import Sphinx
from sphinx.config import Config
from sphinx.errors import ExtensionError

from migrate_examples._site.page_files import load_on

PACKAGE = Path(__file__).parents[1]
PARTS = (
    *("*.py", "api_map/*", "api_map/rows/*"),
    *("pitfalls/*", "pitfalls/entries/*", "scan/*", "scan/report/*"),
)
"""What a scan needs, below the package; the frameworks are no part of it."""

RUNTIME = (
    "pyodide.mjs",
    "pyodide.asm.mjs",
    "pyodide.asm.wasm",
    "pyodide-lock.json",
    "python_stdlib.zip",
)
EARLIEST = (1980, 1, 1, 0, 0, 0)


def pack(file: Path) -> None:
    """Write the scanner's sources into a zip file, the same bytes for the same text."""
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        for path in sorted({p for part in PARTS for p in PACKAGE.glob(part)}):
            if path.is_file() and path.suffix != ".pyc":
                name = path.relative_to(PACKAGE.parent).as_posix()
                archive.writestr(zipfile.ZipInfo(name, EARLIEST), path.read_bytes())


def prepare(app: Sphinx, _config: Config) -> None:
    """Lay what the page loads into ``build/browser``, which the site copies.

    Raises
    ------
    ExtensionError
        Where Pyodide was not fetched.
    """
    folder = Path(app.confdir, "build/browser/scanner")
    folder.mkdir(parents=True, exist_ok=True)
    if not Path(app.srcdir, "scan.md").is_file():
        return
    fetched = Path(app.confdir, "build/pyodide")
    if missing := [name for name in RUNTIME if not (fetched / name).is_file()]:
        message = f"build/pyodide has no {missing[0]}: run make site, which fetches it"
        raise ExtensionError(message)
    for name in RUNTIME:
        if not (folder / name).is_file():
            shutil.copy2(fetched / name, folder / name)
    pack(folder / "migrate_examples.zip")


def setup(app: Sphinx) -> None:
    """Register the preparation, before Sphinx looks at its static folders."""
    app.connect("config-inited", prepare, priority=1)
    load_on(app, "scan", "scanner.css", "scanner.js")
