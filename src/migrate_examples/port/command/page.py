"""The report of a port as one HTML file that loads nothing from anywhere.

Its style is that of the report of a scan; all of it is read without a script.
"""

from collections.abc import Iterable, Iterator, Sequence
from importlib import resources

from migrate_examples.port.command.picture import error_by_depth
from migrate_examples.port.command.report import (
    Entry,
    Gradient,
    Layer,
    Report,
    Tensor,
    worst,
)
from migrate_examples.scan.report.page import line, section, text

SHOWN_ROWS = 40
"""Rows of a table that are shown at once; the others unfold."""


def as_page(report: Report) -> str:
    """Write the whole page."""
    style = "".join(
        resources.files(package).joinpath(name).read_text(encoding="utf-8")
        for package, name in (
            ("migrate_examples.scan.report", "report.css"),
            ("migrate_examples.port.command", "page.css"),
        )
    )
    return f"""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; \
style-src 'unsafe-inline'; img-src data:; base-uri 'none'; form-action 'none'">
<meta name="color-scheme" content="light dark">
<meta name="referrer" content="no-referrer">
<link rel="icon" href="data:,">
<title>From TensorFlow to PyTorch: port of {line(report.source)}</title>
<style>
{style}</style>
</head>
<body>
{head_of_page(report)}
<main>
{"".join(sections(report))}</main>
</body>
</html>
"""


def head_of_page(report: Report) -> str:
    """Title, the verdict, and the figures that one asks for first."""
    kind = {True: "agrees", False: "differs", None: "open"}[report.agrees]
    cells = "".join(
        f"<div><dt>{name}</dt><dd>{value}</dd><dd class='small'>{note}</dd></div>"
        for name, value, note in figures(report)
    )
    first, _, rest = report.verdict.partition(":")
    verdict = f"<b>{text(first)}</b>{':' + text(rest) if rest else ''}"
    version = report.versions.get("migrate-examples", "")
    return (
        "<header class='top'><h1>From TensorFlow to PyTorch</h1>\n"
        f"<p>Port of <code>{line(report.source)}</code>: class "
        f"<code>{line(report.class_name)}</code> in <code>model.py</code>. "
        f"<span class='small'>migrate-examples {text(version)}</span></p>\n"
        f"<p class='verdict k-{kind}'>{verdict}</p>\n"
        f"<dl class='figures'>{cells}</dl></header>"
    )


def figures(report: Report) -> Iterator[tuple[str, str, str]]:
    """Figures of the head: name, value, note."""
    layers = report.layers
    seen = [layer for layer in layers if layer.error_float32 is not None]
    yield "layers compared", f"{len(seen):,}", f"of {len(layers):,} calls"
    for name in ("float32", "float64"):
        largest = worst([getattr(layer, f"error_{name}") for layer in layers])
        yield f"largest error, {name}", number(largest), "by the largest output"
    largest = worst([gradient.error for gradient in report.gradients])
    count = f"{len(report.gradients):,} gradients, float64"
    yield "gradients", number(largest), count if report.gradients else "not compared"
    used = sum(bool(entry.sources) for entry in report.tensors)
    unused = f"{len(report.unused):,} left over" if report.unused else "none left over"
    yield "tensors filled from variables", f"{used:,}", unused


def number(value: float | None) -> str:
    """An error as one reads it.

    >>> number(3.04e-7), number(0.0), number(None)
    ('3.0e-7', '0', '–')
    """
    if value is None:
        return "–"  # noqa: RUF001  a dash, as in tables
    if value == 0:
        return "0"
    mantissa, e, power = f"{value:.1e}".partition("e")
    return f"{mantissa}e{int(power)}" if e else mantissa


def sections(report: Report) -> Iterator[str]:
    """Everything below the figures."""
    if wrong := [layer for layer in report.layers if layer.differs]:
        shown = layers_table(wrong[:5], report.tensors)
        yield section("first", "Where it differs first", shown)
    if picture := error_by_depth(report.layers):
        yield section("depth", "Error by depth", picture)
    yield section("load", "How to load it", how_to_load(report))
    rows = layers_table(report.layers, report.tensors)
    yield section("layers", "Layer by layer", rows)
    if report.gradients:
        yield section("gradients", "Gradients", gradients_table(report.gradients))
    yield section("ledger", "Ledger of the weights", ledger(report))
    yield section("skipped", "Not read, written or compared", listed(report.skipped))
    yield section("versions", "Versions and options", facts(report))


def how_to_load(report: Report) -> str:
    """Lines of Python, and what goes in and comes out."""
    names = ", ".join(tensor.name for tensor in report.inputs) or "x"
    code = (
        f"from model import load\n\nmodel = load()  # {report.class_name}, in "
        "evaluation mode, with the weights beside model.py\n"
        f"with torch.no_grad():\n    outputs = model({names})\n"
    )
    return (
        f"<pre class='block'>import torch\n{text(code)}</pre>\n"
        "<div class='overview'>"
        f"<div>{tensors_table('Inputs', report.inputs)}</div>"
        f"<div>{tensors_table('Outputs', report.outputs)}</div></div>"
    )


def shape(dims: Iterable[int | None]) -> str:
    """A shape, with the batch as a letter.

    >>> shape((None, 28, 28))
    '(B, 28, 28)'
    """
    said = [
        ("B" if n == 0 else "?") if d is None else str(d) for n, d in enumerate(dims)
    ]
    return f"({', '.join(said)})"


