"""An entry of the look-up page: its line, and what opens below it."""

import re
from html import escape

from pygments import highlight
from pygments.formatters import HtmlFormatter
from pygments.lexers import PythonLexer

from migrate_examples._site.proofs import Measured
from migrate_examples.api_map import Row
from migrate_examples.api_map.arguments import compare, torch_symbol
from migrate_examples.api_map.lookup import aliases, anchor

FORMATTER = HtmlFormatter(nowrap=True)
TELLING = re.compile(r"^(?!import|from).*\b(torch|nn|F|optim|DataLoader)\b")
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
    marked = highlight(text.strip(), LEXER, FORMATTER)
    return f'<div class="highlight"><pre tabindex="0">{marked}</pre></div>'


def first_line(code: str) -> str:
    """What stands beside the name: of several lines the first that uses PyTorch."""
    lines = code.strip().splitlines() or ["—"]
    telling = (line.strip() for line in lines if TELLING.search(line))
    return lines[0] if len(lines) == 1 else next(telling, lines[-1])


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


def line(symbol: str, group: tuple[Row, ...], measured: Measured | None) -> str:
    """What is seen of an entry: the name, the other side, the kind, the proof."""
    main = group[0]
    names = " ".join([symbol, *aliases(symbol)]).lower()
    theirs = " ".join(sorted({n for row in group if (n := torch_name(row))})).lower()
    return (
        f'<details class="entry" id="{anchor(symbol)}" data-kind="{main.kind}" '
        f'data-names="{escape(names)}" data-torch="{escape(theirs)}"><summary>'
        f'<code class="name">{escape(symbol)}</code>'
        f'<code class="counterpart">{escape(first_line(main.torch)[:80])}</code>'
        f'<span class="badge {main.kind}">{WORDS[main.kind]}</span>'
        f"{badge(main, measured)}</summary></details>"
    )


def body(symbol: str, group: tuple[Row, ...], measured: list[Measured | None]) -> str:
    """All rows of a symbol, its arguments and its other names."""
    also = ", ".join(f"<code>{escape(name)}</code>" for name in aliases(symbol))
    rows = "<hr>".join(map(variant, group, measured))
    names = f"<p>Also called {also}.</p>" if also else ""
    return f"{rows}{arguments_table(group[0])}{names}"


def torch_name(row: Row) -> str | None:
    """Name by which the row can be found from PyTorch's side."""
    return torch_symbol(row.torch) if row.executed else None
