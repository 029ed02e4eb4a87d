"""The link "edit this page" leads to what a person writes, also for gallery pages."""

from typing import Any

from sphinx.application import Sphinx


def source_of(page: str, suffix: str) -> str:
    """Path in the repository of the source of a page.

    Gallery pages are made in ``docs/examples``; what is edited is the script.

    >>> source_of("examples/1_concepts/autodiff", ".rst")
    'gallery/1_concepts/autodiff.py'
    >>> source_of("examples/index", ".rst")
    'gallery/GALLERY_HEADER.rst'
    >>> source_of("guide/autodiff", ".md")
    'docs/guide/autodiff.md'
    """
    if not page.startswith("examples/"):
        return f"docs/{page}{suffix}"
    script = "gallery/" + page.removeprefix("examples/")
    if script.endswith("/index"):
        return script.removesuffix("index") + "GALLERY_HEADER.rst"
    return f"{script}.py"


def add_edit_link(
    _app: Sphinx, page: str, _template: str, context: dict[str, Any], doctree: object
) -> None:
    """Give the theme the link, where a repository is set and the page has a source."""
    if context.get("repository") and doctree is not None:
        source = source_of(page, context.get("page_source_suffix", ""))
        address = context["repository"].removesuffix(".git").rstrip("/")
        context["theme_source_edit_link"] = f"{address}/edit/main/{source}"


def setup(app: Sphinx) -> None:
    """Set the link page by page."""
    app.connect("html-page-context", add_edit_link)
