"""``{api-map}``: the table of equivalents of a guide page, from the rows."""

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective

from migrate_examples.api_map import ROWS, Row, rows_of_page
from migrate_examples.api_map.lookup import anchor
from migrate_examples.api_map.symbols import main_name

HEADINGS = ("TensorFlow", "PyTorch", "To know")


def note_of(row: Row) -> str:
    """Return the note of a row, with the reason where it is not executed."""
    parts = [row.note, f"Silent: {row.pitfall}" if row.pitfall else ""]
    if row.unverified:
        parts.append(f"Not executed: {row.unverified}.")
    return " ".join(part for part in parts if part)


def code(text: str) -> nodes.Node:
    """Return code in a cell of the table: inline, or a block of several lines."""
    if "\n" in text.strip():
        return nodes.literal_block("", text.strip(), language="python")
    return nodes.paragraph("", "", nodes.literal("", text))


def table_row(row: Row, to_root: str) -> nodes.row:
    """One line of the table, with the way to its entry on the look-up page."""
    place = anchor(main_name(row.symbol) or row.symbol)
    uri = f"{to_root}api-map.html#{place}"
    more = nodes.reference("", "more", internal=True, refuri=uri)
    line = nodes.row(ids=[nodes.make_id(f"row-{row.tf}")])
    line += nodes.entry("", code(row.tf))
    line += nodes.entry("", code(row.torch))
    line += nodes.entry(
        "", nodes.paragraph("", "", nodes.Text(f"{note_of(row)} "), more)
    )
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
        to_root = "../" * self.env.docname.count("/")
        group = nodes.tgroup(cols=3)
        group += [nodes.colspec(colwidth=width) for width in (36, 36, 28)]
        head = nodes.row()
        head += [nodes.entry("", nodes.paragraph("", text)) for text in HEADINGS]
        group += nodes.thead("", head)
        group += nodes.tbody("", *(table_row(row, to_root) for row in found))
        return [nodes.table("", group, classes=["api-map"])]


def setup(app: Sphinx) -> None:
    """Register the directive."""
    app.add_directive("api-map", ApiMap)
