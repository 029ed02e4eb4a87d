"""Tables of the pages on the port, from its registries and what this build measured.

``{tolerances}``: operations, what was measured and what is allowed.
``{applications}``: models, twins, what has to change and what each change is worth.
``{lowered-layers}``: layers that the source writer knows, and those that it refuses.
"""

from collections.abc import Iterable, Sequence

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective

from migrate_examples._site.port_measured import PACKAGE, measured_by


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> nodes.table:
    """Table of plain text; lines of a cell become paragraphs."""
    group = nodes.tgroup(cols=len(head))
    group += [nodes.colspec(colwidth=1) for _ in head]
    group += nodes.thead("", line(head))
    group += nodes.tbody("", *(line(row) for row in rows))
    return nodes.table("", group, classes=["port-table"])


def line(cells: Sequence[str]) -> nodes.row:
    """Row of a table."""
    entries = (
        nodes.entry("", *(nodes.paragraph("", part) for part in cell.split("\n")))
        for cell in cells
    )
    return nodes.row("", *entries)


class PortDirective(SphinxDirective):
    """Reads what the port's sources say: a change of one makes the page anew."""

    def depend(self) -> None:
        """Note the sources."""
        for file in (PACKAGE / "port").rglob("*.py"):
            self.env.note_dependency(str(file))


class Tolerances(PortDirective):
    """What was measured, what is allowed, and where mistakes stand."""

    def run(self) -> list[nodes.Node]:
        """Build both tables."""
        self.depend()
        found = measured_by(self.env.app)
        operations = table(
            ("Operation", "Numbers summed", "Layers", "dtype", "Measured", "Allowed"),
            (
                (
                    row["name"],
                    f"{row['size']:,}",
                    str(row["depth"]),
                    row["dtype"],
                    f"{row['measured']:.0e}",
                    f"{row['policy']:.0e}",
                )
                for row in found["tolerances"]
            ),
        )
        words = nodes.paragraph(
            "",
            "And these are mistakes, in float64: how far off they are, and how often "
            "that is the error that is allowed there.",
        )
        mistakes = table(
            ("Mistake", "Error", "Times the allowed"),
            (
                (row["name"], f"{row['wrong']:.0e}", f"{row['factor']:.0e}")
                for row in found["conventions"]
            ),
        )
        return [operations, words, mistakes]


class Applications(PortDirective):
    """Models of ``keras.applications`` with their twins."""

    def run(self) -> list[nodes.Node]:
        """Build the table: measured models first, then those known by shape."""
        self.depend()
        rows = measured_by(self.env.app)["applications"]
        measured = [row for row in rows if row["float64"]]
        others = [row for row in rows if not row["float64"]]
        first = table(
            ("Model", "Takes its weights", "Error f32", "f64", "Change: error without"),
            (
                (
                    row["model"],
                    row["twin"],
                    row["float32"],
                    row["float64"],
                    "\n".join(
                        f"{words}: {worth}"
                        for words, worth in zip(
                            row["changes"], row["without"], strict=True
                        )
                    ),
                )
                for row in measured
            ),
        )
        words = nodes.paragraph(
            "",
            "Each family was measured on its smallest member, to keep the build short. "
            "Of the others the tests compare the shapes of all weights; their errors "
            "were measured by a benchmark, not by this build.",
        )
        second = table(
            ("Model", "Takes its weights", "Changes"),
            ((row["model"], row["twin"], "\n".join(row["changes"])) for row in others),
        )
        return [first, words, second]


class LoweredLayers(PortDirective):
    """What the source writer knows, and what it refuses."""

    def run(self) -> list[nodes.Node]:
        """Build a list of the first and a table of the second."""
        # PLC0415: reading this module's name must not import NumPy and PyTorch.
        from migrate_examples.port.lower import LOWERINGS, driver  # noqa: PLC0415
        from migrate_examples.port.lower.not_lowered import (  # noqa: PLC0415
            NOT_LOWERED,
        )

        assert driver  # its import registers them all

        self.depend()
        layers = sorted(kind for kind in LOWERINGS if not kind.startswith("ops."))
        operations = sorted(
            kind.removeprefix("ops.") for kind in LOWERINGS if kind.startswith("ops.")
        )
        return [
            nodes.paragraph("", f"{len(layers)} layers: {', '.join(layers)}."),
            nodes.paragraph(
                "",
                f"{len(operations)} operations of keras.ops, by the names of their "
                f"classes: {', '.join(operations)}.",
            ),
            nodes.paragraph("", "Refused:"),
            table(
                ("Layer", "Why", "What to do"),
                ((name, *missing) for name, missing in sorted(NOT_LOWERED.items())),
            ),
        ]


def setup(app: Sphinx) -> None:
    """Register the directives."""
    app.add_directive("tolerances", Tolerances)
    app.add_directive("applications", Applications)
    app.add_directive("lowered-layers", LoweredLayers)
