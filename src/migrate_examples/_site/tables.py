"""``{api-map}``: the table of equivalents of a guide page, from the rows."""

from docutils import nodes
from sphinx import addnodes
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective

from migrate_examples.api_map import ROWS, Row, rows_of_page

HEADINGS = ("TensorFlow", "PyTorch", "To know")


def note_of(row: Row) -> str:
    """Return the note of a row, with the reason where it is not executed."""
    if not row.unverified:
        return row.note
    return f"{row.note} Not executed: {row.unverified}.".strip()


def code(text: str) -> nodes.Node:
    """Return code in a cell of the table: inline, or a block of several lines."""
    if "\n" in text.strip():
        return nodes.literal_block("", text.strip(), language="python")
    return nodes.paragraph("", "", nodes.literal("", text))


def table_row(row: Row) -> nodes.row:
    """One line of the table; its TensorFlow symbol is an entry of the search."""
    anchor = nodes.make_id(f"row-{row.tf}")
    index = addnodes.index(entries=[("single", row.symbol, anchor, "main", None)])
    line = nodes.row(ids=[anchor])
    line += nodes.entry("", index, code(row.tf))
    line += nodes.entry("", code(row.torch))
    line += nodes.entry("", nodes.paragraph("", note_of(row)))
    return line


class ApiMap(SphinxDirective):
    """Table of all rows whose ``page`` is the argument."""

    required_arguments = 1

    def run(self) -> list[nodes.Node]:
        """Build the table; an empty one is an error, not an empty table."""
        page = self.arguments[0]
        found = rows_of_page(page)
        if not found:
            raise self.error(f'no row of the API map has page = "{page}"')
        for file in ROWS.glob("*.toml"):
            self.env.note_dependency(str(file))
        group = nodes.tgroup(cols=3)
        group += [nodes.colspec(colwidth=width) for width in (36, 36, 28)]
        head = nodes.row()
        head += [nodes.entry("", nodes.paragraph("", text)) for text in HEADINGS]
        group += nodes.thead("", head)
        group += nodes.tbody("", *map(table_row, found))
        return [nodes.table("", group, classes=["api-map"])]


def setup(app: Sphinx) -> None:
    """Register the directive."""
    app.add_directive("api-map", ApiMap)
