"""``{pitfalls}``: every pitfall with its three pieces of code, measured at the build.

The figures are kept in ``build/cache``, each under the text of its entry and the
versions it was measured with, so that a build that changes neither imports no
framework.
"""

import hashlib
import json
import re
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path
from typing import ClassVar, TypedDict

from docutils import nodes
from sphinx import addnodes
from sphinx.application import Sphinx
from sphinx.errors import ExtensionError
from sphinx.util.docutils import SphinxDirective

from migrate_examples._site import clock
from migrate_examples._site.page_files import load_on
from migrate_examples.pitfalls import ENTRIES, Pitfall, pitfalls
from migrate_examples.whole_file import write_whole

BRACKETS = r"\((?:[^()]|\((?:[^()]|\([^()]*\))*\))*\)"
VALUE = rf"\"[^\"]*\"|\[[^\]]*\]|{BRACKETS}|-?(?:\d[\d.]*e-?\d+|[\w.*]*\w)"
CODE = re.compile(
    rf"\b[A-Za-z_]\w*(?:\.[A-Za-z_]\w*)*{BRACKETS}"  # a call
    r"|\b[A-Za-z_]\w*(?:\.[A-Za-z_]\w*)+"  # a dotted name
    rf"|\b\w+=(?:{VALUE})"  # an argument
    r"|\b[A-Za-z]\w*_\w*"  # a name with an underscore
)
"""What is code in the prose of an entry, which terminals show as it is."""
MEASURED_WITH = ("tensorflow", "keras", "torch", "numpy")


class Measured(TypedDict):
    """Words on either port: how far it is from the original."""

    wrong: str
    right: str


def figure(number: float) -> str:
    """Return a distance with two figures.

    >>> [figure(x) for x in (12.6, 0.031, 3.6e-15, 2.58e10)]
    ['13', '0.031', '3.6e-15', '2.6e+10']
    """
    return f"{number:.2g}"


def key_of(pitfall: Pitfall, proof: Path = ENTRIES.parent / "prove.py") -> str:
    """Name of a measurement: it changes with the entry, the versions, the method."""
    parts = [(ENTRIES / f"{pitfall.identifier}.toml").read_bytes(), proof.read_bytes()]
    parts += [f"{name}=={version(name)}".encode() for name in MEASURED_WITH]
    return hashlib.sha256(b"\0".join(parts)).hexdigest()


def measure(pitfall: Pitfall) -> Measured:
    """Run a pitfall on several draws: the least the wrong port is off, in words.

    Raises
    ------
    ExtensionError
        Where the proof fails: the page would claim what is not so.
    """
    from migrate_examples.pitfalls.prove import (  # noqa: PLC0415  frameworks
        SEEDS,
        UnprovenError,
        prove,
    )

    try:
        proofs = [prove(pitfall, seed) for seed in SEEDS]
    except UnprovenError as error:
        raise ExtensionError(str(error)) from error
    wrong = min(proof.wrong for proof in proofs)
    right = max(proof.right.largest for proof in proofs)
    return Measured(
        wrong=wrong.instead or f"off by at least {figure(wrong.largest)}",
        right=f"off by at most {figure(right)}" if right else "no difference",
    )


def measure_all(found: tuple[Pitfall, ...], cache: Path) -> dict[str, Measured]:
    """Measure what the cache does not hold; write it anew where anything changed."""
    known = json.loads(cache.read_text()) if cache.is_file() else {}
    keys = {p.identifier: key_of(p) for p in found if not p.unverified}
    missing = [p for p in found if keys.get(p.identifier, "") not in {*known, ""}]
    if missing:
        clock.before({}, "")  # pages may have left another dtype behind
    fresh = {keys[p.identifier]: measure(p) for p in missing}
    kept = {key: known[key] for key in keys.values() if key in known}
    if fresh or kept.keys() != known.keys():
        cache.parent.mkdir(parents=True, exist_ok=True)
        text = json.dumps(kept | fresh, indent=1, sort_keys=True)
        write_whole(cache, text.encode())
    return {name: (kept | fresh)[key] for name, key in keys.items()}


def prose(text: str) -> list[nodes.Node]:
    """Text with the code in it set as code.

    >>> [node.astext() for node in prose("Give eps=1e-3 to nn.LayerNorm(d).")]
    ['Give ', 'eps=1e-3', ' to ', 'nn.LayerNorm(d)', '.']
    """
    found: list[nodes.Node] = []
    end = 0
    for match in CODE.finditer(text):
        found += [nodes.Text(text[end : match.start()])] if match.start() > end else []
        found.append(nodes.literal("", match[0]))
        end = match.end()
    return [*found, nodes.Text(text[end:])] if end < len(text) else found


def said(label: str, text: str) -> nodes.paragraph:
    """Return a paragraph that opens with a label in bold."""
    head = nodes.strong("", label)
    return nodes.paragraph("", "", head, nodes.Text(" "), *prose(text))


