"""``{reference}``: the twins' docstrings, section by section, found not listed."""

from pathlib import Path

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective

from migrate_examples._torchvision import declare_missing_operators

PACKAGE = Path(__file__).parents[1]
SIDES = {"in_tensorflow": "TensorFlow", "in_pytorch": "PyTorch"}


def reference_of(section: str) -> list[str]:
    """Lines of reStructuredText that document both sides of a section."""
    lines = []
    for side, framework in SIDES.items():
        module = f"migrate_examples.{section}.{side}"
        lines += [f".. rubric:: In {framework}", "", f".. automodule:: {module}"]
        lines += ["   :members:", ""]
    return lines


class Reference(SphinxDirective):
    """A heading and both modules for each section of the package."""

    def run(self) -> list[nodes.Node]:
        """Parse what :func:`reference_of` says for each section, in its own heading."""
        declare_missing_operators()  # autodoc imports the twins, some torchvision
        made: list[nodes.Node] = []
        for path in sorted(PACKAGE.glob("*/in_pytorch.py")):
            name = path.parent.name
            text = "\n".join(reference_of(name))
            section = nodes.section(ids=[name], names=[name])
            section += nodes.title("", name)
            section += self.parse_rst(text)
            made.append(section)
        return made

    def parse_rst(self, text: str) -> list[nodes.Node]:
        """Parse reStructuredText; the page around it is Markdown."""
        block = "\n".join(["```{eval-rst}", text, "```"])
        return self.parse_text_to_nodes(block)


def setup(app: Sphinx) -> None:
    """Register the directive."""
    app.add_directive("reference", Reference)
