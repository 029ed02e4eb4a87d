"""The page in a browser, opened as a file: filter, keyboard, phone, both schemes."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal

import pytest
from playwright.sync_api import Browser, Page, sync_playwright

from migrate_examples.scan.findings import Report
from migrate_examples.scan.report import render
from tests.built_site.test_browser import CHROMIUM, FLAGS
from tests.scan.reports import every_kind, hostile

pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="no Chromium on this machine")

CONTRAST = """() => {
  const channels = (color) => color.match(/[\\d.]+/g).map(Number);
  const light = (color) => channels(color).slice(0, 3).reduce((sum, value, n) => {
    const c = value / 255;
    const linear = c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4;
    return sum + linear * [0.2126, 0.7152, 0.0722][n];
  }, 0);
  const ground = (element) => {
    for (let e = element; e; e = e.parentElement) {
      const color = getComputedStyle(e).backgroundColor;
      if (channels(color)[3] !== 0) return color;
    }
  };
  const found = [];
  for (const element of document.body.querySelectorAll("*")) {
    const own = [...element.childNodes].some((n) => n.nodeType === 3 && n.data.trim());
    if (!own || ["SCRIPT", "STYLE"].includes(element.tagName)) continue;
    const pair = [getComputedStyle(element).color, ground(element)].map(light);
    const ratio = (Math.max(...pair) + 0.05) / (Math.min(...pair) + 0.05);
    found.push([ratio, element.outerHTML]);
  }
  return found;
}"""
"""Contrast of each element that has text of its own, as WCAG defines it."""


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        running = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield running
        running.close()


class Opened:
    """A report in a window, and what went wrong or went out since."""

    def __init__(
        self,
        browser: Browser,
        folder: Path,
        report: Report,
        fragment: str = "",
        **context: Any,
    ) -> None:
        file = folder / "report.html"
        file.write_text(render(report, "html"), encoding="utf-8")
        context = {"viewport": {"width": 1200, "height": 900}, **context}
        self.page: Page = browser.new_context(**context).new_page()
        self.troubles: list[str] = []
        self.requests: list[str] = []
        self.page.on("console", lambda m: self.troubles.append(m.text))
        self.page.on("pageerror", lambda e: self.troubles.append(str(e)))
        self.page.on("dialog", lambda d: self.troubles.append(d.message))
        self.page.on("request", lambda r: self.requests.append(r.url))
        self.page.goto(f"{file.as_uri()}{fragment}")

    def symbols(self) -> list[str]:
        """Symbols of the entries that are shown, in the window or below it."""
        found: list[str] = self.page.evaluate(
            """() => [...document.querySelectorAll("article")]
              .filter((article) => article.checkVisibility())
              .map((article) => article.querySelector("h4 code").textContent)"""
        )
        return found

    def filter(self, query: str) -> list[str]:
        self.page.fill("#query", query)
        return self.symbols()


@pytest.fixture
def opened(browser: Browser, tmp_path: Path) -> Iterator[Opened]:
    window = Opened(browser, tmp_path, every_kind())
    yield window
    assert window.troubles == []
    assert len(window.requests) == 1  # the file itself
    window.page.context.close()


def test_filter_finds_symbol_file_and_kind(opened: Opened) -> None:
    everything = opened.symbols()
    assert len(everything) == 14
    assert opened.filter("TF.Other") == ["tf.other"]
    assert opened.filter("explore") == ["tf.same", "tf.other"]
    assert opened.filter("kind:none") == ["tf.none"]
    assert opened.filter("kind:same file:net") == ["tf.same"]
    assert opened.filter("t.same") == ["tf.same"]  # as the code writes it
    assert opened.page.inner_text("#found") == "1 of 69 lines"
    assert opened.filter("nonsense") == []
    assert opened.page.is_visible("#nothing")
    assert opened.filter("") == everything
    assert opened.page.is_hidden("#nothing")
    assert opened.page.inner_text("#found") == "69 lines"


def test_filter_keeps_the_query_in_the_address(opened: Opened) -> None:
    opened.filter("kind:none tf.n 100%")
    assert opened.page.url.endswith("#q=kind%3Anone%20tf.n%20100%25")
    opened.filter("kind:none tf.n")
    opened.page.reload()
    opened.requests.pop()
    assert opened.page.input_value("#query") == "kind:none tf.n"
    assert opened.symbols() == ["tf.none"]
    opened.filter("")
    assert "#" not in opened.page.url
    opened.page.evaluate("location.hash = '#q=%'")  # typed by hand, not encoded
    opened.page.wait_for_function("document.getElementById('query').value === '%'")


def test_filter_works_from_the_keyboard(opened: Opened) -> None:
    opened.page.keyboard.press("/")
    opened.page.keyboard.type("tf.other")
    assert opened.symbols() == ["tf.other"]
    opened.page.keyboard.press("Enter")  # sends nothing anywhere
    opened.page.keyboard.press("Escape")
    assert len(opened.symbols()) == 14
    opened.page.focus("#file-1 > summary")
    opened.page.keyboard.press("Enter")
    assert len(opened.symbols()) == 3


def test_kinds_filter_and_files_stay_in_reach(opened: Opened) -> None:
    opened.page.click("#kinds a:text('lines')")
    opened.page.wait_for_function("document.getElementById('query').value")
    assert opened.symbols() == ["tf.lines", "tf.lines"]
    opened.page.click("#files a:text('explore')")  # the filter hides this file
    opened.page.wait_for_function("!document.getElementById('query').value")
    assert opened.page.locator("#file-3").is_visible()
    assert len(opened.symbols()) == 14


def test_page_without_javascript_shows_all(browser: Browser, tmp_path: Path) -> None:
    window = Opened(browser, tmp_path, every_kind(), java_script_enabled=False)
    assert len(window.symbols()) == 14
    assert window.page.is_hidden(".filter")


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [390, 1440])
def test_page_fits_and_can_be_read(
    browser: Browser, tmp_path: Path, width: int, scheme: Literal["light", "dark"]
) -> None:
    window = Opened(
        browser,
        tmp_path,
        every_kind(),
        viewport={"width": width, "height": 844},
        color_scheme=scheme,
    )
    assert window.page.evaluate("document.documentElement.scrollWidth") == width
    ratios = window.page.evaluate(CONTRAST)
    assert len(ratios) > 200
    assert [(ratio, html) for ratio, html in ratios if ratio < 4.5] == []
    ground = window.page.evaluate("getComputedStyle(document.body).backgroundColor")
    assert (ground == "rgb(255, 255, 255)") is (scheme == "light")


@pytest.mark.parametrize("width", [390, 1440])
def test_page_runs_nothing_foreign(
    browser: Browser, tmp_path: Path, width: int
) -> None:
    window = Opened(
        browser, tmp_path, hostile(), viewport={"width": width, "height": 844}
    )
    assert window.page.locator("img").count() == 0
    assert window.page.evaluate("document.documentElement.scrollWidth") == width
    assert window.troubles == []
    assert len(window.requests) == 1
    window.page.evaluate("""() => {
      const script = document.createElement("script");
      script.textContent = "window.ran = true";
      document.body.append(script);
      const image = document.createElement("img");
      image.src = "https://example.org/x.png";
      document.body.append(image);
    }""")
    assert window.page.evaluate("window.ran") is None  # the page's policy forbids it
    assert len([t for t in window.troubles if "Content Security Policy" in t]) == 2


def test_page_prints_every_finding(browser: Browser, tmp_path: Path) -> None:
    window = Opened(browser, tmp_path, every_kind())
    window.page.emulate_media(media="print")
    window.page.evaluate("document.getElementById('file-1').open = false")
    assert window.page.is_hidden(".filter")
    heights = "e => e.map(a => a.getBoundingClientRect().height)"
    assert min(window.page.eval_on_selector_all("article", heights)) > 20
