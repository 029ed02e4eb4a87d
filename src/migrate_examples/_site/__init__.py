"""The site's own Sphinx extension: twins into pages, panes, times, tables.

Not part of the wheel: it builds this project's site and nothing else.
"""

from pathlib import Path

from sphinx.application import Sphinx
from sphinx.config import Config

from migrate_examples._site import (
    browser,
    command_help,
    edit_link,
    map_page,
    panes,
    pitfalls,
    port_measured,
    port_tables,
    proofs,
    reference,
    tables,
    unverified,
)
from migrate_examples._site.expand import expand_gallery


def expand_before_gallery(app: Sphinx, _config: Config) -> None:
    """Write the expanded pages to where sphinx-gallery reads them."""
    root = Path(app.confdir)
    expand_gallery(root / "gallery", root / "build/gallery", root / "docs/examples")


def setup(app: Sphinx) -> dict[str, bool]:
    """Register the parts; called by Sphinx."""
    app.connect("config-inited", expand_before_gallery, priority=1)
    browser.setup(app)
    command_help.setup(app)
    edit_link.setup(app)
    map_page.setup(app)
    panes.setup(app)
    pitfalls.setup(app)
    port_measured.setup(app)
    port_tables.setup(app)
    proofs.setup(app)
    reference.setup(app)
    tables.setup(app)
    unverified.setup(app)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
