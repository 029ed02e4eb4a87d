"""``{look-up}``: every row of the API map on one page, to search as you type.

The page holds a line for each entry. What opens below a line is in a script of
its namespace, which the browser loads when it is asked for: the page would
weigh several megabytes otherwise. A script and not JSON, because a page that is
opened from a file may load no other kind.
"""

import json
import shutil
from html import escape
from pathlib import Path

from docutils import nodes
from sphinx import addnodes
from sphinx.application import Sphinx
from sphinx.config import Config
from sphinx.util.docutils import SphinxDirective

from migrate_examples._site.map_entry import WORDS, body, line
from migrate_examples._site.page_files import load_on
from migrate_examples._site.proofs import Measured, key, measured_by
from migrate_examples.api_map import KINDS, ROWS, rows_of_file
from migrate_examples.api_map.coverage import coverage, uses
from migrate_examples.api_map.index import rows_by_symbol
from migrate_examples.api_map.lookup import aliases, anchor
from migrate_examples.api_map.symbols import main_name

FOLDER = Path("build/browser/look-up")
"""Where the bodies lie; a static folder of the site."""

FILTER = """
<div class="look-up" role="search">
<label for="look-up-query">Find a name of TensorFlow, Keras or PyTorch</label>
<input id="look-up-query" type="search" placeholder="tf.reduce_mean" autocomplete="off"
 autocapitalize="off" spellcheck="false">
<div class="kinds" role="group" aria-label="Kind">{buttons}</div>
<p id="look-up-count" aria-live="polite"></p>
<noscript><p>Entries open by JavaScript. The command below gives the same answers
without.</p></noscript>
</div>
"""


class LookUp(SphinxDirective):
    """The whole map: a filter, then a section for each file of rows."""

    def run(self) -> list[nodes.Node]:
        """Build the page out of the rows and what this build measured."""
        for file in ROWS.glob("*.toml"):
            self.env.note_dependency(str(file))
        found = measured_by(self.env.app)
        folder = Path(self.env.app.confdir, FOLDER)
        shutil.rmtree(folder, ignore_errors=True)
        buttons = "".join(
            f'<button type="button" data-kind="{kind}" aria-pressed="false" '
            f'title="{escape(KINDS[kind])}">{word}</button>'
            for kind, word in WORDS.items()
        )
        made: list[nodes.Node] = [raw(FILTER.format(buttons=buttons))]
        seen: set[str] = set()
        for file in sorted(ROWS.glob("*.toml"), key=as_read):
            names = dict.fromkeys(
                main_name(row.symbol) or row.symbol for row in rows_of_file(file)
            )
            fresh = [name for name in names if name not in seen]
            seen.update(fresh)
            if fresh:
                made.append(section(file.stem, fresh, found, folder))
        return made


def as_read(file: Path) -> tuple[int, str]:
    """Order of the sections: the most used namespaces, then the others, TF1 last."""
    first = ("tf", "tf.math", "tf.nn", "keras", "keras.layers", "methods", "arguments")
    if file.stem in first:
        return first.index(file.stem), ""
    is_old = file.stem.startswith(("tf.compat", "tf.contrib", "tf.estimator"))
    return len(first) + is_old, file.stem


def section(
    title: str, symbols: list[str], found: dict[str, Measured], folder: Path
) -> nodes.section:
    """Entries of one namespace, each first in the search for its names."""
    part = anchor(title)
    made = nodes.section(ids=[f"in-{part}"], names=[title], classes=["look-up-part"])
    made += nodes.title("", title)
    bodies = {}
    for symbol in sorted(symbols, key=str.lower):
        group = rows_by_symbol()[symbol]
        measured = [found[key(row)] if row.executed else None for row in group]
        names = [
            (("single", n, anchor(symbol), "main", None)) for n in names_of(symbol)
        ]
        made += addnodes.index(entries=names)
        made += raw(line(symbol, group, measured[0]))
        bodies[anchor(symbol)] = body(symbol, group, measured)
    folder.mkdir(parents=True, exist_ok=True)
    script = f"Object.assign(lookUpBodies, {json.dumps(bodies, ensure_ascii=False)});"
    (folder / f"in-{part}.js").write_text(script)
    return made


def names_of(symbol: str) -> tuple[str, ...]:
    """All names by which the search finds a symbol."""
    return (symbol, *aliases(symbol))


def raw(html: str) -> nodes.raw:
    """HTML as it is."""
    return nodes.raw("", html, format="html")


class MapFigures(SphinxDirective):
    """What the map holds, and how much of real code that is, as one paragraph."""

    def run(self) -> list[nodes.Node]:
        """Count rows and references."""
        groups = rows_by_symbol()
        every = [row for group in groups.values() for row in group]
        executed = sum(row.executed for row in every)
        unverified = sum(bool(row.unverified) for row in every)
        known = coverage(uses())
        text = (
            f"The map has {len(every)} rows for {len(groups)} symbols, names of one "
            f"thing counted once. {executed} rows were executed in both frameworks, "
            f"{unverified} cannot be and say why, {len(every) - executed - unverified} "
            f"give advice where PyTorch has no counterpart. In 125 public code bases "
            f"{known.of_all:.1%} of all references to TensorFlow and Keras are to "
            f"symbols of this map, and {known.of_portable:.1%} without those that no "
            "port keeps: tf.contrib, Estimators, TPU and TFLite tools, private modules."
        )
        return [nodes.paragraph("", text)]


def make_folder(app: Sphinx, _config: Config) -> None:
    """Make the folder of the bodies, before Sphinx looks at its static folders."""
    Path(app.confdir, FOLDER).mkdir(parents=True, exist_ok=True)


def setup(app: Sphinx) -> None:
    """Register directives and files."""
    app.connect("config-inited", make_folder, priority=1)
    app.add_directive("look-up", LookUp)
    app.add_directive("map-figures", MapFigures)
    load_on(app, "api-map", "look-up.css", "look-up.js")
