"""Where "edit this page" leads."""

from typing import Any

import pytest

from migrate_examples._site.edit_link import add_edit_link


@pytest.mark.parametrize(
    "repository", ["https://example.org/me/guide", "https://example.org/me/guide.git"]
)
def test_a_gallery_page_is_edited_in_the_gallery(repository: str) -> None:
    context: dict[str, Any] = {"repository": repository, "page_source_suffix": ".rst"}
    add_edit_link(None, "examples/2_usage/tensors", "", context, object())  # type: ignore[arg-type]
    edit = "https://example.org/me/guide/edit/main/gallery/2_usage/tensors.py"
    assert context["theme_source_edit_link"] == edit


@pytest.mark.parametrize("doctree, repository", [(None, "https://x"), (object(), "")])
def test_no_link_without_source_or_repository(doctree: object, repository: str) -> None:
    context: dict[str, Any] = {"repository": repository}
    add_edit_link(None, "search", "", context, doctree)  # type: ignore[arg-type]
    assert "theme_source_edit_link" not in context
