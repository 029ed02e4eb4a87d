"""Lets one page load a style and a script, and no other page."""

from sphinx.application import Sphinx


def load_on(app: Sphinx, page: str, style: str, script: str = "") -> None:
    """Add files of the static folder to a page, by its name."""

    def add(app: Sphinx, current: str, *_: object) -> None:
        if current == page:
            app.add_css_file(style)
            if script:
                app.add_js_file(script, loading_method="defer")

    app.connect("html-page-context", add)
