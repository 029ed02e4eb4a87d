"""Labels to panes, on a small site of its own."""

import re

import pytest
from sphinx.application import Sphinx

PAGE = """\
# Page

Text before.

**TensorFlow** sums.

```python
total = 1 + 1
```

**PyTorch** sums too.

```python
total = 1 + 1 + 0
```

Text after.

**PyTorch** alone.

```python
alone = True
```

## Section

**Bold** is not a label.

**PyTorch** first.

```{eval-rst}
.. pane-time:: 0.0314
```

**TensorFlow** second.

```{eval-rst}
.. pane-time:: 2
.. pane-time:: 2.26
```
"""


@pytest.fixture(scope="module")
def html(tmp_path_factory: pytest.TempPathFactory) -> str:
    source = tmp_path_factory.mktemp("panes")
    (source / "index.md").write_text(PAGE)
    (source / "panes.css").touch()
    (source / "conf.py").write_text(
        "extensions = ['myst_parser', 'only_panes']\nhtml_theme = 'basic'\n"
    )
    import sys
    import types

    from migrate_examples._site import panes

    extension = types.ModuleType("only_panes")
    extension.setup = panes.setup  # type: ignore[attr-defined]
    sys.modules["only_panes"] = extension
    app = Sphinx(
        source,
        source,
        source / "out",
        source / "trees",
        "html",
        warningiserror=True,
        status=None,
    )
    app.build()
    return (source / "out/index.html").read_text()


def test_two_labels_become_two_panes(html: str) -> None:
    first, second = re.findall(
        r'<div class="twins.*?(?=<div class="twins|$)', html, re.S
    )
    assert re.findall(r'class="twin twin-(\w+)', first) == ["tensorflow", "pytorch"]
    assert re.findall(r'class="twin twin-(\w+)', second) == ["pytorch", "tensorflow"]
    assert first.index("sums.") < first.index("total") < first.index("sums too.")


def test_text_stays_outside_and_a_lone_label_stays_a_block(html: str) -> None:
    assert html.count('class="twins') == 2
    before, _, after = html.partition('<div class="twins')
    assert "Text before." in before
    assert "<p>Text after.</p>\n<p><strong>PyTorch</strong> alone.</p>" in after
    assert "<strong>Bold</strong> is not a label." in after


def test_times_are_summed_a_pane_and_shown_once(html: str) -> None:
    assert re.findall(r'twin-time">([^<]+)<', html) == ["31 ms", "4.3 s"]


def test_order_of_the_clock(monkeypatch: pytest.MonkeyPatch) -> None:
    from migrate_examples._site import clock

    ticks = iter([10.0, 12.5])
    monkeypatch.setattr("time.perf_counter", lambda: next(ticks))
    clock.restart(None, None, None)
    assert ".. pane-time:: 2.500000" in clock.read(None, None, None)
