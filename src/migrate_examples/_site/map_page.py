"""``{look-up}``: every row of the API map on one page, to search as you type."""

from collections.abc import Mapping
from html import escape
from pathlib import Path

from docutils import nodes
from pygments import highlight
from pygments.formatters import HtmlFormatter
from pygments.lexers import PythonLexer
from sphinx import addnodes
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective

from migrate_examples._site.proofs import Measured, key
from migrate_examples.api_map import KINDS, ROWS, Row, rows_of_file
from migrate_examples.api_map.arguments import compare, torch_symbol
from migrate_examples.api_map.coverage import coverage, uses
from migrate_examples.api_map.index import rows_by_symbol
from migrate_examples.api_map.lookup import aliases, anchor
from migrate_examples.api_map.symbols import main_name

FORMATTER = HtmlFormatter(nowrap=True)
LEXER = PythonLexer(stripnl=True)
WORDS = {
    "same": "same",
    "arguments": "arguments differ",
    "semantics": "meaning differs",
    "lines": "several lines",
    "none": "no counterpart",
    "tf1": "TensorFlow 1",
}
"""Kinds as the page says them."""

EDGE_WORDS = {
    "nan": "a NaN",
    "empty": "an empty batch",
    "negative": "negative integers",
}


def code(text: str) -> str:
    """Highlighted code, as a block that can be reached by the keyboard."""
    return f'<pre tabindex="0">{highlight(text.strip(), LEXER, FORMATTER)}</pre>'


def first_line(text: str) -> str:
    """What stands behind the arrow: the last line, where the work is done."""
    return text.strip().splitlines()[-1] if text.strip() else "—"


def figure(x: float) -> str:
    """A measured error: ``0``, ``2e-07``."""
    return f"{x:.0e}" if x else "0"


def badge(row: Row, measured: Measured | None) -> str:
    """Say in a word or two whether the row was executed, and how close it is."""
    if row.unverified:
        return '<span class="badge unverified">not executed</span>'
    if measured is None:
        return '<span class="badge advice">advice</span>'
    match row.compare:
        case "shape":
            return '<span class="badge verified">shapes agree</span>'
        case "distribution":
            return '<span class="badge verified">same distribution</span>'
    return f'<span class="badge verified">✓ {figure(measured.error)}</span>'


def measured_text(row: Row, measured: Measured | None) -> str:
    """What this build found when it ran the row."""
    if row.unverified:
        return f"<p>Not executed: {inline(row.unverified)}.</p>"
    if measured is None:
        return ""
    if row.compare != "values":
        return "<p>Executed at this build; random values are compared as a whole.</p>"
    text = f"largest difference {figure(measured.error)}"
    if measured.gradient_error is not None:
        text += f", of gradients {figure(measured.gradient_error)}"
    where = f"Executed at this build on {inputs_text(row)}"
    text = f"{where}: {text}; {figure(measured.rtol)} allowed."
    for edge, difference in sorted(measured.edges.items()):
        text += f" On {EDGE_WORDS[edge]} the sides differ: {difference}."
    return f"<p>{escape(text)}</p>"


def inputs_text(row: Row) -> str:
    """Names and shapes of the inputs."""
    return ", ".join(f"{n} = {t}" for n, t in row.inputs.items()) or "no input"


def inline(text: str) -> str:
    """Text of a note with its code marked: what is in backticks."""
    parts = escape(text).split("`")
    return "".join(f"<code>{p}</code>" if n % 2 else p for n, p in enumerate(parts))


def arguments_table(row: Row) -> str:
    """Table of the arguments of both sides, from the installed signatures."""
    found = compare(row)
    if not found:
        return ""
    lines = "".join(
        f"<tr><td>{cell(a.tf, a.tf_default)}</td><td>{cell(a.torch, a.torch_default)}"
        f"</td><td>{escape(a.remark)}</td></tr>"
        for a in found
    )
    head = "<tr><th>TensorFlow</th><th>PyTorch</th><th>differs</th></tr>"
    return (
        "<details class='arguments'><summary>Arguments, one by one</summary>"
        f"<table><thead>{head}</thead><tbody>{lines}</tbody></table></details>"
    )


def cell(name: str, default: str | None) -> str:
    """An argument with its default."""
    if not name:
        return ""
    return f"<code>{escape(name if default is None else f'{name}={default}')}</code>"


