"""``{unverified}``: what no run on an ordinary machine has checked, and why.

Read from the sources, so that the list on the site cannot fall behind: each
skip of a test, and each row of the API map that is not executed.
"""

import ast
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective

from migrate_examples.api_map import ROWS, rows
from migrate_examples.pitfalls import ENTRIES, pitfalls

SKIPS = {"skip", "skipif", "xfail"}


class Gap(NamedTuple):
    """Something that is not verified: where, and why."""

    what: str
    reason: str


def reason_of(call: ast.Call) -> str:
    """Reason that a skip states, as text; empty where it states none."""
    given = [k.value for k in call.keywords if k.arg == "reason"]
    candidates = given or call.args[:1]
    for value in candidates:
        if isinstance(value, ast.Constant) and isinstance(value.value, str):
            return value.value
    return ""


def skips(tests: Path) -> Iterator[Gap]:
    """Each call of ``pytest.skip``, ``mark.skipif`` or ``mark.xfail`` in the tests."""
    for path in sorted(set(tests.rglob("*.py")) - set(tests.glob("data/**/*.py"))):
        for node in ast.walk(ast.parse(path.read_text())):
            match node:
                case ast.Call(func=ast.Attribute(attr=attr)) if attr in SKIPS:
                    yield Gap(f"{path.name}:{node.lineno}", reason_of(node))


def gaps(root: Path) -> list[Gap]:
    """All that is not verified, tests first."""
    found = [Gap(row.tf, row.unverified) for row in rows() if row.unverified]
    found += [Gap(p.identifier, p.unverified) for p in pitfalls() if p.unverified]
    return [*skips(root / "tests"), *found]


class Unverified(SphinxDirective):
    """List of the gaps with their reasons, headed by their number."""

    def run(self) -> list[nodes.Node]:
        """Build the list from tests and rows."""
        root = Path(self.env.app.confdir)
        for file in [
            *(root / "tests").rglob("*.py"),
            *ROWS.glob("*.toml"),
            *ENTRIES.glob("*.toml"),
        ]:
            self.env.note_dependency(str(file))
        found = gaps(root)
        items = nodes.bullet_list()
        for gap in found:
            text = nodes.paragraph("", "", nodes.literal("", gap.what))
            text += nodes.Text(f": {gap.reason}")
            items += nodes.list_item("", text)
        count = nodes.paragraph("", f"{len(found)} in all:")
        return [count, items] if found else [nodes.paragraph("", "Nothing.")]


def setup(app: Sphinx) -> None:
    """Register the directive."""
    app.add_directive("unverified", Unverified)
