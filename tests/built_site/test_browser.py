"""The built pages in a browser: panes, tabs, both widths, both colour schemes."""

import functools
import http.server
import shutil
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Literal

import pytest
from playwright.sync_api import Browser, Page, Request, sync_playwright

HTML = Path(__file__).parents[2] / "build/html"
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
FLAGS = [
    *(
        "--headless",
        "--no-sandbox",
        "--disable-gpu",
        "--disable-quic",
        "--no-first-run",
    ),
    *(
        "--disable-background-networking",
        "--disable-component-update",
        "--disable-sync",
    ),
]
GALLERY = sorted(
    p.relative_to(HTML).as_posix()
    for p in HTML.glob("examples/*/*.html")
    if p.stem != "index"
)
OTHERS = ["index.html", "introduction.html", "examples/index.html", "unverified.html"]
OTHERS += ["api-map.html", "pitfalls.html", "scan.html"]
OTHERS += sorted(p.relative_to(HTML).as_posix() for p in HTML.glob("guide/*.html"))

pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="no Chromium on this machine")


@pytest.fixture(scope="module")
def site() -> Iterator[str]:
    """Address of a server of the built pages on this machine."""

    class Quiet(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *_: object) -> None:
            """Say nothing."""

    handler = functools.partial(Quiet, directory=str(HTML))
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        running = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield running
        running.close()


Scheme = Literal["light", "dark"]


def open_page(
    browser: Browser,
    address: str,
    width: int,
    scheme: Scheme = "light",
    *,
    javascript: bool = True,
) -> tuple[Page, list[str]]:
    """Open an address; return the page and the list its troubles are written to."""
    context = browser.new_context(
        viewport={"width": width, "height": 900},
        color_scheme=scheme,
        java_script_enabled=javascript,
    )
    page = context.new_page()
    troubles: list[str] = []

    def note_request(request: Request) -> None:
        if "127.0.0.1" not in request.url and not request.url.startswith("data:"):
            troubles.append(f"loads {request.url}")

    page.on("request", note_request)
    page.on("pageerror", lambda error: troubles.append(str(error)))
    page.on("console", lambda m: troubles.append(m.text) if m.type == "error" else None)
    page.goto(address, wait_until="load")
    return page, troubles


@pytest.mark.parametrize("width", [1440, 390])
@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("address", [*GALLERY, *OTHERS])
def test_page_is_sound(
    address: str, scheme: Scheme, width: int, site: str, browser: Browser
) -> None:
    page, troubles = open_page(browser, f"{site}/{address}", width, scheme)
    assert troubles == []
    assert page.evaluate("document.documentElement.scrollWidth") <= width, (
        "scrolls sideways"
    )
    dark = page.evaluate("matchMedia('(prefers-color-scheme: dark)').matches")
    assert dark == (scheme == "dark")
    page.context.close()


@pytest.mark.parametrize("address", GALLERY)
def test_panes_stand_side_by_side_with_room(
    address: str, site: str, browser: Browser
) -> None:
    page, _ = open_page(browser, f"{site}/{address}", 1440)
    pairs = page.locator(".twins")
    assert pairs.count() >= 1
    for number in range(pairs.count()):
        left, right = (
            pairs.nth(number).locator(".twin").nth(n).bounding_box() for n in (0, 1)
        )
        assert left is not None
        assert right is not None
        assert left["y"] == right["y"]
        assert left["x"] + left["width"] <= right["x"]
    # 64 columns fit: no pane of code scrolls sideways
    wide = page.evaluate(
        "[...document.querySelectorAll('.twin .highlight-Python pre')]"
        ".filter(e => e.scrollWidth > e.clientWidth + 1)"
        ".map(e => e.textContent.slice(0, 80))"
    )
    assert wide == []
    page.context.close()


def test_tabs_on_narrow_screens_share_one_remembered_choice(
    site: str, browser: Browser
) -> None:
    page, _ = open_page(browser, f"{site}/{GALLERY[0]}", 390)
    for side in ("TensorFlow", "PyTorch", "TensorFlow"):
        page.get_by_role("tab", name=side).nth(1).click()
        for number in range(page.locator(".twins").count()):
            pair = page.locator(".twins").nth(number)
            assert pair.locator(f".twin-{side.lower()}").is_visible()
            assert pair.locator(".twin:visible").count() == 1
    page.goto(f"{site}/{GALLERY[1]}")
    assert page.locator(".twin-tensorflow").first.is_visible()
    assert not page.locator(".twin-pytorch").first.is_visible()
    page.get_by_role("tab", name="TensorFlow").first.press("ArrowRight")
    assert page.locator(".twin-pytorch").first.is_visible()
    page.context.close()


def test_without_javascript_both_sides_are_shown(site: str, browser: Browser) -> None:
    page, _ = open_page(browser, f"{site}/{GALLERY[0]}", 390, javascript=False)
    assert page.locator(".twin-tensorflow").first.is_visible()
    assert page.locator(".twin-pytorch").first.is_visible()
    assert page.locator(".docstring-toggle").count() == 0
    page.context.close()


