"""The page of pitfalls, on a small site of its own."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from sphinx.application import Sphinx
from sphinx.errors import ExtensionError

from migrate_examples._site import pitfalls as page
from migrate_examples.pitfalls import Pitfall, pitfalls

SHOWN = ("PADDING-SAME", "WHERE-SQRT", "ARGMAX-AXIS")


def chosen() -> tuple[Pitfall, ...]:
    """Few entries, one of them without a proof."""
    found = {pitfall.identifier: pitfall for pitfall in pitfalls()}
    unverified = found["STD-BIASED"]._replace(unverified="needs another machine")
    return (*(found[name] for name in SHOWN), unverified)


class Chosen:
    """Stands for the function that reads all entries."""

    def __call__(self) -> tuple[Pitfall, ...]:
        return chosen()

    def cache_clear(self) -> None:
        """Nothing is kept."""


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("pitfalls")
    (folder / "guide").mkdir()
    for chapter in {pitfall.page for pitfall in chosen()}:
        text = f"---\norphan: true\n---\n# Chapter {chapter}\n"
        (folder / f"guide/{chapter}.md").write_text(text)
    (folder / "index.md").write_text("# Pitfalls\n\n```{pitfalls}\n```\n")
    (folder / "pitfalls.css").touch()
    (folder / "conf.py").write_text(
        "extensions = ['myst_parser', 'migrate_examples._site.pitfalls']\n"
        "html_theme = 'basic'\nnitpicky = True\n"
    )
    return folder


@pytest.fixture(scope="module")
def patched() -> Iterator[pytest.MonkeyPatch]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(page, "pitfalls", Chosen())
        yield patch


def build(source: Path) -> str:
    arguments = (source, source, source / "out", source / "trees", "html")
    Sphinx(*arguments, warningiserror=True, status=None, freshenv=True).build()
    return (source / "out/index.html").read_text()


@pytest.fixture(scope="module")
def html(source: Path, patched: pytest.MonkeyPatch) -> str:
    assert patched
    return build(source)


def section(html: str, anchor: str) -> str:
    (found,) = re.findall(rf'<section id="{anchor}">.*?</section>', html, re.S)
    return str(found)


def test_each_pitfall_has_its_anchor_and_a_way_to_it(html: str) -> None:
    for pitfall in chosen():
        assert html.count(f'<section id="{pitfall.anchor}">') == 1
        assert f'<a class="reference internal" href="#{pitfall.anchor}">' in html
    assert re.findall(r"<td><p>(\d+)</p></td>", html) == ["25", "12", "6", "16"]


def test_original_and_both_ports_stand_with_what_was_measured(html: str) -> None:
    text = section(html, "padding-same")
    sides = re.findall(r"pitfall-(tensorflow|wrong|right) ", text)
    assert sides == ["tensorflow", "wrong", "right"]
    assert re.search(r"off by at least 1\d<", text)
    assert re.search(r"off by at most \d(\.\d)?e-15<", text)
    assert "NaN instead of a number" in section(html, "where-sqrt")
    assert "shape () instead of (4,)" in section(html, "argmax-axis")


def test_prose_names_chapter_and_scanner(html: str) -> None:
    text = section(html, "padding-same")
    assert 'href="guide/models.html">' in text
    assert "Chapter models" in text
    assert "keras.layers.Conv2D" in text
    assert "“" not in text  # the quotes of code are straight


def test_what_was_not_run_says_why(html: str) -> None:
    text = section(html, "std-biased")
    assert text.count("not run") == 2
    assert "Not executed: needs another machine." in text


def test_second_build_measures_nothing(
    source: Path, html: str, patched: pytest.MonkeyPatch
) -> None:
    with patched.context() as patch:
        patch.setattr(page, "measure", lambda pitfall: pytest.fail("measured anew"))
        assert section(build(source), "padding-same") == section(html, "padding-same")


def test_another_entry_or_version_is_measured(monkeypatch: pytest.MonkeyPatch) -> None:
    first, second = chosen()[:2]
    before = page.key_of(first)
    assert before != page.key_of(second)
    monkeypatch.setattr(page, "version", lambda name: "99")
    assert page.key_of(first) != before


def test_what_the_cache_no_longer_needs_is_dropped(tmp_path: Path) -> None:
    cache = tmp_path / "cache/pitfalls.json"
    page.measure_all(chosen()[:2], cache)
    page.measure_all(chosen()[1:2], cache)
    assert page.key_of(chosen()[0]) not in cache.read_text()
    assert page.key_of(chosen()[1]) in cache.read_text()
    assert [path.name for path in cache.parent.iterdir()] == ["pitfalls.json"]


def test_false_claim_stops_the_build() -> None:
    entry = chosen()[0]
    with pytest.raises(ExtensionError, match="PADDING-SAME: the right port differs"):
        page.measure(entry._replace(right=entry.wrong))


@pytest.mark.parametrize(
    "text, code",
    [
        ("Give eps=1e-3 here, or -0.5.", ["eps=1e-3"]),
        ('padding="same" pads', ['padding="same"']),
        ("max((ceil(n/s) - 1)*s + k, 0) rows", ["max((ceil(n/s) - 1)*s + k, 0)"]),
        ("for Keras. In (N, C) it is v1.5.", []),
        ("running_mean of tf.nn.lrn.", ["running_mean", "tf.nn.lrn"]),
    ],
)
def test_code_in_prose(text: str, code: list[str]) -> None:
    found = page.prose(text)
    assert "".join(node.astext() for node in found) == text
    assert [n.astext() for n in found if n.__class__.__name__ == "literal"] == code
