"""The built pages as files: whole, offline, with downloads that hold the code."""

import ast
import json
import re
from functools import cache
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urldefrag

import pytest

ROOT = Path(__file__).parents[2]
HTML = ROOT / "build/html"
PAGES = sorted(HTML.rglob("*.html"))
GALLERY = sorted(HTML.glob("examples/*/*.html"))
GALLERY = [page for page in GALLERY if page.stem not in {"index", "sg_execution_times"}]


@cache
def links_of(page: Path) -> "Links":
    return Links(page)


class Links(HTMLParser):
    """What a page loads by itself, what it links to, and its anchors."""

    def __init__(self, page: Path) -> None:
        super().__init__()
        self.loads: list[str] = []
        self.links: list[str] = []
        self.anchors: set[str] = set()
        self.feed(page.read_text())

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        found = {name: value or "" for name, value in attrs}
        self.anchors.update(found[name] for name in ("id", "name") if name in found)
        if tag in {"script", "img", "iframe", "source", "video"} and found.get("src"):
            self.loads.append(found["src"])
        if tag == "link" and found.get("rel") != "canonical" and found.get("href"):
            self.loads.append(found["href"])
        if tag == "a" and found.get("href"):
            self.links.append(found["href"])


def is_outside(address: str) -> bool:
    return bool(re.match(r"(https?:)?//", address))


def test_no_loop_over_nothing() -> None:
    assert len(PAGES) >= 25
    assert {page.stem for page in GALLERY} >= {
        p.stem for p in (ROOT / "gallery").rglob("*.py")
    }


@pytest.mark.parametrize("page", PAGES, ids=lambda p: str(p.relative_to(HTML)))
def test_page_loads_nothing_from_outside(page: Path) -> None:
    assert [address for address in links_of(page).loads if is_outside(address)] == []
    assert not re.search(r"@import|url\(['\"]?https?:", page.read_text())


@pytest.mark.parametrize("page", PAGES, ids=lambda p: str(p.relative_to(HTML)))
def test_links_lead_somewhere(page: Path) -> None:
    found = links_of(page)
    for address in [*found.links, *found.loads]:
        if is_outside(address) or address.startswith(
            ("mailto:", "data:", "javascript:")
        ):
            continue
        path, anchor = urldefrag(unquote(address.partition("?")[0]))
        target = (page.parent / path).resolve() if path else page
        target = target / "index.html" if target.is_dir() else target
        assert target.is_file(), address
        if anchor and target.suffix == ".html":
            assert anchor in links_of(target).anchors | {"", "top"}, address


def code_of_notebook(path: Path) -> str:
    cells = json.loads(path.read_text())["cells"]
    code = ["".join(c["source"]) for c in cells if c["cell_type"] == "code"]
    return "\n".join(code)


def statements(text: str) -> list[str]:
    body = ast.parse(text).body
    is_title = isinstance(body[0], ast.Expr) and isinstance(body[0].value, ast.Constant)
    return [ast.dump(node) for node in (body[1:] if is_title else body)]


@pytest.mark.parametrize("page", GALLERY, ids=lambda p: p.stem)
def test_downloads_hold_the_code_that_ran(page: Path) -> None:
    (script,) = HTML.glob(f"_downloads/*/{page.stem}.py")
    (notebook,) = HTML.glob(f"_downloads/*/{page.stem}.ipynb")
    text = script.read_text()
    expanded = next((ROOT / "build/gallery").rglob(f"{page.stem}.py"))
    assert text == expanded.read_text(), "what is offered is what ran"
    assert ("migrate_examples" in text) == ("migrate-examples[port]==" in text)
    assert text.startswith("# /// script\n# requires-python")
    assert statements(code_of_notebook(notebook)) == statements(text)


@pytest.mark.parametrize("page", GALLERY, ids=lambda p: p.stem)
def test_every_pane_has_code_and_time(page: Path) -> None:
    text = page.read_text()
    panes = re.split(r'<div class="twin twin-', text)[1:]
    assert len(panes) >= 2
    assert len(panes) % 2 == 0
    for pane in panes:
        assert '<span class="twin-time">' in pane
        assert 'class="highlight-Python' in pane
    assert "Traceback" not in text or "sphx-glr-script-out" in text


def test_one_time_a_pane() -> None:
    for page in GALLERY:
        text = page.read_text()
        panes = re.findall(r'class="twin twin-', text)
        assert len(panes) == len(re.findall(r'class="twin-time"', text)), page.name


def test_what_is_not_verified_is_counted() -> None:
    from migrate_examples._site.unverified import gaps

    text = (HTML / "unverified.html").read_text()
    assert f"<p>{len(gaps(ROOT))} in all:</p>" in text
