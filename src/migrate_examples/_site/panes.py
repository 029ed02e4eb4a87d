"""Two labelled blocks become two panes, each with code, output and time.

The markup is plain: a paragraph that opens with **TensorFlow**, its code, a
paragraph that opens with **PyTorch**, its code. It is the same on gallery
pages and in MyST pages, and without this module it reads as what it is.
"""

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective

LABELS = ("TensorFlow", "PyTorch")
CONTENT = (nodes.literal_block, nodes.image, nodes.figure, nodes.raw, nodes.container)


class pane_time(nodes.Element):  # noqa: N801  docutils names nodes in lower case
    """Seconds that the block before it ran; taken away when panes are made."""


class PaneTime(SphinxDirective):
    """``.. pane-time:: 0.0123``, written by the gallery's clock."""

    required_arguments = 1

    def run(self) -> list[nodes.Node]:
        """Keep the figure in the tree until the panes are made."""
        return [pane_time(seconds=float(self.arguments[0]))]


def format_seconds(seconds: float) -> str:
    """Return a duration with two figures and a unit.

    >>> [format_seconds(s) for s in (0.00042, 0.0314, 4.26, 75)]
    ['0.42 ms', '31 ms', '4.3 s', '75 s']
    """
    figure, unit = (seconds, "s") if seconds >= 1 else (seconds * 1000, "ms")
    return f"{figure:.0f} {unit}" if figure >= 10 else f"{figure:.2g} {unit}"


def label_of(node: nodes.Node) -> str | None:
    """Framework that a paragraph opens with in bold, None for other nodes."""
    if not isinstance(node, nodes.paragraph):
        return None
    # MyST leaves an empty Text before a bold opening.
    children = [c for c in node.children if c.astext()]
    if children and isinstance(children[0], nodes.strong):
        text = children[0].astext()
        return text if text in LABELS else None
    return None


def belongs_to_pane(node: nodes.Node) -> bool:
    """Tell whether a node continues the pane that a label opened."""
    output = (
        isinstance(node, nodes.block_quote) and "sphx-glr-script-out" in node["classes"]
    )
    return isinstance(node, (*CONTENT, pane_time, nodes.comment)) or output


def take_pane(siblings: list[nodes.Node], start: int) -> tuple[nodes.container, int]:
    """Make a pane of the label at ``start`` and what follows; return its end too."""
    end = start + 1
    while end < len(siblings) and belongs_to_pane(siblings[end]):
        end += 1
    label = label_of(siblings[start])
    assert label is not None
    head = nodes.container("", siblings[start], classes=["twin-head"])
    content = siblings[start + 1 : end]
    if times := [n["seconds"] for n in content if isinstance(n, pane_time)]:
        time = nodes.inline("", format_seconds(sum(times)), classes=["twin-time"])
        head += nodes.paragraph("", "", time, classes=["twin-clock"])
    pane = nodes.container("", head, classes=["twin", f"twin-{label.lower()}"])
    pane += [n for n in content if not isinstance(n, (pane_time, nodes.comment))]
    return pane, end


def pair_panes(parent: nodes.Element) -> None:
    """Replace each pair of labelled neighbours among the children by panes."""
    siblings, made = list(parent.children), []
    at = 0
    while at < len(siblings):
        if not label_of(siblings[at]):
            made.append(siblings[at])
            at += 1
            continue
        left, middle = take_pane(siblings, at)
        follows = siblings[middle] if middle < len(siblings) else None
        if follows is None or label_of(follows) in (None, label_of(siblings[at])):
            made.extend(siblings[at:middle])  # a label alone stays a plain block
            at = middle
            continue
        right, at = take_pane(siblings, middle)
        made.append(nodes.container("", left, right, classes=["twins"]))
    parent.children = []
    parent += made


def make_panes(_app: Sphinx, doctree: nodes.document) -> None:
    """Pair the labelled blocks of a page, then drop the times that are left."""
    for parent in [doctree, *doctree.findall(nodes.section)]:
        if any(label_of(child) for child in parent.children):
            pair_panes(parent)
    for time in list(doctree.findall(pane_time)):
        time.parent.remove(time)


def setup(app: Sphinx) -> None:
    """Register the directive and the transformation."""
    app.add_directive("pane-time", PaneTime)
    app.connect("doctree-read", make_panes)
    app.add_css_file("panes.css")
    app.add_js_file("panes.js")