def variant(row: Row, measured: Measured | None) -> str:
    """One row: both sides, what to know, what was measured."""
    theirs = code(row.torch) if row.torch else "<p>No counterpart.</p>"
    parts = [
        '<div class="sides">',
        f'<div class="side tensorflow"><span>TensorFlow</span>{code(row.tf)}</div>',
        f'<div class="side pytorch"><span>PyTorch</span>{theirs}</div></div>',
    ]
    if row.pitfall:
        parts.append(f'<p class="pitfall"><b>Silent:</b> {inline(row.pitfall)}</p>')
    if row.note:
        parts.append(f"<p>{inline(row.note)}</p>")
    if row.tf2:
        parts.append(f"<p>In TensorFlow 2: <code>{escape(row.tf2)}</code>.</p>")
    if row.weights:
        pairs = "; ".join(f"{n} = {e}" for n, e in row.weights.items())
        parts.append(f"<p>Weights: <code>{escape(pairs)}</code></p>")
    parts.append(measured_text(row, measured))
    parts.append(f'<p><a href="guide/{row.see}.html">Chapter: {row.see}</a></p>')
    return "".join(parts)


def entry(symbol: str, group: tuple[Row, ...], found: dict[str, Measured]) -> str:
    """All rows of a symbol, folded under its name."""
    main = group[0]
    others = aliases(symbol)
    measured = [found[key(row)] if row.executed else None for row in group]
    theirs = " ".join(sorted({n for row in group if (n := torch_name(row))}))
    also = ", ".join(f"<code>{escape(name)}</code>" for name in others)
    body = "<hr>".join(map(variant, group, measured))
    return (
        f'<details class="entry" id="{anchor(symbol)}" data-kind="{main.kind}" '
        f'data-names="{escape(" ".join([symbol, *others]).lower())}" '
        f'data-torch="{escape(theirs.lower())}"><summary>'
        f'<code class="name">{escape(symbol)}</code>'
        f'<code class="counterpart">{escape(first_line(main.torch))}</code>'
        f'<span class="badge {main.kind}">{WORDS[main.kind]}</span>'
        f"{badge(main, measured[0])}</summary>{body}"
        f"{arguments_table(main)}"
        f"{f'<p>Also called {also}.</p>' if also else ''}</details>"
    )


def torch_name(row: Row) -> str | None:
    """Name by which the row can be found from PyTorch's side."""
    return torch_symbol(row.torch) if row.executed else None


FILTER = """
<div class="look-up" role="search">
<label for="look-up-query">Find a name of TensorFlow, Keras or PyTorch</label>
<input id="look-up-query" type="search" placeholder="tf.reduce_mean" autocomplete="off"
 autocapitalize="off" spellcheck="false">
<div class="kinds" role="group" aria-label="Kind">{buttons}</div>
<p id="look-up-count" aria-live="polite"></p>
</div>
"""


class LookUp(SphinxDirective):
    """The whole map: a filter, then a section for each file of rows."""

    def run(self) -> list[nodes.Node]:
        """Build the page out of the rows and what this build measured."""
        for file in ROWS.glob("*.toml"):
            self.env.note_dependency(str(file))
        found = self.env.app.measuring.results()  # type: ignore[attr-defined]
        groups = rows_by_symbol()
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
            made.append(section(file.stem, fresh, groups, found))
        return made


def as_read(file: Path) -> tuple[int, str]:
    """Order of the sections: the most used namespaces, then the others, TF1 last."""
    first = ("tf", "tf.math", "tf.nn", "keras", "keras.layers", "methods", "arguments")
    if file.stem in first:
        return first.index(file.stem), ""
    is_old = file.stem.startswith(("tf.compat", "tf.contrib", "tf.estimator"))
    return len(first) + is_old, file.stem


def section(
    title: str,
    symbols: list[str],
    groups: Mapping[str, tuple[Row, ...]],
    found: dict[str, Measured],
) -> nodes.section:
    """Entries of one namespace, each first in the search for its names."""
    made = nodes.section(ids=[f"in-{anchor(title)}"], names=[title])
    made += nodes.title("", title)
    for symbol in sorted(symbols, key=str.lower):
        entries = [
            ("single", name, anchor(symbol), "main", None)
            for name in (symbol, *aliases(symbol))
        ]
        made += addnodes.index(entries=entries)
        made += raw(entry(symbol, groups[symbol], found))
    return made


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


def setup(app: Sphinx) -> None:
    """Register directives and files."""
    app.add_directive("look-up", LookUp)
    app.add_directive("map-figures", MapFigures)
    app.add_css_file("look-up.css")
    app.add_js_file("look-up.js", loading_method="defer")
    assert Path(app.confdir, "docs/_static/look-up.js").is_file()