def test_docstrings_unfold_and_copy_whole(site: str, browser: Browser) -> None:
    page, _ = open_page(browser, f"{site}/{GALLERY[0]}", 1440)
    toggle = page.locator(".docstring-toggle").first
    body = page.locator(".docstring-body").first
    assert not body.is_visible()
    toggle.click()
    assert body.is_visible()
    assert "Parameters" in body.inner_text()
    page.context.close()


@pytest.mark.parametrize(
    "query, first",
    [
        ("tf.stop_gradient", "api-map.html#tf-stop_gradient"),
        ("tf.math.reduce_mean", "api-map.html#tf-reduce_mean"),
        ("keras.layers.Dense", "api-map.html#keras-layers-Dense"),
        ("tf.concat", "api-map.html#tf-concat"),
        ("automatic differentiation", "autodiff.html"),
    ],
)
def test_search_finds_first_what_is_meant(
    query: str, first: str, site: str, browser: Browser
) -> None:
    page, troubles = open_page(browser, f"{site}/search.html?q={query}", 1440)
    page.wait_for_selector("#search-results li a")
    link = page.locator("#search-results li a").first.get_attribute("href")
    assert link is not None
    assert first in link
    assert troubles == []
    page.context.close()


@pytest.mark.parametrize("width", [1440, 390])
def test_look_up_finds_as_you_type(width: int, site: str, browser: Browser) -> None:
    page, troubles = open_page(browser, f"{site}/api-map.html", width)
    every = page.locator("details.entry").count()
    assert every >= 1000
    page.keyboard.press("/")
    page.keyboard.type("tensorflow.math.reduce_mean(x")
    # The page filters in the next frame after a key.
    page.wait_for_function(
        "new URL(location).searchParams.get('q') === 'tensorflow.math.reduce_mean(x'"
    )
    shown = page.locator("details.entry:visible")
    assert shown.first.get_attribute("id") == "tf-reduce_mean"
    assert "q=tensorflow.math.reduce_mean" in page.url
    page.keyboard.press("Enter")
    entry = page.locator("#tf-reduce_mean")
    entry.locator(".side.pytorch pre").first.wait_for()
    assert "Executed at this build" in entry.inner_text()
    page.locator("#look-up-query").fill("torch.nn.functional.gelu")
    page.wait_for_function(
        "new URL(location).searchParams.get('q') === 'torch.nn.functional.gelu'"
    )
    assert 1 <= page.locator("details.entry:visible").count() < 40
    page.locator("#look-up-query").press("Escape")
    page.wait_for_function("!new URL(location).searchParams.has('q')")
    assert page.locator("details.entry:visible").count() == every
    assert troubles == []
    page.context.close()


def test_look_up_opens_what_the_address_says(site: str, browser: Browser) -> None:
    page, _ = open_page(browser, f"{site}/api-map.html?q=reduce_sum&kind=same", 1440)
    assert page.locator("#look-up-query").input_value() == "reduce_sum"
    assert (
        page.locator("button[data-kind=same]").get_attribute("aria-pressed") == "true"
    )
    assert 1 <= page.locator("details.entry:visible").count() < 40
    page.goto(f"{site}/api-map.html#keras-layers-Dense")
    page.locator("#keras-layers-Dense .side").first.wait_for()
    page.context.close()


def test_look_up_moves_by_arrow_keys(site: str, browser: Browser) -> None:
    page, _ = open_page(browser, f"{site}/api-map.html?q=tf.reduce_", 1440)
    page.locator("#look-up-query").focus()
    focused = "document.activeElement.parentElement.id"
    page.keyboard.press("ArrowDown")
    first = page.evaluate(focused)
    page.keyboard.press("ArrowDown")
    assert page.evaluate(focused) != first
    page.keyboard.press("ArrowUp")
    assert page.evaluate(focused) == first
    page.context.close()


def test_look_up_without_javascript_is_a_list(site: str, browser: Browser) -> None:
    page, _ = open_page(browser, f"{site}/api-map.html", 390, javascript=False)
    assert "torch.mean" in page.locator("#tf-reduce_mean > summary").inner_text()
    assert page.locator(".look-up noscript").is_visible()
    page.context.close()


def test_the_page_scans_what_is_pasted(site: str, browser: Browser) -> None:
    """The package itself runs in the page: the same findings as in a terminal."""
    from migrate_examples.scan import scan_text

    page, troubles = open_page(browser, f"{site}/scan.html", 1440)
    source = page.locator("#scanner-source").input_value()
    page.get_by_role("button", name="Scan").click()
    page.wait_for_function(
        "document.querySelector('#scanner [role=status]').textContent"
        ".startsWith('Scanned in')",
        timeout=60_000,
    )
    report = page.frame_locator("#scanner-report").locator("body").text_content()
    assert report
    for finding in scan_text(source, "pasted.py").findings:
        assert finding.symbol in report, finding
    assert "PADDING-SAME" in report
    page.locator("#scanner-source").fill("def broken(:")
    page.get_by_role("button", name="Scan").click()
    frame = page.frame_locator("#scanner-report")
    frame.get_by_text("pasted.py:1").or_(frame.get_by_text("syntax")).first.wait_for()
    assert troubles == []
    page.context.close()


def test_no_loop_over_nothing() -> None:
    assert len(GALLERY) >= 10
    assert len(OTHERS) >= 14