def block(side: str, label: str, code: str, note: str) -> nodes.container:
    """Code under its name, with what was measured."""
    head = nodes.container("", nodes.paragraph("", "", nodes.strong("", label)))
    head["classes"] = ["pitfall-head"]
    if note:
        head += nodes.paragraph("", note, classes=["pitfall-measured"])
    code_block = nodes.literal_block(code.strip(), code.strip(), language="python")
    return nodes.container("", head, code_block, classes=["pitfall-code", side])


def blocks(pitfall: Pitfall, measured: Measured | None) -> nodes.container:
    """The original, the port that goes wrong and the one that is right."""
    wrong, right = (
        (measured["wrong"], measured["right"]) if measured else ("not run", "not run")
    )
    return nodes.container(
        "",
        block("pitfall-tensorflow", "TensorFlow", pitfall.tensorflow, ""),
        block("pitfall-wrong", "The port that goes wrong", pitfall.wrong, wrong),
        block("pitfall-right", "The port that is right", pitfall.right, right),
        classes=["pitfall-codes"],
    )


def symbols_of(pitfall: Pitfall) -> list[str]:
    """Names in which the scanner looks for a pitfall, each once, in order."""
    found: dict[str, None] = {}
    for when in pitfall.when:
        names = (*when.call, *when.method, *when.reference, when.attribute)
        found |= dict.fromkeys(filter(None, names))
    return list(found)


def literals(names: list[str]) -> Iterator[nodes.Node]:
    """Names as code, with commas between."""
    for number, name in enumerate(names):
        if number:
            yield nodes.Text(", ")
        yield nodes.literal("", name)


def footnotes(pitfall: Pitfall, docname: str) -> nodes.paragraph:
    """The inputs, where the scanner looks, and the chapter that says more."""
    line = nodes.paragraph(classes=["pitfall-more"])
    if pitfall.inputs:
        line += nodes.Text("Inputs: ")
        line += literals([f"{name} = {spec}" for name, spec in pitfall.inputs.items()])
        line += nodes.Text(". ")
    if names := symbols_of(pitfall):
        line += nodes.Text("The scanner looks at ")
        line += literals(names)
        line += nodes.Text(". ")
    if pitfall.unverified:
        line += nodes.Text(f"Not executed: {pitfall.unverified}. ")
    line += nodes.Text("More in the chapter ")
    line += addnodes.pending_xref(
        "",
        nodes.inline("", pitfall.page, classes=["doc"]),
        refdoc=docname,
        refdomain="std",
        reftype="doc",
        reftarget=f"/guide/{pitfall.page}",
        refexplicit=False,
        refwarn=True,
    )
    line += nodes.Text(".")
    return line


def overview(found: tuple[Pitfall, ...]) -> nodes.table:
    """Table that leads from what is seen to the pitfall."""
    group = nodes.tgroup(cols=3)
    group += [nodes.colspec(colwidth=width) for width in (56, 36, 8)]
    heads = ("What you see", "What it is", "Risk")
    head = [nodes.entry("", nodes.paragraph("", text)) for text in heads]
    group += nodes.thead("", nodes.row("", *head))
    body = nodes.tbody()
    for pitfall in found:
        link = nodes.reference("", "", refid=pitfall.anchor, internal=True)
        link += prose(pitfall.title)
        cells = [
            nodes.paragraph("", "", *prose(pitfall.symptom)),
            nodes.paragraph("", "", link),
            nodes.paragraph("", str(pitfall.risk)),
        ]
        body += nodes.row("", *[nodes.entry("", cell) for cell in cells])
    group += body
    return nodes.table("", group, classes=["pitfall-list"])


class Pitfalls(SphinxDirective):
    """Table of all pitfalls, then a section for each, those of most risk first."""

    cache: ClassVar[Path]

    def run(self) -> list[nodes.Node]:
        """Build table and sections; measure what is not measured yet."""
        for path in [*ENTRIES.glob("*.toml"), ENTRIES.parent / "prove.py"]:
            self.env.note_dependency(str(path))
        pitfalls.cache_clear()  # a server that rebuilds has changed files
        found = pitfalls()
        measured = measure_all(found, self.cache)
        sections = [self.section(p, measured.get(p.identifier)) for p in found]
        made = overview(found), *sections
        for node in made:
            node["support_smartquotes"] = False  # the quotes of code are straight
        return [*made]

    def section(self, pitfall: Pitfall, measured: Measured | None) -> nodes.section:
        """Everything about one pitfall, under an anchor of its own."""
        section = nodes.section(ids=[pitfall.anchor], names=[pitfall.anchor])
        self.state.document.note_explicit_target(section)
        section += nodes.title("", "", *prose(pitfall.title))
        section += said("What you see.", pitfall.symptom)
        section += said("Why.", pitfall.why)
        section += said("What to do.", pitfall.do)
        section += blocks(pitfall, measured)
        section += footnotes(pitfall, self.env.docname)
        return section


def setup(app: Sphinx) -> None:
    """Register the directive and its style."""
    Pitfalls.cache = Path(app.confdir) / "build/cache/pitfalls.json"
    app.add_directive("pitfalls", Pitfalls)
    load_on(app, "pitfalls", "pitfalls.css")
