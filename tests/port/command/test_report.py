"""Reports for programs and people: all that was found, and nothing that acts."""

import json
import re
from html.parser import HTMLParser
from pathlib import Path

import pytest

from migrate_examples.port.command.page import as_page
from migrate_examples.port.command.picture import error_by_depth, height_of
from migrate_examples.port.command.report import (
    Entry,
    Gradient,
    Layer,
    Report,
    Tensor,
    as_json,
    worst,
)

NAN = float("nan")


def layer(name: str, f32: float | None, f64: float | None, call: int = 0) -> Layer:
    return Layer(
        name, "Conv2D", call, f"net.{name}", 12, (None, 8, 8, 4), f32, f64, 3e-4, 1e-9
    )


@pytest.fixture
def report() -> Report:
    return Report(
        "net.keras",
        "Net",
        inputs=(Tensor("images", (None, 8, 8, 3), "float32"),),
        outputs=(Tensor("output", (None, 4), "float32"),),
        tensors=(
            Entry("net.a.weight", ("a/kernel",), "(in, out) -> (out, in)", (4, 3)),
        ),
        unused=("b/bias",),
        layers=(
            layer("a", 2e-7, 1e-16),
            layer("b", None, None),
            layer("b", 0.5, NAN, 1),
        ),
        gradients=(Gradient("net.a.weight", 1e-15, 1e-8),),
        agrees=False,
        verdict="differs: first at b (Conv2D), by 5.0e-01",
        sensitivity=0.7,
        skipped=("optimizer/vars/0: Keras does not load it",),
        versions={"migrate-examples": "1", "torch": "2"},
        options={"layout": "channels_last"},
        files={"model.py": "0123"},
    )


def test_the_json_has_all_and_is_json(report: Report) -> None:
    text = as_json(report)
    said = json.loads(text, parse_constant=pytest.fail)
    assert said["format"] == 1
    assert said["class"] == "Net"
    assert said["inputs"] == [
        {"name": "images", "shape": [None, 8, 8, 3], "dtype": "float32"}
    ]
    assert said["tensors"][0]["sources"] == ["a/kernel"]
    assert said["layers"][0]["keras"] == "a"
    assert said["layers"][2]["error_float64"] == "nan"
    assert said["layers"][1]["error_float32"] is None


def test_what_is_no_number_differs_and_is_the_worst() -> None:
    assert layer("a", NAN, 0.0).differs
    assert layer("a", 0.0, float("inf")).differs
    assert not layer("a", None, None).differs
    assert not layer("a", 3e-4, 1e-9).differs
    assert Gradient("w", NAN, 1.0).differs
    assert worst([1.0, NAN, None]) != worst([1.0, NAN, None])


class Tags(HTMLParser):
    """Checks that tags close in order, and collects text and attributes."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.text = ""
        self.attributes: list[tuple[str, str | None]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.attributes += attrs
        if tag not in {"meta", "link"}:
            self.open.append(tag)

    def handle_startendtag(self, _: str, attrs: list[tuple[str, str | None]]) -> None:
        self.attributes += attrs

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += data


def parsed(report: Report) -> Tags:
    tags = Tags()
    tags.feed(as_page(report))
    tags.close()
    assert tags.open == []
    return tags


def test_the_page_says_the_verdict_first_and_loads_nothing(report: Report) -> None:
    page = as_page(report)
    tags = parsed(report)
    body = tags.text[tags.text.index("From TensorFlow to PyTorch\n") :]
    assert body.index("differs: first at b") < body.index("layers compared")
    assert "class Net in model.py" in body
    for said in ("(B, 8, 8, 3)", "2.0e-7", "line 12", "call 2", "b/bias", "a/kernel"):
        assert said in body, said
    assert "optimizer/vars/0" in body
    for name, value in tags.attributes:
        assert name not in {"src", "onclick", "srcset"}
        assert name != "href" or value == "data:,", value
    assert not re.search(r"url\(|@import|<script", page)
    assert "default-src 'none'" in page
    assert "prefers-color-scheme: dark" in page


def test_foreign_names_do_not_act() -> None:
    evil = "<script>alert(1)</script>\u202e"
    bad = Report(
        evil,
        evil,
        inputs=(Tensor(evil, (None,), evil),),
        tensors=(Entry(evil, (evil,), evil, (1,)),),
        layers=(Layer(evil, evil, 0, evil, 1, (1,), 0.5, 0.5, 0.1, 0.1),),
        gradients=(Gradient(evil, 1.0, 0.1),),
        verdict=f"differs: {evil}",
        skipped=(evil,),
        versions={evil: evil},
    )
    page = as_page(bad)
    assert "<script" not in page
    assert "\u202e" not in page
    parsed(bad)


def test_the_picture_has_a_mark_for_each_error(report: Report) -> None:
    picture = error_by_depth(report.layers)
    assert picture.count("<circle") == 2
    assert picture.count("<rect") == 2
    assert picture.count(" wrong'") == 2
    assert error_by_depth((layer("a", None, None),)) == ""
    assert height_of(NAN) == height_of(100.0) < height_of(1e-3) < height_of(0.0)


def test_colours_of_the_page_are_those_of_the_style() -> None:
    """Each colour that the port's own style names is one that the scan's defines."""
    package = Path(__file__).parents[3] / "src/migrate_examples"
    shared = (package / "scan/report/report.css").read_text()
    own = (package / "port/command/page.css").read_text()
    defined = set(re.findall(r"(--[\w-]+):", shared + own))
    assert set(re.findall(r"var\((--[\w-]+)\)", own)) <= defined
