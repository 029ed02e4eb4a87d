"""Measures what the pages on the port print, for this build.

``python -m migrate_examples._site.port_measured FILE`` runs the operations that the
tolerances come from and the models of ``keras.applications``, unless FILE holds
what the present sources give.
"""

import hashlib
import json
import sys
from pathlib import Path
from typing import Any

from sphinx.application import Sphinx
from sphinx.config import Config

from migrate_examples._site.measuring import Measuring
from migrate_examples.api_map.symbols import TF_SYMBOLS, TORCH_SYMBOLS, versions
from migrate_examples.whole_file import write_whole

PACKAGE = Path(__file__).parents[1]
FILE = Path("build/port_measured.json")
PAGES = ("tolerances.md", "applications.md")


def key() -> str:
    """Hash of all that the measurements depend on."""
    sources = sorted((PACKAGE / "port").rglob("*.py"))
    text = "".join(path.read_text() for path in sources)
    text += versions(TF_SYMBOLS) + versions(TORCH_SYMBOLS)
    return hashlib.sha256(text.encode()).hexdigest()


def measure() -> dict[str, Any]:
    """Run everything; tuples become the lists of JSON."""
    # PLC0415: the sources are hashed without importing a framework.
    from migrate_examples._torchvision import declare_missing_operators  # noqa: PLC0415

    declare_missing_operators()
    from migrate_examples.port.applications.table import table  # noqa: PLC0415
    from migrate_examples.port.parity.measure import (  # noqa: PLC0415
        conventions,
        measurements,
    )

    return {
        "key": key(),
        "tolerances": [row._asdict() for row in measurements()],
        "conventions": [
            {**row._asdict(), "factor": row.factor} for row in conventions()
        ],
        "applications": [row._asdict() for row in table()],
    }


def main(file: Path) -> None:
    """Measure, where a file of measurements is not of these sources."""
    known = json.loads(file.read_text()) if file.is_file() else {}
    if known.get("key") != key():
        file.parent.mkdir(parents=True, exist_ok=True)
        write_whole(file, json.dumps(measure()).encode())


def start(app: Sphinx, _config: Config) -> None:
    """Begin to measure while the gallery runs, for a site that has the pages."""
    if any(Path(app.srcdir, page).is_file() for page in PAGES):
        file = Path(app.confdir) / FILE
        module = "migrate_examples._site.port_measured"
        app.port_measuring = Measuring(module, file, "a port")  # type: ignore[attr-defined]


def measured_by(app: Sphinx) -> dict[str, Any]:
    """Wait for the measurements of this build."""
    found: dict[str, Any] = app.port_measuring.results()  # type: ignore[attr-defined]
    return found


def setup(app: Sphinx) -> None:
    """Register the start."""
    app.connect("config-inited", start, priority=1)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
