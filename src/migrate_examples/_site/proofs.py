"""Measures the rows of the API map for the pages of this build.

``python -m migrate_examples._site.proofs FILE`` proves every row that FILE does
not hold yet and writes what was measured into it.
"""

import hashlib
import json
import sys
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

from sphinx.application import Sphinx
from sphinx.config import Config

from migrate_examples._site.measuring import Measuring
from migrate_examples.api_map import Row, rows
from migrate_examples.api_map.symbols import TF_SYMBOLS, TORCH_SYMBOLS, versions
from migrate_examples.whole_file import write_whole

PACKAGE = Path(__file__).parents[1]
FILE = Path("build/proofs.json")


class Measured(NamedTuple):
    """What this build measured of a row, see :class:`~.prove.Proof`.

    ``edges`` says how the sides differ on the special inputs of ``differs``.
    """

    error: float
    gradient_error: float | None
    rtol: float
    edges: dict[str, str]


@cache
def machinery() -> str:
    """Hash of what a measurement depends on, beside the row."""
    sources = [
        PACKAGE / f"api_map/{name}.py" for name in ("inputs", "prove", "results")
    ]
    text = "".join(path.read_text() for path in sources)
    return text + versions(TF_SYMBOLS) + versions(TORCH_SYMBOLS)


def key(row: Row) -> str:
    """Name of a row's measurement: another one when row or machinery change."""
    return hashlib.sha256(f"{tuple(row)}{machinery()}".encode()).hexdigest()[:24]


def measure(row: Row) -> Measured:
    """Prove a row and try the special inputs on which it says to differ."""
    from migrate_examples.api_map.prove import edge_differences, prove  # noqa: PLC0415

    proof = prove(row)
    return Measured(*proof, edge_differences(row) if row.differs else {})


def main(file: Path) -> None:
    """Measure what a file of measurements lacks; write it whole or not at all."""
    known = json.loads(file.read_text()) if file.is_file() else {}
    found = {}
    for row in rows():
        if row.executed:
            name = key(row)
            found[name] = known.get(name) or measure(row)
    if found != known:
        file.parent.mkdir(parents=True, exist_ok=True)
        write_whole(file, json.dumps(found).encode())


def measured_by(app: Sphinx) -> dict[str, Measured]:
    """Wait for the measurements of this build; return them by :func:`key`."""
    stored: dict[str, list[Any]] = app.measuring.results()  # type: ignore[attr-defined]
    return {name: Measured(*values) for name, values in stored.items()}


def start(app: Sphinx, _config: Config) -> None:
    """Begin to measure while the gallery runs, for a site that shows the map."""
    if Path(app.srcdir, "api-map.md").is_file():
        file = Path(app.confdir) / FILE
        measuring = Measuring(
            "migrate_examples._site.proofs", file, "a row of the API map"
        )
        app.measuring = measuring  # type: ignore[attr-defined]


def setup(app: Sphinx) -> None:
    """Register the start."""
    app.connect("config-inited", start, priority=1)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