def tensors_table(title: str, tensors: Sequence[Tensor]) -> str:
    """Names, shapes and types."""
    rows = [
        f"<tr><th scope='row'><code>{line(t.name)}</code></th>"
        f"<td>{shape(t.shape)}</td><td>{line(t.dtype)}</td></tr>\n"
        for t in tensors
    ]
    return f"<h3>{title}</h3>{table((), rows)}"


def table(names: Sequence[str], rows: Sequence[str]) -> str:
    """Rows under their names, those beyond the first ones folded away."""
    right = {name: " class=number" if "error" in name else "" for name in names}
    head = "".join(f"<th scope='col'{right[name]}>{name}</th>" for name in names)
    opening = "<table class='rows'>"
    opening += f"<thead><tr>{head}</tr></thead>" if head else ""
    shown, rest = rows[:SHOWN_ROWS], rows[SHOWN_ROWS:]
    more = (
        f"<details><summary>{len(rest):,} more</summary>{opening}"
        f"<tbody>{''.join(rest)}</tbody></table></details>"
    )
    return (
        f"<div class='wide'>{opening}<tbody>{''.join(shown)}</tbody></table>"
        f"{more if rest else ''}</div>"
    )


def layers_table(layers: Sequence[Layer], tensors: Sequence[Entry]) -> str:
    """Each call of a Keras layer, what stands for it, and how far it is off."""
    layouts: dict[str, dict[str, None]] = {}
    for entry in tensors:
        for source in entry.sources:
            for path in parents(source):
                layouts.setdefault(path, {})[entry.layout] = None
    rows = [layer_row(layer, layouts.get(layer.keras, {})) for layer in layers]
    names = ("Keras layer", "PyTorch", "output", "error f32", "error f64", "weights")
    note = (
        "<p class='small'>Errors are the largest difference by the largest absolute "
        "value of the output. A line without one was joined with others in the port, "
        "which has no tensor of its values: what comes after it is compared.</p>"
    )
    return table(names, rows) + note


def parents(name: str) -> Iterator[str]:
    """Paths of the layers that a variable belongs to.

    >>> list(parents("encoder/conv1/kernel"))
    ['encoder/conv1', 'encoder']
    """
    while "/" in name:
        name = name.rpartition("/")[0]
        yield name


def layer_row(layer: Layer, layouts: Iterable[str]) -> str:
    """One row of the layers."""
    again = f", call {layer.call + 1}" if layer.call else ""
    at = f" <span class='small'>line {layer.line}</span>" if layer.line else ""
    what = f"<code>{line(layer.torch)}</code>{at}" if layer.torch else ""
    return (
        f"<tr><th scope='row'><code>{line(layer.keras)}</code> "
        f"<span class='small'>{line(layer.kind)}{again}</span></th>"
        f"<td class='broad'>{what}</td>"
        f"<td class='broad'>{shape(layer.shape) if layer.shape else ''}</td>"
        f"{error_cell('f32', layer.error_float32, layer.tolerance_float32)}"
        f"{error_cell('f64', layer.error_float64, layer.tolerance_float64)}"
        f"<td class='broad small'>{'; '.join(map(line, layouts))}</td></tr>\n"
    )


def error_cell(name: str, error: float | None, tolerance: float | None) -> str:
    """An error, marked where it is no rounding."""
    wrong = error is not None and tolerance is not None and not error <= tolerance
    return (
        f"<td data-name='{name}' class='number{' bad' if wrong else ''}'>"
        f"{number(error)}</td>"
    )


def gradients_table(gradients: Sequence[Gradient]) -> str:
    """Errors of the gradients, the largest first."""
    rows = [
        f"<tr><th scope='row'><code>{line(g.target)}</code></th>"
        f"{error_cell('f64', g.error, g.tolerance)}</tr>\n"
        for g in sorted(gradients, key=lambda g: -g.error)
    ]
    return (
        "<p class='small'>Of one loss that weighs each output otherwise, in inference "
        "and float64; the largest first.</p>"
        + table(("parameter or input", "error f64"), rows)
    )


def ledger(report: Report) -> str:
    """Each tensor of the port, and the variables that it was filled from."""
    rows = [
        f"<tr><th scope='row'><code>{line(entry.target)}</code></th>"
        f"<td class='broad'><code>{', '.join(map(line, entry.sources))}</code></td>"
        f"<td class='broad'>{shape(entry.shape)}</td>"
        f"<td class='broad small'>{line(entry.layout)}</td></tr>\n"
        for entry in report.tensors
    ]
    unused = (
        f"<p>Left over, of no use to the port:</p>{listed(report.unused)}"
        if report.unused
        else "<p>Each variable of the Keras model is used, each tensor filled once.</p>"
    )
    return unused + table(("tensor", "variables", "shape", "layout"), rows)


def listed(sentences: Sequence[str]) -> str:
    """Sentences as a list."""
    items = "".join(f"<li>{text(sentence)}</li>" for sentence in sentences)
    return f"<ul class='plain'>{items}</ul>" if items else "<p>Nothing.</p>"


def facts(report: Report) -> str:
    """Versions, and what was asked for."""
    pairs = [*report.versions.items(), *report.options.items()]
    items = "".join(
        f"<dt>{line(str(name))}</dt><dd>{line(str(value))}</dd>"
        for name, value in pairs
    )
    return f"<dl class='facts'>{items}</dl>"
